//! What is written by criteria that it does not meet is told: the next call will write another.

use ingest_tests::{Database, psql};
use serde_json::{Value, json};

use crate::{clinic, door, hospital};

const TOLD: &str = "what was written does not meet the criteria: the next call will create another";

/// Whether each of some calls tells it.
fn told(database: &Database, calls: &[(&str, bool)]) {
    for (call, expected) in calls {
        let session = psql::run(database, &format!("SELECT ingest.{call};"));
        assert!(session.succeeded, "{call}: {}", session.output);
        let told = session.output.contains(TOLD);
        assert_eq!(told, *expected, "{call}: {}", session.output);
    }
}

/// Of a native profile, by its criteria's own meaning, whatever was created or replaced.
#[test]
fn native_body_that_misses_its_criteria_is_told() {
    let database = clinic::database("astray");
    told(
        &database,
        &[
            (
                "resource_create_if('clinic', 'office', '{\"name\": \"a\"}', '{\"data\": {\"name\": \"b\"}}')",
                true,
            ),
            (
                "resource_create_if('clinic', 'office', '{\"name\": \"a\"}', '{\"data\": {\"name\": \"a\"}}')",
                false,
            ),
            (
                "resource_create_if('clinic', 'office', '{\"name\": \"a\"}', '{\"data\": {\"name\": \"b\"}}')",
                false,
            ),
            (
                "resource_create_if('clinic', 'office', '{\"name\": {\"prefix\": \"ca\"}}', '{\"data\": {\"name\": \"c\"}}')",
                true,
            ),
            (
                "resource_create_if('clinic', 'office', '{\"note\": {\"missing\": false}}', '{\"data\": {\"name\": \"d\"}}')",
                true,
            ),
            (
                "resource_upsert_if('clinic', 'office', '{\"name\": \"e\"}', '{\"data\": {\"name\": \"f\"}}')",
                true,
            ),
            (
                "resource_upsert_if('clinic', 'office', '{\"name\": \"a\"}', '{\"data\": {\"name\": \"g\"}}')",
                true,
            ),
            (
                "resource_upsert_if('clinic', 'office', '{\"name\": \"g\"}', '{\"data\": {\"name\": \"g\", \"note\": \"h\"}}')",
                false,
            ),
        ],
    );
    let bundle = json!({"operations": [
        {"operation": "upsert", "profile": "office", "id": "x", "body": {"data": {"name": "x"}}},
        {"operation": "create_if", "profile": "office", "criteria": {"name": "i"}, "body": {"data": {"name": "i"}}},
        {"operation": "create_if", "profile": "office", "criteria": {"name": "j"}, "body": {"data": {"name": "k"}}}]});
    let call = format!("SELECT ingest.bundle_apply('clinic', '{bundle}');");
    let output = psql::run(&database, &call).output;
    assert!(output.contains(&format!("operation 2: {TOLD}")), "{output}");
    assert_eq!(output.matches(TOLD).count(), 1, "{output}");
}

/// Of FHIR, by what decides about a search, of the resource as it is stored: its id is the server's.
#[test]
fn resource_of_fhir_that_misses_its_criteria_is_told() {
    let Some((database, _client)) = hospital::database() else {
        return;
    };
    let ward = "{\"resourceType\": \"Patient\", \"identifier\": [{\"system\": \"urn:ward\", \"value\": \"7\"}]}";
    let create =
        |criteria: &str| format!("resource_create_if('fhir', 'Patient', '{criteria}', '{ward}')");
    let upsert = |criteria: &str| {
        format!("resource_upsert_if('fhir', 'Patient', '{criteria}', '{ward}', id => 'u')")
    };
    let calls = [
        (create("identifier=urn:ward:7"), true),
        (create("identifier=urn:ward:7"), true),
        (create("identifier=urn:other|7"), true),
        (create("_id=a"), true),
        (upsert("_id=u"), false),
        (upsert("_id=u&name=x"), true),
        (create("gender:missing=false"), true),
        (
            create("_lastUpdated=gt2000&birthdate:missing=true&identifier=urn:ward|8"),
            true,
        ),
    ];
    let calls: Vec<_> = calls
        .iter()
        .map(|(call, told)| (call.as_str(), *told))
        .collect();
    let (some, last) = calls.split_at(5);
    told(&database, some);
    let deleted = psql::run(
        &database,
        "SELECT ingest.resource_delete('fhir', 'Patient', 'u');",
    );
    assert!(deleted.succeeded, "{}", deleted.output);
    told(&database, last);
}

/// A door has a place for it where the client prefers an OperationOutcome.
#[test]
fn door_tells_it_to_who_prefers_an_outcome() {
    let Some(door) = door::hospital() else { return };
    let body = json!({"identifier": [{"system": "urn:ward", "value": "7"}]});
    let prefer = ("Prefer", "return=OperationOutcome");
    for (method, path, header, issues) in [
        ("POST", "/fhir/Patient?identifier=urn:ward:7", None, 2),
        ("POST", "/fhir/Patient", Some("identifier=urn:ward:7"), 2),
        ("PUT", "/fhir/Patient?identifier=urn:ward:7", None, 2),
        ("PUT", "/fhir/Patient?identifier=urn:ward%7C8", None, 2),
        ("POST", "/fhir/Patient?identifier=urn:ward%7C9", None, 1),
    ] {
        let mut body = body.clone();
        if issues == 1 {
            body["identifier"][0]["value"] = json!("9");
        }
        let header = header.map(|criteria| ("If-None-Exist", criteria));
        let headers: Vec<_> = [prefer].into_iter().chain(header).collect();
        let made = door.http.send(method, path, &headers, Some(&body));
        assert_eq!(made.status, 201, "{path}: {made:?}");
        let all = made.body["issue"].as_array().unwrap();
        assert_eq!(all.len(), issues, "{path}: {}", made.body);
        let warned = |issue: &Value| issue["severity"] == "warning" && issue["diagnostics"] == TOLD;
        assert_eq!(all.iter().any(warned), issues == 2, "{}", made.body);
    }
}
