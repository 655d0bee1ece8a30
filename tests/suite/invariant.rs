//! What must hold of a source whatever was done to it, and the calls that test it.

use ingest_tests::Database;
use postgres::{Client, Error, GenericClient};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::clinic::Written;

/// How long the long tests are: 1 in `make test`, more in `make soak`.
pub fn effort() -> usize {
    std::env::var("INGEST_TEST_EFFORT").map_or(1, |effort| effort.parse().unwrap())
}

/// A generator of numbers that its seed decides.
pub struct Dice(pub u64);

impl Dice {
    /// A number below this one.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

/// A call of a verb that returns `ingest.written`, written out: `resource_create('clinic', …)`.
pub fn written(client: &mut impl GenericClient, call: &str) -> Result<Written, Error> {
    let sql = format!("SELECT outcome::text, id, version, updated_at, resource FROM ingest.{call}");
    client.query_one(&sql, &[]).map(Into::into)
}

/// The SQLSTATE of an error of the server.
#[track_caller]
pub fn sqlstate(error: &Error) -> String {
    match error.code() {
        Some(code) => code.code().to_owned(),
        None => panic!("lost the server: {error:?}"),
    }
}

/// Runs it until it meets no serialization failure (40001); says how many it met.
#[track_caller]
pub fn until_serialized<T>(mut run: impl FnMut() -> Result<T, Error>) -> (T, usize) {
    for failures in 0..10_000 {
        match run() {
            Ok(done) => return (done, failures),
            Err(error) => assert_eq!(sqlstate(&error), "40001", "{error:?}"),
        }
    }
    panic!("it never succeeds");
}

/// Refuses a source in which a promise is broken: versions are 1, 2, 3… without a gap; each ends
/// when the next begins, and begins later than the one before; a link has both its ends.
#[track_caller]
pub fn assert_sound(client: &mut Client, source: &str) {
    let tables: Vec<(String, String, Option<String>, Option<String>)> = client
        .query(
            "SELECT p.profile, p.kind, r.from_profile, r.to_profile FROM ingest.profile AS p \
             LEFT JOIN ingest.relationship AS r \
                 ON (r.source, r.relationship) = (p.source, p.profile) \
             WHERE p.source = $1 AND p.kind IN ('ROOT', 'RELATIONSHIP') ORDER BY p.profile",
            &[&source],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect();
    assert!(!tables.is_empty(), "nothing is defined in {source}");
    for (table, kind, from, to) in tables {
        let broken = client
            .query(
                &format!(
                    "WITH versions AS (
                         SELECT id, version, created_at, updated_at, NULL::timestamptz AS ended_at,
                                data IS NULL AS tombstone, true AS living
                         FROM \"{source}\".\"{table}\"
                         UNION ALL
                         SELECT id, version, created_at, updated_at, ended_at, data IS NULL, false
                         FROM \"{source}\".\"{table}_history\"),
                     chained AS (
                         SELECT *, row_number() OVER w AS number, lead(updated_at) OVER w AS next,
                                lag(tombstone) OVER w AS after_tombstone
                         FROM versions WINDOW w AS (PARTITION BY id ORDER BY version))
                     SELECT id || ' ' || version::text AS example,
                            CASE WHEN number <> version THEN 'versions have no gap and no twin'
                                 WHEN next <= updated_at THEN 'instants increase'
                                 WHEN next IS DISTINCT FROM ended_at THEN 'a version ends when the next begins'
                                 WHEN living <> (next IS NULL AND NOT tombstone) THEN 'the newest version is the row'
                                 WHEN tombstone AND after_tombstone IS DISTINCT FROM false THEN 'a tombstone follows a version'
                            END AS promise
                     FROM chained
                     WHERE number <> version OR next <= updated_at
                        OR next IS DISTINCT FROM ended_at
                        OR living <> (next IS NULL AND NOT tombstone)
                        OR (tombstone AND after_tombstone IS DISTINCT FROM false)
                     LIMIT 5"
                ),
                &[],
            )
            .unwrap();
        let broken: Vec<(String, String)> =
            broken.iter().map(|row| (row.get(1), row.get(0))).collect();
        assert!(broken.is_empty(), "{source}.{table}: {broken:?}");
        if let ("RELATIONSHIP", Some(from), Some(to)) = (kind.as_str(), from, to) {
            let dangling: i64 = client
                .query_one(
                    &format!(
                        "SELECT count(*) FROM \"{source}\".\"{table}\" AS link
                         WHERE NOT EXISTS (SELECT FROM \"{source}\".\"{from}\" WHERE id = from_id)
                            OR NOT EXISTS (SELECT FROM \"{source}\".\"{to}\" WHERE id = to_id)"
                    ),
                    &[],
                )
                .unwrap()
                .get(0);
            assert_eq!(dangling, 0, "links without an end in {source}.{table}");
        }
    }
}

/// Waits until a backend waits for another.
#[track_caller]
pub fn wait_until_blocked(watcher: &mut Client, pid: i32) {
    let began = Instant::now();
    while !is_blocked(watcher, pid) {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "it does not wait"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a backend waits for another.
pub fn is_blocked(watcher: &mut Client, pid: i32) -> bool {
    watcher
        .query_one(
            "SELECT pg_catalog.cardinality(pg_catalog.pg_blocking_pids($1)) > 0",
            &[&pid],
        )
        .unwrap()
        .get(0)
}

/// A definition of a profile whose numbers are unique.
pub fn numbered(kind: &str) -> Value {
    let mut definition = json!({"type": "ROOT", "properties": {
        "name": {"type": "symbol"},
        "number": {"type": "decimal"},
        "address": {"type": "object", "properties": {"city": {"type": "symbol"}}},
        "tags": {"type": "array", "items": {"type": "symbol"}}}});
    if !kind.is_empty() {
        definition[kind] = json!([["number"]]);
    }
    definition
}

/// Runs callers at once, each with a connection of its own; gives what each returned.
pub fn at_once<T: Send>(
    database: &Database,
    callers: usize,
    run: impl Fn(usize, Client) -> T + Sync,
) -> Vec<T> {
    let barrier = std::sync::Barrier::new(callers);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..callers)
            .map(|caller| {
                let (barrier, run, client) = (&barrier, &run, database.connect());
                scope.spawn(move || {
                    barrier.wait();
                    run(caller, client)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}
