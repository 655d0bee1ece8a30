//! What a bundle means: in which order its operations are done, what a placeholder stands for, what
//! it refuses, and that two bundles never wait for each other.

use std::sync::Barrier;
use std::thread;

use ingest_tests::{Database, expect_sqlstate};
use postgres::{Client, Error};
use serde_json::{Value, json};

use crate::clinic::value;

/// `p` with an identity and enforced references to `p`, `q` and itself; `l` from `p` to one `q`.
fn database() -> Database {
    let database = Database::new("order");
    database.run(
        r#"SELECT ingest.source_create('c');
        SELECT ingest.profile_define('c', 'q', '{"type": "ROOT"}');
        SELECT ingest.profile_define('c', 'p', '{"type": "ROOT", "identities": [["mrn"]], "properties": {
            "mrn": {"type": "symbol"}, "name": {"type": "symbol"}, "to": {"type": "reference"},
            "must": {"type": "reference", "target": ["p", "q"], "enforce": true}}}');
        SELECT ingest.profile_define('c', 'q', '{"type": "ROOT", "properties": {"name": {"type": "symbol"}, "back": {"type": "reference", "target": ["p"], "enforce": true}}}');
        SELECT ingest.relationship_define('c', 'l', '{"from": {"profileKey": "p"}, "to": {"profileKey": "q", "includeCardinality": "0:1"}, "properties": {"x": {"type": "symbol"}}}');
        SELECT ingest.resource_create('c', 'p', '{"data": {"mrn": "m"}}', 'known');
        SELECT ingest.resource_create('c', 'p', '{"data": {}}', x) FROM unnest(ARRAY['a', 'b']) AS x;
        SELECT ingest.resource_create('c', 'q', '{"data": {}}', x) FROM unnest(ARRAY['q', 'r']) AS x"#,
    );
    database
}

fn apply(client: &mut Client, operations: Value) -> Result<Vec<String>, Error> {
    let bundle = json!({"operations": operations});
    let answer: Value = client
        .query_one("SELECT ingest.bundle_apply('c', $1)", &[&bundle])?
        .get(0);
    let done = answer["operations"].as_array().unwrap();
    Ok(done
        .iter()
        .map(|one| {
            format!(
                "{} {}",
                one["outcome"].as_str().unwrap(),
                one["id"].as_str().unwrap()
            )
        })
        .collect())
}

fn create(id: &str, data: Value) -> Value {
    json!({"operation": "create", "profile": "p", "id": id, "body": {"data": data}})
}

fn link(from: &str, to: &str) -> Value {
    json!({"operation": "link", "relationship": "l",
           "body": {"from": {"id": from, "type": "p"}, "to": {"id": to, "type": "q"}}})
}

/// What goes away goes before what comes, whatever the ids: an identity, a side of a link, a row can
/// be given from one to another.
#[test]
fn operations_in_any_order_and_under_any_ids_do_the_same() {
    let database = database();
    let mut client = database.connect();
    for (gone, comes) in [("a9", "m9"), ("z9", "m8")] {
        apply(&mut client, json!([create(gone, json!({"mrn": "x"}))])).unwrap();
        let moved = [
            create(comes, json!({"mrn": "x"})),
            json!({"operation": "delete", "profile": "p", "id": gone}),
        ];
        assert_eq!(
            apply(&mut client, json!(moved)).unwrap(),
            [format!("created {comes}"), format!("deleted {gone}")]
        );
        apply(
            &mut client,
            json!([{"operation": "delete", "profile": "p", "id": comes}]),
        )
        .unwrap();
    }
    // Without an id, and by criteria.
    apply(&mut client, json!([create("z", json!({"mrn": "y"}))])).unwrap();
    let done = apply(
        &mut client,
        json!([
            {"operation": "create_if", "profile": "p", "id": "zz", "criteria": {"mrn": "y"}, "body": {"data": {"mrn": "y"}}},
            {"operation": "delete", "profile": "p", "id": "z"}]),
    );
    assert_eq!(done.unwrap(), ["created zz", "deleted z"]);
    // From one that stays to another that stays or comes.
    for (from, to) in [("a8", "z8"), ("z7", "a7")] {
        for there in [true, false] {
            let mrn = format!("{from}{there}");
            apply(&mut client, json!([create(from, json!({"mrn": mrn}))])).unwrap();
            if there {
                apply(&mut client, json!([create(to, json!({}))])).unwrap();
            }
            let upsert = json!({"operation": "upsert", "profile": "p", "id": to, "body": {"data": {"mrn": mrn}}});
            let patch = json!({"operation": "patch", "profile": "p", "id": from, "patch": {"data": {"mrn": null}}});
            apply(&mut client, json!([upsert, patch]))
                .unwrap_or_else(|error| panic!("{from} to {to}, {there}: {error:?}"));
            let gone = |id: &str| json!({"operation": "delete", "profile": "p", "id": id});
            apply(&mut client, json!([gone(from), gone(to)])).unwrap();
        }
    }
    // A side of a link, and a linked resource.
    apply(&mut client, json!([link("b", "q")])).unwrap();
    let done = apply(
        &mut client,
        json!([link("a", "q"), {"operation": "unlink", "relationship": "l", "id": "p.b,q.q"}]),
    );
    assert_eq!(done.unwrap(), ["created p.a,q.q", "deleted p.b,q.q"]);
    let done = apply(
        &mut client,
        json!([{"operation": "delete", "profile": "q", "id": "q"},
               {"operation": "unlink", "relationship": "l", "id": "p.a,q.q"}]),
    );
    assert_eq!(done.unwrap(), ["deleted q", "deleted p.a,q.q"]);
}

/// A placeholder stands for what its operation matched as well as for what it created, wherever it
/// stands; so a bundle can be sent twice.
#[test]
fn placeholder_of_a_conditional_operation_stands_for_the_match() {
    let database = database();
    let mut client = database.connect();
    for verb in ["create_if", "upsert_if"] {
        let done = apply(
            &mut client,
            json!([
                {"operation": verb, "profile": "p", "id": "@rootId1", "criteria": {"mrn": "m"}, "body": {"data": {"mrn": "m"}}},
                create(&format!("child-{verb}"), json!({"to": {"reference": "p/@rootId1"}})),
                {"operation": "patch", "profile": "p", "id": "a", "patch": {"data": {"must": {"reference": "p/@rootId1"}}}}]),
        );
        assert_eq!(done.unwrap()[0].split(' ').nth(1), Some("known"), "{verb}");
        for id in [&format!("child-{verb}"), "a"] {
            let refers: String = value(
                &mut client,
                &format!(
                    "SELECT COALESCE(data #>> '{{to,reference}}', data #>> '{{must,reference}}') FROM c.p WHERE id = '{id}'"
                ),
            );
            assert_eq!(refers, "p/known", "{verb} {id}");
        }
    }
    let twice = json!([
        {"operation": "create_if", "profile": "p", "id": "@rootId1", "criteria": {"mrn": "new"}, "body": {"data": {"mrn": "new"}}},
        {"operation": "link_upsert", "relationship": "l", "body": {"from": {"id": "@rootId1", "type": "p"}, "to": {"id": "r", "type": "q"}}}]);
    let first = apply(&mut client, twice.clone()).unwrap();
    let second = apply(&mut client, twice).unwrap();
    let id = |done: &[String]| done[0].split(' ').nth(1).unwrap().to_owned();
    assert_eq!(id(&first), id(&second));
    assert_eq!(second[0], format!("matched {}", id(&first)));
    assert!(second[1].starts_with("unchanged"), "{second:?}");
    // What goes away goes before criteria are asked.
    for id in ["p.@rootId1,q.q", "p.a,q.@rootId1"] {
        let refused = apply(
            &mut client,
            json!([{"operation": "create_if", "profile": "p", "id": "@rootId1", "criteria": {"mrn": "m"}, "body": {"data": {}}},
                   {"operation": "unlink", "relationship": "l", "id": id}]),
        );
        let refused = expect_sqlstate(refused, "PT400");
        assert_eq!(
            refused.message(),
            "operation 1: a placeholder cannot name what goes away"
        );
    }
}

/// Two operations that turn out to be about one resource are refused, and both are named.
#[test]
fn operations_that_find_the_same_resource_are_refused() {
    let database = database();
    let mut client = database.connect();
    let upsert_if = |name: &str| json!({"operation": "upsert_if", "profile": "p", "criteria": {"mrn": "m"}, "body": {"data": {"mrn": "m", "name": name}}});
    let create_if = |mrn: &str| json!({"operation": "create_if", "profile": "p", "criteria": {"mrn": mrn}, "body": {"data": {"mrn": mrn}}});
    for operations in [
        json!([upsert_if("one"), upsert_if("two")]),
        json!([{"operation": "upsert", "profile": "p", "id": "known", "body": {"data": {"mrn": "m"}}}, upsert_if("two")]),
        json!([{"operation": "patch", "profile": "p", "id": "known", "patch": {"data": {"name": "x"}}}, create_if("m")]),
        json!([create_if("new"), create_if("new")]),
        json!([{"operation": "delete", "profile": "p", "id": "known"}, upsert_if("two")]),
        json!([create_if("m"), {"operation": "create_if", "profile": "p", "criteria": {"mrn": ["m"]}, "body": {"data": {}}}]),
    ] {
        let refused = expect_sqlstate(apply(&mut client, operations.clone()), "PT400");
        assert_eq!(
            refused.message(),
            "operations 0 and 1 are about the same resource or link",
            "{operations}"
        );
    }
    let name: Option<String> = value(
        &mut client,
        "SELECT data ->> 'name' FROM c.p WHERE id = 'known'",
    );
    assert_eq!(name, None);
}

/// What an operation makes to match the criteria of another is no concurrent commit, which a retry
/// would cure: both are named, or the identity is.
#[test]
fn match_that_the_bundle_makes_itself_is_an_overlap() {
    let database = database();
    let mut client = database.connect();
    database.run(
        r#"SELECT ingest.profile_define('c', 'two', '{"type": "ROOT", "identities": [["a", "b"], ["e"]], "properties": {
            "a": {"type": "symbol"}, "b": {"type": "symbol"}, "e": {"type": "symbol"}}}');
        CREATE FUNCTION c.twin() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.id = 'late' THEN
                INSERT INTO c.p (id, data) VALUES ('twin', NEW.data) ON CONFLICT DO NOTHING;
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER twin BEFORE INSERT ON c.p FOR EACH ROW EXECUTE FUNCTION c.twin()"#,
    );
    let one = |verb: &str,
               profile: &str,
               id: Option<&str>,
               criteria: Option<Value>,
               data: Value| {
        json!({"operation": verb, "profile": profile, "id": id, "criteria": criteria, "body": {"data": data}})
    };
    let (mrn, both) = (json!({"mrn": "nn"}), json!({"a": "1", "b": "2"}));
    let named = json!({"mrn": "nn", "name": "z"});
    let all = json!({"a": "1", "b": "2", "e": "3"});
    for [first, second] in [
        [
            one("create", "p", Some("n1"), None, mrn.clone()),
            one("create_if", "p", None, Some(mrn.clone()), mrn.clone()),
        ],
        [
            one("create", "p", None, None, mrn.clone()),
            one("upsert_if", "p", None, Some(mrn.clone()), mrn.clone()),
        ],
        [
            one("upsert", "p", Some("u"), None, mrn.clone()),
            one("create_if", "p", Some("0"), Some(mrn.clone()), mrn.clone()),
        ],
        [
            one("create_if", "p", None, Some(named.clone()), named.clone()),
            one("upsert_if", "p", None, Some(mrn.clone()), named.clone()),
        ],
        [
            one("create", "two", None, None, both.clone()),
            one("create_if", "two", None, Some(both.clone()), both.clone()),
        ],
        [
            one(
                "create_if",
                "two",
                None,
                Some(json!({"e": "3"})),
                all.clone(),
            ),
            one("upsert_if", "two", None, Some(both.clone()), all.clone()),
        ],
    ] {
        for operations in [json!([first, second]), json!([second, first])] {
            let refused = expect_sqlstate(apply(&mut client, operations.clone()), "PT400");
            assert_eq!(
                refused.message(),
                "operations 0 and 1 are about the same resource or link",
                "{operations}"
            );
        }
    }
    // What does not match, or was made by a trigger, or is changed to match after it.
    let patch =
        json!({"operation": "patch", "profile": "p", "id": "a", "patch": {"data": {"mrn": "nn"}}});
    for operations in [
        json!([
            one("create", "p", Some("n1"), None, mrn.clone()),
            one(
                "create_if",
                "p",
                None,
                Some(json!({"name": "z"})),
                named.clone()
            )
        ]),
        json!([one(
            "create_if",
            "p",
            Some("late"),
            Some(mrn.clone()),
            mrn.clone()
        )]),
        json!([
            patch,
            one("create_if", "p", None, Some(mrn.clone()), mrn.clone())
        ]),
        json!([
            one("upsert", "p", Some("b"), None, mrn.clone()),
            one("upsert_if", "p", None, Some(mrn.clone()), mrn.clone())
        ]),
    ] {
        let refused = expect_sqlstate(apply(&mut client, operations.clone()), "PT409");
        assert!(
            refused
                .message()
                .contains("the identity (mrn) of p is taken"),
            "{operations}: {refused:?}"
        );
    }
}

/// A refusal names its operation whoever refuses: the verb, the gate, a reference that leads
/// nowhere, or a trigger of the user's own.
#[test]
fn refusal_names_its_operation_whoever_refuses() {
    let database = database();
    let mut client = database.connect();
    database.run(
        r#"SELECT ingest.relationship_define('c', 'm', '{"from": {"profileKey": "p"}, "to": {"profileKey": "q"}, "properties": {
            "x": {"type": "symbol"}, "r": {"type": "reference", "target": ["p"], "enforce": true}}}');
        CREATE FUNCTION c.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.data ->> 'name' = 'no' THEN
                RAISE SQLSTATE 'PT422' USING MESSAGE = 'not so', HINT = 'Say yes.';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER no BEFORE INSERT OR UPDATE ON c.q FOR EACH ROW EXECUTE FUNCTION c.no();
        INSERT INTO c.m (from_id, to_id) VALUES ('b', 'r')"#,
    );
    let data = |verb: &str, from: &str, to: &str, data: Value| {
        let mut operation = link(from, to);
        operation["operation"] = json!(verb);
        operation["relationship"] = json!("m");
        operation["body"]["data"] = data;
        operation
    };
    let nowhere = json!({"r": {"reference": "p/nobody"}});
    let q = |verb: &str, id: &str| json!({"operation": verb, "profile": "q", "id": id, "body": {"data": {"name": "no"}}});
    for (operation, message) in [
        (
            data("link", "a", "q", json!({"x": 1})),
            "m does not conform to its profile: 1 issue",
        ),
        (
            data("link_upsert", "a", "q", json!({"x": 1})),
            "m does not conform to its profile: 1 issue",
        ),
        (
            data("link_upsert", "b", "r", json!({"x": 1})),
            "m does not conform to its profile: 1 issue",
        ),
        (
            data("link", "a", "q", nowhere.clone()),
            "m does not conform to its profile: 1 issue",
        ),
        (
            data("link_upsert", "b", "r", nowhere),
            "m does not conform to its profile: 1 issue",
        ),
        (
            json!({"operation": "patch", "profile": "p", "id": "a", "patch": {"data": {"name": 1}}}),
            "p does not conform to its profile: 1 issue",
        ),
        (
            json!({"operation": "upsert_if", "profile": "p", "criteria": {"mrn": "m"}, "body": {"data": {"name": 1}}}),
            "p does not conform to its profile: 1 issue",
        ),
        (q("create", "new"), "not so"),
        (q("upsert", "q"), "not so"),
        (
            json!({"operation": "patch", "profile": "q", "id": "q", "patch": {"data": {"name": "no"}}}),
            "not so",
        ),
    ] {
        let fine = create("fine", json!({}));
        let refused = expect_sqlstate(apply(&mut client, json!([fine, operation])), "PT422");
        assert_eq!(
            refused.message(),
            format!("operation 1: {message}"),
            "{operation}"
        );
        assert!(refused.hint().is_some(), "{refused:?}");
    }
}

/// A member that an operation does not take is refused by name; a precondition that it takes is asked.
#[test]
fn member_that_an_operation_does_not_take_is_refused() {
    let database = database();
    let mut client = database.connect();
    let body = json!({"data": {"mrn": "m"}});
    let of_link = json!({"from": {"id": "a", "type": "p"}, "to": {"id": "q", "type": "q"}});
    for (operation, member) in [
        (
            json!({"operation": "create", "profile": "p", "body": body, "if_match": 1}),
            "if_match",
        ),
        (
            json!({"operation": "create_if", "profile": "p", "criteria": {"mrn": "m"}, "body": body, "if_match": 1}),
            "if_match",
        ),
        (
            json!({"operation": "link", "relationship": "l", "body": of_link, "if_match": 0}),
            "if_match",
        ),
        (
            json!({"operation": "upsert", "profile": "p", "id": "a", "body": body, "cascade": false}),
            "cascade",
        ),
        (
            json!({"operation": "upsert", "profile": "p", "id": "a", "body": body, "criteria": {"mrn": "m"}}),
            "criteria",
        ),
        (
            json!({"operation": "delete", "profile": "p", "id": "a", "body": body}),
            "body",
        ),
        (
            json!({"operation": "patch", "profile": "p", "id": "a", "patch": {}, "body": body}),
            "body",
        ),
        (
            json!({"operation": "link", "relationship": "l", "id": "p.a,q.q", "body": of_link}),
            "id",
        ),
    ] {
        let refused = expect_sqlstate(apply(&mut client, json!([operation])), "PT400");
        let verb = operation["operation"].as_str().unwrap();
        assert_eq!(
            refused.message(),
            format!("operation 0: {verb} takes no {member}")
        );
    }
    // One that no operation takes, though it is null; one that is null and could be taken is none.
    let foreign =
        json!({"operation": "upsert", "profile": "p", "id": "a", "body": body, "ifMatch": null});
    let refused = expect_sqlstate(apply(&mut client, json!([foreign])), "PT400");
    assert_eq!(
        refused.message(),
        "operation 0: has a key that it does not take: ifMatch"
    );
    let none = json!({"operation": "patch", "profile": "p", "id": "a", "patch": {}, "body": null, "if_match": null});
    assert_eq!(apply(&mut client, json!([none])).unwrap(), ["unchanged a"]);
    for operation in [
        json!({"operation": "upsert_if", "profile": "p", "criteria": {"mrn": "m"}, "if_match": 99, "body": body}),
        json!({"operation": "upsert_if", "profile": "p", "criteria": {"mrn": "none"}, "if_match": 1, "body": body}),
        json!({"operation": "upsert_if", "profile": "p", "criteria": {"mrn": "m"}, "if_match": 0, "body": body}),
        json!({"operation": "upsert", "profile": "p", "id": "a", "if_match": 9, "body": body}),
        json!({"operation": "delete", "profile": "p", "id": "a", "if_match": 9}),
        json!({"operation": "link_upsert", "relationship": "l", "body": of_link, "if_match": 9}),
    ] {
        expect_sqlstate(apply(&mut client, json!([operation])), "PT412");
    }
    let again = client.query_one(
        "SELECT ingest.resource_upsert_if('c', 'p', '{\"mrn\": \"m\"}', '{\"data\": {\"mrn\": \"m\"}}', if_match => 99)",
        &[],
    );
    expect_sqlstate(again, "PT412");
}

/// What one call makes may refer to each other in any direction, also in a circle, by every verb.
#[test]
fn enforced_references_among_what_one_call_makes_hold() {
    let database = database();
    let mut client = database.connect();
    let must = |id: &str| json!({"must": {"reference": format!("p/{id}")}});
    let verbs: [fn(&str, Value) -> Value; 4] = [
        create,
        |id, data| json!({"operation": "upsert", "profile": "p", "id": id, "body": {"data": data}}),
        |id, mut data| {
            data["mrn"] = json!(id);
            json!({"operation": "create_if", "profile": "p", "id": id, "criteria": {"mrn": id}, "body": {"data": data}})
        },
        |id, mut data| {
            data["mrn"] = json!(id);
            json!({"operation": "upsert_if", "profile": "p", "id": id, "criteria": {"mrn": id}, "body": {"data": data}})
        },
    ];
    for (one, first) in verbs.iter().enumerate() {
        for (other, second) in verbs.iter().enumerate() {
            let (x, y) = (format!("x{one}{other}"), format!("y{one}{other}"));
            apply(
                &mut client,
                json!([first(&x, must(&y)), second(&y, must(&x))]),
            )
            .unwrap_or_else(|error| panic!("{one} {other}: {error:?}"));
        }
    }
    // From a patch, to another profile and back, by placeholders.
    apply(
        &mut client,
        json!([
            {"operation": "patch", "profile": "p", "id": "a", "patch": {"data": {"must": {"reference": "q/@rootId"}}}},
            {"operation": "create", "profile": "q", "id": "@rootId", "body": {"data": {"back": {"reference": "p/a"}}}}]),
    )
    .unwrap();
    // A load, and what leads nowhere: named, and nothing is written.
    let load = |client: &mut Client, bodies: Value, on_error: &str| {
        client.query(
            "SELECT ordinal, outcome::text FROM ingest.resource_load('c', 'p', $1, on_error => $2)",
            &[&bodies, &on_error],
        )
    };
    let circle = json!([{"id": "l1", "data": must("l2")}, {"id": "l2", "data": must("l1")}]);
    assert_eq!(load(&mut client, circle, "abort").unwrap().len(), 2);
    let broken = json!([{"id": "l3", "data": {}}, {"id": "l4", "data": must("nobody")}, {"id": "l5", "data": must("l4")}]);
    let refused = expect_sqlstate(load(&mut client, broken.clone(), "abort"), "PT422");
    assert!(refused.message().starts_with("body 2:"), "{refused:?}");
    let told: Vec<Option<String>> = load(&mut client, broken, "report")
        .unwrap()
        .iter()
        .map(|row| row.get(1))
        .collect();
    assert_eq!(told, [Some("created".to_owned()), None, None]);
    let refused = expect_sqlstate(
        apply(
            &mut client,
            json!([create("n1", json!({})), create("n2", must("nobody"))]),
        ),
        "PT422",
    );
    assert!(refused.message().starts_with("operation 1:"), "{refused:?}");
    let count: i64 = value(
        &mut client,
        "SELECT count(*) FROM c.p WHERE id IN ('n1', 'n2', 'l4', 'l5')",
    );
    assert_eq!(count, 0);
}

/// A write that a trigger or a policy undoes is told as that, by the set-based verbs as by the others,
/// and a verb that finds nothing to hold comes to its end.
#[test]
fn write_that_is_undone_is_told_by_every_verb() {
    let mut database = database();
    let mut client = database.connect();
    client
        .batch_execute(
            "CREATE FUNCTION c.nul() RETURNS trigger LANGUAGE plpgsql AS 'begin return null; end';
             CREATE TRIGGER aaa BEFORE UPDATE ON c.p FOR EACH ROW EXECUTE FUNCTION c.nul();
             CREATE TRIGGER aaa BEFORE INSERT ON c.q FOR EACH ROW EXECUTE FUNCTION c.nul();
             CREATE TRIGGER aaa BEFORE INSERT ON c.l FOR EACH ROW EXECUTE FUNCTION c.nul();
             SET statement_timeout = '10s'",
        )
        .unwrap();
    let of_link = r#"{"from": {"id": "a", "type": "p"}, "to": {"id": "q", "type": "q"}}"#;
    for call in [
        r#"ingest.resource_upsert('c', 'p', 'a', '{"data": {"name": "n"}}')"#,
        r#"ingest.resource_load('c', 'p', '[{"id": "a", "data": {"name": "n"}}]', 'upsert')"#,
        r#"ingest.bundle_apply('c', '{"operations": [{"operation": "upsert", "profile": "p", "id": "a", "body": {"data": {"name": "n"}}}]}')"#,
        r#"ingest.resource_upsert_if('c', 'p', '{"mrn": "m"}', '{"data": {"mrn": "m", "name": "n"}}')"#,
        r#"ingest.resource_create('c', 'q', '{"data": {}}')"#,
        r#"ingest.resource_load('c', 'q', '[{"data": {}}]')"#,
        r#"ingest.resource_load('c', 'q', '[{"id": "new", "data": {}}]', 'upsert')"#,
        &format!("ingest.relationship_link('c', 'l', '{of_link}')"),
        &format!("ingest.relationship_upsert('c', 'l', '{of_link}')"),
        &format!(
            r#"ingest.bundle_apply('c', '{{"operations": [{{"operation": "link_upsert", "relationship": "l", "body": {of_link}}}]}}')"#
        ),
    ] {
        let refused = expect_sqlstate(client.query(&format!("SELECT {call}"), &[]), "PT409");
        assert!(
            refused
                .message()
                .contains("undone by a trigger or a policy"),
            "{call}: {refused:?}"
        );
    }
    // A body that a policy refuses is told beside those that it lets in.
    let reporter = database.create_role("reporter", "");
    client
        .batch_execute(&format!(
            "DROP TRIGGER aaa ON c.q; DROP TRIGGER aaa ON c.p;
             SELECT ingest.source_grant('c', '{reporter}', 'write');
             ALTER TABLE c.q ENABLE ROW LEVEL SECURITY; ALTER TABLE c.p ENABLE ROW LEVEL SECURITY;
             CREATE POLICY s ON c.q FOR SELECT USING (true); CREATE POLICY s ON c.p FOR SELECT USING (true);
             CREATE POLICY i ON c.q FOR INSERT WITH CHECK (data ->> 'name' IS DISTINCT FROM 'no');
             CREATE POLICY i ON c.p FOR INSERT WITH CHECK (true)"
        ))
        .unwrap();
    let mut caller = database.connect_as(&reporter);
    let told: Vec<Option<String>> = caller
        .query(
            r#"SELECT outcome::text FROM ingest.resource_load('c', 'q',
               '[{"data": {"name": "yes"}}, {"data": {"name": "no"}}]', on_error => 'report')"#,
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(told, [Some("created".to_owned()), None]);
    // A row that is seen and cannot be updated is no stale one.
    for call in [
        r#"ingest.resource_upsert_if('c', 'p', '{"mrn": "m"}', '{"data": {"mrn": "m", "name": "n"}}')"#,
        r#"ingest.resource_upsert('c', 'p', 'a', '{"data": {"name": "n"}}')"#,
        r#"ingest.resource_upsert('c', 'p', 'a', '{"data": {"name": "n"}}', 1)"#,
        r#"ingest.resource_patch('c', 'p', 'a', '{"data": {"name": "n"}}', 1)"#,
        "ingest.resource_delete('c', 'p', 'a')",
    ] {
        let refused = expect_sqlstate(caller.query(&format!("SELECT {call}"), &[]), "PT409");
        assert!(
            refused
                .message()
                .contains("undone by a trigger or a policy"),
            "{call}: {refused:?}"
        );
    }
    // Everybody sees the link, nobody but the owner updates it.
    let role = database.create_role("writer", "");
    client
        .batch_execute(&format!(
            "DROP TRIGGER aaa ON c.l; INSERT INTO c.l (from_id, to_id) VALUES ('a', 'q');
             SELECT ingest.source_grant('c', '{role}', 'write');
             ALTER TABLE c.l ENABLE ROW LEVEL SECURITY;
             CREATE POLICY s ON c.l FOR SELECT USING (true); CREATE POLICY i ON c.l FOR INSERT WITH CHECK (true)"
        ))
        .unwrap();
    let mut writer = database.connect_as(&role);
    writer
        .batch_execute("SET statement_timeout = '10s'")
        .unwrap();
    for verb in ["relationship_upsert", "relationship_link"] {
        let call = format!("SELECT ingest.{verb}('c', 'l', '{of_link}')");
        expect_sqlstate(writer.query(&call, &[]), "PT409");
    }
}

/// Bundles that would wait for each other in a circle do not: the same one, ones with and without
/// references, criteria in opposite orders, deletes and links of the same ends.
#[test]
fn bundles_of_any_verbs_do_not_deadlock() {
    let database = database();
    let must = |id: &str| json!({"must": {"reference": format!("p/{id}")}});
    let upsert = |id: &str, data: Value| json!({"operation": "upsert", "profile": "p", "id": id, "body": {"data": data}});
    let by = |verb: &str, mrn: &str, name: &str| json!({"operation": verb, "profile": "p", "criteria": {"mrn": mrn}, "body": {"data": {"mrn": mrn, "name": name}}});
    let patch = |id: &str, name: &str| json!({"operation": "patch", "profile": "p", "id": id, "patch": {"data": {"name": name}}});
    let relink = |from: &str| {
        json!({"operation": "link_upsert", "relationship": "l", "body":
               {"from": {"id": from, "type": "p"}, "to": {"id": "q", "type": "q"}, "data": {"x": "1"}}})
    };
    let pairs = [
        (
            json!([upsert("a", must("b")), upsert("b", must("a"))]),
            json!([upsert("b", must("a")), upsert("a", must("b"))]),
        ),
        (
            json!([upsert("a", must("b")), upsert("b", json!({}))]),
            json!([upsert("a", json!({})), upsert("b", json!({}))]),
        ),
        (
            json!([by("create_if", "k", "1"), by("create_if", "j", "1")]),
            json!([by("create_if", "j", "2"), by("create_if", "k", "2")]),
        ),
        (
            json!([by("upsert_if", "m", "1"), by("upsert_if", "k", "1")]),
            json!([by("upsert_if", "k", "2"), by("upsert_if", "m", "2")]),
        ),
        (
            json!([by("upsert_if", "m", "1"), upsert("a", json!({}))]),
            json!([
                upsert("a", json!({"name": "x"})),
                upsert("known", json!({"mrn": "m"}))
            ]),
        ),
        (
            json!([upsert("a", must("b")), patch("b", "x")]),
            json!([patch("b", "y"), patch("a", "y")]),
        ),
        (
            json!([relink("a"), upsert("b", json!({}))]),
            json!([upsert("b", json!({"name": "y"})), upsert("a", json!({}))]),
        ),
    ];
    for (place, pair) in pairs.iter().enumerate() {
        let together = Barrier::new(4);
        thread::scope(|scope| {
            for caller in 0..4 {
                let (database, together) = (&database, &together);
                let bundle = json!({"operations": if caller % 2 == 0 { &pair.0 } else { &pair.1 }});
                scope.spawn(move || {
                    let mut client = database.connect();
                    together.wait();
                    for round in 0..40 {
                        client
                            .query_one("SELECT ingest.bundle_apply('c', $1)", &[&bundle])
                            .unwrap_or_else(|error| {
                                panic!("pair {place}, round {round}: {error:?}")
                            });
                    }
                });
            }
        });
    }
}

/// Calls that take from each other what the other needs are refused or wait, and never in a circle:
/// new ids in opposite orders, a row that goes and one that comes, both ends of a link, the single
/// side of a relationship, new documents of the same identities.
#[test]
fn calls_that_take_from_each_other_do_not_deadlock() {
    let database = database();
    let gone = |profile: &str, id: &str| json!({"operation": "delete", "profile": profile, "id": id, "cascade": true});
    let upsert = |profile: &str, id: &str| json!({"operation": "upsert", "profile": profile, "id": id, "body": {"data": {}}});
    let relink = |from: &str, to: &str| {
        json!({"operation": "link_upsert", "relationship": "l", "body":
               {"from": {"id": from, "type": "p"}, "to": {"id": to, "type": "q"}}})
    };
    let unlink = |id: &str| json!({"operation": "unlink", "relationship": "l", "id": id});
    let new =
        |mrn: &str| json!({"operation": "create", "profile": "p", "body": {"data": {"mrn": mrn}}});
    let bundle = |operations: Value| {
        format!("SELECT ingest.bundle_apply('c', '{{\"operations\": {operations}}}')")
    };
    let load = |order: [u8; 2]| {
        let bodies: Vec<Value> = order
            .iter()
            .map(|mrn| json!({"data": {"mrn": format!("i{mrn}")}}))
            .collect();
        format!("SELECT ingest.resource_load('c', 'p', '{}')", json!(bodies))
    };
    let emptied = "DELETE FROM c.p WHERE data ->> 'mrn' LIKE 'i%'";
    let circles = [
        [
            bundle(json!([gone("p", "x"), create("y", json!({}))])),
            bundle(json!([gone("p", "y"), create("x", json!({}))])),
            bundle(json!([upsert("p", "x"), upsert("p", "y")])),
        ],
        [
            bundle(json!([unlink("p.a,q.q"), relink("a", "r")])),
            bundle(json!([unlink("p.b,q.r"), relink("b", "q")])),
            bundle(json!([relink("a", "q"), relink("b", "r")])),
        ],
        [
            bundle(json!([unlink("p.a,q.q"), relink("b", "r")])),
            bundle(json!([unlink("p.b,q.r"), relink("a", "q")])),
            bundle(json!([relink("a", "q"), relink("b", "r")])),
        ],
    ];
    // Each deletes an end that the other links; each makes what the other is about to make.
    let there = bundle(json!([upsert("p", "x"), upsert("q", "s")]));
    let pairs = [
        (
            there.as_str(),
            [
                bundle(json!([gone("p", "x"), relink("a", "s")])),
                bundle(json!([gone("q", "s"), relink("x", "r")])),
            ],
        ),
        (
            "DELETE FROM c.l; DELETE FROM c.p WHERE id IN ('x', 'y')",
            [
                bundle(json!([create("x", json!({})), upsert("p", "y")])),
                bundle(json!([create("y", json!({})), upsert("p", "x")])),
            ],
        ),
        (emptied, [load([1, 2]), load([2, 1])]),
        (
            emptied,
            [
                bundle(json!([new("i1"), new("i2")])),
                bundle(json!([new("i2"), new("i1")])),
            ],
        ),
    ];
    let mut client = database.connect();
    for (before, both) in pairs.iter().flat_map(|pair| std::iter::repeat_n(pair, 20)) {
        client.batch_execute(before).unwrap();
        let together = Barrier::new(2);
        thread::scope(|scope| {
            for call in both {
                let (database, together) = (&database, &together);
                scope.spawn(move || {
                    let mut client = database.connect();
                    together.wait();
                    if let Err(error) = client.batch_execute(call) {
                        let state = error.code().map(|code| code.code());
                        assert!(
                            state.is_some_and(|state| state.starts_with("PT4")),
                            "{error:?}"
                        );
                    }
                });
            }
        });
    }
    for (place, circle) in circles.iter().enumerate() {
        let together = Barrier::new(6);
        let done = thread::scope(|scope| {
            let callers: Vec<_> = (0..6)
                .map(|caller| {
                    let (database, together, call) = (&database, &together, &circle[caller % 3]);
                    scope.spawn(move || {
                        let mut client = database.connect();
                        together.wait();
                        let mut done = 0;
                        for _ in 0..40 {
                            match client.batch_execute(call) {
                                Ok(()) => done += 1,
                                Err(error) => {
                                    let state = error.code().map(|code| code.code());
                                    assert!(
                                        state.is_some_and(|state| {
                                            state.starts_with("PT4") || state == "40001"
                                        }),
                                        "{place}: {error:?}"
                                    );
                                }
                            }
                        }
                        done
                    })
                })
                .collect();
            callers
                .into_iter()
                .map(|caller| caller.join().unwrap())
                .sum::<usize>()
        });
        assert!(done > 0, "{place}");
    }
}
