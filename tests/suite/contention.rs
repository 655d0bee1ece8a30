//! One resource, and one link, that sessions make, change and delete at once: each call does its
//! work, or is told that there is none now; nobody is told of a trigger or a policy.

use std::collections::BTreeMap;
use std::sync::Barrier;

use ingest_tests::Database;

use crate::clinic;
use crate::invariant::assert_sound;

/// How many times each session calls.
fn effort() -> usize {
    match std::env::var("INGEST_TEST_EFFORT") {
        Ok(times) => 600 * times.parse::<usize>().unwrap(),
        Err(_) => 600,
    }
}

/// What the calls of each came to, how many times.
type Told = BTreeMap<(usize, String), usize>;

/// Runs each of these calls in two sessions of its own, all at once; `{n}` is the number of the call.
fn together(database: &Database, calls: &[String]) -> Told {
    let barrier = Barrier::new(2 * calls.len());
    std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..2 * calls.len())
            .map(|session| {
                let (which, barrier) = (session / 2, &barrier);
                let (call, mut client) = (&calls[which], database.connect());
                scope.spawn(move || {
                    let mut told = Told::new();
                    barrier.wait();
                    for round in 0..effort() {
                        let call = call.replace("{n}", &format!("{session}.{round}"));
                        let came = match client.batch_execute(&format!("SELECT {call}")) {
                            Ok(()) => "done".to_owned(),
                            Err(error) => error.code().unwrap().code().to_owned(),
                        };
                        *told.entry((which, came)).or_default() += 1;
                    }
                    told
                })
            })
            .collect();
        let mut all = Told::new();
        for session in sessions {
            for (came, count) in session.join().unwrap() {
                *all.entry(came).or_default() += count;
            }
        }
        all
    })
}

/// Of each call: it is done, the row is gone, or a retry cures it. What makes the row is always done,
/// or to be tried again.
#[track_caller]
fn assert_told(told: &Told, calls: &[String], makes: &[usize]) {
    for ((which, came), count) in told {
        let allowed: &[&str] = match makes.contains(which) {
            true => &["done", "40001"],
            false => &["done", "PT410", "40001"],
        };
        assert!(
            allowed.contains(&came.as_str()),
            "{came} {count} times: {}\n{told:?}",
            calls[*which]
        );
    }
    for (which, call) in calls.iter().enumerate() {
        let done = told.get(&(which, "done".to_owned()));
        assert!(done.is_some(), "never done: {call}\n{told:?}");
    }
}

fn bundle(operation: &str) -> String {
    format!("ingest.bundle_apply('clinic', '{{\"operations\": [{operation}]}}')")
}

/// A resource.
#[test]
fn resource_that_comes_and_goes_is_there_or_gone() {
    let database = clinic::database("contention");
    database.run(
        "SELECT ingest.resource_create('clinic', 'office', '{\"data\": {}}', 'o');
         SELECT ingest.resource_delete('clinic', 'office', 'o')",
    );
    let office = r#""profile": "office", "id": "o""#;
    let calls = [
        r#"ingest.resource_upsert('clinic', 'office', 'o', '{"data": {"name": "{n}"}}')"#.to_owned(),
        r#"ingest.resource_load('clinic', 'office', '[{"id": "o", "data": {"name": "{n}"}}]', 'upsert')"#.to_owned(),
        "ingest.resource_delete('clinic', 'office', 'o')".to_owned(),
        r#"ingest.resource_patch('clinic', 'office', 'o', '{"data": {"name": "{n}"}}')"#.to_owned(),
        bundle(&format!(r#"{{"operation": "delete", {office}}}"#)),
        bundle(&format!(
            r#"{{"operation": "patch", {office}, "patch": {{"data": {{"name": "{{n}}"}}}}}}"#
        )),
    ];
    let told = together(&database, &calls);
    assert_told(&told, &calls, &[0, 1]);
    assert_sound(&mut database.connect(), "clinic");
}

/// A link.
#[test]
fn link_that_comes_and_goes_is_there_or_gone() {
    let database = clinic::database("contention");
    database.run(
        "SELECT ingest.resource_create('clinic', 'office', '{\"data\": {}}', 'o');
         INSERT INTO clinic.provider (id, data) VALUES ('p', '{\"name\": \"p\"}');
         INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p', 'o');
         DELETE FROM clinic.\"worksAt\"",
    );
    let (body, id) = (
        r#"{"from": {"id": "p", "type": "provider"}, "to": {"id": "o", "type": "office"}}"#,
        "provider.p,office.o",
    );
    let link = r#""relationship": "worksAt""#;
    let calls = [
        format!("ingest.relationship_upsert('clinic', 'worksAt', '{body}')"),
        bundle(&format!(
            r#"{{"operation": "link_upsert", {link}, "body": {body}}}"#
        )),
        format!("ingest.relationship_unlink('clinic', 'worksAt', '{id}')"),
        bundle(&format!(
            r#"{{"operation": "unlink", {link}, "id": "{id}"}}"#
        )),
    ];
    let told = together(&database, &calls);
    assert_told(&told, &calls, &[0, 1]);
    assert_sound(&mut database.connect(), "clinic");
}
