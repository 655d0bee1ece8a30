//! The feed of a source: nothing is lost, nothing comes twice, and each resource's versions come in
//! their order, whoever writes it and whenever it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ingest_tests::cluster::Cluster;
use ingest_tests::server::backend_pid;
use ingest_tests::{Database, expect_sqlstate, psql};
use postgres::fallible_iterator::FallibleIterator;
use postgres::{Client, Error, GenericClient};
use serde_json::{Value, json};

use crate::clinic::{self, value};
use crate::fhir_bundle;
use crate::invariant::{Dice, assert_sound, effort, sqlstate, wait_until_blocked};

/// One version, as a feed gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub cursor: String,
    pub profile: String,
    pub id: String,
    pub version: i32,
    pub outcome: String,
    pub data: Option<Value>,
}

impl Change {
    fn told(&self) -> String {
        let Self {
            profile,
            id,
            version,
            outcome,
            ..
        } = self;
        format!("{profile}/{id} {version} {outcome}")
    }
}

const CHANGE: &str =
    "SELECT cursor, profile, id, version, outcome::text, resource -> 'data' FROM ingest";

fn changes(client: &mut impl GenericClient, call: &str) -> Result<Vec<Change>, Error> {
    let rows = client.query(&format!("{CHANGE}.{call}"), &[])?;
    let changes = rows.into_iter().map(|row| Change {
        cursor: row.get(0),
        profile: row.get(1),
        id: row.get(2),
        version: row.get(3),
        outcome: row.get(4),
        data: row.get(5),
    });
    Ok(changes.collect())
}

/// A page of the clinic's feed.
fn page(
    client: &mut impl GenericClient,
    after: Option<&str>,
    count: usize,
) -> Result<Vec<Change>, Error> {
    let after = after.map_or("NULL".to_owned(), |after| format!("'{after}'"));
    changes(client, &format!("feed_read('clinic', {after}, {count})"))
}

/// All of the clinic's feed, in pages of so many.
fn all(client: &mut impl GenericClient, count: usize) -> Vec<Change> {
    let mut all: Vec<Change> = Vec::new();
    loop {
        let after = all.last().map(|last| last.cursor.clone());
        let next = page(client, after.as_deref(), count).unwrap();
        assert!(next.len() <= count);
        if next.is_empty() {
            return all;
        }
        all.extend(next);
    }
}

fn told(changes: &[Change]) -> Vec<String> {
    changes.iter().map(Change::told).collect()
}

/// Waits until all transactions have ended that run now, those of other tests too: the feed goes on
/// when they have.
pub fn settle(client: &mut Client) {
    let now: i64 = value(client, "SELECT pg_current_xact_id()::text::bigint");
    let began = Instant::now();
    while value::<i64>(
        client,
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint",
    ) <= now
    {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "a transaction stays"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A clinic with a feed, in a database of its own.
fn clinic_with_feed() -> (Database, Client) {
    let database = clinic::database("feed");
    let mut client = database.connect();
    assert_eq!(
        create(&mut client),
        json!({"outcome": "created", "source": "clinic"})
    );
    (database, client)
}

fn create(client: &mut impl GenericClient) -> Value {
    value(client, "SELECT ingest.feed_create('clinic')")
}

fn run(client: &mut impl GenericClient, sql: &str) {
    client.batch_execute(sql).unwrap();
}

/// Every version that the tables and histories of a source hold, with its data.
fn stored(client: &mut Client, source: &str) -> BTreeMap<(String, String, i32), Option<Value>> {
    let tables: Vec<String> = client
        .query(
            "SELECT profile FROM ingest.profile WHERE source = $1 AND kind IN ('ROOT', 'RELATIONSHIP')",
            &[&source],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let mut stored = BTreeMap::new();
    for table in tables {
        let sql = format!(
            "SELECT id, version, data FROM \"{source}\".\"{table}\" \
             UNION ALL SELECT id, version, data FROM \"{source}\".\"{table}_history\""
        );
        for row in client.query(&sql, &[]).unwrap() {
            stored.insert((table.clone(), row.get(0), row.get(1)), row.get(2));
        }
    }
    stored
}

/// Refuses what is not exactly what is stored, once each, and each resource's versions in order.
#[track_caller]
fn assert_whole(client: &mut Client, read: &[Change]) {
    let mut last: BTreeMap<(&str, &str), i32> = BTreeMap::new();
    for change in read {
        let version = last.entry((&change.profile, &change.id)).or_default();
        assert_eq!(change.version, *version + 1, "{}", change.told());
        *version = change.version;
    }
    let read: BTreeMap<_, _> = read
        .iter()
        .map(|at| {
            (
                (at.profile.clone(), at.id.clone(), at.version),
                at.data.clone(),
            )
        })
        .collect();
    assert_eq!(read, stored(client, "clinic"));
}

/// What was there before comes first, then each version with what made it, of links too; a reader
/// goes on from any cursor, and a page is as long as he says.
#[test]
fn feed_read_gives_every_version_once_in_order() {
    let database = clinic::database("feed");
    let mut client = database.connect();
    run(
        &mut client,
        "INSERT INTO clinic.office (id, data) VALUES ('a', '{\"name\": \"A\"}');
         UPDATE clinic.office SET data = '{\"name\": \"AA\"}'",
    );
    create(&mut client);
    run(
        &mut client,
        "INSERT INTO clinic.provider (id, data) VALUES ('p', '{\"name\": \"P\"}');
         INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p', 'a');
         UPDATE clinic.\"worksAt\" SET data = data;
         DELETE FROM clinic.\"worksAt\";
         DELETE FROM clinic.office;
         INSERT INTO clinic.office (id, data) VALUES ('a', '{\"name\": \"again\"}')",
    );
    settle(&mut client);
    let read = all(&mut client, 100);
    assert_eq!(
        told(&read),
        [
            "office/a 1 created",
            "office/a 2 updated",
            "provider/p 1 created",
            "worksAt/provider.p,office.a 1 created",
            "worksAt/provider.p,office.a 2 deleted",
            "office/a 3 deleted",
            "office/a 4 created",
        ]
    );
    assert_whole(&mut client, &read);
    for count in 1..=8 {
        assert_eq!(all(&mut client, count), read, "{count}");
    }
    for (at, change) in read.iter().enumerate() {
        let rest = page(&mut client, Some(&change.cursor), 100).unwrap();
        assert_eq!(rest, read[at + 1..], "after {at}");
    }
    let of_some = changes(
        &mut client,
        "feed_read('clinic', profiles => ARRAY['worksAt', 'provider', 'worksAt'])",
    );
    assert_eq!(told(&of_some.unwrap()), told(&read[2..5]));
    let row = client
        .query_one(
            "SELECT updated_by, updated_by_login, context, erased, resource ->> 'id', resource #>> '{from,id}' \
             FROM ingest.feed_read('clinic', count => 1, profiles => ARRAY['worksAt'])",
            &[],
        )
        .unwrap();
    assert_eq!(row.get::<_, String>(0), ingest_tests::server::user());
    assert_eq!(row.get::<_, Option<String>>(1), None);
    assert_eq!(row.get::<_, Option<Value>>(2), None);
    assert_eq!(row.get::<_, Option<Value>>(3), None);
    assert_eq!(row.get::<_, String>(4), "provider.p,office.a");
    assert_eq!(row.get::<_, String>(5), "p");
}

/// A page costs what it gives, however much was written with it in one transaction, or was there
/// before the feed: all of that has one place.
#[test]
fn page_costs_what_it_gives_wherever_it_begins() {
    let (database, mut client) = clinic_with_feed();
    // How often the indexes of the feed are looked into by a page, which a session of its own reads.
    let cost = |profiles: &str, least: usize| {
        let looks = "SELECT sum(idx_blks_read + idx_blks_hit)::bigint FROM pg_statio_user_indexes \
            WHERE indexrelname LIKE '%feed_place%'";
        let mut reader = database.connect();
        run(&mut reader, "SELECT pg_stat_force_next_flush()");
        let before: i64 = value(&mut reader, looks);
        let call = format!("feed_read('clinic', NULL, 20, {profiles})");
        let read = changes(&mut reader, &call).unwrap();
        let kinds: BTreeSet<&str> = read.iter().map(|at| at.profile.as_str()).collect();
        assert_eq!((read.len(), kinds.len()), (20, least), "{:?}", told(&read));
        run(&mut reader, "SELECT pg_stat_force_next_flush()");
        value::<i64>(&mut reader, looks) - before
    };
    // One after the other, so that each is a row of another table than the one before.
    run(
        &mut client,
        "DO $$ BEGIN FOR n IN 1..3000 LOOP
             INSERT INTO clinic.office (id, data) VALUES ('o' || n, '{}');
             INSERT INTO clinic.provider (id, data) VALUES ('p' || n, '{\"name\": \"x\"}');
             INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p' || n, 'o' || n);
         END LOOP; END $$",
    );
    settle(&mut client);
    let most = 300;
    let of_one_transaction = cost("NULL", 3);
    assert!(of_one_transaction < most, "{of_one_transaction}");
    // The same in histories.
    run(
        &mut client,
        "UPDATE clinic.office SET data = '{\"name\": \"n\"}';
         UPDATE clinic.provider SET data = '{\"name\": \"n\"}'",
    );
    settle(&mut client);
    let of_histories = cost("ARRAY['office', 'provider']", 2);
    assert!(of_histories < most, "{of_histories}");
    // And of a feed that begins with all of it.
    run(&mut client, "SELECT ingest.feed_drop('clinic')");
    create(&mut client);
    settle(&mut client);
    let of_the_past = cost("NULL", 3);
    assert!(of_the_past < most, "{of_the_past}");
}

/// A transaction that began early can write the later version, and commit while one between the two
/// still runs. In the order of transactions alone version 3 would come before version 2.
#[test]
fn versions_come_in_order_whichever_transaction_began_first() {
    let (database, mut client) = clinic_with_feed();
    let [mut early, mut between, mut late] = [0; 3].map(|_| database.connect());
    run(
        &mut client,
        "INSERT INTO clinic.office (id, data) VALUES ('a', '{}')",
    );
    for open in [&mut early, &mut between] {
        run(open, "BEGIN; SELECT pg_current_xact_id()");
    }
    run(
        &mut late,
        "UPDATE clinic.office SET data = '{\"name\": \"2\"}'",
    );
    run(
        &mut early,
        "UPDATE clinic.office SET data = '{\"name\": \"3\"}'; COMMIT",
    );
    // The first of them has ended, the second has not: nothing of what may come is skipped.
    let first = page(&mut client, None, 100).unwrap();
    assert!(told(&first).len() <= 1, "{first:?}");
    run(
        &mut late,
        "UPDATE clinic.office SET data = '{\"name\": \"4\"}'",
    );
    run(
        &mut between,
        "UPDATE clinic.office SET data = '{\"name\": \"5\"}'; COMMIT",
    );
    settle(&mut client);
    let after = first.last().map(|last| last.cursor.clone());
    let mut read = first;
    read.extend(page(&mut client, after.as_deref(), 100).unwrap());
    assert_whole(&mut client, &read);
    let places: Vec<i64> = client
        .query(
            "SELECT feed_place, version FROM clinic.office_history \
             UNION ALL SELECT feed_place, version FROM clinic.office ORDER BY version",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert!(places.is_sorted() && places[1] == places[2], "{places:?}");
}

/// Writers of every kind, while the feed is read in slices: transactions that stay open, that are
/// rolled back in part or whole, that are prepared, whose session is killed. What is read is exactly
/// what is there at the end.
#[test]
fn feed_read_while_many_write_is_what_they_have_written() {
    let cluster = Cluster::start(
        "feed",
        &[
            "max_prepared_transactions=20",
            "deadlock_timeout=50ms",
            "fsync=off",
        ],
    );
    let mut client = cluster.connect("postgres");
    run(&mut client, "CREATE EXTENSION ingest_ext");
    clinic::build(&mut client);
    // Who notifies cannot be prepared.
    run(
        &mut client,
        "SELECT ingest.feed_create('clinic', notify => false)",
    );
    let (writing, number) = (AtomicUsize::new(6), AtomicUsize::new(0));
    let read = std::thread::scope(|scope| {
        for writer in 0..6 {
            let (cluster, writing, number) = (&cluster, &writing, &number);
            scope.spawn(move || {
                let mut dice = Dice(0x9e37_79b9 + writer * 7919);
                let mut client = cluster.connect("postgres");
                for _ in 0..60 * effort() {
                    let name = number.fetch_add(1, Ordering::Relaxed);
                    if transact(&mut client, &mut dice, name).is_err_and(|error| is_killed(&error))
                    {
                        client = cluster.connect("postgres");
                    }
                    drop(client.batch_execute("ROLLBACK"));
                }
                writing.fetch_sub(1, Ordering::Release);
            });
        }
        let (cluster, writing) = (&cluster, &writing);
        let reader = scope.spawn(move || {
            let mut client = cluster.connect("postgres");
            let mut read: Vec<Change> = Vec::new();
            let mut dice = Dice(4711);
            loop {
                let over = writing.load(Ordering::Acquire) == 0;
                if over {
                    settle(&mut client);
                }
                let after = read.last().map(|last| last.cursor.clone());
                let count = 1 + dice.roll(9) as usize;
                let next = page(&mut client, after.as_deref(), count).unwrap();
                if over && next.is_empty() {
                    return read;
                }
                read.extend(next);
            }
        });
        reader.join().unwrap()
    });
    assert!(read.len() > 100, "{}", read.len());
    let cursors: BTreeSet<&str> = read.iter().map(|at| at.cursor.as_str()).collect();
    assert_eq!(cursors.len(), read.len());
    assert_whole(&mut client, &read);
    assert_sound(&mut client, "clinic");
    assert_eq!(all(&mut client, 1000), read);
}

/// A transaction of some kind, or an error that ends it.
fn transact(client: &mut Client, dice: &mut Dice, name: usize) -> Result<(), Error> {
    client.batch_execute("BEGIN")?;
    if dice.roll(4) == 0 {
        client.batch_execute("SELECT pg_current_xact_id(), pg_sleep(0.01)")?;
    }
    for _ in 0..=dice.roll(3) {
        let savepoint = dice.roll(3) == 0;
        if savepoint {
            client.batch_execute("SAVEPOINT s")?;
        }
        let id = dice.roll(5);
        let data = format!("{{\"name\": \"{name}\"}}");
        let sql = match dice.roll(8) {
            0 => format!(
                "INSERT INTO clinic.office (id, data) VALUES ('{id}', '{data}') ON CONFLICT (id) DO UPDATE SET data = excluded.data"
            ),
            1 => format!("UPDATE clinic.office SET data = '{data}' WHERE id = '{id}'"),
            2 => format!(
                "SELECT ingest.resource_upsert('clinic', 'office', '{id}', '{{\"data\": {data}}}')"
            ),
            3 => format!(
                "SELECT ingest.resource_upsert('clinic', 'provider', '{id}', '{{\"data\": {data}}}')"
            ),
            4 => format!(
                "DELETE FROM clinic.office WHERE id = '{id}' AND NOT EXISTS (SELECT FROM clinic.\"worksAt\" WHERE to_id = '{id}')"
            ),
            5 => format!(
                "INSERT INTO clinic.\"worksAt\" (from_id, to_id) SELECT p.id, o.id FROM clinic.provider AS p, clinic.office AS o WHERE o.id = '{id}' ON CONFLICT DO NOTHING"
            ),
            6 => format!("DELETE FROM clinic.\"worksAt\" WHERE to_id = '{id}'"),
            _ => format!(
                "INSERT INTO clinic.office (data) SELECT '{data}' FROM generate_series(1, 3)"
            ),
        };
        client.batch_execute(&sql)?;
        if savepoint {
            let end = ["ROLLBACK TO s", "RELEASE s"][dice.roll(2) as usize];
            client.batch_execute(end)?;
        }
        if dice.roll(6) == 0 {
            std::thread::sleep(Duration::from_millis(dice.roll(15)));
        }
    }
    match dice.roll(10) {
        0 => client.batch_execute("ROLLBACK"),
        1 => client.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())"),
        2 => {
            client.batch_execute(&format!("PREPARE TRANSACTION '{name}'"))?;
            std::thread::sleep(Duration::from_millis(dice.roll(10)));
            let end = ["COMMIT", "ROLLBACK"][dice.roll(2) as usize];
            client.batch_execute(&format!("{end} PREPARED '{name}'"))
        }
        _ => client.batch_execute("COMMIT"),
    }
}

/// Whether the session is over.
fn is_killed(error: &Error) -> bool {
    error.is_closed() || sqlstate(error) == "57P01"
}

/// Nobody else can say where a version is in the feed: what a statement writes there is nothing.
#[test]
fn place_in_the_feed_is_the_gates() {
    let (_database, mut client) = clinic_with_feed();
    for sql in [
        "INSERT INTO clinic.office (id, data, feed_place) VALUES ('a', '{}', 1)",
        "UPDATE clinic.office SET feed_place = 2",
        "UPDATE clinic.office SET feed_place = 3, data = '{\"name\": \"x\"}'",
        "UPDATE clinic.office SET feed_place = NULL",
        "INSERT INTO clinic.office (id, data, feed_place) VALUES ('a', '{}', 4) \
         ON CONFLICT (id) DO UPDATE SET feed_place = excluded.feed_place, data = excluded.data",
    ] {
        let before: i64 = value(&mut client, "SELECT pg_current_xact_id()::text::bigint");
        run(&mut client, sql);
        let (place, version): (i64, i32) = {
            let row = client.query_one("SELECT feed_place, version FROM clinic.office", &[]);
            let row = row.unwrap();
            (row.get(0), row.get(1))
        };
        match sql.contains("data") {
            true => assert!(place > before, "{sql}: {place} {version}"),
            false => assert!(place > 4 && place < before, "{sql}: {place} {version}"),
        }
    }
}

/// An erasure is an event, and takes what came before it along; of one version, it comes again, as
/// erased, to who has read it already.
#[test]
fn erasures_are_events() {
    let (_database, mut client) = clinic_with_feed();
    run(
        &mut client,
        "INSERT INTO clinic.office (id, data) VALUES ('a', '{\"name\": \"A\"}'), ('b', '{}');
         UPDATE clinic.office SET data = '{\"name\": \"AA\"}' WHERE id = 'a'",
    );
    settle(&mut client);
    let before = all(&mut client, 100);
    run(
        &mut client,
        "SELECT ingest.version_erase('clinic', 'office', 'a', 1, 'a name')",
    );
    settle(&mut client);
    let after = page(&mut client, Some(&before[2].cursor), 100).unwrap();
    assert_eq!(told(&after), ["office/a 1 erased"]);
    assert_eq!(after[0].data, None);
    run(
        &mut client,
        "SELECT ingest.resource_erase('clinic', 'office', 'a', 'asked for')",
    );
    settle(&mut client);
    let last = page(&mut client, Some(&after[0].cursor), 100).unwrap();
    assert_eq!(told(&last), ["office/a 3 erased"]);
    // Who reads anew finds nothing of it but that.
    assert_eq!(
        told(&all(&mut client, 1)),
        ["office/b 1 created", "office/a 3 erased"]
    );
    let reason: String = value(
        &mut client,
        "SELECT erased ->> 'reason' FROM ingest.feed_read('clinic') WHERE outcome = 'erased'",
    );
    assert_eq!(reason, "asked for");
    run(
        &mut client,
        "INSERT INTO clinic.office (id, data) VALUES ('a', '{}')",
    );
    settle(&mut client);
    let again = page(&mut client, Some(&last[0].cursor), 100).unwrap();
    assert_eq!(told(&again), ["office/a 4 created"]);
}

/// What was pruned before it was read is told, to who has lost something and to nobody else.
#[test]
fn reader_behind_a_prune_is_told() {
    let (_database, mut client) = clinic_with_feed();
    run(
        &mut client,
        "INSERT INTO clinic.office (id, data) VALUES ('a', '{}'); INSERT INTO clinic.provider (id, data) VALUES ('p', '{\"name\": \"x\"}')",
    );
    for name in ["b", "c", "d"] {
        run(
            &mut client,
            &format!("UPDATE clinic.office SET data = '{{\"name\": \"{name}\"}}'"),
        );
    }
    settle(&mut client);
    let read = all(&mut client, 100);
    assert_eq!(read.len(), 5);
    let of_providers = changes(
        &mut client,
        "feed_read('clinic', profiles => ARRAY['provider'])",
    )
    .unwrap();
    // Versions 1, 2 and 3, of which the last is read[3].
    let pruned: i64 = value(
        &mut client,
        "SELECT ingest.history_prune('clinic', 'office', keep => 1)",
    );
    assert_eq!(pruned, 3);
    for (at, change) in read.iter().enumerate() {
        let rest = page(&mut client, Some(&change.cursor), 100);
        match at {
            0..3 => {
                let gone = expect_sqlstate(rest, "PT410");
                assert!(gone.hint().unwrap().contains("after => NULL"), "{gone:?}");
            }
            _ => assert_eq!(told(&rest.unwrap()), told(&read[at + 1..]), "{at}"),
        }
    }
    let sql = format!(
        "feed_read('clinic', '{}', profiles => ARRAY['provider'])",
        of_providers[0].cursor
    );
    assert_eq!(changes(&mut client, &sql).unwrap(), []);
    // Who begins anew gets what is kept, and goes on with it page by page.
    assert_eq!(
        told(&all(&mut client, 1)),
        ["provider/p 1 created", "office/a 4 updated"]
    );
    // What is pruned later, and was read by then, is nothing to him.
    let begun = all(&mut client, 1);
    run(&mut client, "UPDATE clinic.office SET data = '{}'");
    settle(&mut client);
    let newest = page(&mut client, Some(&begun[1].cursor), 1).unwrap();
    assert_eq!(
        value::<i64>(
            &mut client,
            "SELECT ingest.history_prune('clinic', 'office', keep => 1)"
        ),
        1
    );
    assert_eq!(page(&mut client, Some(&begun[1].cursor), 1).unwrap(), {
        let again = page(&mut client, Some(&newest[0].cursor), 1).unwrap();
        assert_eq!(again, []);
        page(&mut client, Some(&begun[1].cursor), 1).unwrap()
    });
    expect_sqlstate(page(&mut client, Some(&begun[0].cursor), 1), "PT410");
    // One loss of a profile covers those before it.
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.feed_loss"),
        1
    );
}

/// A purge, and a drop with rows, take what was read as well: every reader is told.
#[test]
fn reader_is_told_of_a_purge_and_of_a_drop() {
    for (call, of_others) in [
        (
            "SELECT ingest.profile_purge('clinic', 'office', true)",
            vec!["provider/p 1 created"],
        ),
        (
            "SELECT ingest.profile_drop('clinic', 'office', true)",
            vec!["provider/p 1 created"],
        ),
        (
            "SELECT ingest.relationship_drop('clinic', 'worksAt', true)",
            vec!["office/a 1 created", "provider/p 1 created"],
        ),
    ] {
        let (_database, mut client) = clinic_with_feed();
        run(
            &mut client,
            "INSERT INTO clinic.office (id, data) VALUES ('a', '{}');
             INSERT INTO clinic.provider (id, data) VALUES ('p', '{\"name\": \"x\"}');
             INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p', 'a')",
        );
        settle(&mut client);
        let read = all(&mut client, 100);
        assert_eq!(read.len(), 3);
        run(&mut client, call);
        settle(&mut client);
        for change in &read {
            expect_sqlstate(page(&mut client, Some(&change.cursor), 100), "PT410");
        }
        let left = all(&mut client, 1);
        assert_eq!(told(&left), of_others, "{call}");
        assert_eq!(
            page(&mut client, Some(&left.last().unwrap().cursor), 9).unwrap(),
            []
        );
    }
}

/// A feed comes and goes by itself: for what is defined later, made again where it was broken, and
/// without a trace when it is dropped.
#[test]
fn feed_is_made_once_repaired_and_dropped() {
    let database = clinic::database("feed");
    let mut client = database.connect();
    let shape = "SELECT string_agg(attrelid::regclass::text || '.' || attname, ' ' ORDER BY 1) FROM pg_attribute \
        WHERE attname LIKE 'feed%' AND attrelid::regclass::text LIKE 'clinic.%' AND attrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r')";
    let columns = |client: &mut Client| {
        let found: Option<String> = value(client, shape);
        found.map_or(0, |found| found.split(' ').count())
    };
    let outcome = |client: &mut Client, call: &str| -> String {
        value(client, &format!("SELECT ingest.{call} ->> 'outcome'"))
    };
    assert_eq!(columns(&mut client), 0);
    assert_eq!(outcome(&mut client, "feed_create('clinic')"), "created");
    assert_eq!(outcome(&mut client, "feed_create('clinic')"), "unchanged");
    // What is not said is what the signature says, wherever.
    for call in [
        "feed_create('clinic', NULL)",
        "feed_create('clinic', notify => NULL)",
        "feed_create('clinic', true)",
    ] {
        assert_eq!(outcome(&mut client, call), "unchanged", "{call}");
    }
    for call in [
        "feed_read('clinic', NULL, NULL, NULL)",
        "feed_read('clinic', count => NULL)",
    ] {
        assert_eq!(changes(&mut client, call).unwrap(), [], "{call}");
    }
    assert_eq!(
        outcome(&mut client, "feed_create('clinic', false)"),
        "updated"
    );
    assert_eq!(columns(&mut client), 8);
    clinic::define(
        &mut client,
        "clinic",
        "room",
        &json!({"type": "ROOT", "properties": {}}),
    )
    .unwrap();
    clinic::define_relationship(
        &mut client,
        "isIn",
        &json!({"from": {"profileKey": "room"}, "to": {"profileKey": "office"}}),
    )
    .unwrap();
    assert_eq!(columns(&mut client), 12);
    assert_eq!(
        outcome(&mut client, "feed_create('clinic', false)"),
        "unchanged"
    );
    let problems = "SELECT coalesce(string_agg(severity || ': ' || object || ' ' || problem, '; ' ORDER BY object), '') FROM ingest.doctor('clinic')";
    assert_eq!(value::<String>(&mut client, problems), "");
    run(
        &mut client,
        "INSERT INTO clinic.room (id, data) VALUES ('r', '{}');
         DROP INDEX clinic.room_feed_place_updated_at_id_version_idx;
         ALTER TABLE clinic.office_history DROP COLUMN feed_place;
         ALTER TABLE clinic.provider DROP COLUMN feed_place",
    );
    assert_eq!(
        value::<String>(&mut client, problems),
        "error: clinic.office_history the column feed_place of the feed is missing; \
         warning: clinic.office_history the index of the feed is missing; \
         error: clinic.provider the column feed_place of the feed is missing; \
         warning: clinic.provider the index of the feed is missing; \
         error: clinic.provider_history its places in the feed are not those of its table; \
         warning: clinic.room the index of the feed is missing"
    );
    let refused =
        client.batch_execute("INSERT INTO clinic.provider (data) VALUES ('{\"name\": \"x\"}')");
    let refused = expect_sqlstate(refused, "PT400");
    assert!(
        refused.hint().unwrap().contains("ingest.feed_create"),
        "{refused:?}"
    );
    assert_eq!(
        outcome(&mut client, "feed_create('clinic', false)"),
        "repaired"
    );
    assert_eq!(value::<String>(&mut client, problems), "");
    settle(&mut client);
    let read = all(&mut client, 10);
    assert_eq!(told(&read), ["room/r 1 created"]);
    // Without a feed again: nothing is left, and a cursor of the one before is of no other.
    run(
        &mut client,
        "SELECT ingest.consumer_create('clinic', 'c'); SELECT ingest.feed_drop('clinic')",
    );
    assert_eq!(columns(&mut client), 0);
    assert_eq!(value::<String>(&mut client, problems), "");
    for table in ["feed", "feed_loss", "feed_consumer"] {
        assert_eq!(
            value::<i64>(&mut client, &format!("SELECT count(*) FROM ingest.{table}")),
            0
        );
    }
    run(
        &mut client,
        "UPDATE clinic.room SET data = '{}'; DELETE FROM clinic.room",
    );
    for call in ["feed_read('clinic')", "consumer_next('clinic', 'c')"] {
        expect_sqlstate(changes(&mut client, call), "PT404");
    }
    expect_sqlstate(
        client.batch_execute("SELECT ingest.feed_drop('clinic')"),
        "PT404",
    );
    create(&mut client);
    expect_sqlstate(page(&mut client, Some(&read[0].cursor), 10), "PT410");
    settle(&mut client);
    assert_eq!(
        told(&all(&mut client, 1)),
        ["room/r 1 created", "room/r 2 deleted"]
    );
    run(&mut client, "SELECT ingest.source_drop('clinic', true)");
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.feed"),
        0
    );
}

/// What a repair cannot bring back is told to who has not read it: the places of rows whose column was
/// dropped, versions whose table was. Who begins anew gets what is there, in its order.
#[test]
fn reader_of_what_was_repaired_is_told() {
    let again = "SELECT ingest.feed_create('clinic')";
    let define = "SELECT ingest.profile_define(source, profile, definition) FROM ingest.profile_version \
        WHERE profile = 'office' ORDER BY version DESC LIMIT 1";
    for (broken, repair, left) in [
        (
            "ALTER TABLE clinic.office DROP COLUMN feed_place",
            again,
            vec![
                "office/a 1 created",
                "office/a 2 updated",
                "office/a 3 deleted",
                "office/b 1 created",
                "office/b 2 updated",
            ],
        ),
        (
            "ALTER TABLE clinic.office_history DROP COLUMN feed_place",
            define,
            vec![
                "office/a 1 created",
                "office/a 2 updated",
                "office/a 3 deleted",
                "office/b 1 created",
                "office/b 2 updated",
            ],
        ),
        (
            "ALTER TABLE clinic.office DROP COLUMN feed_place; ALTER TABLE clinic.office_history DROP COLUMN feed_place",
            define,
            vec![
                "office/a 1 created",
                "office/a 2 updated",
                "office/a 3 deleted",
                "office/b 1 created",
                "office/b 2 updated",
            ],
        ),
        (
            "DROP TABLE clinic.office_history",
            again,
            vec!["office/b 2 updated"],
        ),
        // The link table has lost its key with it.
        (
            "DROP TABLE clinic.office CASCADE",
            again,
            vec![
                "office/a 1 created",
                "office/a 2 updated",
                "office/a 3 deleted",
                "office/b 1 created",
            ],
        ),
    ] {
        let (_database, mut client) = clinic_with_feed();
        run(
            &mut client,
            "INSERT INTO clinic.provider (id, data) VALUES ('p', '{\"name\": \"x\"}');
             INSERT INTO clinic.office (id, data) VALUES ('a', '{}'), ('b', '{}');
             UPDATE clinic.office SET data = '{\"name\": \"1\"}';
             DELETE FROM clinic.office WHERE id = 'a'",
        );
        settle(&mut client);
        let read = all(&mut client, 3);
        let (first, last) = (&read[1].cursor, &read[read.len() - 1].cursor);
        assert_eq!(
            page(&mut client, Some(first), 9).unwrap().len(),
            4,
            "{broken}"
        );
        run(&mut client, broken);
        run(&mut client, repair);
        settle(&mut client);
        for cursor in [first, last] {
            expect_sqlstate(page(&mut client, Some(cursor), 9), "PT410");
        }
        let of_others = "feed_read('clinic', profiles => ARRAY['provider'])";
        let others = changes(&mut client, of_others).unwrap();
        let of_others = format!(
            "feed_read('clinic', '{}', 9, ARRAY['provider'])",
            others[0].cursor
        );
        assert_eq!(changes(&mut client, &of_others).unwrap(), []);
        // A version comes after those before it, of what was there and of what comes.
        let mut anew = told(&all(&mut client, 2));
        let at = anew
            .iter()
            .position(|change| change == "provider/p 1 created");
        anew.remove(at.unwrap());
        anew.sort_by_key(|change| change.split(' ').next().map(str::to_owned));
        assert_eq!(anew, left, "{broken}");
        let cursor = all(&mut client, 9).pop().unwrap().cursor;
        run(
            &mut client,
            "UPDATE clinic.office SET data = '{\"name\": \"2\"}';
             INSERT INTO clinic.office (id, data) VALUES ('a', '{}')",
        );
        settle(&mut client);
        let next = page(&mut client, Some(&cursor), 9).unwrap();
        let updated = left
            .contains(&"office/b 2 updated")
            .then_some("office/b 3 updated");
        let created = match left.contains(&"office/a 3 deleted") {
            true => "office/a 4 created",
            false => "office/a 1 created",
        };
        let expected: Vec<&str> = updated.into_iter().chain([created]).collect();
        assert_eq!(told(&next), expected, "{broken}");
        let problems = "SELECT count(*) FROM ingest.doctor('clinic')";
        assert_eq!(value::<i64>(&mut client, problems), 0, "{broken}");
    }
}

/// A column of the user's own is not taken for that of a feed, and what he makes of the feed's column
/// is not dropped.
#[test]
fn column_of_the_users_own_is_left_alone() {
    let database = clinic::database("feed");
    let mut client = database.connect();
    run(
        &mut client,
        "ALTER TABLE clinic.office ADD COLUMN feed_place bigint; INSERT INTO clinic.office (id, data, feed_place) VALUES ('a', '{}', 7)",
    );
    let refused = expect_sqlstate(
        client.batch_execute("SELECT ingest.feed_create('clinic')"),
        "PT409",
    );
    assert!(
        refused.hint().unwrap().contains("RENAME COLUMN"),
        "{refused:?}"
    );
    run(&mut client, "UPDATE clinic.office SET feed_place = 8");
    assert_eq!(
        value::<i64>(&mut client, "SELECT feed_place FROM clinic.office"),
        8
    );
    run(
        &mut client,
        "ALTER TABLE clinic.office RENAME COLUMN feed_place TO mine",
    );
    create(&mut client);
    run(
        &mut client,
        "CREATE VIEW public.places AS SELECT feed_place FROM clinic.office",
    );
    let refused = expect_sqlstate(
        client.batch_execute("SELECT ingest.feed_drop('clinic')"),
        "PT409",
    );
    assert!(refused.hint().unwrap().contains("places"), "{refused:?}");
    run(
        &mut client,
        "DROP VIEW public.places; SELECT ingest.feed_drop('clinic')",
    );
    assert_eq!(
        value::<i64>(&mut client, "SELECT mine FROM clinic.office"),
        8
    );
}

/// Policies and grants hold as they do for a SELECT; a reader of all who may not read one is refused,
/// and not given less.
#[test]
fn reader_sees_what_he_may_see() {
    let (mut database, mut client) = clinic_with_feed();
    let role = database.create_role("reader", "");
    run(
        &mut client,
        &format!(
            "SELECT ingest.source_grant('clinic', '{role}', 'read');
             ALTER TABLE clinic.office ENABLE ROW LEVEL SECURITY;
             CREATE POLICY red ON clinic.office USING (data ->> 'note' = 'red');
             SELECT ingest.source_secure('clinic');
             INSERT INTO clinic.office (id, data) VALUES ('r', '{{\"note\": \"red\"}}'), ('b', '{{\"note\": \"blue\"}}');
             INSERT INTO clinic.provider (id, data) VALUES ('p', '{{\"name\": \"x\"}}');
             INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p', 'r'), ('p', 'b');
             UPDATE clinic.office SET data = data || '{{\"name\": \"n\"}}'"
        ),
    );
    settle(&mut client);
    let mut reader = database.connect_as(&role);
    assert_eq!(
        told(&all(&mut reader, 2)),
        [
            "office/r 1 created",
            "provider/p 1 created",
            "worksAt/provider.p,office.r 1 created",
            "office/r 2 updated"
        ]
    );
    assert_eq!(all(&mut client, 2).len(), 7);
    // The index serves him too.
    let plan: Vec<String> = {
        run(&mut reader, "SET enable_seqscan = off");
        let sql = "EXPLAIN SELECT feed_place, updated_at, id, version FROM ONLY clinic.office \
            WHERE (feed_place, updated_at, id, version) > (5, '2000-01-01', 'a', 1) AND feed_place < 99 \
            ORDER BY feed_place, updated_at, id, version LIMIT 5";
        reader
            .query(sql, &[])
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect()
    };
    assert!(
        plan.join("\n").contains("Index Cond: ((ROW(feed_place"),
        "{plan:?}"
    );
    run(
        &mut client,
        &format!("REVOKE SELECT ON clinic.provider_history FROM \"{role}\""),
    );
    expect_sqlstate(page(&mut reader, None, 9), "42501");
    assert_eq!(
        changes(
            &mut reader,
            "feed_read('clinic', profiles => ARRAY['office'])"
        )
        .unwrap()
        .len(),
        2
    );
    // Nor does he get a consumer with which he could not go on.
    let of_all = "SELECT ingest.consumer_create('clinic', 'c')";
    expect_sqlstate(reader.batch_execute(of_all), "42501");
    run(
        &mut reader,
        "SELECT ingest.consumer_create('clinic', 'c', profiles => ARRAY['office'])",
    );
    for call in ["feed_create('clinic')", "feed_drop('clinic')"] {
        expect_sqlstate(
            reader.batch_execute(&format!("SELECT ingest.{call}")),
            "42501",
        );
    }
    run(
        &mut client,
        &format!("SELECT ingest.source_revoke('clinic', '{role}')"),
    );
    for call in ["feed_read('clinic')", "feed_read('nothing')"] {
        expect_sqlstate(changes(&mut reader, call), "42501");
    }
    expect_sqlstate(
        reader.batch_execute("SELECT ingest.feed_end('clinic')"),
        "42501",
    );
    let visible: i64 = value(&mut reader, "SELECT count(*) FROM ingest.feed");
    assert_eq!(visible, 0);
    expect_sqlstate(
        reader.batch_execute("SELECT FROM ingest.feed_loss"),
        "42501",
    );
}

/// A policy that shows another row at each look, as a volatile function can, moves no row out of a
/// page: it is refused, and read again.
#[test]
fn page_that_policies_have_changed_is_read_again() {
    let (mut database, mut client) = clinic_with_feed();
    let role = database.create_role("reader", "");
    run(
        &mut client,
        &format!(
            "SELECT ingest.source_grant('clinic', '{role}', 'read');
             INSERT INTO clinic.office (id, data) VALUES ('a', '{{}}'), ('b', '{{}}'), ('c', '{{}}');
             INSERT INTO clinic.provider (id, data) VALUES ('p', '{{\"name\": \"x\"}}');
             UPDATE clinic.office SET data = '{{\"name\": \"n\"}}';
             CREATE SEQUENCE public.looks;
             GRANT ALL ON SEQUENCE public.looks TO PUBLIC;
             ALTER TABLE clinic.office ENABLE ROW LEVEL SECURITY;
             ALTER TABLE clinic.office_history ENABLE ROW LEVEL SECURITY"
        ),
    );
    settle(&mut client);
    let mut reader = database.connect_as(&role);
    for (living, archived) in [
        ("true", "id <> 'b' OR nextval('public.looks') > 1"),
        ("id <> 'b' OR nextval('public.looks') > 1", "true"),
        ("true", "id <> 'b' OR nextval('public.looks') <> 2"),
    ] {
        run(
            &mut client,
            &format!(
                "ALTER SEQUENCE public.looks RESTART;
                 DROP POLICY IF EXISTS reader ON clinic.office;
                 DROP POLICY IF EXISTS reader ON clinic.office_history;
                 CREATE POLICY reader ON clinic.office FOR SELECT USING ({living});
                 CREATE POLICY reader ON clinic.office_history FOR SELECT USING ({archived})"
            ),
        );
        expect_sqlstate(page(&mut reader, None, 9), "40001");
        assert_eq!(all(&mut reader, 2).len(), 7, "{living}, {archived}");
    }
}

/// Whatever is not a cursor is told so; a cursor of another source, or for other profiles, too.
#[test]
fn wrong_cursors_and_counts_are_refused() {
    let (_database, mut client) = clinic_with_feed();
    run(
        &mut client,
        "INSERT INTO clinic.office (id, data) VALUES ('a', '{}');
         SELECT ingest.source_create('other'); SELECT ingest.feed_create('other')",
    );
    settle(&mut client);
    let cursor = all(&mut client, 1)[0].cursor.clone();
    for at in 0..cursor.len() {
        let mut cut = cursor.clone();
        cut.truncate(at);
        expect_sqlstate(page(&mut client, Some(&cut), 1), "PT400");
        let mut other = cursor.clone();
        let digit = if &cursor[at..=at] == "A" { "B" } else { "A" };
        other.replace_range(at..=at, digit);
        expect_sqlstate(page(&mut client, Some(&other), 1), "PT400");
    }
    // More than one digit, of a long one: some left out, some in another order.
    let long = "x".repeat(64);
    run(
        &mut client,
        &format!("INSERT INTO clinic.office (id, data) VALUES ('{long}', '{{}}')"),
    );
    settle(&mut client);
    let long = all(&mut client, 9).pop().unwrap().cursor;
    for at in 0..long.len() - 4 {
        let (before, rest) = long.split_at(at);
        let digits: Vec<char> = rest.chars().collect();
        let others = [
            rest[1..].to_owned(),
            rest[4..].to_owned(),
            format!("{}{}{}", digits[1], digits[0], &rest[2..]),
            format!("{}{}{}", &rest[2..4], &rest[..2], &rest[4..]),
        ];
        for other in others.iter().filter(|other| *other != rest) {
            let mistyped = format!("{before}{other}");
            if mistyped != long {
                expect_sqlstate(page(&mut client, Some(&mistyped), 1), "PT400");
            }
        }
    }
    for wrong in [
        "",
        "x",
        "ü",
        "=",
        &"A".repeat(60_000),
        &format!("{cursor}A"),
    ] {
        expect_sqlstate(page(&mut client, Some(wrong), 1), "PT400");
    }
    for call in [
        format!("feed_read('other', '{cursor}')"),
        format!("feed_read('clinic', '{cursor}', profiles => ARRAY['office'])"),
    ] {
        expect_sqlstate(changes(&mut client, &call), "PT410");
    }
    for count in ["0", "-1", "10001", "2147483647"] {
        expect_sqlstate(
            changes(
                &mut client,
                &format!("feed_read('clinic', count => {count})"),
            ),
            "PT400",
        );
    }
    assert_eq!(
        changes(&mut client, "feed_read('clinic', count => NULL)")
            .unwrap()
            .len(),
        2
    );
    for (profiles, state) in [
        ("ARRAY['none']", "PT404"),
        ("ARRAY['paymentMethod']", "PT400"),
        ("ARRAY[NULL]::text[]", "PT400"),
        ("ARRAY['a b']", "PT400"),
    ] {
        expect_sqlstate(
            changes(
                &mut client,
                &format!("feed_read('clinic', profiles => {profiles})"),
            ),
            state,
        );
    }
    assert_eq!(
        changes(&mut client, "feed_read('clinic', profiles => '{}')").unwrap(),
        []
    );
    // The end is where what comes next begins.
    let end: String = value(&mut client, "SELECT ingest.feed_end('clinic')");
    assert_eq!(page(&mut client, Some(&end), 9).unwrap(), []);
    run(
        &mut client,
        "INSERT INTO clinic.office (id, data) VALUES ('b', '{}')",
    );
    settle(&mut client);
    assert_eq!(
        told(&page(&mut client, Some(&end), 9).unwrap()),
        ["office/b 1 created"]
    );
}

/// Who listens is told once by each transaction that made a version, and of sources with a feed alone.
#[test]
fn transactions_notify_once() {
    let (database, mut client) = clinic_with_feed();
    run(
        &mut client,
        "SELECT ingest.source_create('quiet');
         SELECT ingest.profile_define('quiet', 'office', '{\"type\": \"ROOT\", \"properties\": {}}')",
    );
    let mut listener = database.connect();
    run(&mut listener, "LISTEN ingest_feed");
    for sql in [
        "INSERT INTO clinic.office (id, data) SELECT n::text, '{}' FROM generate_series(1, 100) AS n",
        "BEGIN; SAVEPOINT a; UPDATE clinic.office SET data = '{\"name\": \"x\"}' WHERE id = '1'; ROLLBACK TO a;
         UPDATE clinic.office SET data = '{\"name\": \"y\"}' WHERE id = '1'; SAVEPOINT b; DELETE FROM clinic.office WHERE id = '2'; COMMIT",
        "DELETE FROM clinic.office WHERE id = '3'",
        "SELECT ingest.resource_erase('clinic', 'office', '4', 'why')",
        // None of these makes a version there.
        "UPDATE clinic.office SET data = data",
        "INSERT INTO quiet.office (data) VALUES ('{}')",
        "BEGIN; DELETE FROM clinic.office WHERE id = '5'; ROLLBACK",
        "SELECT ingest.feed_create('clinic', false); DELETE FROM clinic.office WHERE id = '6'",
    ] {
        run(&mut client, sql);
    }
    let mut notifications = listener.notifications();
    let told: Vec<(String, String)> = notifications
        .timeout_iter(Duration::from_millis(500))
        .map(|told| Ok((told.channel().to_owned(), told.payload().to_owned())))
        .collect()
        .unwrap();
    assert_eq!(
        told,
        vec![("ingest_feed".to_owned(), "clinic".to_owned()); 4]
    );
}

/// Workers of one consumer, some of which are killed or give up: what each has done with its work in
/// one transaction is done once.
#[test]
fn consumers_work_is_done_once() {
    let (database, mut client) = clinic_with_feed();
    run(
        &mut client,
        "CREATE TABLE public.done (profile text, id text, version int, at bigserial, PRIMARY KEY (profile, id, version));
         SELECT ingest.consumer_create('clinic', 'mirror')",
    );
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (database, over) = (&database, &over);
            scope.spawn(move || {
                let mut dice = Dice(77 + worker);
                let mut client = database.connect();
                loop {
                    let last = over.load(Ordering::Acquire);
                    match work(&mut client, &mut dice) {
                        Ok(0) if last => break,
                        Ok(_) => {}
                        Err(error) if is_killed(&error) => client = database.connect(),
                        Err(error) => panic!("{error:?}"),
                    }
                }
            });
        }
        for round in 0..30 {
            run(
                &mut client,
                &format!("INSERT INTO clinic.office (id, data) VALUES ('{}', '{{\"name\": \"{round}\"}}')
                    ON CONFLICT (id) DO UPDATE SET data = excluded.data", round % 7),
            );
        }
        settle(&mut client);
        over.store(true, Ordering::Release);
    });
    let done: Vec<(String, String, i32)> = client
        .query(
            "SELECT profile, id, version FROM public.done ORDER BY at",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    let all = all(&mut client, 1000).into_iter();
    let all: Vec<_> = all.map(|at| (at.profile, at.id, at.version)).collect();
    assert_eq!(done, all);
}

/// A turn of a worker: how many versions it was given.
fn work(client: &mut Client, dice: &mut Dice) -> Result<usize, Error> {
    let mut transaction = client.transaction()?;
    let next = changes(&mut transaction, "consumer_next('clinic', 'mirror', 3)")?;
    for change in &next {
        transaction.execute(
            "INSERT INTO public.done (profile, id, version) VALUES ($1, $2, $3)",
            &[&change.profile, &change.id, &change.version],
        )?;
    }
    if let Some(last) = next.last() {
        transaction.execute(
            "SELECT ingest.consumer_done('clinic', 'mirror', $1)",
            &[&last.cursor],
        )?;
    }
    match (next.is_empty(), dice.roll(4)) {
        (false, 0) => {
            transaction.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())")?;
            transaction.commit()?;
        }
        (false, 1) => transaction.rollback()?,
        _ => transaction.commit()?,
    }
    Ok(next.len())
}

/// The twin of a worker waits for it, and goes on after what that has done; a consumer is its role's,
/// and never goes back.
#[test]
fn consumer_is_held_by_one_and_moves_forward() {
    let (mut database, mut client) = clinic_with_feed();
    let role = database.create_role("reader", "");
    run(
        &mut client,
        &format!(
            "SELECT ingest.source_grant('clinic', '{role}', 'read');
             INSERT INTO clinic.office (id, data) SELECT n::text, '{{}}' FROM generate_series(1, 4) AS n;
             INSERT INTO clinic.provider (id, data) VALUES ('p', '{{\"name\": \"x\"}}');
             SELECT ingest.consumer_create('clinic', 'c', profiles => ARRAY['office'])"
        ),
    );
    settle(&mut client);
    let mut twin = database.connect();
    let pid = backend_pid(&mut twin);
    let mut first = client.transaction().unwrap();
    let next = changes(&mut first, "consumer_next('clinic', 'c', 2)").unwrap();
    assert_eq!(told(&next), ["office/1 1 created", "office/2 1 created"]);
    let done = |cursor: &str| format!("SELECT ingest.consumer_done('clinic', 'c', '{cursor}')");
    let second = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| changes(&mut twin, "consumer_next('clinic', 'c', 9)"));
        wait_until_blocked(&mut database.connect(), pid);
        first.batch_execute(&done(&next[1].cursor)).unwrap();
        first.commit().unwrap();
        waiting.join().unwrap().unwrap()
    });
    assert_eq!(told(&second), ["office/3 1 created", "office/4 1 created"]);
    run(&mut client, &done(&second[0].cursor));
    run(&mut client, &done(&second[0].cursor));
    expect_sqlstate(client.batch_execute(&done(&next[0].cursor)), "PT409");
    expect_sqlstate(client.batch_execute(&done("x")), "PT400");
    let of_all = all(&mut client, 9)[0].cursor.clone();
    expect_sqlstate(client.batch_execute(&done(&of_all)), "PT410");
    expect_sqlstate(
        client.batch_execute("SELECT ingest.consumer_create('clinic', 'c')"),
        "PT409",
    );
    expect_sqlstate(
        client.batch_execute("SELECT ingest.consumer_create('clinic', 'a b')"),
        "PT400",
    );
    let mut other = database.connect_as(&role);
    for call in [
        "consumer_next('clinic', 'c')",
        &format!("consumer_done('clinic', 'c', '{}')", second[1].cursor),
        "consumer_drop('clinic', 'c')",
    ] {
        expect_sqlstate(
            other.batch_execute(&format!("SELECT ingest.{call}")),
            "42501",
        );
    }
    for call in [
        "consumer_next('clinic', 'n')",
        "consumer_done('clinic', 'n', '')",
        "consumer_drop('clinic', 'n')",
    ] {
        expect_sqlstate(
            other.batch_execute(&format!("SELECT ingest.{call}")),
            "PT404",
        );
    }
    run(
        &mut other,
        "SELECT ingest.consumer_create('clinic', 'mine')",
    );
    assert_eq!(
        changes(&mut other, "consumer_next('clinic', 'mine')")
            .unwrap()
            .len(),
        5
    );
    // Who defines in the source can clear away what is left.
    run(
        &mut client,
        "SELECT ingest.consumer_drop('clinic', 'mine'); SELECT ingest.consumer_drop('clinic', 'c')",
    );
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.feed_consumer"),
        0
    );
}

/// A cursor says which resource was read last, to people who may not read it. So a consumer is shown to
/// its role, to who belongs to that, and to who defines in the source.
#[test]
fn consumer_is_shown_to_its_role() {
    let (mut database, mut client) = clinic_with_feed();
    let [role, member, other, user, definer, owner] =
        ["reader", "member", "other", "user", "definer", "owner"]
            .map(|name| database.create_role(name, ""));
    run(
        &mut client,
        &format!(
            "SELECT ingest.source_grant('clinic', role, 'read') FROM unnest(ARRAY['{role}', '{other}']) AS role;
             GRANT \"{role}\" TO \"{member}\";
             GRANT USAGE ON SCHEMA clinic TO \"{user}\", \"{member}\";
             INSERT INTO clinic.office (id, data) VALUES ('somebody', '{{}}')"
        ),
    );
    settle(&mut client);
    let mut reader = database.connect_as(&role);
    run(
        &mut reader,
        "SELECT ingest.consumer_create('clinic', 'c', cursor) FROM ingest.feed_read('clinic')",
    );
    let seen = |name: &str| -> i64 {
        let mut client = database.connect_as(name);
        value(
            &mut client,
            "SELECT count(*) FROM ingest.feed_consumer WHERE cursor IS NOT NULL",
        )
    };
    assert_eq!([&role, &member].map(|name| seen(name)), [1, 1]);
    assert_eq!([&other, &user, &definer].map(|name| seen(name)), [0, 0, 0]);
    run(
        &mut client,
        &format!(
            "ALTER SCHEMA clinic OWNER TO \"{owner}\";
             GRANT \"{owner}\" TO \"{definer}\""
        ),
    );
    assert_eq!(seen(&definer), 1);
    run(
        &mut client,
        &format!("REVOKE USAGE ON SCHEMA clinic FROM \"{role}\""),
    );
    assert_eq!(seen(&role), 0);
}

/// What a consumer reads of is kept once, however often it was said.
#[test]
fn profiles_of_a_consumer_are_kept_once() {
    let (_database, mut client) = clinic_with_feed();
    for (name, given, kept) in [
        (
            "many",
            "array_fill('office'::text, ARRAY[50000])",
            "{office}",
        ),
        (
            "nested",
            "'{{provider,office},{office,provider}}'",
            "{office,provider}",
        ),
        ("shifted", "'[7:8]={worksAt,office}'", "{office,worksAt}"),
        ("none", "'{}'", "{}"),
    ] {
        run(
            &mut client,
            &format!("SELECT ingest.consumer_create('clinic', '{name}', profiles => {given})"),
        );
        let sql =
            format!("SELECT profiles::text FROM ingest.feed_consumer WHERE consumer = '{name}'");
        assert_eq!(value::<String>(&mut client, &sql), kept);
        // It goes on as it was made.
        run(
            &mut client,
            &format!(
                "SELECT ingest.consumer_done('clinic', '{name}', ingest.feed_end('clinic', {given}))"
            ),
        );
    }
}

/// In a transaction with an old snapshot the feed is that of the snapshot, and a consumer who has moved
/// since is a failure that a retry cures.
#[test]
fn reader_with_an_old_snapshot_reads_as_of_then() {
    let (database, mut client) = clinic_with_feed();
    run(
        &mut client,
        "INSERT INTO clinic.office (id, data) VALUES ('a', '{}'); SELECT ingest.consumer_create('clinic', 'c')",
    );
    settle(&mut client);
    let mut old = database.connect();
    run(&mut old, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    let before = all(&mut old, 9);
    assert_eq!(told(&before), ["office/a 1 created"]);
    run(
        &mut client,
        "UPDATE clinic.office SET data = '{\"name\": \"x\"}'",
    );
    settle(&mut client);
    assert_eq!(all(&mut old, 9), before);
    let last = all(&mut client, 9)[1].cursor.clone();
    // A cursor of what comes later is no mistake.
    assert_eq!(page(&mut old, Some(&last), 9).unwrap(), []);
    run(
        &mut client,
        &format!("SELECT ingest.consumer_done('clinic', 'c', '{last}')"),
    );
    assert_eq!(
        changes(&mut old, "consumer_next('clinic', 'c')").unwrap(),
        []
    );
    let moved = old.batch_execute(&format!(
        "SELECT ingest.consumer_done('clinic', 'c', '{last}')"
    ));
    assert_eq!(sqlstate(&moved.unwrap_err()), "40001");
}

/// A source of FHIR has a feed of whole resources.
#[test]
fn feed_of_fhir_gives_resources() {
    let (_database, mut client) = fhir_bundle::database("feed");
    run(&mut client, "SELECT ingest.feed_create('fhir')");
    run(
        &mut client,
        "INSERT INTO fhir.\"Patient\" (data) VALUES ('{\"resourceType\": \"Patient\", \"id\": \"p\"}');
         UPDATE fhir.\"Patient\" SET data = data || '{\"active\": true}';
         DELETE FROM fhir.\"Patient\"",
    );
    settle(&mut client);
    let rows = client
        .query(
            "SELECT id, version, outcome::text, resource FROM ingest.feed_read('fhir')",
            &[],
        )
        .unwrap();
    let read: Vec<(i32, String)> = rows.iter().map(|row| (row.get(1), row.get(2))).collect();
    assert_eq!(
        read,
        [
            (1, "created".into()),
            (2, "updated".into()),
            (3, "deleted".into())
        ]
    );
    let second: Value = rows[1].get(3);
    assert_eq!(second["meta"]["versionId"], "2");
    assert_eq!(second["active"], true);
    assert_eq!(rows[2].get::<_, Option<Value>>(3), None);
}

/// The server of a dump is another: its cursors are told so, the feed begins anew there when it is
/// asked to, and what is written from then on comes after all that was brought.
#[test]
fn feed_restored_elsewhere_begins_anew() {
    let (database, mut client) = clinic_with_feed();
    run(
        &mut client,
        "INSERT INTO clinic.office (id, data) VALUES ('a', '{}'), ('b', '{}'); SELECT ingest.consumer_create('clinic', 'c')",
    );
    run(
        &mut client,
        "UPDATE clinic.office SET data = '{\"name\": \"x\"}' WHERE id = 'a'",
    );
    settle(&mut client);
    let before = all(&mut client, 9);
    assert_eq!(before.len(), 3);
    let last = before[2].cursor.clone();
    run(
        &mut client,
        &format!("SELECT ingest.consumer_done('clinic', 'c', '{last}')"),
    );
    let dump = crate::dump::run("pg_dump", &["-d", &database.url()]).stdout;
    let dump = String::from_utf8(dump).unwrap();

    // Here: another database of the same server. It needs nothing, and its feed is another.
    let restored = Database::empty("restored");
    let session = psql::run(&restored, &dump);
    assert!(session.succeeded, "{}", session.output);
    let mut here = restored.connect();
    expect_sqlstate(page(&mut here, Some(&last), 9), "PT410");
    expect_sqlstate(changes(&mut here, "consumer_next('clinic', 'c')"), "PT410");
    assert_eq!(told(&all(&mut here, 2)), told(&before));
    let of_restored = all(&mut here, 9)[0].cursor.clone();
    here.close().unwrap();
    let copy = Database::copy_of(&restored);
    expect_sqlstate(page(&mut copy.connect(), Some(&of_restored), 9), "PT410");

    // Elsewhere: a server that has counted less far.
    let cluster = Cluster::start("feed-restored", &["fsync=off"]);
    let mut there = cluster.connect("postgres");
    run_dump(&mut there, &dump);
    let far: i64 = value(
        &mut there,
        "SELECT max(feed_place) - pg_current_xact_id()::text::bigint FROM clinic.office",
    );
    assert!(
        far > 0,
        "the server of the test has counted too little to show it: {far}"
    );
    for after in [None, Some(last.as_str())] {
        let gone = expect_sqlstate(page(&mut there, after, 9), "PT410");
        assert!(
            gone.hint()
                .unwrap()
                .contains("ingest.feed_create('clinic')"),
            "{gone:?}"
        );
    }
    let doctor: String = value(
        &mut there,
        "SELECT severity || ' ' || hint FROM ingest.doctor('clinic')",
    );
    assert!(
        doctor.starts_with("error ingest.feed_create('clinic')"),
        "{doctor}"
    );
    run(
        &mut there,
        "UPDATE clinic.office SET data = '{\"name\": \"y\"}' WHERE id = 'a'",
    );
    assert_eq!(create(&mut there)["outcome"], "created");
    expect_sqlstate(page(&mut there, Some(&last), 9), "PT410");
    let all_there = all(&mut there, 2);
    assert_whole(&mut there, &all_there);
    run(
        &mut there,
        "UPDATE clinic.office SET data = '{\"name\": \"z\"}' WHERE id = 'a'; UPDATE clinic.office SET data = '{\"name\": \"z\"}'; DELETE FROM clinic.office WHERE id = 'b'",
    );
    let rest = page(&mut there, Some(&all_there.last().unwrap().cursor), 9).unwrap();
    assert_eq!(
        told(&rest),
        [
            "office/a 4 updated",
            "office/b 2 updated",
            "office/b 3 deleted"
        ]
    );
    assert_eq!(create(&mut there)["outcome"], "unchanged");
}

fn run_dump(client: &mut Client, dump: &str) {
    // COPY from a script is psql's own.
    let (mut sql, mut lines) = (String::new(), dump.lines());
    while let Some(line) = lines.next() {
        if line.starts_with("COPY ") {
            run(client, &sql);
            sql.clear();
            let rows: String = lines
                .by_ref()
                .take_while(|line| *line != "\\.")
                .map(|line| format!("{line}\n"))
                .collect();
            let mut writer = client.copy_in(line.trim_end_matches(';')).unwrap();
            std::io::Write::write_all(&mut writer, rows.as_bytes()).unwrap();
            writer.finish().unwrap();
        } else if !line.starts_with('\\') {
            sql.push_str(line);
            sql.push('\n');
        }
    }
    run(client, &sql);
}

/// Tables whose catalog was lost have columns of a feed that says nothing: writes go on, and a feed
/// that is made begins with what is there.
#[test]
fn feed_of_adopted_tables_begins_anew() {
    let (_database, mut client) = clinic_with_feed();
    run(
        &mut client,
        "INSERT INTO clinic.office (id, data) VALUES ('a', '{}'); UPDATE clinic.office SET data = '{\"name\": \"x\"}'",
    );
    let catalog: Value = value(&mut client, "SELECT ingest.source_catalog('clinic')");
    run(
        &mut client,
        "DROP EXTENSION ingest_ext CASCADE; CREATE EXTENSION ingest_ext",
    );
    client
        .execute("SELECT ingest.source_adopt('clinic', $1)", &[&catalog])
        .unwrap();
    run(
        &mut client,
        "UPDATE clinic.office SET data = '{\"name\": \"y\"}'; DELETE FROM clinic.office; INSERT INTO clinic.office (id, data) VALUES ('a', '{}')",
    );
    create(&mut client);
    run(
        &mut client,
        "UPDATE clinic.office SET data = '{\"name\": \"z\"}'",
    );
    settle(&mut client);
    let read = all(&mut client, 2);
    assert_eq!(read.len(), 6);
    assert_whole(&mut client, &read);
}

/// Who holds the feed up is named: a session, or a transaction that was prepared.
#[test]
fn doctor_names_what_holds_the_feed_up() {
    let cluster = Cluster::start("feed-doctor", &["max_prepared_transactions=2", "fsync=off"]);
    let mut client = cluster.connect("postgres");
    run(&mut client, "CREATE EXTENSION ingest_ext");
    clinic::build(&mut client);
    create(&mut client);
    let doctor = |client: &mut Client| -> Vec<String> {
        client
            .query("SELECT severity || ' ' || object || ': ' || problem || ' / ' || hint FROM ingest.doctor('clinic')", &[])
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect()
    };
    let mut open = cluster.connect("postgres");
    let pid = backend_pid(&mut open);
    run(
        &mut open,
        "CREATE TABLE public.mine (); BEGIN; DROP TABLE public.mine",
    );
    run(
        &mut client,
        "INSERT INTO clinic.office (id, data) VALUES ('a', '{}')",
    );
    assert_eq!(all(&mut client, 9), []);
    assert_eq!(doctor(&mut client), Vec::<String>::new());
    std::thread::sleep(Duration::from_secs(6));
    let told = doctor(&mut client);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("warning clinic: the feed has stood for "),
        "{told:?}"
    );
    assert!(
        told[0].contains(&format!(
            "runs (pid {pid}) / pg_terminate_backend({pid}) ends it."
        )),
        "{told:?}"
    );
    run(&mut open, "PREPARE TRANSACTION 'left'");
    let told = doctor(&mut client);
    assert!(
        told[0].contains("is prepared (left) / COMMIT PREPARED"),
        "{told:?}"
    );
    run(&mut open, "ROLLBACK PREPARED 'left'");
    assert_eq!(doctor(&mut client), Vec::<String>::new());
    assert_eq!(all(&mut client, 9).len(), 1);
}

/// A history that is partitioned has its part in the feed.
#[test]
fn feed_of_a_partitioned_history_is_whole() {
    let database = clinic::database("feed");
    let mut client = database.connect();
    run(
        &mut client,
        "CREATE TABLE clinic.parts (LIKE clinic.office_history INCLUDING ALL) PARTITION BY HASH (id);
         DROP TABLE clinic.office_history;
         ALTER TABLE clinic.parts RENAME TO office_history;
         CREATE TABLE clinic.part_0 PARTITION OF clinic.office_history FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE clinic.part_1 PARTITION OF clinic.office_history FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
    );
    let definition: Value = value(
        &mut client,
        "SELECT definition FROM ingest.profile WHERE profile = 'office'",
    );
    clinic::define(&mut client, "clinic", "office", &definition).unwrap();
    create(&mut client);
    run(
        &mut client,
        "INSERT INTO clinic.office (id, data) SELECT n::text, '{}' FROM generate_series(1, 9) AS n;
         UPDATE clinic.office SET data = '{\"name\": \"x\"}';
         DELETE FROM clinic.office WHERE id < '4'",
    );
    settle(&mut client);
    let read = all(&mut client, 4);
    assert_eq!(read.len(), 21);
    assert_whole(&mut client, &read);
    assert_eq!(create(&mut client)["outcome"], "unchanged");
}

/// Of a profile that keeps no history the newest versions come, whenever they are others, and deletions.
#[test]
fn feed_of_a_profile_without_history_gives_what_stands() {
    let (_database, mut client) = clinic_with_feed();
    let definition =
        json!({"type": "ROOT", "properties": {"name": {"type": "symbol"}}, "history": false});
    clinic::define(&mut client, "clinic", "bed", &definition).unwrap();
    run(
        &mut client,
        "INSERT INTO clinic.bed (id, data) VALUES ('a', '{}'), ('b', '{}');
         UPDATE clinic.bed SET data = '{\"name\": \"x\"}'; DELETE FROM clinic.bed WHERE id = 'b'",
    );
    settle(&mut client);
    let read = all(&mut client, 1);
    assert_eq!(told(&read), ["bed/a 2 updated", "bed/b 3 deleted"]);
    let last = read.last().unwrap().cursor.clone();
    for name in ["y", "z"] {
        let update = format!("UPDATE clinic.bed SET data = '{{\"name\": \"{name}\"}}'");
        run(&mut client, &update);
    }
    settle(&mut client);
    let next = page(&mut client, Some(&last), 9).unwrap();
    assert_eq!(told(&next), ["bed/a 4 updated"]);
}
