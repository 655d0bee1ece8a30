//! Criteria, identities and indexes: what a declared one changes is the speed, and that an identity
//! is there once; never what is found.

use ingest_tests::refusal::issues;
use ingest_tests::{Database, expect_sqlstate, psql};
use postgres::{Client, Error};
use serde_json::{Value, json};

use crate::clinic::{self, Written, value};
use crate::invariant::{assert_sound, numbered, sqlstate};

/// Profiles that differ in what they declare: nothing, indexes on every path, an identity.
const PROFILES: [&str; 3] = ["loose", "indexed", "unique"];

fn database() -> (Database, Client) {
    let database = clinic::database("criteria");
    let mut client = database.connect();
    let mut indexed = numbered("");
    indexed["indexes"] = json!([
        ["number"],
        ["name"],
        ["address.city"],
        ["tags"],
        ["name", "number"]
    ]);
    for (profile, definition) in [
        ("loose", numbered("")),
        ("indexed", indexed),
        ("unique", numbered("identities")),
    ] {
        clinic::define(&mut client, "clinic", profile, &definition).unwrap();
    }
    (database, client)
}

fn upsert_if(
    client: &mut Client,
    profile: &str,
    criteria: &Value,
    body: &Value,
) -> Result<Written, Error> {
    let sql = "SELECT outcome::text, id, version, updated_at, resource \
         FROM ingest.resource_upsert_if('clinic', $1, $2::jsonb, $3)";
    client
        .query_one(sql, &[&profile, criteria, body])
        .map(Into::into)
}

fn search(client: &mut Client, profile: &str, criteria: &Value) -> Result<Vec<String>, Error> {
    let sql = "SELECT id FROM ingest.resource_search('clinic', $1, $2::jsonb)";
    let rows = client.query(sql, &[&profile, criteria])?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn fill(client: &mut Client, profile: &str) {
    for (id, data) in [
        (
            "a",
            json!({"number": 1, "name": "Ann", "address": {"city": "Bern"}, "tags": ["x", "y"]}),
        ),
        (
            "b",
            json!({"number": 2, "name": "Bob", "address": {"city": "Bern"}, "tags": ["y"]}),
        ),
        (
            "c",
            json!({"number": 3, "name": "Ann", "address": {"city": "Rome"}, "tags": []}),
        ),
        ("d", json!({"name": "Dan"})),
    ] {
        clinic::create_as(client, profile, id, &json!({"data": data})).unwrap();
    }
}

/// The same criteria find the same, whatever is declared: none, one or many; by one path or several,
/// nested, in an array, with numbers spelled in any way.
#[test]
fn criteria_find_the_same_with_every_index() {
    let (_database, mut client) = database();
    client
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    for profile in PROFILES {
        fill(&mut client, profile);
        for (criteria, found) in [
            (json!({"number": 1}), "a"),
            (serde_json::from_str(r#"{"number": 1.0}"#).unwrap(), "a"),
            (serde_json::from_str(r#"{"number": 1.000}"#).unwrap(), "a"),
            (serde_json::from_str(r#"{"number": 1e0}"#).unwrap(), "a"),
            (json!({"number": "1"}), "a"),
            (json!({"number": "1.0"}), "a"),
            (json!({"number": [2, 3]}), "b c"),
            (json!({"number": [2, "2.0", 2]}), "b"),
            (json!({"name": "Ann"}), "a c"),
            (json!({"name": "Ann", "number": 3}), "c"),
            (json!({"name": "Ann", "number": 2}), ""),
            (json!({"name": ["Bob", "Dan"], "number": [1, 2]}), "b"),
            (json!({"address.city": "Bern"}), "a b"),
            (json!({"address.city": "Bern", "tags": "x"}), "a"),
            (json!({"tags": "y"}), "a b"),
            (json!({"tags": ["x", "z"]}), "a"),
            (json!({"tags": "z"}), ""),
            (json!({"name": "ann"}), ""),
            (json!({}), "a b c d"),
        ] {
            let ids = search(&mut client, profile, &criteria)
                .unwrap_or_else(|error| panic!("{profile}: {criteria}: {error:?}"));
            assert_eq!(ids.join(" "), found, "{profile}: {criteria}");
            if criteria == json!({}) {
                continue;
            }
            // The conditional verbs find the same.
            let mut transaction = client.transaction().unwrap();
            let did = clinic::create_if(
                &mut transaction,
                profile,
                &criteria,
                &json!({"data": {"name": "new"}}),
            );
            match ids.as_slice() {
                [] => assert_eq!(did.unwrap().did(), ("created", 1), "{profile}: {criteria}"),
                [one] => {
                    let did = did.unwrap();
                    assert_eq!((did.outcome.as_str(), &did.id), ("matched", one));
                }
                _ => drop(expect_sqlstate(did, "PT412")),
            }
        }
    }
}

/// Criteria that name no property, or no value that one can have, are refused by every verb that
/// takes them; empty ones by those that write.
#[test]
fn criteria_that_say_nothing_are_refused() {
    let (_database, mut client) = database();
    let body = json!({"data": {}});
    for profile in PROFILES {
        for criteria in [
            json!([]),
            json!("number"),
            json!({"nmuber": 1}),
            json!({"address.town": "x"}),
            json!({"address.city.x": "x"}),
            json!({".": 1}),
            json!({"": 1}),
            json!({"number": {}}),
            json!({"number": []}),
            json!({"number": null}),
            json!({"number": "one"}),
            json!({"number": "true"}),
            json!({"name": [[]]}),
            json!({"name": ""}),
        ] {
            expect_sqlstate(
                clinic::create_if(&mut client, profile, &criteria, &body),
                "PT400",
            );
            expect_sqlstate(upsert_if(&mut client, profile, &criteria, &body), "PT400");
            expect_sqlstate(search(&mut client, profile, &criteria), "PT400");
        }
        expect_sqlstate(
            clinic::create_if(&mut client, profile, &json!({}), &body),
            "PT400",
        );
        expect_sqlstate(upsert_if(&mut client, profile, &json!({}), &body), "PT400");
        assert!(search(&mut client, profile, &json!({})).unwrap().is_empty());
    }
}

/// A conditional upsert creates, replaces the match whole, or leaves it if it is the same.
#[test]
fn conditional_upsert_creates_or_replaces_its_match() {
    let (_database, mut client) = database();
    for profile in PROFILES {
        let criteria = json!({"number": 7});
        let mut body = json!({"data": {"number": 7, "name": "one"}});
        let made = upsert_if(&mut client, profile, &criteria, &body).unwrap();
        assert_eq!(made.did(), ("created", 1));
        assert_eq!(
            upsert_if(&mut client, profile, &criteria, &body)
                .unwrap()
                .did(),
            ("unchanged", 1)
        );
        body["data"] = json!({"number": 7});
        let done = upsert_if(&mut client, profile, &criteria, &body).unwrap();
        assert_eq!((done.did(), &done.id), (("updated", 2), &made.id));
        assert_eq!(done.data(), &json!({"number": 7}));
        // The id of the match may be said, another not.
        body["id"] = json!(made.id);
        assert_eq!(
            upsert_if(&mut client, profile, &criteria, &body)
                .unwrap()
                .did(),
            ("unchanged", 2)
        );
        body["id"] = json!("other");
        expect_sqlstate(upsert_if(&mut client, profile, &criteria, &body), "PT400");
        // What it replaces the match with is judged, as is what it creates.
        let wrong = json!({"data": {"number": "x"}});
        expect_sqlstate(upsert_if(&mut client, profile, &criteria, &wrong), "PT422");
        expect_sqlstate(
            upsert_if(&mut client, profile, &json!({"number": 8}), &wrong),
            "PT422",
        );
        // Several matches are none.
        let twin = json!({"data": {"number": 8, "name": "twin"}});
        clinic::create(&mut client, profile, &twin).unwrap();
        let criteria = json!({"number": [7, 8]});
        expect_sqlstate(upsert_if(&mut client, profile, &criteria, &twin), "PT412");
        // Nothing matches, but the id is taken by another.
        let taken = json!({"id": made.id, "data": {"number": 9}});
        expect_sqlstate(
            upsert_if(&mut client, profile, &json!({"number": 9}), &taken),
            "PT409",
        );
    }
    assert_sound(&mut client, "clinic");
}

/// An identity is there once, whichever verb would make it twice; absent and null ones never clash.
#[test]
fn identity_taken_is_a_conflict_for_every_verb() {
    let (_database, mut client) = database();
    fill(&mut client, "unique");
    let body = json!({"data": {"number": 1}});
    let respelled: Value = serde_json::from_str(r#"{"data": {"number": 1.0}}"#).unwrap();
    for body in [&body, &respelled] {
        expect_sqlstate(clinic::create(&mut client, "unique", body), "PT409");
        expect_sqlstate(
            clinic::create_as(&mut client, "unique", "new", body),
            "PT409",
        );
        expect_sqlstate(clinic::upsert(&mut client, "unique", "new", body), "PT409");
        let refusal = expect_sqlstate(clinic::upsert(&mut client, "unique", "b", body), "PT409");
        assert!(refusal.message().contains("identity"), "{refusal:?}");
        assert!(
            !format!("{refusal:?}").contains("1.0"),
            "a value: {refusal:?}"
        );
        expect_sqlstate(
            upsert_if(&mut client, "unique", &json!({"number": 2}), body),
            "PT409",
        );
        expect_sqlstate(
            clinic::create_if(&mut client, "unique", &json!({"name": "new"}), body),
            "PT409",
        );
    }
    for mode in ["create", "upsert"] {
        let load = "SELECT * FROM ingest.resource_load('clinic', 'unique', $1, $2)";
        let bodies =
            json!([{"id": "m", "data": {"number": 50}}, {"id": "n", "data": {"number": 1}}]);
        let refusal = expect_sqlstate(client.query(load, &[&bodies, &mode]), "PT409");
        assert!(refusal.message().starts_with("body 2: "), "{refusal:?}");
        let twins = json!([{"data": {"number": 60}}, {"data": {"number": 60}}]);
        expect_sqlstate(client.query(load, &[&twins, &mode]), "PT409");
        let issue: Option<Value> = client
            .query_one(
                "SELECT issue FROM ingest.resource_load('clinic', 'unique', $1, $2, 'report')",
                &[&json!([{"id": "n", "data": {"number": 1}}]), &mode],
            )
            .unwrap()
            .get(0);
        assert!(
            issue.unwrap()[0]["diagnostics"]
                .as_str()
                .unwrap()
                .contains("identity")
        );
    }
    for sql in [
        "INSERT INTO clinic.unique (data) VALUES ('{\"number\": 1}')",
        "UPDATE clinic.unique SET data = '{\"number\": 1}' WHERE id = 'b'",
    ] {
        assert_eq!(sqlstate(&client.batch_execute(sql).unwrap_err()), "23505");
    }
    for absent in [json!({}), json!({"number": null}), json!({"name": "x"})] {
        clinic::create(&mut client, "unique", &json!({"data": absent})).unwrap();
    }
    // A deleted one is free again.
    clinic::delete(&mut client, "unique", "a", None, false).unwrap();
    clinic::create_as(&mut client, "unique", "new", &body).unwrap();
}

/// The columns of the unique and the other indexes of a table, but for its key.
fn indexes(client: &mut Client, profile: &str) -> Vec<String> {
    let sql = format!(
        "SELECT CASE WHEN indisunique THEN 'unique ' ELSE '' END || amname || ' ' || indnatts
         FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
         WHERE indrelid = 'clinic.{profile}'::regclass AND NOT indisprimary AND indisvalid ORDER BY 1"
    );
    client
        .query(&sql, &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// Declared identities and indexes are real ones; they come and go with the definition, on a table
/// with rows too.
#[test]
fn indexes_come_and_go_with_the_definition() {
    let (_database, mut client) = database();
    assert_eq!(indexes(&mut client, "loose"), [""; 0]);
    assert_eq!(indexes(&mut client, "unique"), ["unique btree 1"]);
    assert_eq!(
        indexes(&mut client, "indexed"),
        ["btree 1", "btree 1", "btree 1", "btree 2", "gin 1"]
    );
    fill(&mut client, "loose");
    let mut definition = numbered("");
    for (part, paths, made) in [
        ("identities", json!([["number"]]), vec!["unique btree 1"]),
        (
            "identities",
            json!([["name", "number"]]),
            vec!["unique btree 2"],
        ),
        (
            "indexes",
            json!([["tags"]]),
            vec!["gin 1", "unique btree 2"],
        ),
        ("identities", json!([]), vec!["gin 1"]),
        ("indexes", json!([]), vec![]),
    ] {
        definition[part] = paths;
        clinic::define(&mut client, "clinic", "loose", &definition).unwrap();
        assert_eq!(indexes(&mut client, "loose"), made, "{definition}");
        assert_eq!(
            search(&mut client, "loose", &json!({"tags": "y", "name": "Bob"})).unwrap(),
            ["b"]
        );
    }
}

/// What is not unique does not become an identity: the rows that clash are named, and nothing
/// changes.
#[test]
fn identity_that_rows_share_is_refused_with_their_ids() {
    let (_database, mut client) = database();
    fill(&mut client, "loose");
    let mut definition = numbered("");
    definition["identities"] = json!([["number"], ["name"]]);
    let refusal = expect_sqlstate(
        clinic::define(&mut client, "clinic", "loose", &definition),
        "PT409",
    );
    let issues = issues(&refusal);
    assert_eq!(issues.len(), 1, "{issues:?}");
    assert!(issues[0].diagnostics.contains("a, c"), "{issues:?}");
    assert!(
        !format!("{refusal:?}").contains("Ann"),
        "a value: {refusal:?}"
    );
    assert_eq!(indexes(&mut client, "loose"), [""; 0]);
    let version: i32 = value(
        &mut client,
        "SELECT version FROM ingest.profile WHERE source = 'clinic' AND profile = 'loose'",
    );
    assert_eq!(version, 1);
}

/// A criterion that no index serves works, and says in a notice which index is missing; one that is
/// served says nothing.
#[test]
fn criterion_without_an_index_is_told_in_a_notice() {
    let (database, mut client) = database();
    fill(&mut client, "unique");
    for (criteria, is_told) in [
        ("{\"number\": 1}", false),
        ("{\"number\": 2, \"name\": \"Bob\"}", false),
        ("{\"name\": \"Bob\"}", true),
        ("{\"address.city\": \"Rome\"}", true),
        ("{}", false),
    ] {
        for call in [
            format!("SELECT id FROM ingest.resource_search('clinic', 'unique', '{criteria}');"),
            format!(
                "SELECT id FROM ingest.resource_create_if('clinic', 'unique', '{criteria}', '{{\"data\": {{}}}}');"
            ),
        ] {
            if criteria == "{}" && call.contains("create_if") {
                continue;
            }
            let session = psql::run(&database, &call);
            assert!(session.succeeded, "{}", session.output);
            let told = session
                .output
                .contains("NOTICE:  no index of unique serves the criteria");
            assert_eq!(told, is_told, "{call}: {}", session.output);
            for (key, part) in [
                ("name", "[\"name\"]"),
                ("address.city", "[\"address.city\"]"),
            ] {
                if is_told && criteria.contains(key) {
                    assert!(session.output.contains(part), "{}", session.output);
                }
            }
            assert!(
                !session.output.contains("Rome"),
                "a value: {}",
                session.output
            );
        }
    }
}

/// A declared index that is gone, or not valid, serves nothing: it is told, and the same definition
/// makes it again.
#[test]
fn declared_index_that_is_gone_or_not_valid_is_told() {
    let (database, mut client) = database();
    let told = |criteria: &str| {
        let call =
            format!("SELECT id FROM ingest.resource_search('clinic', 'unique', '{criteria}');");
        let output = psql::run(&database, &call).output;
        let told = output.contains("NOTICE:  no index of unique");
        assert_eq!(told, output.contains("is gone, or not valid"), "{output}");
        told
    };
    let name: String = value(
        &mut client,
        "SELECT indexrelid::regclass::text FROM pg_index
         WHERE indrelid = 'clinic.unique'::regclass AND indisunique AND NOT indisprimary",
    );
    for break_it in [
        format!("DROP INDEX {name}"),
        format!("UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass"),
    ] {
        assert!(!told("{\"number\": 1}"));
        client.batch_execute(&break_it).unwrap();
        assert!(told("{\"number\": 1}"));
        let definition = numbered("identities");
        clinic::define(&mut client, "clinic", "unique", &definition).unwrap();
    }
    assert!(!told("{\"number\": 1}"));
}

/// Searches come by id, a page at a time.
#[test]
fn search_comes_in_pages_by_id() {
    let (_database, mut client) = database();
    client
        .batch_execute(
            "INSERT INTO clinic.indexed (id, data)
             SELECT 'i' || lpad(i::text, 4, '0'), jsonb_build_object('number', i % 2)
             FROM generate_series(1, 250) AS i",
        )
        .unwrap();
    let page = |client: &mut Client, criteria: &str, count: i32, after: Option<&str>| {
        client
            .query(
                "SELECT id, version, resource -> 'id' = to_jsonb(id) FROM \
                 ingest.resource_search('clinic', 'indexed', $1::text::jsonb, $2, $3)",
                &[&criteria, &count, &after],
            )
            .map(|rows| {
                rows.iter()
                    .map(|row| {
                        assert!(row.get::<_, bool>(2));
                        row.get::<_, String>(0)
                    })
                    .collect::<Vec<_>>()
            })
    };
    for (criteria, all) in [
        ("{}", 250),
        ("{\"number\": 1}", 125),
        ("{\"number\": 5}", 0),
    ] {
        let mut found: Vec<String> = Vec::new();
        loop {
            let after = found.last().cloned();
            let next = page(&mut client, criteria, 40, after.as_deref()).unwrap();
            if next.is_empty() {
                break;
            }
            found.extend(next);
        }
        assert_eq!(found.len(), all, "{criteria}");
        assert!(found.is_sorted(), "{criteria}");
    }
    assert!(page(&mut client, "{}", 0, None).unwrap().is_empty());
    for count in [-1, 10_001] {
        expect_sqlstate(page(&mut client, "{}", count, None), "PT400");
    }
    let default: i64 = value(
        &mut client,
        "SELECT count(*) FROM ingest.resource_search('clinic', 'indexed', '{}')",
    );
    assert_eq!(default, 100);
}

/// However often it is called in a session, a conditional create by a declared path never scans the
/// table: no cached generic plan is in the way.
#[test]
fn declared_path_is_never_scanned_for() {
    let (_database, mut client) = database();
    for profile in ["indexed", "unique"] {
        client
            .batch_execute(&format!(
                "INSERT INTO clinic.{profile} (data)
                 SELECT jsonb_build_object('number', i, 'name', 'n' || i, 'tags', jsonb_build_array('t' || i))
                 FROM generate_series(1, 20000) AS i;
                 ANALYZE clinic.{profile}"
            ))
            .unwrap();
        // What the session has not reported yet counts too, such as the making of the indexes.
        let scans = |client: &mut Client| -> i64 {
            value(
                client,
                &format!(
                    "SELECT seq_scan FROM pg_stat_xact_user_tables
                     WHERE schemaname = 'clinic' AND relname = '{profile}'"
                ),
            )
        };
        client.batch_execute("BEGIN").unwrap();
        let before = scans(&mut client);
        for number in 1..=30 {
            let body = json!({"data": {"number": 100_000 + number}});
            let found = clinic::create_if(&mut client, profile, &json!({"number": number}), &body);
            assert_eq!(found.unwrap().outcome, "matched");
            let criteria = json!({"number": 100_000 + number});
            let made = clinic::create_if(&mut client, profile, &criteria, &body).unwrap();
            assert_eq!(made.outcome, "created");
            upsert_if(
                &mut client,
                profile,
                &criteria,
                &json!({"data": {"number": 100_000 + number, "name": "x"}}),
            )
            .unwrap();
            search(&mut client, profile, &criteria).unwrap();
            if profile == "indexed" {
                search(&mut client, profile, &json!({"tags": format!("t{number}")})).unwrap();
            }
        }
        assert_eq!(scans(&mut client), before, "{profile}");
        client.batch_execute("ROLLBACK").unwrap();
    }
}

/// Spellings of a number are one criterion, with one lock: callers at once wait for each other.
#[test]
fn numbers_spelled_in_different_ways_are_one_criterion() {
    let database = clinic::database("criteria");
    let mut first = database.connect();
    let mut second = database.connect();
    let definition = json!({"type": "ROOT", "properties": {"n": {"type": "decimal"}}});
    clinic::define(&mut first, "clinic", "amount", &definition).unwrap();
    first
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    second
        .batch_execute("SET client_min_messages = warning; SET lock_timeout = '200ms'")
        .unwrap();
    let call = |number: &str| {
        format!(
            "SELECT ingest.resource_create_if('clinic', 'amount', '{{\"n\": {number}}}', '{{\"data\": {{\"n\": 1}}}}')"
        )
    };
    for (held, asked, same) in [
        ("1", "1.0", true),
        ("1e0", "\"1.000\"", true),
        ("-0.0", "0", true),
        ("1e131000", "10e130999", true),
        ("1", "-1", false),
        ("1", "10000", false),
        ("1", "0.0001", false),
        ("12", "1.2", false),
    ] {
        let mut transaction = first.transaction().unwrap();
        transaction.batch_execute(&call(held)).unwrap();
        let mut other = second.transaction().unwrap();
        let result = other.batch_execute(&call(asked));
        match same {
            true => drop(expect_sqlstate(result, "55P03")),
            false => result.unwrap_or_else(|error| panic!("{held} and {asked}: {error:?}")),
        }
        other.rollback().unwrap();
        transaction.rollback().unwrap();
    }
}

/// What a key finds comes by id, whether it is little or much, in one page or in many, in whatever
/// order it was written, large values too.
#[test]
fn matches_of_a_key_come_by_id_however_many() {
    let database = Database::new("few");
    let mut client = database.connect();
    client
        .batch_execute(
            r#"SELECT ingest.source_create('s');
               SELECT ingest.profile_define('s', 'p', '{"type": "ROOT", "indexes": [["ward"]],
                   "properties": {"ward": {"type": "symbol"}, "note": {"type": "markdown"}}}');
               INSERT INTO s.p (id, data)
                   SELECT right('0' || n, 2) || '-' || many, jsonb_build_object('ward', many::text,
                       'note', (SELECT string_agg(md5(i::text || n), '') FROM generate_series(1, 400) AS i))
                   FROM unnest(ARRAY[1, 2, 15, 16, 17, 18, 70]) AS many, generate_series(1, many) AS n
                   ORDER BY n DESC"#,
        )
        .unwrap();
    for many in [0, 1, 2, 15, 16, 17, 18, 70] {
        let criteria = json!({"ward": many.to_string()});
        let mut page = |count: i32, after: &str| -> Vec<String> {
            let sql = "SELECT id, resource #>> '{data,note}' AS note FROM ingest.resource_search('s', 'p', $1::jsonb, $2, $3)";
            let rows = client.query(sql, &[&criteria, &count, &after]).unwrap();
            assert!(
                rows.iter()
                    .all(|row| row.get::<_, String>(1).len() == 12_800)
            );
            rows.iter().map(|row| row.get(0)).collect()
        };
        let all: Vec<String> = (1..=many).map(|n| format!("{n:02}-{many}")).collect();
        for count in [1, 15, 16, 17, 100] {
            let mut paged: Vec<String> = Vec::new();
            loop {
                let next = page(count, &paged.last().cloned().unwrap_or_default());
                if next.is_empty() {
                    break;
                }
                assert!(next.len() <= count as usize);
                paged.extend(next);
            }
            assert_eq!(paged, all, "{many} by {count}");
        }
        assert!(page(0, "").is_empty());
    }
}

/// An object, its text, a query string and a query string as JSON are the same criteria for every
/// verb; what is wrong with them is told in the same words.
#[test]
fn criteria_as_object_and_as_text_say_the_same() {
    let (_database, mut client) = database();
    client
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    fill(&mut client, "loose");
    let same = [
        r#"'{"number": "2", "name": ["Bob", "Rob"]}'::jsonb"#,
        r#"' {"number": "2", "name": ["Bob", "Rob"]}'"#,
        r#"'number=2&name=Bob,Rob'"#,
        r#"'?name=Rob,B%6Fb&number=2'::text"#,
        r#"'"number=2&name=Bob,Rob"'::jsonb"#,
        r#"'"number=2&name=Bob,Rob"'"#,
    ];
    let calls = |criteria: &str| {
        [
            format!("SELECT id FROM ingest.resource_search('clinic', 'loose', {criteria})"),
            format!(
                "SELECT id FROM ingest.resource_create_if('clinic', 'loose', {criteria}, '{{\"data\": {{}}}}')"
            ),
            format!(
                "SELECT id FROM ingest.resource_upsert_if('clinic', 'loose', {criteria}, '{{\"data\": {{}}}}')"
            ),
            format!("SELECT id FROM ingest.resource_patch_if('clinic', 'loose', {criteria}, '[]')"),
            format!("SELECT id FROM ingest.resource_delete_if('clinic', 'loose', {criteria})"),
            format!(
                "SELECT o ->> 'id' FROM jsonb_array_elements(ingest.bundle_apply('clinic', jsonb_build_object('operations', \
                 jsonb_build_array(jsonb_build_object('operation', 'create_if', 'profile', 'loose', 'criteria', {criteria}, \
                 'body', '{{\"data\": {{}}}}'::jsonb)))) -> 'operations') AS o"
            ),
        ]
    };
    for criteria in same {
        for call in calls(criteria) {
            let mut transaction = client.transaction().unwrap();
            let rows = transaction
                .query(&call, &[])
                .unwrap_or_else(|error| panic!("{call}: {error:?}"));
            let ids: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            assert_eq!(ids, ["b"], "{call}");
            transaction.rollback().unwrap();
        }
    }
    for wrong in [
        [r#"'{"x": "2"}'::jsonb"#, r#"'{"x": "2"}'"#, "'x=2'"],
        [
            r#"'{"number": "two"}'::jsonb"#,
            r#"'{"number": "two"}'"#,
            "'number=two'",
        ],
        ["'[]'::jsonb", "'[]'", "' [ ]'"],
    ] {
        for place in 0..5 {
            let told = wrong.map(|criteria| {
                let result = client.query(&calls(criteria)[place], &[]);
                let error = expect_sqlstate(result, "PT400");
                (error.message().to_owned(), error.hint().map(str::to_owned))
            });
            assert_eq!(told[0], told[1], "{wrong:?}");
            assert_eq!(told[0], told[2], "{wrong:?}");
        }
    }
    for none in ["'{}'::jsonb", "'{}'", "''", "'?'"] {
        for call in &calls(none)[1..5] {
            let error = expect_sqlstate(client.query(call, &[]), "PT400");
            assert_eq!(error.message(), "criteria are empty", "{call}");
        }
    }
    let torn = client.query(&calls("'{\"number\": 2'")[0], &[]);
    expect_sqlstate(torn, "PT400");
}

/// Criteria whose tests exclude each other are refused before anything is written by them, and the
/// error says what would do; those that only seem to are asked.
#[test]
fn tests_that_exclude_each_other_are_refused() {
    let database = Database::new("criteria_apart");
    database.run(
        r#"SELECT ingest.source_create('s');
           SELECT ingest.profile_define('s', 'p', '{"type": "ROOT", "properties": {
               "s": {"type": "symbol"}, "i": {"type": "integer"}, "d": {"type": "decimal"},
               "at": {"type": "datetime"}, "born": {"type": "date"},
               "list": {"type": "array", "items": {"type": "integer"}}}}')"#,
    );
    let mut client = database.connect();
    let create = "SELECT outcome::text FROM ingest.resource_create_if('s', 'p', $1::jsonb, '{\"data\": {}}')";
    for (criteria, told) in [
        (
            r#"{"s": [["a"], ["b"]]}"#,
            "s is a symbol, which has one value; use one array, which means any of its values",
        ),
        (
            r#"{"d": [[1, 2], [2.5, 3]]}"#,
            "d is a number, which has one value; use one array, which means any of its values",
        ),
        (
            r#"{"i": {"gt": 5, "lt": 3}}"#,
            "i is a whole number; use bounds that have something between them",
        ),
        (
            r#"{"i": {"ge": 5, "lt": 5}}"#,
            "i is a whole number; use bounds that have something between them",
        ),
        (
            r#"{"list": {"ge": 5, "le": 4}}"#,
            "list is a whole number; use bounds that have something between them",
        ),
        (
            r#"{"s": {"ge": "b", "le": "a"}}"#,
            "s is a symbol; use bounds that have something between them",
        ),
        (
            r#"{"born": {"ge": "2021", "lt": "2020-05"}}"#,
            "born is a date; use bounds that have something between them",
        ),
        (
            r#"{"at": {"gt": "2020-01-01T01:00:00+01:00", "lt": "2020-01-01T00:00:00Z"}}"#,
            "at is a datetime; use bounds that have something between them",
        ),
        (
            r#"{"s": {"missing": true, "prefix": "a"}}"#,
            "s is a symbol; use missing: true alone",
        ),
        (
            r#"{"list": {"missing": true, "ge": 1}}"#,
            "list is a whole number; use missing: true alone",
        ),
        (
            r#"{"s": {"prefix": "\u0007"}}"#,
            "s is a symbol; use a prefix of at least one character, without controls",
        ),
    ] {
        let given: Value = serde_json::from_str(criteria).unwrap();
        let refusal = expect_sqlstate(client.query(create, &[&given]), "PT400");
        assert_eq!(refusal.message(), told, "{criteria}");
    }
    for criteria in [
        r#"{"d": [[1, 2], [2.0, 3]]}"#,
        r#"{"i": {"ge": 5, "le": 5}}"#,
        r#"{"list": [[1], [2]]}"#,
        r#"{"at": {"ge": "2020-01-01T01:00:00+01:00", "le": "2020-01-01T00:00:00Z"}}"#,
        r#"{"s": {"missing": false, "prefix": "a"}}"#,
    ] {
        let given: Value = serde_json::from_str(criteria).unwrap();
        let outcome: String = client.query_one(create, &[&given]).unwrap().get(0);
        assert_eq!(outcome, "created", "{criteria}");
    }
}

/// A value that the definition lets nothing have is refused with what would do, by every verb that
/// takes criteria, and before anything is written by them: a code outside of its list, a reference
/// to what the property does not lead to, a number out of its range. What only a rule with a
/// condition forbids, and what may be there beside it, is asked.
#[test]
fn value_that_the_definition_forbids_is_refused() {
    let database = Database::new("criteria_forbidden");
    database.run(
        r#"SELECT ingest.source_create('s');
           SELECT ingest.vocabulary_define('s', 'status', '["open", "closed"]');
           SELECT ingest.profile_define('s', 'person', '{"type": "ROOT", "properties": {"n": {"type": "symbol"}}}');
           SELECT ingest.profile_define('s', 'p', '{"type": "ROOT", "properties": {
               "sex": {"type": "code", "rules": [{"enum": ["female", "male"]}]},
               "sizes": {"type": "array", "items": {"type": "integer", "rules": [{"enum": [1, 2]}]}},
               "age": {"type": "integer", "rules": [{"min": 0, "max": 150}]},
               "zip": {"type": "symbol", "rules": [{"pattern": "[0-9]{5}"}]},
               "free": {"type": "code", "rules": [{"enum": ["a"], "when": {"eq": {"sex": "male"}}}]},
               "status": {"type": "code", "binding": {"vocabulary": "status"}},
               "mood": {"type": "code", "binding": {"vocabulary": "status", "strength": "preferred"}},
               "unit": {"type": "array", "items": {"type": "coding", "binding": {"vocabulary": "status"}}},
               "kind": {"type": "codeableconcept", "binding": {"vocabulary": "status"}},
               "by": {"type": "reference", "target": ["person"]},
               "of": {"type": "array", "items": {"type": "reference", "target": ["person"], "enforce": true}}}}')"#,
    );
    let mut client = database.connect();
    client
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    for (criteria, told) in [
        (
            r#"{"sex": "femal"}"#,
            r#"sex is a code; expected one of "female", "male"; did you mean female?"#,
        ),
        (
            r#"{"sex": ["male", "x"]}"#,
            r#"sex is a code; expected one of "female", "male""#,
        ),
        (
            r#"{"sizes": "3"}"#,
            "sizes is a whole number; expected one of 1, 2",
        ),
        (
            r#"{"age": 151}"#,
            "age is a whole number; expected at most 150",
        ),
        (
            r#"{"zip": "123"}"#,
            "zip is a symbol; expected a match of [0-9]{5}",
        ),
        (
            r#"{"status": "opne"}"#,
            r#"status is a code; expected a code of the vocabulary status: "closed", "open"; did you mean open?"#,
        ),
        (
            r#"{"unit.code": "x"}"#,
            r#"unit.code is a code; expected a code of the vocabulary status: "closed", "open""#,
        ),
        (
            r#"{"by.reference": "machine/1"}"#,
            "by.reference is a literal; expected person/<id>",
        ),
        (
            r#"{"of.reference": "urn:x:1"}"#,
            "of.reference is a literal; expected person/<id>",
        ),
        (
            r#"{"of.reference": "person/1/_history/2"}"#,
            "of.reference is a literal; expected person/<id>",
        ),
        (
            r#"{"of.type": "machine"}"#,
            "of.type is a uri; expected person",
        ),
    ] {
        let given: Value = serde_json::from_str(criteria).unwrap();
        for verb in [
            "ingest.resource_search('s', 'p', $1::jsonb)",
            "ingest.resource_create_if('s', 'p', $1::jsonb, '{\"data\": {}}')",
            "ingest.resource_upsert_if('s', 'p', $1::jsonb, '{\"data\": {}}')",
            "ingest.resource_delete_if('s', 'p', $1::jsonb)",
        ] {
            let refused = client.query(&format!("SELECT id FROM {verb}"), &[&given]);
            let refusal = expect_sqlstate(refused, "PT400");
            assert_eq!(refusal.message(), told, "{criteria}");
        }
    }
    for criteria in [
        r#"{"sex": "male"}"#,
        r#"{"sex": {"prefix": "f"}}"#,
        r#"{"sizes": [[1], [2]]}"#,
        r#"{"age": {"le": 200}}"#,
        r#"{"free": "b"}"#,
        r#"{"mood": "x"}"#,
        r#"{"unit.code": "open", "unit.system": "x:y"}"#,
        r#"{"kind.coding.code": "x"}"#,
        r#"{"by.reference": "urn:x:1"}"#,
        r##"{"by.reference": "#a"}"##,
        r#"{"by.type": "machine"}"#,
        r#"{"of.reference": "person/1", "of.type": "person"}"#,
    ] {
        let given: Value = serde_json::from_str(criteria).unwrap();
        let found = "SELECT id FROM ingest.resource_search('s', 'p', $1::jsonb)";
        assert!(client.query(found, &[&given]).unwrap().is_empty());
    }
}

/// The order of a search is an argument of its own, with `-` from the greatest down; who writes it
/// into the criteria, or in another form, is told the form.
#[test]
fn order_is_no_criterion_and_its_form_is_told() {
    let (_database, mut client) = database();
    fill(&mut client, "loose");
    client
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    let sorted = "SELECT string_agg(id, ' ') FROM ingest.resource_search('clinic', 'loose', '{}', sort => $1)";
    for (sort, order) in [
        (json!(["-number"]), "c b a d"),
        (json!(["number"]), "a b c d"),
        (json!(["-name", "-number"]), "d b c a"),
    ] {
        let row = client.query_one(sorted, &[&sort]).unwrap();
        assert_eq!(row.get::<_, String>(0), order);
    }
    for sort in [
        json!("-number"),
        json!(["--number"]),
        json!(["number desc"]),
        json!(["+number"]),
        json!([{"number": "desc"}]),
    ] {
        let refusal = expect_sqlstate(client.query_one(sorted, &[&sort]), "PT400");
        assert!(
            refusal
                .hint()
                .unwrap()
                .contains("behind a - from the greatest down")
        );
    }
    for sql in [
        "SELECT * FROM ingest.resource_search('clinic', 'loose', '_sort=-number'::text)",
        "SELECT * FROM ingest.resource_search('clinic', 'loose', 'name=Ann&_count=1'::text)",
        "SELECT * FROM ingest.resource_search('clinic', 'loose', '{\"_sort\": \"-number\"}'::jsonb)",
    ] {
        let refusal = expect_sqlstate(client.batch_execute(sql), "PT400");
        assert!(
            refusal.hint().unwrap().contains("sort => '[\"-born\"]'"),
            "{sql}"
        );
    }
}

/// Page by page a search gives what it gives at once, whatever it is sorted by: values that many share,
/// those that a row lacks, several of them, up and down; with criteria and without.
#[test]
fn sorted_pages_are_the_whole_in_order() {
    let database = clinic::database("pages");
    let mut client = database.connect();
    let definition = json!({"type": "ROOT", "indexes": [["name"], ["weight"]], "properties": {
        "name": {"type": "symbol"}, "weight": {"type": "decimal"}, "seen": {"type": "datetime"},
        "open": {"type": "boolean"}, "kind": {"type": "symbol"}}});
    clinic::define(&mut client, "clinic", "thing", &definition).unwrap();
    client
        .batch_execute(
            "INSERT INTO clinic.thing (id, data) SELECT 'i' || n, jsonb_strip_nulls(jsonb_build_object(
                 'kind', (ARRAY['a', 'b'])[n % 2 + 1],
                 'name', (ARRAY['ä', 'z', 'Z', 'a', NULL])[n % 5 + 1],
                 'weight', CASE WHEN n % 4 > 0 THEN (n % 3)::numeric / 3 END,
                 'seen', CASE WHEN n % 7 > 1 THEN (ARRAY['2024-01-01T00:00:00Z', '2024-01-01T01:00:00+01:00', '2020-01-01T00:00:00Z'])[n % 3 + 1] END,
                 'open', CASE WHEN n % 3 > 0 THEN n % 2 = 0 END))
             FROM generate_series(1, 40) AS n;
             ANALYZE clinic.thing",
        )
        .unwrap();
    for sort in [
        r#"["name"]"#,
        r#"["-name"]"#,
        r#"["weight"]"#,
        r#"["-weight", "name"]"#,
        r#"["seen", "-open", "name"]"#,
        r#"["-seen"]"#,
        r#"["open", "-weight", "-seen", "name"]"#,
        r#"["-open"]"#,
        r#"["kind"]"#,
    ] {
        for criteria in ["{}", r#"{"kind": "a"}"#, r#"{"name": "z"}"#] {
            let page = |client: &mut Client, after: &str, count: i32| -> Vec<String> {
                let sql = "SELECT coalesce(array_agg(id), '{}') FROM ingest.resource_search('clinic', 'thing', $1::text::jsonb,
                    after => $2, count => $3, sort => $4::text::jsonb)";
                let row = client
                    .query_one(sql, &[&criteria, &after, &count, &sort])
                    .unwrap();
                row.get(0)
            };
            let whole = page(&mut client, "", 100);
            for size in [1, 3, 7] {
                let (mut paged, mut after) = (Vec::new(), String::new());
                loop {
                    let next = page(&mut client, &after, size);
                    let Some(last) = next.last() else {
                        break;
                    };
                    after.clone_from(last);
                    paged.extend(next);
                }
                assert_eq!(paged, whole, "{sort} {criteria} {size}");
            }
        }
    }
    let not_there = client.query(
        r#"SELECT ingest.resource_search('clinic', 'thing', '{"kind": "a"}'::jsonb, after => 'never', sort => '["name"]')"#,
        &[],
    );
    expect_sqlstate(not_there, "PT410");
}
