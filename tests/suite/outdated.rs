//! Rows that an older definition has let pass: what counts as another definition, and how they are
//! judged by the one that holds now.

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;

use crate::clinic::value;

/// A profile with what it can be made of, and two rows, of which `good` would conform to anything
/// here, and `bad` to nothing but the first definitions.
fn source() -> Database {
    let database = Database::new("outdated");
    database.run(
        r#"SELECT ingest.source_create('s');
           SELECT ingest.vocabulary_define('s', 'status', '["open", "odd"]');
           SELECT ingest.profile_define('s', 'part', '{"type": "CONTAINED", "properties": {"n": {"type": "integer"}}}');
           SELECT ingest.profile_define('s', 'whole', '{"type": "CONTAINED", "contained": {"parts": {"types": ["part"], "cardinality": "0:*"}}}');
           SELECT ingest.profile_define('s', 'p', '{"type": "ROOT", "properties": {"n": {"type": "integer"}, "status": {"type": "code", "binding": {"vocabulary": "status"}}},
               "contained": {"wholes": {"types": ["whole"], "cardinality": "0:*"}}}');
           INSERT INTO s.p (id, data, contained) VALUES
               ('good', '{"n": 1, "status": "open"}', '{"wholes": [{"data": {}, "contained": {"parts": [{"data": {"n": 1}}]}}]}'),
               ('bad', '{"n": 9, "status": "odd"}', '{"wholes": [{"data": {}, "contained": {"parts": [{"data": {"n": 9}}]}}]}')"#,
    );
    database
}

const CHANGES: [&str; 3] = [
    r#"SELECT ingest.profile_define('s', 'p', '{"type": "ROOT", "properties": {"n": {"type": "integer", "rules": [{"max": 5}]}, "status": {"type": "code", "binding": {"vocabulary": "status"}}},
        "contained": {"wholes": {"types": ["whole"], "cardinality": "0:*"}}}')"#,
    r#"SELECT ingest.profile_define('s', 'part', '{"type": "CONTAINED", "properties": {"n": {"type": "integer", "rules": [{"max": 5}]}}}')"#,
    r#"SELECT ingest.vocabulary_define('s', 'status', '["open", "shut"]')"#,
];

fn checked(client: &mut Client) -> String {
    value(
        client,
        "SELECT string_agg(id || ' ' || version || ' ' || profile_version, ', ' ORDER BY id DESC) FROM s.p",
    )
}

/// A write that changes nothing judges a row that was judged by an older definition, of the profile
/// or of what it is made of, and says by which it is judged now, without another version.
#[test]
fn write_of_the_same_is_judged_by_a_newer_definition() {
    for change in CHANGES {
        for again in [
            "UPDATE s.p SET data = data WHERE id = '{id}'",
            "SELECT ingest.resource_upsert('s', 'p', id, jsonb_build_object('data', data, 'contained', contained)) FROM s.p WHERE id = '{id}'",
            "SELECT ingest.resource_patch('s', 'p', '{id}', '{}')",
            "SELECT * FROM ingest.resource_load('s', 'p', (SELECT jsonb_agg(jsonb_build_object('id', id, 'data', data, 'contained', contained)) FROM s.p WHERE id = '{id}'), 'upsert')",
            "SELECT ingest.bundle_apply('s', (SELECT jsonb_build_object('operations', jsonb_agg(jsonb_build_object('operation', 'upsert', 'profile', 'p', 'id', id, 'body', jsonb_build_object('data', data, 'contained', contained)))) FROM s.p WHERE id = '{id}'))",
        ] {
            let database = source();
            let mut client = database.connect();
            let good = again.replace("{id}", "good");
            client.batch_execute(&good).unwrap();
            assert_eq!(checked(&mut client), "good 1 1, bad 1 1", "{again}");
            client.batch_execute(change).unwrap();
            client.batch_execute(&good).unwrap();
            assert_eq!(
                checked(&mut client),
                "good 1 2, bad 1 1",
                "{change}: {again}"
            );
            let bad = client.batch_execute(&again.replace("{id}", "bad"));
            expect_sqlstate(bad, "PT422");
            let archived: i64 = value(&mut client, "SELECT count(*) FROM s.p_history");
            assert_eq!(archived, 0, "{again}");
        }
    }
}

/// All rows are judged at once; those that do not conform are told, and stay.
#[test]
fn rows_are_judged_anew_all_at_once() {
    for change in CHANGES {
        let database = source();
        let mut client = database.connect();
        client
            .batch_execute(&format!(
                "INSERT INTO s.p (data) SELECT '{{\"n\": 1}}' FROM generate_series(1, 450); {change}"
            ))
            .unwrap();
        let refused = "SELECT string_agg(id || ' ' || (issue #>> '{0,expression,0}'), ', ')
            FROM ingest.profile_revalidate('s', 'p')";
        for _ in 0..2 {
            let told: String = value(&mut client, refused);
            assert!(told.starts_with("bad p."), "{change}: {told}");
            assert!(!told.contains(", "), "{told}");
        }
        let outdated: i64 = value(
            &mut client,
            "SELECT count(*) FROM s.p WHERE profile_version <> 2 OR version <> 1",
        );
        assert_eq!(outdated, 1, "{change}");
        client
            .batch_execute("DELETE FROM s.p WHERE id = 'bad'")
            .unwrap();
        let none: Option<String> = client.query_one(refused, &[]).unwrap().get(0);
        assert_eq!(none, None);
    }
}

/// Links are judged anew as well.
#[test]
fn links_are_judged_anew() {
    let database = source();
    let mut client = database.connect();
    let define = |rules: &str| {
        format!(
            r#"SELECT ingest.relationship_define('s', 'l', '{{"from": {{"profileKey": "p"}}, "to": {{"profileKey": "p"}}, "properties": {{"n": {{"type": "integer"{rules}}}}}}}')"#
        )
    };
    client.batch_execute(&define("")).unwrap();
    client
        .batch_execute(
            "INSERT INTO s.l (from_id, to_id, data) VALUES ('good', 'bad', '{\"n\": 1}'), ('bad', 'good', '{\"n\": 9}')",
        )
        .unwrap();
    client
        .batch_execute(&define(r#", "rules": [{"max": 5}]"#))
        .unwrap();
    let told: String = value(
        &mut client,
        "SELECT string_agg(id, ', ') FROM ingest.profile_revalidate('s', 'l')",
    );
    assert_eq!(told, "p.bad,p.good");
    let outdated: i64 = value(
        &mut client,
        "SELECT count(*) FROM s.l WHERE profile_version <> 2",
    );
    assert_eq!(outdated, 1);
}
