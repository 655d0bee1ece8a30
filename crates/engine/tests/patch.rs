//! JSON Patch by its public test suite where that is at hand, and JSON Merge Patch by the appendix
//! of RFC 7396, which stands in `tests/rfc/merge-patch.json`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ingest_engine::patch::{PatchError, apply};
use jsonb::{Value, from_json, from_text, to_text};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

fn patched(document: &Json, patch: &Json) -> Result<Json, PatchError> {
    let (document, patch) = (from_json(document).unwrap(), from_json(patch).unwrap());
    let result = apply(
        Value::read(&document).unwrap(),
        Value::read(&patch).unwrap(),
        64,
    )?;
    Ok(serde_json::from_str(&to_text(Value::read(&result).unwrap()).unwrap()).unwrap())
}

fn normal(value: &Json) -> Json {
    let bytes = from_json(value).unwrap();
    serde_json::from_str(&to_text(Value::read(&bytes).unwrap()).unwrap()).unwrap()
}

/// The public suite lies beside the checkout, or where `INGEST_SHARED` says.
fn public_suite(file: &str) -> Option<Vec<Json>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("INGEST_SHARED").map_or(beside, PathBuf::from);
    let text = std::fs::read_to_string(shared.join("json-patch").join(file)).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
fn json_patch_public_suite_is_met() {
    // Every case of the public suite gives its result or is refused, as it says.
    for file in ["tests.json", "spec_tests.json"] {
        for case in public_suite(file).unwrap_or_default() {
            if case
                .get("disabled")
                .is_some_and(|disabled| disabled == true)
            {
                continue;
            }
            let (Some(document), Some(patch)) = (case.get("doc"), case.get("patch")) else {
                continue;
            };
            let result = patched(document, patch);
            match (case.get("expected"), case.get("error")) {
                (Some(expected), _) => {
                    assert_eq!(result, Ok(normal(expected)), "{file}: {case}");
                }
                (None, Some(_)) => assert!(result.is_err(), "{file}: {case}"),
                (None, None) => assert!(result.is_ok(), "{file}: {case}"),
            }
        }
    }
}

#[test]
fn merge_patch_rfc_7396_appendix_is_met() {
    // The example test cases of RFC 7396, appendix A, as data. A merge patch that is an array
    // would be a JSON Patch here, so those three are not among them.
    let cases: Vec<[Json; 3]> = serde_json::from_str(include_str!("rfc/merge-patch.json")).unwrap();
    for [document, patch, expected] in cases {
        assert_eq!(
            patched(&document, &patch),
            Ok(expected),
            "{document} with {patch}"
        );
    }
}

#[test]
fn patch_numbers_keep_every_digit() {
    // A patch of one member leaves the digits and the scale of the others as they are.
    let document =
        from_text(r#"{"a": 1.00, "b": 12345678901234567890.123456789012345678901}"#).unwrap();
    let patch = from_text(r#"[{"op": "add", "path": "/c", "value": 2.50}]"#).unwrap();
    let result = apply(
        Value::read(&document).unwrap(),
        Value::read(&patch).unwrap(),
        64,
    )
    .unwrap();
    let text = to_text(Value::read(&result).unwrap()).unwrap();
    assert_eq!(
        text,
        r#"{"a": 1.00, "b": 12345678901234567890.123456789012345678901, "c": 2.50}"#
    );
}

#[test]
fn patch_test_compares_numbers_by_value() {
    // RFC 6902, section 4.6: numbers are equal if their values are.
    let document = serde_json::json!({"a": 1});
    let patch = serde_json::from_str(r#"[{"op": "test", "path": "/a", "value": 1.0}]"#).unwrap();
    assert_eq!(patched(&document, &patch), Ok(document));
}

#[test]
fn patch_operation_that_is_wrong_is_named_by_its_place() {
    // What is wrong with a patch is told with the operation's place, and nothing is applied.
    let document = serde_json::json!({"a": 1});
    let cases = [
        (
            r#"[{"op": "remove", "path": "/b"}]"#,
            PatchError::NoTarget { index: 0 },
        ),
        (
            r#"[{"op": "remove", "path": "/a"}, {"op": "test", "path": "/a", "value": 1}]"#,
            PatchError::TestFailed { index: 1 },
        ),
    ];
    for (patch, expected) in cases {
        let patch = serde_json::from_str(patch).unwrap();
        assert_eq!(patched(&document, &patch), Err(expected));
    }
    for patch in [
        r#"[1]"#,
        r#"[{}]"#,
        r#"[{"op": "add", "path": "a", "value": 1}]"#,
        r#"[{"op": "add", "path": "/a"}]"#,
        r#"[{"op": "jump", "path": "/a"}]"#,
        r#"[{"op": "move", "from": "/a", "path": "/a/b"}]"#,
    ] {
        let patch = serde_json::from_str(patch).unwrap();
        assert!(
            matches!(
                patched(&document, &patch),
                Err(PatchError::Wrong { index: 0, .. })
            ),
            "{patch}"
        );
    }
}

#[test]
fn patch_that_nests_too_deep_is_refused() {
    // Neither a deep patch nor a patch that makes a document deep goes past the limit.
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let patch = serde_json::from_str(&format!(r#"{{"a": {deep}}}"#)).unwrap();
    assert_eq!(
        patched(&serde_json::json!({}), &patch),
        Err(PatchError::TooDeep)
    );
    let copies: Vec<Json> = (0..70)
        .map(|_| serde_json::json!({"op": "copy", "from": "", "path": "/a"}))
        .collect();
    assert_eq!(
        patched(&serde_json::json!({"a": 1}), &Json::Array(copies)),
        Err(PatchError::TooDeep)
    );
}

#[test]
fn patch_whose_copies_double_the_document_is_refused() {
    // Forty copies of the whole into itself would be a trillion values.
    let copies: Vec<Json> = (0..40)
        .map(|at| serde_json::json!({"op": "copy", "from": "", "path": format!("/{at}")}))
        .collect();
    let result = patched(&serde_json::json!({"a": 1}), &Json::Array(copies));
    assert_eq!(result, Err(PatchError::TooLarge));
}
