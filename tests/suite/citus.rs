//! Sources on Citus. Debian has none: a stand-in has the tables and the functions that the extension asks,
//! and nothing is on another node. `scripts/citus-check` asks the real one.

use std::fs;
use std::path::PathBuf;

use ingest_tests::cluster::Cluster;
use ingest_tests::expect_sqlstate;
use postgres::Client;

use crate::clinic::{self, OFFICE, PROVIDER, value};

/// The tables that are asked, where Citus has them, and its functions.
const STAND_IN: &str = include_str!("../citus/stand_in.sql");

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

fn called(client: &mut Client) -> Vec<String> {
    let rows = client
        .query("DELETE FROM citus.called RETURNING call, ordinal", &[])
        .unwrap();
    let mut calls: Vec<(i32, String)> = rows.iter().map(|row| (row.get(1), row.get(0))).collect();
    calls.sort();
    calls.into_iter().map(|(_, call)| call).collect()
}

/// The piece of a table, in the order of whose numbers nobody has a say.
fn piece(client: &mut Client, table: &str) -> String {
    let sql = format!(
        "SELECT shard_name(logicalrelid, shardid) FROM pg_dist_shard WHERE logicalrelid = 'clinic.\"{table}\"'::regclass"
    );
    value(client, &sql)
}

fn conflict(client: &mut Client, call: &str, told: &str) {
    let refusal = expect_sqlstate(
        client.batch_execute(&format!("SELECT ingest.{call}")),
        "PT409",
    );
    assert!(refusal.message().contains(told), "{call}: {refusal:?}");
    assert!(
        refusal.hint().is_some_and(|hint| !hint.is_empty()),
        "{call}"
    );
}

/// What Citus would do by halves is refused: a schema that a setting distributes, a node that is not the
/// coordinator, and what cannot be done in a source that is distributed.
#[test]
fn what_citus_would_do_by_halves_is_refused() {
    let (server, mut client) = server("citus");
    // Beside Citus, undistributed, all is as it is without.
    clinic::build(&mut client);
    client
        .batch_execute("SELECT ingest.source_secure('clinic')")
        .unwrap();
    for on in ["on", "true"] {
        client
            .batch_execute(&format!("SET citus.enable_schema_based_sharding = {on}"))
            .unwrap();
        conflict(&mut client, "source_create('ward')", "none of its tables");
    }
    let none = "SELECT count(*) FROM pg_namespace WHERE nspname = 'ward'";
    assert_eq!(value::<i64>(&mut client, none), 0);
    let mut client = server.connect("postgres");
    conflict(
        &mut client,
        "source_create('ward', '{\"distributed\": true}')",
        "do not have the catalog",
    );
    conflict(
        &mut client,
        "source_distribute('clinic')",
        "do not have the catalog",
    );
    client
        .batch_execute("SELECT ingest.cluster_join(); SELECT ingest.cluster_join()")
        .unwrap();
    conflict(
        &mut client,
        "source_undistribute('clinic')",
        "not distributed",
    );
    client
        .batch_execute("ALTER TABLE clinic.office ENABLE ROW LEVEL SECURITY")
        .unwrap();
    conflict(
        &mut client,
        "source_distribute('clinic')",
        "row-level security",
    );
    client
        .batch_execute("ALTER TABLE clinic.office DISABLE ROW LEVEL SECURITY; SELECT ingest.feed_create('clinic')")
        .unwrap();
    conflict(&mut client, "source_distribute('clinic')", "a feed");
    client
        .batch_execute("SELECT ingest.feed_drop('clinic'); CREATE TABLE public.mine (id text REFERENCES clinic.office)")
        .unwrap();
    conflict(&mut client, "source_distribute('clinic')", "foreign keys");
    client.batch_execute("DROP TABLE public.mine").unwrap();
    let long = "a".repeat(46);
    let define =
        format!("SELECT ingest.profile_define('clinic', '{long}', '{{\"type\": \"ROOT\"}}')");
    client.batch_execute(&define).unwrap();
    conflict(&mut client, "source_distribute('clinic')", "over 45 bytes");
    client
        .batch_execute(&format!("SELECT ingest.profile_drop('clinic', '{long}')"))
        .unwrap();
    client
        .batch_execute("SELECT ingest.source_distribute('clinic')")
        .unwrap();
    conflict(
        &mut client,
        "source_distribute('clinic')",
        "distributed already",
    );
    for call in [
        "source_secure('clinic')",
        "feed_create('clinic')",
        "history_partition('clinic', 'office', '1 year')",
    ] {
        conflict(&mut client, call, "Citus distributes the schema");
    }
    conflict(
        &mut client,
        "profile_distribute('clinic', 'office')",
        "one profile",
    );
    client
        .batch_execute("UPDATE pg_dist_local_group SET groupid = 3")
        .unwrap();
    for call in [
        "cluster_join()",
        "source_create('ward')",
        "profile_define('clinic', 'later', '{\"type\": \"ROOT\"}')",
        "source_undistribute('clinic')",
        "cluster_check()",
    ] {
        conflict(&mut client, call, "not the coordinator");
    }
}

/// Where Citus is not, its functions say so.
#[test]
fn without_citus_its_functions_refuse() {
    let database = clinic::database("no_citus");
    let mut client = database.connect();
    for call in [
        "cluster_join()",
        "cluster_check()",
        "source_distribute('clinic')",
        "source_undistribute('clinic')",
        "source_create('ward', '{\"distributed\": true}')",
        "criteria_hold('clinic', 'office', '{}')",
        "carried(NULL, NULL)",
        "cluster_allow('clinic')",
    ] {
        conflict(&mut client, call, "Citus");
    }
    let nodes = client
        .query("SELECT * FROM ingest.source_node('clinic')", &[])
        .unwrap();
    assert!(nodes.is_empty());
}

/// A source goes to the nodes and comes back, with all triggers, which the copy of its rows passes by;
/// what is defined meanwhile goes where the rest is.
#[test]
fn source_is_distributed_and_brought_back() {
    let (server, mut client) = server("citus-move");
    clinic::build(&mut client);
    clinic::upsert(&mut client, OFFICE, "o", &serde_json::json!({"data": {}})).unwrap();
    client
        .batch_execute(
            "CREATE FUNCTION public.mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
             CREATE TRIGGER mine AFTER INSERT ON clinic.office FOR EACH ROW EXECUTE FUNCTION public.mine();
             ALTER TABLE clinic.office DISABLE TRIGGER mine",
        )
        .unwrap();
    let mut client = server.connect("postgres");
    let triggers = "SELECT string_agg(concat(tgrelid::regclass, tgname, tgenabled), ' ' ORDER BY tgrelid::regclass::text, tgname)
        FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'clinic.%'
        AND tgrelid::regclass::text !~ '_1[0-9]{5}\"?$'";
    let before: String = value(&mut client, triggers);
    let default = "SELECT count(*) FROM pg_attrdef WHERE adrelid = 'clinic.office'::regclass
        AND pg_get_expr(adbin, adrelid) LIKE '%new_id%'";
    let lacking = "SELECT count(*) FROM ingest.cluster_check()";
    assert!(value::<i64>(&mut client, lacking) > 10);
    client
        .batch_execute("SELECT ingest.cluster_join(); SELECT ingest.source_distribute('clinic')")
        .unwrap();
    let calls = called(&mut client);
    assert_eq!(calls[0], "distribute clinic, triggers: 0");
    let first_truncated = calls.iter().find(|call| call.starts_with("truncate"));
    assert!(
        first_truncated.is_some_and(|call| !call.ends_with("clinic.office")),
        "{calls:?}"
    );
    assert_eq!(value::<String>(&mut client, triggers), before);
    assert_eq!(value::<i64>(&mut client, default), 0);
    // Citus gives a piece no trigger of TRUNCATE; and one that lacks it is told.
    let [office, history] = ["office", "office_history"].map(|table| piece(&mut client, table));
    for (piece, state) in [(&office, "PT400"), (&history, "42501")] {
        let truncate = format!("TRUNCATE {piece}");
        expect_sqlstate(client.batch_execute(&truncate), state);
    }
    client
        .batch_execute(&format!(
            "DROP TRIGGER \"~ingest_truncate_{}\" ON {history}",
            &history[history.len() - 6..]
        ))
        .unwrap();
    let told: String = value(&mut client, "SELECT what FROM ingest.cluster_check()");
    assert!(
        told.starts_with("the piece of clinic.office_history on the node ")
            && told.contains("SELECT ingest.pieces_close('clinic', 'office')"),
        "{told}"
    );
    client
        .batch_execute(&format!(
            "SELECT ingest.pieces_close('clinic', 'office'); ALTER TABLE {office} DISABLE TRIGGER ALL"
        ))
        .unwrap();
    let told: String = value(&mut client, "SELECT what FROM ingest.cluster_check()");
    assert!(
        told.starts_with("the piece of clinic.office on the node "),
        "{told}"
    );
    client
        .batch_execute(&format!("ALTER TABLE {office} ENABLE TRIGGER ALL"))
        .unwrap();
    for nothing in [lacking, "SELECT count(*) FROM ingest.doctor('clinic')"] {
        assert_eq!(value::<i64>(&mut client, nothing), 0, "{nothing}");
    }
    // Another session learns of a definition, though the catalog has other triggers now.
    let mut other = server.connect("postgres");
    let body = serde_json::json!({"data": {}});
    clinic::upsert(&mut other, OFFICE, "p", &body).unwrap();
    client
        .batch_execute("SELECT ingest.profile_define('clinic', 'later', '{\"type\": \"ROOT\"}')")
        .unwrap();
    let calls = called(&mut client);
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(
        calls[0].starts_with("table clinic.later with clinic."),
        "{calls:?}"
    );
    other
        .batch_execute("SELECT ingest.resource_create('clinic', 'later', '{\"data\": {}}')")
        .unwrap();
    assert_eq!(value::<i64>(&mut client, lacking), 0);
    client
        .batch_execute(
            "SELECT ingest.source_create('ward', '{\"distributed\": true}');
             SELECT ingest.profile_define('ward', 'bed', '{\"type\": \"ROOT\"}')",
        )
        .unwrap();
    let calls = called(&mut client);
    assert_eq!(
        calls,
        [
            "distribute ward, triggers: 0",
            "undistribute ward",
            "distribute ward, triggers: 0",
            "table ward.bed_history with ward.bed"
        ]
    );
    client
        .batch_execute(
            "CREATE TABLE ward.stray (id text); SELECT ingest.source_undistribute('clinic')",
        )
        .unwrap();
    assert_eq!(value::<i64>(&mut client, default), 1);
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.doctor('clinic')"),
        0
    );
    let told = clinic::story(&mut client, OFFICE, "o");
    clinic::upsert(
        &mut client,
        OFFICE,
        "o",
        &serde_json::json!({"data": {"name": "x"}}),
    )
    .unwrap();
    assert!(clinic::story(&mut client, OFFICE, "o").starts_with(&told));
}

/// The gate on a shard writes the shard of the history beside it; a table that is only named like one
/// is none.
#[test]
fn gate_is_on_the_shard() {
    let (server, mut client) = server("citus-gate");
    clinic::build(&mut client);
    client
        .batch_execute(
            "CREATE TABLE clinic.office_102008 (LIKE clinic.office INCLUDING ALL);
             CREATE TABLE clinic.office_history_102009 (LIKE clinic.office_history INCLUDING ALL);
             CREATE TRIGGER \"~ingest_guard_102008\" BEFORE INSERT OR UPDATE ON clinic.office_102008
                 FOR EACH ROW EXECUTE FUNCTION ingest.guard('clinic', 'office');
             CREATE TRIGGER \"!ingest_archive_102008\" AFTER UPDATE OR DELETE ON clinic.office_102008
                 FOR EACH ROW EXECUTE FUNCTION ingest.archive('clinic', 'office');
             CREATE TRIGGER \"~ingest_confirm_102008\" AFTER INSERT ON clinic.office_102008
                 FOR EACH STATEMENT EXECUTE FUNCTION ingest.archive('clinic', 'office');
             CREATE TRIGGER \"~ingest_seal_102009\" BEFORE INSERT OR UPDATE OR DELETE ON clinic.office_history_102009
                 FOR EACH STATEMENT EXECUTE FUNCTION ingest.seal('clinic', 'office')",
        )
        .unwrap();
    let mut client = server.connect("postgres");
    let insert = "INSERT INTO clinic.office_102008 (id, data) VALUES ('o', '{\"name\": \"a\"}')";
    let refused = expect_sqlstate(client.batch_execute(insert), "42501");
    assert!(
        refused
            .message()
            .contains("is not on the table that it names")
    );
    client
        .batch_execute(
            "INSERT INTO pg_dist_partition VALUES ('clinic.office', 7), ('clinic.office_history', 7);
             INSERT INTO pg_dist_shard VALUES ('clinic.office', 102008), ('clinic.office_history', 102009)",
        )
        .unwrap();
    let mut client = server.connect("postgres");
    for _ in 0..2 {
        client
            .batch_execute(&format!(
                "{insert};
                 UPDATE clinic.office_102008 SET data = '{{\"name\": \"b\"}}' WHERE id = 'o';
                 UPDATE clinic.office_102008 SET data = data WHERE id = 'o';
                 DELETE FROM clinic.office_102008 WHERE id = 'o'"
            ))
            .unwrap();
    }
    let story = "SELECT string_agg(concat(version, ' ', data ->> 'name'), ', ' ORDER BY version) FROM clinic.office_history_102009";
    assert_eq!(
        value::<String>(&mut client, story),
        "1 a, 2 b, 3 , 4 a, 5 b, 6 "
    );
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.office_history"),
        0
    );
    let wrong = "INSERT INTO clinic.office_102008 (id, data) VALUES ('x', '{\"name\": 7}')";
    expect_sqlstate(client.batch_execute(wrong), "PT422");
    for forged in [
        "UPDATE clinic.office_history_102009 SET version = 9",
        "DELETE FROM clinic.office_history_102009",
    ] {
        expect_sqlstate(client.batch_execute(forged), "42501");
    }
    // The shard of another table, another number, and a table of several shards.
    client
        .batch_execute(
            "CREATE TABLE clinic.office_102010 (LIKE clinic.office INCLUDING ALL);
             CREATE TRIGGER \"~ingest_guard\" BEFORE INSERT OR UPDATE ON clinic.office_102010
                 FOR EACH ROW EXECUTE FUNCTION ingest.guard('clinic', 'office')",
        )
        .unwrap();
    let other = "INSERT INTO clinic.office_102010 (id, data) VALUES ('o', '{}')";
    expect_sqlstate(client.batch_execute(other), "42501");
    client
        .batch_execute("INSERT INTO pg_dist_shard VALUES ('clinic.provider', 102010)")
        .unwrap();
    let mut client = server.connect("postgres");
    expect_sqlstate(client.batch_execute(other), "42501");
    client
        .batch_execute("INSERT INTO pg_dist_shard VALUES ('clinic.office_history', 102011)")
        .unwrap();
    let mut client = server.connect("postgres");
    expect_sqlstate(client.batch_execute(insert), "42501");
}

/// What takes rows and versions out for ever is carried to where the tables are, and takes them from
/// their pieces there: as the caller, who may do so, and from what Citus says is on this node.
#[test]
fn what_is_taken_out_is_taken_from_the_pieces() {
    let (server, mut client) = server("citus-erase");
    clinic::build(&mut client);
    client
        .batch_execute("SELECT ingest.cluster_join(); SELECT citus_schema_distribute('clinic')")
        .unwrap();
    let mut client = server.connect("postgres");
    let [office, offices, provider, links, linked] = [
        "office",
        "office_history",
        "provider",
        "worksAt",
        "worksAt_history",
    ]
    .map(|table| piece(&mut client, table));
    client
        .batch_execute(&format!(
            "INSERT INTO {office} (id, data) SELECT 'o' || n, '{{\"note\": \"1\"}}' FROM generate_series(1, 3) AS n;
             UPDATE {office} SET data = '{{\"note\": \"2\"}}'; UPDATE {office} SET data = '{{\"note\": \"3\"}}';
             INSERT INTO {provider} (id, data) VALUES ('p', '{{\"name\": \"p\"}}');
             INSERT INTO {links} (from_id, to_id) VALUES ('p', 'o1'), ('p', 'o2')"
        ))
        .unwrap();
    let row = |client: &mut Client, call: &str| {
        let sql =
            format!("SELECT w.outcome || ' ' || w.id || ' ' || w.version FROM ingest.{call} AS w");
        client
            .query_one(&sql, &[])
            .map(|row| row.get::<_, String>(0))
    };
    let erased = row(
        &mut client,
        "version_erase('clinic', 'office', 'o1', 1, 'why')",
    )
    .unwrap();
    assert_eq!(erased, "erased o1 1");
    let current = row(
        &mut client,
        "version_erase('clinic', 'office', 'o1', 3, 'why')",
    );
    expect_sqlstate(current, "PT409");
    let still = row(
        &mut client,
        "resource_erase('clinic', 'office', 'o1', 'why')",
    );
    let refusal = expect_sqlstate(still, "PT409");
    assert!(refusal.message().contains("worksAt (1)"), "{refusal:?}");
    let never = row(
        &mut client,
        "resource_erase('clinic', 'office', 'o9', 'why')",
    );
    expect_sqlstate(never, "PT404");
    let link = "resource_erase('clinic', 'worksAt', 'provider.p,office.o2', 'why')";
    assert_eq!(
        row(&mut client, link).unwrap(),
        "erased provider.p,office.o2 2"
    );
    let whole = "resource_erase('clinic', 'office', 'o1', 'why', cascade => true)";
    assert_eq!(row(&mut client, whole).unwrap(), "erased o1 4");
    expect_sqlstate(row(&mut client, whole), "PT410");
    let told = |client: &mut Client, from: &str| {
        let sql = format!(
            "SELECT string_agg(concat_ws(' ', id, version, data ->> 'note', erased ->> 'reason', erased ->> 'by'), ', ' ORDER BY id, version) FROM {from}"
        );
        value::<Option<String>>(client, &sql)
    };
    assert_eq!(
        told(&mut client, &offices).as_deref(),
        Some("o1 4 why postgres, o2 1 1, o2 2 2, o3 1 1, o3 2 2")
    );
    assert_eq!(
        told(&mut client, &linked).as_deref(),
        Some("provider.p,office.o1 2 why postgres, provider.p,office.o2 2 why postgres")
    );
    // Who makes it again goes on from there, and the seal is closed.
    client
        .batch_execute(&format!(
            "INSERT INTO {office} (id, data) VALUES ('o1', '{{}}')"
        ))
        .unwrap();
    let version: i32 = value(
        &mut client,
        &format!("SELECT version FROM {office} WHERE id = 'o1'"),
    );
    assert_eq!(version, 5);
    let forged = format!("DELETE FROM {offices}");
    expect_sqlstate(client.batch_execute(&forged), "42501");
    // One of each of three, at most two.
    for (limit, pruned) in [(2, 2), (2, 0)] {
        let sql = format!(
            "SELECT ingest.history_prune('clinic', 'office', keep => 2, \"limit\" => {limit})"
        );
        assert_eq!(value::<i64>(&mut client, &sql), pruned);
    }
    let kept = expect_sqlstate(
        client.batch_execute("SELECT ingest.profile_purge('clinic', 'office')"),
        "PT409",
    );
    assert!(kept.message().contains("worksAt"), "{kept:?}");
    let purge = "SELECT ingest.profile_purge('clinic', 'office', cascade => true)";
    assert_eq!(value::<i64>(&mut client, purge), 3);
    for gone in [&office, &offices, &links, &linked] {
        let left: i64 = value(&mut client, &format!("SELECT count(*) FROM {gone}"));
        assert_eq!(left, 0, "{gone}");
    }
    // What Citus allows in a call that was carried here is not left behind.
    let nested: String = value(
        &mut client,
        "SELECT current_setting('citus.allow_nested_distributed_execution')",
    );
    assert_ne!(nested, "on");
    // It is the owner's, and of what is on this node.
    client
        .batch_execute(
            "CREATE ROLE other; SELECT ingest.source_grant('clinic', 'other', 'write');
             GRANT EXECUTE ON FUNCTION ingest.resource_erase(text, text, text, text, boolean) TO other;
             SET ROLE other",
        )
        .unwrap();
    expect_sqlstate(row(&mut client, whole), "42501");
    client
        .batch_execute("RESET ROLE; UPDATE pg_dist_placement SET groupid = 5")
        .unwrap();
    let refusal = expect_sqlstate(row(&mut client, whole), "PT409");
    assert!(
        refusal.message().contains("is on another node"),
        "{refusal:?}"
    );
    // Somebody who may do nothing there holds no lock, and tells no verb that it was carried.
    client
        .batch_execute("CREATE ROLE nobody; SET ROLE nobody")
        .unwrap();
    let hold = "SELECT ingest.criteria_hold('clinic', 'office', '{}')";
    expect_sqlstate(client.batch_execute(hold), "42501");
    client.batch_execute("RESET ROLE").unwrap();
    conflict(&mut client, "carried(NULL, NULL)", "for the nodes of Citus");
    // What Citus sends as a query, for the rows of a table, would be committed by itself.
    client
        .batch_execute("SET application_name = 'citus_internal gpid=1'")
        .unwrap();
    let call = r#"resource_create('clinic', 'office', '{"data": {}}')"#;
    conflict(&mut client, call, "for the rows of a distributed table");
}

/// A call of many statements writes the pieces where it was carried, with the words of one that was not;
/// one of few is carried where the table is elsewhere.
#[test]
fn verbs_are_carried_to_where_the_table_is() {
    let (server, mut client) = server("citus-carry");
    clinic::build(&mut client);
    client
        .batch_execute("SELECT ingest.cluster_join(); SELECT citus_schema_distribute('clinic')")
        .unwrap();
    let mut client = server.connect("postgres");
    let piece = piece(&mut client, "provider");
    let outcomes = |client: &mut Client, call: &str| -> Vec<String> {
        let sql = format!(
            "SELECT concat_ws(' ', ordinal, outcome, version) FROM ingest.{call} ORDER BY ordinal"
        );
        let rows = client.query(&sql, &[]).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let load = |bodies: &str, rest: &str| {
        format!("resource_load('clinic', 'provider', '{bodies}', {rest})")
    };
    let two = r#"[{"id": "a", "data": {"name": "a"}}, {"id": "b", "data": {"name": "b"}}]"#;
    assert_eq!(
        outcomes(&mut client, &load(two, "'create'")),
        ["1 created 1", "2 created 1"]
    );
    let changed = r#"[{"id": "a", "data": {"name": "x"}}, {"id": "c", "data": {"name": 7}}]"#;
    assert_eq!(
        outcomes(&mut client, &load(changed, "'upsert', 'report'")),
        ["1 updated 2", "2"]
    );
    let wrong = client.batch_execute(&format!("SELECT ingest.{}", load(changed, "'upsert'")));
    let refusal = expect_sqlstate(wrong, "PT422");
    assert!(
        refusal
            .message()
            .starts_with("body 2: provider does not conform"),
        "{refusal:?}"
    );
    assert_eq!(refusal.table(), Some("provider"));
    let taken = client.batch_execute(&format!("SELECT ingest.{}", load(two, "'create'")));
    expect_sqlstate(taken, "PT409");
    let apply = r#"SELECT ingest.bundle_apply('clinic', '{"operations": [
        {"operation": "create", "profile": "provider", "id": "d", "body": {"data": {"name": "d"}}},
        {"operation": "create", "profile": "office", "id": "o", "body": {"data": {}}},
        {"operation": "link", "relationship": "worksAt", "body": {"from": {"type": "provider", "id": "d"}, "to": {"type": "office", "id": "o"}}},
        {"operation": "delete", "profile": "provider", "id": "b"}]}')"#;
    client
        .batch_execute(&format!(
            "BEGIN; SET LOCAL ingest.context = '{{\"actor\": \"x\"}}'; {apply}; COMMIT"
        ))
        .unwrap();
    let stored = format!(
        "SELECT string_agg(concat_ws(' ', id, version, context ->> 'actor'), ', ' ORDER BY id) FROM {piece}"
    );
    assert_eq!(value::<String>(&mut client, &stored), "a 2, d 1 x");
    for empty in ["provider", "provider_history", "office", "\"worksAt\""] {
        let count = format!("SELECT count(*) FROM clinic.{empty}");
        assert_eq!(value::<i64>(&mut client, &count), 0, "{empty}");
    }
    // Here nothing is elsewhere: a call that was carried finds no piece.
    client
        .batch_execute("UPDATE pg_dist_placement SET groupid = 5")
        .unwrap();
    for call in [
        r#"resource_create('clinic', 'provider', '{"data": {"name": "e"}}')"#,
        r#"resource_create_if('clinic', 'provider', '{"name": "e"}', '{"data": {"name": "e"}}')"#,
        "resource_delete('clinic', 'provider', 'a')",
        &load(two, "'upsert'"),
    ] {
        conflict(&mut client, call, "provider is on another node");
    }
    // A trigger of a statement would fire for the one that opens the transaction: DELETE opens it then.
    client
        .batch_execute(
            "CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';
             CREATE TRIGGER no BEFORE UPDATE ON clinic.provider FOR EACH STATEMENT EXECUTE FUNCTION public.no()",
        )
        .unwrap();
    conflict(
        &mut client,
        &load(two, "'upsert'"),
        "provider is on another node",
    );
    client
        .batch_execute("DROP TRIGGER no ON clinic.provider")
        .unwrap();
    // What a role cannot open a transaction with stays, and so does a call under a key.
    client
        .batch_execute(
            r#"SELECT ingest.resource_create('clinic', 'provider', '{"data": {"name": "k"}}', 'k', request_key => 'k')"#,
        )
        .unwrap();
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.provider"),
        1
    );
    let old = client.batch_execute(
        r#"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT ingest.bundle_apply('clinic', '{"operations": [
            {"operation": "create_if", "profile": "provider", "criteria": {"name": "z"}, "body": {"data": {"name": "z"}}}]}', 'l')"#,
    );
    let refusal = expect_sqlstate(old, "PT409");
    assert!(refusal.message().contains("READ COMMITTED"), "{refusal:?}");
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
    client.batch_execute(SHARDS).unwrap();
    // A server that was built with another libpq than the machine has cannot load it.
    let dblink = client.batch_execute("CREATE EXTENSION dblink SCHEMA public");
    let can_call = match dblink {
        Ok(()) => true,
        Err(error) => {
            let code = error.code().map(|code| code.code().to_owned());
            assert_eq!(code.as_deref(), Some("58P01"), "{error:?}");
            false
        }
    };
    // Whoever asked before Citus was created connects again.
    let mut client = server.connect("postgres");
    let far: String = value(
        &mut client,
        "SELECT format('host=%s port=%s dbname=postgres user=%s',
            split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_user)",
    );
    let places = [("here", String::new()), ("far", far)];
    for (place, far) in places.into_iter().take(1 + usize::from(can_call)) {
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
