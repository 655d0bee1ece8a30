//! A front database: the verbs as functions of PL/Proxy, each called on the server where the source
//! is. `docs/scale.md` is run by [`crate::readme`], over three servers; here the servers are
//! databases of one.

use ingest_tests::{Database, expect_sqlstate, server};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, value};

/// Whether this server has PL/Proxy. Debian has it for its own version of PostgreSQL alone, 15;
/// there `scripts/setup-tests` installs it.
pub fn has_plproxy(client: &mut Client) -> bool {
    let found: bool = value(
        client,
        "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'plproxy')",
    );
    let version: String = value(client, "SELECT current_setting('server_version_num')");
    assert!(found || !version.starts_with("15"), "no PL/Proxy is there");
    found
}

/// Gives a database PL/Proxy, or a language of that name, in which functions can be made and not
/// called.
pub fn with_plproxy(client: &mut Client) {
    let script = match has_plproxy(client) {
        true => "CREATE EXTENSION IF NOT EXISTS plproxy",
        false => {
            "CREATE LANGUAGE plproxy HANDLER plpgsql_call_handler;
             CREATE FOREIGN DATA WRAPPER plproxy"
        }
    };
    client.batch_execute(script).unwrap();
}

/// Two servers, and a front in which `clinic` is in the first and `lab` in the second; every other
/// source is nowhere. `None` without PL/Proxy.
fn two_servers() -> Option<(Database, [Database; 2], Client)> {
    let front = Database::new("front");
    let mut client = front.connect();
    if !has_plproxy(&mut client) {
        return None;
    }
    let nodes = [clinic::database("north"), Database::new("south")];
    with_plproxy(&mut client);
    for (name, node) in ["north", "south"].iter().zip(&nodes) {
        let (host, port, node) = (server::host(), server::port(), node.name());
        client
            .batch_execute(&format!(
                "CREATE SERVER {name} FOREIGN DATA WRAPPER plproxy
                     OPTIONS (partition_0 'host={host} port={port} dbname={node}');
                 CREATE USER MAPPING FOR PUBLIC SERVER {name}"
            ))
            .unwrap();
    }
    client
        .batch_execute(
            "SELECT ingest.proxy_create('hospital');
             INSERT INTO hospital.placement VALUES ('clinic', 'north'), ('lab', 'south')",
        )
        .unwrap();
    Some((front, nodes, client))
}

/// What a caller sees of the functions of a schema: name, arguments with names and defaults, result.
fn signatures(client: &mut Client, of: &str) -> Vec<String> {
    client
        .query(
            &format!(
                "SELECT concat(p.proname, '(', pg_get_function_arguments(p.oid), ') -> ', pg_get_function_result(p.oid),
                        CASE WHEN has_function_privilege('public', p.oid, 'EXECUTE') THEN ' to all' END)
                 FROM pg_proc AS p WHERE {of} ORDER BY 1"
            ),
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// Each verb of a source is in the front as it is in the extension: name, arguments, defaults, result,
/// who may call it; a second call changes nothing.
#[test]
fn functions_of_a_front_have_the_signatures_of_the_verbs() {
    let database = Database::new("front");
    let mut client = database.connect();
    with_plproxy(&mut client);
    let parts = "ARRAY['owns_source', 'source_hold', 'source_in_one_place', 'source_move', 'source_keeps', 'source_pieces', 'pieces_close', 'cluster_allow', 'criteria_hold', 'source_owner', 'define_refusal', 'access_left', 'source_access', 'end_then', 'history_cut']";
    let verbs = signatures(
        &mut client,
        &format!(
            "p.pronamespace = 'ingest'::regnamespace AND p.pronargs > 0 AND p.proargnames[1] = 'source' AND p.proname <> ALL ({parts})"
        ),
    );
    assert!(verbs.len() > 40, "{verbs:?}");
    for _ in 0..2 {
        client
            .batch_execute("SELECT ingest.proxy_create('hospital')")
            .unwrap();
        let made = signatures(
            &mut client,
            "p.pronamespace = 'hospital'::regnamespace AND p.proname <> 'server_of'",
        );
        assert_eq!(made, verbs);
    }
}

/// What is no verb any more, or was one with other arguments, goes when the functions are made anew;
/// what somebody has put in the place of one is in the way.
#[test]
fn functions_made_anew_are_those_of_today() {
    let database = Database::new("front");
    let mut client = database.connect();
    with_plproxy(&mut client);
    client
        .batch_execute(
            "SELECT ingest.proxy_create('hospital');
             INSERT INTO hospital.placement VALUES ('clinic', 'north');
             ALTER FUNCTION hospital.resource_exists(text, text, text) RENAME TO resource_is_there;
             DROP FUNCTION hospital.resource_is_valid;
             CREATE FUNCTION hospital.resource_is_valid(source text, profile text, body jsonb) RETURNS text
                 LANGUAGE plproxy AS 'CLUSTER hospital.server_of($1); TARGET ingest.resource_is_valid;';
             CREATE FUNCTION hospital.mine() RETURNS int LANGUAGE sql AS 'SELECT 1';
             SELECT ingest.proxy_create('hospital')",
        )
        .unwrap();
    let of =
        "p.pronamespace = 'hospital'::regnamespace AND p.proname ~ '^resource_(exists|is_)|^mine$'";
    assert_eq!(
        signatures(&mut client, of),
        [
            "mine() -> integer to all",
            "resource_exists(source text, profile text, id text) -> boolean to all",
            "resource_is_valid(source text, profile text, body jsonb) -> boolean to all",
        ]
    );
    let placed = "SELECT count(*) FROM hospital.placement";
    assert_eq!(value::<i64>(&mut client, placed), 1);
    client
        .batch_execute(
            "DROP FUNCTION hospital.resource_exists;
             CREATE FUNCTION hospital.resource_exists(text, text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        )
        .unwrap();
    let again = client.batch_execute("SELECT ingest.proxy_create('hospital')");
    let refusal = expect_sqlstate(again, "PT409");
    assert!(refusal.hint().unwrap().contains("resource_exists"));
    // An api of PostgREST's has functions of the same names: neither takes those of the other.
    client
        .batch_execute("SELECT ingest.api_create('api'); SELECT ingest.proxy_create('other')")
        .unwrap();
    for clash in ["proxy_create('api')", "api_create('other')"] {
        let both = client.batch_execute(&format!("SELECT ingest.{clash}"));
        expect_sqlstate(both, "PT409");
    }
}

/// A name or an option that is none is refused, and so is a front without PL/Proxy.
#[test]
fn front_that_cannot_be_is_refused() {
    let database = clinic::database("front");
    let mut client = database.connect();
    let bare = client.batch_execute("SELECT ingest.proxy_create()");
    assert!(
        expect_sqlstate(bare, "PT409")
            .message()
            .contains("PL/Proxy")
    );
    with_plproxy(&mut client);
    for (schema, options, state) in [
        ("My", "{}", "PT400"),
        ("a-b", "{}", "PT400"),
        ("select", "{}", "PT400"),
        ("ingest", "{}", "PT400"),
        ("public", "{}", "PT400"),
        ("x.server_of('y'); SELECT 1 --", "{}", "PT400"),
        ("clinic", "{}", "PT409"),
        ("a", "[]", "PT400"),
        ("a", r#"{"server": 1}"#, "PT400"),
        ("a", r#"{"place": "north"}"#, "PT400"),
        ("a", r#"{"server": "nowhere"}"#, "PT404"),
    ] {
        let call = "SELECT ingest.proxy_create($1, $2::text::jsonb)";
        let refusal = expect_sqlstate(client.execute(call, &[&schema, &options]), state);
        assert!(refusal.hint().is_some(), "{schema} {options}");
    }
}

/// A call goes to the server of its source; what that refuses comes back with SQLSTATE, message,
/// DETAIL and HINT; whoever moves the source sends the next call elsewhere.
#[test]
fn call_is_answered_by_the_server_of_its_source() {
    let Some((_front, nodes, mut client)) = two_servers() else {
        return;
    };
    client
        .batch_execute(
            r#"SELECT hospital.source_create('lab');
               SELECT hospital.profile_define('lab', 'office', '{"type": "ROOT", "properties": {"name": {"type": "symbol"}}}');
               SELECT hospital.resource_create(s, 'office', jsonb_build_object('data', jsonb_build_object('name', s)), 'o')
                   FROM unnest(ARRAY['clinic', 'lab']) AS s"#,
        )
        .unwrap();
    let name = "SELECT hospital.resource_read($1, 'office', 'o') -> 'data' ->> 'name'";
    for (node, source) in nodes.iter().zip(["clinic", "lab"]) {
        let there = format!("SELECT data ->> 'name' FROM {source}.office");
        assert_eq!(value::<String>(&mut node.connect(), &there), source);
        let read: String = client.query_one(name, &[&source]).unwrap().get(0);
        assert_eq!(read, source);
    }
    // The same body is refused on the spot and through the front.
    let body = json!({"data": {"name": 1, "nmae": "x"}});
    let direct = clinic::create(&mut nodes[0].connect(), OFFICE, &body);
    let direct = expect_sqlstate(direct, "PT422");
    let call = "SELECT hospital.resource_create('clinic', 'office', $1)";
    let refusal = expect_sqlstate(client.execute(call, &[&body]), "PT422");
    assert!(refusal.message().ends_with(direct.message()), "{refusal:?}");
    assert!(refusal.hint().unwrap().ends_with(direct.hint().unwrap()));
    let detail = refusal.detail().unwrap().strip_prefix("Remote detail: ");
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(read(detail.unwrap()), read(direct.detail().unwrap()));
    for (call, state) in [
        ("resource_read('clinic', 'office', 'x')", "PT404"),
        ("resource_read('clinic', 'nothing', 'x')", "PT404"),
        (
            "resource_create('lab', 'office', '{\"data\": {}}', 'o')",
            "PT409",
        ),
        (
            "resource_upsert('lab', 'office', 'o', '{\"data\": {}}', 7)",
            "PT412",
        ),
        ("resource_read(NULL, 'office', 'x')", "PT404"),
        ("resource_read('elsewhere', 'office', 'x')", "PT404"),
        (
            "resource_read('x''; DROP TABLE hospital.placement; --', 'office', 'x')",
            "PT404",
        ),
    ] {
        let refused = client.batch_execute(&format!("SELECT hospital.{call}"));
        expect_sqlstate(refused, state);
    }
    let moved = "UPDATE hospital.placement SET server = 'south' WHERE source = 'clinic'";
    client.batch_execute(moved).unwrap();
    expect_sqlstate(client.query_one(name, &[&"clinic"]), "PT404");
    let away = "UPDATE hospital.placement SET server = 'x\"; DROP SERVER south; --' WHERE source = 'clinic'";
    client.batch_execute(away).unwrap();
    expect_sqlstate(client.query_one(name, &[&"clinic"]), "PT409");
}

/// Who calls on the other server is the role of the caller: its grants there decide, and one that may
/// not use the server at all is refused before.
#[test]
fn caller_of_a_front_is_the_caller_of_the_verb() {
    let Some((mut front, nodes, mut client)) = two_servers() else {
        return;
    };
    let role = front.create_role("reader", "");
    clinic::create_as(&mut nodes[0].connect(), OFFICE, "o", &json!({"data": {}})).unwrap();
    client
        .batch_execute(&format!("GRANT USAGE ON SCHEMA hospital TO \"{role}\""))
        .unwrap();
    let mut reader = front.connect_as(&role);
    let read = "SELECT hospital.resource_read('clinic', 'office', 'o')";
    expect_sqlstate(reader.batch_execute(read), "42501");
    client
        .batch_execute(&format!(
            "GRANT USAGE ON FOREIGN SERVER north TO \"{role}\""
        ))
        .unwrap();
    expect_sqlstate(reader.batch_execute(read), "42501");
    nodes[0].run(&format!(
        "SELECT ingest.source_grant('clinic', '{role}', 'read')"
    ));
    reader.batch_execute(read).unwrap();
    let write = "SELECT hospital.resource_delete('clinic', 'office', 'o')";
    expect_sqlstate(reader.batch_execute(write), "42501");
    drop(reader);
    nodes[0].run(&format!("DROP OWNED BY \"{role}\""));
    client
        .batch_execute(&format!("DROP OWNED BY \"{role}\""))
        .unwrap();
}

/// What `docs/scale.md` says is not there: a call is a transaction of the other server, whatever
/// becomes of that of the front.
#[test]
fn rollback_in_a_front_takes_nothing_back() {
    let Some((_front, nodes, mut client)) = two_servers() else {
        return;
    };
    let mut transaction = client.transaction().unwrap();
    let create = "SELECT hospital.resource_create('clinic', 'office', '{\"data\": {}}', 'o')";
    transaction.batch_execute(create).unwrap();
    transaction.rollback().unwrap();
    clinic::read(&mut nodes[0].connect(), OFFICE, "o").unwrap();
}
