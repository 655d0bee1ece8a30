//! The envelope of FHIR resources: what is stored is what is read, and the gate owns `id`,
//! `meta.versionId` and `meta.lastUpdated`.

use std::io::Read;

use ingest_tests::expect_sqlstate;
use ingest_tests::refusal::issues;
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{copy, value};
use crate::ward::{self, call, patient};

/// How NDJSON goes in and out: as CSV whose quote and delimiter no JSON can hold.
const NDJSON: &str = r"WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')";

fn stored(client: &mut Client, id: &str) -> Value {
    let sql = "SELECT data FROM fhir.\"Patient\" WHERE id = $1";
    client.query_one(sql, &[&id]).unwrap().get(0)
}

fn insert(client: &mut Client, data: &Value) -> Result<String, postgres::Error> {
    let sql = "INSERT INTO fhir.\"Patient\" (data) VALUES ($1) RETURNING id";
    client.query_one(sql, &[data]).map(|row| row.get(0))
}

/// Rows whose `data` does not say what their columns say.
fn torn(client: &mut Client) -> i64 {
    let of = |table: &str| {
        format!(
            "SELECT data FROM fhir.{table} WHERE data IS NOT NULL AND (data ->> 'id' <> id
                OR data #>> '{{meta,versionId}}' <> version::text
                OR (data #>> '{{meta,lastUpdated}}')::timestamptz <> updated_at
                OR data ->> 'resourceType' <> 'Patient')"
        )
    };
    let (living, archived) = (of("\"Patient\""), of("\"Patient_history\""));
    value(
        client,
        &format!("SELECT count(*) FROM ({living} UNION ALL {archived}) AS t"),
    )
}

/// PostgreSQL's own function for JSON is asked only for instants beyond the calendar: all others are
/// written as it writes them, with no zeros at their ends.
#[test]
fn instants_are_written_as_postgresql_writes_them() {
    let (_database, mut client) = ward::database("envelope_instant");
    client
        .batch_execute(
            "SET timezone = 'UTC';
             INSERT INTO fhir.\"Patient\" (data)
                SELECT '{\"resourceType\": \"Patient\"}' FROM generate_series(1, 300)",
        )
        .unwrap();
    let sql = "SELECT count(*) FROM fhir.\"Patient\" WHERE data #> '{meta,lastUpdated}' = to_jsonb(updated_at)";
    assert_eq!(value::<i64>(&mut client, sql), 300);
}

/// What the client says of the server's members is replaced; all else of the resource is kept, its
/// meta and the digits of its numbers too.
#[test]
fn server_meta_of_a_client_is_replaced_and_the_rest_kept() {
    let (_database, mut client) = ward::database("envelope");
    let given = r#"{"resourceType": "Patient", "id": "p", "weight": 70.500, "meta": {"versionId": "99",
        "lastUpdated": "2001-01-01T00:00:00Z", "source": "urn:x", "tag": [{"code": "a"}]}, "name": [{"family": "B"}]}"#;
    let id: String = client
        .query_one(
            "INSERT INTO fhir.\"Patient\" (data) VALUES ($1::text::jsonb) RETURNING id",
            &[&given],
        )
        .unwrap()
        .get(0);
    assert_eq!(id, "p");
    let rest: String = value(
        &mut client,
        "SELECT (data #- '{meta,versionId}' #- '{meta,lastUpdated}')::text FROM fhir.\"Patient\"",
    );
    let expected: String = client
        .query_one(
            "SELECT ($1::text::jsonb #- '{meta,versionId}' #- '{meta,lastUpdated}')::text",
            &[&given],
        )
        .unwrap()
        .get(0);
    assert_eq!(rest, expected);
    assert!(rest.contains("70.500"), "{rest}");
    assert_eq!(stored(&mut client, "p")["meta"]["versionId"], "1");
    assert_eq!(torn(&mut client), 0);
}

/// The id is that of the column, or of `data`, or a new one, and stands in both; two that differ are
/// refused, and so is one that FHIR does not allow.
#[test]
fn id_stands_in_the_column_and_in_the_resource() {
    let (_database, mut client) = ward::database("envelope");
    assert_eq!(
        insert(&mut client, &patient("in-data", "A")).unwrap(),
        "in-data"
    );
    let nameless = json!({"resourceType": "Patient"});
    let made = insert(&mut client, &nameless).unwrap();
    assert_eq!(made.len(), 36);
    assert_eq!(stored(&mut client, &made)["id"], json!(made));
    let both = "INSERT INTO fhir.\"Patient\" (id, data) VALUES ($1, $2)";
    client.execute(both, &[&"column", &nameless]).unwrap();
    assert_eq!(stored(&mut client, "column")["id"], "column");
    client
        .execute(both, &[&"same", &patient("same", "A")])
        .unwrap();
    expect_sqlstate(
        client.execute(both, &[&"one", &patient("other", "A")]),
        "PT400",
    );
    expect_sqlstate(client.execute(both, &[&"a_b", &nameless]), "PT400");
    for wrong in [json!("a_b"), json!("a b"), json!(7), json!(null)] {
        let mut resource = patient("x", "A");
        resource["id"] = wrong;
        let refusal = expect_sqlstate(insert(&mut client, &resource), "PT422");
        let told = &issues(&refusal)[0].expression[0];
        assert!(
            told.starts_with("Patient") && told.ends_with(".id"),
            "{told}"
        );
    }
    // What is given for an id and is none can be anything, and is not repeated.
    let misplaced = "INSERT INTO fhir.\"Patient\" VALUES ('{\"secret\": 1}')";
    let refusal = expect_sqlstate(client.execute(misplaced, &[]), "PT422");
    assert_eq!(issues(&refusal)[0].expression, ["Patient"]);
    let moved = client.execute(
        "UPDATE fhir.\"Patient\" SET data = $1 WHERE id = 'same'",
        &[&patient("elsewhere", "A")],
    );
    expect_sqlstate(moved, "PT400");
    // What an update leaves out stays.
    client
        .execute(
            "UPDATE fhir.\"Patient\" SET data = $1 WHERE id = 'same'",
            &[&nameless],
        )
        .unwrap();
    assert_eq!(stored(&mut client, "same")["meta"]["versionId"], "2");
    assert_eq!(torn(&mut client), 0);
}

/// A resource of another type, and one without a type, are refused.
#[test]
fn resource_of_another_type_is_refused() {
    let (_database, mut client) = ward::database("envelope");
    for wrong in [
        json!({"resourceType": "Observation", "status": "final"}),
        json!({"active": true}),
    ] {
        let refusal = expect_sqlstate(insert(&mut client, &wrong), "PT422");
        assert_eq!(
            issues(&refusal).last().unwrap().expression,
            ["Patient.resourceType"]
        );
    }
}

/// An update that changes nothing but what the server says makes no version, by SQL and by verbs.
#[test]
fn change_of_server_meta_alone_makes_no_version() {
    let (_database, mut client) = ward::database("envelope");
    insert(&mut client, &patient("p", "A")).unwrap();
    let before = stored(&mut client, "p");
    let mut other = before.clone();
    other["meta"] = json!({"versionId": "7", "lastUpdated": "2020-01-01T00:00:00Z"});
    let bare = patient("p", "A");
    for same in [
        &other,
        &bare,
        &json!({"resourceType": "Patient", "name": [{"family": "A"}]}),
    ] {
        client
            .execute("UPDATE fhir.\"Patient\" SET data = $1", &[same])
            .unwrap();
        assert_eq!(stored(&mut client, "p"), before);
        let put = call(&mut client, "resource_upsert", "'p', $1", &[same]).unwrap();
        assert_eq!(put.did(), ("unchanged", 1));
        assert_eq!(put.resource.as_ref(), Some(&before));
    }
    other["meta"]["source"] = json!("urn:new");
    let put = call(&mut client, "resource_upsert", "'p', $1", &[&other]).unwrap();
    assert_eq!(put.did(), ("updated", 2));
    other["name"] = json!([{"family": "B"}]);
    client
        .execute("UPDATE fhir.\"Patient\" SET data = $1", &[&other])
        .unwrap();
    let now = stored(&mut client, "p");
    assert_eq!(now["meta"]["versionId"], "3");
    assert_eq!(now["meta"]["source"], "urn:new");
    assert_eq!(torn(&mut client), 0);
    let versions: i64 = value(&mut client, "SELECT count(*) FROM fhir.\"Patient_history\"");
    assert_eq!(versions, 2);
}

/// NDJSON goes in by COPY as it stands, validated, and comes out as it is stored.
#[test]
fn ndjson_goes_in_and_out_by_copy() {
    let (_database, mut client) = ward::database("envelope");
    let odd =
        json!({"resourceType": "Patient", "id": "odd", "name": [{"family": "a\\b \"c\", \t\né"}]});
    let lines = format!("{}\n{odd}\n", patient("plain", "A"));
    let into = format!("COPY fhir.\"Patient\" (data) FROM STDIN {NDJSON}");
    assert_eq!(copy(&mut client, &into, &lines).unwrap(), 2);
    assert_eq!(stored(&mut client, "odd")["name"], odd["name"]);
    assert_eq!(torn(&mut client), 0);

    let out = format!("COPY (SELECT data FROM fhir.\"Patient\" ORDER BY id) TO STDOUT {NDJSON}");
    let mut exported = String::new();
    client
        .copy_out(&out)
        .unwrap()
        .read_to_string(&mut exported)
        .unwrap();
    let resources: Vec<Value> = exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        resources,
        [stored(&mut client, "odd"), stored(&mut client, "plain")]
    );

    let wrong = format!(
        "{}\n{}\n",
        patient("new", "A"),
        json!({"resourceType": "Patient", "active": 1})
    );
    let refusal = expect_sqlstate(copy(&mut client, &into, &wrong), "PT422");
    assert_eq!(issues(&refusal)[0].expression, ["Patient.active"]);
    // What came out goes in again: the same ids are the same rows.
    client
        .batch_execute("DELETE FROM fhir.\"Patient\"")
        .unwrap();
    assert_eq!(copy(&mut client, &into, &exported).unwrap(), 2);
    assert_eq!(stored(&mut client, "odd")["meta"]["versionId"], "3");
    assert_eq!(torn(&mut client), 0);
}

/// The verbs take the resource and answer the resource.
#[test]
fn verbs_take_and_answer_the_resource_itself() {
    let (_database, mut client) = ward::database("envelope");
    let made = call(&mut client, "resource_create", "$1", &[&patient("p", "A")]).unwrap();
    assert_eq!((made.did(), made.id.as_str()), (("created", 1), "p"));
    assert_eq!(made.resource, Some(stored(&mut client, "p")));
    expect_sqlstate(
        call(&mut client, "resource_create", "$1", &[&patient("p", "A")]),
        "PT409",
    );
    expect_sqlstate(
        call(
            &mut client,
            "resource_create",
            "$1, 'q'",
            &[&patient("p", "A")],
        ),
        "PT400",
    );
    expect_sqlstate(
        call(&mut client, "resource_create", "$1", &[&json!([])]),
        "PT400",
    );
    let nameless = json!({"resourceType": "Patient", "active": true});
    let other = call(&mut client, "resource_create", "$1, 'q'", &[&nameless]).unwrap();
    assert_eq!(other.resource.unwrap()["id"], "q");

    let patch = json!([{"op": "replace", "path": "/name/0/family", "value": "B"}]);
    let patched = call(&mut client, "resource_patch", "'p', $1", &[&patch]).unwrap();
    assert_eq!(patched.did(), ("updated", 2));
    let merged = call(
        &mut client,
        "resource_patch",
        "'p', $1",
        &[&json!({"active": false, "meta": null})],
    )
    .unwrap();
    assert_eq!(merged.did(), ("updated", 3));
    expect_sqlstate(
        call(
            &mut client,
            "resource_patch",
            "'p', $1",
            &[&json!({"id": "z"})],
        ),
        "PT400",
    );
    let read = |client: &mut Client, rest: &str| -> Value {
        value(
            client,
            &format!("SELECT ingest.resource_read('fhir', 'Patient', 'p'{rest})"),
        )
    };
    assert_eq!(read(&mut client, ""), merged.resource.unwrap());
    assert_eq!(read(&mut client, ", 1"), made.resource.unwrap());
    assert_eq!(read(&mut client, ", 2")["name"][0]["family"], "B");
    let again = read(&mut client, "");
    let put = call(&mut client, "resource_upsert", "'p', $1, 3", &[&again]).unwrap();
    assert_eq!(put.did(), ("unchanged", 3));
    let told: Vec<(String, Value)> = client
        .query(
            "SELECT outcome::text, resource FROM ingest.resource_history('fhir', 'Patient', 'p')",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let versions: Vec<_> = told
        .iter()
        .map(|(_, resource)| &resource["meta"]["versionId"])
        .collect();
    assert_eq!(versions, ["3", "2", "1"]);
    let then: Value = value(
        &mut client,
        "SELECT ingest.resource_read_at('fhir', 'Patient', 'p', now() + interval '1 h')",
    );
    assert_eq!(then, again);
    client
        .batch_execute("SELECT ingest.resource_delete('fhir', 'Patient', 'p')")
        .unwrap();
    let back = call(&mut client, "resource_upsert", "'p', $1", &[&again]).unwrap();
    assert_eq!(back.did(), ("created", 5));
    assert_eq!(torn(&mut client), 0);
}

/// Conditional verbs search in the resource, and loads, bundles and validation take it as it is.
#[test]
fn conditional_and_bulk_verbs_take_the_resource_itself() {
    let (_database, mut client) = ward::database("envelope");
    let known = json!({"resourceType": "Patient", "meta": {"source": "urn:s:1"}});
    let criteria = json!({"_source": "urn:s:1"});
    let first = call(
        &mut client,
        "resource_create_if",
        "$1::jsonb, $2",
        &[&criteria, &known],
    )
    .unwrap();
    assert_eq!(first.did(), ("created", 1));
    let again = call(
        &mut client,
        "resource_create_if",
        "$1::jsonb, $2",
        &[&criteria, &known],
    )
    .unwrap();
    assert_eq!((again.did(), &again.id), (("matched", 1), &first.id));
    assert_eq!(again.resource, first.resource);
    let mut changed = known.clone();
    changed["active"] = json!(true);
    let put = call(
        &mut client,
        "resource_upsert_if",
        "$1::jsonb, $2",
        &[&criteria, &changed],
    )
    .unwrap();
    assert_eq!((put.did(), &put.id), (("updated", 2), &first.id));
    changed["id"] = json!("another");
    expect_sqlstate(
        call(
            &mut client,
            "resource_upsert_if",
            "$1::jsonb, $2",
            &[&criteria, &changed],
        ),
        "PT400",
    );

    let bodies = json!([patient("a", "A"), {"resourceType": "Patient", "active": 1}, {"resourceType": "Patient", "id": "a_b"},
        {"resourceType": "Patient"}]);
    let landed = client
        .query(
            "SELECT outcome::text, id, issue #>> '{0,expression,0}' FROM ingest.resource_load('fhir', 'Patient', $1, 'upsert', 'report')",
            &[&bodies],
        )
        .unwrap();
    let told: Vec<(Option<String>, Option<String>)> =
        landed.iter().map(|row| (row.get(0), row.get(2))).collect();
    let made = || Some("created".to_owned());
    assert_eq!(
        told,
        [
            (made(), None),
            (None, Some("Patient.active".into())),
            (None, Some("Patient.id".into())),
            (made(), None)
        ]
    );
    let unchanged: String = client
        .query_one(
            "SELECT outcome::text FROM ingest.resource_load('fhir', 'Patient', $1, 'upsert')",
            &[&json!([patient("a", "A")])],
        )
        .unwrap()
        .get(0);
    assert_eq!(unchanged, "unchanged");

    let entry = |method: &str, url: &str, resource: Value| json!({"request": {"method": method, "url": url}, "resource": resource});
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        entry("PUT", "Patient/b", patient("b", "B")),
        entry("PUT", "Patient/a", json!({"resourceType": "Patient", "active": true}))]});
    let done: Value = client
        .query_one("SELECT ingest.bundle_apply('fhir', $1)", &[&bundle])
        .unwrap()
        .get(0);
    let statuses: Vec<_> = done["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["response"]["status"])
        .collect();
    assert_eq!(statuses, ["201 Created", "200 OK"]);
    let read = stored(&mut client, "b");
    let valid: bool = client
        .query_one(
            "SELECT ingest.resource_is_valid('fhir', 'Patient', $1)",
            &[&read],
        )
        .unwrap()
        .get(0);
    assert!(valid);
    let outcome: Value = value(
        &mut client,
        "SELECT ingest.resource_validate('fhir', 'Patient', '{\"resourceType\": \"Patient\", \"id\": \"a_b\", \"name\": [{\"given\": [\"\"]}]}')",
    );
    assert_eq!(outcome["issue"].as_array().unwrap().len(), 2, "{outcome}");
    assert_eq!(torn(&mut client), 0);
}

/// ON CONFLICT and MERGE write what an update writes.
#[test]
fn rows_that_clash_are_updated_with_their_envelope() {
    let (_database, mut client) = ward::database("envelope");
    insert(&mut client, &patient("p", "A")).unwrap();
    let upsert = "INSERT INTO fhir.\"Patient\" (data) VALUES ($1) ON CONFLICT (id) DO UPDATE SET data = excluded.data";
    client.execute(upsert, &[&patient("p", "A")]).unwrap();
    assert_eq!(stored(&mut client, "p")["meta"]["versionId"], "1");
    client.execute(upsert, &[&patient("p", "B")]).unwrap();
    assert_eq!(stored(&mut client, "p")["meta"]["versionId"], "2");
    client
        .batch_execute("DELETE FROM fhir.\"Patient\"")
        .unwrap();
    client.execute(upsert, &[&patient("p", "C")]).unwrap();
    assert_eq!(stored(&mut client, "p")["meta"]["versionId"], "4");
    assert_eq!(torn(&mut client), 0);
}

/// What only native sources have is refused, and says what to do.
#[test]
fn verbs_of_native_sources_are_refused() {
    let (_database, mut client) = ward::database("envelope");
    for call in [
        "ingest.profile_define('fhir', 'Patient', '{\"type\": \"ROOT\"}')",
        "ingest.profile_check('fhir', 'Patient', '{\"type\": \"ROOT\"}')",
        "ingest.relationship_define('fhir', 'r', '{\"from\": {\"profileKey\": \"Patient\"}, \"to\": {\"profileKey\": \"Patient\"}}')",
        "ingest.contained_put('fhir', 'Patient', 'p', 'k/i', '{\"data\": {}}')",
        "ingest.source_create('other', '{\"format\": \"hl7\"}')",
    ] {
        let refusal = expect_sqlstate(
            client.execute(&format!("SELECT * FROM {call}"), &[]),
            "PT400",
        );
        assert!(refusal.hint().is_some(), "{call}: {refusal:?}");
    }
    client
        .batch_execute("SELECT ingest.source_create('native')")
        .unwrap();
    expect_sqlstate(
        client.execute("SELECT * FROM ingest.fhir_import('native', '[]')", &[]),
        "PT400",
    );
    let refusal = expect_sqlstate(
        client.execute(
            "SELECT * FROM ingest.fhir_import('fhir', '[]', '{Patient,Nothing,Meta}')",
            &[],
        ),
        "PT404",
    );
    assert!(refusal.message().ends_with("Meta, Nothing"), "{refusal:?}");
}

/// A table of FHIR is whole as it is made, and is made whole again by an import.
#[test]
fn table_that_was_damaged_is_found_and_repaired() {
    let (_database, mut client) = ward::database("envelope");
    let findings = "SELECT count(*) FROM ingest.doctor('fhir')";
    assert_eq!(value::<i64>(&mut client, findings), 0);
    client
        .batch_execute(
            "ALTER TABLE fhir.\"Patient\" ALTER COLUMN id SET DEFAULT ingest.new_id();
             ALTER TABLE fhir.\"Patient\" ALTER COLUMN version DROP DEFAULT;
             DROP TRIGGER \"!ingest_archive\" ON fhir.\"Patient\"",
        )
        .unwrap();
    assert_eq!(value::<i64>(&mut client, findings), 3);
    let hint: String = value(
        &mut client,
        "SELECT DISTINCT hint FROM ingest.doctor('fhir')",
    );
    let repair = hint.strip_suffix(" repairs it.").unwrap();
    client.batch_execute(repair).unwrap();
    assert_eq!(value::<i64>(&mut client, findings), 0);
    insert(&mut client, &patient("p", "A")).unwrap();
}
