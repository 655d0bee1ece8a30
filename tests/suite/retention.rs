//! What a definition says of a history: that it is pruned, and when, or that there is none.

use ingest_tests::{Database, expect_sqlstate};
use postgres::{Client, Error};
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, Written, value};
use crate::hospital;
use crate::invariant::written;

fn define(client: &mut Client, history: &Value) -> Result<Value, Error> {
    let definition = json!({"type": "ROOT", "history": history, "properties": {
        "name": {"type": "symbol"}, "note": {"type": "symbol"}}});
    clinic::define(client, "clinic", OFFICE, &definition)
}

fn put(client: &mut Client, note: &str) -> Written {
    clinic::upsert(client, OFFICE, "o", &json!({"data": {"note": note}})).unwrap()
}

/// `outcome version`, newest first.
fn told(client: &mut Client) -> String {
    value(
        client,
        "SELECT string_agg(outcome || ' ' || version, ', ' ORDER BY version DESC)
         FROM ingest.resource_history('clinic', 'office', 'o')",
    )
}

fn prune(client: &mut Client, arguments: &str) -> Result<i64, Error> {
    let sql = format!("SELECT ingest.history_prune({arguments})");
    client.query_one(&sql, &[]).map(|row| row.get(0))
}

fn gone(client: &mut Client, call: &str) {
    let refused = client.batch_execute(&format!("SELECT ingest.{call}"));
    expect_sqlstate(refused, "PT410");
}

fn clinic() -> (Database, Client) {
    let database = clinic::database("retention");
    let client = database.connect();
    (database, client)
}

/// Pruning without a rule of its own follows the definition's, of one profile or of all of a source
/// that have one, links too; where none has one, it is refused.
#[test]
fn rule_of_a_definition_is_what_a_prune_follows() {
    let (_database, mut client) = clinic();
    for none in ["'clinic'", "'clinic', 'office'"] {
        expect_sqlstate(prune(&mut client, none), "PT400");
    }
    define(&mut client, &json!({"keep": 2})).unwrap();
    let works_at = json!({"from": {"profileKey": "provider"}, "to": {"profileKey": "office"},
        "properties": {"role": {"type": "symbol"}}, "history": {"older": "1 second", "keep": 1}});
    clinic::define_relationship(&mut client, "worksAt", &works_at).unwrap();
    for note in ["1", "2", "3", "4"] {
        put(&mut client, note);
    }
    client
        .batch_execute(
            "INSERT INTO clinic.provider (id, data) VALUES ('p', '{\"name\": \"p\"}');
             INSERT INTO clinic.\"worksAt\" (from_id, to_id, data) VALUES ('p', 'o', '{}');
             UPDATE clinic.\"worksAt\" SET data = '{\"role\": \"a\"}';
             UPDATE clinic.\"worksAt\" SET data = '{\"role\": \"b\"}'",
        )
        .unwrap();
    assert_eq!(prune(&mut client, "'clinic', 'worksAt'").unwrap(), 0);
    assert_eq!(prune(&mut client, "'clinic', \"limit\" => 1").unwrap(), 1);
    assert_eq!(told(&mut client), "updated 4, updated 3, updated 2");
    client.batch_execute("SELECT pg_sleep(1.1)").unwrap();
    assert_eq!(prune(&mut client, "'clinic'").unwrap(), 3);
    assert_eq!(told(&mut client), "updated 4, updated 3");
    assert_eq!(prune(&mut client, "'clinic'").unwrap(), 0);
    // What a caller says himself holds instead.
    assert_eq!(
        prune(&mut client, "'clinic', 'office', keep => 1").unwrap(),
        1
    );
    for wrong in [
        "'clinic', keep => 1",
        "'clinic', 'provider'",
        "'clinic', \"limit\" => 0",
    ] {
        expect_sqlstate(prune(&mut client, wrong), "PT400");
    }
}

/// A table without history has the current versions alone, and tombstones without data; versions
/// count on, and what is not kept is told as gone, not as what never was, nor as another version.
#[test]
fn table_without_history_counts_on() {
    let (_database, mut client) = clinic();
    define(&mut client, &json!(false)).unwrap();
    put(&mut client, "first");
    let then: String = value(&mut client, "SELECT clock_timestamp()::text");
    for note in ["2", "3"] {
        put(&mut client, note);
    }
    assert_eq!(told(&mut client), "updated 3");
    gone(&mut client, "resource_read('clinic', 'office', 'o', 1)");
    gone(&mut client, "resource_read('clinic', 'office', 'o', 2)");
    gone(&mut client, "resource_restore('clinic', 'office', 'o', 2)");
    gone(
        &mut client,
        &format!("resource_read_at('clinic', 'office', 'o', '{then}')"),
    );
    for (call, sqlstate) in [
        ("resource_read('clinic', 'office', 'o', 4)", "PT404"),
        ("resource_read('clinic', 'office', 'o', 0)", "PT404"),
        (
            "resource_read_at('clinic', 'office', 'o', '2000-01-01')",
            "PT410",
        ),
        (
            "version_erase('clinic', 'office', 'o', 2, 'asked for')",
            "PT410",
        ),
    ] {
        let refused = client.batch_execute(&format!("SELECT ingest.{call}"));
        expect_sqlstate(refused, sqlstate);
    }
    let now: Value = value(
        &mut client,
        "SELECT ingest.resource_read_at('clinic', 'office', 'o', clock_timestamp())",
    );
    assert_eq!(now["meta"]["versionId"], json!("3"), "{now}");

    clinic::delete(&mut client, OFFICE, "o", None, false).unwrap();
    assert_eq!(told(&mut client), "deleted 4");
    let left: bool = value(
        &mut client,
        "SELECT bool_and(data IS NULL AND contained IS NULL) FROM clinic.office_history",
    );
    assert!(left);
    gone(&mut client, "resource_read('clinic', 'office', 'o')");
    gone(&mut client, "resource_read('clinic', 'office', 'o', 3)");
    let again = clinic::create_as(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    assert_eq!(again.did(), ("created", 5));
    put(&mut client, "6");
    assert_eq!(told(&mut client), "updated 6, deleted 4");
    gone(&mut client, "resource_read('clinic', 'office', 'o', 5)");
    let stale = clinic::upsert_version(&mut client, OFFICE, "o", &json!({"data": {}}), 5);
    expect_sqlstate(stale, "PT412");
    // A tombstone that is over is what there is to prune.
    assert_eq!(prune(&mut client, "'clinic'").unwrap(), 1);
    assert_eq!(told(&mut client), "updated 6");
    let erased = written(
        &mut client,
        "resource_erase('clinic', 'office', 'o', 'asked for')",
    );
    assert_eq!(erased.unwrap().did(), ("erased", 7));
    assert_eq!(told(&mut client), "erased 7");
    let findings: i64 = value(&mut client, "SELECT count(*) FROM ingest.doctor()");
    assert_eq!(findings, 0);
}

/// To keep no history leaves what there is, until it is pruned; to keep one again begins with the
/// version that ends next, and what ended in between is gone, and no other version is told for it.
#[test]
fn history_that_is_switched_keeps_what_there_is() {
    let (_database, mut client) = clinic();
    for note in ["1", "2"] {
        put(&mut client, note);
    }
    define(&mut client, &json!(false)).unwrap();
    for note in ["3", "4"] {
        put(&mut client, note);
    }
    assert_eq!(told(&mut client), "updated 4, created 1");
    let in_between: String = value(
        &mut client,
        "SELECT (updated_at - interval '1 microsecond')::text FROM clinic.office WHERE id = 'o'",
    );
    define(&mut client, &json!(true)).unwrap();
    for note in ["5", "6"] {
        put(&mut client, note);
    }
    assert_eq!(
        told(&mut client),
        "updated 6, updated 5, updated 4, created 1"
    );
    for version in [2, 3] {
        gone(
            &mut client,
            &format!("resource_read('clinic', 'office', 'o', {version})"),
        );
    }
    gone(
        &mut client,
        &format!("resource_read_at('clinic', 'office', 'o', '{in_between}')"),
    );
    let first: Value = value(
        &mut client,
        "SELECT ingest.resource_read_at('clinic', 'office', 'o', (SELECT created_at FROM clinic.office WHERE id = 'o'))",
    );
    assert_eq!(first["data"], json!({"note": "1"}));
    define(&mut client, &json!(false)).unwrap();
    assert_eq!(prune(&mut client, "'clinic', 'office'").unwrap(), 3);
    assert_eq!(told(&mut client), "updated 6");
}

/// Links without history count on, too.
#[test]
fn links_without_history_count_on() {
    let (_database, mut client) = clinic();
    let works_at = json!({"from": {"profileKey": "provider"}, "to": {"profileKey": "office"},
        "properties": {"role": {"type": "symbol"}}, "history": false});
    clinic::define_relationship(&mut client, "worksAt", &works_at).unwrap();
    client
        .batch_execute(
            "INSERT INTO clinic.provider (id, data) VALUES ('p', '{\"name\": \"p\"}');
             INSERT INTO clinic.office (id, data) VALUES ('o', '{}');
             INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p', 'o');
             UPDATE clinic.\"worksAt\" SET data = '{\"role\": \"a\"}';
             DELETE FROM clinic.\"worksAt\"",
        )
        .unwrap();
    let kept: String = value(
        &mut client,
        "SELECT string_agg(outcome || ' ' || version, ', ') FROM ingest.relationship_history('clinic', 'worksAt', 'provider.p,office.o')",
    );
    assert_eq!(kept, "deleted 3");
    assert_eq!(
        clinic::link(&mut client, "p", "o").unwrap().did(),
        ("created", 4)
    );
}

/// A type of FHIR says it beside its profiles, of which it says nothing then.
#[test]
fn table_of_fhir_keeps_what_it_is_told() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    let mut define = |definition: &str| -> Result<Value, Error> {
        let sql = format!("SELECT ingest.profile_define('fhir', 'Patient', '{definition}')");
        client.query_one(&sql, &[]).map(|row| row.get(0))
    };
    let version = |defined: &Value| defined["version"].as_i64().unwrap();
    let before = version(&define("{\"profiles\": []}").unwrap());
    let defined = define("{\"history\": false}").unwrap();
    assert_eq!(
        (&defined["outcome"], version(&defined)),
        (&json!("updated"), before)
    );
    assert_eq!(
        define("{\"history\": false}").unwrap()["outcome"],
        json!("unchanged")
    );
    for (wrong, sqlstate) in [
        ("{}", "PT400"),
        ("{\"history\": 1}", "PT422"),
        ("{\"history\": {\"older\": \"soon\"}}", "PT422"),
    ] {
        expect_sqlstate(define(wrong), sqlstate);
    }
    client
        .batch_execute(
            "SELECT ingest.resource_upsert('fhir', 'Patient', 'h', '{\"resourceType\": \"Patient\", \"id\": \"h\"}');
             SELECT ingest.resource_patch('fhir', 'Patient', 'h', '{\"gender\": \"male\"}')",
        )
        .unwrap();
    gone(&mut client, "resource_read('fhir', 'Patient', 'h', 1)");
    let said: Value = value(
        &mut client,
        "SELECT jsonb_path_query_first(ingest.source_catalog('fhir'), '$.profiles[*] ? (@.name == \"Patient\")') -> 'history'",
    );
    assert_eq!(said, json!(false));
    // A type that is imported again keeps it.
    let content: Value = value(
        &mut client,
        "SELECT definition FROM ingest.profile WHERE source = 'fhir' AND profile = 'Patient'",
    );
    client
        .execute(
            "SELECT ingest.fhir_import('fhir', $1)",
            &[&json!([content])],
        )
        .unwrap();
    let said: Value = value(
        &mut client,
        "SELECT history FROM ingest.profile WHERE source = 'fhir' AND profile = 'Patient'",
    );
    assert_eq!(said, json!(false));
}

/// What a definition says of histories comes back with its source.
#[test]
fn source_that_is_adopted_keeps_the_same_history() {
    let (_database, mut client) = clinic();
    define(&mut client, &json!(false)).unwrap();
    let pruned =
        json!({"type": "ROOT", "properties": {}, "history": {"older": "7 years", "keep": 3}});
    clinic::define(&mut client, "clinic", "Patient", &pruned).unwrap();
    let histories =
        "SELECT jsonb_object_agg(profile, history) FROM ingest.profile WHERE kind <> 'CONTAINED'";
    let before: Value = value(&mut client, histories);
    assert_eq!(
        before,
        json!({"office": false, "provider": true, "worksAt": true, "Patient": {"older": "7 years", "keep": 3}})
    );
    let catalog: Value = value(&mut client, "SELECT ingest.source_catalog('clinic')");
    client
        .batch_execute("DROP EXTENSION ingest_ext CASCADE; CREATE EXTENSION ingest_ext")
        .unwrap();
    client
        .execute("SELECT ingest.source_adopt('clinic', $1)", &[&catalog])
        .unwrap();
    assert_eq!(value::<Value>(&mut client, histories), before);
    put(&mut client, "1");
    put(&mut client, "2");
    assert_eq!(told(&mut client), "updated 2");
}
