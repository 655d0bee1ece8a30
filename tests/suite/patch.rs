//! `resource_patch`: merge patches and JSON Patches, applied to what is stored and judged as a whole.

use ingest_tests::{Database, expect_sqlstate};
use postgres::{Client, Error};
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, Written, value};
use crate::invariant::{assert_sound, numbered, sqlstate, written};

/// `resource_patch`
fn patch(client: &mut Client, profile: &str, id: &str, patch: &Value) -> Result<Written, Error> {
    let sql = "SELECT outcome::text, id, version, updated_at, resource \
         FROM ingest.resource_patch('clinic', $1, $2, $3)";
    client
        .query_one(sql, &[&profile, &id, patch])
        .map(Into::into)
}

/// The clinic with the open profile `any` and the profile `unique`, whose numbers are identities.
fn database() -> (Database, Client) {
    let database = clinic::database("patch");
    let mut client = database.connect();
    let any = json!({"type": "ROOT", "additionalProperties": true});
    clinic::define(&mut client, "clinic", "any", &any).unwrap();
    clinic::define(&mut client, "clinic", "unique", &numbered("identities")).unwrap();
    (database, client)
}

/// The examples of RFC 6902, appendix A, each on a resource that holds its document: the result is
/// stored, or nothing is.
#[test]
fn json_patch_of_the_rfc_gives_its_results() {
    let (_database, mut client) = database();
    let cases: Vec<Value> = serde_json::from_str(include_str!("../patches/rfc6902.json")).unwrap();
    assert!(cases.len() > 10);
    for (number, case) in cases.iter().enumerate() {
        let id = format!("c{number}");
        let body = json!({"data": {"doc": case["doc"]}});
        clinic::create_as(&mut client, "any", &id, &body).unwrap();
        let mut operations = case["patch"].clone();
        for operation in operations.as_array_mut().unwrap() {
            for pointer in ["path", "from"] {
                if let Some(at) = operation.get(pointer).and_then(Value::as_str) {
                    operation[pointer] = json!(format!("/data/doc{at}"));
                }
            }
        }
        let patched = patch(&mut client, "any", &id, &operations);
        match case.get("expected") {
            Some(expected) => {
                let patched = patched.unwrap_or_else(|error| panic!("{case}: {error:?}"));
                assert_eq!(&patched.data()["doc"], expected, "{case}");
            }
            None => {
                let state = patched.unwrap_err().code().unwrap().code().to_owned();
                let is_test = case["patch"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|one| one["op"] == "test");
                let expected = if is_test { "PT422" } else { "PT400" };
                assert_eq!(state, expected, "{case}");
                let stored = clinic::read(&mut client, "any", &id).unwrap();
                assert_eq!(stored["data"]["doc"], case["doc"], "{case}");
                assert_eq!(stored["meta"]["versionId"], "1", "{case}");
            }
        }
    }
}

/// The examples of RFC 7396, appendix A, below a property.
#[test]
fn merge_patch_of_the_rfc_gives_its_results() {
    let (_database, mut client) = database();
    let cases: Vec<[Value; 3]> = serde_json::from_str(include_str!(
        "../../crates/engine/tests/rfc/merge-patch.json"
    ))
    .unwrap();
    for (number, [document, merge, expected]) in cases.iter().enumerate() {
        // Below a property, null means that it goes.
        let expected = match merge {
            Value::Null => json!({}),
            _ => json!({"doc": expected}),
        };
        let id = format!("c{number}");
        clinic::create_as(&mut client, "any", &id, &json!({"data": {"doc": document}})).unwrap();
        let patched = patch(&mut client, "any", &id, &json!({"data": {"doc": merge}})).unwrap();
        assert_eq!(patched.data(), &expected, "{document} with {merge}");
    }
}

/// A patch leaves what it does not name as it was, to the last digit.
#[test]
fn patch_keeps_every_digit_of_the_rest() {
    let (_database, mut client) = database();
    let number = "12345678901234567890.123456789012345678900";
    written(
        &mut client,
        &format!("resource_create('clinic', 'any', '{{\"data\": {{\"a\": 1.00, \"b\": {number}}}}}', 'n')"),
    )
    .unwrap();
    for (sql, version) in [
        ("{\"data\": {\"c\": 2.50}}", 2),
        (
            "[{\"op\": \"copy\", \"from\": \"/data/b\", \"path\": \"/data/d\"}]",
            3,
        ),
    ] {
        let done = written(
            &mut client,
            &format!("resource_patch('clinic', 'any', 'n', '{sql}')"),
        );
        assert_eq!(done.unwrap().did(), ("updated", version));
    }
    let stored: String = value(&mut client, "SELECT data::text FROM clinic.any");
    assert_eq!(
        stored,
        format!("{{\"a\": 1.00, \"b\": {number}, \"c\": 2.50, \"d\": {number}}}")
    );
}

/// A patch that changes nothing is unchanged, and makes no version.
#[test]
fn patch_without_effect_is_unchanged() {
    let (_database, mut client) = database();
    clinic::create_as(&mut client, OFFICE, "o", &json!({"data": {"name": "a"}})).unwrap();
    for nothing in [
        json!({}),
        json!([]),
        json!({"data": {"name": "a"}}),
        json!({"data": {"note": null}}),
        json!([{"op": "test", "path": "/data/name", "value": "a"}]),
        json!([{"op": "replace", "path": "/data/name", "value": "a"}]),
        json!([{"op": "add", "path": "/data/note", "value": "x"},
               {"op": "remove", "path": "/data/note"}]),
    ] {
        let done = patch(&mut client, OFFICE, "o", &nothing).unwrap();
        assert_eq!(done.did(), ("unchanged", 1), "{nothing}");
    }
    assert_eq!(clinic::story(&mut client, OFFICE, "o"), "created 1");
}

/// What is no patch, or leads out of the body, is PT400, and nothing is written.
#[test]
fn patch_that_is_none_is_refused() {
    let (_database, mut client) = database();
    clinic::create_as(&mut client, OFFICE, "o", &json!({"data": {"name": "a"}})).unwrap();
    for wrong in [
        json!("name"),
        json!(1),
        json!(null),
        json!([1]),
        json!([{}]),
        json!([{"op": "add"}]),
        json!([{"op": "spam", "path": "/data/name"}]),
        json!([{"op": "add", "path": "/data/name"}]),
        json!([{"op": "add", "path": "data/name", "value": "x"}]),
        json!([{"op": "remove", "path": "/data/nothing"}]),
        json!([{"op": "replace", "path": "/data/nothing", "value": 1}]),
        json!([{"op": "move", "path": "/data/name"}]),
        json!([{"op": "move", "from": "/data/nothing", "path": "/data/name"}]),
        json!([{"op": "add", "path": "/data/name/0", "value": 1}]),
        json!([{"op": "remove", "path": ""}]),
        json!([{"op": "remove", "path": "/data"}]),
        json!([{"op": "replace", "path": "", "value": []}]),
        json!([{"op": "add", "path": "/other", "value": 1}]),
        json!({"other": 1}),
        json!({"data": null}),
        json!({"id": "other"}),
    ] {
        match patch(&mut client, OFFICE, "o", &wrong) {
            Ok(done) => panic!("{wrong}: {done:?}"),
            Err(error) => assert_eq!(sqlstate(&error), "PT400", "{wrong}: {error:?}"),
        }
    }
    assert_eq!(clinic::story(&mut client, OFFICE, "o"), "created 1");
}

/// What does not conform after the patch, whose test fails, or takes an identity, is refused.
#[test]
fn patch_whose_result_is_refused_writes_nothing() {
    let (_database, mut client) = database();
    for (id, number) in [("a", 1), ("b", 2)] {
        clinic::create_as(
            &mut client,
            "unique",
            id,
            &json!({"data": {"number": number}}),
        )
        .unwrap();
    }
    for (wrong, state) in [
        (json!({"data": {"number": "x"}}), "PT422"),
        (json!({"data": {"nothing": 1}}), "PT422"),
        (json!({"data": "x"}), "PT422"),
        (
            json!([{"op": "replace", "path": "/data", "value": []}]),
            "PT422",
        ),
        (json!({"data": {"number": 1}}), "PT409"),
        (
            json!([{"op": "test", "path": "/data/number", "value": 1}]),
            "PT422",
        ),
        (
            json!([{"op": "add", "path": "/data/name", "value": "x"},
                {"op": "test", "path": "/data/number", "value": 3}]),
            "PT422",
        ),
    ] {
        let refused = patch(&mut client, "unique", "b", &wrong);
        assert_eq!(
            refused.unwrap_err().code().unwrap().code(),
            state,
            "{wrong}"
        );
    }
    // What only passes through a state that does not conform is judged at its end.
    let through = json!([{"op": "replace", "path": "/data/number", "value": "x"},
                         {"op": "replace", "path": "/data/number", "value": 3}]);
    assert_eq!(
        patch(&mut client, "unique", "b", &through).unwrap().did(),
        ("updated", 2)
    );
    assert_sound(&mut client, "clinic");
}

/// The expected version, and what never was or was deleted.
#[test]
fn patch_of_another_version_or_of_nothing_is_refused() {
    let (_database, mut client) = database();
    let call = |client: &mut Client, if_match: i32| {
        written(
            client,
            &format!("resource_patch('clinic', 'office', 'o', '{{}}', {if_match})"),
        )
    };
    expect_sqlstate(patch(&mut client, OFFICE, "o", &json!({})), "PT404");
    expect_sqlstate(call(&mut client, 1), "PT412");
    clinic::create_as(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    assert_eq!(call(&mut client, 1).unwrap().did(), ("unchanged", 1));
    for stale in [0, 2, -1] {
        expect_sqlstate(call(&mut client, stale), "PT412");
    }
    clinic::delete(&mut client, OFFICE, "o", None, false).unwrap();
    expect_sqlstate(patch(&mut client, OFFICE, "o", &json!({})), "PT410");
    expect_sqlstate(call(&mut client, 2), "PT412");
}

/// Contained resources are patched by their places, and keep their ids.
#[test]
fn patch_of_a_contained_resource_keeps_the_others() {
    let (_database, mut client) = database();
    let item = |id: &str, value: &str| json!({"id": id, "type": "paymentMethod", "data": {"value": value}});
    let body = json!({"data": {"name": "a"}, "contained": {
        "alternativePaymentMethods": [item("x", "1"), item("y", "2")]}});
    clinic::create_as(&mut client, OFFICE, "o", &body).unwrap();
    let second = "/contained/alternativePaymentMethods/1";
    let done = patch(
        &mut client,
        OFFICE,
        "o",
        &json!([{"op": "replace", "path": format!("{second}/data/value"), "value": "3"},
                {"op": "test", "path": format!("{second}/id"),
                 "value": "office/o/alternativePaymentMethods/y"}]),
    )
    .unwrap();
    assert_eq!(done.did(), ("updated", 2));
    let contained = &done.resource.as_ref().unwrap()["contained"]["alternativePaymentMethods"];
    assert_eq!(contained[0]["data"], json!({"value": "1"}));
    assert_eq!(contained[1]["data"], json!({"value": "3"}));
    let done = patch(&mut client, OFFICE, "o", &json!({"contained": null})).unwrap();
    assert_eq!(done.did(), ("updated", 3));
    assert!(done.resource.unwrap().get("contained").is_none());
    expect_sqlstate(
        patch(
            &mut client,
            OFFICE,
            "o",
            &json!({"contained": {"other": []}}),
        ),
        "PT422",
    );
}
