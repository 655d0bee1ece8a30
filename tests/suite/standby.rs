//! A standby that streams from a primary answers whatever only reads, refuses the rest as PostgreSQL
//! does, and follows what is defined on the primary.

use std::time::{Duration, Instant};

use ingest_tests::cluster::Cluster;
use ingest_tests::expect_sqlstate;
use postgres::Client;
use serde_json::{Value, json};

use crate::argument::{self, CALLS};
use crate::clinic::{self, OFFICE, value};
use crate::invariant::sqlstate;

const PATIENCE: Duration = Duration::from_secs(30);

struct Pair {
    primary: Client,
    standby: Cluster,
    _primary: Cluster,
}

impl Pair {
    /// A primary with the clinic and whatever [`CALLS`] need, and its standby.
    fn start(name: &str) -> Self {
        let settings = ["fsync=off", "shared_buffers=16MB", "wal_level=replica"];
        let cluster = Cluster::start(name, &settings);
        let mut primary = cluster.connect("postgres");
        primary
            .batch_execute("CREATE EXTENSION ingest_ext")
            .unwrap();
        clinic::build(&mut primary);
        argument::prepare(&mut primary);
        let standby = Cluster::follow(&cluster, &format!("{name}-standby"), &settings);
        Self {
            primary,
            standby,
            _primary: cluster,
        }
    }

    /// Waits until the standby has all that the primary has written.
    fn catch_up(&mut self, standby: &mut Client) {
        let written: String = value(
            &mut self.primary,
            "SELECT pg_current_wal_insert_lsn()::text",
        );
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
        let began = Instant::now();
        while !value::<bool>(standby, &replayed) {
            assert!(began.elapsed() < PATIENCE, "{}", self.standby.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Every function that only reads answers on a standby as on its primary; every other one does
/// nothing, or is refused as PostgreSQL refuses a write there.
#[test]
fn functions_on_a_standby_answer_or_are_25006() {
    let mut pair = Pair::start("calls");
    let mut standby = pair.standby.connect("postgres");
    pair.catch_up(&mut standby);
    let mut refused = 0;
    for (function, arguments) in CALLS {
        let writes: bool = standby
            .query_one(
                "SELECT DISTINCT provolatile = 'v' FROM pg_proc
                 WHERE pronamespace = 'ingest'::regnamespace AND proname = $1::text",
                &[function],
            )
            .unwrap()
            .get(0);
        let result = argument::call(&mut standby, function, arguments);
        match result {
            Ok(rows) if !writes => {
                let there = argument::call(&mut pair.primary, function, arguments).unwrap();
                assert_eq!(rows, there, "{function}");
            }
            Ok(_) => {}
            Err(error) => {
                assert!(writes, "{function}: {error:?}");
                assert_eq!(sqlstate(&error), "25006", "{function}: {error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 30, "{refused}");
    for by_hand in [
        "INSERT INTO clinic.office (data) VALUES ('{}')",
        "UPDATE clinic.office SET data = '{}'",
        "DELETE FROM clinic.office",
        "TRUNCATE clinic.office",
    ] {
        expect_sqlstate(standby.batch_execute(by_hand), "25006");
    }
    // The refusals have left the session as it was.
    let found = "SELECT count(*) FROM ingest.resource_search('clinic', 'office', '{}'::jsonb)";
    assert_eq!(value::<i64>(&mut standby, found), 2);
    // Counters are the server's own: whether there are any, the standby has them or says so.
    match standby.query("TABLE ingest.stat_profile", &[]) {
        Ok(rows) => assert!(!rows.is_empty()),
        Err(error) => assert_eq!(sqlstate(&error), "PT404"),
    }
}

/// A session on the standby that has compiled a definition validates by the new one as soon as that
/// is replayed; so with a vocabulary, and with a profile that is gone.
#[test]
fn definition_on_the_primary_arrives_at_a_warm_session_on_the_standby() {
    let mut pair = Pair::start("defined");
    let mut standby = pair.standby.connect("postgres");
    let mut idle = pair.standby.connect("postgres");
    pair.catch_up(&mut standby);
    let body = json!({"data": {"name": "x"}});
    let judge = |client: &mut Client, body: &Value| -> bool {
        client
            .query_one(
                "SELECT ingest.resource_is_valid('clinic', 'office', $1)",
                &[body],
            )
            .unwrap()
            .get(0)
    };
    let required = json!({"type": "ROOT", "properties": {
        "name": {"type": "symbol"}, "floor": {"type": "integer", "rules": [{"required": true}]}}});
    let lenient = json!({"type": "ROOT", "properties": {
        "name": {"type": "symbol"}, "floor": {"type": "integer"}}});
    assert!(judge(&mut standby, &body) && judge(&mut idle, &body));
    for (definition, valid) in [(&required, false), (&lenient, true), (&required, false)] {
        clinic::define(&mut pair.primary, "clinic", OFFICE, definition).unwrap();
        pair.catch_up(&mut standby);
        assert_eq!(judge(&mut standby, &body), valid);
        assert_eq!(judge(&mut idle, &body), valid);
    }
    let bound = json!({"type": "ROOT", "properties": {"name": {"type": "symbol"},
        "state": {"type": "code", "binding": {"vocabulary": "states"}}}});
    let vocabulary = |primary: &mut Client, concepts: &str| {
        primary
            .batch_execute(&format!(
                "SELECT ingest.vocabulary_define('clinic', 'states', '{concepts}')"
            ))
            .unwrap();
    };
    vocabulary(&mut pair.primary, r#"["open"]"#);
    clinic::define(&mut pair.primary, "clinic", OFFICE, &bound).unwrap();
    pair.catch_up(&mut standby);
    let shut = json!({"data": {"state": "shut"}});
    assert!(!judge(&mut standby, &shut));
    vocabulary(&mut pair.primary, r#"["open", "shut"]"#);
    pair.catch_up(&mut standby);
    assert!(judge(&mut standby, &shut));
    // What a resource was before is read there as well, and what is gone is gone.
    clinic::upsert(&mut pair.primary, OFFICE, "o", &body).unwrap();
    pair.catch_up(&mut standby);
    let told = clinic::story(&mut pair.primary, OFFICE, "o");
    assert_eq!(clinic::story(&mut standby, OFFICE, "o"), told);
    pair.primary
        .batch_execute("SELECT ingest.profile_drop('clinic', 'office', true)")
        .unwrap();
    pair.catch_up(&mut standby);
    expect_sqlstate(clinic::read(&mut standby, OFFICE, "o"), "PT404");
    expect_sqlstate(
        standby.execute(
            "SELECT ingest.resource_is_valid('clinic', 'office', $1)",
            &[&body],
        ),
        "PT404",
    );
}
