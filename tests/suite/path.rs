//! Paths: identities, indexes, criteria and orders name properties by them, through arrays, built-in
//! types and objects, and what can hold for nothing is refused with what would do.

use ingest_tests::{Database, PostgRest, expect_sqlstate, psql};
use postgres::{Client, Error};
use serde_json::{Value, json};

use crate::clinic::{self, Written, value};
use crate::invariant::assert_sound;

/// A patient of every type that a path can meet.
fn patient() -> Value {
    json!({"type": "ROOT", "properties": {
        "mrn": {"type": "identifier"},
        "name": {"type": "array", "items": {"type": "humanname"}},
        "addr": {"type": "address"},
        "born": {"type": "date"},
        "seen": {"type": "datetime"},
        "weight": {"type": "decimal"},
        "visits": {"type": "integer"},
        "active": {"type": "boolean"},
        "ward": {"type": "symbol"},
        "grid": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        "own": {"type": "object", "properties": {
            "it's \\ \u{e4}": {"type": "symbol"},
            "list": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}}}}}})
}

/// Profiles that differ in what they declare: nothing, and whatever can be.
const PROFILES: [&str; 2] = ["plain", "pt"];

fn database() -> (Database, Client) {
    let database = Database::new("path");
    let mut client = database.connect();
    client
        .batch_execute("SELECT ingest.source_create('clinic'); SET client_min_messages = warning")
        .unwrap();
    let mut declared = patient();
    declared["identities"] = json!([["mrn.system", "mrn.value"]]);
    declared["indexes"] = json!([
        ["name.family"],
        ["name.given"],
        ["addr.line"],
        ["addr.city"],
        ["born"],
        ["seen"],
        ["weight"],
        ["visits", "ward"],
        ["active"],
        ["ward"],
        ["grid"],
        ["own.it's \\ \u{e4}"],
        ["own.list.n"]
    ]);
    for (profile, definition) in [("plain", patient()), ("pt", declared)] {
        clinic::define(&mut client, "clinic", profile, &definition).unwrap();
    }
    (database, client)
}

fn fill(client: &mut Client, profile: &str) {
    for (id, data) in [
        (
            "a",
            json!({"mrn": {"system": "urn:x", "value": "1"}, "name": [{"family": "Doe", "given": ["Jo", "Al"]}, {"family": "Roe"}],
                     "addr": {"city": "Bern", "line": ["Gasse 1"]}, "born": "1980-05-01", "seen": "2024-05-01T01:00:00+02:00",
                     "weight": 70.5, "visits": 3, "active": true, "ward": "A_1", "grid": [[1, 2], [3]],
                     "own": {"it's \\ \u{e4}": "x", "list": [{"n": 1}, {"n": 9}]}}),
        ),
        (
            "b",
            json!({"mrn": {"system": "urn:x", "value": "2"}, "name": [{"family": "Doe"}], "addr": {"city": "Rome"},
                     "born": "1980", "seen": "2024-04-30T23:30:00Z", "weight": 9, "visits": 12, "active": false, "ward": "AB1",
                     "own": {"list": [{"n": 5}]}}),
        ),
        (
            "c",
            json!({"mrn": {"system": "urn:y"}, "name": [], "born": null, "seen": "2024", "weight": null, "visits": 3, "ward": "\u{e9}"}),
        ),
        ("d", json!({})),
    ] {
        clinic::create_as(client, profile, id, &json!({"data": data})).unwrap();
    }
}

fn search(client: &mut Client, profile: &str, criteria: &Value) -> Result<Vec<String>, Error> {
    let sql = "SELECT id FROM ingest.resource_search('clinic', $1, $2::jsonb)";
    let rows = client.query(sql, &[&profile, criteria])?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// An identity inside of a built-in type keeps resources apart, and conditional verbs go by it.
#[test]
fn identity_inside_of_a_type_finds_and_keeps_apart() {
    let (_database, mut client) = database();
    let body = json!({"data": {"mrn": {"system": "u", "value": "1"}}});
    let criteria = json!({"mrn.system": "u", "mrn.value": "1"});
    let made = clinic::create_if(&mut client, "pt", &criteria, &body).unwrap();
    assert_eq!(made.outcome, "created");
    let found = clinic::create_if(&mut client, "pt", &criteria, &body).unwrap();
    assert_eq!((found.outcome.as_str(), &found.id), ("matched", &made.id));
    expect_sqlstate(clinic::create(&mut client, "pt", &body), "PT409");
    // By the identity, and so without a lock of its own.
    client.batch_execute("BEGIN").unwrap();
    clinic::create_if(&mut client, "pt", &criteria, &body).unwrap();
    let locks =
        "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'";
    assert_eq!(value::<i64>(&mut client, locks), 0);
    client.batch_execute("ROLLBACK").unwrap();
    // Without one of its paths, absent or null, there is none.
    for half in [
        json!({"system": "u"}),
        json!({"system": "u", "value": null}),
        json!(null),
    ] {
        for _ in 0..2 {
            clinic::create(&mut client, "pt", &json!({"data": {"mrn": half}})).unwrap();
        }
    }
    assert_sound(&mut client, "clinic");
}

/// Numbers are an identity by their values, and null ones never clash; alone and beside a text.
#[test]
fn identity_of_numbers_goes_by_value() {
    let (_database, mut client) = database();
    let mut definition = patient();
    definition["identities"] = json!([["weight"], ["visits", "ward"]]);
    clinic::define(&mut client, "clinic", "id", &definition).unwrap();
    let create = |client: &mut Client, data: &str| {
        let body: Value = serde_json::from_str(&format!("{{\"data\": {data}}}")).unwrap();
        clinic::create(client, "id", &body).map(drop)
    };
    create(&mut client, r#"{"weight": 1, "visits": 1, "ward": "x"}"#).unwrap();
    expect_sqlstate(create(&mut client, r#"{"weight": 1.00}"#), "PT409");
    expect_sqlstate(
        create(&mut client, r#"{"visits": 1, "ward": "x"}"#),
        "PT409",
    );
    for data in [
        r#"{"weight": 1.5, "visits": 1, "ward": "y"}"#,
        r#"{"weight": null, "visits": 1}"#,
        r#"{"weight": null, "visits": 1}"#,
        r#"{"visits": null, "ward": "x"}"#,
        r#"{"visits": null, "ward": "x"}"#,
        "{}",
        "{}",
    ] {
        create(&mut client, data).unwrap();
    }
    let plan = explain(
        &mut client,
        "SELECT FROM clinic.id WHERE data -> 'weight' = '1'",
    );
    assert!(plan.contains("Index Cond"), "{plan}");
    let found = clinic::create_if(
        &mut client,
        "id",
        &json!({"weight": "1.0"}),
        &json!({"data": {}}),
    );
    assert_eq!(found.unwrap().outcome, "matched");
    let none = clinic::create_if(
        &mut client,
        "id",
        &json!({"weight": 2}),
        &json!({"data": {"weight": 2}}),
    );
    assert_eq!(none.unwrap().outcome, "created");
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.doctor('clinic')"),
        0
    );
    // A definition finds those that clash before it makes the identity.
    clinic::define(&mut client, "clinic", "id", &patient()).unwrap();
    create(&mut client, r#"{"weight": 1.00}"#).unwrap();
    let refusal = expect_sqlstate(
        clinic::define(&mut client, "clinic", "id", &definition),
        "PT409",
    );
    assert!(
        format!("{refusal:?}").contains("identities (weight)"),
        "{refusal:?}"
    );
}

fn explain(client: &mut Client, sql: &str) -> String {
    let plan = format!("SET enable_seqscan = off; EXPLAIN (COSTS OFF) {sql}");
    let messages = client.simple_query(&plan).unwrap();
    let lines = messages.iter().filter_map(|message| match message {
        postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    let plan = lines.collect::<Vec<_>>().join("\n");
    client.batch_execute("RESET enable_seqscan").unwrap();
    plan
}

/// What people write in a WHERE is served by what a definition declares, and so is what the verbs
/// write; two paths through one array are one index.
#[test]
fn indexes_serve_what_people_write() {
    let (_database, mut client) = database();
    fill(&mut client, "pt");
    for (condition, found) in [
        (
            "data -> 'mrn' ->> 'system' = 'urn:x' AND data -> 'mrn' ->> 'value' = '2'",
            "b",
        ),
        (r#"data -> 'name' @> '[{"family": "Roe"}]'"#, "a"),
        (r#"data -> 'name' @> '[{"given": ["Al"]}]'"#, "a"),
        (r#"data -> 'addr' -> 'line' @> '["Gasse 1"]'"#, "a"),
        ("data -> 'addr' ->> 'city' = 'Rome'", "b"),
        ("data -> 'addr' ->> 'city' LIKE 'Ro%'", "b"),
        ("data ->> 'born' = '1980'", "b"),
        (
            "data ->> 'born' >= '1980-01' AND data ->> 'born' < '1981'",
            "a",
        ),
        ("data -> 'weight' = '70.50'", "a"),
        ("data -> 'weight' > '9'", "a"),
        ("data -> 'visits' = '3' AND data ->> 'ward' = 'A_1'", "a"),
        ("data ->> 'active' = 'true'", "a"),
        ("data -> 'grid' @> '[[3]]'", "a"),
        ("data -> 'own' ->> E'it''s \\\\ \u{e4}' = 'x'", "a"),
        (r#"data -> 'own' -> 'list' @> '[{"n": 5}]'"#, "b"),
    ] {
        let sql =
            format!("SELECT string_agg(id, ' ' ORDER BY id) FROM clinic.pt WHERE {condition}");
        assert_eq!(value::<String>(&mut client, &sql), found, "{condition}");
        let plan = explain(&mut client, &sql);
        assert!(plan.contains("Index Cond"), "{condition}: {plan}");
        assert!(!plan.contains("Seq Scan"), "{condition}: {plan}");
    }
    let count = "SELECT count(*) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
                 WHERE indrelid = 'clinic.pt'::regclass";
    // The key, and one for each that is declared but for name.given.
    assert_eq!(value::<i64>(&mut client, count), 14);
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.doctor('clinic')"),
        0
    );
    // The one for both stays as long as one of them is declared.
    let mut definition = patient();
    definition["indexes"] = json!([["name.given"]]);
    clinic::define(&mut client, "clinic", "pt", &definition).unwrap();
    assert_eq!(value::<i64>(&mut client, count), 2);
    let plan = explain(
        &mut client,
        r#"SELECT FROM clinic.pt WHERE data -> 'name' @> '[{"given": ["Al"]}]'"#,
    );
    assert!(plan.contains("Index Cond"), "{plan}");
}

/// Every form of a criterion finds the same with an index and without.
#[test]
fn criteria_of_every_form_find_the_same_with_every_index() {
    let (_database, mut client) = database();
    for profile in PROFILES {
        fill(&mut client, profile);
        for (criteria, found) in [
            (json!({"name.family": "Doe"}), "a b"),
            (json!({"name.family": ["Roe", "Poe"]}), "a"),
            (json!({"name.family": [["Doe"], ["Roe"]]}), "a"),
            (json!({"name.family": [["Doe", "Poe"]]}), "a b"),
            (json!({"name.given": "Al", "addr.line": "Gasse 1"}), "a"),
            (json!({"name.family": {"prefix": "D"}}), "a b"),
            (json!({"name.family": {"missing": true}}), "c d"),
            (json!({"name.family": {"missing": false}}), "a b"),
            (json!({"grid": 3}), "a"),
            (json!({"grid": [[1], [3]]}), "a"),
            (json!({"own.list.n": 9}), "a"),
            // One element passes all of the tests.
            (json!({"own.list.n": {"ge": 2, "le": 8}}), "b"),
            (json!({"own.it's \\ \u{e4}": "x"}), "a"),
            (json!({"mrn.system": "urn:x"}), "a b"),
            (json!({"mrn.system": "urn:x", "mrn.value": "2"}), "b"),
            (json!({"mrn.value": {"missing": true}}), "c d"),
            (json!({"weight": 70.5}), "a"),
            (json!({"weight": {"ge": 9}}), "a b"),
            (json!({"weight": {"gt": 9}}), "a"),
            (json!({"weight": {"gt": "9.0", "lt": 70.5}}), ""),
            (json!({"weight": {"le": 70.50}}), "a b"),
            (json!({"weight": {"missing": true}}), "c d"),
            (json!({"weight": {"missing": "false"}}), "a b"),
            (json!({"visits": 3, "ward": "A_1"}), "a"),
            (json!({"visits": 3, "ward": {"prefix": "A"}}), "a"),
            (json!({"visits": {"ge": 3}, "ward": "AB1"}), "b"),
            (json!({"active": true}), "a"),
            (json!({"active": "false"}), "b"),
            (json!({"ward": {"prefix": "A_"}}), "a"),
            (json!({"ward": {"prefix": "A"}}), "a b"),
            (json!({"ward": {"prefix": "\u{e9}"}}), "c"),
            (json!({"ward": {"ge": "AB1"}}), "a b c"),
            (json!({"ward": {"gt": "A_1"}}), "c"),
            (json!({"ward": {"lt": "A_1"}}), "b"),
            (json!({"born": "1980"}), "b"),
            (json!({"born": {"ge": "1980-01", "lt": "1981"}}), "a"),
            (json!({"born": {"le": "1980"}}), "b"),
            (json!({"born": {"missing": true}}), "c d"),
            // Zones count: a is at 23:00 in UTC, half an hour before b.
            (json!({"seen": {"lt": "2024-04-30T23:30:00Z"}}), "a c"),
            (json!({"seen": {"ge": "2024-05-01T01:30:00+02:00"}}), "b"),
            (
                json!({"seen": {"ge": "2024-04-30", "le": "2024-04-30T23:00:00Z"}}),
                "a",
            ),
            (json!({"seen": {"le": "2024"}}), "c"),
        ] {
            let ids = search(&mut client, profile, &criteria)
                .unwrap_or_else(|error| panic!("{profile}: {criteria}: {error:?}"));
            assert_eq!(ids.join(" "), found, "{profile}: {criteria}");
        }
    }
}

/// Criteria that nothing can meet are refused, and say what would do.
#[test]
fn criteria_that_nothing_can_meet_are_refused() {
    let (_database, mut client) = database();
    for (criteria, message) in [
        (
            json!({"name": "Bob"}),
            "name is a humanname; use name.use, name.text, name.given, name.family, name.prefix, name.suffix, name.period.end, name.period.start",
        ),
        (
            json!({"mrn": "1"}),
            "mrn is an identifier; use mrn.use, mrn.value, mrn.system, mrn.type.text, mrn.type.coding.code, mrn.type.coding.system, mrn.type.coding.display, mrn.type.coding.version",
        ),
        (
            json!({"own": {"missing": true}}),
            "own is an object; use own.it's \\ \u{e4}, own.list.n",
        ),
        (json!({"ward": 7}), "ward is a symbol; use a string"),
        (
            json!({"ward": ["x", true]}),
            "ward is a symbol; use a string",
        ),
        (
            json!({"ward": ""}),
            "ward is a symbol; expected symbol: at least one character, no controls",
        ),
        (
            json!({"ward": {}}),
            "ward is a symbol; use a value, ge, gt, le, lt, prefix or missing",
        ),
        (
            json!({"ward": {"like": "x"}}),
            "ward is a symbol; use a value, ge, gt, le, lt, prefix or missing",
        ),
        (
            json!({"ward": {"missing": 1}}),
            "ward is a symbol; missing is true or false",
        ),
        (
            json!({"ward": {"prefix": ""}}),
            "ward is a symbol; use a prefix of at least one character, without controls",
        ),
        (
            json!({"ward": null}),
            "ward is a symbol; use {\"missing\": true} for null",
        ),
        (
            json!({"ward": []}),
            "ward is a symbol; use at least one value",
        ),
        (
            json!({"ward": [[]]}),
            "ward is a symbol; use at least one value",
        ),
        (
            json!({"ward": [["x"], "y"]}),
            "ward is a symbol; use arrays only in its array, or none",
        ),
        (
            json!({"visits": "three"}),
            "visits is a whole number; use a whole number",
        ),
        (
            json!({"visits": 2.5}),
            "visits is a whole number; use a whole number that it can hold",
        ),
        (
            json!({"visits": 1e30}),
            "visits is a whole number; use a whole number that it can hold",
        ),
        (json!({"weight": true}), "weight is a number; use a number"),
        (
            json!({"weight": {"prefix": "7"}}),
            "weight is a number; use a value, ge, gt, le, lt or missing",
        ),
        (
            json!({"active": 1}),
            "active is a boolean; use true or false",
        ),
        (
            json!({"active": {"gt": false}}),
            "active is a boolean, and has no order; use values",
        ),
        (
            json!({"born": "yesterday"}),
            "born is a date; expected date: YYYY, YYYY-MM or YYYY-MM-DD",
        ),
        (
            json!({"born": {"ge": "1980-13"}}),
            "born is a date; expected date: YYYY, YYYY-MM or YYYY-MM-DD",
        ),
        (
            json!({"born": {"prefix": "1980"}}),
            "born is a date; use a value, ge, gt, le, lt or missing",
        ),
        (
            json!({"wrad": "x"}),
            "the profile has no property wrad; did you mean ward?",
        ),
        (
            json!({"name.famly": "Doe"}),
            "name has no property famly; did you mean family?",
        ),
        (
            json!({"patient": "x"}),
            "the profile has no property patient; it has active, addr, born, grid, mrn, name, own, seen",
        ),
        (json!({"ward.x": "x"}), "ward has no property x"),
        (
            json!({"": "x"}),
            "the profile has no property \"\"; it has active, addr, born, grid, mrn, name, own, seen",
        ),
    ] {
        for profile in PROFILES {
            let refused = [
                search(&mut client, profile, &criteria).map(drop),
                clinic::create_if(&mut client, profile, &criteria, &json!({"data": {}})).map(drop),
            ];
            for refused in refused {
                let refusal = expect_sqlstate(refused, "PT400");
                // Errors are in ASCII.
                let message = message.replace('\u{e4}', "?");
                assert_eq!(refusal.message(), message, "{criteria}");
            }
        }
    }
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.pt"),
        0
    );
}

/// What a notice advises can be defined, and then there is no notice.
#[test]
fn index_that_a_notice_advises_serves() {
    let (database, mut client) = database();
    for (criteria, advised) in [
        (
            json!({"name.family": "Doe"}),
            Some(r#"["name.family"] to the indexes of"#),
        ),
        (
            json!({"mrn.value": "1", "name.given": "Jo"}),
            Some(r#"["mrn.value"] to the indexes or identities of"#),
        ),
        (
            json!({"mrn.value": "1", "ward": "x"}),
            Some(r#"["ward", "mrn.value"] to the indexes or identities of"#),
        ),
        (
            json!({"weight": {"gt": 1}}),
            Some(r#"["weight"] to the indexes of"#),
        ),
        (
            json!({"ward": {"prefix": "x"}}),
            Some(r#"["ward"] to the indexes of"#),
        ),
        (
            json!({"addr.line": "x", "name.given": "y"}),
            Some(r#"["addr.line", "name.given"] to the indexes of"#),
        ),
        (json!({"ward": {"missing": true}}), None),
        (json!({"name.family": {"prefix": "x"}}), None),
    ] {
        let told = |profile: &str| {
            let sql = format!(
                "SELECT id FROM ingest.resource_search('clinic', '{profile}', '{criteria}');"
            );
            let session = psql::run(&database, &sql);
            assert!(session.succeeded, "{}", session.output);
            session.output
        };
        let output = told("plain");
        assert!(
            output.contains("NOTICE:  no index of plain serves the criteria"),
            "{output}"
        );
        let Some(advised) = advised else {
            assert!(
                output.contains("No index can serve"),
                "{criteria}: {output}"
            );
            continue;
        };
        assert!(
            output.contains(&format!("Add {advised} the definition of plain")),
            "{output}"
        );
        let paths: Value = serde_json::from_str(advised.split(" to ").next().unwrap()).unwrap();
        for part in ["indexes", "identities"]
            .iter()
            .filter(|part| advised.contains(**part))
        {
            let mut definition = patient();
            definition[part] = json!([paths]);
            clinic::define(&mut client, "clinic", "advised", &definition).unwrap();
            let output = told("advised");
            assert!(!output.contains("NOTICE"), "{criteria}: {output}");
        }
    }
}

/// A search comes in the order of its paths, what lacks a value last, and by id where they tie; page
/// by page, too.
#[test]
fn search_comes_in_the_order_that_is_asked_for() {
    let (_database, mut client) = database();
    for profile in PROFILES {
        fill(&mut client, profile);
        let page =
            |client: &mut Client, criteria: &Value, sort: &Value, count: i32, after: &str| {
                let sql =
                    "SELECT id FROM ingest.resource_search('clinic', $1, $2::jsonb, $3, $4, $5)";
                client
                    .query(sql, &[&profile, criteria, &count, &after, sort])
                    .map(|rows| rows.iter().map(|row| row.get(0)).collect::<Vec<String>>())
            };
        for (criteria, sort, found) in [
            (json!({}), json!(["weight"]), "b a c d"),
            (json!({}), json!(["-weight"]), "a b c d"),
            (json!({}), json!(["-visits", "ward"]), "b a c d"),
            (json!({}), json!(["visits", "-ward"]), "c a b d"),
            (json!({}), json!(["ward"]), "b a c d"),
            (json!({}), json!(["addr.city"]), "a b c d"),
            (json!({}), json!(["-born"]), "a b c d"),
            (json!({}), json!(["seen"]), "c a b d"),
            (json!({}), json!(["active"]), "b a c d"),
            (json!({"visits": 3}), json!(["-ward"]), "c a"),
            (json!({"visits": 4}), json!(["ward"]), ""),
            (json!({}), json!([]), "a b c d"),
        ] {
            let all = page(&mut client, &criteria, &sort, 100, "").unwrap();
            assert_eq!(all.join(" "), found, "{sort}");
            let mut paged: Vec<String> = Vec::new();
            loop {
                let after = paged.last().cloned().unwrap_or_default();
                let next = page(&mut client, &criteria, &sort, 1, &after).unwrap();
                if next.is_empty() {
                    break;
                }
                paged.extend(next);
            }
            assert_eq!(paged, all, "{sort}");
        }
        for sort in [
            json!("ward"),
            json!({}),
            json!([1]),
            json!(["name"]),
            json!(["name.family"]),
            json!(["wrad"]),
            json!(["--ward"]),
            json!([""]),
            json!(["ward", "born", "seen", "weight", "visits"]),
        ] {
            expect_sqlstate(page(&mut client, &json!({}), &sort, 10, ""), "PT400");
        }
        let visits = json!({"visits": 3});
        expect_sqlstate(
            page(&mut client, &visits, &json!(["ward"]), 10, "never"),
            "PT410",
        );
    }
}

fn written(client: &mut Client, call: &str) -> Result<Written, Error> {
    let sql = format!("SELECT outcome::text, id, version, updated_at, resource FROM ingest.{call}");
    client.query_one(&sql, &[]).map(Into::into)
}

/// A conditional patch and a conditional delete are about the one resource that matches.
#[test]
fn conditional_patch_and_delete_need_one_match() {
    let (_database, mut client) = database();
    for profile in PROFILES {
        fill(&mut client, profile);
        let patch = |criteria: &str, more: &str| {
            format!(
                r#"resource_patch_if('clinic', '{profile}', '{criteria}', '{{"data": {{"ward": "new"}}}}'{more})"#
            )
        };
        let delete = |criteria: &str, more: &str| {
            format!("resource_delete_if('clinic', '{profile}', '{criteria}'{more})")
        };
        for (criteria, state) in [
            (r#"{"mrn.value": "3"}"#, "PT404"),
            (r#"{"visits": 3}"#, "PT412"),
            ("{}", "PT400"),
            (r#"{"mrn": "1"}"#, "PT400"),
        ] {
            expect_sqlstate(written(&mut client, &patch(criteria, "")), state);
            expect_sqlstate(written(&mut client, &delete(criteria, "")), state);
        }
        let one = r#"{"mrn.system": "urn:x", "mrn.value": "1"}"#;
        expect_sqlstate(written(&mut client, &patch(one, ", 2")), "PT412");
        expect_sqlstate(written(&mut client, &delete(one, ", 2")), "PT412");
        let done = written(&mut client, &patch(one, ", 1")).unwrap();
        assert_eq!((done.did(), done.id.as_str()), (("updated", 2), "a"));
        assert_eq!(done.data()["ward"], "new");
        assert_eq!(
            written(&mut client, &patch(one, "")).unwrap().did(),
            ("unchanged", 2)
        );
        let wrong = format!(
            r#"resource_patch_if('clinic', '{profile}', '{one}', '{{"data": {{"ward": 7}}}}')"#
        );
        expect_sqlstate(written(&mut client, &wrong), "PT422");
        let gone = written(&mut client, &delete(one, ", 2")).unwrap();
        assert_eq!((gone.did(), gone.id.as_str()), (("deleted", 3), "a"));
        expect_sqlstate(written(&mut client, &delete(one, "")), "PT404");
    }
    assert_sound(&mut client, "clinic");
}

/// Spellings of the same criteria share a lock; others do not.
#[test]
fn criteria_that_mean_the_same_have_one_lock() {
    let (database, mut first) = database();
    let mut second = database.connect();
    second
        .batch_execute("SET client_min_messages = warning; SET lock_timeout = '200ms'")
        .unwrap();
    let call = |criteria: &Value| {
        format!(
            "SELECT ingest.resource_create_if('clinic', 'plain', '{criteria}', '{{\"data\": {{}}}}')"
        )
    };
    for (held, asked, same) in [
        (json!({"ward": "x"}), json!({"ward": [["x"]]}), true),
        (
            json!({"name.family": [["x", "y"], ["z"]]}),
            json!({"name.family": [["z"], ["y", "x", "y"], ["z"]]}),
            true,
        ),
        (
            json!({"weight": {"ge": 1, "lt": 2}}),
            json!({"weight": {"lt": "2.0", "ge": 1.0}}),
            true,
        ),
        (json!({"active": true}), json!({"active": "true"}), true),
        (
            json!({"name.family": ["x", "y"]}),
            json!({"name.family": [["x"], ["y"]]}),
            false,
        ),
        (
            json!({"ward": "x"}),
            json!({"ward": {"prefix": "x"}}),
            false,
        ),
        (
            json!({"weight": {"ge": 1}}),
            json!({"weight": {"gt": 1}}),
            false,
        ),
        (
            json!({"ward": {"missing": true}}),
            json!({"ward": {"missing": false}}),
            false,
        ),
    ] {
        let mut transaction = first.transaction().unwrap();
        transaction.batch_execute(&call(&held)).unwrap();
        let mut other = second.transaction().unwrap();
        let result = other.batch_execute(&call(&asked));
        match same {
            true => drop(expect_sqlstate(result, "55P03")),
            false => result.unwrap_or_else(|error| panic!("{held} and {asked}: {error:?}")),
        }
        other.rollback().unwrap();
        transaction.rollback().unwrap();
    }
}

/// Rows of an older definition hold anything where a property is now: nothing fails for them, and
/// they are not taken for what they are not.
#[test]
fn rows_of_an_older_definition_are_in_nobodys_way() {
    let (_database, mut client) = database();
    client.batch_execute("SELECT ingest.profile_define('clinic', 'old', '{\"type\": \"ROOT\", \"additionalProperties\": true}')").unwrap();
    for (id, data) in [
        (
            "a",
            json!({"weight": "9", "ward": 9, "name": 9, "seen": 9, "born": []}),
        ),
        (
            "b",
            json!({"weight": true, "ward": true, "name": {"family": "Doe"}, "seen": "no", "mrn": 7}),
        ),
        (
            "c",
            json!({"weight": [9], "ward": [1], "name": ["x"], "seen": {}, "mrn": {"system": [], "value": {}}}),
        ),
    ] {
        clinic::create_as(&mut client, "old", id, &json!({"data": data})).unwrap();
    }
    let declared: Value = value(
        &mut client,
        "SELECT definition FROM ingest.profile WHERE profile = 'pt'",
    );
    clinic::define(&mut client, "clinic", "old", &declared).unwrap();
    for criteria in [
        json!({"weight": {"ge": 0}}),
        json!({"weight": 9}),
        json!({"name.family": "Doe"}),
        json!({"name.family": {"prefix": "D"}}),
        json!({"seen": {"ge": "2000"}}),
    ] {
        let found = search(&mut client, "old", &criteria).unwrap();
        assert!(
            found
                .iter()
                .all(|id| id == "b" && criteria.get("name.family").is_some()),
            "{criteria}: {found:?}"
        );
    }
    let sorted = "SELECT count(*) FROM ingest.resource_search('clinic', 'old', '{}', sort => '[\"seen\", \"-weight\", \"ward\"]')";
    assert_eq!(value::<i64>(&mut client, sorted), 3);
}

/// A query string spells AND over one key by repeating it.
#[test]
fn query_string_repeats_a_key_for_all_of_its_values() {
    let (_database, mut client) = database();
    fill(&mut client, "pt");
    let found: String = value(
        &mut client,
        "SELECT string_agg(id, ' ') FROM ingest.resource_search('clinic', 'pt', \
         ingest.criteria('name.family=Doe,Poe&visits=3&name.family=Roe'))",
    );
    assert_eq!(found, "a");
}

/// PostgREST's own filters on the table use the declared indexes.
#[test]
fn filters_of_postgrest_use_the_indexes() {
    let (database, mut client) = database();
    fill(&mut client, "pt");
    client
        .batch_execute(&format!(
            "ALTER ROLE CURRENT_USER IN DATABASE \"{}\" SET enable_seqscan = off",
            database.name()
        ))
        .unwrap();
    let role: String = value(&mut client, "SELECT current_user::text");
    let rest = PostgRest::start_with(
        &database,
        "clinic",
        &role,
        &[("PGRST_DB_PLAN_ENABLED", "true")],
    );
    for (filter, found) in [
        (
            "data-%3Emrn-%3E%3Esystem=eq.urn:x&data-%3Emrn-%3E%3Evalue=eq.2",
            "b",
        ),
        ("data-%3Eaddr-%3E%3Ecity=eq.Rome", "b"),
        ("data-%3Eaddr-%3E%3Ecity=like.Ro*", "b"),
        ("data-%3E%3Eborn=gte.1980-01", "a"),
        ("data-%3Eweight=eq.70.5", "a"),
        ("data-%3Eweight=gt.9", "a"),
        ("data-%3E%3Eactive=eq.true", "a"),
        ("data-%3Ename=cs.%5B%7B%22family%22:%22Roe%22%7D%5D", "a"),
    ] {
        let path = format!("/pt?select=id&{filter}");
        assert_eq!(rest.get(&path).body, json!([{"id": found}]), "{filter}");
        let header = [("Accept", "application/vnd.pgrst.plan+json; options=verbose")];
        let plan = rest.send("GET", &path, &header, None).body.to_string();
        assert!(
            plan.contains("Index Cond") && !plan.contains("Seq Scan"),
            "{filter}: {plan}"
        );
    }
}
