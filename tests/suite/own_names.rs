//! Names are the user's: whatever a profile, a property or a column of the user's own is called, our
//! statements mean what they meant.

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::value;
use crate::invariant::assert_sound;

/// Names that our statements give to what they read, and names of what they read.
const NAMES: &[&str] = &[
    "t",
    "n",
    "h",
    "r",
    "m",
    "c",
    "matches",
    "place",
    "excluded",
    "unnest",
    "pg_class",
    "key",
    "row",
    "old",
    "new",
    "count",
    "relowner",
    "ended_at",
    "from_id",
    "to_id",
    "contained",
    "version",
    "data",
    "id",
    "true",
    "ordinality",
    "table",
    "profile",
    "source",
];

/// Gives each table of a source columns of these names, as far as it has none.
fn add_columns(client: &mut Client) {
    let columns = NAMES.join("', '");
    client
        .batch_execute(&format!(
            "DO $$ DECLARE t regclass; n text; BEGIN
                 FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 's'::regnamespace AND relkind = 'r' LOOP
                     FOREACH n IN ARRAY ARRAY['{columns}'] LOOP
                         EXECUTE format('ALTER TABLE %s ADD COLUMN IF NOT EXISTS %I text DEFAULT ''own''', t, n);
                     END LOOP;
                 END LOOP;
             END $$"
        ))
        .unwrap();
}

/// An answer without what the clock says, and with `p` and `k` for the names.
fn plain(answer: Value, profile: &str, property: &str, in_data: bool) -> Value {
    let again = |value, in_data| plain(value, profile, property, in_data);
    match answer {
        Value::Array(items) => items.into_iter().map(|item| again(item, false)).collect(),
        Value::Object(members) if in_data => members
            .into_iter()
            .map(|(name, value)| (if name == property { "k".into() } else { name }, value))
            .collect(),
        Value::Object(members) => members
            .into_iter()
            .filter(|(name, _)| !INSTANTS.contains(&name.as_str()))
            .map(|(name, value)| {
                let in_data = name == "data";
                (name, again(value, in_data))
            })
            .collect(),
        Value::String(text) if text == profile => json!("p"),
        Value::String(text) if text == format!("{profile}.{property}") => json!("p.k"),
        Value::String(text) => json!(text.replace(&format!("{profile}."), "p.")),
        other => other,
    }
}

const INSTANTS: &[&str] = &["updated_at", "ended_at", "createdAt", "lastUpdated"];

/// What all verbs answer one after the other, about the profile `p`, its property `k` and the
/// relationship `l`.
const STORY: &[&str] = &[
    r#"resource_create('s', '{p}', '{"data": {"{k}": 1}}', id => '1')"#,
    r#"resource_upsert('s', '{p}', '1', '{"data": {"{k}": 2}}')"#,
    r#"resource_upsert('s', '{p}', '2', '{"data": {"{k}": 3}}')"#,
    r#"resource_create_if('s', '{p}', '{"{k}": 2}', '{"data": {"{k}": 2}}')"#,
    r#"resource_create_if('s', '{p}', '{"{k}": 4}', '{"data": {"{k}": 4}}', id => '4')"#,
    r#"resource_upsert_if('s', '{p}', '{"{k}": 4}', '{"data": {"{k}": 5}}')"#,
    r#"resource_patch('s', '{p}', '2', '{"data": {"{k}": 6}}')"#,
    r#"resource_load('s', '{p}', '[{"id": "5", "data": {"{k}": 7}}, {"id": "6", "data": {}}]')"#,
    r#"resource_load('s', '{p}', '[{"id": "5", "data": {"{k}": 8}}, {"id": "7", "data": {}}]', 'upsert')"#,
    r#"bundle_apply('s', '{"operations": [{"operation": "delete", "profile": "{p}", "id": "6"}, {"operation": "create", "profile": "{p}", "body": {"id": "8", "data": {"{k}": 9}}}]}')"#,
    "resource_delete('s', '{p}', '7')",
    r#"resource_create('s', '{p}', '{"data": {}}', id => '7')"#,
    "resource_read('s', '{p}', '1')",
    "resource_read('s', '{p}', '1', 1)",
    "resource_read_at('s', '{p}', '1', clock_timestamp())",
    "resource_history('s', '{p}', '7')",
    "resource_search('s', '{p}', '{}')",
    r#"resource_search('s', '{p}', '{"{k}": 8}')"#,
    "relationship_link('s', 'l', '{\"from\": {\"type\": \"{p}\", \"id\": \"1\"}, \"to\": {\"type\": \"{p}\", \"id\": \"2\"}, \"data\": {\"{k}\": 1}}')",
    "relationship_upsert('s', 'l', '{\"from\": {\"type\": \"{p}\", \"id\": \"1\"}, \"to\": {\"type\": \"{p}\", \"id\": \"2\"}, \"data\": {\"{k}\": 2}}')",
    "relationship_list('s', '{p}', '1')",
    "relationship_unlink('s', 'l', '{p}.1,{p}.2')",
    "resource_delete('s', '{p}', '1', cascade => true)",
    r#"profile_check('s', '{p}', '{"type": "ROOT"}')"#,
    "doctor('s')",
];

/// The whole story in a source with a profile, a property and columns of these names.
fn story(profile: &str, property: &str, columns: bool) -> Vec<Value> {
    let database = Database::new("own_names");
    let mut client = database.connect();
    let properties = json!({property: {"type": "integer"}});
    let definition = json!({"type": "ROOT", "properties": properties, "identities": [[property]]});
    let ends = json!({"from": {"profileKey": profile}, "to": {"profileKey": profile}, "properties": properties});
    client
        .batch_execute("SELECT ingest.source_create('s'); SET client_min_messages = warning")
        .unwrap();
    for sql in [
        format!("SELECT ingest.profile_define('s', '{profile}', '{definition}')"),
        format!("SELECT ingest.relationship_define('s', 'l', '{ends}')"),
    ] {
        client
            .batch_execute(&sql)
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    if columns {
        add_columns(&mut client);
    }
    let mut told = Vec::new();
    for call in STORY {
        let call = call.replace("{p}", profile).replace("{k}", property);
        let sql = format!("SELECT coalesce(jsonb_agg(to_jsonb(r)), '[]') FROM ingest.{call} AS r");
        let row = client.query_one(&sql, &[]);
        let answer = row
            .unwrap_or_else(|error| panic!("{call}: {error:?}"))
            .get(0);
        told.push(plain(answer, profile, property, false));
    }
    assert_sound(&mut client, "s");
    told
}

/// Columns of the user's own change nothing, whatever they are called.
#[test]
fn columns_named_as_in_our_statements_change_nothing() {
    assert_eq!(story("p", "k", true), story("p", "k", false));
}

/// Profiles and properties can have any of these names.
#[test]
fn profiles_and_properties_named_as_in_our_statements_change_nothing() {
    let expected = story("p", "k", false);
    for name in NAMES {
        let told = story(name, name, true);
        for ((told, expected), call) in told.iter().zip(&expected).zip(STORY) {
            assert_eq!(told, expected, "{call} of {name}");
        }
    }
}

/// Rows of a table that inherits from a profile's are none of its resources: no gate has seen them.
#[test]
fn rows_of_an_inheriting_table_are_no_resources() {
    let database = Database::new("own_names");
    let mut client = database.connect();
    client
        .batch_execute(
            r#"SELECT ingest.source_create('s');
            SELECT ingest.profile_define('s', 'p', '{"type": "ROOT", "properties": {"n": {"type": "integer"}}, "indexes": [["n"]]}');
            SELECT ingest.relationship_define('s', 'l', '{"from": {"profileKey": "p"}, "to": {"profileKey": "p"}}');
            INSERT INTO s.p (id, data) VALUES ('1', '{"n": 1}');
            CREATE TABLE public.kid () INHERITS (s.p);
            CREATE TABLE public.kid_link () INHERITS (s.l);
            INSERT INTO public.kid (id, version, created_at, updated_at, profile_version, data)
                VALUES ('kid', 1, now(), now(), 1, '{"n": 1, "nonsense": 1}');
            INSERT INTO public.kid_link (from_id, to_id, version, created_at, updated_at, profile_version, data)
                VALUES ('1', 'kid', 1, now(), now(), 1, '{}')"#,
        )
        .unwrap();
    assert_eq!(value::<i64>(&mut client, "SELECT count(*) FROM s.p"), 2);
    for call in [
        "resource_read('s', 'p', 'kid')",
        "resource_history('s', 'p', 'kid')",
        "resource_delete('s', 'p', 'kid')",
        "resource_patch('s', 'p', 'kid', '{}')",
        "relationship_read('s', 'l', 'p.1,p.kid')",
        "relationship_unlink('s', 'l', 'p.1,p.kid')",
    ] {
        let asked = client.batch_execute(&format!("SELECT ingest.{call}"));
        expect_sqlstate(asked, "PT404");
    }
    for (call, count) in [
        ("resource_search('s', 'p', '{}')", 1),
        ("resource_search('s', 'p', '{\"n\": 1}')", 1),
        ("relationship_list('s', 'p', '1')", 0),
        (
            "resource_create_if('s', 'p', '{\"n\": 1}', '{\"data\": {}}') WHERE outcome = 'matched' AND id = '1'",
            1,
        ),
        // Of what is stored nothing is wrong.
        (
            "profile_check('s', 'p', '{\"type\": \"ROOT\", \"properties\": {\"n\": {\"type\": \"integer\"}}}')",
            0,
        ),
    ] {
        let sql = format!("SELECT count(*) FROM ingest.{call}");
        assert_eq!(value::<i64>(&mut client, &sql), count, "{call}");
    }
    assert!(!value::<bool>(
        &mut client,
        "SELECT ingest.resource_exists('s', 'p', 'kid')"
    ));
}
