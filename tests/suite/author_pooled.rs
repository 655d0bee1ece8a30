//! The context of a client behind a real PgBouncer in transaction mode, which hands the session on.

use ingest_tests::{Pooler, expect_sqlstate, server};
use postgres::{Client, SimpleQueryMessage};

use crate::clinic;

fn one(client: &mut Client, sql: &str) -> Option<String> {
    let answer = client.simple_query(sql).unwrap();
    answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
        _ => None,
    })?
}

/// What one client says of its transaction is never said of another's, who gets the same session
/// next, however the first one said it, and whether the library is loaded or not.
#[test]
fn context_never_goes_on_to_the_next_client() {
    for is_loaded in [true, false] {
        let database = clinic::database("pooled");
        let pooler = Pooler::start(&database, &server::user());
        let (mut one_client, mut other) = (pooler.connect(), pooler.connect());
        let session = one(&mut one_client, "SELECT pg_backend_pid()");
        if is_loaded {
            one_client.batch_execute("SELECT ingest.version()").unwrap();
        }
        let insert = "INSERT INTO clinic.office (id, data) VALUES";
        one_client
            .batch_execute(&format!(
                "BEGIN; SET LOCAL ingest.context = '{{\"actor\": \"one\"}}'; {insert} ('a', '{{}}'); COMMIT"
            ))
            .unwrap();
        other
            .batch_execute(&format!("{insert} ('b', '{{}}')"))
            .unwrap();
        expect_sqlstate(
            one_client.batch_execute("SET ingest.context = '{\"actor\": \"one\"}'"),
            "PT400",
        );
        other
            .batch_execute(&format!("{insert} ('c', '{{}}')"))
            .unwrap();
        assert_eq!(one(&mut other, "SELECT pg_backend_pid()"), session);
        let said = "SELECT string_agg(concat(id, context ->> 'actor'), ',' ORDER BY id) FROM clinic.office";
        assert_eq!(one(&mut other, said).as_deref(), Some("aone,b,c"));
    }
}

/// What a client leaves in the session in a way that nothing can refuse is refused where the next one
/// writes, and said of none of its rows.
#[test]
fn context_left_in_the_session_is_said_of_no_row() {
    for left in [
        // Of a session without the library PostgreSQL takes any setting.
        "SET ingest.context = '{\"actor\": \"one\"}'",
        "SELECT set_config('ingest.context', '{\"actor\": \"one\"}', false)",
    ] {
        let database = clinic::database("pooled");
        let pooler = Pooler::start(&database, &server::user());
        let (mut one_client, mut other) = (pooler.connect(), pooler.connect());
        one_client.batch_execute(left).unwrap();
        assert_eq!(
            one(&mut other, "SELECT current_setting('ingest.context')").as_deref(),
            Some("{\"actor\": \"one\"}")
        );
        let insert = "INSERT INTO clinic.office (id, data) VALUES ('b', '{}')";
        expect_sqlstate(other.batch_execute(insert), "PT400");
        other
            .batch_execute(&format!(
                "BEGIN; SET LOCAL ingest.context = '{{\"actor\": \"other\"}}'; {insert}; COMMIT; RESET ingest.context"
            ))
            .unwrap();
        let said = "SELECT string_agg(concat(id, context ->> 'actor'), ',') FROM clinic.office";
        assert_eq!(one(&mut one_client, said).as_deref(), Some("bother"));
        one_client
            .batch_execute("INSERT INTO clinic.office (id, data) VALUES ('c', '{}')")
            .unwrap();
    }
}
