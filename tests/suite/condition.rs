//! Conditional creates: criteria mean what they say, and callers at once make one resource.

use std::time::Duration;

use ingest_tests::expect_sqlstate;
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, PROVIDER, value};

fn provider(name: &str, number: i32, specialities: &[&str]) -> Value {
    json!({"data": {"name": name, "practiceNumber": number, "specialities": specialities}})
}

/// Criteria name properties and the values they must have: all must hold, any value of an array
/// will do, and an element of an array is as good as the whole.
#[test]
fn criteria_of_every_form_match_what_they_mean() {
    let database = clinic::database("condition");
    let mut client = database.connect();
    for (id, body) in [
        ("a", provider("Ann", 1, &["x", "y"])),
        ("b", provider("Bob", 2, &["y"])),
        ("c", provider("Cid", 3, &[])),
    ] {
        clinic::create_as(&mut client, PROVIDER, id, &body).unwrap();
    }
    let body = provider("new", 9, &[]);
    for (criteria, found) in [
        (json!({"name": "Ann"}), "a"),
        (json!({"practiceNumber": 2}), "b"),
        (json!({"practiceNumber": 2.0}), "b"),
        (json!({"specialities": "x"}), "a"),
        (json!({"specialities": [["x"], ["y", "z"]]}), "a"),
        (json!({"specialities": "y", "name": "Bob"}), "b"),
        (json!({"name": ["Zoe", "Cid"]}), "c"),
        (
            json!({"name": ["Ann", "Bob"], "practiceNumber": [2, 3]}),
            "b",
        ),
    ] {
        let matched = clinic::create_if(&mut client, PROVIDER, &criteria, &body).unwrap();
        assert_eq!(matched.outcome, "matched", "{criteria}");
        assert_eq!(matched.id, found, "{criteria}");
    }
    for several in [
        json!({"specialities": "y"}),
        json!({"name": ["Ann", "Bob"]}),
    ] {
        expect_sqlstate(
            clinic::create_if(&mut client, PROVIDER, &several, &body),
            "PT412",
        );
    }
    for none in [
        json!({"name": "ann"}),
        json!({"name": "Ann", "practiceNumber": 2}),
        json!({"name": "A%"}),
        json!({"name": "' OR true --"}),
    ] {
        let mut client = database.connect();
        let mut transaction = client.transaction().unwrap();
        let made = clinic::create_if(&mut transaction, PROVIDER, &none, &body).unwrap();
        assert_eq!(made.did(), ("created", 1), "{none}");
    }
}

/// Criteria that say nothing, or speak of what is not there, are refused: they never mean all.
#[test]
fn criteria_that_mean_nothing_are_refused() {
    let database = clinic::database("condition");
    let mut client = database.connect();
    clinic::create(&mut client, PROVIDER, &provider("Ann", 1, &[])).unwrap();
    for criteria in [
        json!({}),
        json!([]),
        json!("name"),
        json!(null),
        json!({"nmae": "Ann"}),
        json!({"name.given": "Ann"}),
        json!({"": "Ann"}),
        json!({"Name": "Ann"}),
        json!({"data.name": "Ann"}),
        json!({"name": null}),
        json!({"name": []}),
        json!({"name": {}}),
        json!({"name": [["Ann"], []]}),
        json!({"id": "a"}),
    ] {
        expect_sqlstate(
            clinic::create_if(&mut client, PROVIDER, &criteria, &provider("Bob", 2, &[])),
            "PT400",
        );
    }
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.provider"),
        1
    );
}

/// A match does not judge the body, a create does.
#[test]
fn body_is_judged_only_when_nothing_matches() {
    let database = clinic::database("condition");
    let mut client = database.connect();
    let wrong = json!({"data": {"name": 7}});
    expect_sqlstate(
        clinic::create_if(&mut client, PROVIDER, &json!({"name": "Ann"}), &wrong),
        "PT422",
    );
    clinic::create(&mut client, PROVIDER, &provider("Ann", 1, &[])).unwrap();
    let matched = clinic::create_if(&mut client, PROVIDER, &json!({"name": "Ann"}), &wrong);
    assert_eq!(matched.unwrap().did(), ("matched", 1));
    // A malformed call is one, whatever is stored.
    expect_sqlstate(
        clinic::create_if(&mut client, PROVIDER, &json!({"name": "Ann"}), &json!([])),
        "PT400",
    );
}

/// A caller waits for another with the same criteria, and takes what that one has made, or makes it
/// if that one gave up; spelled differently, they are the same criteria.
#[test]
fn caller_with_the_same_criteria_waits_for_the_first() {
    let database = clinic::database("condition");
    let (mut one, mut two) = (database.connect(), database.connect());
    let spellings = [
        json!({"name": ["Ann", "Bob"], "practiceNumber": 1}),
        json!({"practiceNumber": 1.0, "name": ["Bob", "Ann", "Bob"]}),
    ];
    for (end, outcome) in [("ROLLBACK", "created"), ("COMMIT", "matched")] {
        one.batch_execute("BEGIN; DELETE FROM clinic.provider; COMMIT; BEGIN")
            .unwrap();
        let body = provider("Ann", 1, &[]);
        let first = clinic::create_if(&mut one, PROVIDER, &spellings[0], &body).unwrap();
        assert_eq!(first.outcome, "created");
        std::thread::scope(|scope| {
            let late = scope
                .spawn(|| clinic::create_if(&mut two, PROVIDER, &spellings[1], &body).unwrap());
            std::thread::sleep(Duration::from_millis(100));
            assert!(!late.is_finished(), "does not wait");
            one.batch_execute(end).unwrap();
            let second = late.join().unwrap();
            assert_eq!(second.outcome, outcome);
            assert_eq!(second.id == first.id, outcome == "matched");
        });
        assert_eq!(
            value::<i64>(&mut one, "SELECT count(*) FROM clinic.provider"),
            1
        );
    }
}

/// What a stricter transaction cannot see it does not make twice: a match that came after it began
/// is a serialization failure, cured by a retry.
#[test]
fn match_that_the_snapshot_cannot_see_is_40001() {
    let database = clinic::database("condition");
    let (mut one, mut two) = (database.connect(), database.connect());
    let criteria = json!({"name": "Ann"});
    for isolation in ["REPEATABLE READ", "SERIALIZABLE"] {
        two.batch_execute("DELETE FROM clinic.provider").unwrap();
        one.batch_execute(&format!(
            "BEGIN ISOLATION LEVEL {isolation}; TABLE clinic.provider"
        ))
        .unwrap();
        clinic::create_if(&mut two, PROVIDER, &criteria, &provider("Ann", 1, &[])).unwrap();
        expect_sqlstate(
            clinic::create_if(&mut one, PROVIDER, &criteria, &provider("Ann", 2, &[])),
            "40001",
        );
        one.batch_execute("ROLLBACK").unwrap();
        one.batch_execute(&format!("BEGIN ISOLATION LEVEL {isolation}"))
            .unwrap();
        let again = clinic::create_if(&mut one, PROVIDER, &criteria, &provider("Ann", 2, &[]));
        assert_eq!(again.unwrap().did(), ("matched", 1), "{isolation}");
        one.batch_execute("COMMIT").unwrap();
        assert_eq!(
            value::<i64>(&mut one, "SELECT count(*) FROM clinic.provider"),
            1
        );
    }
}

/// Many callers with a few criteria, each several times over: each is made once, and nobody fails.
#[test]
fn many_callers_make_each_resource_once() {
    let database = clinic::database("condition");
    std::thread::scope(|scope| {
        for caller in 0..6 {
            let mut client = database.connect();
            scope.spawn(move || {
                for round in 0..20 {
                    let number = (caller + round) % 5;
                    let criteria = json!({"practiceNumber": number});
                    clinic::create_if(
                        &mut client,
                        PROVIDER,
                        &criteria,
                        &provider("x", number, &[]),
                    )
                    .unwrap();
                }
            });
        }
    });
    let mut client = database.connect();
    let made = "SELECT array_agg(data -> 'practiceNumber' ORDER BY data -> 'practiceNumber')::text \
         FROM clinic.provider";
    assert_eq!(value::<String>(&mut client, made), "{0,1,2,3,4}");
}

/// An id given with the criteria names what is created, and is a conflict if something else has it.
#[test]
fn id_given_with_criteria_names_what_is_created() {
    let database = clinic::database("condition");
    let mut client = database.connect();
    let mut body = json!({"data": {"name": "a"}, "id": "o"});
    let criteria = |name: &str| json!({"name": name});
    let made = clinic::create_if(&mut client, OFFICE, &criteria("a"), &body).unwrap();
    assert_eq!((made.outcome.as_str(), made.id.as_str()), ("created", "o"));
    body["data"]["name"] = json!("b");
    expect_sqlstate(
        clinic::create_if(&mut client, OFFICE, &criteria("b"), &body),
        "PT409",
    );
    let found = clinic::create_if(&mut client, OFFICE, &criteria("a"), &body).unwrap();
    assert_eq!(
        (found.outcome.as_str(), found.id.as_str()),
        ("matched", "o")
    );
    // What was deleted matches nothing, and its id goes on.
    clinic::delete(&mut client, OFFICE, "o", None, false).unwrap();
    let again = clinic::create_if(&mut client, OFFICE, &criteria("b"), &body).unwrap();
    assert_eq!(again.did(), ("created", 3));
}
