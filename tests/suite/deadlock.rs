//! Deadlocks that docs/errors.md says can be: one of the two gets PostgreSQL's 40P01, and who runs
//! his transaction again loses nothing.

use std::sync::mpsc::channel;

use ingest_tests::Database;
use postgres::{Client, Error};

use crate::clinic::value;
use crate::invariant::{assert_sound, sqlstate, wait_until_blocked};

/// Two sources with two offices and a person each, linked.
fn database() -> (Database, Client) {
    let database = Database::new("deadlock");
    let mut client = database.connect();
    for source in ["one", "two"] {
        client
            .batch_execute(&format!(
                r#"SET deadlock_timeout = '100ms';
                   SELECT ingest.source_create('{source}');
                   SELECT ingest.profile_define('{source}', 'office', '{{"type": "ROOT", "properties": {{"n": {{"type": "integer"}}}}}}');
                   SELECT ingest.profile_define('{source}', 'person', '{{"type": "ROOT", "properties": {{"n": {{"type": "integer"}}}}}}');
                   SELECT ingest.relationship_define('{source}', 'worksAt', '{{"from": {{"profileKey": "person"}}, "to": {{"profileKey": "office"}},
                       "properties": {{"n": {{"type": "integer"}}}}}}');
                   INSERT INTO {source}.office (id, data) VALUES ('a', '{{}}'), ('b', '{{}}');
                   INSERT INTO {source}.person (id, data) VALUES ('p', '{{}}');
                   SELECT ingest.relationship_link('{source}', 'worksAt', '{{"from": {{"id": "p", "type": "person"}}, "to": {{"id": "a", "type": "office"}}}}')"#
            ))
            .unwrap();
    }
    (database, client)
}

/// Runs the first statement of a transaction, and the second when it is told to.
fn transaction(client: &mut Client, [first, second]: [&str; 2]) -> Result<(), Error> {
    client.batch_execute("BEGIN")?;
    let done = client
        .batch_execute(first)
        .and_then(|()| client.batch_execute(second));
    client.batch_execute(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    done
}

/// Has two transactions meet: each has done its first statement before the other's second. One gets
/// 40P01 and runs again.
#[track_caller]
fn meet(database: &Database, one: [&str; 2], other: [&str; 2]) {
    let (mut left, mut right) = (database.connect(), database.connect());
    for client in [&mut left, &mut right] {
        client
            .batch_execute("SET deadlock_timeout = '200ms'; BEGIN")
            .unwrap();
    }
    let pid: i32 = value(&mut right, "SELECT pg_backend_pid()");
    left.batch_execute(one[0]).unwrap();
    right.batch_execute(other[0]).unwrap();
    let mut watcher = database.connect();
    let (send, receive) = channel();
    let (mut met, done) = std::thread::scope(|scope| {
        let right = &mut right;
        scope.spawn(move || {
            let done = right.batch_execute(other[1]);
            let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
            right.batch_execute(end).unwrap();
            send.send(done).unwrap();
        });
        wait_until_blocked(&mut watcher, pid);
        let done = left.batch_execute(one[1]);
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        left.batch_execute(end).unwrap();
        (receive.recv().unwrap(), done)
    });
    let results = [&mut met, &mut { done }].map(|result| result.as_ref().err().map(sqlstate));
    match results {
        [Some(state), None] => {
            assert_eq!(state, "40P01");
            transaction(&mut right, other).unwrap();
        }
        [None, Some(state)] => {
            assert_eq!(state, "40P01");
            transaction(&mut left, one).unwrap();
        }
        both => panic!("{both:?}"),
    }
}

/// Whatever takes several rows takes them in its order, and plain SQL in another: a bundle, a load.
/// Both writes of both rows are there in the end.
#[test]
fn deadlock_of_rows_is_retried_and_loses_nothing() {
    let (database, mut client) = database();
    let bundle = r#"SELECT ingest.bundle_apply('one', '{"operations": [
        {"operation": "upsert", "profile": "office", "id": "b", "body": {"data": {"n": 1}}},
        {"operation": "upsert", "profile": "office", "id": "a", "body": {"data": {"n": 1}}}]}')"#;
    let load = r#"SELECT ingest.resource_load('one', 'office', '[{"id": "b", "data": {"n": 3}}, {"id": "a", "data": {"n": 3}}]', 'upsert')"#;
    for (number, many) in [(2, bundle), (4, load)] {
        let update = |id: &str| {
            format!("UPDATE one.office SET data = '{{\"n\": {number}}}' WHERE id = '{id}'")
        };
        meet(&database, [&update("b"), &update("a")], ["SELECT", many]);
    }
    let versions = "SELECT array_agg(version ORDER BY id) FROM one.office";
    assert_eq!(value::<Vec<i32>>(&mut client, versions), [5, 5]);
    assert_sound(&mut client, "one");
}

/// Several calls of one transaction, in other orders than in another: definitions of two sources,
/// rows of two verbs.
#[test]
fn deadlock_of_calls_in_opposite_orders_is_retried() {
    let (database, mut client) = database();
    let define = |source: &str, name: &str| {
        format!(
            r#"SELECT ingest.profile_define('{source}', '{name}', '{{"type": "ROOT", "properties": {{}}}}')"#
        )
    };
    meet(
        &database,
        [&define("one", "x"), &define("two", "x")],
        [&define("two", "y"), &define("one", "y")],
    );
    let defined = "SELECT count(*) FROM ingest.profile WHERE profile IN ('x', 'y')";
    assert_eq!(value::<i64>(&mut client, defined), 4);
    let upsert = |id: &str, n: i32| {
        format!(
            "SELECT ingest.resource_upsert('one', 'office', '{id}', '{{\"data\": {{\"n\": {n}}}}}')"
        )
    };
    meet(
        &database,
        [&upsert("a", 1), &upsert("b", 1)],
        [&upsert("b", 2), &upsert("a", 2)],
    );
    let versions = "SELECT array_agg(version ORDER BY id) FROM one.office";
    assert_eq!(value::<Vec<i32>>(&mut client, versions), [3, 3]);
    assert_sound(&mut client, "one");
}

/// An erasure takes a resource and then its links; who has changed a link and then its resource meets
/// it. The resource is erased in the end, whoever was first.
#[test]
fn deadlock_of_an_erasure_and_a_link_is_retried() {
    let (database, mut client) = database();
    let link = "UPDATE one.\"worksAt\" SET data = '{\"n\": 1}'";
    let person = "UPDATE one.person SET data = '{\"n\": 1}'";
    let erase = "SELECT ingest.resource_erase('one', 'person', 'p', 'asked for', true)";
    meet(&database, [link, person], ["SELECT", erase]);
    for table in ["person", "\"worksAt\""] {
        let left = format!("SELECT count(*) FROM one.{table}");
        assert_eq!(value::<i64>(&mut client, &left), 0);
    }
    let kept = "SELECT count(*) FROM one.person_history WHERE data IS NOT NULL";
    assert_eq!(value::<i64>(&mut client, kept), 0);
}
