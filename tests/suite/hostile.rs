//! Every verb in sources, profiles and relationships whose names are hard to quote.

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::Written;
use crate::invariant::assert_sound;

/// Upper case, digits first, hyphens, keywords, and the longest there is.
const NAMES: [&str; 7] = [
    "Upper",
    "0digits",
    "with-hyphens--",
    "-",
    "select",
    "User_9-",
    "Longest-name-that-a-source-or-profile-can-have_54-char",
];

fn call(client: &mut Client, verb: &str, rest: &str) -> Written {
    let sql = format!(
        "SELECT outcome::text, id, version, updated_at, resource FROM ingest.{verb}({rest})"
    );
    client
        .query_one(&sql, &[])
        .unwrap_or_else(|error| panic!("{error:?} in {sql}"))
        .into()
}

fn one<T: postgres::types::FromSqlOwned>(client: &mut Client, sql: &str) -> T {
    client
        .query_one(sql, &[])
        .unwrap_or_else(|error| panic!("{error:?} in {sql}"))
        .get(0)
}

/// The whole life of resources and links under each name, for sources, profiles, relationships and
/// properties alike.
#[test]
fn verbs_under_hostile_names_do_what_they_do_elsewhere() {
    let database = Database::new("hostile");
    let mut client = database.connect();
    client
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    for (place, name) in NAMES.into_iter().enumerate() {
        let profile = NAMES[(place + 1) % NAMES.len()];
        let other = NAMES[(place + 2) % NAMES.len()];
        let link = NAMES[(place + 3) % NAMES.len()];
        let key = "a'b\\d $1 -- é";
        let definition = json!({"type": "ROOT", "properties": {
            key: {"type": "symbol"}, "n": {"type": "integer"}},
            "contained": {"K-1": {"types": ["Part-1"], "cardinality": "0:*"}},
            "identities": [["n"]], "indexes": [[key]]});
        client
            .execute("SELECT ingest.source_create($1)", &[&name])
            .unwrap();
        for (profile, definition) in [
            (
                "Part-1",
                json!({"type": "CONTAINED", "properties": {"v": {"type": "symbol"}}}),
            ),
            (profile, definition),
            (other, json!({"type": "ROOT"})),
        ] {
            client
                .execute(
                    "SELECT ingest.profile_define($1, $2, $3)",
                    &[&name, &profile, &definition],
                )
                .unwrap();
        }
        let ends = json!({"from": {"profileKey": profile, "cardinality": "0:1"}, "to": {"profileKey": other}});
        client
            .execute(
                "SELECT ingest.relationship_define($1, $2, $3)",
                &[&name, &link, &ends],
            )
            .unwrap();

        let at = format!("'{name}', '{profile}'");
        let mut did = |verb: &str, rest: &str| {
            let written = call(&mut client, verb, rest);
            format!("{} {}", written.outcome, written.version)
        };
        let keyed = |value: &str| json!({key: value}).to_string().replace('\'', "''");
        let body = |value: &str| format!("{{\"data\": {}}}", keyed(value));
        assert_eq!(
            did("resource_create", &format!("{at}, '{}', 'a'", body("1"))),
            "created 1"
        );
        assert_eq!(
            did("resource_upsert", &format!("{at}, 'a', '{}'", body("2"))),
            "updated 2"
        );
        assert_eq!(
            did(
                "resource_patch",
                &format!("{at}, 'a', '{{\"data\": {}}}'", keyed("3"))
            ),
            "updated 3"
        );
        assert_eq!(
            did(
                "resource_create_if",
                &format!("{at}, '{}', '{}'", keyed("3"), body("x"))
            ),
            "matched 3"
        );
        assert_eq!(
            did(
                "resource_upsert_if",
                &format!("{at}, '{}', '{}'", keyed("3"), body("4"))
            ),
            "updated 4"
        );
        assert_eq!(
            did(
                "contained_put",
                &format!("{at}, 'a', 'K-1/i', '{{\"data\": {{\"v\": \"x\"}}}}'")
            ),
            "updated 5"
        );
        assert_eq!(
            did(
                "contained_delete",
                &format!("{at}, 'a', '{profile}/a/K-1/i'")
            ),
            "updated 6"
        );
        assert_eq!(
            did(
                "resource_create",
                &format!("'{name}', '{other}', '{{\"data\": {{}}}}', 'z'")
            ),
            "created 1"
        );
        let linked =
            json!({"from": {"type": profile, "id": "a"}, "to": {"type": other, "id": "z"}});
        let id = format!("{profile}.a,{other}.z");
        assert_eq!(
            did(
                "relationship_link",
                &format!("'{name}', '{link}', '{linked}'")
            ),
            "created 1"
        );
        assert_eq!(
            did(
                "relationship_upsert",
                &format!("'{name}', '{link}', '{linked}'")
            ),
            "unchanged 1"
        );
        assert_eq!(
            did(
                "relationship_unlink",
                &format!("'{name}', '{link}', '{id}'")
            ),
            "deleted 2"
        );
        assert_eq!(
            did(
                "relationship_link",
                &format!("'{name}', '{link}', '{linked}'")
            ),
            "created 3"
        );

        let refused = client.query(&format!("SELECT ingest.resource_delete({at}, 'a')"), &[]);
        let message = expect_sqlstate(refused, "PT409").message().to_owned();
        assert!(message.ends_with(&format!("{link} (1)")), "{message}");
        let count: i64 = one(
            &mut client,
            &format!(
                "SELECT count(*) FROM ingest.relationship_list({at}, 'a', '{link}') WHERE link_id = '{id}'"
            ),
        );
        assert_eq!(count, 1);
        let read: Value = one(
            &mut client,
            &format!("SELECT ingest.relationship_read('{name}', '{link}', '{id}')"),
        );
        assert_eq!(read["id"], json!(id));
        let deleted = call(
            &mut client,
            "resource_delete",
            &format!("{at}, 'a', cascade => true"),
        );
        assert_eq!(deleted.did(), ("deleted", 7));

        let loaded: i64 = one(
            &mut client,
            &format!(
                "SELECT count(*) FROM ingest.resource_load({at}, '[{{\"id\": \"a\", \"data\": {{\"n\": 1}}}}, \
                 {{\"data\": {{\"n\": 2}}}}]', 'upsert') WHERE outcome = 'created'"
            ),
        );
        assert_eq!(loaded, 2);
        expect_sqlstate(
            client.query(
                &format!("SELECT ingest.resource_create({at}, '{{\"data\": {{\"n\": 2}}}}')"),
                &[],
            ),
            "PT409",
        );
        let bundle = json!({"operations": [
            {"operation": "link", "relationship": link, "body": {
                "from": {"type": profile, "id": "@rootId"}, "to": {"type": other, "id": "z"}}},
            {"operation": "create", "profile": profile, "id": "@rootId", "body": {"data": {"n": 3}}}]});
        let applied: Value = client
            .query_one("SELECT ingest.bundle_apply($1, $2)", &[&name, &bundle])
            .unwrap()
            .get(0);
        assert_eq!(applied["operations"][0]["outcome"], "created");
        let found: i64 = one(
            &mut client,
            &format!("SELECT count(*) FROM ingest.resource_search({at}, '{{\"n\": [1, 2, 3]}}')"),
        );
        assert_eq!(found, 3);
        let versions: i64 = one(
            &mut client,
            &format!("SELECT count(*) FROM ingest.resource_history({at}, 'a')"),
        );
        assert_eq!(versions, 8);
        let then: Value = one(
            &mut client,
            &format!(
                "SELECT ingest.resource_read_at({at}, 'a', (SELECT updated_at FROM \"{name}\".\"{profile}\" WHERE id = 'a'))"
            ),
        );
        assert_eq!(then["data"], json!({"n": 1}));
        assert_eq!(then["meta"]["source"], json!(name));
        assert_eq!(then["type"], json!(profile));
        assert!(one::<bool>(
            &mut client,
            &format!("SELECT ingest.resource_exists({at}, 'a')")
        ));
        assert_sound(&mut client, name);
    }
    for name in NAMES {
        client
            .execute("SELECT ingest.source_drop($1, true)", &[&name])
            .unwrap();
    }
}

/// A name that would need more than quotation marks is refused, by all that take a new one.
#[test]
fn names_that_cannot_be_quoted_are_refused() {
    let database = Database::new("hostile");
    let mut client = database.connect();
    client
        .execute("SELECT ingest.source_create('s')", &[])
        .unwrap();
    let root = json!({"type": "ROOT"});
    client
        .execute("SELECT ingest.profile_define('s', 'p', $1)", &[&root])
        .unwrap();
    let ends = json!({"from": {"profileKey": "p"}, "to": {"profileKey": "p"}});
    let long = "x".repeat(55);
    for name in [
        "",
        " ",
        "a b",
        "a\"b",
        "a'b",
        "a;b",
        "a.b",
        "a/b",
        "a\\b",
        "é",
        "日本",
        "a\nb",
        "$1",
        "x_history",
        &long,
    ] {
        for result in [
            client.query("SELECT ingest.source_create($1)", &[&name]),
            client.query("SELECT ingest.profile_define('s', $1, $2)", &[&name, &root]),
            client.query(
                "SELECT ingest.relationship_define('s', $1, $2)",
                &[&name, &ends],
            ),
        ] {
            let refusal = expect_sqlstate(result, "PT400");
            assert!(refusal.message().is_ascii(), "{refusal:?}");
        }
    }
}
