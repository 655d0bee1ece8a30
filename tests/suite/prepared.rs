//! Transactions that are prepared and committed by somebody else, as transaction managers and
//! servers of a cluster do: whatever is called can be prepared, and a definition binds every session
//! when it is committed, and not before.

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;

use crate::argument::{self, CALLS};
use crate::clinic::{self, value};
use crate::invariant::sqlstate;

/// Runs a statement in a transaction, and prepares that under the name of the database.
fn prepare(client: &mut Client, database: &Database, sql: &str) {
    client
        .batch_execute(&format!(
            "BEGIN; SET LOCAL ingest.notify = off; {sql}; PREPARE TRANSACTION '{}'",
            database.name()
        ))
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

fn end(client: &mut Client, database: &Database, how: &str) {
    client
        .batch_execute(&format!("{how} PREPARED '{}'", database.name()))
        .unwrap();
}

/// Each function can be called in a transaction that is prepared, and rolled back by another session.
#[test]
fn call_of_each_function_can_be_prepared() {
    let database = clinic::database("prepared");
    let (mut client, mut other) = (database.connect(), database.connect());
    argument::prepare(&mut client);
    for (function, arguments) in CALLS {
        let call = format!("SELECT ingest.{function}({})", arguments.join(", "));
        // Its own business is to tell.
        prepare(&mut client, &database, &call);
        end(&mut other, &database, "ROLLBACK");
    }
}

/// A definition that is prepared binds nobody, and binds a session that has compiled the older one, or
/// none, as soon as it is committed.
#[test]
fn definition_committed_by_another_session_binds_a_warm_one() {
    let mut database = clinic::database("prepared");
    let role = database.create_role("reader", "");
    let (mut client, mut other) = (database.connect(), database.connect());
    let (mut warm, mut reader) = (database.connect(), database.connect_as(&role));
    argument::prepare(&mut client);
    client
        .batch_execute(
            r#"SELECT ingest.vocabulary_define('clinic', 'states', '["open"]');
               SELECT ingest.profile_define('clinic', 'door', '{"type": "ROOT", "properties": {
                   "state": {"type": "code", "binding": {"vocabulary": "states"}}}}')"#,
        )
        .unwrap();
    let grant = format!("SELECT ingest.source_grant('clinic', '{role}', 'read')");
    let revoke = format!("SELECT ingest.source_revoke('clinic', '{role}')");
    let valid = "SELECT ingest.resource_is_valid('clinic', 'office', '{\"data\": {}}')::text";
    let door = "SELECT ingest.resource_is_valid('clinic', 'door', '{\"data\": {\"state\": \"shut\"}}')::text";
    let next = "SELECT ingest.resource_is_valid('clinic', 'next', '{\"data\": {}}')::text";
    let links = "SELECT ingest.relationship_validate('clinic', 'livesAt',
        '{\"from\": {\"id\": \"p\", \"type\": \"provider\"}, \"to\": {\"id\": \"o\", \"type\": \"office\"}}') -> 'issue' -> 0 ->> 'severity'";
    let catalog = "SELECT ingest.source_catalog('other') ->> 'format'";
    let kinds = "SELECT ingest.resource_is_valid('fhir', 'Patient', '{\"resourceType\": \"Patient\", \"id\": \"p\"}')::text";
    let read = "SELECT ingest.resource_read('clinic', 'office', 'o') -> 'data' ->> 'name'";
    // The statement, who asks which question, and the answers before and after.
    let steps = [
        (
            r#"SELECT ingest.profile_define('clinic', 'office', '{"type": "ROOT", "properties": {
                "name": {"type": "symbol", "rules": [{"required": true}]}}}')"#,
            valid,
            "true",
            "false",
        ),
        (
            r#"SELECT ingest.vocabulary_define('clinic', 'states', '["shut"]', 'add')"#,
            door,
            "false",
            "true",
        ),
        (
            r#"SELECT ingest.profile_define('clinic', 'next', '{"type": "ROOT"}')"#,
            next,
            "PT404",
            "true",
        ),
        (
            "SELECT ingest.profile_drop('clinic', 'next')",
            next,
            "true",
            "PT404",
        ),
        (
            r#"SELECT ingest.relationship_define('clinic', 'livesAt',
                '{"from": {"profileKey": "provider"}, "to": {"profileKey": "office"}}')"#,
            links,
            "PT404",
            "information",
        ),
        (
            "SELECT ingest.relationship_drop('clinic', 'livesAt')",
            links,
            "information",
            "PT404",
        ),
        (
            "SELECT ingest.source_create('other')",
            catalog,
            "PT404",
            "native",
        ),
        (
            "SELECT ingest.source_drop('other')",
            catalog,
            "native",
            "PT404",
        ),
        (
            "SELECT ingest.profile_drop('fhir', 'Patient', true)",
            kinds,
            "true",
            "true",
        ),
        (&grant, read, "42501", "x"),
        (&revoke, read, "x", "42501"),
    ];
    for (sql, question, before, after) in steps {
        let asked = if question == read {
            &mut reader
        } else {
            &mut warm
        };
        let ask = |client: &mut Client| match client.query_one(question, &[]) {
            Ok(row) => row.get::<_, String>(0),
            Err(error) => sqlstate(&error),
        };
        assert_eq!(ask(asked), before, "before {sql}");
        prepare(&mut client, &database, sql);
        // Who asks now may have to wait for its locks, and is not answered by it.
        asked.batch_execute("SET lock_timeout = '50ms'").unwrap();
        let meanwhile = ask(asked);
        assert!(
            [before, "55P03"].contains(&meanwhile.as_str()),
            "{sql}: {meanwhile}"
        );
        asked.batch_execute("RESET lock_timeout").unwrap();
        end(&mut other, &database, "COMMIT");
        assert_eq!(ask(asked), after, "after {sql}");
    }
}

/// Without the setting, PostgreSQL says why it prepares nothing; a session that Citus opens from
/// another node is one that another session tells for.
#[test]
fn definition_that_tells_postgrest_cannot_be_prepared() {
    let database = clinic::database("prepared");
    let (mut client, mut other) = (database.connect(), database.connect());
    let define = r#"SELECT ingest.profile_define('clinic', 'next', '{"type": "ROOT"}')"#;
    let name = database.name().to_owned();
    let run = |client: &mut Client| {
        client.batch_execute(&format!("BEGIN; {define}; PREPARE TRANSACTION '{name}'"))
    };
    let refusal = expect_sqlstate(run(&mut client), "0A000");
    assert!(refusal.message().contains("NOTIFY"), "{refusal:?}");
    client
        .batch_execute("ROLLBACK; SET application_name = 'citus_internal gpid=10000000123'")
        .unwrap();
    run(&mut client).unwrap();
    end(&mut other, &database, "COMMIT");
    let defined = "SELECT count(*) FROM ingest.profile WHERE profile = 'next'";
    assert_eq!(value::<i64>(&mut other, defined), 1);
}

/// What a server that distributes tables cannot take is nowhere: a policy of the catalog with a
/// subquery, a trigger for TRUNCATE and for rows in one.
#[test]
fn policies_and_triggers_are_such_as_can_be_distributed() {
    let database = clinic::database("prepared");
    let mut client = database.connect();
    let policies = "SELECT count(*), count(*) FILTER (WHERE polqual::text ~ 'SUBLINK')
        FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid
        WHERE c.relnamespace = 'ingest'::regnamespace";
    let row = client.query_one(policies, &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (12, 0));
    let triggers = "SELECT count(*), count(*) FILTER (WHERE tgtype & 32 <> 0 AND tgtype & 28 <> 0)
        FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
        WHERE NOT tgisinternal AND c.relnamespace IN ('ingest'::regnamespace, 'clinic'::regnamespace)";
    let row = client.query_one(triggers, &[]).unwrap();
    assert!(row.get::<_, i64>(0) > 50);
    assert_eq!(row.get::<_, i64>(1), 0);
}
