//! What links can do as resources can: read in a version and at an instant, their history, many at
//! once, and checked without being made.

use std::time::{Duration, SystemTime};

use ingest_tests::{Database, expect_sqlstate};
use postgres::{Client, Error};
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, PROVIDER, link_body, value};

const ID: &str = "provider.p1,office.o1";

/// A clinic with the providers `p1` to `p9` and the offices `o1` to `o9`, whose links say a role.
fn database() -> (Database, Client) {
    let database = clinic::database("link_verbs");
    let mut client = database.connect();
    let definition = json!({"from": {"profileKey": PROVIDER}, "to": {"profileKey": OFFICE},
        "properties": {"role": {"type": "symbol"}}});
    clinic::define_relationship(&mut client, "worksAt", &definition).unwrap();
    client
        .batch_execute(
            "INSERT INTO clinic.provider (id, data) SELECT 'p' || n, '{\"name\": \"x\"}' FROM generate_series(1, 9) AS n;
             INSERT INTO clinic.office (id, data) SELECT 'o' || n, '{\"name\": \"x\"}' FROM generate_series(1, 9) AS n",
        )
        .unwrap();
    (database, client)
}

fn body(from: &str, to: &str, role: &str) -> Value {
    let mut body = link_body(from, to);
    body["data"] = json!({ "role": role });
    body
}

fn upsert(client: &mut Client, role: &str) {
    client
        .execute(
            "SELECT ingest.relationship_upsert('clinic', 'worksAt', $1)",
            &[&body("p1", "o1", role)],
        )
        .unwrap();
}

fn read_version(client: &mut Client, version: i32) -> Result<Value, Error> {
    client
        .query_one(
            "SELECT ingest.relationship_read('clinic', 'worksAt', $1, $2)",
            &[&ID, &version],
        )
        .map(|row| row.get(0))
}

/// Every version is told by the history, by its number, and at its instants; one that is none is
/// not there.
#[test]
fn versions_of_a_link_are_read_by_number_and_by_instant() {
    let (_database, mut client) = database();
    expect_sqlstate(
        client.batch_execute(&format!(
            "SELECT ingest.relationship_history('clinic', 'worksAt', '{ID}')"
        )),
        "PT404",
    );
    for role in ["a", "b", "", "c"] {
        match role {
            "" => drop(clinic::unlink(&mut client, ID, None).unwrap()),
            role => upsert(&mut client, role),
        }
    }
    type Version = (String, i32, SystemTime, Option<SystemTime>, Option<Value>);
    let history: Vec<Version> = client
        .query(
            "SELECT outcome::text, version, updated_at, ended_at, resource
             FROM ingest.relationship_history('clinic', 'worksAt', $1)",
            &[&ID],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4)))
        .collect();
    let told: Vec<_> = history
        .iter()
        .map(|(outcome, version, _, _, link)| {
            let role = link.as_ref().map(|link| link["data"]["role"].clone());
            (outcome.as_str(), *version, role)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("created", 4, Some(json!("c"))),
            ("deleted", 3, None),
            ("updated", 2, Some(json!("b"))),
            ("created", 1, Some(json!("a"))),
        ]
    );
    let mut read_at = |instant: SystemTime| {
        client
            .query_one(
                "SELECT ingest.relationship_read_at('clinic', 'worksAt', $1, $2)",
                &[&ID, &instant],
            )
            .map(|row| row.get::<_, Value>(0))
    };
    let mut newer: Option<SystemTime> = None;
    for (_, _, updated_at, ended_at, link) in &history {
        assert_eq!(*ended_at, newer);
        let last = newer.unwrap_or(*updated_at + Duration::from_secs(60));
        for instant in [*updated_at, last - Duration::from_micros(1)] {
            match link {
                Some(link) => assert_eq!(read_at(instant).unwrap(), *link),
                None => drop(expect_sqlstate(read_at(instant), "PT410")),
            }
        }
        newer = Some(*updated_at);
    }
    let before = newer.unwrap() - Duration::from_micros(1);
    expect_sqlstate(read_at(before), "PT404");
    for (_, version, _, _, link) in &history {
        match link {
            Some(link) => assert_eq!(read_version(&mut client, *version).unwrap(), *link),
            None => drop(expect_sqlstate(
                read_version(&mut client, *version),
                "PT410",
            )),
        }
    }
    let link = history[0].4.as_ref().unwrap();
    assert_eq!(link["from"], json!({"id": "p1", "type": PROVIDER}));
    assert_eq!(link["to"], json!({"id": "o1", "type": OFFICE}));
    let refusal = expect_sqlstate(read_version(&mut client, 5), "PT404");
    assert_eq!(
        refusal.hint(),
        Some("ingest.relationship_history lists the versions.")
    );
}

/// One row of the answer of a load: the ordinal, the outcome, the id, the version, and what is wrong.
type Landed = (
    i32,
    Option<String>,
    Option<String>,
    Option<i32>,
    Option<String>,
);

fn load_in(
    client: &mut Client,
    relationship: &str,
    bodies: &[Value],
    options: &str,
) -> Result<Vec<Landed>, Error> {
    let sql = format!(
        "SELECT ordinal, outcome::text, id, version, issue #>> '{{0,diagnostics}}'
         FROM ingest.relationship_load('clinic', '{relationship}', $1{options})"
    );
    let rows = client.query(&sql, &[&json!(bodies)])?;
    Ok(rows
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4)))
        .collect())
}

fn load(client: &mut Client, bodies: &[Value], options: &str) -> Result<Vec<Landed>, Error> {
    load_in(client, "worksAt", bodies, options)
}

fn did(landed: &[Landed]) -> Vec<(&str, i32)> {
    landed
        .iter()
        .map(|(_, outcome, _, version, _)| {
            (
                outcome.as_deref().unwrap_or(""),
                version.unwrap_or_default(),
            )
        })
        .collect()
}

fn count(client: &mut Client) -> i64 {
    value(client, "SELECT count(*) FROM clinic.\"worksAt\"")
}

/// Links are made, replaced and left as they are by the set; all that is said is in the order of the
/// bodies.
#[test]
fn load_makes_and_replaces_links() {
    let (_database, mut client) = database();
    let first = [
        body("p2", "o1", "a"),
        body("p1", "o2", "a"),
        body("p1", "o1", "a"),
    ];
    let landed = load(&mut client, &first, "").unwrap();
    assert_eq!(did(&landed), [("created", 1); 3]);
    let ids: Vec<_> = landed.iter().map(|one| one.2.as_deref().unwrap()).collect();
    assert_eq!(ids, ["provider.p2,office.o1", "provider.p1,office.o2", ID]);
    clinic::unlink(&mut client, "provider.p1,office.o2", None).unwrap();
    let next = [
        body("p1", "o1", "b"),
        body("p1", "o2", "b"),
        body("p2", "o1", "a"),
        body("p3", "o1", "b"),
    ];
    let landed = load(&mut client, &next, ", 'upsert'").unwrap();
    assert_eq!(
        did(&landed),
        [
            ("updated", 2),
            ("created", 3),
            ("unchanged", 1),
            ("created", 1)
        ]
    );
    let roles: String = value(
        &mut client,
        "SELECT string_agg(from_id || to_id || (data ->> 'role'), ' ' ORDER BY id) FROM clinic.\"worksAt\"",
    );
    assert_eq!(roles, "p1o1b p1o2b p2o1a p3o1b");
    assert_eq!(load(&mut client, &[], "").unwrap(), []);
}

/// What is wrong with one of many links ends the load and names it, or is told of it alone.
#[test]
fn load_names_the_link_that_is_refused() {
    let (_database, mut client) = database();
    clinic::link(&mut client, "p1", "o1").unwrap();
    let mut of_another_type = body("p3", "o3", "a");
    of_another_type["to"]["type"] = json!(PROVIDER);
    let mut untyped = body("p4", "o4", "a");
    untyped["data"] = json!({"role": 1});
    let missing = "the to end of worksAt does not exist: no such office";
    let bad = [
        (
            body("p1", "o1", "a"),
            "PT409",
            "the two are linked already in worksAt",
        ),
        (body("p2", "x", "a"), "PT404", missing),
        (of_another_type, "PT422", "expected office"),
        (untyped, "PT422", "expected string"),
        (body("p 5", "o5", "a"), "PT400", "not an id"),
        (json!({"from": 1}), "PT400", "from is not an object"),
        (body("p9", "o9", "b"), "PT400", "the same id as body 1"),
    ];
    let good = body("p9", "o9", "a");
    for (body, state, _) in &bad {
        let refused = load(&mut client, &[good.clone(), body.clone()], "");
        let refusal = expect_sqlstate(refused, state);
        assert!(refusal.message().starts_with("body 2: "), "{refusal:?}");
        assert_eq!(count(&mut client), 1);
    }
    let mut all = vec![good];
    all.extend(bad.iter().map(|(body, ..)| body.clone()));
    let landed = load(&mut client, &all, ", on_error => 'report'").unwrap();
    assert_eq!(landed[0].1.as_deref(), Some("created"));
    // The ends say the id of what is refused, too, where they say one.
    let ids: Vec<_> = landed.iter().map(|one| one.2.as_deref()).collect();
    let (good, of_no_office) = ("provider.p9,office.o9", "provider.p2,office.x");
    let untyped = "provider.p4,office.o4";
    assert_eq!(
        ids,
        [
            Some(good),
            Some(ID),
            Some(of_no_office),
            None,
            Some(untyped),
            Some("provider.p 5,office.o5"),
            None,
            Some(good)
        ]
    );
    for ((ordinal, outcome, _, _, issue), (body, _, said)) in landed[1..].iter().zip(&bad) {
        assert_eq!((outcome, issue.as_deref()), (&None, Some(*said)), "{body}");
        assert_eq!(all[usize::try_from(*ordinal).unwrap() - 1], *body);
    }
    assert_eq!(count(&mut client), 2);
    for options in [", 'replace'", ", on_error => 'ignore'"] {
        expect_sqlstate(load(&mut client, &[], options), "PT400");
    }
    expect_sqlstate(load_in(&mut client, OFFICE, &[], ""), "PT400");
}

/// Where an end may have one link only, the second of a load is the one that is too many.
#[test]
fn load_of_too_many_links_names_the_end() {
    let (_database, mut client) = database();
    let ends = json!({"from": {"profileKey": PROVIDER, "includeCardinality": "0:1"}, "to": {"profileKey": OFFICE}});
    clinic::define_relationship(&mut client, "runs", &ends).unwrap();
    let bodies = ["o1", "o2"].map(|to| link_body("p1", to));
    for mode in ["create", "upsert"] {
        let options = format!(", '{mode}'");
        let refused = load_in(&mut client, "runs", &bodies, &options);
        assert_eq!(
            expect_sqlstate(refused, "PT409").message(),
            "body 2: the from end of runs is linked already"
        );
        let options = format!(", '{mode}', 'report'");
        let landed = load_in(&mut client, "runs", &bodies, &options).unwrap();
        assert_eq!(did(&landed), [("created", 1), ("", 0)]);
        assert_eq!(
            landed[1].4.as_deref(),
            Some("the from end of runs is linked already")
        );
        client
            .batch_execute(
                "DELETE FROM clinic.runs; SELECT ingest.relationship_drop('clinic', 'runs', true)",
            )
            .unwrap();
        clinic::define_relationship(&mut client, "runs", &ends).unwrap();
    }
}

/// A reference in a link's data that leads nowhere is refused with the link that has it.
#[test]
fn load_refuses_the_link_whose_reference_leads_nowhere() {
    let (_database, mut client) = database();
    let definition = json!({"from": {"profileKey": PROVIDER}, "to": {"profileKey": OFFICE},
        "properties": {"boss": {"type": "reference", "target": [PROVIDER], "enforce": true}}});
    clinic::define_relationship(&mut client, "serves", &definition).unwrap();
    let with_boss = |to: &str, boss: &str| {
        let mut body = link_body("p1", to);
        body["data"] = json!({"boss": {"reference": format!("{PROVIDER}/{boss}")}});
        body
    };
    let bodies = [
        with_boss("o1", "p2"),
        with_boss("o2", "x"),
        with_boss("o3", "p3"),
    ];
    let refusal = expect_sqlstate(load_in(&mut client, "serves", &bodies, ""), "PT422");
    assert!(refusal.message().starts_with("body 2: "), "{refusal:?}");
    let landed = load_in(&mut client, "serves", &bodies, ", on_error => 'report'").unwrap();
    assert_eq!(did(&landed), [("created", 1), ("", 0), ("created", 1)]);
}

/// Two loads of the same links, each end of which may have one, in opposite orders, end both.
#[test]
fn loads_at_once_do_not_deadlock() {
    let (database, mut client) = database();
    let one = |key: &str| json!({"profileKey": key, "includeCardinality": "0:1"});
    let ends = json!({"from": one(PROVIDER), "to": one(OFFICE)});
    clinic::define_relationship(&mut client, "marries", &ends).unwrap();
    let pairs = |shift: usize| -> Vec<Value> {
        (0..9)
            .map(|at| {
                link_body(
                    &format!("p{}", at + 1),
                    &format!("o{}", (at + shift) % 9 + 1),
                )
            })
            .collect()
    };
    std::thread::scope(|scope| {
        for shift in 0..4 {
            let (database, bodies) = (&database, pairs(shift));
            scope.spawn(move || {
                let mut client = database.connect();
                for _ in 0..10 {
                    let mut transaction = client.transaction().unwrap();
                    let landed = transaction.query(
                        "SELECT FROM ingest.relationship_load('clinic', 'marries', $1, 'upsert', 'report')",
                        &[&json!(bodies)],
                    );
                    landed.unwrap();
                    transaction
                        .batch_execute("DELETE FROM clinic.marries")
                        .unwrap();
                    transaction.rollback().unwrap();
                }
            });
        }
    });
}

/// A link is judged as a write would judge it, and not made.
#[test]
fn validated_link_is_judged_and_not_made() {
    let (_database, mut client) = database();
    let mut validate = |body: &Value| -> Result<Vec<(String, String)>, Error> {
        let outcome: Value = client
            .query_one(
                "SELECT ingest.relationship_validate('clinic', 'worksAt', $1)",
                &[body],
            )?
            .get(0);
        let issues = outcome["issue"].as_array().unwrap().iter().map(|issue| {
            let text = |key: &str| issue[key].as_str().unwrap_or_default().to_owned();
            let at = issue["expression"][0].as_str().unwrap_or_default();
            (at.to_owned(), text("code"))
        });
        Ok(issues.collect())
    };
    let found = |at: &str, code: &str| (at.to_owned(), code.to_owned());
    let fine = validate(&body("p1", "o1", "a")).unwrap();
    assert_eq!(fine, [found("", "informational")]);
    let mut bad = body("p1", "x", "a");
    bad["data"] = json!({"role": 1, "more": 2});
    assert_eq!(
        validate(&bad).unwrap(),
        [
            found("worksAt.to", "not-found"),
            found("worksAt.more", "structure"),
            found("worksAt.role", "structure"),
        ]
    );
    bad["from"]["type"] = json!(OFFICE);
    assert_eq!(
        validate(&bad).unwrap()[0],
        found("worksAt.from.type", "value")
    );
    expect_sqlstate(validate(&json!({"from": {}})), "PT400");
    assert_eq!(count(&mut client), 0);
    expect_sqlstate(
        client.batch_execute("SELECT ingest.relationship_validate('clinic', 'office', '{}')"),
        "PT400",
    );
}
