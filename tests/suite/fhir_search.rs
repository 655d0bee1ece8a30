//! Searching FHIR by its own search parameters: what is found, with indexes and without.

use ingest_tests::{expect_sqlstate, psql};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::value;
use crate::dump;
use crate::fhir_bundle;
use crate::hospital::{self, create_if, index, search, store};

fn patients() -> Vec<Value> {
    vec![
        json!({"resourceType": "Patient", "id": "ada", "identifier": [{"system": "urn:mrn", "value": "7"}],
            "name": [{"family": "Lovelace", "given": ["Ada", "Augusta"]}], "gender": "female", "birthDate": "1815-12-10",
            "telecom": [{"system": "email", "value": "ada@example.org"}], "active": true,
            "managingOrganization": {"reference": "Organization/o"}}),
        json!({"resourceType": "Patient", "id": "kaska", "identifier": [{"value": "8"}],
            "name": [{"family": "Nowak", "given": ["Kaśka"]}], "gender": "female", "birthDate": "1995-10-02",
            "managingOrganization": {"reference": "https://other.example/Organization/o"}}),
        json!({"resourceType": "Patient", "id": "yang", "identifier": [{"system": "http://foo,123", "value": "ABC"}],
            "name": [{"text": "Yáng  Li"}], "gender": "male", "birthDate": "1996"}),
        json!({"resourceType": "Patient", "id": "none", "meta": {"tag": [{"system": "urn:t", "code": "x"}]}}),
    ]
}

/// Each criterion finds what it means, whether an index serves it or not.
#[test]
fn criteria_of_each_type_find_what_they_mean() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    client
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    for patient in patients() {
        store(&mut client, &patient);
    }
    let cases = [
        ("_id=ada", "ada"),
        ("_id=ada,none,nobody", "ada none"),
        ("identifier=urn:mrn|7", "ada"),
        ("identifier=7", "ada"),
        ("identifier=urn:mrn|", "ada"),
        ("identifier=|7", ""),
        ("identifier=|8", "kaska"),
        ("identifier=http://foo\\,123|ABC", "yang"),
        ("identifier=urn:mrn%7C7,8", "ada kaska"),
        ("identifier:not=7", "kaska none yang"),
        ("identifier:missing=true", "none"),
        ("gender=female", "ada kaska"),
        (
            "gender=http://hl7.org/fhir/administrative-gender|female",
            "ada kaska",
        ),
        ("gender=urn:other|female", ""),
        ("gender=female&birthdate=ge1900", "kaska"),
        ("name=love", "ada"),
        ("name=aug", "ada"),
        ("name:exact=Ada", "ada"),
        ("name:exact=ada", ""),
        ("name:contains=gust", "ada"),
        ("given=kaska", "kaska"),
        ("given:exact=Kaska", ""),
        ("name=yang", "yang"),
        ("name=yang&name=li", ""),
        ("email=ada@example.org", "ada"),
        ("phone=ada@example.org", ""),
        ("birthdate=1995-10-02", "kaska"),
        ("birthdate=ge1995-10-02", "kaska yang"),
        ("birthdate=le1995-10-02", "ada kaska"),
        ("birthdate=lt1996-01-01", "ada kaska"),
        ("birthdate=1996-03-13", ""),
        ("birthdate=1996", "yang"),
        ("birthdate=ne1996", "ada kaska"),
        ("organization=Organization/o", "ada"),
        ("organization=o", "ada"),
        ("organization=https://other.example/Organization/o", "kaska"),
        ("organization:Organization=o", "ada"),
        ("_tag=urn:t|x", "none"),
        ("active=true", "ada"),
        ("", "ada kaska none yang"),
    ];
    let asked = [
        "identifier",
        "gender",
        "name",
        "given",
        "email",
        "birthdate",
        "organization",
        "_tag",
        "active",
    ];
    for round in 0..3 {
        for (criteria, found) in cases {
            let ids = search(&mut client, "Patient", criteria)
                .unwrap_or_else(|error| panic!("{criteria}: {error:?}"));
            assert_eq!(ids.join(" "), found, "{criteria}, round {round}");
        }
        if round == 0 {
            let asked = asked.map(|parameter| ("Patient", parameter));
            index(&mut client, &asked);
        } else {
            // As it is for a large table.
            client.batch_execute("SET enable_seqscan = off").unwrap();
        }
    }
    let findings: i64 = value(&mut client, "SELECT count(*) FROM ingest.doctor()");
    assert_eq!(findings, 0);
}

/// A conditional create makes one resource, for all spellings of its criteria, and leaves what
/// matches as it is.
#[test]
fn conditional_create_by_search_parameters_makes_one() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    index(&mut client, &[("Patient", "identifier")]);
    let body =
        json!({"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": "9"}]});
    let made = create_if(&mut client, "Patient", "identifier=urn:mrn|9", &body).unwrap();
    assert_eq!(made.did(), ("created", 1));
    for criteria in [
        "identifier=urn:mrn%7C9",
        "?identifier=9,urn:mrn|9",
        "{\"identifier\": \"urn:mrn|9\"}",
    ] {
        let other = json!({"resourceType": "Patient", "active": false});
        let found = create_if(&mut client, "Patient", criteria, &other).unwrap();
        assert_eq!(found.did(), ("matched", 1), "{criteria}");
    }
    expect_sqlstate(
        create_if(&mut client, "Patient", "identfier=urn:mrn|9", &body),
        "PT400",
    );
}

/// Three patients, who were born and are seen at different times.
fn ward_of(client: &mut Client) {
    for patient in patients() {
        store(client, &patient);
    }
    store(
        client,
        &json!({"resourceType": "Organization", "id": "o", "name": "General"}),
    );
    for (id, patient, value, at) in [
        ("a", "Patient/ada", 5.4, "2024-01-02T10:00:00Z"),
        ("b", "Patient/ada", 5.5, "2024-02"),
        ("c", "Patient/kaska", 100.0, "2024-02-03"),
        ("d", "https://other.example/Patient/ada", 7.0, "2024-02-03"),
    ] {
        store(
            client,
            &json!({"resourceType": "Observation", "id": id, "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4"}]},
                "subject": {"reference": patient}, "effectiveDateTime": at,
                "valueQuantity": {"value": value, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}}),
        );
    }
}

/// A search comes in the order that is asked for, from the least or the greatest, what has no value
/// last, and in pages.
#[test]
fn search_comes_in_order_and_in_pages() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    client
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    ward_of(&mut client);
    for (criteria, found) in [
        ("_sort=birthdate", "ada kaska yang none"),
        ("_sort=-birthdate", "yang kaska ada none"),
        ("_sort=family", "ada kaska none yang"),
        ("_sort=gender,-_id", "kaska ada yang none"),
        ("_sort=-_id&_count=2", "yang none"),
        ("gender=female&_sort=-birthdate", "kaska ada"),
        ("_count=0", ""),
        ("_count=3", "ada kaska none"),
    ] {
        let ids = search(&mut client, "Patient", criteria).unwrap();
        assert_eq!(ids.join(" "), found, "{criteria}");
    }
    let ids = search(&mut client, "Observation", "_sort=value-quantity").unwrap();
    assert_eq!(ids, ["a", "b", "d", "c"]);
    // As the link to a next page has it.
    for (criteria, found) in [
        ("_count=2&_after=kaska", "none yang"),
        ("_sort=-birthdate&_after=yang&_count=1", "kaska"),
    ] {
        let ids = search(&mut client, "Patient", criteria).unwrap();
        assert_eq!(ids.join(" "), found, "{criteria}");
    }
    let twice = client.query(
        "SELECT id FROM ingest.resource_search('fhir', 'Patient', '_after=ada', after => 'kaska')",
        &[],
    );
    expect_sqlstate(twice, "PT400");
    for name in ["_elements", "_format", "_pretty"] {
        let of_bundle = search(&mut client, "Patient", &format!("{name}=none"));
        let of_bundle = expect_sqlstate(of_bundle, "PT400");
        assert!(of_bundle.message().contains("a Bundle"), "{of_bundle:?}");
    }
    // Page by page.
    for sort in ["", "&_sort=-birthdate", "&_sort=_lastUpdated"] {
        let whole = search(&mut client, "Patient", &sort.replace('&', "")).unwrap();
        let mut paged: Vec<String> = Vec::new();
        loop {
            let page = client
                .query(
                    "SELECT id FROM ingest.resource_search('fhir', 'Patient', $1::text, after => $2)",
                    &[
                        &format!("_count=1{sort}"),
                        &paged.last().cloned().unwrap_or_default(),
                    ],
                )
                .unwrap();
            if page.is_empty() {
                break;
            }
            paged.extend(page.iter().map(|row| row.get::<_, String>(0)));
        }
        assert_eq!(paged, whole, "{sort}");
    }
    let by_argument = "SELECT string_agg(id, ' ') FROM ingest.resource_search('fhir', 'Patient', '{}', sort => '[\"-birthdate\"]')";
    assert_eq!(
        value::<String>(&mut client, by_argument),
        "yang kaska ada none"
    );
}

/// What matches refer to, and what refers to them, comes behind them: each once, of this server only,
/// and what the caller may read.
#[test]
fn includes_come_once_behind_the_matches() {
    let Some((mut database, mut client)) = hospital::database() else {
        return;
    };
    client
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    ward_of(&mut client);
    for (profile, criteria, found) in [
        (
            "Observation",
            "_include=Observation:subject",
            "a b c d Patient/ada Patient/kaska",
        ),
        (
            "Observation",
            "_id=a,b&_include=Observation:subject:Patient",
            "a b Patient/ada",
        ),
        (
            "Observation",
            "_id=a&_include=Observation:subject:Group",
            "a",
        ),
        ("Observation", "_id=d&_include=Observation:subject", "d"),
        (
            "Observation",
            "_id=a&_include=Observation:subject,Observation:patient",
            "a Patient/ada",
        ),
        (
            "Patient",
            "_id=ada,kaska&_revinclude=Observation:subject",
            "ada kaska Observation/a Observation/b Observation/c",
        ),
        (
            "Patient",
            "_id=ada&_include=Patient:organization&_revinclude=Observation:subject",
            "ada Organization/o Observation/a Observation/b",
        ),
        (
            "Patient",
            "_id=none&_revinclude=Observation:subject",
            "none",
        ),
    ] {
        let ids = search(&mut client, profile, criteria)
            .unwrap_or_else(|error| panic!("{criteria}: {error:?}"));
        assert_eq!(ids.join(" "), found, "{criteria}");
    }
    let modes: String = value(
        &mut client,
        "SELECT string_agg(mode, ' ') FROM ingest.resource_search('fhir', 'Patient', '_id=ada&_include=Patient:organization')",
    );
    assert_eq!(modes, "match include");
    for criteria in [
        "_include=Observation:subject",
        "_include=Patient:name",
        "_include=Patient",
        "_include=Patient:organization:Organization:x",
        "_include:iterate=Patient:organization",
        "_revinclude=Observation:encounter",
        "_total=accurate",
        "_summary=count",
        "_sort=nothing",
        "_count=x",
    ] {
        expect_sqlstate(search(&mut client, "Patient", criteria), "PT400");
    }
    let reader = database.create_role("reader", "");
    database.run(&format!(
        "GRANT USAGE ON SCHEMA fhir TO \"{reader}\"; GRANT SELECT ON fhir.\"Observation\" TO \"{reader}\""
    ));
    let mut as_reader = database.connect_as(&reader);
    as_reader
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    let ids = search(
        &mut as_reader,
        "Observation",
        "_id=a&_include=Observation:subject",
    )
    .unwrap();
    assert_eq!(ids, ["a"]);
    // What cannot be looked up now is not what is not there.
    let mut waits = database.connect();
    waits
        .batch_execute("SET client_min_messages = warning; SET lock_timeout = '50ms'")
        .unwrap();
    search(&mut waits, "Observation", "_id=a").unwrap();
    client
        .batch_execute("BEGIN; LOCK TABLE ingest.profile IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let asked = search(
        &mut waits,
        "Observation",
        "_id=a&_include=Observation:subject",
    );
    expect_sqlstate(asked, "55P03");
    client.batch_execute("ROLLBACK").unwrap();
    database.run(&format!(
        "REVOKE USAGE ON SCHEMA fhir FROM \"{reader}\"; REVOKE ALL ON fhir.\"Observation\" FROM \"{reader}\""
    ));
}

/// Dates, numbers, quantities and URIs mean what the specification says, by an index and without.
#[test]
fn ranges_and_uris_find_what_they_mean() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    client
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    ward_of(&mut client);
    for (id, url) in [("u", "http://x.org/sets/a"), ("v", "http://x.org/sets/a/b")] {
        store(
            &mut client,
            &json!({"resourceType": "ValueSet", "id": id, "url": url, "status": "draft"}),
        );
    }
    store(
        &mut client,
        &json!({"resourceType": "RiskAssessment", "id": "r", "status": "final", "subject": {"reference": "Patient/ada"},
            "prediction": [{"probabilityDecimal": 0.8}]}),
    );
    for round in 0..2 {
        for (profile, criteria, found) in [
            ("Observation", "date=2024-02-03", "c d"),
            ("Observation", "date=2024-02", "b c d"),
            ("Observation", "date=ge2024-02-01", "b c d"),
            ("Observation", "date=2024-01-02T10:00:00Z", "a"),
            ("Observation", "date=sa2024-01-02", "b c d"),
            ("Observation", "date=lt2024-01-02T10:00:01Z", "a"),
            (
                "Observation",
                "value-quantity=5.4|http://unitsofmeasure.org|%25",
                "a",
            ),
            ("Observation", "value-quantity=5", "a"),
            ("Observation", "value-quantity=gt5.4||%25", "b c d"),
            ("Observation", "value-quantity=1e2", "c"),
            (
                "Observation",
                "code=http://loinc.org|4548-4&subject=Patient/ada",
                "a b",
            ),
            ("Observation", "status=final&_id=c", "c"),
            ("ValueSet", "url=http://x.org/sets/a", "u"),
            ("ValueSet", "url:below=http://x.org/sets/a", "u v"),
            ("ValueSet", "url:above=http://x.org/sets/a/b/c", "u v"),
            ("RiskAssessment", "probability=0.8", "r"),
            ("RiskAssessment", "probability=gt0.8", ""),
        ] {
            let ids = search(&mut client, profile, criteria)
                .unwrap_or_else(|error| panic!("{criteria}: {error:?}"));
            assert_eq!(ids.join(" "), found, "{criteria}, round {round}");
        }
        if round == 0 {
            index(
                &mut client,
                &[
                    ("Observation", "date"),
                    ("Observation", "value-quantity"),
                    ("Observation", "code"),
                    ("Observation", "subject"),
                    ("ValueSet", "url"),
                    ("RiskAssessment", "probability"),
                ],
            );
            client.batch_execute("SET enable_seqscan = off").unwrap();
        }
    }
}

/// What is not taken is refused by name, and never means everything.
#[test]
fn parameters_that_are_not_taken_are_refused() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    let body = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}});
    for criteria in [
        "identfier=x",
        "_text=x",
        "_content=x",
        "_filter=x",
        "_has:Observation:patient:code=x",
        "_list=x",
        "_query=x",
        "subject.name=x",
        "subject:Patient.name=x",
        "code-value-quantity=x$5",
        "code:nothing=x",
        "date=xx2024",
        "date=2024-13",
        "value-quantity=a",
        "status:missing=perhaps",
        "code=a\\b",
    ] {
        let refused = create_if(&mut client, "Observation", criteria, &body);
        let refused = expect_sqlstate(refused, "PT400");
        assert!(refused.hint().is_some(), "{criteria}: {refused:?}");
    }
    for criteria in [
        "_sort=date",
        "_count=1",
        "code=x&_include=Observation:subject",
    ] {
        let refused = create_if(&mut client, "Observation", criteria, &body);
        let refused = expect_sqlstate(refused, "PT400");
        assert!(refused.message().contains("is for a search"), "{refused:?}");
    }
    let unknown = expect_sqlstate(search(&mut client, "Patient", "identfier=x"), "PT400");
    assert!(
        unknown.hint().unwrap().contains("identifier, "),
        "{unknown:?}"
    );
    let composite = expect_sqlstate(
        search(&mut client, "Observation", "code-value-quantity=x$5"),
        "PT400",
    );
    assert!(composite.message().contains("composite"), "{composite:?}");
    let told = hospital::told().unwrap();
    let composite = told
        .iter()
        .find(|one| one.name == "code-value-quantity")
        .unwrap();
    assert!(composite.issue.as_ref().unwrap().contains("composite"));
}

/// A code that its element cannot have finds nothing: a search says so, and what would write by it
/// is refused with the codes that there are. Of what may hold other codes nothing is known.
#[test]
fn code_that_nothing_can_have_is_told() {
    let Some((database, mut client)) = hospital::database() else {
        return;
    };
    ward_of(&mut client);
    let codes = "expected a code of the vocabulary http://hl7.org/fhir/ValueSet/administrative-gender: \
         \"female\", \"male\", \"other\", \"unknown\"";
    let body = "{\"resourceType\": \"Patient\"}";
    for criteria in [
        "gender=f",
        "gender=male,f",
        "gender=http://hl7.org/fhir/administrative-gender|f",
        "name=x&gender=Female",
    ] {
        let call = format!(
            "SELECT count(*) FROM ingest.resource_search('fhir', 'Patient', '{criteria}');"
        );
        let output = psql::run(&database, &call).output;
        let told = format!("NOTICE:  gender is a parameter of type token; {codes}");
        assert!(output.contains(&told), "{criteria}: {output}");
        for call in [
            format!("resource_create_if('fhir', 'Patient', '{criteria}', '{body}')"),
            format!("resource_upsert_if('fhir', 'Patient', '{criteria}', '{body}')"),
            format!("resource_patch_if('fhir', 'Patient', '{criteria}', '{{}}')"),
            format!("resource_delete_if('fhir', 'Patient', '{criteria}')"),
        ] {
            let refused = client.batch_execute(&format!("SELECT ingest.{call}"));
            let refused = expect_sqlstate(refused, "PT400");
            assert!(refused.message().contains(codes), "{call}: {refused:?}");
        }
    }
    let misspelt = client
        .batch_execute("SELECT ingest.resource_delete_if('fhir', 'Observation', 'status=finale')");
    let misspelt = expect_sqlstate(misspelt, "PT400");
    assert!(
        misspelt.message().ends_with("; did you mean final?"),
        "{misspelt:?}"
    );
    for (of, criteria) in [
        ("Patient", "gender=female"),
        ("Patient", "gender:not=f"),
        (
            "Patient",
            "gender=http://hl7.org/fhir/administrative-gender|",
        ),
        ("Patient", "language=xx"),
        ("Observation", "code=f"),
        ("Patient", "identifier=f"),
        ("Patient", "active=f"),
    ] {
        let call =
            format!("SELECT count(*) FROM ingest.resource_search('fhir', '{of}', '{criteria}');");
        let output = psql::run(&database, &call).output;
        assert!(!output.contains("expected a code"), "{criteria}: {output}");
    }
}

/// An index that somebody dropped, or whose build failed, serves nothing: it is told as one that
/// never was, and made again by what made it.
#[test]
fn index_that_is_gone_or_not_valid_is_told() {
    let Some((database, mut client)) = hospital::database() else {
        return;
    };
    index(
        &mut client,
        &[("Patient", "name"), ("Patient", "birthdate")],
    );
    let name: String = value(
        &mut client,
        "SELECT ingest.search_index('fhir', 'Patient', 'name')",
    );
    let told = |criteria: &str, expected: Option<&str>| {
        let call =
            format!("SELECT id FROM ingest.resource_search('fhir', 'Patient', '{criteria}');");
        let output = psql::run(&database, &call).output;
        assert_eq!(
            output.contains("NOTICE:  no index of Patient"),
            expected.is_some(),
            "{output}"
        );
        assert!(output.contains(expected.unwrap_or_default()), "{output}");
    };
    told("name=x", None);
    for break_it in [
        format!("DROP INDEX fhir.\"{name}\""),
        format!(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'fhir.\"{name}\"'::regclass"
        ),
    ] {
        client.batch_execute(&break_it).unwrap();
        told(
            "name=x",
            Some(&format!("The index {name} is gone, or not valid")),
        );
        told("name=x&birthdate=2000", None);
        index(&mut client, &[("Patient", "name")]);
        told("name=x", None);
    }
}

/// Objects say the same as queries.
#[test]
fn objects_and_queries_say_the_same() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    client
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    ward_of(&mut client);
    for (criteria, found) in [
        (json!({"identifier": "urn:mrn|7"}), "ada"),
        (json!({"identifier": "http://foo,123|ABC"}), "yang"),
        (json!({"identifier": "http://foo\\,123|ABC"}), "yang"),
        (json!({"identifier": ["urn:mrn|7", "8"]}), "ada kaska"),
        (json!({"name": [["ada"], ["love"]]}), "ada"),
        (json!({"birthdate": {"ge": "1900", "lt": "1996"}}), "kaska"),
        (json!({"name:exact": "Ada"}), "ada"),
        (json!({"name": {"exact": "Ada"}}), "ada"),
        (json!({"birthdate": {"missing": true}}), "none"),
        (json!({"active": true}), "ada"),
        (json!({"_sort": "-_id", "_count": 1}), "yang"),
    ] {
        let sql = "SELECT coalesce(string_agg(id, ' '), '') FROM ingest.resource_search('fhir', 'Patient', $1::jsonb)";
        let row = client.query_one(sql, &[&criteria]);
        let row = row.unwrap_or_else(|error| panic!("{criteria}: {error:?}"));
        assert_eq!(row.get::<_, String>(0), found, "{criteria}");
    }
    for criteria in [
        json!({"name": {"ge": "a"}}),
        json!({"name": null}),
        json!({"name": []}),
        json!({"name": {}}),
        json!({"name": [["a"], [null]]}),
    ] {
        let sql = "SELECT FROM ingest.resource_search('fhir', 'Patient', $1::jsonb)";
        expect_sqlstate(client.query(sql, &[&criteria]), "PT400");
    }
}

/// Callers at once whose criteria mean the same make one resource, however they spell them, also in
/// transactions that keep their snapshot.
#[test]
fn callers_at_once_with_other_spellings_make_one() {
    let Some((database, mut client)) = hospital::database() else {
        return;
    };
    index(&mut client, &[("Patient", "identifier")]);
    let identified = json!({"resourceType": "Patient", "gender": "female", "identifier": [{"system": "urn:mrn", "value": "1"}]});
    let reached = json!({"resourceType": "Patient", "telecom": [{"system": "email", "value": "Bob@example.org"}]});
    let weighed = json!({"resourceType": "Observation", "status": "final", "code": {"text": "weight"}, "valueQuantity": {"value": 10.5, "unit": "kg"}});
    for (of, spellings, body) in [
        (
            "Patient",
            [
                "identifier=urn:mrn|1&gender=female",
                "gender=female&identifier=urn:mrn%7C1",
                "?identifier=urn:mrn|1,urn:mrn|1&gender=female",
                "{\"gender\": \"female\", \"identifier\": [\"urn:mrn|1\"]}",
            ],
            &identified,
        ),
        (
            "Patient",
            [
                "email=bob@example.org",
                "email=BOB@example.org",
                "email=Bob%40EXAMPLE.ORG",
                "{\"email\": \"Bob@example.org\"}",
            ],
            &reached,
        ),
        (
            "Observation",
            [
                "value-quantity=10.5||kg",
                "value-quantity=010.5||kg",
                "value-quantity=%2B10.5||kg",
                "value-quantity=eq10.5%7C%7Ckg",
            ],
            &weighed,
        ),
    ] {
        for isolation in ["READ COMMITTED", "REPEATABLE READ"] {
            client
                .batch_execute(&format!("DELETE FROM fhir.\"{of}\""))
                .unwrap();
            let outcomes: Vec<String> = std::thread::scope(|scope| {
                let callers = (0..8).map(|number| {
                    let database = &database;
                    scope.spawn(move || {
                        let mut client = database.connect();
                        client
                            .batch_execute(&format!(
                                "SET default_transaction_isolation = '{isolation}'"
                            ))
                            .unwrap();
                        loop {
                            match create_if(&mut client, of, spellings[number % 4], body) {
                                Ok(written) => return written.did().0.to_owned(),
                                Err(error) => drop(expect_sqlstate(Err::<(), _>(error), "40001")),
                            }
                        }
                    })
                });
                let callers: Vec<_> = callers.collect();
                callers.into_iter().map(|it| it.join().unwrap()).collect()
            });
            let created = outcomes.iter().filter(|outcome| *outcome == "created");
            assert_eq!(
                created.count(),
                1,
                "{spellings:?} {isolation}: {outcomes:?}"
            );
            let rows: i64 = value(&mut client, &format!("SELECT count(*) FROM fhir.\"{of}\""));
            assert_eq!(rows, 1, "{spellings:?} {isolation}");
        }
    }
}

/// An index over a search parameter is known, told of when it is wrong, made again, and goes with its
/// table. Again is a no-op.
#[test]
fn indexes_are_known_and_put_right() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    let make = "SELECT ingest.search_index('fhir', 'Patient', 'birthdate')";
    let name: String = value(&mut client, make);
    assert_eq!(value::<String>(&mut client, make), name);
    let findings = |client: &mut Client| -> Vec<String> {
        let rows = client.query("SELECT problem FROM ingest.doctor('fhir')", &[]);
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    };
    assert!(findings(&mut client).is_empty());
    let repair = "SELECT ingest.fhir_import('fhir', '[]', '{Patient}')";
    for (harm, told) in [
        (format!("DROP INDEX fhir.\"{name}\""), "is missing"),
        (
            format!(
                "DROP INDEX fhir.\"{name}\"; CREATE INDEX \"{name}\" ON fhir.\"Patient\" (version)"
            ),
            "is not as it should be",
        ),
        (
            "UPDATE ingest.search_index SET version = 0".to_owned(),
            "another version",
        ),
        (
            "UPDATE ingest.search_index SET paths = 'deceased:dateTime'".to_owned(),
            "",
        ),
    ] {
        for cure in [make, repair] {
            client.batch_execute(&harm).unwrap();
            let found = findings(&mut client);
            match told {
                "" => assert!(found.is_empty(), "{found:?}"),
                _ => assert!(found.len() == 1 && found[0].contains(told), "{found:?}"),
            }
            client.execute(cure, &[]).unwrap();
            assert!(findings(&mut client).is_empty(), "{harm}");
            let version: i32 = value(&mut client, "SELECT version FROM ingest.search_index");
            assert_eq!(version, 1);
        }
    }
    // What is missing says how to make it.
    for (call, state) in [
        (
            "SELECT ingest.search_index('fhir', 'Patient', 'nothing')",
            "PT400",
        ),
        (
            "SELECT ingest.search_index('fhir', 'Patient', '_id')",
            "PT400",
        ),
        ("SELECT ingest.search_index('fhir', 'Meta', 'x')", "PT400"),
        (
            "SELECT ingest.search_index('fhir', 'Nothing', 'x')",
            "PT404",
        ),
        (
            "SELECT ingest.fhir_import('fhir', '[]', '{}', '{nothing}')",
            "PT400",
        ),
        (
            "SELECT ingest.fhir_import('fhir', '[]', '{}', '{Nothing.name}')",
            "PT404",
        ),
    ] {
        expect_sqlstate(client.execute(call, &[]), state);
    }
    client
        .execute(
            "SELECT ingest.fhir_import('fhir', '[]', '{}', '{identifier,Patient.family}')",
            &[],
        )
        .unwrap();
    let made: String = value(
        &mut client,
        "SELECT string_agg(profile || '.' || parameter, ' ' ORDER BY profile, parameter)
         FROM ingest.search_index JOIN pg_class ON relname = name WHERE relkind = 'i'",
    );
    assert_eq!(
        made,
        "Encounter.identifier Observation.identifier Organization.identifier Patient.birthdate Patient.family \
         Patient.identifier Practitioner.identifier RiskAssessment.identifier ValueSet.identifier"
    );
    // It goes with its table, and comes back with the catalog.
    client
        .batch_execute(
            "CREATE TEMP TABLE kept AS SELECT ingest.source_catalog('fhir') AS catalog;
             DELETE FROM ingest.search_index; DELETE FROM ingest.profile; DELETE FROM ingest.property;
             DELETE FROM ingest.profile_version; DELETE FROM ingest.definition; DELETE FROM ingest.vocabulary;
             DELETE FROM ingest.source;
             SELECT ingest.source_adopt('fhir', catalog) FROM kept",
        )
        .unwrap();
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.search_index"),
        9
    );
    assert!(findings(&mut client).is_empty());
    client
        .batch_execute("SELECT ingest.profile_drop('fhir', 'Patient')")
        .unwrap();
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.search_index"),
        6
    );
}

/// A search that no index serves says how to make one, and one that an index serves uses it.
#[test]
fn search_without_an_index_is_told_in_a_notice() {
    let Some((database, mut client)) = hospital::database() else {
        return;
    };
    client
        .batch_execute(
            "INSERT INTO fhir.\"Patient\" (data) SELECT jsonb_build_object('resourceType', 'Patient',
                 'identifier', jsonb_build_array(jsonb_build_object('system', 'urn:mrn', 'value', n::text)),
                 'birthDate', ('1950-01-01'::date + n)::text, 'name', jsonb_build_array(jsonb_build_object('family', 'F' || n)))
             FROM generate_series(1, 3000) AS n",
        )
        .unwrap();
    let said = |query: &str| {
        let call =
            format!("SELECT count(*) FROM ingest.resource_search('fhir', 'Patient', '{query}')");
        psql::run(&database, &call).output
    };
    for (parameter, query) in [
        ("identifier", "identifier=urn:mrn|77"),
        ("birthdate", "birthdate=1950-03-19"),
        ("family", "family:exact=F77"),
    ] {
        let text = said(query);
        let advice = format!("SELECT ingest.search_index('fhir', 'Patient', '{parameter}')");
        assert!(text.contains(&advice), "{text}");
        index(&mut client, &[("Patient", parameter)]);
        client.batch_execute("ANALYZE fhir.\"Patient\"").unwrap();
        let text = said(query);
        assert!(!text.contains("NOTICE"), "{text}");
        // Another one, whose statistics know of nothing else.
        let mut other = database.connect();
        let mut transaction = other.transaction().unwrap();
        let ids = search(&mut transaction, "Patient", query).unwrap();
        assert_eq!(ids.len(), 1, "{query}");
        let by_index: bool = value(
            &mut transaction,
            "SELECT seq_scan = 0 AND idx_scan > 0 FROM pg_stat_xact_user_tables WHERE relid = 'fhir.\"Patient\"'::regclass",
        );
        assert!(by_index, "{query}");
        transaction.rollback().unwrap();
    }
    let text = said("identifier:missing=true");
    assert!(
        text.contains("No index can serve such criteria alone"),
        "{text}"
    );
}

/// What the functions behind a search are given by hand is an answer or a typed refusal.
#[test]
fn functions_of_a_search_given_anything_answer_or_refuse() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    for call in [
        "search_matches('{}', '{}')",
        "search_matches('{}', '[1]')",
        "search_matches('{}', '[{}]')",
        "search_matches('{}', '[{\"type\": \"token\", \"paths\": \"\", \"test\": \"\", \"values\": []}]')",
        "search_matches('{}', '[{\"type\": \"date\", \"paths\": \"a:date\", \"test\": \"\", \"values\": [\"x\"]}]')",
        "search_tokens('{}', '')",
        "search_tokens('{}', ':')",
        "search_tokens('{}', 'a.b')",
        "search_spans('{}', 'a[:date')",
        "search_order('{}', 'nothing', 'id:id')",
        "search_order('{}', 'token', '%')",
    ] {
        expect_sqlstate(
            client.execute(&format!("SELECT ingest.{call}"), &[]),
            "PT400",
        );
    }
    for (call, answer) in [
        ("search_matches('[]', '[]')", "false"),
        ("search_matches('{}', '[]')", "true"),
        ("search_tokens('7', 'id:id')", "{}"),
        (
            "search_spans('{\"a\": \"0001-01-01T00:00:00+14:00\"}', 'a:dateTime') IS NULL",
            "false",
        ),
        (
            "search_spans('{\"a\": \"9999-12-31T23:59:59-12:00\"}', 'a:dateTime') IS NULL",
            "false",
        ),
        (
            "search_spans('{\"a\": {\"start\": \"2024\"}}', 'a:Period') IS NULL",
            "false",
        ),
        (
            "search_spans('{\"a\": {\"start\": \"2024\", \"end\": \"2023\"}}', 'a:Period') IS NULL",
            "false",
        ),
        (
            "search_numbers('{\"a\": 1e300}', 'a:decimal') IS NULL",
            "false",
        ),
        (
            "search_numbers('{\"a\": -0.000001}', 'a:decimal') IS NULL",
            "false",
        ),
        ("search_order('{}', 'token', 'id:id') IS NULL", "true"),
    ] {
        let found: String = value(&mut client, &format!("SELECT (ingest.{call})::text"));
        assert_eq!(found, answer, "{call}");
    }
}

/// What an index could not take in whole is stored all the same, and found.
#[test]
fn values_of_any_size_go_into_indexes() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    index(
        &mut client,
        &[
            ("Observation", "value-quantity"),
            ("Patient", "identifier"),
            ("Patient", "name"),
        ],
    );
    client.batch_execute("SET enable_seqscan = off").unwrap();
    let digits = "7".repeat(20_000);
    store(
        &mut client,
        &json!({"resourceType": "Observation", "id": "n", "status": "final", "code": {"text": "x"},
            "valueQuantity": {"value": serde_json::from_str::<Value>(&digits).unwrap()}}),
    );
    let identifiers: Vec<Value> = (0..20_000)
        .map(|n| json!({"system": format!("urn:{n}"), "value": format!("{n:0600}")}))
        .collect();
    store(
        &mut client,
        &json!({"resourceType": "Patient", "id": "p", "identifier": identifiers,
            "name": [{"family": "é".repeat(100_000)}]}),
    );
    let found = search(&mut client, "Observation", "value-quantity=gt1000000").unwrap();
    assert_eq!(found, ["n"]);
    for criteria in [
        format!("identifier=urn:77|{:0600}", 77),
        "name=eee".to_owned(),
    ] {
        assert_eq!(search(&mut client, "Patient", &criteria).unwrap(), ["p"]);
    }
}

/// A dump has the indexes, and the restored database searches by them.
#[test]
fn dump_restored_has_the_indexes() {
    let Some((database, mut client)) = hospital::database() else {
        return;
    };
    for patient in patients() {
        store(&mut client, &patient);
    }
    index(
        &mut client,
        &[("Patient", "identifier"), ("Patient", "birthdate")],
    );
    let restored = dump::restored(&database);
    let mut client = restored.connect();
    let findings: i64 = value(&mut client, "SELECT count(*) FROM ingest.doctor()");
    assert_eq!(findings, 0);
    client.batch_execute("SET enable_seqscan = off").unwrap();
    for (criteria, found) in [("identifier=7", "ada"), ("birthdate=1995-10-02", "kaska")] {
        let ids = search(&mut client, "Patient", criteria).unwrap();
        assert_eq!(ids.join(" "), found);
    }
}

/// What other servers have got wrong: values that hold what separates, a plus, a partial date; a match
/// whose body differs, which is left as it is.
#[test]
fn defects_of_others_are_absent() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    client
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    let stamp = "20210427133226.444+0800";
    let body = |system: &str, value: &str| json!({"resourceType": "Patient", "identifier": [{"system": system, "value": value}]});
    let twice = [
        (
            "identifier=urn:s|20210427133226.444%2B0800",
            body("urn:s", stamp),
        ),
        (
            "{\"identifier\": \"urn:t|20210427133226.444+0800\"}",
            body("urn:t", stamp),
        ),
        (
            "identifier=http://foo\\,123|ABC",
            body("http://foo,123", "ABC"),
        ),
        ("identifier=urn:u|a\\|b", body("urn:u", "a|b")),
        ("identifier=urn:v|a%26b%3Dc", body("urn:v", "a&b=c")),
    ];
    for (criteria, body) in &twice {
        let made = create_if(&mut client, "Patient", criteria, body).unwrap();
        assert_eq!(made.did(), ("created", 1), "{criteria}");
        let before: String = value(
            &mut client,
            "SELECT string_agg(xmin::text || data, '') FROM fhir.\"Patient\"",
        );
        let mut other = body.clone();
        other["active"] = json!(false);
        let found = create_if(&mut client, "Patient", criteria, &other).unwrap();
        assert_eq!(
            (found.did(), &found.id),
            (("matched", 1), &made.id),
            "{criteria}"
        );
        let after: String = value(
            &mut client,
            "SELECT string_agg(xmin::text || data, '') FROM fhir.\"Patient\"",
        );
        assert_eq!(before, after, "{criteria}");
    }
    store(
        &mut client,
        &json!({"resourceType": "Patient", "id": "born", "birthDate": "2000-03"}),
    );
    for (criteria, found) in [
        ("birthdate=2000-03-13", 0),
        ("birthdate=2000-03", 1),
        ("birthdate=2000", 1),
    ] {
        let ids = search(&mut client, "Patient", criteria).unwrap();
        assert_eq!(ids.len(), found, "{criteria}");
    }
    // Two that match are none to choose from.
    for _ in 0..2 {
        store(&mut client, &body("urn:two", "1"));
    }
    let several = create_if(
        &mut client,
        "Patient",
        "identifier=urn:two|1",
        &body("urn:two", "1"),
    );
    expect_sqlstate(several, "PT412");
    // A number keeps its digits.
    store(
        &mut client,
        &json!({"resourceType": "Observation", "id": "n", "status": "final", "code": {"text": "x"},
            "valueQuantity": {"value": serde_json::from_str::<Value>("1.50").unwrap()}}),
    );
    let kept: String = value(
        &mut client,
        "SELECT data #>> '{valueQuantity,value}' FROM fhir.\"Observation\"",
    );
    assert_eq!(kept, "1.50");
    assert_eq!(
        search(&mut client, "Observation", "value-quantity=1.50").unwrap(),
        ["n"]
    );
}

/// A page tells all that is included, or that it is too much: what refers to a match and is one
/// counts as a match.
#[test]
fn includes_are_told_whole_or_refused() {
    let (_database, mut client) = fhir_bundle::database("includes");
    client
        .batch_execute(
            r#"SET client_min_messages = warning;
            INSERT INTO fhir."Observation" (data) SELECT jsonb_build_object('resourceType', 'Observation', 'id', id,
                'status', 'final', 'basedOn', '[{"reference": "Observation/a"}, {"reference": "Observation/b"}]'::jsonb,
                'subject', jsonb_build_object('reference', 'Observation/a'))
            FROM (SELECT 'o' || n FROM generate_series(1, 10000) AS n UNION ALL VALUES ('a'), ('b')) AS o (id)"#,
        )
        .unwrap();
    let all = |client: &mut Client, criteria: &str| {
        let found = search(client, "Observation", criteria)?;
        Ok::<_, postgres::Error>(found.len())
    };
    for (criteria, count) in [
        ("_id=a&_revinclude=Observation:based-on", None),
        ("_id=a,b&_revinclude=Observation:based-on", Some(10_002)),
        (
            "_id=a,b&_revinclude=Observation:subject&_revinclude=Observation:based-on",
            Some(10_002),
        ),
        (
            "_id=b&_revinclude=Observation:subject,Observation:based-on",
            None,
        ),
    ] {
        match count {
            Some(count) => assert_eq!(all(&mut client, criteria).unwrap(), count, "{criteria}"),
            None => drop(expect_sqlstate(all(&mut client, criteria), "PT413")),
        }
    }
}

/// An order that an index has is read from it: as many rows as the page has, in the order that it is
/// without.
#[test]
fn order_that_an_index_has_is_read_from_it() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    client
        .batch_execute(
            "SET client_min_messages = warning;
             INSERT INTO fhir.\"Patient\" (data) SELECT jsonb_strip_nulls(jsonb_build_object('resourceType', 'Patient',
                 'id', 'p' || n, 'gender', CASE WHEN n % 2 = 0 THEN 'female' ELSE 'male' END,
                 'birthDate', CASE WHEN n % 10 > 0 THEN ('1950-01-01'::date + n * 7 % 5000)::text END,
                 'name', jsonb_build_array(jsonb_build_object('family', 'F' || n % 700))))
             FROM generate_series(1, 3000) AS n;
             ANALYZE fhir.\"Patient\"",
        )
        .unwrap();
    let findings = "SELECT count(*) FROM ingest.doctor('fhir')";
    for (sort, made) in [
        ("birthdate", true),
        ("-birthdate", true),
        ("family", true),
        ("-_lastUpdated", true),
        ("_id", false),
        ("-_id", false),
    ] {
        let page = format!("_sort={sort}&_count=20");
        let of_women = format!("gender=female&{page}");
        let before = [&page, &of_women].map(|it| search(&mut client, "Patient", it).unwrap());
        let name = match made {
            true => {
                let asked =
                    format!("SELECT ingest.search_index('fhir', 'Patient', '_sort={sort}')");
                let name: String = value(&mut client, &asked);
                client
                    .batch_execute(&format!("DROP INDEX fhir.\"{name}\""))
                    .unwrap();
                assert_eq!(value::<i64>(&mut client, findings), 1, "{sort}");
                client.execute(asked.as_str(), &[]).unwrap();
                name
            }
            false => "Patient_pkey".to_owned(),
        };
        assert_eq!(value::<i64>(&mut client, findings), 0, "{sort}");
        client
            .batch_execute("ANALYZE fhir.\"Patient\"; BEGIN")
            .unwrap();
        for (query, before, most) in [(&page, &before[0], 30), (&of_women, &before[1], 200)] {
            let read = format!(
                "SELECT pg_stat_get_xact_tuples_returned('fhir.\"{name}\"'::regclass)::bigint"
            );
            let already: i64 = value(&mut client, &read);
            let found = search(&mut client, "Patient", query).unwrap();
            assert_eq!((found.len(), &found), (20, before), "{query}");
            let scanned: i64 = value(&mut client, &read);
            let count = scanned - already;
            assert!((20..=most).contains(&count), "{query}: {count} rows");
            // The page after it begins where this one ends.
            let next = format!("{query}&_after={}", found[19]);
            let found = search(&mut client, "Patient", &next).unwrap();
            assert_eq!(found.len(), 20, "{next}");
            let count = value::<i64>(&mut client, &read) - scanned;
            assert!(count <= 3 * most, "{next}: {count} rows");
        }
        client.batch_execute("ROLLBACK").unwrap();
    }
    for wrong in ["_sort=", "_sort=nothing", "_sort=--family", "_sort=_id"] {
        let made = client.query(
            "SELECT ingest.search_index('fhir', 'Patient', $1)",
            &[&wrong],
        );
        expect_sqlstate(made, "PT400");
    }
    client
        .batch_execute("SELECT ingest.fhir_import('fhir', '[]', '{}', '{Patient._sort=-family}')")
        .unwrap();
    assert_eq!(value::<i64>(&mut client, findings), 0);
}

/// Of several SearchParameters with one code one counts, and which is told: one that can be searched by
/// before one that cannot, R4's own before others.
#[test]
fn search_parameter_takes_no_code_of_another() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    client
        .batch_execute(
            r#"INSERT INTO fhir."Patient" (data) VALUES ('{"resourceType": "Patient", "id": "a", "gender": "male", "birthDate": "2000-01-01"}')"#,
        )
        .unwrap();
    let mut import = |url: &str, code: &str, kind: &str, expression: &str| -> Option<String> {
        let given = json!({"resourceType": "SearchParameter", "url": url, "name": "mine", "code": code,
            "base": ["Patient"], "type": kind, "expression": expression});
        let sql = "SELECT issue FROM ingest.fhir_import('fhir', $1) WHERE url = $2";
        client.query_one(sql, &[&given, &url]).unwrap().get(0)
    };
    for url in ["http://aaa/sp", "http://zzz/sp"] {
        let told = import(url, "gender", "token", "Patient.language").unwrap();
        assert!(
            told.contains("SearchParameter/individual-gender, which counts"),
            "{told}"
        );
        let told = import(&format!("{url}2"), "birthdate", "date", "Patient.nothing").unwrap();
        assert!(told.starts_with("nothing is searched by it"), "{told}");
    }
    // One that cannot be searched by is no loss to one that can.
    assert!(import("http://aaa/own", "tongue", "token", "Patient.nothing").is_some());
    assert_eq!(
        import("http://bbb/own", "tongue", "token", "Patient.language"),
        None
    );
    let told = import("http://ccc/own", "tongue", "token", "Patient.gender").unwrap();
    assert!(told.contains("http://bbb/own, which counts"), "{told}");
    for criteria in ["gender=male", "birthdate=2000", "tongue:missing=true"] {
        assert_eq!(
            search(&mut client, "Patient", criteria).unwrap(),
            ["a"],
            "{criteria}"
        );
    }
}

/// A SearchParameter may come before the type that it is for, which is told; some are for many types, of which one is enough.
#[test]
fn search_parameter_for_no_type_is_told() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    let mut import = |base: &[&str]| -> Vec<String> {
        let given = json!({"resourceType": "SearchParameter", "url": "http://x/sp", "name": "mine",
            "code": "tongue", "base": base, "type": "token", "expression": "Patient.language"});
        let sql = "SELECT issue FROM ingest.fhir_import('fhir', $1) WHERE url = 'http://x/sp'";
        let told = client.query(sql, &[&given]).unwrap();
        told.iter().filter_map(|row| row.get(0)).collect()
    };
    assert_eq!(import(&["Patient"]), [""; 0]);
    assert_eq!(import(&["Nope", "Patient"]), [""; 0]);
    assert_eq!(
        import(&["Nope", "Never"]),
        ["for what is not there yet: Nope, Never"]
    );
}

/// Where only booleans or ids stand, nothing else is found: a search is told, a write is refused.
#[test]
fn value_that_none_can_have_is_told() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    for (criteria, expected) in [
        (
            "active=TRUE",
            "active is a parameter of type token; expected true or false",
        ),
        (
            "active=true,1",
            "active is a parameter of type token; expected true or false",
        ),
        (
            "active:not=yes",
            "active is a parameter of type token; expected true or false",
        ),
        (
            "deceased=no",
            "deceased is a parameter of type token; expected true or false",
        ),
        (
            "_id=Patient/p1",
            "_id is a parameter of type token; expected an id: up to 64 of A-Z, a-z, 0-9, - and .",
        ),
    ] {
        assert_eq!(search(&mut client, "Patient", criteria).unwrap(), [""; 0]);
        let delete = "SELECT ingest.resource_delete_if('fhir', 'Patient', $1::text)";
        let refusal = expect_sqlstate(client.execute(delete, &[&criteria]), "PT400");
        assert_eq!(refusal.message(), expected, "{criteria}");
    }
    for criteria in ["active=true", "active:not=false", "_id=p1,p2"] {
        search(&mut client, "Patient", criteria).unwrap();
    }
}

/// A modifier and its value that name two types contradict each other; an include names types that
/// there are.
#[test]
fn types_that_are_none_or_contradict_are_refused() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    for criteria in [
        "subject:Group=Patient/p1",
        "subject:Patient=Patient/p1,Group/g",
        "_include=Observation:subject:Foo",
        "_revinclude=Foo:subject",
    ] {
        expect_sqlstate(search(&mut client, "Observation", criteria), "PT400");
    }
    for criteria in [
        "subject:Patient=Patient/p1",
        "subject:Patient=p1",
        "subject:Patient=http://x/Patient/p1",
    ] {
        search(&mut client, "Observation", criteria).unwrap();
    }
}

/// A blank in a date is the plus of a zone, as an address has it.
#[test]
fn plus_of_a_zone_may_be_a_blank() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    let body = json!({"resourceType": "Patient", "id": "p", "deceasedDateTime": "2020-05-05T10:00:00+02:00"});
    client
        .execute("INSERT INTO fhir.\"Patient\" (data) VALUES ($1)", &[&body])
        .unwrap();
    for criteria in [
        "death-date=2020-05-05T10:00:00+02:00",
        "death-date=2020-05-05T10:00:00%2B02:00",
        "death-date=ge2020-05-05T08:00:00 00:00",
    ] {
        assert_eq!(
            search(&mut client, "Patient", criteria).unwrap(),
            ["p"],
            "{criteria}"
        );
    }
}

/// A page begins behind what was told last, though that be another by now; where it is gone, its place
/// is.
#[test]
fn page_begins_behind_what_has_changed() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    for (id, family) in [("a", "Ann"), ("b", "Bea"), ("c", "Cid"), ("d", "Dan")] {
        let body = json!({"resourceType": "Patient", "id": id, "active": true, "name": [{"family": family}]});
        client
            .execute("INSERT INTO fhir.\"Patient\" (data) VALUES ($1)", &[&body])
            .unwrap();
    }
    let page = "SELECT id FROM ingest.resource_search('fhir', 'Patient', 'active=true&_sort=family&_count=2', after => $1)";
    let ids =
        |rows: Vec<postgres::Row>| -> Vec<String> { rows.iter().map(|row| row.get(0)).collect() };
    assert_eq!(ids(client.query(page, &[&""]).unwrap()), ["a", "b"]);
    client
        .batch_execute("UPDATE fhir.\"Patient\" SET data = jsonb_set(data, '{active}', 'false') WHERE id = 'b'")
        .unwrap();
    assert_eq!(ids(client.query(page, &[&"b"]).unwrap()), ["c", "d"]);
    client
        .batch_execute("DELETE FROM fhir.\"Patient\" WHERE id = 'b'")
        .unwrap();
    for after in ["b", "never"] {
        let refusal = expect_sqlstate(client.query(page, &[&after]), "PT410");
        assert_eq!(
            refusal.message(),
            "what the page begins after is not there any more"
        );
    }
}

/// Callers whose criteria mean the same wait for each other, however precision, zone or system are
/// spelled; others do not.
#[test]
fn callers_whose_criteria_mean_the_same_wait() {
    let Some((database, mut one)) = hospital::database() else {
        return;
    };
    let mut two = database.connect();
    two.batch_execute("SET lock_timeout = '150ms'").unwrap();
    let create = |client: &mut Client, criteria: &str| {
        let call =
            "SELECT (ingest.resource_create_if('fhir', 'Observation', $1::text, $2::jsonb)).id";
        let body = json!({"resourceType": "Observation", "status": "final", "code": {"text": "x"}});
        client.query_one(call, &[&criteria, &body]).map(|_| ())
    };
    for (first, second, waits) in [
        ("value-quantity=0.5", "value-quantity=5e-1", true),
        ("value-quantity=100", "value-quantity=1.00e2", true),
        ("value-quantity=ge100||mg", "value-quantity=ge1e2||mg", true),
        ("value-quantity=0.5", "value-quantity=0.6", false),
        (
            "date=2020-01-01T10:00:00Z",
            "date=2020-01-01T12:00:00%2B02:00",
            true,
        ),
        (
            "date=ge2020-01-01T10:00:00Z",
            "date=ge2020-01-01T12:00:00 02:00",
            true,
        ),
        (
            "date=2020-01-01T10:00:00Z",
            "date=2020-01-01T10:00:00%2B02:00",
            false,
        ),
        (
            "date=2020-01-01T10:00:00Z",
            "date=2020-01-01T10:00:00",
            false,
        ),
        (
            "status=final",
            "status=http://hl7.org/fhir/observation-status|final",
            true,
        ),
        ("status=final", "status=amended", false),
        ("status:not=final", "status=final", false),
    ] {
        one.batch_execute("BEGIN").unwrap();
        create(&mut one, first).unwrap();
        let came = create(&mut two, second);
        match waits {
            true => drop(expect_sqlstate(came, "55P03")),
            false => came.unwrap_or_else(|error| panic!("{first} {second}: {error:?}")),
        }
        one.batch_execute("ROLLBACK").unwrap();
        two.batch_execute("DELETE FROM fhir.\"Observation\"")
            .unwrap();
    }
}

/// A URI is below itself, whatever version a canonical has.
#[test]
fn canonical_is_below_itself() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    for (id, profile) in [
        ("a", "http://e.org/p"),
        ("b", "http://e.org/p|1"),
        ("c", "http://e.org/p/q|1"),
        ("d", "http://e.org/pq"),
    ] {
        let body = json!({"resourceType": "Patient", "id": id, "meta": {"profile": [profile]}});
        client
            .execute("INSERT INTO fhir.\"Patient\" (data) VALUES ($1)", &[&body])
            .unwrap();
    }
    for (criteria, found) in [
        ("_profile=http://e.org/p", "a b"),
        ("_profile:below=http://e.org/p", "a b c"),
        ("_profile:below=http://e.org/p|1", "b"),
    ] {
        let ids = search(&mut client, "Patient", criteria).unwrap();
        assert_eq!(ids.join(" "), found, "{criteria}");
    }
}
