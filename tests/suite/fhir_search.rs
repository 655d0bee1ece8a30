//! Searching FHIR by its own search parameters: what is found, with indexes and without.

use ingest_tests::expect_sqlstate;
use serde_json::{Value, json};

use crate::clinic::value;
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
        ("gender=http://hl7.org/fhir/administrative-gender|female", "ada kaska"),
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
        "identifier", "gender", "name", "given", "email", "birthdate", "organization", "_tag", "active",
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
            client
                .batch_execute("SET enable_seqscan = off")
                .unwrap();
        }
    }
    let findings: i64 = value(&mut client, "SELECT count(*) FROM ingest.verify()");
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
    let body = json!({"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": "9"}]});
    let made = create_if(&mut client, "Patient", "identifier=urn:mrn|9", &body).unwrap();
    assert_eq!(made.did(), ("created", 1));
    for criteria in ["identifier=urn:mrn%7C9", "?identifier=9,urn:mrn|9", "{\"identifier\": \"urn:mrn|9\"}"] {
        let other = json!({"resourceType": "Patient", "active": false});
        let found = create_if(&mut client, "Patient", criteria, &other).unwrap();
        assert_eq!(found.did(), ("matched", 1), "{criteria}");
    }
    expect_sqlstate(
        create_if(&mut client, "Patient", "identfier=urn:mrn|9", &body),
        "PT400",
    );
}
