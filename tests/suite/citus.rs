//! Where Citus is, nothing is made that would be somewhere else than it says. Debian has no Citus:
//! a stand-in has the tables that the extension asks. `scripts/citus-check` asks the real one.

use std::fs;
use std::path::PathBuf;

use ingest_tests::cluster::Cluster;
use ingest_tests::expect_sqlstate;
use postgres::Client;

use crate::clinic::{self, OFFICE, PROVIDER, value};

/// The tables that are asked, where Citus has them.
const STAND_IN: &str = "CREATE SCHEMA citus;
    CREATE TABLE citus.pg_dist_local_group (groupid int NOT NULL PRIMARY KEY);
    INSERT INTO citus.pg_dist_local_group VALUES (0);
    CREATE TABLE citus.pg_dist_schema (schemaid oid NOT NULL PRIMARY KEY, colocationid int NOT NULL);
    ALTER TABLE citus.pg_dist_local_group SET SCHEMA pg_catalog;
    ALTER TABLE citus.pg_dist_schema SET SCHEMA pg_catalog;";

/// A server of its own with an extension that is called citus.
fn server(name: &str) -> (Cluster, Client) {
    let cluster = Cluster::start_apart(
        name,
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
    let (_server, mut client) = server("citus");
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

/// Tables that are named as Citus names shards, and triggers that write them, here and over dblink,
/// as it sends a statement to the shard.
const SHARDS: &str = "CREATE TABLE clinic.provider_102008 (id text CONSTRAINT provider_pkey_102008 PRIMARY KEY,
        name text NOT NULL);
    CREATE TABLE clinic.office_102009 (id text CONSTRAINT office_pkey_102009 PRIMARY KEY);
    CREATE TABLE clinic.\"worksAt_102010\" (
        from_id text CONSTRAINT \"worksAt_from_102010\" REFERENCES clinic.provider_102008,
        to_id text CONSTRAINT \"worksAt_to_102010\" REFERENCES clinic.office_102009,
        CONSTRAINT \"worksAt_pkey_102010\" PRIMARY KEY (from_id, to_id));
    CREATE FUNCTION public.to_shard() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE new_row jsonb := to_jsonb(NEW); statement text; far text := current_setting('test.far', true);
    BEGIN
        statement := CASE TG_TABLE_NAME
            WHEN 'provider' THEN format('INSERT INTO clinic.provider_102008 VALUES (%L, %L)', new_row->>'id', new_row->'data'->>'name')
            WHEN 'office' THEN format('INSERT INTO clinic.office_102009 VALUES (%L)', new_row->>'id')
            ELSE format('INSERT INTO clinic.\"worksAt_102010\" VALUES (%L, %L)', new_row->>'from_id', new_row->>'to_id') END;
        IF far <> '' THEN PERFORM public.dblink_exec(far, statement); ELSE EXECUTE statement; END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER shard AFTER INSERT ON clinic.provider FOR EACH ROW EXECUTE FUNCTION public.to_shard();
    CREATE TRIGGER shard AFTER INSERT ON clinic.office FOR EACH ROW EXECUTE FUNCTION public.to_shard();
    CREATE TRIGGER shard AFTER INSERT ON clinic.\"worksAt\" FOR EACH ROW EXECUTE FUNCTION public.to_shard();";

fn expect_refused<T: std::fmt::Debug>(
    result: Result<T, postgres::Error>,
    state: &str,
    constraint: Option<&str>,
) {
    let refusal = expect_sqlstate(result, state);
    assert_eq!(refusal.constraint(), constraint, "{refusal:?}");
    let told = format!("{refusal:?}");
    assert!(!told.contains("secret"), "{told}");
    assert!(!told.contains("_1020"), "{told}");
}

/// What a constraint of a shard refuses, on this node or on another, is told as that of the table,
/// without a value.
#[test]
fn a_constraint_of_a_shard_is_that_of_its_table() {
    let (server, mut client) = server("citus-shards");
    clinic::build(&mut client);
    client
        .batch_execute(&format!("CREATE EXTENSION dblink SCHEMA public; {SHARDS}"))
        .unwrap();
    // Whoever asked before Citus was created connects again.
    let mut client = server.connect("postgres");
    let far: String = value(
        &mut client,
        "SELECT format('host=%s port=%s dbname=postgres user=%s',
            split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_user)",
    );
    for (place, far) in [("here", String::new()), ("far", far)] {
        client
            .batch_execute(&format!("SET test.far = '{far}'"))
            .unwrap();
        let body = serde_json::json!({"data": {"name": "secretName"}});
        let id = format!("secret-{place}");
        let put = format!(
            "INSERT INTO clinic.provider_102008 VALUES ('{id}', 'x');
             INSERT INTO clinic.office_102009 VALUES ('o-{id}')"
        );
        client.batch_execute(&put).unwrap();
        let taken = clinic::create_as(&mut client, PROVIDER, &id, &body);
        expect_refused(taken, "PT409", Some("provider_pkey"));
        let taken = clinic::create_as(&mut client, OFFICE, &format!("o-{id}"), &body);
        expect_refused(taken, "PT409", Some("office_pkey"));
        // Both are there for the table, and neither is for the shard.
        client
            .batch_execute(
                "ALTER TABLE clinic.provider DISABLE TRIGGER shard; ALTER TABLE clinic.office DISABLE TRIGGER shard",
            )
            .unwrap();
        clinic::create_as(&mut client, PROVIDER, &id, &body).unwrap();
        clinic::create_as(&mut client, OFFICE, &id, &body).unwrap();
        let link = clinic::link(&mut client, &id, &id);
        expect_refused(link, "PT404", Some("worksAt_to"));
        client
            .batch_execute(
                "ALTER TABLE clinic.provider ENABLE TRIGGER shard; ALTER TABLE clinic.office ENABLE TRIGGER shard",
            )
            .unwrap();
    }
}

/// Where Citus is not, a table that is named like a shard is the user's own, and told as it is.
#[test]
fn without_citus_a_name_like_a_shard_is_a_name() {
    let database = clinic::database("no_citus");
    let mut client = database.connect();
    client
        .batch_execute(SHARDS)
        .and_then(|()| client.batch_execute("INSERT INTO clinic.provider_102008 VALUES ('a', 'x')"))
        .unwrap();
    let body = serde_json::json!({"data": {"name": "x"}});
    let taken = clinic::create_as(&mut client, PROVIDER, "a", &body);
    let told = expect_sqlstate(taken, "23505");
    assert_eq!(told.constraint(), Some("provider_pkey_102008"));
    assert!(told.detail().is_some_and(|detail| detail.contains("(a)")));
}
