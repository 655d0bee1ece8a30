//! Indexes that are built beforehand, while others write.

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;

use crate::clinic::value;

const WITHOUT: &str = r#"{"type": "ROOT", "properties": {"mrn": {"type": "identifier"}, "name": {"type": "array", "items": {"type": "humanname"}}, "born": {"type": "date"}, "weight": {"type": "decimal"}}}"#;
const KEYS: &str = r#"{"identities": [["mrn.system", "mrn.value"], ["weight"]], "indexes": [["name.family"], ["born"], ["weight", "born"]]}"#;

fn source() -> Database {
    let database = Database::new("online");
    database.run(&format!(
        r#"SELECT ingest.source_create('s');
           SELECT ingest.profile_define('s', 'p', '{WITHOUT}');
           INSERT INTO s.p (data) SELECT jsonb_build_object('mrn', jsonb_build_object('system', 'u:u', 'value', n::text), 'weight', n, 'born', '2000-01-01', 'name', '[{{"family": "Doe"}}]'::jsonb)
               FROM generate_series(1, 100) AS n"#
    ));
    database
}

fn indexes(client: &mut Client, definition: &str) -> Vec<(String, String, String)> {
    let sql = format!("SELECT * FROM ingest.profile_indexes('s', 'p', {definition})");
    let rows = client.query(sql.as_str(), &[]).unwrap();
    rows.iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

fn states(client: &mut Client, definition: &str) -> String {
    let all = indexes(client, definition);
    let states: Vec<String> = all.into_iter().map(|(.., state)| state).collect();
    states.join(" ")
}

/// The statements that are told make what a definition then takes over; it makes nothing anew.
#[test]
fn index_built_beforehand_is_taken_over() {
    let database = source();
    let mut client = database.connect();
    assert_eq!(states(&mut client, "NULL"), "");
    let with = format!("'{WITHOUT}'::jsonb || '{KEYS}'");
    let told = indexes(&mut client, &with);
    assert_eq!(told.len(), 5);
    assert_eq!(
        states(&mut client, &with),
        "missing missing missing missing missing"
    );
    for (name, statement, _) in &told {
        assert!(statement.contains(" INDEX CONCURRENTLY \""), "{statement}");
        assert!(statement.contains(name.as_str()), "{statement}");
        client.batch_execute(statement).unwrap();
    }
    assert_eq!(states(&mut client, &with), "valid valid valid valid valid");
    let oids = "SELECT string_agg(indexrelid::text, ' ' ORDER BY indexrelid) FROM pg_index WHERE indrelid = 's.p'::regclass";
    let before: String = value(&mut client, oids);
    client
        .batch_execute(&format!("SELECT ingest.profile_define('s', 'p', {with})"))
        .unwrap();
    assert_eq!(value::<String>(&mut client, oids), before);
    assert_eq!(states(&mut client, "NULL"), "valid valid valid valid valid");
    let problems: i64 = value(
        &mut client,
        "SELECT count(*) FROM ingest.doctor('s') WHERE severity <> 'information'",
    );
    assert_eq!(problems, 0);
    // It is an identity from now on.
    let twin = client.batch_execute(
        r#"INSERT INTO s.p (data) VALUES ('{"mrn": {"system": "u:u", "value": "1"}}')"#,
    );
    expect_sqlstate(twin, "23505");
}

/// A build that failed is in the way of a definition that is new, and told; what has the name and is
/// something else is made again.
#[test]
fn build_that_failed_is_told() {
    let database = source();
    let mut client = database.connect();
    client
        .batch_execute(r#"INSERT INTO s.p (data) VALUES ('{"weight": 1}')"#)
        .unwrap();
    let with = format!("'{WITHOUT}'::jsonb || '{{\"identities\": [[\"weight\"]]}}'");
    let define = format!("SELECT ingest.profile_define('s', 'p', {with})");
    let (name, statement, _) = indexes(&mut client, &with).remove(0);
    expect_sqlstate(client.batch_execute(&statement), "23505");
    assert_eq!(states(&mut client, &with), "invalid");
    let refusal = expect_sqlstate(client.batch_execute(&define), "PT409");
    assert_eq!(
        refusal.message(),
        format!("the index {name} of p is not valid")
    );
    let hint = refusal.hint().unwrap();
    let drop = &hint[hint.find("DROP INDEX").unwrap()..];
    client.batch_execute(drop.trim_end_matches('.')).unwrap();
    client
        .batch_execute(&format!(
            r#"DELETE FROM s.p WHERE data = '{{"weight": 1}}'; CREATE INDEX "{name}" ON s.p (id)"#
        ))
        .unwrap();
    assert_eq!(states(&mut client, &with), "other");
    client.batch_execute(&define).unwrap();
    assert_eq!(states(&mut client, &with), "valid");
}

/// What a wrong definition would need is not told.
#[test]
fn indexes_of_a_wrong_definition_are_refused() {
    let database = source();
    let mut client = database.connect();
    for wrong in [r#"{"type": "ROOT", "indexes": [["x"]]}"#, "[]"] {
        let sql = format!("SELECT * FROM ingest.profile_indexes('s', 'p', '{wrong}')");
        expect_sqlstate(client.batch_execute(&sql), "PT422");
    }
    let none = client.batch_execute("SELECT * FROM ingest.profile_indexes('s', 'none')");
    expect_sqlstate(none, "PT404");
}
