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

/// References of rows that are written by one statement lead to each other, as foreign keys do: to the
/// row itself, to what comes later, and to what another part of the statement writes.
#[test]
fn reference_within_a_statement_is_met() {
    let database = source();
    let mut client = database.connect();
    let friend = |id: &str| json!({"friend": {"reference": format!("person/{id}")}});
    let body = |id: &str| json!({"id": id, "data": friend(id)});
    for call in [
        "SELECT ingest.resource_create('s', 'person', $1, 'self')",
        "SELECT ingest.resource_upsert('s', 'person', 'self', $1)",
        "SELECT ingest.resource_load('s', 'person', jsonb_build_array($1::jsonb))",
    ] {
        client.execute(call, &[&body("self")]).unwrap();
        client
            .batch_execute("DELETE FROM s.person WHERE id = 'self'")
            .unwrap();
    }
    let valid = "SELECT ingest.resource_is_valid('s', 'person', $1)";
    for (id, met) in [("self", true), ("other", false)] {
        let given = json!({"id": id, "data": friend("self")});
        let is_valid: bool = client.query_one(valid, &[&given]).unwrap().get(0);
        assert_eq!(is_valid, met, "{id}");
    }
    for statement in [
        "INSERT INTO s.person (id, data) VALUES ('a', $a)",
        "INSERT INTO s.person (id, data) VALUES ('a', $b), ('b', $a)",
        "INSERT INTO s.person (id, data) VALUES ('b', $a), ('a', '{}')",
        "WITH w AS (INSERT INTO s.person (id, data) VALUES ('b', '{}')) INSERT INTO s.person (id, data) VALUES ('a', $b)",
        "WITH w AS (INSERT INTO s.visit (id, data) VALUES ('v', $v)) INSERT INTO s.person (id, data) VALUES ('b', '{}')",
        "INSERT INTO s.person (id, data) VALUES ('p', $b), ('b', '{}') ON CONFLICT (id) DO UPDATE SET data = excluded.data",
    ] {
        let by = json!({"by": {"reference": "person/b"}});
        let values = [("$a", friend("a")), ("$b", friend("b")), ("$v", by)];
        let statement = values
            .iter()
            .fold(statement.to_owned(), |statement, (name, value)| {
                statement.replace(name, &format!("'{value}'::jsonb"))
            });
        let mut work = client.transaction().unwrap();
        work.batch_execute(&statement).unwrap();
        work.rollback().unwrap();
    }
    let copy = "COPY s.person (id, data) FROM STDIN";
    let mut rows = client.copy_in(copy).unwrap();
    for (id, to) in [("c1", "c2"), ("c2", "c3"), ("c3", "c1")] {
        std::io::Write::write_all(&mut rows, format!("{id}\t{}\n", friend(to)).as_bytes()).unwrap();
    }
    assert_eq!(rows.finish().unwrap(), 3);
}

/// What no part of the statement makes is missing at its end, and the refusal names the first row; a
/// statement that failed leaves no demand to the next.
#[test]
fn reference_that_a_statement_does_not_meet_is_refused() {
    let database = source();
    let mut client = database.connect();
    for (statement, place) in [
        (
            "INSERT INTO s.person (id, data) VALUES ('a', '{}'), ('b', $1)",
            "person/b.friend.reference",
        ),
        (
            "INSERT INTO s.person (id, data) VALUES ('a', $1), ('b', $1)",
            "person/a.friend.reference",
        ),
        (
            "INSERT INTO s.person (id, data) VALUES ('p', $1) ON CONFLICT (id) DO UPDATE SET data = excluded.data",
            "person/p.friend.reference",
        ),
        ("UPDATE s.person SET data = $1", "person/p.friend.reference"),
    ] {
        let refusal = client.execute(
            statement,
            &[&json!({"friend": {"reference": "person/nobody"}})],
        );
        let refusal = expect_sqlstate(refusal, "PT422");
        let issues: serde_json::Value = serde_json::from_str(refusal.detail().unwrap()).unwrap();
        assert_eq!(
            issues["issue"][0]["expression"],
            json!([place]),
            "{statement}"
        );
        assert_eq!(issues["issue"].as_array().unwrap().len(), 1, "{statement}");
    }
    client
        .batch_execute(
            r#"ALTER TABLE s.person ADD COLUMN n integer CHECK (n > 0);
               DO $$ BEGIN
                   BEGIN
                       INSERT INTO s.person (id, data, n) VALUES ('a', '{"friend": {"reference": "person/nobody"}}', 0);
                   EXCEPTION WHEN check_violation THEN NULL;
                   END;
                   INSERT INTO s.person (id, data, n) VALUES ('a', '{}', 1);
               END $$"#,
        )
        .unwrap();
    let leftover = client.batch_execute(
        r#"DO $$ BEGIN
               BEGIN
                   INSERT INTO s.person (id, data, n) VALUES ('c', '{"friend": {"reference": "person/nobody"}}', 0);
               EXCEPTION WHEN check_violation THEN NULL;
               END;
               UPDATE s.person SET data = '{"friend": {"reference": "person/nobody"}}' WHERE id = 'a';
           END $$"#,
    );
    expect_sqlstate(leftover, "PT422");
}

/// A tree of more rows than are looked for together, each before the one that it names, comes in by
/// one statement; more that lead nowhere than are remembered are refused.
#[test]
fn many_references_within_a_statement_are_met() {
    let database = source();
    let mut client = database.connect();
    let insert = |last: i32| {
        format!(
            "INSERT INTO s.person (id, data)
             SELECT 'n' || n, CASE n WHEN {last} THEN '{{}}' ELSE jsonb_build_object('friend', jsonb_build_object('reference', 'person/n' || n + 1)) END
             FROM generate_series(1, 25000) AS n"
        )
    };
    let mut work = client.transaction().unwrap();
    work.batch_execute(&insert(25_000)).unwrap();
    work.rollback().unwrap();
    expect_sqlstate(client.batch_execute(&insert(0)), "PT422");
}

/// A resource names many targets, each counted once; too many are told as what they are.
#[test]
fn targets_beyond_what_is_followed_are_refused() {
    let database = source();
    let mut client = database.connect();
    let others = |distinct: i32| {
        format!(
            "SELECT jsonb_build_object('others', jsonb_agg(jsonb_build_object('who', jsonb_build_object('reference', 'person/n' || n % {distinct}))))
             FROM generate_series(0, 10000) AS n"
        )
    };
    client
        .batch_execute("INSERT INTO s.person (id, data) SELECT 'n' || n, '{}' FROM generate_series(0, 10000) AS n")
        .unwrap();
    let insert = |distinct| format!("INSERT INTO s.visit (data) {}", others(distinct));
    client.batch_execute(&insert(10_000)).unwrap();
    let refusal = expect_sqlstate(client.batch_execute(&insert(10_001)), "PT413");
    assert_eq!(
        refusal.message(),
        "visit has more than is followed in one resource"
    );
    let outcome: serde_json::Value = serde_json::from_str(refusal.detail().unwrap()).unwrap();
    let issue = json!([{"severity": "error", "code": "too-costly", "expression": ["visit.others[10000].who.reference"],
        "diagnostics": "expected at most 10000 targets that must exist"}]);
    assert_eq!(outcome["issue"], issue);
}
