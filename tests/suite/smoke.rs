//! The harness itself: if these fail, look here before anywhere else.

use ingest_tests::server::{self, Log};
use ingest_tests::{Database, PostgRest, expect_sqlstate, psql};

/// The extension is there, in the version that the checkout declares.
#[test]
fn extension_in_new_database_has_our_version() {
    let database = Database::new("smoke");
    let version: String = database
        .connect()
        .query_one(
            "SELECT extversion FROM pg_extension WHERE extname = 'ingest_ext'",
            &[],
        )
        .unwrap()
        .get(0);
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
}

/// Two tests cannot see each other.
#[test]
fn databases_of_two_tests_share_nothing() {
    let (one, other) = (Database::new("smoke"), Database::new("smoke"));
    one.run("CREATE TABLE public.mine ()");
    expect_sqlstate(other.connect().batch_execute("TABLE public.mine"), "42P01");
}

/// A role of a test's own can log in, and is not superuser.
#[test]
fn role_of_a_test_logs_in_without_rights() {
    let mut database = Database::new("smoke");
    let role = database.create_role("guest", "");
    let refusal = expect_sqlstate(
        database.connect_as(&role).batch_execute("TABLE pg_authid"),
        "42501",
    );
    assert_eq!(refusal.message(), "permission denied for table pg_authid");
}

/// psql shows what a person would see, and stops at an error.
#[test]
fn psql_at_an_error_stops_and_shows_it() {
    let session = psql::run(
        &Database::empty("smoke"),
        "SELECT 1 AS one; SELECT 1/0; SELECT 2;",
    );
    assert!(!session.succeeded);
    assert_eq!(
        session.output,
        " one \n-----\n   1\n(1 row)\n\nERROR:  division by zero\n"
    );
}

/// The server's log can be read, and names the database.
#[test]
fn log_after_a_warning_contains_it() {
    let database = Database::empty("smoke");
    let log = Log::from_now();
    database.run("DO $$ BEGIN RAISE LOG 'mark %', 42; END $$");
    let found = log.read();
    let line = found.lines().find(|line| line.contains("mark 42")).unwrap();
    assert!(line.contains(database.name()), "{line}");
}

/// The memory of a backend grows when it keeps something.
#[test]
fn backend_memory_after_an_allocation_is_larger() {
    let database = Database::empty("smoke");
    let mut client = database.connect();
    let pid = server::backend_pid(&mut client);
    let before = server::private_memory(pid);
    let kept = "SELECT i || repeat('x', 1000) FROM generate_series(1, 20000) AS i ORDER BY 1";
    client
        .batch_execute(&format!(
            "SET work_mem = '64MB'; BEGIN; DECLARE kept CURSOR FOR {kept}; FETCH kept"
        ))
        .unwrap();
    assert!(server::private_memory(pid) > before + 10_000_000);
}

/// A real PostgREST serves a table of the database.
#[test]
fn postgrest_on_a_table_reads_and_writes() {
    let database = Database::empty("smoke");
    database.run("CREATE SCHEMA shop; CREATE TABLE shop.thing (id int PRIMARY KEY)");
    let rest = PostgRest::start(&database, "shop", &server::user());
    assert_eq!(
        rest.post("/thing", &serde_json::json!({"id": 7})).status,
        201
    );
    assert_eq!(rest.get("/thing").body, serde_json::json!([{"id": 7}]));
    let answer = rest.post("/thing", &serde_json::json!({"id": 7}));
    assert_eq!(
        (answer.status, answer.body["code"].as_str()),
        (409, Some("23505"))
    );
}
