//! Transactions: the verbs are part of their caller's, whatever that does with it.

use ingest_tests::expect_sqlstate;
use serde_json::json;

use crate::clinic::{self, OFFICE, PROVIDER, value};

/// A verb called for each row of a query writes as many resources, in one statement.
#[test]
fn verb_called_for_each_row_of_a_query_writes_them_all() {
    let database = clinic::database("transaction");
    let mut client = database.connect();
    let made: i64 = value(
        &mut client,
        "SELECT count(DISTINCT r.id) FROM generate_series(1, 500) AS i,
             ingest.resource_create('clinic', 'office', jsonb_build_object('data', jsonb_build_object('name', i::text))) AS r",
    );
    assert_eq!(made, 500);
    let updated: i64 = value(
        &mut client,
        "SELECT count(*) FROM clinic.office AS o, ingest.resource_upsert('clinic', 'office', o.id,
             jsonb_build_object('data', o.data || '{\"note\": \"n\"}')) AS r
         WHERE r.outcome = 'updated' AND r.version = 2",
    );
    assert_eq!(updated, 500);
}

/// Verbs of one statement see what those before them did.
#[test]
fn verbs_of_one_statement_follow_each_other() {
    let database = clinic::database("transaction");
    let mut client = database.connect();
    let versions: Vec<i32> = value(
        &mut client,
        "SELECT ARRAY[
             (ingest.resource_create('clinic', 'office', '{\"data\": {}}', 'o')).version,
             (ingest.resource_upsert('clinic', 'office', 'o', '{\"data\": {\"name\": \"a\"}}')).version,
             (ingest.resource_upsert('clinic', 'office', 'o', '{\"data\": {\"name\": \"a\"}}')).version,
             (ingest.resource_delete('clinic', 'office', 'o')).version,
             (ingest.resource_create('clinic', 'office', '{\"data\": {}}', 'o')).version]",
    );
    assert_eq!(versions, [1, 2, 2, 3, 4]);
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2, deleted 3, created 4"
    );
}

/// A refusal that is caught undoes its own block only; what came before and after stands.
#[test]
fn refusal_caught_between_writes_undoes_its_block_only() {
    let database = clinic::database("transaction");
    let mut client = database.connect();
    client
        .batch_execute(
            "DO $$ DECLARE refused int := 0; BEGIN
                 FOR i IN 1..200 LOOP
                     PERFORM ingest.resource_upsert('clinic', 'office', 'o', jsonb_build_object('data',
                         jsonb_build_object('name', i::text)));
                     BEGIN
                         PERFORM ingest.resource_upsert('clinic', 'office', 'o', '{\"data\": {\"name\": \"undone\"}}');
                         PERFORM ingest.resource_create('clinic', 'office', '{\"data\": {}}', 'x' || i);
                         PERFORM ingest.resource_create('clinic', 'office', '{\"data\": {\"name\": 7}}');
                     EXCEPTION WHEN SQLSTATE 'PT422' THEN
                         refused := refused + 1;
                     END;
                 END LOOP;
                 ASSERT refused = 200;
             END $$",
        )
        .unwrap();
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.office"),
        1
    );
    assert!(clinic::story(&mut client, OFFICE, "o").ends_with("updated 200"));
    assert_eq!(
        value::<i64>(
            &mut client,
            "SELECT count(*) FROM clinic.office_history WHERE data ->> 'name' = 'undone'"
        ),
        0
    );
}

/// A transaction that is prepared, and committed by another session, keeps what its verbs did, and
/// their locks until then.
#[test]
fn prepared_transaction_keeps_what_its_verbs_did() {
    let database = clinic::database("transaction");
    let (mut one, mut two) = (database.connect(), database.connect());
    clinic::upsert(&mut one, OFFICE, "o", &json!({"data": {}})).unwrap();
    let name = database.name();
    for (end, matched) in [("ROLLBACK", "created"), ("COMMIT", "matched")] {
        one.batch_execute("BEGIN").unwrap();
        clinic::upsert(
            &mut one,
            OFFICE,
            "o",
            &json!({"data": {"name": "prepared"}}),
        )
        .unwrap();
        let criteria = json!({"practiceNumber": 7});
        let body = json!({"data": {"name": "p", "practiceNumber": 7}});
        let made = clinic::create_if(&mut one, PROVIDER, &criteria, &body).unwrap();
        one.batch_execute(&format!("PREPARE TRANSACTION '{name}'"))
            .unwrap();
        two.batch_execute("SET lock_timeout = '20ms'").unwrap();
        expect_sqlstate(
            clinic::upsert(&mut two, OFFICE, "o", &json!({"data": {"name": "two"}})),
            "55P03",
        );
        expect_sqlstate(
            clinic::create_if(&mut two, PROVIDER, &criteria, &body),
            "55P03",
        );
        two.batch_execute("RESET lock_timeout").unwrap();
        two.batch_execute(&format!("{end} PREPARED '{name}'"))
            .unwrap();
        let mut transaction = two.transaction().unwrap();
        let found = clinic::create_if(&mut transaction, PROVIDER, &criteria, &body).unwrap();
        assert_eq!(found.outcome, matched);
        assert_eq!(found.id == made.id, matched == "matched");
    }
    assert_eq!(clinic::story(&mut one, OFFICE, "o"), "created 1, updated 2");
}

/// A cursor over a history that grows shows what it was when it was opened.
#[test]
fn cursor_over_a_history_shows_what_it_was() {
    let database = clinic::database("transaction");
    let mut client = database.connect();
    for name in ["a", "b", "c"] {
        clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": name}})).unwrap();
    }
    client
        .batch_execute(
            "BEGIN; DECLARE c CURSOR FOR SELECT version FROM ingest.resource_history('clinic', 'office', 'o');
             FETCH 1 FROM c",
        )
        .unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "d"}})).unwrap();
    let rest: Vec<i32> = client
        .query("FETCH ALL FROM c", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(rest, [2, 1]);
    client.batch_execute("COMMIT").unwrap();
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2, updated 3, updated 4"
    );
}

/// Deep nests of savepoints, released and rolled back, leave what was released.
#[test]
fn nested_savepoints_leave_what_was_released() {
    let database = clinic::database("transaction");
    let mut client = database.connect();
    client.batch_execute("BEGIN").unwrap();
    for level in 0..40 {
        client
            .batch_execute(&format!("SAVEPOINT s{level}"))
            .unwrap();
        clinic::upsert(
            &mut client,
            OFFICE,
            "o",
            &json!({"data": {"name": format!("{level}")}}),
        )
        .unwrap();
    }
    client
        .batch_execute("ROLLBACK TO s20; RELEASE s10; COMMIT")
        .unwrap();
    let story = clinic::story(&mut client, OFFICE, "o");
    assert!(story.ends_with("updated 20"), "{story}");
    let name: String = value(&mut client, "SELECT data ->> 'name' FROM clinic.office");
    assert_eq!(name, "19");
}

/// In a transaction that may not write, PostgreSQL says so; reads work.
#[test]
fn writes_in_a_read_only_transaction_are_25006() {
    let database = clinic::database("transaction");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    let body = json!({"data": {"name": "x"}});
    let mut reader = database.connect();
    reader
        .batch_execute("SET default_transaction_read_only = on")
        .unwrap();
    expect_sqlstate(clinic::create(&mut reader, OFFICE, &body), "25006");
    expect_sqlstate(clinic::upsert(&mut reader, OFFICE, "o", &body), "25006");
    expect_sqlstate(
        clinic::delete(&mut reader, OFFICE, "o", None, false),
        "25006",
    );
    expect_sqlstate(
        reader.execute(
            "SELECT ingest.profile_define('clinic', 'x', '{\"type\": \"ROOT\"}')",
            &[],
        ),
        "25006",
    );
    clinic::read(&mut reader, OFFICE, "o").unwrap();
    assert_eq!(clinic::story(&mut reader, OFFICE, "o"), "created 1");
}
