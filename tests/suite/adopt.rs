//! Sources whose tables were left without their catalog: `source_adopt` takes them back, with what
//! `source_catalog` gave before.

use std::process::Command;

use ingest_tests::{Database, expect_sqlstate, psql, server};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, PROVIDER, value};
use crate::invariant::assert_sound;

/// A clinic with definitions that changed, an identity, a vocabulary, versions and links.
fn clinic_with_a_past() -> (Database, Client) {
    let database = clinic::database("adopt");
    let mut client = database.connect();
    client
        .batch_execute(
            "SET client_min_messages = warning;
             SELECT ingest.vocabulary_define('clinic', 'status', '[\"open\"]')",
        )
        .unwrap();
    clinic::upsert(&mut client, PROVIDER, "p", &json!({"data": {"name": "x"}})).unwrap();
    let changed = json!({"type": "ROOT", "identities": [["name"]], "indexes": [["tags"]],
        "properties": {"name": {"type": "symbol"}, "tags": {"type": "array", "items": {"type": "symbol"}}}});
    clinic::define(&mut client, "clinic", PROVIDER, &changed).unwrap();
    for name in ["a", "b"] {
        clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": name}})).unwrap();
    }
    clinic::create_as(&mut client, OFFICE, "gone", &json!({"data": {}})).unwrap();
    client
        .batch_execute("SELECT ingest.resource_delete('clinic', 'office', 'gone')")
        .unwrap();
    clinic::link(&mut client, "p", "o").unwrap();
    (database, client)
}

fn catalog(client: &mut Client) -> Value {
    value(client, "SELECT ingest.source_catalog('clinic')")
}

fn adopt(client: &mut Client, catalog: &Value) -> Result<u64, postgres::Error> {
    client.execute("SELECT ingest.source_adopt('clinic', $1)", &[catalog])
}

/// All goes on as if nothing had happened.
#[track_caller]
fn assert_taken_back(client: &mut Client, kept: &Value) {
    assert_eq!(&catalog(client), kept);
    let findings: i64 = value(
        client,
        "SELECT count(*) FROM ingest.doctor('clinic') WHERE severity <> 'information'",
    );
    assert_eq!(findings, 0);
    assert_eq!(clinic::story(client, OFFICE, "o"), "created 1, updated 2");
    assert_eq!(
        clinic::story(client, OFFICE, "gone"),
        "created 1, deleted 2"
    );
    clinic::read_link(client, "provider.p,office.o").unwrap();
    let upserted = clinic::upsert(client, OFFICE, "o", &json!({"data": {"name": "c"}})).unwrap();
    assert_eq!(upserted.did(), ("updated", 3));
    let again = clinic::create_as(client, OFFICE, "gone", &json!({"data": {}})).unwrap();
    assert_eq!(again.did(), ("created", 3));
    clinic::create(client, PROVIDER, &json!({"data": {"name": "y"}})).unwrap();
    for (refused, sqlstate) in [
        (
            "INSERT INTO clinic.office (data) VALUES ('{\"name\": 1}')",
            "PT422",
        ),
        (
            "INSERT INTO clinic.provider (data) VALUES ('{\"name\": \"x\"}')",
            "23505",
        ),
        ("DELETE FROM clinic.office_history", "42501"),
        ("DELETE FROM clinic.office WHERE id = 'o'", "23503"),
        ("TRUNCATE clinic.\"Patient\"", "PT400"),
    ] {
        expect_sqlstate(client.batch_execute(refused), sqlstate);
    }
    let definition: Value = value(
        client,
        "SELECT definition FROM ingest.profile WHERE profile = 'provider'",
    );
    let defined = clinic::define(client, "clinic", PROVIDER, &definition).unwrap();
    assert_eq!(
        (&defined["outcome"], &defined["version"]),
        (&json!("unchanged"), &json!(2))
    );
    assert_sound(client, "clinic");
}

/// What DROP EXTENSION leaves is taken back whole: gate, versions, history and links.
#[test]
fn tables_that_drop_extension_left_are_adopted() {
    let (_database, mut client) = clinic_with_a_past();
    let kept = catalog(&mut client);
    client
        .batch_execute("DROP EXTENSION ingest_ext CASCADE; CREATE EXTENSION ingest_ext")
        .unwrap();
    adopt(&mut client, &kept).unwrap();
    assert_taken_back(&mut client, &kept);
}

/// A dump of the schema alone, restored where the extension is, is taken back whole.
#[test]
fn schema_restored_without_its_catalog_is_adopted() {
    let (database, mut client) = clinic_with_a_past();
    let kept = catalog(&mut client);
    let dump = Command::new(server::program("pg_dump"))
        .args(["-n", "clinic", "-d", &database.url()])
        .output()
        .unwrap();
    assert!(dump.status.success(), "{dump:?}");
    let other = Database::new("adopt");
    psql::run(&other, &String::from_utf8(dump.stdout).unwrap());
    let mut client = other.connect();
    let strays: i64 = value(
        &mut client,
        "SELECT count(*) FROM ingest.doctor() WHERE hint ~ 'source_adopt'",
    );
    assert!(strays > 0);
    expect_sqlstate(
        clinic::create(&mut client, OFFICE, &json!({"data": {}})),
        "PT404",
    );
    adopt(&mut client, &kept).unwrap();
    assert_taken_back(&mut client, &kept);
}

/// A catalog that is none, or not that of the tables, is refused and changes nothing.
#[test]
fn catalogs_that_do_not_fit_are_refused() {
    let (mut database, mut client) = clinic_with_a_past();
    let kept = catalog(&mut client);
    expect_sqlstate(adopt(&mut client, &kept), "PT409");
    client
        .batch_execute("DROP EXTENSION ingest_ext CASCADE; CREATE EXTENSION ingest_ext")
        .unwrap();
    let mut older = kept.clone();
    older["profiles"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .filter(|profile| profile["name"] == "provider")
        .for_each(|profile| {
            profile["version"] = json!(1);
            profile["versions"].as_array_mut().unwrap().truncate(1);
        });
    let mut soon = kept.clone();
    soon["profiles"][0]["versions"][0]["defined_at"] = json!("soon");
    let with = |key: &str, new: Value| {
        let mut changed = kept.clone();
        changed[key] = new;
        changed
    };
    for (call, hinted) in [
        ("SELECT ingest.source_create('clinic')", true),
        ("SELECT ingest.source_create('public')", false),
    ] {
        let refusal = expect_sqlstate(client.execute(call, &[]), "PT409");
        let hint = refusal.hint().unwrap();
        assert_eq!(hint.contains("source_adopt"), hinted, "{call}: {hint}");
    }
    // Whatever meets a source that has lost its catalog names what takes it back.
    for call in [
        "SELECT ingest.doctor('clinic')",
        "SELECT ingest.profile_define('clinic', 'office', '{\"type\": \"ROOT\"}')",
        "SELECT ingest.resource_read('clinic', 'office', 'o')",
        "SELECT ingest.source_grant('clinic', current_user::text, 'read')",
        "SELECT ingest.source_drop('clinic', true)",
    ] {
        let refusal = expect_sqlstate(client.batch_execute(call), "PT404");
        assert_eq!(refusal.message(), "no such source: clinic", "{call}");
        let hint = refusal.hint().unwrap();
        assert!(hint.contains("source_adopt"), "{call}: {hint}");
    }
    for (wrong, named) in [
        (json!({}), "expected an array at vocabularies"),
        (
            with("profiles", json!([{"name": "office"}])),
            "a number from 1 at profiles[0].version",
        ),
        (
            with(
                "profiles",
                json!([{"name": "office", "version": 1, "versions": []}]),
            ),
            "expected version 1, which is current, at profiles[0].versions",
        ),
        (
            with(
                "profiles",
                json!([{"name": "office", "version": 1, "versions": [{"version": 1}]}]),
            ),
            "a string at profiles[0].versions[0].defined_at",
        ),
        (soon, "an instant as each defined_at at profiles"),
        (with("mine", json!(1)), "no member mine"),
    ] {
        let refusal = expect_sqlstate(adopt(&mut client, &wrong), "PT400");
        assert!(refusal.message().ends_with(named), "{refusal:?}");
        assert!(
            refusal.hint().unwrap().contains("\"versions\""),
            "{refusal:?}"
        );
    }
    for (wrong, sqlstate) in [
        (json!({}), "PT400"),
        (json!([]), "PT400"),
        (with("mine", json!(1)), "PT400"),
        (with("profiles", json!([{"name": "office"}])), "PT400"),
        (
            with(
                "profiles",
                json!([{"name": "a b", "version": 1, "versions": []}]),
            ),
            "PT400",
        ),
        (with("profiles", json!([])), "PT422"),
        (with("options", json!({"format": "other"})), "PT400"),
        (
            with("vocabularies", json!([{"name": "v", "concepts": 1}])),
            "PT422",
        ),
        (
            with(
                "profiles",
                json!([{"name": "other", "version": 1, "versions": [
                {"version": 1, "defined_at": "2024-01-01T00:00:00Z", "definition": {"type": "ROOT"}}]}]),
            ),
            "PT422",
        ),
    ] {
        expect_sqlstate(adopt(&mut client, &wrong), sqlstate);
    }
    client
        .batch_execute("INSERT INTO clinic.provider (id, version, created_at, updated_at, profile_version, data)
                        VALUES ('q', 1, now(), now(), 2, '{}')")
        .unwrap();
    expect_sqlstate(adopt(&mut client, &older), "PT409");
    client
        .batch_execute("ALTER TABLE clinic.office RENAME TO hidden")
        .unwrap();
    let refusal = expect_sqlstate(adopt(&mut client, &kept), "PT409");
    assert_eq!(
        refusal.hint(),
        Some("clinic.hidden looks like clinic.office: ALTER TABLE clinic.hidden RENAME TO office")
    );
    client
        .batch_execute("ALTER TABLE clinic.hidden RENAME TO office")
        .unwrap();
    let nothing = client.execute("SELECT ingest.source_adopt('nothing', $1)", &[&kept]);
    expect_sqlstate(nothing, "PT404");

    let stranger = database.create_role("stranger", "");
    let mut other = database.connect_as(&stranger);
    expect_sqlstate(adopt(&mut other, &kept), "42501");
    database.run(&format!(
        "GRANT EXECUTE ON FUNCTION ingest.source_adopt(text, jsonb) TO \"{stranger}\";
         GRANT USAGE ON SCHEMA clinic TO \"{stranger}\""
    ));
    expect_sqlstate(adopt(&mut other, &kept), "42501");
    database.run(&format!("DROP OWNED BY \"{stranger}\""));
    let left: i64 = value(&mut client, "SELECT count(*) FROM ingest.source");
    assert_eq!(left, 0);
    adopt(&mut client, &kept).unwrap();
    assert_taken_back(&mut client, &kept);
}

/// A source that is there takes back the tables that its catalog lacks, and nothing that it has.
#[test]
fn source_takes_back_what_its_catalog_lacks() {
    let (_database, mut client) = clinic_with_a_past();
    let kept = catalog(&mut client);
    client
        .batch_execute("DROP EXTENSION ingest_ext CASCADE; CREATE EXTENSION ingest_ext")
        .unwrap();
    let is = |entry: &Value, name: &str| entry["name"] == name;
    let mut first = kept.clone();
    first["relationships"] = json!([]);
    first["profiles"]
        .as_array_mut()
        .unwrap()
        .retain(|entry| !is(entry, OFFICE));
    adopt(&mut client, &first).unwrap();
    let office = kept["profiles"].as_array().unwrap();
    let office = office.iter().find(|entry| is(entry, OFFICE)).unwrap();
    let definition = &office["versions"][0]["definition"];
    let refusal = expect_sqlstate(
        clinic::define(&mut client, "clinic", OFFICE, definition),
        "PT409",
    );
    assert!(
        refusal.hint().unwrap().contains("source_adopt"),
        "{refusal:?}"
    );
    let again = expect_sqlstate(adopt(&mut client, &kept), "PT409");
    assert_eq!(again.message(), "the source clinic has Patient already");
    let mut rest = kept.clone();
    rest["profiles"] = json!([office]);
    adopt(&mut client, &rest).unwrap();
    assert_taken_back(&mut client, &kept);
}
