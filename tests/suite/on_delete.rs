//! References that must lead somewhere (`"enforce": true`): what they keep from being deleted or
//! dropped, and when they are looked at.

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;
use serde_json::json;

use crate::clinic::value;

/// People, and visits that refer to them: at a path, in an array, in a type of its own that holds
/// itself, and in what is contained.
fn source() -> Database {
    let database = Database::new("on_delete");
    database.run(
        r#"SELECT ingest.source_create('s');
           SELECT ingest.profile_define('s', 'person', '{"type": "ROOT", "properties": {"friend": {"type": "reference", "target": ["person"], "enforce": true}}}');
           SELECT ingest.profile_define('s', 'note', '{"type": "CONTAINED", "properties": {"by": {"type": "reference", "target": ["person"], "enforce": true}}}');
           SELECT ingest.profile_define('s', 'visit', '{"type": "ROOT", "properties": {
               "by": {"type": "reference", "target": ["person"], "enforce": true},
               "others": {"type": "array", "items": {"type": "object", "properties": {"who": {"type": "reference", "enforce": true}}}},
               "loose": {"type": "reference", "target": ["person"], "enforce": true, "on_delete": "keep"},
               "said": {"type": "symbol"}},
               "contained": {"notes": {"types": ["note"], "cardinality": "0:*"}},
               "indexes": [["by.reference"]]}');
           SELECT ingest.resource_create('s', 'person', '{"data": {}}', 'p')"#,
    );
    database
}

fn visit(client: &mut Client, id: &str, body: &serde_json::Value) {
    let sql = "SELECT ingest.resource_create('s', 'visit', $1, $2)";
    client.query(sql, &[body, &id]).unwrap();
}

/// What a reference names cannot be deleted, in whichever way; what no reference names any more can.
#[test]
fn target_of_a_reference_stays() {
    let database = source();
    let mut client = database.connect();
    let person = json!({"reference": "person/p"});
    for (at, body) in [
        ("by.reference", json!({"data": {"by": person}})),
        (
            "others.who.reference",
            json!({"data": {"others": [{}, {"who": person}]}}),
        ),
        (
            "visit.contained.notes[0].data.by.reference",
            json!({"data": {}, "contained": {"notes": [{"data": {"by": person}}]}}),
        ),
    ] {
        visit(&mut client, "v", &body);
        for delete in [
            "SELECT ingest.resource_delete('s', 'person', 'p')",
            "SELECT ingest.resource_delete('s', 'person', 'p', cascade => true)",
            "DELETE FROM s.person",
            r#"SELECT ingest.bundle_apply('s', '{"operations": [{"operation": "delete", "profile": "person", "id": "p"}]}')"#,
        ] {
            let refusal = expect_sqlstate(client.batch_execute(delete), "PT409");
            assert!(
                refusal.message().ends_with(&format!(
                    "a resource in person is still referred to by visit ({at})"
                )),
                "{delete}: {}",
                refusal.message()
            );
        }
        let both = r#"SELECT ingest.bundle_apply('s', '{"operations": [
            {"operation": "delete", "profile": "person", "id": "p"}, {"operation": "delete", "profile": "visit", "id": "v"}]}')"#;
        client.batch_execute(both).unwrap();
        client
            .batch_execute("SELECT ingest.resource_create('s', 'person', '{\"data\": {}}', 'p')")
            .unwrap();
    }
    // The hint is a statement that lists what is in the way.
    visit(&mut client, "w", &json!({"data": {"by": person}}));
    let delete = client.batch_execute("DELETE FROM s.person");
    let refusal = expect_sqlstate(delete, "PT409");
    let hint = refusal.hint().unwrap();
    let listing = hint.split(" lists ").next().unwrap();
    assert_eq!(value::<String>(&mut client, listing), "w");
    client
        .batch_execute("UPDATE s.visit SET data = '{}'")
        .unwrap();
    client.batch_execute("DELETE FROM s.person").unwrap();
}

/// A row that refers to itself, rows that refer to each other and go together, and what says so, go.
#[test]
fn target_that_nobody_misses_goes() {
    let database = source();
    let mut client = database.connect();
    let friend = |id: &str| json!({"friend": {"reference": format!("person/{id}")}});
    let update = "UPDATE s.person SET data = $1 WHERE id = $2";
    client.execute(update, &[&friend("p"), &"p"]).unwrap();
    client.batch_execute("DELETE FROM s.person").unwrap();
    client
        .batch_execute("INSERT INTO s.person (id, data) VALUES ('a', '{}'), ('b', '{}')")
        .unwrap();
    client.execute(update, &[&friend("b"), &"a"]).unwrap();
    client.execute(update, &[&friend("a"), &"b"]).unwrap();
    let one = client.batch_execute("DELETE FROM s.person WHERE id = 'a'");
    expect_sqlstate(one, "PT409");
    client.batch_execute("DELETE FROM s.person").unwrap();
    client
        .batch_execute("INSERT INTO s.person (id, data) VALUES ('k', '{}')")
        .unwrap();
    let kept = json!({"data": {"loose": {"reference": "person/k"}}});
    visit(&mut client, "k", &kept);
    client.batch_execute("DELETE FROM s.person").unwrap();
}

/// A reference is looked at when it is new or changed: one whose target went away by leave hinders no
/// later write of its row.
#[test]
fn reference_that_stays_is_not_looked_at_again() {
    let database = source();
    let mut client = database.connect();
    let kept = json!({"data": {"loose": {"reference": "person/p"}}});
    visit(&mut client, "v", &kept);
    client.batch_execute("DELETE FROM s.person").unwrap();
    for write in [
        r#"SELECT ingest.resource_patch('s', 'visit', 'v', '{"data": {"said": "a"}}')"#,
        r#"SELECT ingest.resource_upsert('s', 'visit', 'v', '{"data": {"loose": {"reference": "person/p"}, "said": "b"}}')"#,
        r#"UPDATE s.visit SET data = data || '{"said": "c"}'"#,
        r#"SELECT ingest.resource_load('s', 'visit', '[{"id": "v", "data": {"loose": {"reference": "person/p"}, "said": "d"}}]', 'upsert')"#,
    ] {
        client.batch_execute(write).unwrap();
    }
    let version: i32 = value(&mut client, "SELECT version FROM s.visit");
    assert_eq!(version, 5);
    for write in [
        r#"UPDATE s.visit SET data = data || '{"by": {"reference": "person/p"}}'"#,
        r#"UPDATE s.visit SET data = '{"loose": {"reference": "person/q"}}'"#,
        r#"INSERT INTO s.visit (data) SELECT data FROM s.visit"#,
    ] {
        let result = client.batch_execute(write);
        // The same target at another place is the same target.
        match write.contains("\"by\"") {
            true => result.unwrap(),
            false => drop(expect_sqlstate(result, "PT422")),
        }
    }
}

/// A profile that references name cannot be dropped; its referrers could be neither written nor
/// defined again.
#[test]
fn target_profile_of_a_reference_stays() {
    let database = source();
    let mut client = database.connect();
    let drop = "SELECT ingest.profile_drop('s', 'person', true)";
    let refusal = expect_sqlstate(client.batch_execute(drop), "PT409");
    assert_eq!(
        refusal.message(),
        "the profile person is used by note, visit"
    );
    client
        .batch_execute(&format!(
            "SELECT ingest.profile_drop('s', 'visit', true); SELECT ingest.profile_drop('s', 'note'); {drop}"
        ))
        .unwrap();
}

/// `on_delete` goes with `enforce`, and is one of two.
#[test]
fn on_delete_that_is_none_is_refused() {
    let database = source();
    let mut client = database.connect();
    for (property, diagnostics) in [
        (
            r#"{"type": "reference", "on_delete": "keep"}"#,
            "expected beside \"enforce\": true only",
        ),
        (
            r#"{"type": "reference", "enforce": true, "on_delete": "cascade"}"#,
            "expected restrict or keep",
        ),
        (
            r#"{"type": "reference", "enforce": true, "on_delete": 1}"#,
            "expected string",
        ),
    ] {
        let define = format!(
            r#"SELECT ingest.profile_define('s', 'x', '{{"type": "ROOT", "properties": {{"r": {property}}}}}')"#
        );
        let refusal = expect_sqlstate(client.batch_execute(&define), "PT422");
        let detail = refusal.detail().unwrap();
        assert!(
            detail.contains(&diagnostics.replace('"', "\\\"")),
            "{detail}"
        );
        assert!(detail.contains("properties.r.on_delete"), "{detail}");
    }
}
