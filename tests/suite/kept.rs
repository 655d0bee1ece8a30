//! What a session keeps: a bounded number of plans, whatever it has used, and nothing of what was
//! dropped; and what a reader of large resources costs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ingest_tests::Database;
use ingest_tests::server::{backend_pid, private_memory};
use postgres::Client;

use crate::clinic::value;

const MB: u64 = 1 << 20;

/// Defines the profiles `p<from>` to `p<to>` of the source `s`: twenty properties, an identity, and
/// an index through an array.
fn define(client: &mut Client, from: usize, to: usize) {
    client
        .batch_execute(&format!(
            "DO $$
             DECLARE
                 properties CONSTANT jsonb := (SELECT jsonb_object_agg('q' || n, '{{\"type\": \"symbol\"}}'::jsonb)
                                               FROM generate_series(1, 18) AS n)
                     || '{{\"n\": {{\"type\": \"integer\"}}, \"tags\": {{\"type\": \"array\", \"items\": {{\"type\": \"symbol\"}}}}}}';
             BEGIN
                 FOR n IN {from}..{to} LOOP
                     PERFORM ingest.profile_define('s', 'p' || n, jsonb_build_object('type', 'ROOT',
                         'properties', properties, 'identities', '[[\"n\"]]'::jsonb, 'indexes', '[[\"tags\"]]'::jsonb));
                 END LOOP;
             END $$"
        ))
        .unwrap();
}

/// Inserts a row into each of these profiles, and upserts one.
fn use_each(client: &mut Client, from: usize, to: usize) {
    client
        .batch_execute(&format!(
            "DO $$ BEGIN
                 FOR n IN {from}..{to} LOOP
                     EXECUTE format('INSERT INTO s.%I (data) VALUES (''{{\"n\": 1, \"tags\": [\"a\"]}}'')', 'p' || n);
                     PERFORM ingest.resource_upsert('s', 'p' || n, 'u', '{{\"data\": {{\"n\": 2}}}}');
                     PERFORM ingest.resource_upsert('s', 'p' || n, 'u', '{{\"data\": {{\"n\": 3}}}}');
                 END LOOP;
             END $$"
        ))
        .unwrap();
}

fn source(hint: &str) -> Database {
    let database = Database::new(hint);
    database.run("SELECT ingest.source_create('s')");
    database
}

/// The plans that a session keeps, as PostgreSQL counts them.
fn plans(client: &mut Client) -> i64 {
    value(
        client,
        "SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'CachedPlanSource'",
    )
}

/// The most private memory that a session has while `work` runs in it, over what it had before.
fn peak(client: &mut Client, work: impl FnOnce(&mut Client)) -> u64 {
    let pid = backend_pid(client);
    let before = private_memory(pid);
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = before;
            while !ended.load(Ordering::Relaxed) {
                most = most.max(private_memory(pid));
                std::thread::sleep(Duration::from_millis(1));
            }
            most
        });
        work(client);
        ended.store(true, Ordering::Relaxed);
        watcher.join().unwrap() - before
    })
}

/// A session that has written a thousand profiles holds no more than 64 MB.
#[test]
fn session_that_used_a_thousand_profiles_stays_small() {
    let database = source("memory");
    let mut definer = database.connect();
    for batch in 0..20 {
        define(&mut definer, batch * 50 + 1, batch * 50 + 50);
    }
    let mut client = database.connect();
    let pid = backend_pid(&mut client);
    for batch in 0..20 {
        use_each(&mut client, batch * 50 + 1, batch * 50 + 50);
    }
    let memory = private_memory(pid);
    assert!(memory < 64 * MB, "{} MB", memory / MB);
}

/// The number of plans is that of the setting, and a session with few of them works as well.
#[test]
fn session_with_few_plans_makes_them_again() {
    let database = source("memory");
    let mut client = database.connect();
    define(&mut client, 1, 30);
    for most in [1, 5, 40] {
        client
            .batch_execute(&format!("SET ingest.max_statements = {most}"))
            .unwrap();
        client.batch_execute("DISCARD PLANS").unwrap();
        // What PL/pgSQL keeps of the triggers of the catalog is not ours.
        let foreign = plans(&mut client);
        for profile in 1..=30 {
            client
                .batch_execute(&format!(
                    "SELECT ingest.resource_upsert('s', 'p{profile}', 'x{most}', '{{\"data\": {{\"n\": {most}}}}}');
                     SELECT ingest.resource_create_if('s', 'p{profile}', '{{\"n\": {most}}}', '{{\"data\": {{}}}}');
                     SELECT * FROM ingest.resource_search('s', 'p{profile}', '{{\"n\": {most}}}');
                     SELECT * FROM ingest.resource_history('s', 'p{profile}', 'x{most}');
                     SELECT ingest.resource_delete('s', 'p{profile}', 'x{most}')"
                ))
                .unwrap();
        }
        let kept = plans(&mut client);
        // The server's own triggers keep a few of their own.
        assert!(
            kept <= foreign + most + 10,
            "{kept} of {foreign} and {most}"
        );
    }
}

/// A profile that is dropped takes its plans along, whoever drops it.
#[test]
fn session_keeps_nothing_of_dropped_profiles() {
    let database = source("memory");
    let mut client = database.connect();
    let round = |client: &mut Client, dropper: &mut Option<Client>, from: usize| {
        define(client, from, from + 29);
        use_each(client, from, from + 29);
        let drop = format!(
            "DO $$ BEGIN FOR n IN {from}..{} LOOP PERFORM ingest.profile_drop('s', 'p' || n, true); END LOOP; END $$",
            from + 29
        );
        dropper
            .as_mut()
            .unwrap_or(client)
            .batch_execute(&drop)
            .unwrap();
        // The next use of anything finds out.
        define(client, 1_000, 1_000);
    };
    for mut dropper in [None, Some(database.connect())] {
        round(&mut client, &mut dropper, 1);
        let (before, kept) = (private_memory(backend_pid(&mut client)), plans(&mut client));
        for times in 1..=9 {
            round(&mut client, &mut dropper, times * 30 + 1);
        }
        let after = private_memory(backend_pid(&mut client));
        assert!(
            plans(&mut client) <= kept + 10,
            "{} after {kept}",
            plans(&mut client)
        );
        assert!(
            after < before + 8 * MB,
            "{} to {} MB",
            before / MB,
            after / MB
        );
    }
}

/// `DISCARD PLANS` and `DISCARD ALL` free what the extension keeps, and it goes on.
#[test]
fn discard_frees_the_plans_of_the_session() {
    let database = source("memory");
    define(&mut database.connect(), 1, 20);
    let mut client = database.connect();
    for discard in ["DISCARD PLANS", "DISCARD ALL"] {
        use_each(&mut client, 1, 20);
        let before = plans(&mut client);
        assert!(before > 60, "{before}");
        client.batch_execute(discard).unwrap();
        let after = plans(&mut client);
        assert!(after < 10, "{discard}: {after} of {before}");
        client.batch_execute("TRUNCATE pg_temp.none").unwrap_err();
        client
            .batch_execute("DELETE FROM s.p1; DO $$ BEGIN FOR n IN 1..20 LOOP EXECUTE format('DELETE FROM s.%I', 'p' || n); END LOOP; END $$")
            .unwrap();
    }
}

/// A statement whose plan is evicted, or discarded, by what runs within it goes on with it.
#[test]
fn plan_in_use_outlives_its_eviction() {
    let database = source("memory");
    let mut client = database.connect();
    define(&mut client, 1, 4);
    client
        .batch_execute(
            "SET ingest.max_statements = 1;
             CREATE FUNCTION public.nested() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF pg_trigger_depth() < 4 THEN
                     PERFORM ingest.resource_upsert('s', 'p2', 'a', '{\"data\": {\"n\": 5}}');
                     PERFORM ingest.resource_create_if('s', 'p3', '{\"n\": 5}', '{\"data\": {\"n\": 5}}');
                     PERFORM ingest.resource_upsert('s', 'p1', NEW.id || 'x', '{\"data\": {}}');
                     PERFORM count(*) FROM ingest.resource_search('s', 'p1', '{}');
                 END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER nested BEFORE INSERT ON s.p1 FOR EACH ROW EXECUTE FUNCTION public.nested();
             SELECT ingest.resource_upsert('s', 'p1', 'i', '{\"data\": {\"n\": 1}}');
             SELECT ingest.resource_load('s', 'p1', '[{\"id\": \"j\", \"data\": {}}, {\"id\": \"k\", \"data\": {}}]')",
        )
        .unwrap();
    assert_eq!(value::<i64>(&mut client, "SELECT count(*) FROM s.p1"), 12);
}

/// Who searches with every combination of indexed paths keeps a bounded number of searches.
#[test]
fn searches_of_every_combination_are_kept_in_bounds() {
    let database = source("memory");
    let mut client = database.connect();
    client
        .batch_execute(
            "SELECT ingest.profile_define('s', 'many', jsonb_build_object('type', 'ROOT',
                 'properties', (SELECT jsonb_object_agg('q' || n, '{\"type\": \"symbol\"}'::jsonb) FROM generate_series(1, 8) AS n),
                 'indexes', (SELECT jsonb_agg(jsonb_build_array('q' || n)) FROM generate_series(1, 8) AS n)))",
        )
        .unwrap();
    let search = |client: &mut Client, from: usize, to: usize| {
        client
            .batch_execute(&format!(
                "DO $$ BEGIN
                     FOR mask IN {from}..{to} LOOP
                         PERFORM count(*) FROM ingest.resource_search('s', 'many',
                             (SELECT COALESCE(jsonb_object_agg('q' || n, CASE WHEN mask & (1 << (n + 7)) > 0 THEN '[\"a\", \"b\"]'::jsonb ELSE '\"a\"' END), '{{}}')
                              FROM generate_series(1, 8) AS n WHERE mask & (1 << (n - 1)) > 0));
                     END LOOP;
                 END $$"
            ))
            .unwrap();
    };
    search(&mut client, 1, 100);
    let before = private_memory(backend_pid(&mut client));
    search(&mut client, 101, 1_500);
    let after = private_memory(backend_pid(&mut client));
    assert!(
        after < before + 16 * MB,
        "{} to {} MB",
        before / MB,
        after / MB
    );
}

/// Names that a stranger makes up leave nothing behind.
#[test]
fn unknown_names_are_not_kept() {
    let mut database = source("memory");
    let role = database.create_role("stranger", "");
    for mut client in [database.connect_as(&role), database.connect()] {
        let try_names = |client: &mut Client, from: usize, to: usize| {
            client
                .batch_execute(&format!(
                    "DO $$ BEGIN
                         FOR n IN {from}..{to} LOOP
                             BEGIN
                                 PERFORM ingest.resource_exists('nowhere-at-all-' || n || repeat('x', 30), 'p', 'i');
                             EXCEPTION WHEN OTHERS THEN NULL;
                             END;
                         END LOOP;
                     END $$"
                ))
                .unwrap();
        };
        try_names(&mut client, 1, 500);
        let before = private_memory(backend_pid(&mut client));
        try_names(&mut client, 501, 5_000);
        for _ in 0..5 {
            client
                .batch_execute("SELECT ingest.resource_exists(repeat('x', 20000000), 'p', 'i')")
                .unwrap_err();
        }
        let after = private_memory(backend_pid(&mut client));
        assert!(
            after < before + 8 * MB,
            "{} to {} MB",
            before / MB,
            after / MB
        );
    }
}

/// Large resources are handed on one by one: a reader of a table that is small as it is stored, and
/// large as it is read, costs a few resources.
#[test]
fn reader_of_large_resources_holds_a_few_at_a_time() {
    let database = source("memory");
    let mut client = database.connect();
    client
        .batch_execute(
            "SELECT ingest.profile_define('s', 'large', '{\"type\": \"ROOT\", \"properties\": {\"t\": {\"type\": \"markdown\"}}}');
             SELECT ingest.relationship_define('s', 'l', '{\"from\": {\"profileKey\": \"large\"}, \"to\": {\"profileKey\": \"large\"},
                 \"properties\": {\"t\": {\"type\": \"markdown\"}}}');
             INSERT INTO s.large (id, data) SELECT 'r' || n, jsonb_build_object('t', repeat('x', 2000000)) FROM generate_series(1, 100) AS n;
             INSERT INTO s.l (from_id, to_id, data) SELECT 'r1', 'r' || n, jsonb_build_object('t', repeat('x', 2000000)) FROM generate_series(1, 100) AS n;
             DO $$ BEGIN FOR n IN 1..60 LOOP
                 UPDATE s.large SET data = jsonb_build_object('t', repeat('y', 2000000 + n)) WHERE id = 'r1';
             END LOOP; END $$",
        )
        .unwrap();
    for read in [
        "SELECT sum(length(resource::text)) FROM ingest.resource_search('s', 'large', '{}', 10000)",
        "SELECT sum(length(resource::text)) FROM ingest.resource_history('s', 'large', 'r1')",
        "SELECT sum(length(resource::text)) FROM ingest.relationship_list('s', 'large', 'r1')",
        "SELECT count(*) FROM ingest.profile_check('s', 'large', '{\"type\": \"ROOT\", \"properties\": {\"t\": {\"type\": \"markdown\", \"rules\": [{\"max\": 5}]}}}')",
    ] {
        let mut client = database.connect();
        let most = peak(&mut client, |client| client.batch_execute(read).unwrap());
        assert!(most < 40 * MB, "{} MB: {read}", most / MB);
    }
}
