//! Loads: arrays of bodies, written set by set, aborted or reported one by one.

use std::time::{Duration, Instant};

use ingest_tests::expect_sqlstate;
use ingest_tests::refusal::issues;
use postgres::{Client, Error};
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, value};

/// One row of what `resource_load` answers.
#[derive(Debug, Clone, PartialEq)]
struct Landed {
    ordinal: i32,
    outcome: Option<String>,
    id: Option<String>,
    version: Option<i32>,
    issue: Option<Value>,
}

impl Landed {
    /// `created a 1`, or `refused b: ` and what is said of it.
    fn told(&self) -> String {
        let id = self.id.as_deref().unwrap_or("?");
        match (&self.outcome, self.version, &self.issue) {
            (Some(outcome), Some(version), None) => format!("{outcome} {id} {version}"),
            (None, None, Some(issue)) => {
                format!(
                    "refused {id}: {}",
                    issue[0]["diagnostics"].as_str().unwrap()
                )
            }
            _ => panic!("neither written nor refused: {self:?}"),
        }
    }
}

fn load(
    client: &mut Client,
    profile: &str,
    bodies: &Value,
    mode: &str,
    on_error: &str,
) -> Result<Vec<Landed>, Error> {
    let rows = client.query(
        "SELECT ordinal, outcome::text, id, version, issue \
         FROM ingest.resource_load('clinic', $1, $2, $3, $4)",
        &[&profile, bodies, &mode, &on_error],
    )?;
    let landed: Vec<Landed> = rows
        .iter()
        .map(|row| Landed {
            ordinal: row.get(0),
            outcome: row.get(1),
            id: row.get(2),
            version: row.get(3),
            issue: row.get(4),
        })
        .collect();
    for (place, one) in (1..).zip(&landed) {
        assert_eq!(one.ordinal, place, "out of order: {landed:?}");
    }
    Ok(landed)
}

fn told(landed: &[Landed]) -> Vec<String> {
    landed.iter().map(Landed::told).collect()
}

fn body(id: &str, name: &str) -> Value {
    json!({"id": id, "data": {"name": name}})
}

/// Bodies with and without ids are created, and answered in their order, whatever the order of
/// their ids.
#[test]
fn bodies_loaded_are_answered_in_their_order() {
    let database = clinic::database("load");
    let mut client = database.connect();
    let bodies = json!([body("z", "1"), body("a", "2"), {"data": {"name": "3"}}, body("m", "4"),
        {"id": null, "data": {}, "contained": {"primaryPaymentMethod": [{"data": {"value": "Visa"}}]}}]);
    let landed = load(&mut client, OFFICE, &bodies, "create", "abort").unwrap();
    assert_eq!(told(&landed[..2]), ["created z 1", "created a 1"]);
    assert_eq!(landed[3].told(), "created m 1");
    assert_eq!(landed[2].id.as_ref().unwrap().len(), 36);
    let id = landed[4].id.as_ref().unwrap();
    let stored = clinic::read(&mut client, OFFICE, id).unwrap();
    let contained = stored["contained"]["primaryPaymentMethod"][0]["id"]
        .as_str()
        .unwrap();
    assert!(
        contained.starts_with(&format!("office/{id}/primaryPaymentMethod/")),
        "{contained}"
    );
    assert_eq!(
        load(&mut client, OFFICE, &json!([]), "create", "abort").unwrap(),
        []
    );
}

/// In mode upsert, each body is created, updated or found unchanged, with the versions that has.
#[test]
fn bodies_upserted_are_created_updated_or_unchanged() {
    let database = clinic::database("load");
    let mut client = database.connect();
    for id in ["same", "other", "gone"] {
        clinic::upsert(&mut client, OFFICE, id, &json!({"data": {"name": "a"}})).unwrap();
    }
    clinic::delete(&mut client, OFFICE, "gone", None, false).unwrap();
    let bodies = json!([
        body("same", "a"),
        body("other", "b"),
        body("new", "c"),
        body("gone", "d")
    ]);
    let landed = load(&mut client, OFFICE, &bodies, "upsert", "abort").unwrap();
    assert_eq!(
        told(&landed),
        [
            "unchanged same 1",
            "updated other 2",
            "created new 1",
            "created gone 3"
        ]
    );
    let landed = load(&mut client, OFFICE, &bodies, "upsert", "report").unwrap();
    assert!(
        landed
            .iter()
            .all(|one| one.outcome.as_deref() == Some("unchanged")),
        "{landed:?}"
    );
    for (id, story) in [
        ("same", "created 1"),
        ("other", "created 1, updated 2"),
        ("gone", "created 1, deleted 2, created 3"),
    ] {
        assert_eq!(clinic::story(&mut client, OFFICE, id), story);
    }
}

/// One bad body among good ones: nothing is written, and the error names it.
#[test]
fn load_with_a_bad_body_aborts_and_names_it() {
    let database = clinic::database("load");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "taken", &json!({"data": {}})).unwrap();
    for (bad, sqlstate, message) in [
        (
            json!({"id": "x", "data": {"name": 1}}),
            "PT422",
            "body 2: office does not conform to its profile: 1 issue",
        ),
        (
            json!({"id": "a b", "data": {}}),
            "PT400",
            "body 2: not an id",
        ),
        (
            json!({"id": "taken", "data": {}}),
            "PT409",
            "body 2: the id exists in office",
        ),
        (
            json!({"id": "good", "data": {}}),
            "PT400",
            "body 3: the same id as body 2",
        ),
        (
            json!({"data": {}, "x": 1}),
            "PT400",
            "body 2: body has a key that it does not take: x",
        ),
        (json!([]), "PT400", "body 2: body is not an object"),
        (json!(null), "PT400", "body 2: body is not an object"),
    ] {
        let bodies = match message.starts_with("body 3") {
            true => json!([body("first", "1"), body("good", "2"), bad]),
            false => json!([body("first", "1"), bad, body("good", "2")]),
        };
        let refusal = expect_sqlstate(
            load(&mut client, OFFICE, &bodies, "create", "abort"),
            sqlstate,
        );
        assert_eq!(refusal.message(), message);
        assert!(!issues(&refusal).is_empty());
    }
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.office"),
        1
    );
    let wrong = json!([body("first", "1"), {"id": "x", "data": {"name": 1, "y": 2}}]);
    let refusal = expect_sqlstate(
        load(&mut client, OFFICE, &wrong, "upsert", "abort"),
        "PT422",
    );
    assert_eq!(issues(&refusal)[0].expression, ["office.y"]);
}

/// Reported instead, each bad body has its issues, and all the good ones are written.
#[test]
fn load_that_reports_writes_the_good_bodies() {
    let database = clinic::database("load");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "taken", &json!({"data": {}})).unwrap();
    let bodies = json!([
        body("a", "1"),
        {"id": "b", "data": {"name": 1, "x": 2}},
        {"id": "taken", "data": {"name": "x"}},
        [],
        {"id": "a", "data": {}},
        {"id": "not an id", "data": {}},
        {"data": {"name": "6"}},
        {"id": "c", "data": {}, "contained": {"primaryPaymentMethod": [{}, {}]}},
        body("d", "8")]);
    let landed = load(&mut client, OFFICE, &bodies, "create", "report").unwrap();
    assert_eq!(landed.len(), 9);
    let written: Vec<_> = landed
        .iter()
        .filter(|one| one.outcome.is_some())
        .map(|one| one.ordinal)
        .collect();
    assert_eq!(written, [1, 7, 9], "{:?}", told(&landed));
    assert_eq!(
        landed[1].issue.as_ref().unwrap().as_array().unwrap().len(),
        2
    );
    assert_eq!(landed[2].told(), "refused taken: the id exists in office");
    assert!(
        landed[4].told().contains("the same id as"),
        "{}",
        landed[4].told()
    );
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.office"),
        4
    );
    assert_eq!(clinic::story(&mut client, OFFICE, "taken"), "created 1");
}

/// What only PostgreSQL can tell of a row is reported for that row alone, and its error in whole
/// when the load aborts.
#[test]
fn load_whose_row_a_trigger_refuses_reports_that_row() {
    let database = clinic::database("load");
    let mut client = database.connect();
    client
        .batch_execute(
            "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 IF NEW.data ->> 'name' = 'sunday' THEN
                     RAISE 'not on a Sunday' USING ERRCODE = 'ZZ123', CONSTRAINT = 'weekday';
                 END IF;
                 RETURN NULL;
             END $$;
             CREATE TRIGGER refuse AFTER INSERT OR UPDATE ON clinic.office
                 FOR EACH ROW EXECUTE FUNCTION public.refuse();
             CREATE UNIQUE INDEX one_note ON clinic.office ((data ->> 'note'));",
        )
        .unwrap();
    let bodies = json!([body("a", "monday"), body("b", "sunday"), body("c", "tuesday"),
        {"id": "d", "data": {"note": "n"}}, {"id": "e", "data": {"note": "n"}}]);
    let error = expect_sqlstate(
        load(
            &mut client,
            OFFICE,
            &json!([body("b", "sunday")]),
            "create",
            "abort",
        ),
        "ZZ123",
    );
    assert_eq!(error.constraint(), Some("weekday"));
    for mode in ["create", "upsert"] {
        client
            .batch_execute("SELECT ingest.profile_purge('clinic', 'office', true)")
            .unwrap();
        let landed = load(&mut client, OFFICE, &bodies, mode, "report").unwrap();
        let outcomes: Vec<_> = landed.iter().map(|one| one.outcome.is_some()).collect();
        assert_eq!(
            outcomes,
            [true, false, true, true, false],
            "{mode}: {:?}",
            told(&landed)
        );
        assert!(
            landed[1].told().starts_with("refused b: "),
            "{mode}: {:?}",
            told(&landed)
        );
        for (refused, code) in [(1, "invalid"), (4, "conflict")] {
            let issue = landed[refused].issue.as_ref().unwrap();
            assert_eq!(issue[0]["code"], json!(code), "{mode}: {issue}");
        }
        assert_eq!(
            value::<i64>(&mut client, "SELECT count(*) FROM clinic.office"),
            3
        );
    }
    // The session is as it was: no subtransaction is open, and it goes on.
    let mut transaction = client.transaction().unwrap();
    clinic::create(&mut transaction, OFFICE, &json!({"data": {}})).unwrap();
    transaction.rollback().unwrap();
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.office"),
        3
    );
}

/// An error that ends the statement is not reported as a body's: it goes on as it is, and the
/// session with it.
#[test]
fn load_that_is_cancelled_ends_with_postgresqls_error() {
    let database = clinic::database("load");
    let mut client = database.connect();
    client
        .batch_execute(
            "CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END';
             CREATE TRIGGER slow AFTER INSERT ON clinic.office
                 FOR EACH ROW EXECUTE FUNCTION public.slow();
             SET statement_timeout = '100ms'",
        )
        .unwrap();
    for on_error in ["abort", "report"] {
        let bodies = json!([body("a", "1"), body("b", "2")]);
        expect_sqlstate(
            load(&mut client, OFFICE, &bodies, "create", on_error),
            "57014",
        );
        client.batch_execute("BEGIN; SELECT 1; COMMIT").unwrap();
    }
    client
        .batch_execute("RESET statement_timeout; DROP TRIGGER slow ON clinic.office")
        .unwrap();
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.office"),
        0
    );
    load(
        &mut client,
        OFFICE,
        &json!([body("a", "1")]),
        "create",
        "report",
    )
    .unwrap();
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.office"),
        1
    );
}

/// A call that is malformed is refused as a whole.
#[test]
fn load_of_no_array_or_in_no_mode_is_refused() {
    let database = clinic::database("load");
    let mut client = database.connect();
    for bodies in [json!({}), json!({"data": {}}), json!("x"), json!(null)] {
        expect_sqlstate(
            load(&mut client, OFFICE, &bodies, "create", "report"),
            "PT400",
        );
    }
    for (mode, on_error) in [
        ("", "abort"),
        ("insert", "abort"),
        ("create", ""),
        ("create", "ignore"),
    ] {
        expect_sqlstate(
            load(&mut client, OFFICE, &json!([]), mode, on_error),
            "PT400",
        );
    }
    expect_sqlstate(
        load(&mut client, "worksAt", &json!([]), "create", "abort"),
        "PT400",
    );
    expect_sqlstate(
        load(&mut client, "nothing", &json!([]), "create", "abort"),
        "PT404",
    );
}

/// Two loads over the same ids in opposite orders wait for each other, and never in a circle.
#[test]
fn loads_over_the_same_ids_in_opposite_orders_do_not_deadlock() {
    let database = clinic::database("load");
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let mut client = database.connect();
            scope.spawn(move || {
                for round in 0..6 {
                    let mut bodies: Vec<Value> = (0..300)
                        .map(|number| body(&format!("o{number}"), &format!("{worker} {round}")))
                        .collect();
                    if worker == 1 {
                        bodies.reverse();
                    }
                    let bodies = Value::Array(bodies);
                    let landed = load(&mut client, OFFICE, &bodies, "upsert", "abort").unwrap();
                    assert_eq!(landed.len(), 300);
                }
            });
        }
    });
    let mut client = database.connect();
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.office"),
        300
    );
    for id in ["o0", "o150", "o299"] {
        let story = clinic::story(&mut client, OFFICE, id);
        assert!(story.ends_with("updated 12"), "{story}");
    }
}

/// Twenty thousand bodies are one call, of seconds, and leave no memory behind.
#[test]
fn load_of_20_000_bodies_is_set_based() {
    let database = clinic::database("load");
    let mut client = database.connect();
    client
        .batch_execute(
            "CREATE TEMP TABLE given AS SELECT jsonb_agg(jsonb_build_object('id', 'o' || i, 'data',
                 jsonb_build_object('name', 'office ' || i))) AS bodies FROM generate_series(1, 20000) AS i",
        )
        .unwrap();
    let began = Instant::now();
    for (mode, outcome) in [("create", "created"), ("upsert", "unchanged")] {
        let count: i64 = value(
            &mut client,
            &format!(
                "SELECT count(*) FROM given, ingest.resource_load('clinic', 'office', bodies, '{mode}') AS l
                 WHERE outcome = '{outcome}' AND version = 1 AND l.id = 'o' || ordinal"
            ),
        );
        assert_eq!(count, 20_000, "{mode}");
    }
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    let held: i64 = value(
        &mut client,
        "SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts",
    );
    assert!(held < 20_000_000, "{held} bytes are still held");
}

/// What PostgreSQL refuses, or what is of the user's own, is reported with a reason: which constraint
/// or column, or what kind of thing it was. No value is told, whatever an error of it holds.
#[test]
fn refusal_of_the_database_is_reported_with_its_reason() {
    let database = clinic::database("load");
    let mut client = database.connect();
    client
        .batch_execute(
            r#"CREATE DOMAIN clinic.short AS text CHECK (length(value) < 9);
               ALTER TABLE clinic.office ADD CONSTRAINT calm CHECK (data ->> 'note' <> 'loud'),
                   ADD COLUMN z int NOT NULL DEFAULT 0, ADD COLUMN s clinic.short,
                   ADD COLUMN u text UNIQUE, ADD COLUMN f text REFERENCES clinic.provider (id);
               CREATE FUNCTION public.odd() RETURNS trigger LANGUAGE plpgsql AS $$
               BEGIN
                   CASE new.data ->> 'note'
                   WHEN 'null' THEN new.z := NULL;
                   WHEN 'cast' THEN new.z := new.data ->> 'name';
                   WHEN 'zero' THEN new.z := 1 / 0;
                   WHEN 'long' THEN new.s := repeat(new.data ->> 'name', 9);
                   WHEN 'same' THEN new.u := 'same';
                   WHEN 'lost' THEN new.f := new.data ->> 'name';
                   WHEN 'told' THEN RAISE '% is secret', new.data ->> 'name';
                   WHEN 'own' THEN RAISE '% is secret', new.data ->> 'name' USING ERRCODE = 'ZZ123';
                   WHEN 'four' THEN RAISE '% is secret', new.data ->> 'name' USING ERRCODE = 'PT418';
                   WHEN 'deny' THEN RAISE '% is secret', new.data ->> 'name' USING ERRCODE = '42501';
                   ELSE NULL;
                   END CASE;
                   RETURN new;
               END $$;
               CREATE TRIGGER odd BEFORE INSERT ON clinic.office FOR EACH ROW EXECUTE FUNCTION public.odd()"#,
        )
        .unwrap();
    let told_of = [
        ("loud", "violates the check calm"),
        ("null", "the column z must not be null"),
        (
            "cast",
            "a value is not what a column or a function takes (SQLSTATE 22P02)",
        ),
        (
            "zero",
            "a value is not what a column or a function takes (SQLSTATE 22012)",
        ),
        ("long", "violates the check short_check"),
        ("same", "an identity of office is taken"),
        ("lost", "violates the foreign key office_f_fkey"),
        (
            "told",
            "a trigger or a function refuses it (SQLSTATE P0001)",
        ),
        ("own", "a trigger or a function refuses it (SQLSTATE ZZ123)"),
        (
            "four",
            "a trigger or a function refuses it (SQLSTATE PT418)",
        ),
        (
            "deny",
            "a trigger or a function refuses it (SQLSTATE 42501)",
        ),
    ];
    let mut bodies = vec![json!({"id": "0", "data": {"name": "SECRET", "note": "same"}})];
    bodies.extend(
        told_of
            .iter()
            .map(|(note, _)| json!({"data": {"name": "SECRET", "note": note}})),
    );
    for mode in ["create", "upsert"] {
        let landed = load(
            &mut client,
            OFFICE,
            &Value::from(bodies.clone()),
            mode,
            "report",
        )
        .unwrap();
        for (one, (note, told)) in landed[1..].iter().zip(told_of) {
            let issue = one.issue.as_ref().unwrap_or_else(|| panic!("{note}"));
            assert_eq!(issue[0]["diagnostics"], told, "{note}");
            assert!(!issue.to_string().contains("SECRET"));
        }
        clinic::delete(&mut client, OFFICE, "0", None, false).unwrap();
    }
}
