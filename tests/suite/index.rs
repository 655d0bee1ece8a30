//! Identities and indexes as rows of the catalog.

use ingest_tests::Database;
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{define, value};

/// The keys of a profile: paths, whether they are an identity, and how many indexes of the table
/// have the name.
fn keys(client: &mut Client) -> Value {
    value(
        client,
        "SELECT coalesce(jsonb_agg(jsonb_build_array(array_to_string(k.paths, ' '), k.is_unique,
                (SELECT count(*) FROM pg_indexes AS i
                 WHERE i.schemaname = 's' AND i.tablename = 'p' AND i.indexname = k.name)) ORDER BY k.ordinal), '[]')
         FROM ingest.index AS k WHERE k.source = 's'",
    )
}

/// Each key is a row that names an index; two that hold the same name one.
#[test]
fn keys_of_a_definition_name_the_indexes_that_serve_them() {
    let database = Database::new("index");
    let mut client = database.connect();
    client
        .batch_execute("SELECT ingest.source_create('s')")
        .unwrap();
    let profile = |identities: Value, indexes: Value| {
        json!({"type": "ROOT", "identities": identities, "indexes": indexes, "properties": {
            "mrn": {"type": "identifier"}, "age": {"type": "integer"}, "city": {"type": "symbol"},
            "name": {"type": "array", "items": {"type": "humanname"}}}})
    };
    let first = profile(
        json!([["mrn.system", "mrn.value"]]),
        json!([
            ["name.family"],
            ["name.given"],
            ["age"],
            ["mrn.system", "mrn.value"]
        ]),
    );
    define(&mut client, "s", "p", &first).unwrap();
    assert_eq!(
        keys(&mut client),
        json!([
            ["mrn.system mrn.value", true, 1],
            ["name.family", false, 1],
            ["name.given", false, 1],
            ["age", false, 1],
            ["mrn.system mrn.value", false, 1]
        ])
    );
    let shared = "SELECT count(DISTINCT name) FROM ingest.index WHERE source = 's'";
    assert_eq!(value::<i64>(&mut client, shared), 3);
    let second = profile(json!([]), json!([["city", "age"]]));
    define(&mut client, "s", "p", &second).unwrap();
    assert_eq!(keys(&mut client), json!([["city age", false, 1]]));
    // What has no table has no indexes.
    let part =
        json!({"type": "CONTAINED", "properties": {"x": {"type": "symbol"}}, "indexes": [["x"]]});
    define(&mut client, "s", "part", &part).unwrap();
    assert_eq!(keys(&mut client), json!([["city age", false, 1]]));
    client
        .batch_execute("SELECT ingest.profile_drop('s', 'p', true)")
        .unwrap();
    assert_eq!(keys(&mut client), json!([]));
}
