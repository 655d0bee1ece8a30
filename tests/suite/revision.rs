//! What a definition costs, and whom it makes forget: one statement for each table of the catalog,
//! and the backends that use the source that it belongs to.

use ingest_tests::{Database, expect_sqlstate};
use postgres::GenericClient;
use serde_json::{Value, json};

use crate::clinic::define;

/// A profile whose one property has this type.
fn one(kind: &str) -> Value {
    json!({"type": "ROOT", "properties": {"a": {"type": kind}}})
}

/// Two sources, each with a profile `p` of one symbol.
fn two() -> Database {
    let database = Database::new("revision");
    database.run(
        "CREATE FUNCTION test_compiled() RETURNS bigint
             LANGUAGE c AS '$libdir/ingest_ext', 'test_compiled_wrapper';
         SELECT ingest.source_create('s1'), ingest.source_create('s2')",
    );
    let mut client = database.connect();
    for source in ["s1", "s2"] {
        define(&mut client, source, "p", &one("symbol")).unwrap();
    }
    database
}

fn insert(
    client: &mut impl GenericClient,
    source: &str,
    data: &Value,
) -> Result<u64, postgres::Error> {
    client.execute(
        &format!("INSERT INTO {source}.p (data) VALUES ($1)"),
        &[data],
    )
}

fn compiled(client: &mut impl GenericClient) -> i64 {
    let row = client.query_one("SELECT test_compiled()", &[]).unwrap();
    row.get(0)
}

/// However many properties there are, as many statements write them: each fires its triggers once.
#[test]
fn definition_of_thousands_of_properties_takes_the_statements_of_a_small_one() {
    let database = two();
    let calls = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_xact_user_functions
                 WHERE schemaname = 'ingest' AND funcname IN ('source_changed', 'catalog_changed')";
    let cost = |properties: usize| -> (i64, i64) {
        let all: serde_json::Map<String, Value> = (0..properties)
            .map(|at| {
                (
                    format!("p{at}"),
                    json!({"type": "symbol", "rules": [{"max": at}]}),
                )
            })
            .collect();
        let definition = json!({"type": "ROOT", "properties": all});
        // A session each: what it has counted before would be counted too.
        let mut client = database.connect();
        let mut transaction = client.transaction().unwrap();
        transaction
            .batch_execute("SET LOCAL track_functions = 'all'")
            .unwrap();
        transaction
            .query_one(
                "SELECT ingest.profile_define('s1', 'q', $1)",
                &[&definition],
            )
            .unwrap();
        let calls = transaction.query_one(calls, &[]).unwrap().get(0);
        let kept = "SELECT count(*) FROM ingest.property WHERE source = 's1' AND profile = 'q'
                    AND settings = jsonb_build_object('rules', jsonb_build_array(
                        jsonb_build_object('max', substr(path, 2)::int)))";
        let rows = transaction.query_one(kept, &[]).unwrap().get(0);
        transaction.rollback().unwrap();
        (calls, rows)
    };
    let (few, many) = (cost(3), cost(5_000));
    assert_eq!((few.1, many.1), (3, 5_000));
    assert!(few.0 > 0, "no call was counted");
    assert_eq!(few.0, many.0);
}

/// Who uses two sources forgets the one that changes, and keeps the other.
#[test]
fn change_of_one_source_leaves_what_is_known_of_another() {
    let database = two();
    let (mut user, mut definer) = (database.connect(), database.connect());
    for source in ["s1", "s2"] {
        insert(&mut user, source, &json!({"a": "x"})).unwrap();
    }
    let before = compiled(&mut user);
    define(&mut definer, "s1", "p", &one("integer")).unwrap();
    define(&mut definer, "s1", "more", &one("integer")).unwrap();
    insert(&mut user, "s2", &json!({"a": "x"})).unwrap();
    assert_eq!(compiled(&mut user), before, "s2 was compiled again");
    expect_sqlstate(insert(&mut user, "s1", &json!({"a": "x"})), "PT422");
    insert(&mut user, "s1", &json!({"a": 1})).unwrap();
    assert_eq!(compiled(&mut user), before + 1);
    // A vocabulary and a profile that are gone are changes too, and of one source only.
    definer
        .batch_execute(
            "SELECT ingest.vocabulary_define('s1', 'v', '[\"x\"]');
             SELECT ingest.profile_drop('s1', 'p', true)",
        )
        .unwrap();
    insert(&mut user, "s2", &json!({"a": "x"})).unwrap();
    assert_eq!(compiled(&mut user), before + 1);
    let validate = "SELECT ingest.resource_is_valid('s1', 'p', '{\"data\": {\"a\": 1}}')";
    expect_sqlstate(user.batch_execute(validate), "PT404");
}

/// A definition binds the next statement of its transaction, and is gone when it is undone, as if
/// it had never been; so are the definitions of another session that came after it.
#[test]
fn definition_that_is_undone_binds_until_then() {
    let database = two();
    let (mut user, mut other) = (database.connect(), database.connect());
    insert(&mut user, "s2", &json!({"a": "x"})).unwrap();
    let mut transaction = user.transaction().unwrap();
    insert(&mut transaction, "s1", &json!({"a": "x"})).unwrap();
    let mut inner = transaction.transaction().unwrap();
    let redefine = "SELECT ingest.profile_define('s1', 'p', $1)";
    inner.execute(redefine, &[&one("integer")]).unwrap();
    insert(&mut inner, "s1", &json!({"a": 1})).unwrap();
    inner.execute(redefine, &[&one("boolean")]).unwrap();
    insert(&mut inner, "s1", &json!({"a": true})).unwrap();
    inner.rollback().unwrap();
    insert(&mut transaction, "s1", &json!({"a": "x"})).unwrap();
    transaction.execute(redefine, &[&one("decimal")]).unwrap();
    insert(&mut transaction, "s1", &json!({"a": 1.5})).unwrap();
    transaction.rollback().unwrap();
    // What was compiled of the rolled back version 2 is not taken for that of the next version 2.
    define(&mut other, "s1", "p", &one("boolean")).unwrap();
    insert(&mut user, "s1", &json!({"a": true})).unwrap();
    expect_sqlstate(insert(&mut user, "s1", &json!({"a": 1.5})), "PT422");
    let before = compiled(&mut user);
    insert(&mut user, "s2", &json!({"a": "x"})).unwrap();
    assert_eq!(compiled(&mut user), before);
}

/// A source that is dropped and made again in one transaction is another one.
#[test]
fn source_made_again_in_one_transaction_is_read_again() {
    let database = two();
    let mut user = database.connect();
    let mut transaction = user.transaction().unwrap();
    insert(&mut transaction, "s1", &json!({"a": "x"})).unwrap();
    transaction
        .batch_execute(
            "SELECT ingest.source_drop('s1', true);
             SELECT ingest.source_create('s1');
             SELECT ingest.profile_define('s1', 'p', '{\"type\": \"ROOT\", \"properties\": {\"a\": {\"type\": \"integer\"}}}')",
        )
        .unwrap();
    insert(&mut transaction, "s1", &json!({"a": 1})).unwrap();
    transaction.commit().unwrap();
    expect_sqlstate(insert(&mut user, "s1", &json!({"a": "x"})), "PT422");
}

/// What a superuser changes by hand, and what a restore writes, is seen as any definition is.
#[test]
fn catalog_changed_by_hand_is_read_again() {
    let database = two();
    let (mut user, mut root) = (database.connect(), database.connect());
    let changes: [(&str, Value, Value); 4] = [
        (
            "UPDATE ingest.property SET type = 'integer' WHERE source = 's1'",
            json!({"a": 1}),
            json!({"a": "x"}),
        ),
        (
            "DELETE FROM ingest.property WHERE source = 's1'",
            json!({}),
            json!({"a": 1}),
        ),
        (
            "COPY ingest.property (source, profile, ordinal, path, type) FROM PROGRAM 'printf \"s1\\tp\\t0\\ta\\tboolean\"'",
            json!({"a": true}),
            json!({"a": 1}),
        ),
        (
            "BEGIN; CREATE TEMP TABLE kept AS SELECT * FROM ingest.property;
             TRUNCATE ingest.property;
             INSERT INTO ingest.property SELECT * FROM kept WHERE source = 's2'; COMMIT",
            json!({}),
            json!({"a": true}),
        ),
    ];
    insert(&mut user, "s1", &json!({"a": "x"})).unwrap();
    for (change, good, bad) in changes {
        root.batch_execute(change).unwrap();
        expect_sqlstate(insert(&mut user, "s1", &bad), "PT422");
        insert(&mut user, "s1", &good).unwrap_or_else(|error| panic!("{change}: {error:?}"));
    }
    insert(&mut user, "s2", &json!({"a": "x"})).unwrap();
}

/// Whatever table of the catalog a statement changes, the sources of its rows get another revision,
/// and no others do.
#[test]
fn change_of_any_catalog_table_is_one_of_its_source_alone() {
    let database = two();
    let mut client = database.connect();
    for source in ["s1", "s2"] {
        client
            .batch_execute(&format!(
                "SELECT ingest.vocabulary_define('{source}', 'v', '[\"x\"]');
                 SELECT ingest.profile_define('{source}', 'part', '{{\"type\": \"CONTAINED\"}}');
                 SELECT ingest.profile_define('{source}', 'whole', '{{\"type\": \"ROOT\",
                     \"properties\": {{\"a\": {{\"type\": \"symbol\"}}}}, \"indexes\": [[\"a\"]],
                     \"contained\": {{\"parts\": {{\"types\": [\"part\"]}}}}}}');
                 SELECT ingest.relationship_define('{source}', 'l',
                     '{{\"from\": {{\"profileKey\": \"p\"}}, \"to\": {{\"profileKey\": \"p\"}}}}')"
            ))
            .unwrap();
    }
    let revisions = || -> Vec<String> {
        let mut reader = database.connect();
        let rows = reader.query(
            "SELECT revision::text FROM ingest.source ORDER BY source",
            &[],
        );
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    };
    let mut before = revisions();
    for table in [
        "profile",
        "property",
        "contained",
        "index",
        "relationship",
        "vocabulary",
    ] {
        for change in [
            "UPDATE ingest.$ SET source = source",
            "DELETE FROM ingest.$",
        ] {
            let change = change.replace('$', table);
            let changed = client.execute(&format!("{change} WHERE source = 's1'"), &[]);
            assert!(changed.unwrap() > 0, "{change}");
            let after = revisions();
            assert_ne!(after[0], before[0], "{change}");
            assert_eq!(after[1], before[1], "{change}");
            before = after;
        }
    }
}
