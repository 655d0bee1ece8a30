//! What is written for criteria should meet them: else the next call makes another, and who calls is
//! warned of it.

use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, Notices};
use crate::{door, fhir_bundle};

const UNMET: &str = "does not meet the criteria: the next call will not find it, and make another";

/// How many warnings came with a statement.
#[track_caller]
fn warned(client: &mut Client, notices: &Notices, sql: &str) -> usize {
    notices.lock().unwrap().clear();
    client.batch_execute(sql).unwrap();
    let told = notices.lock().unwrap();
    told.iter().filter(|notice| notice.ends_with(UNMET)).count()
}

/// By an identity, by an index, by neither; created, updated, and in a bundle. A range, a missing value
/// and any of several values are met, too.
#[test]
fn body_that_does_not_meet_the_criteria_is_warned_of() {
    let database = clinic::database("met");
    let definition = json!({"type": "ROOT", "identities": [["mrn"]], "indexes": [["name"]], "properties": {
        "mrn": {"type": "symbol"}, "name": {"type": "symbol"}, "age": {"type": "integer"}}});
    clinic::define(&mut database.connect(), "clinic", "p", &definition).unwrap();
    let (mut client, notices) = clinic::with_notices(&database, "postgres");
    for (criteria, body, unmet) in [
        (r#"{"mrn": "1"}"#, r#"{"mrn": "1"}"#, 0),
        (r#"{"mrn": "2"}"#, r#"{"mrn": "two"}"#, 1),
        (r#"{"mrn": "3"}"#, "{}", 1),
        (r#"{"name": "a"}"#, r#"{"name": "A"}"#, 1),
        (r#"{"name": ["b", "c"]}"#, r#"{"name": "c"}"#, 0),
        (
            r#"{"age": {"ge": 7}, "mrn": "5"}"#,
            r#"{"age": 7, "mrn": "5"}"#,
            0,
        ),
        (
            r#"{"age": {"ge": 7}, "mrn": "6"}"#,
            r#"{"age": 6, "mrn": "6"}"#,
            1,
        ),
        (
            r#"{"age": {"missing": true}, "mrn": "7"}"#,
            r#"{"mrn": "7"}"#,
            0,
        ),
    ] {
        for verb in ["create_if", "upsert_if"] {
            let sql = format!(
                "BEGIN; SELECT ingest.resource_{verb}('clinic', 'p', '{criteria}', '{{\"data\": {body}}}'); ROLLBACK"
            );
            assert_eq!(
                warned(&mut client, &notices, &sql),
                unmet,
                "{verb} {criteria}"
            );
            let bundle = format!(
                r#"BEGIN; SELECT ingest.bundle_apply('clinic', '{{"operations": [{{"operation": "{verb}", "profile": "p", "criteria": {criteria}, "body": {{"data": {body}}}}}]}}'); ROLLBACK"#
            );
            assert_eq!(
                warned(&mut client, &notices, &bundle),
                unmet,
                "bundle of {verb} {criteria}"
            );
        }
    }
    // One that matches is not looked at, unless what it becomes does not match any more.
    client
        .batch_execute("INSERT INTO clinic.p (id, data) VALUES ('p', '{\"mrn\": \"9\"}')")
        .unwrap();
    for (verb, mrn, unmet) in [
        ("create_if", "x", 0),
        ("upsert_if", "9", 0),
        ("upsert_if", "x", 1),
    ] {
        let sql = format!(
            r#"BEGIN; SELECT ingest.resource_{verb}('clinic', 'p', 'mrn=9', '{{"data": {{"mrn": "{mrn}"}}}}'); ROLLBACK"#
        );
        assert_eq!(warned(&mut client, &notices, &sql), unmet, "{verb} {mrn}");
    }
}

/// The same of FHIR, where a token can be spelled in many ways, and only some of them are met; of a
/// transaction one warning names the first entry.
#[test]
fn resource_of_fhir_that_does_not_meet_the_criteria_is_warned_of() {
    let (database, _) = fhir_bundle::database("met");
    let (mut client, notices) = clinic::with_notices(&database, "postgres");
    let patient = |system: &str| json!({"resourceType": "Patient", "identifier": [{"system": system, "value": "7"}]});
    for (criteria, system, unmet) in [
        ("identifier=urn:ward|7", "urn:ward", 0),
        ("identifier=7", "urn:ward", 0),
        ("identifier=urn:ward:7", "urn:ward", 1),
        ("identifier=urn:ward|7", "urn:Ward", 1),
        ("_id=seven", "urn:ward", 1),
    ] {
        let body = patient(system);
        for verb in ["create_if", "upsert_if"] {
            let sql = format!(
                "BEGIN; SELECT ingest.resource_{verb}('fhir', 'Patient', '{criteria}', '{body}'); ROLLBACK"
            );
            assert_eq!(
                warned(&mut client, &notices, &sql),
                unmet,
                "{verb} {criteria}"
            );
        }
        let entry = |request: Value| json!({"resource": body, "request": request});
        for request in [
            json!({"method": "POST", "url": "Patient", "ifNoneExist": criteria}),
            json!({"method": "PUT", "url": format!("Patient?{criteria}")}),
        ] {
            let plain = json!({"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}});
            for kind in ["transaction", "batch"] {
                let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": [plain, entry(request.clone())]});
                let sql =
                    format!("BEGIN; SELECT ingest.bundle_apply('fhir', '{bundle}'); ROLLBACK");
                assert_eq!(
                    warned(&mut client, &notices, &sql),
                    unmet,
                    "{kind} {request}"
                );
                let told = notices.lock().unwrap();
                assert!(
                    unmet == 0 || told.iter().any(|it| it.starts_with("entry 1: ")),
                    "{told:?}"
                );
            }
        }
    }
}

/// Where issues are answered it is one of them: in the response of each entry that it is true of, whose
/// twin has it too, and of a door in the outcome that a client prefers.
#[test]
fn resource_that_does_not_meet_the_criteria_has_an_issue_in_the_answer() {
    let warned = |outcome: &Value| {
        let issues = outcome["issue"].as_array().into_iter().flatten();
        issues
            .filter(|issue| issue["severity"] == "warning" && issue["code"] == "duplicate")
            .filter(|issue| issue["diagnostics"].as_str().unwrap().ends_with(UNMET))
            .count()
    };
    let patient = |value: &str| json!({"resourceType": "Patient", "identifier": [{"system": "urn:ward", "value": value}]});
    let (_database, mut client) = fhir_bundle::database("met");
    client
        .batch_execute("SET client_min_messages = error")
        .unwrap();
    let post = |value: &str, criteria: &str| json!({"resource": patient(value), "request": {"method": "POST", "url": "Patient", "ifNoneExist": criteria}});
    let put = json!({"resource": patient("z"), "request": {"method": "PUT", "url": "Patient?identifier=urn:ward%7C1"}});
    let entries = [
        post("1", "identifier=urn:ward|1"),
        post("a", "identifier=urn:ward|2"),
        post("a", "identifier=urn:ward%7C2"),
        post("b", "identifier=urn:ward|3"),
    ];
    for kind in ["transaction", "batch"] {
        let bundle = json!({"resourceType": "Bundle", "type": kind, "entry": entries});
        let answers = fhir_bundle::apply(&mut client, &bundle).unwrap();
        let told: Vec<usize> = answers
            .iter()
            .map(|it| warned(&it["response"]["outcome"]))
            .collect();
        // In a batch the third is another one; the first is found the second time.
        assert_eq!(told, [0, 1, 1, 1], "{kind}: {answers:?}");
    }
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [put]});
    let answers = fhir_bundle::apply(&mut client, &bundle).unwrap();
    assert_eq!(warned(&answers[0]["response"]["outcome"]), 1, "{answers:?}");

    let Some(door) = door::hospital() else { return };
    let prefer = ("Prefer", "return=OperationOutcome");
    for (method, path, header, unmet) in [
        ("POST", "/fhir/Patient?identifier=urn:ward:7", None, 1),
        ("POST", "/fhir/Patient", Some("identifier=urn:ward:7"), 1),
        ("PUT", "/fhir/Patient?identifier=urn:ward:7", None, 1),
        ("POST", "/fhir/Patient?identifier=urn:ward%7C8", None, 1),
        ("POST", "/fhir/Patient?identifier=urn:other%7C7", None, 1),
        ("POST", "/fhir/Patient", None, 0),
    ] {
        let header = header.map(|criteria| ("If-None-Exist", criteria));
        let headers: Vec<_> = [prefer].into_iter().chain(header).collect();
        let made = door.http.send(method, path, &headers, Some(&patient("7")));
        assert_eq!(
            (made.status, warned(&made.body)),
            (201, unmet),
            "{path}: {made:?}"
        );
    }
}
