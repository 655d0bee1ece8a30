//! Rows with their own ids in numbers: by the key whatever the statistics said, in little memory;
//! and what conditional verbs do without the index of an identity.

use std::thread;

use ingest_tests::Database;
use ingest_tests::server::{backend_pid, private_memory};
use postgres::Client;

use crate::clinic::value;

fn database() -> Database {
    let database = Database::new("own_id");
    database.run(
        r#"SELECT ingest.source_create('s');
        SELECT ingest.profile_define('s', 'a', '{"type": "ROOT", "properties": {"k": {"type": "integer"}}}');
        SELECT ingest.profile_define('s', 'b', '{"type": "ROOT", "properties": {"k": {"type": "integer"}}}');
        SELECT ingest.relationship_define('s', 'l', '{"from": {"profileKey": "a"}, "to": {"profileKey": "b"}}')"#,
    );
    database
}

/// The rows that sequential scans of the tables of `s` and of their histories have read, in this
/// transaction.
fn scanned(client: &mut Client) -> i64 {
    value(
        client,
        "SELECT COALESCE(sum(seq_tup_read), 0)::bigint FROM pg_stat_xact_user_tables WHERE schemaname = 's'",
    )
}

/// Whatever the planner has been told of a table while it was small, a row of one's own id is found
/// by its key: by every way to write, in one statement or in many.
#[test]
fn rows_of_own_ids_in_an_aged_table_are_found_by_their_key() {
    for (aged, rows) in [("VACUUM", 0), ("ANALYZE", 10), ("ANALYZE", 100)] {
        let database = database();
        let mut client = database.connect();
        client
            .batch_execute(&format!(
                "INSERT INTO s.a (id, data) SELECT 'old' || n, '{{}}' FROM generate_series(1, {rows}) AS n;
                 INSERT INTO s.b (id, data) SELECT 'old' || n, '{{}}' FROM generate_series(1, {rows}) AS n"
            ))
            .unwrap();
        for table in ["a", "a_history", "b", "l", "l_history"] {
            client.batch_execute(&format!("{aged} s.{table}")).unwrap();
        }
        let mut transaction = client.transaction().unwrap();
        transaction
            .batch_execute(
                r#"INSERT INTO s.a (id, data) SELECT 'r' || n, jsonb_build_object('k', n) FROM generate_series(1, 3000) AS n;
                DO $$ BEGIN
                    FOR n IN 3001..3300 LOOP
                        INSERT INTO s.a (id, data) VALUES ('r' || n, '{}');
                        PERFORM ingest.resource_upsert('s', 'a', 'u' || n, '{"data": {}}');
                        PERFORM ingest.resource_upsert('s', 'a', 'u' || n, '{"data": {"k": 1}}');
                        PERFORM ingest.resource_delete('s', 'a', 'u' || n);
                        INSERT INTO s.a (id, data) VALUES ('u' || n, '{}');
                    END LOOP;
                END $$;
                SELECT count(*) FROM ingest.resource_load('s', 'b', (SELECT jsonb_agg(jsonb_build_object('id', 'r' || n, 'data', '{}'::jsonb)) FROM generate_series(1, 1500) AS n));
                SELECT count(*) FROM ingest.resource_load('s', 'b', (SELECT jsonb_agg(jsonb_build_object('id', 'r' || n, 'data', '{"k": 2}'::jsonb)) FROM generate_series(1, 1500) AS n), 'upsert');
                INSERT INTO s.l (from_id, to_id) SELECT 'r' || n, 'r' || n FROM generate_series(1, 1000) AS n"#,
            )
            .unwrap();
        let read: i64 = transaction
            .query_one(
                "SELECT COALESCE(sum(seq_tup_read), 0)::bigint FROM pg_stat_xact_user_tables WHERE schemaname = 's'",
                &[],
            )
            .unwrap()
            .get(0);
        assert!(
            read < 5_000,
            "{aged} with {rows} rows: {read} rows were scanned"
        );
        transaction.commit().unwrap();
        assert_eq!(scanned(&mut client), 0);
    }
}

/// A session that has written a great many rows of their own ids gives the memory back.
#[test]
fn session_that_wrote_many_own_ids_keeps_no_memory() {
    let database = database();
    let mut client = database.connect();
    let pid = backend_pid(&mut client);
    client
        .batch_execute("INSERT INTO s.a (id, data) VALUES ('first', '{}')")
        .unwrap();
    let before = private_memory(pid);
    client
        .batch_execute(
            "INSERT INTO s.a (id, data) SELECT 'r' || n, '{}' FROM generate_series(1, 300000) AS n",
        )
        .unwrap();
    let after = private_memory(pid);
    assert!(after < before + (10 << 20), "{before} to {after}");
}

/// Without the index of an identity, or with one that is not valid, callers with the same criteria
/// still make one resource.
#[test]
fn conditional_creates_without_the_index_of_their_identity_make_each_once() {
    let database = Database::new("own_id");
    database.run(
        r#"SELECT ingest.source_create('s');
        SELECT ingest.profile_define('s', 'a', '{"type": "ROOT", "properties": {"n": {"type": "integer"}}, "identities": [["n"]]}');
        DO $$ DECLARE name text; BEGIN
            SELECT indexrelid::regclass INTO name FROM pg_index WHERE indrelid = 's.a'::regclass AND NOT indisprimary;
            EXECUTE 'DROP INDEX ' || name;
        END $$"#,
    );
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut client = database.connect();
                for n in 0..60 {
                    let criteria = serde_json::json!({"n": n});
                    let body = serde_json::json!({"data": {"n": n}});
                    for verb in ["create_if", "upsert_if"] {
                        client
                            .query_one(
                                &format!("SELECT ingest.resource_{verb}('s', 'a', $1::jsonb, $2)"),
                                &[&criteria, &body],
                            )
                            .unwrap();
                    }
                }
            });
        }
    });
    let mut client = database.connect();
    assert_eq!(value::<i64>(&mut client, "SELECT count(*) FROM s.a"), 60);
}

/// Many links to one end are each found by both of their ends, whatever the statistics said when the
/// link table was small.
#[test]
fn links_of_one_end_in_an_aged_table_are_found_by_both_ends() {
    let database = database();
    let mut client = database.connect();
    client
        .batch_execute(
            "INSERT INTO s.a (id, data) SELECT 'a' || n, '{}' FROM generate_series(1, 2000) AS n;
             INSERT INTO s.b (id, data) VALUES ('one', '{}')",
        )
        .unwrap();
    client.batch_execute("VACUUM s.l").unwrap();
    client
        .batch_execute("INSERT INTO s.l (from_id, to_id) SELECT id, 'one' FROM s.a")
        .unwrap();
    let mut transaction = client.transaction().unwrap();
    transaction
        .batch_execute(
            r#"DO $$ BEGIN
                FOR n IN 1..300 LOOP
                    PERFORM ingest.relationship_upsert('s', 'l', jsonb_build_object(
                        'from', jsonb_build_object('id', 'a' || n, 'type', 'a'), 'to', '{"id": "one", "type": "b"}'::jsonb));
                    PERFORM ingest.relationship_unlink('s', 'l', 'a.a' || n || ',b.one');
                END LOOP;
            END $$"#,
        )
        .unwrap();
    let fetched: i64 = transaction
        .query_one(
            "SELECT (idx_tup_fetch + seq_tup_read)::bigint FROM pg_stat_xact_user_tables WHERE relid = 's.l'::regclass",
            &[],
        )
        .unwrap()
        .get(0);
    assert!(fetched < 6_000, "{fetched} links were read");
}
