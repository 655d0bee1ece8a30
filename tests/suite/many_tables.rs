//! More tables than one transaction can lock.

use ingest_tests::cluster::Cluster;
use ingest_tests::expect_sqlstate;

use crate::clinic::value;

/// A source of so many tables that the lock table has no room for them is not dropped at once, with
/// cascade or without, and says what to do; that works.
#[test]
fn source_of_more_tables_than_there_are_locks_is_dropped_in_parts() {
    let cluster = Cluster::start(
        "locks",
        &[
            "max_locks_per_transaction=10",
            "max_connections=10",
            "max_prepared_transactions=0",
            "fsync=off",
        ],
    );
    let mut client = cluster.connect("postgres");
    client
        .batch_execute("CREATE EXTENSION ingest_ext; SELECT ingest.source_create('s')")
        .unwrap();
    let profiles = 200;
    for number in 0..profiles {
        let define =
            format!("SELECT ingest.profile_define('s', 'p{number}', '{{\"type\": \"ROOT\"}}')");
        client.batch_execute(&define).unwrap();
    }
    for drop in ["ingest.source_drop('s')", "ingest.source_drop('s', true)"] {
        let refusal = expect_sqlstate(client.batch_execute(&format!("SELECT {drop}")), "PT413");
        let hint = refusal.hint().unwrap();
        assert!(hint.contains("max_locks_per_transaction"), "{refusal:?}");
    }
    let left = "SELECT count(*) FROM ingest.profile";
    assert_eq!(value::<i64>(&mut client, left), profiles);
    for number in 0..profiles {
        let drop = format!("SELECT ingest.profile_drop('s', 'p{number}')");
        client.batch_execute(&drop).unwrap();
    }
    client
        .batch_execute("SELECT ingest.source_drop('s')")
        .unwrap();
}
