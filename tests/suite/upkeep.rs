//! Upkeep of a profile: which rows a new definition would refuse, and the end of rows and history.

use ingest_tests::expect_sqlstate;
use ingest_tests::refusal::issues;
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, value};

/// The rows that a definition of offices would refuse: each id with its paths.
fn check(client: &mut Client, definition: &Value) -> Vec<(String, Vec<String>)> {
    client
        .query(
            "SELECT id, ARRAY(SELECT i -> 'expression' ->> 0 FROM jsonb_array_elements(issue) AS i)
             FROM ingest.profile_check('clinic', 'office', $1)",
            &[definition],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect()
}

/// A dry run of a definition lists every row that it would refuse, and changes nothing.
#[test]
fn check_lists_the_rows_that_a_definition_would_refuse() {
    let database = clinic::database("upkeep");
    let mut client = database.connect();
    client
        .batch_execute(
            "INSERT INTO clinic.office (id, data) SELECT 'o' || i, CASE i % 100
                 WHEN 0 THEN jsonb_build_object('name', 'x', 'note', 'n')
                 ELSE jsonb_build_object('name', 'y') END FROM generate_series(1, 1000) AS i;
             INSERT INTO clinic.office (id, data) VALUES ('nameless', '{}');",
        )
        .unwrap();
    let current: Value = value(
        &mut client,
        "SELECT definition FROM ingest.profile WHERE profile = 'office'",
    );
    assert_eq!(check(&mut client, &current), []);
    let stricter = json!({"type": "ROOT",
        "properties": {"name": {"type": "symbol", "rules": [{"required": true}]}},
        "contained": current["contained"]});
    let refused = check(&mut client, &stricter);
    assert_eq!(refused.len(), 11);
    assert_eq!(
        refused[0],
        ("nameless".to_owned(), vec!["office.name".to_owned()])
    );
    assert!(
        refused[1..]
            .iter()
            .all(|(id, paths)| id.ends_with("00") && *paths == ["office.note"])
    );
    let version: i32 = value(
        &mut client,
        "SELECT version FROM ingest.profile WHERE profile = 'office'",
    );
    assert_eq!(version, 1);
    insert_is_bound_by_the_old(&mut client);

    let sql = "SELECT ingest.profile_check('clinic', $1, $2)";
    let wrong = json!({"type": "ROOT", "properties": {"a": {"type": "nonsense"}}});
    let refusal = expect_sqlstate(client.query(sql, &[&OFFICE, &wrong]), "PT422");
    assert!(!issues(&refusal).is_empty());
    expect_sqlstate(client.query(sql, &[&"nothing", &stricter]), "PT404");
    expect_sqlstate(client.query(sql, &[&"worksAt", &stricter]), "PT422");
}

fn insert_is_bound_by_the_old(client: &mut Client) {
    client
        .batch_execute("INSERT INTO clinic.office (data) VALUES ('{\"note\": \"n\"}')")
        .unwrap();
}

/// A purge takes rows and history for ever: an id begins anew.
#[test]
fn purge_takes_rows_and_history() {
    let database = clinic::database("upkeep");
    let mut client = database.connect();
    let mut other = database.connect();
    for name in ["a", "b"] {
        clinic::upsert(&mut other, OFFICE, "o", &json!({"data": {"name": name}})).unwrap();
    }
    clinic::upsert(&mut other, "provider", "p", &json!({"data": {"name": "x"}})).unwrap();
    clinic::link(&mut other, "p", "o").unwrap();
    let purge = |client: &mut Client, what: &str, cascade: bool| {
        client
            .query_one(
                "SELECT ingest.profile_purge('clinic', $1, $2)",
                &[&what, &cascade],
            )
            .map(|row| row.get::<_, i64>(0))
    };
    let refusal = expect_sqlstate(purge(&mut client, OFFICE, false), "PT409");
    assert!(refusal.message().contains("worksAt"), "{refusal:?}");
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2"
    );

    assert_eq!(purge(&mut client, "worksAt", false).unwrap(), 1);
    assert_eq!(purge(&mut client, OFFICE, false).unwrap(), 1);
    expect_sqlstate(clinic::read(&mut other, OFFICE, "o"), "PT404");
    for table in [
        "office",
        "office_history",
        "\"worksAt\"",
        "\"worksAt_history\"",
    ] {
        let count = format!("SELECT count(*) FROM clinic.{table}");
        assert_eq!(value::<i64>(&mut client, &count), 0, "{table}");
    }
    let again = clinic::create_as(&mut other, OFFICE, "o", &json!({"data": {}})).unwrap();
    assert_eq!(again.did(), ("created", 1));
    clinic::link(&mut other, "p", "o").unwrap();
    assert_eq!(purge(&mut client, "provider", true).unwrap(), 1);
    expect_sqlstate(
        clinic::read_link(&mut other, "provider.p,office.o"),
        "PT404",
    );
    // Closed again: what the purge may, nobody else may.
    expect_sqlstate(
        client.batch_execute("DELETE FROM clinic.office_history"),
        "42501",
    );
    expect_sqlstate(client.batch_execute("TRUNCATE clinic.\"Patient\""), "PT400");
    // And one that is rolled back leaves all.
    client.batch_execute("BEGIN").unwrap();
    purge(&mut client, OFFICE, true).unwrap();
    client.batch_execute("ROLLBACK").unwrap();
    assert_eq!(clinic::story(&mut client, OFFICE, "o"), "created 1");
    expect_sqlstate(purge(&mut client, "nothing", true), "PT404");
}

/// A query string becomes criteria.
#[test]
fn query_string_becomes_criteria() {
    let database = clinic::database("upkeep");
    let mut client = database.connect();
    for (query, criteria) in [
        ("name=Bob", json!({"name": "Bob"})),
        ("name=Bob&no=1,2", json!({"name": "Bob", "no": ["1", "2"]})),
        ("name=Bob%20Ross", json!({"name": "Bob Ross"})),
        ("name=Bob+Ross", json!({"name": "Bob Ross"})),
        ("a.b=%C3%A9", json!({"a.b": "é"})),
        ("name=%26%3D%25", json!({"name": "&=%"})),
        ("name=", json!({"name": ""})),
        // FHIR R4, section 3.1.1.4.0.1: what would divide values can stand in them.
        ("name=Roe\\, Jane", json!({"name": "Roe, Jane"})),
        (
            "name=Roe%5C%2C+Jane,Bob",
            json!({"name": ["Roe, Jane", "Bob"]}),
        ),
        ("name=a\\|b\\$c\\\\d", json!({"name": "a|b$c\\d"})),
        ("name=a\\\\,b", json!({"name": ["a\\", "b"]})),
        ("name=a\\b\\", json!({"name": "a\\b\\"})),
        ("name=%zz%4", json!({"name": "%zz%4"})),
        ("?a=1&&b", json!({"a": "1", "b": ""})),
        ("a=1&b=2&a=3,4", json!({"a": [["1"], ["3", "4"]], "b": "2"})),
    ] {
        let found: Value = client
            .query_one("SELECT ingest.criteria($1)", &[&query])
            .unwrap()
            .get(0);
        assert_eq!(found, criteria, "{query}");
    }
    for wrong in ["=a", "name=%FF", "%C3=a", "name=%ED%A0%80", "name=%00"] {
        expect_sqlstate(
            client.query_one("SELECT ingest.criteria($1)", &[&wrong]),
            "PT400",
        );
    }
    let keys: Vec<String> = (0..65).map(|key| format!("k{key}=1")).collect();
    for large in [keys.join("&"), format!("name={}", "x".repeat(66_000))] {
        expect_sqlstate(
            client.query_one("SELECT ingest.criteria($1)", &[&large]),
            "PT413",
        );
    }
}

/// What a definition would refuse in the source, each row with its paths.
fn told(client: &mut Client, name: &str, definition: &Value) -> Vec<String> {
    let sql = "SELECT id || ':' || (SELECT string_agg(' ' || (i -> 'expression' ->> 0), '')
                   FROM jsonb_array_elements(issue) AS i)
               FROM ingest.profile_check('s', $1, $2)";
    let rows = client.query(sql, &[&name, definition]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// A dry run tells rows that break a new identity together, enforced references that lead nowhere,
/// links that are too many, and what the profiles that contain it would have refused.
#[test]
fn check_lists_what_only_other_rows_or_profiles_can_tell() {
    let database = clinic::database("upkeep");
    let mut client = database.connect();
    let free = json!({"type": "ROOT", "contained": {"parts": {"types": ["part"], "cardinality": "0:*"}},
        "properties": {"mrn": {"type": "identifier"}, "to": {"type": "reference"}}});
    let part = json!({"type": "CONTAINED", "properties": {"name": {"type": "symbol"}}});
    let link = |to: &str| {
        json!({"from": {"profileKey": "pt", "cardinality": "0:*"},
               "to": {"profileKey": "pt", "cardinality": to}})
    };
    for (function, name, definition) in [
        ("profile_define", "part", &part),
        ("profile_define", "pt", &free),
        ("relationship_define", "knows", &link("0:*")),
    ] {
        if name == "part" {
            client
                .batch_execute("SELECT ingest.source_create('s')")
                .unwrap();
        }
        let sql = format!("SELECT ingest.{function}('s', $1, $2)");
        client.execute(&sql, &[&name, definition]).unwrap();
    }
    client
        .batch_execute(
            r#"INSERT INTO s.pt (id, data, contained) VALUES
                 ('a', '{"mrn": {"system": "u", "value": "1"}}', NULL),
                 ('b', '{"mrn": {"system": "u", "value": "1"}, "to": {"reference": "pt/none"}}', NULL),
                 ('c', '{"mrn": {"system": "u", "value": "2"}, "to": {"reference": "pt/a"}}', NULL),
                 ('d', '{"mrn": {"system": "u"}}', '{"parts": [{"data": {"name": "long"}}]}'),
                 ('e', '{"mrn": {"system": "u"}}', '{"parts": [{"data": {"name": "x"}}]}');
               INSERT INTO s.knows (from_id, to_id, data) VALUES
                 ('a', 'b', '{}'), ('a', 'c', '{}'), ('d', 'e', '{}');"#,
        )
        .unwrap();
    assert_eq!(told(&mut client, "pt", &free), [""; 0]);
    let mut strict = free.clone();
    strict["identities"] = json!([["mrn.system", "mrn.value"]]);
    strict["properties"]["to"] = json!({"type": "reference", "target": ["pt"], "enforce": true});
    let identity = "identities (mrn.system, mrn.value)";
    assert_eq!(
        told(&mut client, "pt", &strict),
        [
            format!("a: {identity}"),
            format!("b: pt.to.reference {identity}")
        ]
    );
    let short = json!({"type": "CONTAINED",
        "properties": {"name": {"type": "symbol", "rules": [{"max": 2}]}}});
    assert_eq!(
        told(&mut client, "part", &short),
        ["d: pt.contained.parts[0].data.name"]
    );
    assert_eq!(told(&mut client, "knows", &link("0:*")), [""; 0]);
    for end in ["from", "to"] {
        let mut one = link("0:*");
        one[end]["cardinality"] = json!("0:1");
        let told = told(&mut client, "knows", &one);
        let expected: &[String] = match end {
            "from" => &["pt.a,pt.b: knows.from", "pt.a,pt.c: knows.from"].map(str::to_owned),
            _ => &[],
        };
        assert_eq!(told, expected, "{end}");
    }
    // A profile that contains it through another is named, and each by its own rows.
    let deep = json!({"type": "CONTAINED", "contained": {"in": {"types": ["part"]}}});
    let other = json!({"type": "ROOT", "contained": {"deep": {"types": ["box"]}}});
    for (name, definition) in [("box", &deep), ("store", &other)] {
        clinic::define(&mut client, "s", name, definition).unwrap();
    }
    client
        .batch_execute(
            r#"INSERT INTO s.store (id, data, contained) VALUES
                 ('d', '{}', '{"deep": [{"data": {}, "contained": {"in": [{"data": {"name": "long"}}]}}]}')"#,
        )
        .unwrap();
    let sql = "SELECT type || '/' || id || ' ' || (issue #>> '{0,expression,0}')
               FROM ingest.profile_check('s', $1, $2)";
    let mut named = |name: &str, definition: &Value| -> Vec<String> {
        let rows = client.query(sql, &[&name, definition]).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    assert_eq!(
        named("part", &short),
        [
            "pt/d pt.contained.parts[0].data.name",
            "store/d store.contained.deep[0].contained.in[0].data.name"
        ]
    );
    assert_eq!(
        named(
            "pt",
            &json!({"type": "ROOT", "contained": free["contained"], "additionalProperties": true,
            "properties": {"mrn": {"type": "integer"}}})
        ),
        ["a", "b", "c", "d", "e"].map(|id| format!("pt/{id} pt.mrn"))
    );
    let mut one = link("0:*");
    one["from"]["cardinality"] = json!("0:1");
    assert_eq!(
        named("knows", &one),
        ["knows/pt.a,pt.b knows.from", "knows/pt.a,pt.c knows.from"]
    );
    expect_sqlstate(client.query(sql, &[&"part", &free]), "PT409");
}

/// Of many rows that share what is to be an identity whole ids are named, and how many more there are.
#[test]
fn rows_that_share_an_identity_are_named_by_whole_ids() {
    let database = clinic::database("upkeep");
    let mut client = database.connect();
    client
        .batch_execute(
            "INSERT INTO clinic.office (id, data)
             SELECT lpad(i::text, 64, '0'), '{\"name\": \"x\"}' FROM generate_series(1, 25) AS i",
        )
        .unwrap();
    let mut definition: Value = value(
        &mut client,
        "SELECT definition FROM ingest.profile WHERE profile = 'office'",
    );
    definition["identities"] = json!([["name"]]);
    let refusal = expect_sqlstate(
        client.query(
            "SELECT ingest.profile_define('clinic', 'office', $1)",
            &[&definition],
        ),
        "PT409",
    );
    let ids: Vec<String> = (1..=20).map(|id| format!("{id:064}")).collect();
    let expected = format!("the same in {} and 5 more", ids.join(", "));
    assert_eq!(issues(&refusal)[0].diagnostics, expected);
}
