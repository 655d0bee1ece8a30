//! That a row with an id of its own meets what was there under this id, whatever has become of the
//! index that is asked: by shape, by what goes on beside the load, and by what the transaction does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ingest_tests::Database;
use postgres::{Client, GenericClient};

use crate::clinic::value;
use crate::invariant::{assert_sound, effort};

fn database() -> Database {
    let database = Database::new("key_index");
    database.run(
        r#"SELECT ingest.source_create('s');
        SELECT ingest.profile_define('s', 'a', '{"type": "ROOT", "properties": {"k": {"type": "integer"}}}');
        SELECT ingest.profile_define('s', 'b', '{"type": "ROOT", "properties": {"k": {"type": "integer"}}}');
        SELECT ingest.relationship_define('s', 'l', '{"from": {"profileKey": "a"}, "to": {"profileKey": "b"}}')"#,
    );
    database
}

/// How many rows have which version, as `version:rows` in the order of versions.
fn versions(client: &mut impl GenericClient, table: &str) -> String {
    value(
        client,
        &format!(
            "SELECT COALESCE(string_agg(version || ':' || rows, ' ' ORDER BY version), '') \
             FROM (SELECT version, count(*) AS rows FROM s.{table} GROUP BY version) AS v"
        ),
    )
}

/// The version that a row of this id is given, which goes again.
fn next_version(client: &mut impl GenericClient, id: &str) -> i32 {
    let version = value(
        client,
        &format!("INSERT INTO s.a (id, data) VALUES ('{id}', '{{}}') RETURNING version"),
    );
    client
        .batch_execute(&format!("DELETE FROM s.a WHERE id = '{id}'"))
        .unwrap();
    version
}

/// Ids of all lengths, in any order, among thousands: those that were deleted go on, those that are
/// there are met, those that are new begin. With dead entries in the index, and without.
#[test]
fn ids_in_an_index_of_many_pages_are_each_met() {
    let database = database();
    let mut client = database.connect();
    let ids =
        "SELECT n, n || repeat('x', n % 47) || '.' || n AS id FROM generate_series(1, 6000) AS n";
    for vacuum in ["SELECT 1", "VACUUM s.a, s.a_history"] {
        client
            .batch_execute(&format!(
                "SELECT ingest.profile_purge('s', 'a');
                 INSERT INTO s.a (id, data) SELECT id, '{{}}' FROM ({ids} ORDER BY random()) AS i;
                 DELETE FROM s.a USING ({ids}) AS i WHERE i.id = a.id AND n % 3 = 0"
            ))
            .unwrap();
        client.batch_execute(vacuum).unwrap();
        client
            .batch_execute(&format!(
                // A version that is given is refused, unless the row is there.
                "INSERT INTO s.a (id, version, data) SELECT id, 1, data FROM s.a ORDER BY random() ON CONFLICT DO NOTHING;
                 INSERT INTO s.a (id, data) SELECT id, '{{}}' FROM ({ids} ORDER BY random()) AS i ON CONFLICT DO NOTHING;
                 INSERT INTO s.a (id, data) SELECT id || '-', '{{}}' FROM ({ids} ORDER BY random()) AS i"
            ))
            .unwrap();
        assert_eq!(versions(&mut client, "a"), "1:10000 3:2000");
    }
}

/// The same of links, whose key is two columns.
#[test]
fn links_in_an_index_of_many_pages_are_each_met() {
    let database = database();
    let mut client = database.connect();
    client
        .batch_execute(
            "INSERT INTO s.a (id, data) SELECT 'a' || n, '{}' FROM generate_series(1, 60) AS n;
             INSERT INTO s.b (id, data) SELECT repeat('b', n % 40) || n, '{}' FROM generate_series(1, 100) AS n;
             INSERT INTO s.l (from_id, to_id) SELECT a.id, b.id FROM s.a, s.b WHERE right(a.id, 1) <> '7' ORDER BY random();
             DELETE FROM s.l WHERE right(from_id, 1) = right(to_id, 1);
             INSERT INTO s.l (from_id, to_id, version) SELECT from_id, to_id, 1 FROM s.l ORDER BY random() ON CONFLICT DO NOTHING;
             INSERT INTO s.l (from_id, to_id) SELECT a.id, b.id FROM s.a, s.b ORDER BY random() ON CONFLICT DO NOTHING",
        )
        .unwrap();
    assert_eq!(versions(&mut client, "l"), "1:5460 3:540");
}

/// Sessions that make and delete neighbours, while a vacuum takes pages away and gives them back.
#[test]
fn ids_are_met_while_pages_are_split_deleted_and_used_again() {
    const WRITERS: usize = 3;
    let database = database();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let mut client = database.connect();
                scope.spawn(move || {
                    for round in 0..8 * effort() {
                        // Each second round in one place, which the vacuum empties.
                        let place = if round % 2 == 0 { "left(md5(n::text), 6)" } else { "'m'" };
                        let ids = format!(
                            "SELECT {place} || '-' || n || '-w{writer}-{round}' FROM generate_series(1, 400) AS n"
                        );
                        let insert = format!("INSERT INTO s.a (id, data) SELECT id, '{{}}' FROM ({ids}) AS i (id)");
                        let delete = format!("DELETE FROM s.a WHERE id IN ({ids})");
                        for statement in [&insert, &delete, &insert] {
                            client.batch_execute(statement).unwrap();
                        }
                        let wrong: i64 = value(
                            &mut client,
                            &format!("SELECT count(*) FILTER (WHERE version <> 3) + 400 - count(*) FROM s.a WHERE id IN ({ids})"),
                        );
                        assert_eq!(wrong, 0, "round {round} of writer {writer}");
                        client.batch_execute(&delete).unwrap();
                    }
                })
            })
            .collect();
        let mut client = database.connect();
        let done = &done;
        let vacuum = scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                client.batch_execute("VACUUM s.a").unwrap();
                client.batch_execute("VACUUM s.a_history").unwrap();
            }
        });
        let results: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Ordering::Relaxed);
        vacuum.join().unwrap();
        for result in results {
            result.unwrap();
        }
    });
    assert_sound(&mut database.connect(), "s");
}

/// The locks that this session holds on the history of `a` and on its key.
fn locks(client: &mut impl GenericClient) -> i64 {
    value(
        client,
        "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND granted \
         AND relation = ANY (ARRAY['s.a_history', 's.a_history_pkey']::regclass[])",
    )
}

/// What a savepoint has locked is let go with it, and locked again by the next row; what others have
/// done between is known.
#[test]
fn savepoint_rolled_back_lets_go_of_the_history_until_the_next_row() {
    let database = database();
    let (mut client, mut other) = (database.connect(), database.connect());
    assert_eq!(next_version(&mut client, "x"), 1);
    let mut transaction = client.transaction().unwrap();
    transaction
        .batch_execute("SAVEPOINT one; INSERT INTO s.a (id, data) VALUES ('y', '{}')")
        .unwrap();
    assert_eq!(locks(&mut transaction), 2);
    transaction.batch_execute("ROLLBACK TO one").unwrap();
    assert_eq!(locks(&mut transaction), 0);
    transaction
        .batch_execute("INSERT INTO s.a (id, data) VALUES ('y', '{}')")
        .unwrap();
    assert_eq!(locks(&mut transaction), 2);
    transaction.batch_execute("ROLLBACK TO one").unwrap();
    assert_eq!(locks(&mut transaction), 0);
    other
        .batch_execute("SET lock_timeout = '10s'; REINDEX TABLE s.a_history; REINDEX TABLE s.a")
        .unwrap();
    assert_eq!(next_version(&mut other, "y"), 1);
    transaction
        .batch_execute("INSERT INTO s.a (id, data) VALUES ('z', '{}')")
        .unwrap();
    assert_eq!(locks(&mut transaction), 2);
    assert_eq!(next_version(&mut transaction, "y"), 3);
    assert_eq!(next_version(&mut transaction, "x"), 3);
    transaction.commit().unwrap();
    assert_eq!(locks(&mut client), 0);
    assert_sound(&mut client, "s");
}

/// What a transaction does to the tables themselves, and undoes, leaves each id with its history.
#[test]
fn ids_are_met_after_what_the_transaction_did_to_the_tables() {
    let database = database();
    let mut client = database.connect();
    client
        .batch_execute(
            "INSERT INTO s.a (id, data) SELECT 'n' || n, '{}' FROM generate_series(1, 2000) AS n;
             DELETE FROM s.a",
        )
        .unwrap();
    let mut transaction = client.transaction().unwrap();
    let mut version = 3;
    for change in [
        "REINDEX TABLE s.a_history",
        "REINDEX TABLE s.a",
        "CLUSTER s.a_history USING a_history_pkey",
        "CLUSTER s.a USING a_pkey",
        "ALTER TABLE s.a ADD COLUMN mine text DEFAULT random()::text",
        "ALTER TABLE s.a_history DROP CONSTRAINT a_history_pkey",
        "ALTER TABLE s.a_history DROP CONSTRAINT a_history_pkey, ADD CONSTRAINT other PRIMARY KEY (version, id)",
    ] {
        for undone in [true, false] {
            transaction
                .batch_execute(&format!("SAVEPOINT one; {change}"))
                .unwrap();
            assert_eq!(next_version(&mut transaction, "n777"), version, "{change}");
            if undone {
                transaction.batch_execute("ROLLBACK TO one").unwrap();
                assert_eq!(next_version(&mut transaction, "n777"), version, "{change}");
            }
            version += 2;
            // The last two are not there to stay.
            if !undone && change.contains("DROP") {
                transaction.batch_execute("ROLLBACK TO one").unwrap();
                version -= 2;
            }
        }
    }
    transaction.commit().unwrap();
    assert_sound(&mut client, "s");
}

/// A trigger of the user's that writes the same table for each row, and whose subtransactions are
/// rolled back half of the time, in a load of ids that are new and of ids that were deleted.
#[test]
fn ids_are_met_by_a_trigger_that_writes_the_same_table() {
    let database = database();
    let mut client = database.connect();
    client
        .batch_execute(
            "INSERT INTO s.a (id, data) SELECT k || n, '{}' FROM generate_series(1, 2000, 2) AS n, unnest(ARRAY['r', 'copy']) AS k;
             DELETE FROM s.a;
             CREATE FUNCTION public.copied() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF NEW.id LIKE 'r%' THEN
                     BEGIN
                         INSERT INTO s.a (id, data) VALUES (replace(NEW.id, 'r', 'copy'), '{}');
                         IF right(NEW.id, 1) IN ('2', '5') THEN
                             RAISE EXCEPTION 'undone' USING ERRCODE = 'UND01';
                         END IF;
                     EXCEPTION WHEN SQLSTATE 'UND01' THEN NULL;
                     END;
                 END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER copied BEFORE INSERT ON s.a FOR EACH ROW EXECUTE FUNCTION public.copied();
             INSERT INTO s.a (id, data) SELECT 'r' || n, '{}' FROM generate_series(1, 2000) AS n",
        )
        .unwrap();
    // 1000 of each kind, and of the copies 800.
    assert_eq!(versions(&mut client, "a"), "1:1800 3:1800");
    assert_sound(&mut client, "s");
}

/// A loop over a cursor that writes, commits and rolls back on its way.
#[test]
fn ids_are_met_in_a_loop_that_ends_transactions() {
    let database = database();
    let mut client = database.connect();
    client
        .batch_execute(
            "INSERT INTO s.a (id, data) SELECT 'r' || n, '{}' FROM generate_series(1, 600, 2) AS n;
             DELETE FROM s.a",
        )
        .unwrap();
    client
        .batch_execute(
            "DO $$ DECLARE r record; BEGIN
                 FOR r IN SELECT n FROM generate_series(1, 600) AS n LOOP
                     INSERT INTO s.a (id, data) VALUES ('r' || r.n, '{}');
                     IF r.n % 20 = 0 THEN ROLLBACK; ELSIF r.n % 10 = 0 THEN COMMIT; END IF;
                 END LOOP;
             END $$",
        )
        .unwrap();
    // The first of each two tens has stayed.
    assert_eq!(versions(&mut client, "a"), "1:150 3:150");
    assert_sound(&mut client, "s");
}

/// How often an index of `a` or of its history was asked, as far as it is not reported yet.
fn index_scans(client: &mut impl GenericClient) -> i64 {
    value(
        client,
        "SELECT sum(idx_scan)::bigint FROM pg_stat_xact_user_tables WHERE relid = ANY (ARRAY['s.a', 's.a_history']::regclass[])",
    )
}

/// Waits for the transactions of the whole server that have begun to write: before, what is deleted
/// by now is not dead to a snapshot, wherever they write.
fn wait_until_the_past_is_over(client: &mut Client) {
    let end: i64 = value(
        client,
        "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
    );
    let is_over = format!("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= {end}");
    let began = Instant::now();
    while !value::<bool>(client, &is_over) {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "it does not end"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

/// What a purge has left behind is passed over before it is vacuumed: by a probe of each index, and
/// without a statement for each row.
#[test]
fn ids_that_were_purged_are_new_before_any_vacuum() {
    const ROWS: i64 = 2000;
    let database = database();
    let mut client: Client = database.connect();
    let insert = format!(
        "INSERT INTO s.a (id, data) SELECT 'r' || n, '{{}}' FROM generate_series(1, {ROWS}) AS n"
    );
    client
        .batch_execute(&format!(
            "ALTER TABLE s.a SET (autovacuum_enabled = false);
             ALTER TABLE s.a_history SET (autovacuum_enabled = false);
             {insert}; UPDATE s.a SET data = '{{\"k\": 1}}'"
        ))
        .unwrap();
    client
        .batch_execute("SELECT ingest.profile_purge('s', 'a')")
        .unwrap();
    wait_until_the_past_is_over(&mut client);
    let mut transaction = client.transaction().unwrap();
    let before = index_scans(&mut transaction);
    transaction.batch_execute(&insert).unwrap();
    let scans = index_scans(&mut transaction) - before;
    // One more is the look that confirms the row.
    assert!(scans <= 3 * ROWS, "{scans} scans for {ROWS} rows");
    transaction.commit().unwrap();
    assert_eq!(versions(&mut client, "a"), format!("1:{ROWS}"));
}
