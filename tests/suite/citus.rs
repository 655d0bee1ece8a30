//! Where Citus is, nothing is made that would be somewhere else than it says. Debian has no Citus:
//! a stand-in has the tables that the extension asks. `scripts/citus-check` asks the real one.

use std::fs;
use std::path::PathBuf;

use ingest_tests::cluster::Cluster;
use ingest_tests::expect_sqlstate;
use postgres::Client;

use crate::clinic::{self, value};

/// The tables that are asked, where Citus has them.
const STAND_IN: &str = "CREATE SCHEMA citus;
    CREATE TABLE citus.pg_dist_local_group (groupid int NOT NULL PRIMARY KEY);
    INSERT INTO citus.pg_dist_local_group VALUES (0);
    CREATE TABLE citus.pg_dist_schema (schemaid oid NOT NULL PRIMARY KEY, colocationid int NOT NULL);
    ALTER TABLE citus.pg_dist_local_group SET SCHEMA pg_catalog;
    ALTER TABLE citus.pg_dist_schema SET SCHEMA pg_catalog;";

/// A server of its own with an extension that is called citus.
fn server() -> (Cluster, Client) {
    let cluster = Cluster::start_apart(
        "citus",
        &[
            "fsync=off",
            "shared_buffers=16MB",
            "allow_system_table_mods=on",
        ],
    );
    let mut client = cluster.connect("postgres");
    let share: String = value(
        &mut client,
        "SELECT setting FROM pg_config() WHERE name = 'SHAREDIR'",
    );
    let folder = PathBuf::from(share).join("extension");
    let control = "default_version = '13.2-1'\nrelocatable = false\nschema = pg_catalog\n";
    fs::write(folder.join("citus.control"), control).unwrap();
    fs::write(folder.join("citus--13.2-1.sql"), STAND_IN).unwrap();
    client
        .batch_execute("CREATE EXTENSION ingest_ext; CREATE EXTENSION citus")
        .unwrap();
    (cluster, client)
}

/// A source is not made where Citus would distribute its schema and not its tables; it is not changed
/// where its schema is distributed, nor on another node than the coordinator; all else works.
#[test]
fn what_citus_would_do_by_halves_is_refused() {
    let (_server, mut client) = server();
    // Beside Citus, undistributed, all is as it is without.
    clinic::build(&mut client);
    let secure = "SELECT ingest.source_secure('clinic')";
    client.batch_execute(secure).unwrap();

    for on in ["on", "true"] {
        client
            .batch_execute(&format!("SET citus.enable_schema_based_sharding = {on}"))
            .unwrap();
        let create = client.batch_execute("SELECT ingest.source_create('ward')");
        let refusal = expect_sqlstate(create, "PT409");
        assert!(
            refusal
                .hint()
                .unwrap()
                .contains("enable_schema_based_sharding"),
            "{refusal:?}"
        );
    }
    let none = "SELECT count(*) FROM pg_namespace WHERE nspname = 'ward'";
    assert_eq!(value::<i64>(&mut client, none), 0);
    client
        .batch_execute(
            "SET citus.enable_schema_based_sharding = off;
             SELECT ingest.source_create('ward');
             INSERT INTO pg_dist_schema VALUES ('clinic'::regnamespace, 1)",
        )
        .unwrap();
    let define = |source: &str| {
        format!("SELECT ingest.profile_define('{source}', 'later', '{{\"type\": \"ROOT\"}}')")
    };
    client.batch_execute(&define("ward")).unwrap();
    let changes = [
        define("clinic"),
        secure.to_owned(),
        "SELECT ingest.profile_drop('clinic', 'office')".to_owned(),
        "SELECT ingest.vocabulary_define('clinic', 'v', '[\"a\"]')".to_owned(),
        "SELECT ingest.relationship_drop('clinic', 'worksAt')".to_owned(),
    ];
    for change in &changes {
        let refusal = expect_sqlstate(client.batch_execute(change), "PT409");
        assert!(refusal.message().contains("clinic"), "{refusal:?}");
    }
    client
        .batch_execute("TRUNCATE pg_dist_schema; UPDATE pg_dist_local_group SET groupid = 7")
        .unwrap();
    let create = "SELECT ingest.source_create('other')".to_owned();
    for change in changes.iter().chain([&create]) {
        let refusal = expect_sqlstate(client.batch_execute(change), "PT409");
        assert!(refusal.message().contains("coordinator"), "{refusal:?}");
    }
    // What is there is read and written.
    clinic::create(
        &mut client,
        "provider",
        &serde_json::json!({"data": {"name": "x"}}),
    )
    .unwrap();
    client
        .batch_execute("UPDATE pg_dist_local_group SET groupid = 0")
        .unwrap();
    client.batch_execute(&define("clinic")).unwrap();
}
