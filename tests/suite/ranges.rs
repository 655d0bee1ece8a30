//! A history that is cut into ranges of time, as `docs/scale.md` says, is a history.

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;
use serde_json::json;

use crate::clinic::{self, OFFICE, value};
use crate::dump::restored;
use crate::invariant::{assert_sound, sqlstate};

/// A clinic whose offices have a past, in a history of three parts: what was until 2020, what is now,
/// and what has no other place.
fn database() -> (Database, Client) {
    let database = clinic::database("ranges");
    let mut client = database.connect();
    for (id, name) in [("o", "a"), ("gone", "x"), ("o", "b")] {
        clinic::upsert(&mut client, OFFICE, id, &json!({"data": {"name": name}})).unwrap();
    }
    clinic::delete(&mut client, OFFICE, "gone", None, false).unwrap();
    // What has begun so far began long ago.
    client
        .batch_execute(
            "SET session_replication_role = replica;
             UPDATE clinic.office_history SET created_at = created_at - interval '20 years',
                 updated_at = updated_at - interval '20 years', ended_at = ended_at - interval '20 years';
             UPDATE clinic.office SET created_at = created_at - interval '20 years',
                 updated_at = updated_at - interval '20 years';
             RESET session_replication_role;
             BEGIN;
             LOCK TABLE clinic.office, clinic.office_history;
             ALTER TABLE clinic.office_history RENAME TO office_old;
             ALTER TABLE clinic.office_old DROP CONSTRAINT office_history_pkey;
             CREATE TABLE clinic.office_history (LIKE clinic.office_old, PRIMARY KEY (id, version, updated_at))
                 PARTITION BY RANGE (updated_at);
             ALTER TABLE clinic.office_history ATTACH PARTITION clinic.office_old FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
             CREATE TABLE clinic.office_now PARTITION OF clinic.office_history FOR VALUES FROM ('2020-01-01') TO ('2100-01-01');
             CREATE TABLE clinic.office_other PARTITION OF clinic.office_history DEFAULT;
             SELECT ingest.profile_define('clinic', 'office', definition) FROM ingest.profile
                 WHERE source = 'clinic' AND profile = 'office';
             COMMIT",
        )
        .unwrap();
    (database, client)
}

fn versions(client: &mut Client, part: &str) -> i64 {
    value(client, &format!("SELECT count(*) FROM clinic.{part}"))
}

/// Writes and reads are what they are in one table, wherever a version began; no part is written by
/// hand.
#[test]
fn history_in_ranges_is_written_read_and_sealed() {
    let (_database, mut client) = database();
    let name = |name: &str| json!({"data": {"name": name}});
    clinic::upsert(&mut client, OFFICE, "o", &name("c")).unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &name("d")).unwrap();
    clinic::create_as(&mut client, OFFICE, "gone", &name("y")).unwrap();
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2, updated 3, updated 4"
    );
    assert_eq!(
        clinic::story(&mut client, OFFICE, "gone"),
        "created 1, deleted 2, created 3"
    );
    // Version 2 of o began before, and ended after the cut.
    assert_eq!(versions(&mut client, "office_old"), 4);
    assert_eq!(versions(&mut client, "office_now"), 1);
    for part in ["office_old", "office_now", "office_other", "office_history"] {
        for write in ["DELETE FROM", "TRUNCATE"] {
            let by_hand = client.batch_execute(&format!("{write} clinic.{part}"));
            expect_sqlstate(by_hand, "42501");
        }
    }
    let problems = "SELECT count(*) FROM ingest.doctor('clinic')";
    assert_eq!(value::<i64>(&mut client, problems), 0);
    assert_sound(&mut client, "clinic");
}

/// What takes versions away finds them in every part.
#[test]
fn history_in_ranges_is_pruned_erased_and_purged() {
    let (_database, mut client) = database();
    for name in ["c", "d", "e"] {
        clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": name}})).unwrap();
    }
    client
        .batch_execute("SELECT ingest.version_erase('clinic', 'office', 'o', 1, 'asked')")
        .unwrap();
    let erased = "SELECT count(*) FROM clinic.office_old WHERE id = 'o' AND version = 1 AND erased IS NOT NULL";
    assert_eq!(value::<i64>(&mut client, erased), 1);
    let pruned = "SELECT ingest.history_prune('clinic', 'office', keep => 1)";
    assert!(value::<i64>(&mut client, pruned) > 0);
    assert_eq!(versions(&mut client, "office_history WHERE id = 'o'"), 0);
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "f"}})).unwrap();
    client
        .batch_execute("SELECT ingest.resource_erase('clinic', 'office', 'o', 'asked')")
        .unwrap();
    assert_eq!(
        versions(
            &mut client,
            "office_history WHERE id = 'o' AND erased IS NULL AND data IS NOT NULL"
        ),
        0
    );
    client
        .batch_execute(
            "SELECT ingest.relationship_drop('clinic', 'worksAt');
             SELECT ingest.profile_purge('clinic', 'office')",
        )
        .unwrap();
    assert_eq!(versions(&mut client, "office_history"), 0);
    client
        .batch_execute("SELECT ingest.profile_drop('clinic', 'office')")
        .unwrap();
    let left = "SELECT count(*) FROM pg_class WHERE relname ~ '^office' AND relkind IN ('r', 'p')";
    assert_eq!(value::<i64>(&mut client, left), 0);
}

/// A part that is detached takes its versions and tombstones along; what began in its time and ends
/// now finds a place.
#[test]
fn history_without_its_oldest_range_goes_on() {
    let (_database, mut client) = database();
    client
        .batch_execute(
            "ALTER TABLE clinic.office_history DETACH PARTITION clinic.office_old;
             DROP TABLE clinic.office_old",
        )
        .unwrap();
    let told = "SELECT string_agg(version::text, ' ') FROM ingest.resource_history('clinic', 'office', 'o')";
    assert_eq!(value::<String>(&mut client, told), "2");
    let gone = clinic::read(&mut client, OFFICE, "gone").unwrap_err();
    assert_eq!(sqlstate(&gone), "PT404");
    let again = clinic::create_as(&mut client, OFFICE, "gone", &json!({"data": {}})).unwrap();
    assert_eq!(again.did(), ("created", 1));
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "c"}})).unwrap();
    assert_eq!(versions(&mut client, "office_other"), 1);
    assert_eq!(value::<String>(&mut client, told), "3 2");
}

/// A dump brings the parts back, with their seals.
#[test]
fn history_in_ranges_is_dumped_and_restored() {
    let (database, mut client) = database();
    let told = clinic::story(&mut client, OFFICE, "o");
    let restored = restored(&database);
    let mut client = restored.connect();
    assert_eq!(clinic::story(&mut client, OFFICE, "o"), told);
    expect_sqlstate(
        client.batch_execute("DELETE FROM clinic.office_old"),
        "42501",
    );
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "c"}})).unwrap();
    let problems = "SELECT count(*) FROM ingest.doctor('clinic')";
    assert_eq!(value::<i64>(&mut client, problems), 0);
}
