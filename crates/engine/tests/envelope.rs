//! The envelope of FHIR resources: what the server says, and nothing else, is written and left out
//! of a comparison.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ingest_engine::envelope::fhir::{Envelope, id, id_is_valid, is_same, write};
use ingest_engine::envelope::{Created, moved};
use jsonb::{Object, Value, from_text, to_text};

fn object(bytes: &[u8]) -> Object<'_> {
    match Value::read(bytes).unwrap() {
        Value::Object(object) => object,
        other => panic!("{other:?}"),
    }
}

fn enveloped(given: &str) -> String {
    enveloped_with(given, Created::Nowhere)
}

fn enveloped_with(given: &str, created: Created) -> String {
    let bytes = from_text(given).unwrap();
    let envelope = Envelope {
        id: "p",
        version: 3,
        last_updated: "2026-01-01T00:00:00+00:00",
        created,
        created_at: "2025-01-01T00:00:00+00:00",
    };
    let written = write(object(&bytes), &envelope).unwrap();
    to_text(Value::read(&written).unwrap()).unwrap()
}

fn same(stored: &str, given: &str) -> bool {
    same_with(stored, given, Created::Nowhere)
}

fn same_with(stored: &str, given: &str, created: Created) -> bool {
    let (stored, given) = (from_text(stored).unwrap(), from_text(given).unwrap());
    is_same(object(&stored), object(&given), created).unwrap()
}

/// The server's members replace the client's, and all others are copied, numbers with their digits.
#[test]
fn envelope_of_a_resource_is_written_around_what_is_given() {
    let meta = r#""meta": {"versionId": "3", "lastUpdated": "2026-01-01T00:00:00+00:00"}"#;
    for (given, expected) in [
        ("{}", format!(r#"{{"id": "p", {meta}}}"#)),
        (
            r#"{"id": "p", "meta": {"versionId": "9", "lastUpdated": "x"}}"#,
            format!(r#"{{"id": "p", {meta}}}"#),
        ),
        (
            r#"{"a": 1.500, "id": "q", "meta": 7}"#,
            format!(r#"{{"a": 1.500, "id": "p", {meta}}}"#),
        ),
        (
            r#"{"meta": {"tag": [{"code": "t"}], "source": "s"}, "zz": {"meta": {"versionId": "1"}, "id": "1"}}"#,
            r#"{"id": "p", "zz": {"id": "1", "meta": {"versionId": "1"}}, "meta": {"tag": [{"code": "t"}], "source": "s", "versionId": "3", "lastUpdated": "2026-01-01T00:00:00+00:00"}}"#.to_owned(),
        ),
    ] {
        assert_eq!(enveloped(given), expected, "{given}");
    }
}

/// What is written is the same as what was given, whatever that said of the server's members.
#[test]
fn resource_is_the_same_with_its_envelope() {
    for given in [
        "{}",
        r#"{"id": "p", "a": [1, {"b": null}], "meta": {"versionId": "9"}}"#,
        r#"{"meta": {"lastUpdated": "x", "source": "s"}, "text": {"div": "d"}}"#,
    ] {
        let stored = enveloped(given);
        assert!(same(&stored, given), "{given}");
        assert!(same(&stored, &stored), "{given}");
        assert_eq!(enveloped(&stored), stored);
    }
}

/// Every other difference counts: of digits, of ids, of the rest of meta, of what is only in one.
#[test]
fn other_differences_are_told() {
    let stored =
        r#"{"id": "p", "a": 1.0, "meta": {"versionId": "1", "lastUpdated": "x", "source": "s"}}"#;
    for given in [
        r#"{"id": "p", "a": 1.00, "meta": {"source": "s"}}"#,
        r#"{"id": "q", "a": 1.0, "meta": {"source": "s"}}"#,
        r#"{"id": 1, "a": 1.0, "meta": {"source": "s"}}"#,
        r#"{"id": "p", "a": 1.0, "meta": {"source": "t"}}"#,
        r#"{"id": "p", "a": 1.0, "meta": {}}"#,
        r#"{"id": "p", "a": 1.0, "meta": "s"}"#,
        r#"{"id": "p", "a": 1.0}"#,
        r#"{"id": "p", "b": 1.0, "meta": {"source": "s"}}"#,
        r#"{"id": "p", "meta": {"source": "s"}}"#,
        r#"{"id": "p", "a": 1.0, "b": 1, "meta": {"source": "s"}}"#,
        r#"{"id": "p", "a": "1.0", "meta": {"source": "s"}}"#,
    ] {
        assert!(!same(stored, given), "{given}");
    }
    assert!(same(stored, r#"{"a": 1.0, "meta": {"source": "s"}}"#));
}

/// Where a source says when a resource was created, that is the server's too, and all else of meta
/// and of its extensions the client's.
#[test]
fn instant_of_creation_is_the_servers_where_it_is_said() {
    let instants = r#""versionId": "3", "lastUpdated": "2026-01-01T00:00:00+00:00""#;
    let own = r#""createdAt": "2025-01-01T00:00:00+00:00""#;
    let extension = r#"{"url": "ex:createdAt", "valueInstant": "2025-01-01T00:00:00+00:00"}"#;
    let other = r#"{"url": "urn:x", "valueString": "y"}"#;
    for (given, created, meta) in [
        ("{}", Created::Member, format!("{own}, {instants}")),
        (
            r#"{"meta": {"createdAt": "x", "source": "s"}}"#,
            Created::Member,
            format!(r#""source": "s", {own}, {instants}"#),
        ),
        (
            r#"{"meta": {"createdAt": "x"}}"#,
            Created::Nowhere,
            format!(r#""createdAt": "x", {instants}"#),
        ),
        (
            "{}",
            Created::Extension,
            format!(r#""extension": [{extension}], {instants}"#),
        ),
        (
            r#"{"meta": {"extension": [{"url": "ex:createdAt"}, {"url": "urn:x", "valueString": "y"}], "createdAt": "x"}}"#,
            Created::Extension,
            format!(r#""createdAt": "x", "extension": [{other}, {extension}], {instants}"#),
        ),
    ] {
        let stored = enveloped_with(given, created);
        let keyed = |text: &str| {
            let bytes = from_text(text).unwrap();
            to_text(Value::read(&bytes).unwrap()).unwrap()
        };
        let expected = keyed(&format!(r#"{{"id": "p", "meta": {{{meta}}}}}"#));
        assert_eq!(stored, expected, "{given}");
        assert!(same_with(&stored, given, created), "{given}");
        assert!(same_with(&stored, &stored, created), "{given}");
        assert_eq!(enveloped_with(&stored, created), stored);
    }
    let stored = enveloped_with(
        r#"{"meta": {"extension": [{"url": "urn:x"}]}}"#,
        Created::Extension,
    );
    for given in [
        "{}",
        r#"{"meta": {}}"#,
        r#"{"meta": {"extension": [{"url": "urn:y"}]}}"#,
        r#"{"meta": {"extension": [{"url": "urn:x"}, {"url": "urn:x"}]}}"#,
        r#"{"meta": {"extension": {"url": "urn:x"}, "createdAt": "x"}}"#,
        r#"{"meta": {"extension": [1]}}"#,
    ] {
        assert!(!same_with(&stored, given, Created::Extension), "{given}");
    }
}

/// What is said of the creation moves from one place to another, and nothing else changes.
#[test]
fn instant_of_creation_moves_between_its_places() {
    let at = Some("2025-01-01T00:00:00Z");
    let text = |from: &str, places: (Created, Created), at: Option<&str>| {
        let bytes = from_text(from).unwrap();
        let moved = moved(object(&bytes), places.0, places.1, at).unwrap();
        to_text(Value::read(&moved).unwrap()).unwrap()
    };
    let keyed = |text: &str| {
        let bytes = from_text(text).unwrap();
        to_text(Value::read(&bytes).unwrap()).unwrap()
    };
    let member = r#"{"a": 1.50, "meta": {"source": "s", "createdAt": "2025-01-01T00:00:00Z"}}"#;
    let extension = r#"{"a": 1.50, "meta": {"source": "s", "extension":
        [{"url": "ex:createdAt", "valueInstant": "2025-01-01T00:00:00Z"}]}}"#;
    let nowhere = r#"{"a": 1.50, "meta": {"source": "s"}}"#;
    let all = [
        (Created::Member, member),
        (Created::Extension, extension),
        (Created::Nowhere, nowhere),
    ];
    for (from, given) in all {
        for (to, expected) in all {
            assert_eq!(
                text(given, (from, to), at),
                keyed(expected),
                "{from:?} {to:?}"
            );
        }
        assert_eq!(text(given, (from, Created::Nowhere), None), keyed(nowhere));
    }
    let others = r#"{"meta": {"extension": [{"url": "urn:x"}, {"url": "ex:createdAt"}]}}"#;
    let kept = r#"{"meta": {"extension": [{"url": "urn:x"}]}}"#;
    let places = (Created::Extension, Created::Nowhere);
    assert_eq!(text(others, places, None), keyed(kept));
    let alone = r#"{"meta": {"createdAt": "x"}}"#;
    assert_eq!(text(alone, (Created::Member, Created::Nowhere), None), "{}");
    assert_eq!(
        text(r#"{"meta": 1}"#, (Created::Member, Created::Nowhere), None),
        r#"{"meta": 1}"#
    );
}

/// An id of FHIR has no underscore, and a resource that has no string for an id has none.
#[test]
fn ids_are_those_of_fhir() {
    assert!(id_is_valid("a-B.9") && id_is_valid(&"x".repeat(64)));
    for wrong in ["", "a_b", "a b", "é", &"x".repeat(65)] {
        assert!(!id_is_valid(wrong), "{wrong}");
    }
    for (given, expected) in [
        (r#"{"id": "p"}"#, Some("p")),
        (r#"{"id": 1}"#, None),
        ("{}", None),
        ("[]", None),
    ] {
        let bytes = from_text(given).unwrap();
        assert_eq!(
            id(Value::read(&bytes).unwrap()).unwrap(),
            expected,
            "{given}"
        );
    }
}
