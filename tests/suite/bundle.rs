//! Bundles: many operations, all or nothing.

use ingest_tests::expect_sqlstate;
use ingest_tests::refusal::issues;
use postgres::{Client, Error};
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, PROVIDER, link_body, value};

fn apply(client: &mut Client, operations: &Value) -> Result<Vec<Value>, Error> {
    let bundle = json!({"operations": operations});
    let answer: Value = client
        .query_one("SELECT ingest.bundle_apply('clinic', $1)", &[&bundle])?
        .get(0);
    let done = answer["operations"].as_array().unwrap().clone();
    for (index, one) in done.iter().enumerate() {
        assert_eq!(one["index"], json!(index), "{done:?}");
    }
    Ok(done)
}

/// What was done, as `created o 1`.
fn told(done: &[Value]) -> Vec<String> {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    done.iter()
        .map(|one| {
            format!(
                "{} {} {}",
                text(&one["outcome"]),
                text(&one["id"]),
                one["version"]
            )
        })
        .collect()
}

fn stored(client: &mut Client) -> (i64, i64, i64) {
    let count = |client: &mut Client, table: &str| {
        value::<i64>(client, &format!("SELECT count(*) FROM clinic.{table}"))
    };
    (
        count(client, "provider"),
        count(client, "office"),
        count(client, "\"worksAt\""),
    )
}

/// Every verb, in any order: resources come before the links that need them.
#[test]
fn operations_of_every_kind_are_applied() {
    let database = clinic::database("bundle");
    let mut client = database.connect();
    for id in ["patched", "deleted", "matched"] {
        clinic::upsert(&mut client, OFFICE, id, &json!({"data": {"name": id}})).unwrap();
    }
    clinic::upsert(
        &mut client,
        PROVIDER,
        "old",
        &json!({"data": {"name": "old"}}),
    )
    .unwrap();
    clinic::link(&mut client, "old", "patched").unwrap();
    let done = apply(
        &mut client,
        &json!([
            {"operation": "link", "relationship": "worksAt", "body": link_body("new", "upserted")},
            {"operation": "unlink", "relationship": "worksAt", "id": "provider.old,office.patched"},
            {"operation": "create", "profile": "provider", "id": "new", "body": {"data": {"name": "n"}}},
            {"operation": "upsert", "profile": "office", "id": "upserted", "body": {"data": {"name": "u"}}},
            {"operation": "patch", "profile": "office", "id": "patched", "patch": {"data": {"note": "p"}}, "if_match": 1},
            {"operation": "delete", "profile": "office", "id": "deleted"},
            {"operation": "create_if", "profile": "office", "criteria": {"name": "matched"}, "body": {"data": {}}},
            {"operation": "upsert_if", "profile": "office", "criteria": {"name": "made"}, "id": "made",
             "body": {"data": {"name": "made"}}},
            {"operation": "link_upsert", "relationship": "worksAt", "body": link_body("old", "upserted")}]),
    )
    .unwrap();
    assert_eq!(
        told(&done),
        [
            "created provider.new,office.upserted 1",
            "deleted provider.old,office.patched 2",
            "created new 1",
            "created upserted 1",
            "updated patched 2",
            "deleted deleted 2",
            "matched matched 1",
            "created made 1",
            "created provider.old,office.upserted 1",
        ]
    );
    assert_eq!(done[0]["type"], json!("worksAt"));
    assert_eq!(done[4]["operation"], json!("patch"));
    assert_eq!(stored(&mut client), (2, 4, 2));
    assert_eq!(
        clinic::story(&mut client, OFFICE, "patched"),
        "created 1, updated 2"
    );
}

/// A placeholder is the id that the bundle makes, wherever it stands: as an id, in a link, in a
/// contained id, in data.
#[test]
fn placeholders_stand_for_the_ids_that_are_made() {
    let database = clinic::database("bundle");
    let mut client = database.connect();
    let done = apply(
        &mut client,
        &json!([
            {"operation": "link", "relationship": "worksAt", "body": link_body("@rootId1", "@rootId2")},
            {"operation": "create", "profile": "office", "id": "@rootId2", "body": {
                "data": {"name": "of @rootId1", "note": "@rootId1"},
                "contained": {"primaryPaymentMethod": [
                    {"id": "office/@rootId2/primaryPaymentMethod/p", "data": {"value": "Visa"}}]}}},
            {"operation": "create", "profile": "provider", "body": {"id": "@rootId1", "data": {"name": "x"}}}]),
    )
    .unwrap();
    let (office, provider) = (
        done[1]["id"].as_str().unwrap(),
        done[2]["id"].as_str().unwrap(),
    );
    assert_eq!(
        done[0]["id"],
        json!(format!("provider.{provider},office.{office}"))
    );
    let read = clinic::read(&mut client, OFFICE, office).unwrap();
    assert_eq!(
        read["data"],
        json!({"name": "of @rootId1", "note": provider})
    );
    assert_eq!(
        read["contained"]["primaryPaymentMethod"][0]["id"],
        json!(format!("office/{office}/primaryPaymentMethod/p"))
    );
    for (operations, told) in [
        (
            json!([{"operation": "link", "relationship": "worksAt", "body": link_body("@rootId1", "o")}]),
            "not defined",
        ),
        (
            json!([{"operation": "create", "profile": "office", "id": "@rootId", "body": {"data": {}}},
                   {"operation": "create", "profile": "provider", "id": "@rootId", "body": {"data": {"name": "x"}}}]),
            "defined twice",
        ),
    ] {
        let refusal = expect_sqlstate(apply(&mut client, &operations), "PT400");
        assert!(refusal.message().contains(told), "{refusal:?}");
    }
}

/// Whatever fails, nothing is written, and the error names the operation.
#[test]
fn operation_that_fails_undoes_the_bundle_and_is_named() {
    let database = clinic::database("bundle");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    clinic::upsert(&mut client, OFFICE, "gone", &json!({"data": {}})).unwrap();
    clinic::delete(&mut client, OFFICE, "gone", None, false).unwrap();
    let before = stored(&mut client);
    for (operation, sqlstate) in [
        (
            json!({"operation": "create", "profile": "office", "body": {"data": {"name": 1}}}),
            "PT422",
        ),
        (
            json!({"operation": "create", "profile": "office", "id": "o", "body": {"data": {}}}),
            "PT409",
        ),
        (
            json!({"operation": "create", "profile": "office", "id": "a b", "body": {"data": {}}}),
            "PT400",
        ),
        (
            json!({"operation": "create", "profile": "nothing", "body": {"data": {}}}),
            "PT404",
        ),
        (
            json!({"operation": "upsert", "profile": "office", "id": "o", "body": {"data": {}}, "if_match": 7}),
            "PT412",
        ),
        (
            json!({"operation": "delete", "profile": "office", "id": "never"}),
            "PT404",
        ),
        (
            json!({"operation": "delete", "profile": "office", "id": "gone"}),
            "PT410",
        ),
        (
            json!({"operation": "patch", "profile": "office", "id": "never", "patch": {}}),
            "PT404",
        ),
        (
            json!({"operation": "link", "relationship": "worksAt", "body": link_body("x", "o")}),
            "PT404",
        ),
        (
            json!({"operation": "link", "relationship": "worksAt", "body": {"from": 1}}),
            "PT400",
        ),
        (
            json!({"operation": "unlink", "relationship": "worksAt", "id": "provider.x,office.o"}),
            "PT404",
        ),
        (
            json!({"operation": "create_if", "profile": "office", "criteria": {"x": 1}, "body": {"data": {}}}),
            "PT400",
        ),
        (
            json!({"operation": "explode", "profile": "office"}),
            "PT400",
        ),
        (
            json!({"operation": "create", "body": {"data": {}}}),
            "PT400",
        ),
        (
            json!({"operation": "link", "profile": "office", "body": link_body("x", "o")}),
            "PT400",
        ),
        (
            json!({"operation": "create", "profile": "worksAt", "body": {"data": {}}}),
            "PT400",
        ),
        (
            json!({"operation": "delete", "profile": "office", "id": "o", "cascade": "yes"}),
            "PT400",
        ),
        (
            json!({"operation": "delete", "profile": "office", "id": "o", "if_match": 1.5}),
            "PT400",
        ),
        (
            json!({"operation": "create", "profile": "office", "body": {"data": {}}, "extra": 1}),
            "PT400",
        ),
        (json!("create"), "PT400"),
        (json!(null), "PT400"),
    ] {
        let bundle = json!([
            {"operation": "create", "profile": "provider", "id": "good", "body": {"data": {"name": "g"}}},
            {"operation": "link", "relationship": "worksAt", "body": link_body("good", "o")},
            operation]);
        let refusal = expect_sqlstate(apply(&mut client, &bundle), sqlstate);
        assert!(
            refusal.message().starts_with("operation 2: "),
            "{operation}: {refusal:?}"
        );
        assert!(!issues(&refusal).is_empty(), "{refusal:?}");
        assert_eq!(stored(&mut client), before, "{operation}");
    }
}

/// A bundle that is none is refused, an empty one does nothing.
#[test]
fn bundle_that_is_none_is_refused() {
    let database = clinic::database("bundle");
    let mut client = database.connect();
    let sql = "SELECT ingest.bundle_apply('clinic', $1)";
    for bundle in [
        json!([]),
        json!({}),
        json!(null),
        json!({"operations": {}}),
        json!({"operations": [], "extra": 1}),
    ] {
        expect_sqlstate(client.query_one(sql, &[&bundle]), "PT400");
    }
    assert!(apply(&mut client, &json!([])).unwrap().is_empty());
}

/// Two operations on one resource or link would depend on their order, and are refused with both
/// named.
#[test]
fn two_operations_on_one_resource_are_refused() {
    let database = clinic::database("bundle");
    let mut client = database.connect();
    let upsert =
        json!({"operation": "upsert", "profile": "office", "id": "o", "body": {"data": {}}});
    let link = json!({"operation": "link", "relationship": "worksAt", "body": link_body("p", "o")});
    for pair in [
        [
            upsert.clone(),
            json!({"operation": "delete", "profile": "office", "id": "o"}),
        ],
        [
            upsert.clone(),
            json!({"operation": "create", "profile": "office", "body": {"id": "o", "data": {}}}),
        ],
        [
            link.clone(),
            json!({"operation": "unlink", "relationship": "worksAt", "id": "provider.p,office.o"}),
        ],
        [link.clone(), link.clone()],
    ] {
        let refusal = expect_sqlstate(apply(&mut client, &json!(pair)), "PT400");
        assert_eq!(
            refusal.message(),
            "operations 0 and 1 are about the same resource or link"
        );
    }
    // One id in two profiles is two resources.
    let other = json!({"operation": "upsert", "profile": "provider", "id": "o", "body": {"data": {"name": "o"}}});
    assert_eq!(
        apply(&mut client, &json!([upsert, other])).unwrap().len(),
        2
    );
}

/// A reference that must be there may be to a resource of the same bundle, before or after it.
#[test]
fn enforced_reference_within_a_bundle_is_kept() {
    let database = clinic::database("bundle");
    let mut client = database.connect();
    let visit = json!({"type": "ROOT", "properties": {
        "by": {"type": "reference", "target": ["provider"], "enforce": true}}});
    clinic::define(&mut client, "clinic", "visit", &visit).unwrap();
    let provider = json!({"operation": "create", "profile": "provider", "id": "@rootId1", "body": {"data": {"name": "x"}}});
    let visit = json!({"operation": "create", "profile": "visit",
        "body": {"data": {"by": {"reference": "provider/@rootId1"}}}});
    apply(&mut client, &json!([provider, visit])).unwrap();
    apply(&mut client, &json!([visit, provider])).unwrap();
    let lost = json!({"operation": "create", "profile": "visit", "body": {"data": {"by": {"reference": "provider/x"}}}});
    let refusal = expect_sqlstate(apply(&mut client, &json!([provider, lost])), "PT422");
    assert_eq!(issues(&refusal)[0].expression, ["visit.by.reference"]);
    assert_eq!(stored(&mut client).0, 2);
}

/// A thousand operations are one call.
#[test]
fn bundle_of_1_000_operations_is_applied() {
    let database = clinic::database("bundle");
    let mut client = database.connect();
    let mut operations = Vec::new();
    for number in 0..250 {
        let (provider, office) = (format!("@rootId{number}"), format!("o{number}"));
        operations.push(json!({"operation": "link", "relationship": "worksAt", "body": link_body(&provider, &office)}));
        operations.push(
            json!({"operation": "create", "profile": "provider", "id": provider,
            "body": {"data": {"name": "x"}}}),
        );
        operations.push(
            json!({"operation": "upsert", "profile": "office", "id": office, "body": {"data": {}}}),
        );
        operations.push(json!({"operation": "create", "profile": "Patient", "body": {"data": {}}}));
    }
    let done = apply(&mut client, &Value::Array(operations)).unwrap();
    assert!(done.iter().all(|one| one["outcome"] == json!("created")));
    assert_eq!(stored(&mut client), (250, 250, 250));
}

/// Criteria that no index serves are asked of the table once for all that ask alike, whatever they ask:
/// what each finds is what it finds alone.
#[test]
fn criteria_without_an_index_are_asked_together() {
    let database = clinic::database("together");
    let mut client = database.connect();
    let definition = json!({"type": "ROOT", "additionalProperties": true, "properties": {
        "name": {"type": "symbol"}, "weight": {"type": "decimal"}, "seen": {"type": "datetime"},
        "$1": {"type": "symbol"}, "it's $2": {"type": "symbol"},
        "tags": {"type": "array", "items": {"type": "symbol"}}}});
    clinic::define(&mut client, "clinic", "thing", &definition).unwrap();
    client
        .batch_execute(
            "INSERT INTO clinic.thing (id, data) SELECT 'i' || n, jsonb_build_object('name', 'n' || n, 'weight', n / 2.0,
                 'seen', to_char('2024-01-01'::date + n, 'YYYY-MM-DD\"T00:00:00Z\"'), '$1', 'a' || n, 'it''s $2', 'b' || n,
                 'tags', jsonb_build_array('t' || n, 'all'))
             FROM generate_series(1, 100) AS n",
        )
        .unwrap();
    let seen = |n: i32| format!("2024-01-{:02}T00:00:00Z", n + 1);
    let kinds: [&dyn Fn(i32) -> Value; 8] = [
        &|n| json!({"name": format!("n{n}")}),
        &|n| json!({"weight": f64::from(n) / 2.0}),
        &|n| json!({"seen": seen(n)}),
        &|n| json!({"$1": format!("a{n}")}),
        &|n| json!({"it's $2": format!("b{n}"), "$1": format!("a{n}")}),
        &|n| json!({"tags": format!("t{n}")}),
        &|n| json!({"name": [format!("n{n}"), "nobody"]}),
        &|n| json!({"weight": f64::from(n) / 2.0, "name": {"prefix": format!("n{n}")}}),
    ];
    let bundle = |verb: &str| {
        let mut operations = Vec::new();
        for (kind, criteria) in kinds.iter().enumerate() {
            for n in [1, 2, 3] {
                let n = n + i32::try_from(kind).unwrap() * 3;
                operations.push(json!({"operation": verb, "profile": "thing", "criteria": criteria(n), "body": {"data": {"name": "x"}}}));
            }
            let none = match kind {
                2 => json!({"seen": "1999-01-01T00:00:00Z"}),
                _ => criteria(1000 + i32::try_from(kind).unwrap()),
            };
            operations.push(json!({"operation": verb, "profile": "thing", "criteria": none, "body": {"data": {"name": "x"}}}));
        }
        json!(operations)
    };
    client
        .batch_execute("SET client_min_messages = error; BEGIN")
        .unwrap();
    let scans = "SELECT pg_stat_get_xact_numscans('clinic.thing'::regclass)";
    let before: i64 = value(&mut client, scans);
    let done = told(&apply(&mut client, &bundle("create_if")).unwrap());
    let count = value::<i64>(&mut client, scans) - before;
    assert!(count < 24, "{count} scans of the table");
    for (place, done) in done.iter().enumerate() {
        let found = format!("matched i{} 1", place / 4 * 3 + place % 4 + 1);
        match place % 4 {
            3 => assert!(done.starts_with("created "), "{place}: {done}"),
            _ => assert_eq!(done, &found, "{place}"),
        }
    }
    // Several that one finds are told, by its place.
    let several = json!([
        {"operation": "create_if", "profile": "thing", "criteria": {"tags": "t1"}, "body": {"data": {}}},
        {"operation": "create_if", "profile": "thing", "criteria": {"tags": "all"}, "body": {"data": {}}}]);
    let refusal = expect_sqlstate(apply(&mut client, &several), "PT412");
    assert!(
        refusal.message().starts_with("operation 1: "),
        "{refusal:?}"
    );
}
