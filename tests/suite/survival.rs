//! What people trust comes through: rows, versions, authors, markers of erasures and keys of requests
//! are the same on a server that they were replicated to, and after an upgrade of PostgreSQL. (Dumps:
//! [`crate::dump`].)

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

use ingest_tests::cluster::Cluster;
use ingest_tests::expect_sqlstate;
use ingest_tests::server::program;
use postgres::Client;
use serde_json::json;

use crate::clinic::{self, OFFICE, value};
use crate::dump::{Scratch, assert_gate_works, content, live_on, run};
use crate::feed;

const PATIENCE: Duration = Duration::from_secs(60);

#[track_caller]
fn assert_healthy(client: &mut Client) {
    let findings: Option<String> = value(
        client,
        "SELECT string_agg(object || ': ' || problem, ', ') FROM ingest.doctor() WHERE severity <> 'information'",
    );
    assert_eq!(findings, None);
}

/// A feed with a consumer who has read all, and all that it gives.
fn follow(client: &mut Client) -> Vec<String> {
    client
        .batch_execute("SELECT ingest.feed_create('clinic')")
        .unwrap();
    // Some have a place of their own, and not that of what was there.
    client
        .batch_execute(
            "UPDATE clinic.office SET data = data || '{\"note\": \"followed\"}' WHERE id IN ('o3', 'o4');
             INSERT INTO clinic.provider (id, data) VALUES ('followed', '{\"name\": \"x\"}')",
        )
        .unwrap();
    feed::settle(client);
    client
        .batch_execute("SELECT ingest.consumer_create('clinic', 'c', ingest.feed_end('clinic'))")
        .unwrap();
    fed(client)
}

/// What a feed gives from its beginning.
fn fed(client: &mut Client) -> Vec<String> {
    let read = "SELECT profile || '/' || id || ' ' || version || ' ' || outcome FROM ingest.feed_read('clinic', count => 10000)";
    let rows = client.query(read, &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The feed is of the server that it was made on: here it begins anew, with all that is there and what
/// comes after that, though this server may have counted fewer transactions.
#[track_caller]
fn assert_feed_begins_anew(client: &mut Client, before: &[String]) {
    for call in [
        "feed_read('clinic')",
        "feed_end('clinic')",
        "consumer_next('clinic', 'c')",
    ] {
        expect_sqlstate(
            client.batch_execute(&format!("SELECT ingest.{call}")),
            "PT410",
        );
    }
    let outcome: String = value(client, "SELECT ingest.feed_create('clinic') ->> 'outcome'");
    assert_eq!(outcome, "created");
    feed::settle(client);
    assert_eq!(fed(client), before);
    let consumer = "SELECT ingest.consumer_next('clinic', 'c')";
    expect_sqlstate(client.batch_execute(consumer), "PT410");
    client
        .batch_execute(
            "SELECT ingest.consumer_drop('clinic', 'c');
             SELECT ingest.consumer_create('clinic', 'c', ingest.feed_end('clinic'));
             UPDATE clinic.office SET data = data || '{\"note\": \"anew\"}' WHERE id IN ('o3', 'o5')",
        )
        .unwrap();
    feed::settle(client);
    let next: i64 = value(
        client,
        "SELECT count(*) FROM ingest.consumer_next('clinic', 'c') WHERE resource #>> '{data,note}' = 'anew'",
    );
    assert_eq!(next, 2);
    assert_eq!(fed(client).len(), before.len() + 2);
}

/// A subscriber has what the publisher has, first copied and then as it changes, erasures and a
/// definition too; the gate changes none of it on the way. When it stands alone, versions go on.
#[test]
fn subscriber_has_the_same_records_and_goes_on() {
    let database = clinic::database("publisher");
    let mut client = database.connect();
    live_on(&mut client);
    follow(&mut client);
    let schema = Scratch::new(&format!("{}.sql", database.name()));
    run(
        "pg_dump",
        &["-s", "-f", schema.path(), "-d", &database.url()],
    );
    let subscriber = Cluster::start("subscriber", &["fsync=off", "wal_level=logical"]);
    let url = subscriber.url("postgres");
    let quiet = ["-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null"];
    run(
        "psql",
        &[&quiet[..], &["-d", &url, "-f", schema.path()]].concat(),
    );

    client
        .batch_execute("CREATE PUBLICATION records FOR ALL TABLES")
        .unwrap();
    let mut there = subscriber.connect("postgres");
    there
        .batch_execute(&format!(
            "CREATE SUBSCRIPTION records CONNECTION '{}' PUBLICATION records",
            database.url()
        ))
        .unwrap();
    let mut wait_until_same = |client: &mut Client| {
        let began = Instant::now();
        while content(&mut there) != content(client) {
            assert!(began.elapsed() < PATIENCE, "it has fallen behind");
            thread::sleep(Duration::from_millis(50));
        }
    };
    wait_until_same(&mut client);
    client
        .batch_execute(
            "BEGIN; SET LOCAL ingest.context = '{\"actor\": \"Practitioner/8\"}';
             UPDATE clinic.office SET data = '{\"name\": \"7\"}' WHERE id = 'o7'; COMMIT;
             SELECT ingest.resource_delete('clinic', 'office', 'o8', cascade => true);
             SELECT ingest.resource_erase('clinic', 'office', 'o9', 'asked for', true);
             SELECT ingest.version_erase('clinic', 'office', 'o7', 1, 'asked for');
             SELECT ingest.resource_create('clinic', 'provider', '{\"data\": {\"name\": \"k2\"}}', 'k2', request_key => 'k2');
             SELECT ingest.history_prune('clinic', 'worksAt', keep => 1)",
        )
        .unwrap();
    let patient = json!({"type": "ROOT", "history": false, "properties": {
        "name": {"type": "array", "items": {"type": "object", "additionalProperties": true}}}});
    clinic::define(&mut client, "clinic", "Patient", &patient).unwrap();
    wait_until_same(&mut client);
    feed::settle(&mut client);
    let published = fed(&mut client);

    there.batch_execute("DROP SUBSCRIPTION records").unwrap();
    assert_feed_begins_anew(&mut there, &published);
    let told: String = value(
        &mut there,
        "SELECT string_agg(outcome || ' ' || version || coalesce(' ' || (context ->> 'actor'), ''), ', ')
         FROM ingest.resource_history('clinic', 'office', 'o7')",
    );
    assert_eq!(told, "updated 2 Practitioner/8, erased 1");
    for (id, version) in [("o7", 3), ("o8", 3), ("o9", 3)] {
        let next = clinic::upsert(&mut there, OFFICE, id, &json!({"data": {}})).unwrap();
        assert_eq!(next.version, version, "{id}");
    }
    let again: String = value(
        &mut there,
        "SELECT outcome || ' ' || version FROM ingest.resource_create('clinic', 'provider', '{\"data\": {\"name\": \"k2\"}}', 'k2', request_key => 'k2')",
    );
    assert_eq!(again, "replayed 1");
    assert_gate_works(&mut there);
    assert_healthy(&mut there);
}

/// The version of PostgreSQL to come from, and the newest that the suite runs on.
const OLD: &str = "15";

/// Whether the installation has an older PostgreSQL beside its own, with the same build of the
/// extension in it: `scripts/package` puts both in one place.
fn has_older() -> bool {
    let root = PathBuf::from(ingest_tests::server::setting("INGEST_TEST_BINDIR"));
    let scratch = PathBuf::from(ingest_tests::server::setting("INGEST_SCRATCH"));
    let cluster = root.strip_prefix(&scratch).unwrap().iter().next().unwrap();
    let older = scratch
        .join(cluster)
        .join(format!("root/usr/lib/postgresql/{OLD}/bin"));
    let script = |bindir: &Path| {
        let sharedir = run(bindir.join("pg_config").to_str()?, &["--sharedir"]).stdout;
        let sharedir = String::from_utf8(sharedir).ok()?;
        let extension = Path::new(sharedir.trim()).join("extension");
        fs::read_to_string(extension.join("ingest_ext--0.1.0.sql")).ok()
    };
    let own = program("");
    older != own && older.join("pg_config").exists() && script(&older) == script(&own)
}

/// pg_upgrade brings a whole server to another version of PostgreSQL, with all records in it, and a
/// gate that goes on. Where there is no older server with this build, there is nothing to ask.
#[test]
fn server_upgraded_has_the_same_records_and_goes_on() {
    if !has_older() {
        return;
    }
    let mut cluster = Cluster::start_version("upgrade", &["fsync=off"], OLD);
    let mut client = cluster.connect("postgres");
    client.batch_execute("CREATE EXTENSION ingest_ext").unwrap();
    clinic::build(&mut client);
    live_on(&mut client);
    let followed = follow(&mut client);
    // A build of 15 marks every column with an option that it hides from its own dumps, and that
    // servers of other versions do not know: with it no table at all can be upgraded.
    client
        .batch_execute(
            "SET allow_system_table_mods = on;
             UPDATE pg_attribute SET attoptions = NULL WHERE attoptions::text LIKE '{pg_attver=%}'",
        )
        .unwrap();
    let version = "SELECT current_setting('server_version_num')::integer / 10000";
    let (before, from) = (content(&mut client), value::<i32>(&mut client, version));
    drop(client);
    cluster.upgrade();
    let mut client = cluster.connect("postgres");
    let to = value::<i32>(&mut client, version);
    assert!(from < to, "{from} to {to}");
    assert_eq!(content(&mut client), before);
    assert_feed_begins_anew(&mut client, &followed);
    assert_gate_works(&mut client);
    assert_healthy(&mut client);
}
