//! The error boundary: refusals, PostgreSQL's own errors and panics come out of the extension
//! whole, and leave nothing behind.

use std::time::{Duration, Instant};

use ingest_tests::refusal::issues;
use ingest_tests::server::{self, Log};
use ingest_tests::{Database, expect_sqlstate, psql};
use postgres::{Client, NoTls};
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, PROVIDER, value};

// -- 1: refusals ---------------------------------------------------------------------------------

/// A refusal says in DETAIL what is wrong, as data, and in HINT what to do.
#[test]
fn refusal_of_a_verb_carries_detail_and_hint() {
    let database = clinic::database("boundary");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    let refusal = expect_sqlstate(
        clinic::create_as(&mut client, OFFICE, "o", &json!({"data": {}})),
        "PT409",
    );
    assert_eq!(refusal.message(), "the id exists in office");
    assert!(refusal.hint().is_some_and(|hint| !hint.is_empty()));
    let issues = issues(&refusal);
    assert_eq!(issues.len(), 1, "{issues:?}");
    assert_eq!(issues[0].severity, "error");
}

/// Refusals caught over and over cost a session no memory.
#[test]
fn refusal_caught_100_000_times_leaves_no_memory() {
    let database = clinic::database("boundary");
    let mut client = database.connect();
    clinic::upsert(&mut client, PROVIDER, "p", &json!({"data": {"name": "x"}})).unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    clinic::link(&mut client, "p", "o").unwrap();
    let body = clinic::link_body("p", "o");
    let refused = format!("SELECT ingest.relationship_link('clinic', 'worksAt', '{body}')");
    assert_caught(&mut client, &refused, "PT409", 100_000);
}

/// The same holds where PostgreSQL's own error is what a verb catches and words anew.
#[test]
fn clash_caught_10_000_times_leaves_no_memory() {
    let database = clinic::database("boundary");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    let refused = "SELECT ingest.resource_create('clinic', 'office', '{\"data\": {}}', 'o')";
    assert_caught(&mut client, refused, "PT409", 10_000);
}

/// And where the gate refuses a row that plain SQL writes, issues and all.
#[test]
fn gate_refusing_20_000_times_leaves_no_memory() {
    let database = clinic::database("boundary");
    let mut client = database.connect();
    let refused = "INSERT INTO clinic.\"Patient\" (id, data) VALUES ('bob', '{\"name\": \"Bob\"}')";
    assert_caught(&mut client, refused, "PT422", 20_000);
}

/// Writes that succeed, by every verb, cost a session no memory either.
#[test]
fn verbs_succeeding_2_000_times_leave_no_memory() {
    let database = clinic::database("boundary");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    let round = "
        PERFORM ingest.resource_create('clinic', 'provider', '{\"data\": {\"name\": \"a\"}}', 'p');
        PERFORM ingest.resource_upsert('clinic', 'provider', 'p', '{\"data\": {\"name\": \"b\"}}');
        PERFORM ingest.resource_create_if('clinic', 'provider', '{\"name\": \"b\"}', '{\"data\": {\"name\": \"c\"}}');
        PERFORM ingest.resource_read('clinic', 'provider', 'p');
        PERFORM ingest.resource_validate('clinic', 'provider', '{\"data\": {\"x\": 1}}');
        PERFORM ingest.relationship_link('clinic', 'worksAt',
            '{\"from\": {\"id\": \"p\", \"type\": \"provider\"}, \"to\": {\"id\": \"o\", \"type\": \"office\"}}');
        PERFORM ingest.resource_delete('clinic', 'provider', 'p', NULL, true);";
    let script =
        |rounds: i32| format!("DO $do$ BEGIN FOR i IN 1..{rounds} LOOP {round} END LOOP; END $do$");
    assert_steady(&mut client, |client| {
        client.batch_execute(&script(200)).unwrap();
    });
}

/// Catches the refusal of a statement many times in one session, whose memory must not grow.
#[track_caller]
fn assert_caught(client: &mut Client, refused: &str, sqlstate: &str, times: usize) {
    let refused = refused.replacen("SELECT ", "PERFORM ", 1);
    let script = format!(
        "DO $do$ DECLARE caught int := 0; said text; told text; BEGIN
             FOR i IN 1..{} LOOP
                 BEGIN {refused};
                 EXCEPTION WHEN SQLSTATE '{sqlstate}' THEN
                     caught := caught + 1;
                     GET STACKED DIAGNOSTICS told = PG_EXCEPTION_DETAIL, said = MESSAGE_TEXT;
                 END;
             END LOOP;
             ASSERT caught = {}, 'caught ' || caught;
         END $do$",
        times / ROUNDS,
        times / ROUNDS,
    );
    assert_steady(client, |client| client.batch_execute(&script).unwrap());
}

const ROUNDS: usize = 10;

/// Runs the same once more and more, and looks at the backend's memory after each round. What leaks
/// grows in each. Memory comes in blocks, and a cache is filled anew when others change the catalogs:
/// that is growth of a round or two, whatever its size, and not of most.
#[track_caller]
fn assert_steady(client: &mut Client, mut round: impl FnMut(&mut Client)) {
    let held: Vec<_> = (0..ROUNDS)
        .map(|_| {
            round(client);
            memory(client)
        })
        .collect();
    let grown = |of: fn(&(i64, i64)) -> i64| {
        let mut grown: Vec<_> = held.windows(2).map(|it| of(&it[1]) - of(&it[0])).collect();
        grown.sort_unstable();
        grown[grown.len() / 2]
    };
    assert!(
        grown(|it| it.0) <= 100_000 && grown(|it| it.1) <= 10_000,
        "memory grows: process and contexts, in bytes, after each round {held:?}"
    );
}

#[test]
#[should_panic(expected = "memory grows")]
fn session_that_keeps_more_and_more_is_found() {
    let database = Database::empty("boundary");
    let mut client = database.connect();
    let mut kept = 0..;
    assert_steady(&mut client, |client| {
        for i in kept.by_ref().take(20) {
            let statement =
                format!("PREPARE kept_{i} AS SELECT count(*) FROM pg_class WHERE oid = {i}");
            client.batch_execute(&statement).unwrap();
        }
    });
}

/// What a backend holds: its process, and what PostgreSQL's own account of it has in use, in bytes.
fn memory(client: &mut Client) -> (i64, i64) {
    // The first look at the view costs memory itself.
    let contexts = "SELECT sum(used_bytes)::bigint FROM pg_backend_memory_contexts";
    value::<i64>(client, contexts);
    let known = value(client, contexts);
    let pid = server::backend_pid(client);
    (server::private_memory(pid).cast_signed(), known)
}

// -- 2: the same words everywhere ----------------------------------------------------------------

/// Whoever brings the row, the gate says the same: SQLSTATE, message, detail and hint.
#[test]
fn nonconforming_row_by_any_way_is_refused_in_the_same_words() {
    let database = clinic::database("boundary");
    let mut client = database.connect();
    let data = json!({"name": 7, "note": ["x"], "fax": true});
    let contained = json!({"primaryPaymentMethod": [{"data": {"value": 1}}, 2]});
    let body = json!({"data": data, "contained": contained});
    clinic::upsert(&mut client, OFFICE, "old", &json!({"data": {}})).unwrap();

    let mut refusals = vec![
        expect_sqlstate(clinic::create(&mut client, OFFICE, &body), "PT422"),
        expect_sqlstate(
            clinic::create_as(&mut client, OFFICE, "new", &body),
            "PT422",
        ),
        expect_sqlstate(clinic::upsert(&mut client, OFFICE, "new", &body), "PT422"),
        expect_sqlstate(clinic::upsert(&mut client, OFFICE, "old", &body), "PT422"),
        expect_sqlstate(
            clinic::create_if(&mut client, OFFICE, &json!({"name": "x"}), &body),
            "PT422",
        ),
        expect_sqlstate(
            clinic::copy(
                &mut client,
                "COPY clinic.office (data, contained) FROM STDIN",
                &format!("{data}\t{contained}\n"),
            ),
            "PT422",
        ),
    ];
    for sql in [
        "INSERT INTO clinic.office (data, contained) VALUES ($1, $2)",
        "INSERT INTO clinic.office (id, data, contained) SELECT 'new', $1, $2",
        "INSERT INTO clinic.office AS o (id, data, contained) VALUES ('old', '{}', NULL) \
         ON CONFLICT (id) DO UPDATE SET data = $1, contained = $2",
        "UPDATE clinic.office SET data = $1, contained = $2",
        "MERGE INTO clinic.office USING (VALUES ($1::jsonb, $2::jsonb)) AS v (d, c) ON id = 'old' \
         WHEN MATCHED THEN UPDATE SET data = d, contained = c",
        "MERGE INTO clinic.office USING (VALUES ($1::jsonb, $2::jsonb)) AS v (d, c) ON false \
         WHEN NOT MATCHED THEN INSERT (data, contained) VALUES (d, c)",
        "WITH made AS (INSERT INTO clinic.office (data, contained) VALUES ($1, $2) RETURNING id) \
         TABLE made",
    ] {
        refusals.push(expect_sqlstate(
            client.execute(sql, &[&data, &contained]),
            "PT422",
        ));
    }

    let first = &refusals[0];
    assert_eq!(issues(first).len(), 6, "{:?}", issues(first));
    for other in &refusals {
        // A row whose id its writer knows is named.
        let detail = other.detail().map(|detail| {
            let detail = detail.replace("office/new.", "office.");
            detail.replace("office/old.", "office.")
        });
        assert_eq!(detail.as_deref(), first.detail());
        assert_eq!(
            (other.message(), other.hint()),
            (first.message(), first.hint())
        );
    }
    assert_eq!(
        value::<i64>(
            &mut client,
            "SELECT count(*) FROM clinic.office WHERE data <> '{}'"
        ),
        0
    );
}

/// A client that cannot read all that a document is written in hears all that is wrong with it.
#[test]
fn refusal_to_a_client_of_another_encoding_is_whole() {
    let database = clinic::database("boundary");
    let session = psql::run(
        &database,
        "\\set ON_ERROR_STOP 0
         SET client_encoding = 'LATIN1';
         INSERT INTO clinic.office (data) VALUES (jsonb_build_object(U&'\\65E5\\672C', 1, 'x', 2));
         \\echo :LAST_ERROR_SQLSTATE\n",
    );
    assert!(session.output.contains("PT422"), "{}", session.output);
    assert!(
        session.output.contains("to its profile: 2 issues"),
        "{}",
        session.output
    );
}

// -- 3: a user's error ---------------------------------------------------------------------------

/// What a user's trigger raises passes through every verb whole, and tells where it came from.
#[test]
fn error_of_a_users_trigger_through_a_verb_is_whole() {
    let database = clinic::database("boundary");
    let mut client = database.connect();
    clinic::upsert(&mut client, PROVIDER, "p", &json!({"data": {"name": "x"}})).unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    clinic::upsert(&mut client, OFFICE, "linked", &json!({"data": {}})).unwrap();
    clinic::link(&mut client, "p", "linked").unwrap();
    client
        .batch_execute(
            "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 RAISE 'not on a Sunday' USING ERRCODE = 'ZZ123', DETAIL = 'the detail',
                     HINT = 'the hint', CONSTRAINT = 'the_constraint', TABLE = 'the_table',
                     COLUMN = 'the_column', SCHEMA = 'the_schema', DATATYPE = 'the_datatype';
             END $$;
             CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON clinic.office
                 FOR EACH ROW EXECUTE FUNCTION public.refuse();
             CREATE TRIGGER refuse AFTER INSERT OR UPDATE OR DELETE ON clinic.\"worksAt\"
                 FOR EACH ROW EXECUTE FUNCTION public.refuse();
             CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE OR DELETE ON clinic.provider
                 INITIALLY IMMEDIATE FOR EACH ROW EXECUTE FUNCTION public.refuse();",
        )
        .unwrap();
    let body = json!({"data": {"name": "y"}});
    let plain = expect_sqlstate(
        client.execute("INSERT INTO clinic.office (data) VALUES ('{}')", &[]),
        "ZZ123",
    );
    let through = [
        expect_sqlstate(clinic::create(&mut client, OFFICE, &body), "ZZ123"),
        expect_sqlstate(clinic::upsert(&mut client, OFFICE, "new", &body), "ZZ123"),
        expect_sqlstate(clinic::upsert(&mut client, OFFICE, "o", &body), "ZZ123"),
        expect_sqlstate(
            clinic::create_if(&mut client, OFFICE, &json!({"name": "y"}), &body),
            "ZZ123",
        ),
        expect_sqlstate(
            clinic::delete(&mut client, OFFICE, "o", None, false),
            "ZZ123",
        ),
        expect_sqlstate(clinic::create(&mut client, PROVIDER, &body), "ZZ123"),
        expect_sqlstate(clinic::upsert(&mut client, PROVIDER, "p", &body), "ZZ123"),
        expect_sqlstate(clinic::link(&mut client, "p", "o"), "ZZ123"),
        expect_sqlstate(
            clinic::unlink(&mut client, "provider.p,office.linked", None),
            "ZZ123",
        ),
        expect_sqlstate(
            clinic::delete(&mut client, PROVIDER, "p", None, true),
            "ZZ123",
        ),
    ];
    for error in through.iter().chain([&plain]) {
        assert_eq!(error.message(), "not on a Sunday");
        assert_eq!(error.detail(), Some("the detail"));
        assert_eq!(error.hint(), Some("the hint"));
        assert_eq!(error.constraint(), Some("the_constraint"));
        assert_eq!(error.table(), Some("the_table"));
        assert_eq!(error.column(), Some("the_column"));
        assert_eq!(error.schema(), Some("the_schema"));
        assert_eq!(error.datatype(), Some("the_datatype"));
        assert_eq!(error.severity(), plain.severity());
        assert_eq!((error.file(), error.line()), (plain.file(), plain.line()));
        assert!(
            error
                .where_()
                .is_some_and(|context| context.starts_with("PL/pgSQL function refuse() line 3")),
            "{error:?}"
        );
    }
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.office"),
        2
    );
}

/// A clash with a user's own unique index is not taken for a clash of ids.
#[test]
fn clash_with_a_users_table_keeps_postgresqls_error() {
    let database = clinic::database("boundary");
    let mut client = database.connect();
    client
        .batch_execute(
            "CREATE TABLE public.seen (name text CONSTRAINT once UNIQUE);
             CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN INSERT INTO public.seen VALUES (NEW.data ->> 'name'); RETURN NULL; END $$;
             CREATE TRIGGER note AFTER INSERT OR UPDATE ON clinic.office
                 FOR EACH ROW EXECUTE FUNCTION public.note();",
        )
        .unwrap();
    let body = json!({"data": {"name": "y"}});
    clinic::create(&mut client, OFFICE, &body).unwrap();
    let clash = expect_sqlstate(clinic::create(&mut client, OFFICE, &body), "23505");
    assert_eq!(clash.constraint(), Some("once"));
    assert_eq!(clash.detail(), Some("Key (name)=(y) already exists."));
    expect_sqlstate(clinic::upsert(&mut client, OFFICE, "o", &body), "23505");
}

// -- 4: PostgreSQL's own errors ------------------------------------------------------------------

/// A database whose offices named `slow` take a minute, and those named `nil` divide by zero.
fn slow_database() -> Database {
    let database = clinic::database("boundary");
    database.run(
        "CREATE FUNCTION public.work() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF NEW.data ->> 'name' = 'slow' THEN PERFORM pg_sleep(60); END IF;
             IF NEW.data ->> 'name' = 'nil' THEN NEW.version = 1 / 0; END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER work BEFORE INSERT OR UPDATE ON clinic.office
             FOR EACH ROW EXECUTE FUNCTION public.work();",
    );
    database
}

/// A session goes on after an error: its verbs write and read.
#[track_caller]
fn assert_goes_on(client: &mut Client) {
    let body = json!({"data": {"name": "next"}});
    let made = clinic::create(client, OFFICE, &body).unwrap();
    assert_eq!(made.did(), ("created", 1));
    clinic::upsert(client, OFFICE, &made.id, &json!({"data": {}})).unwrap();
    clinic::delete(client, OFFICE, &made.id, None, false).unwrap();
    assert_eq!(
        clinic::story(client, OFFICE, &made.id),
        "created 1, updated 2, deleted 3"
    );
}

/// A trigger of the user's that goes on after a verb was refused within leaves the verb around as it was:
/// in SQL, and in PL/pgSQL, which then still works in its own place.
#[test]
fn refusal_that_a_trigger_goes_on_without_leaves_the_verb_around_whole() {
    let database = clinic::database("boundary");
    let mut client = database.connect();
    client
        .batch_execute(
            r#"CREATE FUNCTION public.goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                BEGIN
                    PERFORM ingest.resource_create('clinic', 'provider', '{"data": {"name": 7}}');
                EXCEPTION WHEN OTHERS THEN NULL;
                END;
                RETURN NEW;
            END $$;
            CREATE TRIGGER goes_on BEFORE INSERT OR UPDATE ON clinic.office
                FOR EACH ROW EXECUTE FUNCTION public.goes_on();
            CREATE TRIGGER goes_on_after AFTER INSERT OR UPDATE ON clinic.office
                FOR EACH ROW EXECUTE FUNCTION public.goes_on();
            CREATE PROCEDURE public.steps() LANGUAGE plpgsql AS $$
            DECLARE
                said text;
            BEGIN
                FOR n IN 1..3 LOOP
                    said := (ingest.resource_upsert('clinic', 'office', 'p', jsonb_build_object('data', jsonb_build_object('note', n::text)))).outcome;
                    COMMIT;
                END LOOP;
            END $$"#,
        )
        .unwrap();
    let log = Log::from_now();
    let body = json!({"data": {"note": "a"}});
    clinic::create_as(&mut client, OFFICE, "o", &body).unwrap();
    for call in [
        r#"DO $$ DECLARE said text; BEGIN FOR n IN 1..3 LOOP
            SELECT outcome INTO said FROM ingest.resource_upsert('clinic', 'office', 'o', jsonb_build_object('data', jsonb_build_object('note', n::text)));
            PERFORM ingest.resource_load('clinic', 'office', '[{"data": {}}, {"data": {}}]');
            PERFORM ingest.bundle_apply('clinic', '{"operations": [{"operation": "create", "profile": "office", "body": {"data": {}}}]}');
        END LOOP; END $$"#,
        "CALL public.steps()",
    ] {
        client
            .batch_execute(call)
            .unwrap_or_else(|error| panic!("{error:?}: {call}"));
    }
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2, updated 3, updated 4"
    );
    let providers: i64 = value(&mut client, "SELECT count(*) FROM clinic.provider");
    assert_eq!(providers, 0);
    let logged = log.read();
    assert!(!logged.contains("non-empty SPI stack"), "{logged}");
    assert_goes_on(&mut client);
}

/// A statement that runs out of time is PostgreSQL's 57014.
#[test]
fn timeout_inside_a_verb_is_57014() {
    let database = slow_database();
    let mut client = database.connect();
    let slow = json!({"data": {"name": "slow"}});
    client
        .batch_execute("SET statement_timeout = '50ms'")
        .unwrap();
    let timeout = expect_sqlstate(clinic::create(&mut client, OFFICE, &slow), "57014");
    assert_eq!(
        timeout.message(),
        "canceling statement due to statement timeout"
    );
    client.batch_execute("RESET statement_timeout").unwrap();
    assert_goes_on(&mut client);
}

/// A statement that its client cancels is PostgreSQL's 57014.
#[test]
fn cancel_inside_a_verb_is_57014() {
    let database = slow_database();
    let client = database.connect();
    let token = client.cancel_token();
    let (mut client, result) = while_asleep(&database, client, move |_| {
        token.cancel_query(NoTls).unwrap();
    });
    let cancel = expect_sqlstate(result, "57014");
    assert_eq!(cancel.message(), "canceling statement due to user request");
    assert_goes_on(&mut client);
}

/// A session that an administrator ends says so: PostgreSQL's 57P01.
#[test]
fn termination_inside_a_verb_is_57p01() {
    let database = slow_database();
    let mut client = database.connect();
    std::thread::scope(|scope| {
        // psql, because it always tells what a server said before it closed the connection.
        let session = scope.spawn(|| {
            let call = "SELECT ingest.resource_create('clinic', 'office', '{\"data\": {\"name\": \"slow\"}}')";
            psql::run(&database, &format!("\\set VERBOSITY verbose\n{call};\n"))
        });
        let pid = wait_for(
            &mut client,
            "datname = current_database() AND wait_event = 'PgSleep'",
        );
        client
            .execute("SELECT pg_terminate_backend($1)", &[&pid])
            .unwrap();
        let told = session.join().unwrap().output;
        assert!(
            told.contains("FATAL:  57P01: terminating connection"),
            "{told}"
        );
    });
    assert_goes_on(&mut client);
}

/// Upserts a slow office in a thread; once that sleeps, does something to it from here.
fn while_asleep(
    database: &Database,
    mut client: Client,
    action: impl FnOnce(&mut Client),
) -> (Client, Result<clinic::Written, postgres::Error>) {
    let pid = server::backend_pid(&mut client);
    let mut other = database.connect();
    std::thread::scope(|scope| {
        let call = scope.spawn(move || {
            let slow = json!({"data": {"name": "slow"}});
            let result = clinic::upsert(&mut client, OFFICE, "o", &slow);
            (client, result)
        });
        wait_for(
            &mut other,
            &format!("pid = {pid} AND wait_event = 'PgSleep'"),
        );
        action(&mut other);
        call.join().unwrap()
    })
}

/// Waits until `pg_stat_activity` shows such a backend; gives its process.
#[track_caller]
fn wait_for(client: &mut Client, backend: &str) -> i32 {
    let began = Instant::now();
    let sql = format!("SELECT pid FROM pg_stat_activity WHERE {backend}");
    loop {
        if let Some(row) = client.query_opt(&sql, &[]).unwrap() {
            return row.get(0);
        }
        assert!(began.elapsed() < Duration::from_secs(20), "no {backend}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Two sessions that wait for each other: one gets PostgreSQL's 40P01, the other goes through.
#[test]
fn deadlock_of_two_upserting_sessions_is_40p01() {
    let database = clinic::database("boundary");
    let mut clients = [database.connect(), database.connect()];
    for id in ["a", "b"] {
        clinic::upsert(&mut clients[0], OFFICE, id, &json!({"data": {}})).unwrap();
    }
    let body = json!({"data": {"name": "new"}});
    for (client, id) in clients.iter_mut().zip(["a", "b"]) {
        client.batch_execute("BEGIN").unwrap();
        clinic::upsert(client, OFFICE, id, &body).unwrap();
    }
    let results = std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter_mut()
            .zip(["b", "a"])
            .map(|(client, id)| {
                let body = &body;
                scope.spawn(move || {
                    let result = clinic::upsert(client, OFFICE, id, body);
                    // Frees the other, whatever the end.
                    client.batch_execute("COMMIT").unwrap();
                    result
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|it| it.join().unwrap())
            .collect::<Vec<_>>()
    });
    let (done, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), failed.len()), (1, 1));
    for result in failed {
        let deadlock = expect_sqlstate(result, "40P01");
        assert_eq!(deadlock.message(), "deadlock detected");
        assert!(
            deadlock
                .detail()
                .is_some_and(|detail| detail.contains("waits for ShareLock"))
        );
    }
    for client in &mut clients {
        assert_goes_on(client);
    }
}

/// A row that changed under a REPEATABLE READ transaction is PostgreSQL's 40001: no lost update.
#[test]
fn upsert_of_a_row_changed_since_the_snapshot_is_40001() {
    let database = clinic::database("boundary");
    let (mut client, mut other) = (database.connect(), database.connect());
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; TABLE clinic.office";

    client.batch_execute(begin).unwrap();
    clinic::upsert(&mut other, OFFICE, "o", &json!({"data": {"name": "other"}})).unwrap();
    let late = expect_sqlstate(
        clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "mine"}})),
        "40001",
    );
    assert_eq!(
        late.message(),
        "could not serialize access due to concurrent update"
    );
    client.batch_execute("ROLLBACK").unwrap();

    // One that did not exist for the snapshot.
    client.batch_execute(begin).unwrap();
    clinic::upsert(&mut other, OFFICE, "new", &json!({"data": {}})).unwrap();
    expect_sqlstate(
        clinic::upsert(
            &mut client,
            OFFICE,
            "new",
            &json!({"data": {"name": "mine"}}),
        ),
        "40001",
    );
    client.batch_execute("ROLLBACK").unwrap();

    // One that was deleted since.
    client.batch_execute(begin).unwrap();
    clinic::delete(&mut other, OFFICE, "new", None, false).unwrap();
    expect_sqlstate(
        clinic::delete(&mut client, OFFICE, "new", None, false),
        "40001",
    );
    client.batch_execute("ROLLBACK").unwrap();
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2"
    );
    assert_goes_on(&mut client);
}

/// A lock that is not to be had in time is PostgreSQL's 55P03.
#[test]
fn lock_timeout_inside_a_verb_is_55p03() {
    let database = clinic::database("boundary");
    let (mut client, mut other) = (database.connect(), database.connect());
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    other.batch_execute("BEGIN").unwrap();
    clinic::upsert(&mut other, OFFICE, "o", &json!({"data": {"name": "other"}})).unwrap();
    clinic::upsert(
        &mut other,
        OFFICE,
        "new",
        &json!({"data": {"name": "other"}}),
    )
    .unwrap();
    client.batch_execute("SET lock_timeout = '50ms'").unwrap();
    let mine = json!({"data": {"name": "mine"}});
    for id in ["o", "new"] {
        expect_sqlstate(clinic::upsert(&mut client, OFFICE, id, &mine), "55P03");
        expect_sqlstate(clinic::create_as(&mut client, OFFICE, id, &mine), "55P03");
    }
    expect_sqlstate(
        clinic::delete(&mut client, OFFICE, "o", None, false),
        "55P03",
    );
    other.batch_execute("ROLLBACK").unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &mine).unwrap();
    assert_goes_on(&mut client);
}

/// An arithmetic mistake in a user's trigger is PostgreSQL's 22012.
#[test]
fn division_by_zero_in_a_users_trigger_is_22012() {
    let database = slow_database();
    let mut client = database.connect();
    let body = json!({"data": {"name": "nil"}});
    let refusal = expect_sqlstate(clinic::create(&mut client, OFFICE, &body), "22012");
    assert_eq!(refusal.message(), "division by zero");
    assert!(refusal.detail().is_none(), "{refusal:?}");
    assert_goes_on(&mut client);
}

// -- 5: panics -----------------------------------------------------------------------------------

/// A function that panics with a payload, bound to a symbol that only test builds have.
fn panicking(database: &Database) -> Client {
    let mut client = database.connect();
    client
        .batch_execute(
            "CREATE FUNCTION ingest.test_panic(value text) RETURNS void
             LANGUAGE c AS '$libdir/ingest_ext', 'test_panic_wrapper'",
        )
        .unwrap();
    client
}

/// A bug of ours is XX000 with its place, and neither a backtrace nor the values it met reach the
/// client or the log.
#[test]
fn panic_in_a_function_is_xx000_without_payload() {
    let database = clinic::database("boundary");
    let mut client = panicking(&database);
    let log = Log::from_now();
    let bug = expect_sqlstate(
        client.execute("SELECT ingest.test_panic($1)", &[&"secret"]),
        "XX000",
    );
    assert_eq!(bug.message(), "internal error in ingest_ext");
    let detail = bug.detail().unwrap();
    assert!(
        detail.contains(".rs:") && !detail.contains('\n'),
        "{detail}"
    );
    let logged = log.read();
    for told in [format!("{bug:?}"), logged.clone()] {
        assert!(!told.contains("secret"), "{told}");
        assert!(!told.to_lowercase().contains("backtrace"), "{told}");
        assert!(!told.contains("panicked"), "{told}");
    }
    assert!(logged.contains("internal error in ingest_ext"), "{logged}");
    assert_goes_on(&mut client);
}

/// Panics over and over leave a session as it was: no lock, no transaction, no memory, no
/// connection to SPI.
#[test]
fn panic_1_000_times_leaves_nothing_behind() {
    let database = clinic::database("boundary");
    let mut client = panicking(&database);
    assert_steady(&mut client, |client| {
        for _ in 0..100 {
            // Within a transaction that holds locks and has a session of its own open.
            client.batch_execute("BEGIN").unwrap();
            clinic::create(client, OFFICE, &json!({"data": {}})).unwrap();
            expect_sqlstate(
                client.query("SELECT ingest.test_panic('x') FROM clinic.office", &[]),
                "XX000",
            );
            expect_sqlstate(client.batch_execute("SELECT 1"), "25P02");
            client.batch_execute("ROLLBACK").unwrap();
        }
    });
    assert_eq!(
        value::<i64>(
            &mut client,
            "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() \
             AND relation IS DISTINCT FROM 'pg_locks'::regclass AND locktype <> 'virtualxid'",
        ),
        0
    );
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.office"),
        0
    );
    assert_goes_on(&mut client);
}

/// A panic can be caught where any error can, and a subtransaction undoes what it left.
#[test]
fn panic_caught_in_plpgsql_rolls_back_its_block() {
    let database = clinic::database("boundary");
    let mut client = panicking(&database);
    client
        .batch_execute(
            "DO $$ DECLARE told text; BEGIN
                 FOR i IN 1..100 LOOP
                     BEGIN
                         PERFORM ingest.resource_create('clinic', 'office', '{\"data\": {}}');
                         PERFORM ingest.test_panic('x');
                     EXCEPTION WHEN internal_error THEN
                         PERFORM ingest.resource_create('clinic', 'office', '{\"data\": {\"name\": \"y\"}}');
                     END;
                 END LOOP;
             END $$",
        )
        .unwrap();
    let stored: Vec<Value> = client
        .query("SELECT data FROM clinic.office", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(stored, vec![json!({"name": "y"}); 100]);
    assert_goes_on(&mut client);
}
