//! The counters: what was done to each profile, by whatever way and whoever, since they began.

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, value};
use crate::door;
use crate::invariant::at_once;

/// Whether the server has counters: PostgreSQL 17 and later have the shared memory for them.
fn are_there(client: &mut Client) -> bool {
    let version: i32 = value(
        client,
        "SELECT current_setting('server_version_num')::integer",
    );
    if version >= 170_000 {
        return true;
    }
    let refused = expect_sqlstate(client.query_one("TABLE ingest.stat_profile", &[]), "PT404");
    assert_eq!(refused.message(), "there are no counters on this server");
    expect_sqlstate(
        client.execute("SELECT ingest.stat_profile_reset()", &[]),
        "PT404",
    );
    false
}

/// The counters of a profile: inserted, updated, deleted, checks, unindexed searches, refusals.
fn counted(client: &mut Client, profile: &str) -> (Vec<i64>, Value) {
    let row = client
        .query_one(
            "SELECT ARRAY[inserted, updated, deleted, checks, unindexed_searches], refusals
             FROM ingest.stat_profile WHERE source = 'clinic' AND profile = $1",
            &[&profile],
        )
        .unwrap();
    (row.get(0), row.get(1))
}

/// Writes by SQL and by verbs, checks, searches and refusals are counted once each, also those that
/// are rolled back; what finds nothing to change is not.
#[test]
fn what_is_done_to_a_profile_is_counted() {
    let database = clinic::database("stat");
    let mut client = database.connect();
    if !are_there(&mut client) {
        return;
    }
    assert_eq!(counted(&mut client, "office"), (vec![0; 5], json!({})));
    client
        .batch_execute(
            "INSERT INTO clinic.office (id, data) SELECT 'o' || n, '{}' FROM generate_series(1, 10) AS n;
             INSERT INTO clinic.office (id, data) VALUES ('o1', '{}') ON CONFLICT DO NOTHING;
             UPDATE clinic.office SET data = '{\"name\": \"x\"}' WHERE id <= 'o4';
             UPDATE clinic.office SET data = data;
             SELECT ingest.resource_upsert('clinic', 'office', 'o1', '{\"data\": {\"name\": \"y\"}}');
             SELECT ingest.resource_load('clinic', 'Patient', '[{\"data\": {\"name\": 1}}, {\"data\": {}}]', on_error => 'report');
             DELETE FROM clinic.office WHERE id = 'o9'",
        )
        .unwrap();
    client
        .batch_execute("BEGIN; SELECT ingest.resource_delete('clinic', 'office', 'o8'); ROLLBACK")
        .unwrap();
    for (refused, sqlstate) in [
        (
            "INSERT INTO clinic.office (data) VALUES ('{\"name\": 1}')",
            "PT422",
        ),
        (
            "SELECT ingest.resource_create('clinic', 'office', '{\"data\": {\"name\": 1}}')",
            "PT422",
        ),
        (
            "SELECT ingest.resource_create('clinic', 'office', '{\"data\": {}}', 'o1')",
            "PT409",
        ),
        (
            "SELECT ingest.resource_read('clinic', 'office', 'none')",
            "PT404",
        ),
    ] {
        expect_sqlstate(client.execute(refused, &[]), sqlstate);
    }
    client
        .batch_execute(
            "SET client_min_messages = warning;
             SELECT ingest.resource_search('clinic', 'office', '{\"name\": \"x\"}');
             SELECT ingest.resource_search('clinic', 'office', '{}')",
        )
        .unwrap();
    let (counts, refusals) = counted(&mut client, "office");
    // o1, o10, o2, o3 and o4, and then o1 by the verb.
    assert_eq!((counts[0], counts[1], counts[2]), (10, 6, 2), "{counts:?}");
    assert!(counts[3] >= 18, "{counts:?}");
    assert_eq!(counts[4], 1);
    assert_eq!(refusals, json!({"PT404": 1, "PT409": 1, "PT422": 2}));
    assert_eq!(counted(&mut client, "Patient").1, json!({"PT422": 1}));
    assert_eq!(counted(&mut client, "provider"), (vec![0; 5], json!({})));
}

/// What a door refuses is counted, too, though it is no error there.
#[test]
fn refusals_of_a_door_are_counted() {
    let door = door::clinic();
    let mut client = door.database.connect();
    if !are_there(&mut client) {
        return;
    }
    let refused = door.post("/clinic/office", &json!({"data": {"name": 1}}));
    assert_eq!(refused.status, 422);
    assert_eq!(counted(&mut client, "office").1, json!({"PT422": 1}));
}

/// Sessions that count at once lose nothing.
#[test]
fn sessions_at_once_count_everything() {
    let database = clinic::database("stat");
    if !are_there(&mut database.connect()) {
        return;
    }
    at_once(&database, 8, |_, mut client| {
        for _ in 0..100 {
            client
                .batch_execute("INSERT INTO clinic.office (data) VALUES ('{}')")
                .unwrap();
        }
    });
    assert_eq!(counted(&mut database.connect(), "office").0[0], 800);
}

/// Who may use a source sees its counters, who may define in it lets them begin anew, and other
/// databases have counters of their own.
#[test]
fn counters_are_for_who_may_use_the_source() {
    let mut database = clinic::database("stat");
    let other = clinic::database("stat");
    let reader = database.create_role("reader", "");
    let stranger = database.create_role("stranger", "");
    database.run(&format!(
        "SELECT ingest.source_grant('clinic', '{reader}', 'read')"
    ));
    let mut client = database.connect();
    if !are_there(&mut client) {
        return;
    }
    client
        .batch_execute(
            "INSERT INTO clinic.office (data) VALUES ('{}');
             INSERT INTO clinic.\"Patient\" (data) VALUES ('{}')",
        )
        .unwrap();
    let inserted = "SELECT coalesce(sum(inserted), 0)::bigint FROM ingest.stat_profile";
    let raw = "SELECT count(*) FROM ingest.stat_profiles()";
    let mut nobody = database.connect_as(&stranger);
    assert_eq!(value::<i64>(&mut nobody, inserted), 0);
    assert_eq!(value::<i64>(&mut nobody, raw), 0);
    let mut reads = database.connect_as(&reader);
    assert_eq!(value::<i64>(&mut reads, inserted), 2);
    assert_eq!(value::<i64>(&mut other.connect(), inserted), 0);

    for mut client in [nobody, database.connect_as(&reader)] {
        let one = client.execute("SELECT ingest.stat_profile_reset('clinic')", &[]);
        expect_sqlstate(one, "42501");
        client
            .execute("SELECT ingest.stat_profile_reset()", &[])
            .unwrap();
    }
    assert_eq!(value::<i64>(&mut reads, inserted), 2);
    client
        .execute("SELECT ingest.stat_profile_reset('clinic', 'office')", &[])
        .unwrap();
    assert_eq!(value::<i64>(&mut reads, inserted), 1);
    client
        .execute("SELECT ingest.stat_profile_reset()", &[])
        .unwrap();
    assert_eq!(value::<i64>(&mut reads, inserted), 0);
    client
        .batch_execute("INSERT INTO clinic.office (data) VALUES ('{}')")
        .unwrap();
    assert_eq!(value::<i64>(&mut reads, inserted), 1);
}

/// The types of the columns, which others build on.
#[test]
fn counters_have_a_row_for_each_profile() {
    let database: Database = clinic::database("stat");
    let mut client = database.connect();
    if !are_there(&mut client) {
        return;
    }
    let profiles = "SELECT array_agg(profile::text ORDER BY profile) FROM ingest.stat_profile";
    let profiles: Vec<String> = value(&mut client, profiles);
    assert_eq!(profiles, ["Patient", "office", "provider", "worksAt"]);
}

/// Counts something in each profile of a database.
fn count_some(client: &mut Client) {
    client
        .batch_execute("INSERT INTO clinic.office (data) VALUES ('{}')")
        .unwrap();
}

/// Takes all places that nobody has for a database.
fn fill(client: &mut Client, database: u32) -> i64 {
    client
        .batch_execute(
            "CREATE OR REPLACE FUNCTION test_fill_counters(integer) RETURNS bigint
                 LANGUAGE c AS '$libdir/ingest_ext', 'test_fill_counters_wrapper'",
        )
        .unwrap();
    value(
        client,
        &format!("SELECT test_fill_counters({})", database.cast_signed()),
    )
}

/// Databases come and go, and leave all places taken; a new profile is counted nevertheless.
#[test]
fn places_of_databases_that_are_gone_are_given_to_others() {
    let database = clinic::database("stat");
    let mut client = database.connect();
    if !are_there(&mut client) {
        return;
    }
    let gone = clinic::database("stat");
    let oid: u32 = value(
        &mut gone.connect(),
        "SELECT oid FROM pg_database WHERE datname = current_database()",
    );
    drop(gone);
    // Others may leave some meanwhile.
    while fill(&mut client, oid) > 100 {}
    count_some(&mut client);
    assert_eq!(counted(&mut client, "office").0[0], 1);
    let another = clinic::database("stat");
    count_some(&mut another.connect());
    assert_eq!(counted(&mut another.connect(), "office").0[0], 1);
    assert_eq!(counted(&mut client, "office").0[0], 1);
}

/// What is dropped leaves no counters behind, of a profile or of a source; what is defined under its
/// name begins anew, also for a session that has counted before.
#[test]
fn counters_of_what_is_dropped_begin_anew() {
    let database = clinic::database("stat");
    let (mut client, mut other) = (database.connect(), database.connect());
    if !are_there(&mut client) {
        return;
    }
    let all = "SELECT count(*) FROM ingest.stat_profiles()";
    for drop in [
        "SELECT ingest.profile_drop('clinic', 'office', cascade => true)",
        "SELECT ingest.source_drop('clinic', cascade => true)",
    ] {
        for _ in 0..3 {
            count_some(&mut other);
        }
        assert_eq!(counted(&mut client, "office").0[0], 3);
        client.batch_execute(drop).unwrap();
        let names: Option<String> = value(
            &mut client,
            "SELECT string_agg(profile, ', ') FROM ingest.stat_profiles() WHERE profile = 'office'",
        );
        assert_eq!(names, None);
        if drop.contains("source_drop") {
            assert_eq!(value::<i64>(&mut client, all), 0);
            clinic::build(&mut client);
        } else {
            let definition = json!({"type": "ROOT", "properties": {"name": {"type": "symbol"}}});
            clinic::define(&mut client, "clinic", "office", &definition).unwrap();
        }
        count_some(&mut other);
        assert_eq!(counted(&mut client, "office").0[0], 1);
        clear(&mut client);
    }
}

/// Lets the counters of this database begin anew.
fn clear(client: &mut Client) {
    client
        .execute("SELECT ingest.stat_profile_reset()", &[])
        .unwrap();
}
