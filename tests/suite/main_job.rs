//! The main job: a clinic's providers, offices and patients, written in every way there is.

use ingest_tests::refusal::{Issue, issues};
use ingest_tests::{expect_sqlstate, psql};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, PROVIDER, value};

/// A resource without an id gets one, and version 1.
#[test]
fn provider_created_without_id_gets_one_and_version_1() {
    let database = clinic::database("main");
    let mut client = database.connect();
    let data =
        json!({"name": "John Doe", "practiceNumber": 1020993, "specialities": ["Pharmacist"]});
    let made = clinic::create(&mut client, PROVIDER, &json!({"data": data})).unwrap();

    assert_eq!(made.did(), ("created", 1));
    assert!(is_uuid_v7(&made.id), "{}", made.id);
    let resource = made.resource.clone().unwrap();
    assert_eq!(resource["id"], json!(made.id));
    assert_eq!(resource["type"], json!(PROVIDER));
    assert_eq!(resource["data"], data);
    assert!(resource.get("contained").is_none());
    let meta = &resource["meta"];
    assert_eq!(meta["versionId"], json!("1"));
    assert_eq!(meta["source"], json!("clinic"));
    assert_eq!(meta["profileVersion"], json!(1));
    assert_eq!(meta["createdAt"], meta["lastUpdated"]);
    assert_eq!(
        clinic::read(&mut client, PROVIDER, &made.id).unwrap(),
        resource
    );

    let row = client
        .query_one(
            "SELECT version, profile_version, data, contained IS NULL, \
             created_at = updated_at, updated_at FROM clinic.provider",
            &[],
        )
        .unwrap();
    assert_eq!((row.get(0), row.get(1)), (1, 1));
    assert_eq!(row.get::<_, Value>(2), data);
    assert!(row.get::<_, bool>(3) && row.get::<_, bool>(4));
    assert_eq!(row.get::<_, std::time::SystemTime>(5), made.updated_at);
}

/// A resource is stored under its caller's id with what it contains, whose full ids are kept.
#[test]
fn office_upserted_with_full_contained_ids_keeps_them() {
    let database = clinic::database("main");
    let mut client = database.connect();
    let body = office("o-1", true);
    let made = clinic::upsert(&mut client, OFFICE, "o-1", &body).unwrap();
    assert_eq!(made.did(), ("created", 1));
    assert_eq!(made.id, "o-1");
    let resource = made.resource.unwrap();
    assert_eq!(resource["data"], body["data"]);
    assert_eq!(resource["contained"], body["contained"]);
    assert_eq!(
        clinic::read(&mut client, OFFICE, "o-1").unwrap()["contained"],
        body["contained"]
    );
    // The same again is no new version.
    let again = clinic::upsert(&mut client, OFFICE, "o-1", &body).unwrap();
    assert_eq!(again.did(), ("unchanged", 1));
}

/// Short contained ids are completed, in store and in the answer, and are the same resources.
#[test]
fn office_upserted_with_short_contained_ids_completes_them() {
    let database = clinic::database("main");
    let mut client = database.connect();
    let full = office("o-1", true);
    let made = clinic::upsert(&mut client, OFFICE, "o-1", &office("o-1", false)).unwrap();
    assert_eq!(made.did(), ("created", 1));
    assert_eq!(made.resource.unwrap()["contained"], full["contained"]);
    let stored: Value = value(&mut client, "SELECT contained FROM clinic.office");
    assert_eq!(stored, full["contained"]);
    for body in [full, office("o-1", false)] {
        let again = clinic::upsert(&mut client, OFFICE, "o-1", &body).unwrap();
        assert_eq!(again.did(), ("unchanged", 1));
    }
}

/// A contained id that belongs elsewhere is refused, whichever of its parts is foreign.
#[test]
fn office_with_foreign_contained_id_is_refused() {
    let database = clinic::database("main");
    let mut client = database.connect();
    for foreign in [
        "office/o-2/primaryPaymentMethod/p1",
        "provider/o-1/primaryPaymentMethod/p1",
        "office/o-1/alternativePaymentMethods/p1",
        "office/o-1/primaryPaymentMethod/",
        "o-1/primaryPaymentMethod/p1",
        "office/o-1/primaryPaymentMethod/p1/x",
    ] {
        let mut body = office("o-1", true);
        body["contained"]["primaryPaymentMethod"][0]["id"] = json!(foreign);
        let refusal = expect_sqlstate(clinic::upsert(&mut client, OFFICE, "o-1", &body), "PT422");
        let issues = issues(&refusal);
        assert_eq!(issues.len(), 1, "{foreign}: {issues:?}");
        assert_eq!(
            issues[0].expression,
            ["office.contained.primaryPaymentMethod[0].id"]
        );
        assert!(!refusal.message().contains("o-2") && !refusal.detail().unwrap().contains("o-2"));
    }
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.office"),
        0
    );
}

/// Two primary payment methods are one too many.
#[test]
fn office_with_two_primary_payment_methods_is_refused() {
    let database = clinic::database("main");
    let mut client = database.connect();
    let mut body = office("o-1", true);
    body["contained"]["primaryPaymentMethod"] =
        json!([{"data": {"value": "Visa"}}, {"data": {"value": "Amex"}}]);
    let refusal = expect_sqlstate(clinic::upsert(&mut client, OFFICE, "o-1", &body), "PT422");
    assert_eq!(
        issues(&refusal)[0].expression,
        ["office.contained.primaryPaymentMethod"]
    );
}

/// A link's id is made of its ends.
#[test]
fn provider_linked_to_office_gets_an_id_of_both() {
    let database = clinic::database("main");
    let mut client = database.connect();
    let provider = clinic::create(&mut client, PROVIDER, &json!({"data": {"name": "John"}}))
        .unwrap()
        .id;
    clinic::upsert(&mut client, OFFICE, "o-1", &office("o-1", true)).unwrap();
    let made = clinic::link(&mut client, &provider, "o-1").unwrap();
    let id = format!("provider.{provider},office.o-1");
    assert_eq!(made.did(), ("created", 1));
    assert_eq!(made.id, id);
    let resource = made.resource.unwrap();
    assert_eq!(resource["id"], json!(id));
    assert_eq!(resource["type"], json!("worksAt"));
    assert_eq!(
        resource["from"],
        json!({"id": provider, "type": "provider"})
    );
    assert_eq!(resource["to"], json!({"id": "o-1", "type": "office"}));
    assert_eq!(resource["data"], json!({}));
    assert_eq!(clinic::read_link(&mut client, &id).unwrap(), resource);
}

/// A patient whose name is an array of objects is stored; one whose name is a string is refused
/// with one issue that says so.
#[test]
fn patient_whose_name_is_a_string_is_refused_with_expected_array() {
    let database = clinic::database("main");
    let mut client = database.connect();
    let good = json!({"data": {"name": [{"given": ["Bob"]}]}});
    assert_eq!(
        clinic::create(&mut client, "Patient", &good).unwrap().did(),
        ("created", 1)
    );
    let refusal = expect_sqlstate(
        clinic::create(&mut client, "Patient", &json!({"data": {"name": "Bob"}})),
        "PT422",
    );
    assert_expected_array(&issues(&refusal));
    assert!(
        refusal.message().is_ascii() && !refusal.message().contains('\n'),
        "{}",
        refusal.message()
    );
    assert!(
        !format!("{refusal:?}").contains("Bob"),
        "a value: {refusal:?}"
    );
}

/// An id is created once.
#[test]
fn patient_created_twice_with_one_id_is_a_conflict() {
    let database = clinic::database("main");
    let mut client = database.connect();
    let body = json!({"data": {"name": [{"given": ["Bob"]}]}});
    clinic::create_as(&mut client, "Patient", "bob", &body).unwrap();
    for other in [body, json!({"data": {"name": [{"given": ["Ann"]}]}})] {
        let refusal = expect_sqlstate(
            clinic::create_as(&mut client, "Patient", "bob", &other),
            "PT409",
        );
        assert!(!format!("{refusal:?}").contains("bob"), "{refusal:?}");
    }
    assert_eq!(
        clinic::story(&mut client, "Patient", "bob"),
        "created 1",
        "the first stays"
    );
}

/// A conditional create makes what no resource matches, gives the one that matches, and refuses to
/// choose among several.
#[test]
fn patient_created_conditionally_is_made_once() {
    let database = clinic::database("main");
    let mut client = database.connect();
    let criteria = json!({"name.given": "Bob"});
    let body = json!({"data": {"name": [{"given": ["Bob"], "family": "Ross"}]}});

    let made = clinic::create_if(&mut client, "Patient", &criteria, &body).unwrap();
    assert_eq!(made.did(), ("created", 1));

    let other = json!({"data": {"name": [{"given": ["Bob"], "family": "Marley"}]}});
    let found = clinic::create_if(&mut client, "Patient", &criteria, &other).unwrap();
    assert_eq!(found.did(), ("matched", 1));
    assert_eq!(
        (found.id, found.resource),
        (made.id.clone(), made.resource),
        "the stored one, the body ignored"
    );
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.\"Patient\""),
        1
    );

    clinic::create(&mut client, "Patient", &other).unwrap();
    expect_sqlstate(
        clinic::create_if(&mut client, "Patient", &criteria, &body),
        "PT412",
    );
}

/// Plain SQL passes the same gate: what the verbs accept is stored, what they refuse is refused in
/// the same words.
#[test]
fn bodies_by_insert_and_copy_pass_the_same_gate() {
    let database = clinic::database("main");
    let mut client = database.connect();
    let provider =
        json!({"name": "John Doe", "practiceNumber": 1020993, "specialities": ["Pharmacist"]});
    let patient = json!({"name": [{"given": ["Bob"]}]});
    for (profile, data) in [("provider", &provider), ("Patient", &patient)] {
        let insert = format!("INSERT INTO clinic.\"{profile}\" (data) VALUES ($1)");
        client.execute(&insert, &[data]).unwrap();
        let copy = format!("COPY clinic.\"{profile}\" (data) FROM STDIN");
        assert_eq!(
            clinic::copy(&mut client, &copy, &format!("{data}\n{data}\n")).unwrap(),
            2
        );
        let stored = format!(
            "SELECT count(DISTINCT id) FROM clinic.\"{profile}\" WHERE version = 1 \
             AND profile_version = 1 AND created_at = updated_at"
        );
        assert_eq!(value::<i64>(&mut client, &stored), 3);
    }

    let office = office("o-1", false);
    client
        .execute(
            "INSERT INTO clinic.office (id, data, contained) VALUES ('o-1', $1, $2)",
            &[&office["data"], &office["contained"]],
        )
        .unwrap();
    let stored: Value = value(&mut client, "SELECT contained FROM clinic.office");
    assert_eq!(stored, self::office("o-1", true)["contained"]);

    let wrong = json!({"name": "Bob"});
    let by_verb = expect_sqlstate(
        clinic::create(&mut client, "Patient", &json!({"data": wrong})),
        "PT422",
    );
    let by_insert = expect_sqlstate(
        client.execute(
            "INSERT INTO clinic.\"Patient\" (data) VALUES ($1)",
            &[&wrong],
        ),
        "PT422",
    );
    let by_copy = expect_sqlstate(
        clinic::copy(
            &mut client,
            "COPY clinic.\"Patient\" (data) FROM STDIN",
            &format!("{patient}\n{wrong}\n"),
        ),
        "PT422",
    );
    assert_expected_array(&issues(&by_insert));
    // Of many rows it is said which one it is.
    for (other, which) in [(by_insert, ""), (by_copy, "row 2: ")] {
        assert_eq!(other.message(), format!("{which}{}", by_verb.message()));
        assert_eq!(other.detail(), by_verb.detail());
        assert_eq!(other.hint(), by_verb.hint());
    }
    let stored = value::<i64>(&mut client, "SELECT count(*) FROM clinic.\"Patient\"");
    assert_eq!(stored, 3, "a refused COPY stores nothing");
}

/// Changes by hand make versions, and a delete by hand a tombstone, as the verbs do.
#[test]
fn patient_changed_by_hand_has_versions_and_a_tombstone() {
    let database = clinic::database("main");
    let mut client = database.connect();
    let patient = |given: &str| json!({"name": [{"given": [given]}]});
    client
        .execute(
            "INSERT INTO clinic.\"Patient\" (id, data) VALUES ('bob', $1)",
            &[&patient("Bob")],
        )
        .unwrap();
    client
        .execute(
            "UPDATE clinic.\"Patient\" SET data = $1 WHERE id = 'bob'",
            &[&patient("Robert")],
        )
        .unwrap();
    client
        .execute("DELETE FROM clinic.\"Patient\" WHERE id = 'bob'", &[])
        .unwrap();
    assert_eq!(
        clinic::story(&mut client, "Patient", "bob"),
        "created 1, updated 2, deleted 3"
    );
    let data: Vec<_> = clinic::history(&mut client, "Patient", "bob")
        .unwrap()
        .into_iter()
        .map(|revision| revision.resource.map(|resource| resource["data"].clone()))
        .collect();
    assert_eq!(data, [None, Some(patient("Robert")), Some(patient("Bob"))]);
    expect_sqlstate(clinic::read(&mut client, "Patient", "bob"), "PT410");
    let old: Value = value(
        &mut client,
        "SELECT ingest.resource_read('clinic', 'Patient', 'bob', 1)",
    );
    assert_eq!(old["data"], patient("Bob"));
}

/// The main job reads well in psql, where a person does it first.
#[test]
fn provider_created_in_psql_shows_outcome_and_version() {
    let database = clinic::database("main");
    let session = psql::run(
        &database,
        "SELECT outcome, version, resource -> 'data' ->> 'name' AS name FROM \
         ingest.resource_create('clinic', 'provider', '{\"data\": {\"name\": \"John Doe\"}}');",
    );
    assert!(
        session.output.contains(" created |       1 | John Doe\n"),
        "{}",
        session.output
    );
}

fn assert_expected_array(issues: &[Issue]) {
    let [issue] = issues else {
        panic!("not one issue: {issues:?}");
    };
    assert!(
        ["fatal", "error"].contains(&issue.severity.as_str()),
        "{issue:?}"
    );
    assert!(
        ["invalid", "structure"].contains(&issue.code.as_str()),
        "{issue:?}"
    );
    assert_eq!(issue.expression, ["Patient.name"]);
    assert_eq!(issue.diagnostics, "expected array");
}

/// The office of the main job; its contained ids are full or short.
fn office(id: &str, full: bool) -> Value {
    let item = |key: &str, short: &str, value: &str| {
        let id = match full {
            true => format!("office/{id}/{key}/{short}"),
            false => short.to_owned(),
        };
        json!({"id": id, "type": "paymentMethod", "data": {"value": value}})
    };
    json!({
        "data": {"name": "South West Clinic", "note": "Offering the best services in Toronto"},
        "contained": {
            "primaryPaymentMethod": [item("primaryPaymentMethod", "p1", "Visa")],
            "alternativePaymentMethods": [
                item("alternativePaymentMethods", "p1", "Mastercard"),
                item("alternativePaymentMethods", "p2", "Amex")]}})
}

fn is_uuid_v7(id: &str) -> bool {
    let shape =
        regex::Regex::new("^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$");
    shape.unwrap().is_match(id)
}

/// Concurrent conditional creates with the same criteria make one resource, and nobody fails.
#[test]
fn patients_created_conditionally_at_once_are_one() {
    let database = clinic::database("main");
    let callers: Vec<Client> = (0..8).map(|_| database.connect()).collect();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = callers
            .into_iter()
            .map(|mut client| {
                scope.spawn(move || {
                    let criteria = json!({"name.family": "Ross"});
                    let body = json!({"data": {"name": [{"family": "Ross"}]}});
                    clinic::create_if(&mut client, "Patient", &criteria, &body).unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let made = outcomes.iter().filter(|it| it.outcome == "created").count();
    let matched = outcomes.iter().filter(|it| it.outcome == "matched").count();
    assert_eq!((made, matched), (1, 7), "{outcomes:?}");
    assert!(outcomes.iter().all(|it| it.id == outcomes[0].id));
}
