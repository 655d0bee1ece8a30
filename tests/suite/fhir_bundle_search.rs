//! Bundles whose criteria are search parameters: what other servers got wrong.

use std::time::{Duration, Instant};

use postgres::Client;
use serde_json::{Value, json};

use ingest_tests::{Database, expect_sqlstate};

use crate::clinic::value;
use crate::fhir_bundle::{
    self, apply, count, entry, id, observation, organization, patient, post, read, refused,
    statuses, transaction, with,
};

fn database() -> (Database, Client) {
    fhir_bundle::database("bundle")
}

fn identified(of: &str, value: &str) -> Value {
    json!({"resourceType": of, "identifier": [{"system": "sys", "value": value}]})
}

/// Creates with the same criteria, spelled in different ways, are one resource, in either order.
#[test]
fn creates_with_the_same_token_are_one_resource() {
    let (_database, mut client) = database();
    let create = |name: &str, criteria: &str| {
        with(
            post(name, &identified("Organization", "1")),
            "ifNoneExist",
            criteria,
        )
    };
    let mut both = patient("1");
    both["managingOrganization"] = json!({"reference": "urn:uuid:a"});
    both["link"] = json!([{"other": {"reference": "urn:uuid:b"}}]);
    let bundle = [
        create("a", "identifier=sys|1"),
        create("b", "identifier=sys%7C1"),
        post("p", &both),
    ];
    for order in [[0, 1, 2], [2, 1, 0]] {
        apply(
            &mut client,
            &transaction(&order.map(|at| bundle[at].clone())),
        )
        .unwrap();
        assert_eq!(count(&mut client, "Organization"), 1);
    }
    let same: bool = value(
        &mut client,
        "SELECT bool_and(data #>> '{managingOrganization,reference}' = data #>> '{link,0,other,reference}') FROM fhir.\"Patient\"",
    );
    assert!(same);
}

/// Two changes of what the same criteria find are refused.
#[test]
fn changes_with_the_same_token_are_refused() {
    let (_database, mut client) = database();
    let put = |url: &str| entry(None, "PUT", url, &identified("Patient", "456"));
    let bundle = transaction(&[
        put("Patient?identifier=sys|456"),
        put("Patient?identifier=sys%7C456"),
    ]);
    let (message, _) = refused(&mut client, &bundle, "PT400");
    assert!(message.contains("entries 0 and 1"), "{message}");
}

/// A create that several match fails as a whole, and is named.
#[test]
fn create_that_several_match_fails() {
    let (_database, mut client) = database();
    let twice = ["a", "b"].map(|name| post(name, &identified("Patient", "1")));
    apply(&mut client, &transaction(&twice)).unwrap();
    let create = with(
        post("c", &identified("Patient", "1")),
        "ifNoneExist",
        "identifier=sys|1",
    );
    let (message, _) = refused(
        &mut client,
        &transaction(&[post("o", &organization("A")), create]),
        "PT412",
    );
    assert!(message.starts_with("entry 1: "), "{message}");
    assert_eq!(count(&mut client, "Organization"), 0);
}

/// A plus sign, a comma and other characters of a query are those of the value when they are written as
/// such.
#[test]
fn values_with_characters_of_queries_match_themselves() {
    let (_database, mut client) = database();
    for (system, value, criteria) in [
        (
            "sys",
            "20210427133226.444+0800",
            "identifier=sys|20210427133226.444%2B0800",
        ),
        ("http://foo,123", "ABC", "identifier=http://foo\\,123|ABC"),
    ] {
        let resource =
            json!({"resourceType": "Patient", "identifier": [{"system": system, "value": value}]});
        let bundle = transaction(&[with(post("p", &resource), "ifNoneExist", criteria)]);
        let made = apply(&mut client, &bundle).unwrap();
        let found = apply(&mut client, &bundle).unwrap();
        assert_eq!(
            (statuses(&made), statuses(&found)),
            (vec!["201"], vec!["200"])
        );
        assert_eq!(id(&made[0]), id(&found[0]));
    }
}

/// The name of an entry in criteria is its address.
#[test]
fn name_of_an_entry_in_criteria_is_its_address() {
    let (_database, mut client) = database();
    let mut second = observation("Patient/p");
    second["basedOn"] = json!([{"reference": "urn:uuid:first"}]);
    let bundle = transaction(&[
        with(
            post("second", &second),
            "ifNoneExist",
            "based-on=urn:uuid:first",
        ),
        with(
            post("first", &identified("Observation", "1")),
            "ifNoneExist",
            "identifier=sys|1",
        ),
    ]);
    let mut bundle = bundle;
    bundle["entry"][1]["resource"]["status"] = json!("final");
    let made = apply(&mut client, &bundle).unwrap();
    let found = apply(&mut client, &bundle).unwrap();
    assert_eq!(
        (statuses(&made), statuses(&found)),
        (vec!["201", "201"], vec!["200", "200"])
    );
    assert_eq!((id(&made[0]), id(&made[1])), (id(&found[0]), id(&found[1])));
    let first = read(&mut client, "Observation", &id(&made[0]));
    assert_eq!(
        first["basedOn"][0]["reference"],
        json!(format!("Observation/{}", id(&made[1])))
    );
}

/// A body that does not meet its own criteria is written as it is.
#[test]
fn body_that_does_not_meet_its_criteria_is_written() {
    let (_database, mut client) = database();
    let put = entry(
        None,
        "PUT",
        "Patient?identifier=sys|1",
        &identified("Patient", "2"),
    );
    for _ in 0..2 {
        let answers = apply(&mut client, &transaction(std::slice::from_ref(&put))).unwrap();
        assert_eq!(statuses(&answers), ["201"]);
    }
    assert_eq!(count(&mut client, "Patient"), 2);
}

/// A create that is matched leaves what is stored as it is.
#[test]
fn create_that_is_matched_changes_nothing() {
    let (_database, mut client) = database();
    let stored = apply(
        &mut client,
        &transaction(&[post("p", &identified("Patient", "1"))]),
    )
    .unwrap();
    let mut other = identified("Patient", "1");
    other["active"] = json!(true);
    let bundle = transaction(&[with(post("p", &other), "ifNoneExist", "identifier=sys|1")]);
    let found = apply(&mut client, &bundle).unwrap();
    assert_eq!(statuses(&found), ["200"]);
    assert_eq!(found[0]["response"], {
        let mut response = stored[0]["response"].clone();
        response["status"] = json!("200 OK");
        response
    });
}

/// A parameter that does not exist is no filter less: it is refused.
#[test]
fn unknown_parameter_is_refused() {
    let (_database, mut client) = database();
    let bundle = transaction(&[with(
        post("p", &identified("Patient", "1")),
        "ifNoneExist",
        "identfier=x",
    )]);
    let (message, _) = refused(&mut client, &bundle, "PT400");
    assert!(message.starts_with("entry 0: "), "{message}");
}

/// A conditional reference finds what a conditional update of the same bundle makes, and again what it
/// has made.
#[test]
fn conditional_reference_finds_what_a_conditional_update_makes() {
    let (_database, mut client) = database();
    let mut patient = patient("1");
    patient["managingOrganization"] = json!({"reference": "Organization?name:exact=A"});
    let bundle = transaction(&[
        post("p", &patient),
        entry(None, "PUT", "Organization?name:exact=A", &organization("A")),
    ]);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answers = apply(&mut client, &bundle).unwrap();
        let read = read(&mut client, "Patient", &id(&answers[0]));
        ids.push(id(&answers[1]));
        assert_eq!(
            read["managingOrganization"]["reference"],
            json!(format!("Organization/{}", id(&answers[1])))
        );
    }
    assert_eq!(ids[0], ids[1]);
}

/// Resources that find each other by criteria are found though none of them is written yet.
#[test]
fn conditional_references_in_a_circle_are_found() {
    let (_database, mut client) = database();
    let refer = |own: &str, other: &str| {
        let mut organization = identified("Organization", own);
        organization["partOf"] =
            json!({"reference": format!("Organization?identifier=sys|{other}")});
        organization
    };
    let bundle = transaction(&[post("a", &refer("1", "2")), post("b", &refer("2", "1"))]);
    let answers = apply(&mut client, &bundle).unwrap();
    for (one, other) in [(0, 1), (1, 0)] {
        let read = read(&mut client, "Organization", &id(&answers[one]));
        assert_eq!(
            read["partOf"]["reference"],
            json!(format!("Organization/{}", id(&answers[other])))
        );
    }
}

/// Criteria that no index serves are looked for together: thousands of them in thousands of
/// resources is no product.
#[test]
fn thousands_of_criteria_without_an_index_are_one_pass() {
    let (_database, mut client) = database();
    client
        .batch_execute(
            r#"INSERT INTO fhir."Patient" (data) SELECT jsonb_build_object('resourceType', 'Patient', 'id', 'p' || n,
                'identifier', jsonb_build_array(jsonb_build_object('system', 'sys', 'value', n::text)))
            FROM generate_series(1, 5000) AS n"#,
        )
        .unwrap();
    let create = |number: usize| {
        let value = number.to_string();
        with(
            post(&format!("p{number}"), &identified("Patient", &value)),
            "ifNoneExist",
            &format!("identifier=sys|{value}"),
        )
    };
    let refer = |number: usize, to: usize| {
        let mut observation = observation(&format!("Patient?identifier=sys|{to}"));
        observation["identifier"] = json!([{"system": "sys", "value": number.to_string()}]);
        if number > 0 {
            let before = number - 1;
            observation["basedOn"] =
                json!([{"reference": format!("Observation?identifier=sys|{before}")}]);
        }
        post(&format!("o{number}"), &observation)
    };
    // Half of them are there already.
    let mut entries: Vec<Value> = (2_501..=7_500).map(create).collect();
    entries.extend((0..2_500).map(|number| refer(number, 5_000 - number)));
    let began = Instant::now();
    let answers = apply(&mut client, &transaction(&entries)).unwrap();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    let statuses = statuses(&answers);
    assert!(statuses[..2_500].iter().all(|it| *it == "200"));
    assert!(statuses[2_500..].iter().all(|it| *it == "201"));
    assert_eq!(count(&mut client, "Patient"), 7_500);
    let wrong: i64 = value(
        &mut client,
        r#"SELECT count(*) FROM fhir."Observation" AS o
        LEFT JOIN fhir."Observation" AS b ON 'Observation/' || b.id = o.data #>> '{basedOn,0,reference}'
        WHERE o.data #>> '{subject,reference}'
            <> 'Patient/p' || (5000 - (o.data #>> '{identifier,0,value}')::integer)
        OR (b.data #>> '{identifier,0,value}')::integer + 1 <> (o.data #>> '{identifier,0,value}')::integer"#,
    );
    assert_eq!((wrong, count(&mut client, "Observation")), (0, 2_500));
    // A small part of what it takes, on whatever machine.
    let short = format!("SET statement_timeout = {}", took.as_millis() / 20 + 1);
    client.batch_execute(&short).unwrap();
    let fresh: Vec<Value> = (10_000..15_000).map(create).collect();
    expect_sqlstate(apply(&mut client, &transaction(&fresh)), "57014");
}

/// What is looked for together is told as what is looked for alone: several that match, and an entry
/// that another would find.
#[test]
fn criteria_looked_for_together_are_refused_each_for_itself() {
    let (_database, mut client) = database();
    let put = |id: &str, value: &str| {
        entry(
            None,
            "PUT",
            &format!("Organization/{id}"),
            &identified("Organization", value),
        )
    };
    let twins = [put("a", "1"), put("b", "1"), put("c", "3")];
    apply(&mut client, &transaction(&twins)).unwrap();
    let with_criteria = |method: &str, value: &str, body: &Value| {
        entry(
            None,
            method,
            &format!("Organization?identifier=sys|{value}"),
            body,
        )
    };
    for method in ["PUT", "DELETE"] {
        let body = |value: &str| match method {
            "PUT" => identified("Organization", value),
            _ => Value::Null,
        };
        let one = |value: &str| with_criteria(method, value, &body(value));
        for (values, wrong) in [(["3", "1"], 1), (["1", "4"], 0)] {
            let bundle = transaction(&values.map(one));
            let (_, expression) = refused(&mut client, &bundle, "PT412");
            assert!(
                expression.starts_with(&format!("Bundle.entry[{wrong}]")),
                "{expression}"
            );
        }
    }
    // Each finds nothing, and the other makes what it would find.
    let create = |name: &str, value: &str, criteria: &str| {
        with(
            post(name, &identified("Organization", value)),
            "ifNoneExist",
            &format!("identifier=sys|{criteria}"),
        )
    };
    let crossed = [create("x", "8", "9"), create("y", "7", "8")];
    let error = expect_sqlstate(apply(&mut client, &transaction(&crossed)), "PT400");
    assert!(
        error.message().contains("entries 0 and 1"),
        "{}",
        error.message()
    );
    assert_eq!(count(&mut client, "Organization"), 3);
    let apart = [
        create("x", "8", "8"),
        create("y", "9", "9"),
        with_criteria("DELETE", "3", &Value::Null),
        with_criteria("DELETE", "5", &Value::Null),
    ];
    let answers = apply(&mut client, &transaction(&apart)).unwrap();
    assert_eq!(statuses(&answers), ["201", "201", "204", "204"]);
    assert_eq!(count(&mut client, "Organization"), 4);
}
