//! A write is checked against one definition: never against half of one and half of the next,
//! whatever changes while it is read, and in whichever session.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ingest_tests::Database;
use postgres::Client;

use crate::clinic::value;

/// How many times each definer defines.
fn effort() -> usize {
    match std::env::var("INGEST_TEST_EFFORT") {
        Ok(times) => 400 * times.parse::<usize>().unwrap(),
        Err(_) => 400,
    }
}

/// A source with these definitions, in turn, by two definers; a vocabulary that changes all the
/// time; and three writers of the body, each in a way of its own. Gives how many were stored.
fn storm(states: [&str; 2], body: &str) -> (Database, u64, u64) {
    let database = Database::new("mixture");
    database.run(&format!(
        "SELECT ingest.source_create('s');
         SELECT ingest.profile_define('s', 'k', '{{\"type\": \"CONTAINED\"}}');
         {}",
        states[0]
    ));
    let (ended, stored, refused) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let definers: Vec<_> = (0..2)
            .map(|first| {
                let mut client = database.connect();
                scope.spawn(move || {
                    for round in 0..effort() {
                        client.batch_execute(states[(first + round) % 2]).unwrap();
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let mut client = database.connect();
            let mut round = 0;
            while !ended.load(Ordering::Relaxed) {
                round += 1;
                client
                    .batch_execute(&format!(
                        "SELECT ingest.vocabulary_define('s', 'noise', '[\"{round}\"]')"
                    ))
                    .unwrap();
            }
        });
        for write in [
            format!(
                "INSERT INTO s.p (data, contained)
                 VALUES ('{body}'::jsonb -> 'data', '{body}'::jsonb -> 'contained')"
            ),
            format!("SELECT ingest.resource_create('s', 'p', '{body}')"),
            format!("SELECT ingest.resource_load('s', 'p', '[{body}]')"),
        ] {
            let (database, ended, stored, refused) = (&database, &ended, &stored, &refused);
            scope.spawn(move || {
                let mut client = database.connect();
                while !ended.load(Ordering::Relaxed) {
                    match client.batch_execute(&write) {
                        Ok(()) => stored.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            assert_eq!(error.code().unwrap().code(), "PT422", "{error:?}");
                            refused.fetch_add(1, Ordering::Relaxed)
                        }
                    };
                }
            });
        }
        for definer in definers {
            definer.join().unwrap();
        }
        ended.store(true, Ordering::Relaxed);
    });
    let (stored, refused) = (stored.into_inner(), refused.into_inner());
    (database, stored, refused)
}

fn count(client: &mut Client, condition: &str) -> i64 {
    value(
        client,
        &format!("SELECT count(*) FROM s.p WHERE {condition}"),
    )
}

/// Two versions of which none takes the document as it is: a mixture of the properties of one and
/// what the other contains would.
#[test]
fn document_that_no_version_accepts_is_never_stored() {
    let (database, stored, refused) = storm(
        [
            "SELECT ingest.profile_define('s', 'p', '{\"type\": \"ROOT\",
                 \"properties\": {\"a\": {\"type\": \"integer\"}},
                 \"contained\": {\"k\": {\"types\": [\"k\"], \"cardinality\": \"1:1\"}}}')",
            "SELECT ingest.profile_define('s', 'p', '{\"type\": \"ROOT\",
                 \"properties\": {\"b\": {\"type\": \"integer\"}}}')",
        ],
        "{\"data\": {\"a\": 1}}",
    );
    assert!(refused > 1_000, "{refused}");
    assert_eq!(stored, 0);
    assert_eq!(count(&mut database.connect(), "true"), 0);
}

/// Two versions of which each takes the document: a mixture of the one's openness and the other's
/// properties would not.
#[test]
fn document_that_every_version_accepts_is_never_refused() {
    let (database, stored, refused) = storm(
        [
            "SELECT ingest.profile_define('s', 'p', '{\"type\": \"ROOT\", \"additionalProperties\": true}')",
            "SELECT ingest.profile_define('s', 'p', '{\"type\": \"ROOT\",
                 \"properties\": {\"a\": {\"type\": \"integer\"}}}')",
        ],
        "{\"data\": {\"a\": 1}}",
    );
    assert_eq!(refused, 0, "of {stored}");
    assert_eq!(
        count(&mut database.connect(), "true"),
        i64::try_from(stored).unwrap()
    );
}

/// A profile and one that it contains change in one transaction: before and after, the body
/// conforms.
#[test]
fn profile_and_what_it_contains_are_read_as_of_one_moment() {
    let (_database, stored, refused) = storm(
        [
            "BEGIN;
             SELECT ingest.profile_define('s', 'k', '{\"type\": \"CONTAINED\", \"properties\": {\"a\": {\"type\": \"integer\"}}}');
             SELECT ingest.profile_define('s', 'o', '{\"type\": \"CONTAINED\", \"additionalProperties\": true}');
             SELECT ingest.profile_define('s', 'p', '{\"type\": \"ROOT\", \"contained\": {\"in\": {\"types\": [\"k\"], \"cardinality\": \"0:1\"}}}');
             COMMIT",
            "BEGIN;
             SELECT ingest.profile_define('s', 'k', '{\"type\": \"CONTAINED\", \"properties\": {\"b\": {\"type\": \"integer\"}}}');
             SELECT ingest.profile_define('s', 'p', '{\"type\": \"ROOT\", \"contained\": {\"in\": {\"types\": [\"o\"], \"cardinality\": \"0:1\"}}}');
             COMMIT",
        ],
        "{\"data\": {}, \"contained\": {\"in\": [{\"data\": {\"a\": 1}}]}}",
    );
    assert_eq!(refused, 0, "of {stored}");
}

/// The same of a profile and the vocabulary that it is bound to.
#[test]
fn profile_and_its_vocabulary_are_read_as_of_one_moment() {
    let (_database, stored, refused) = storm(
        [
            "BEGIN;
             SELECT ingest.vocabulary_define('s', 'v', '[\"x\"]');
             SELECT ingest.profile_define('s', 'p', '{\"type\": \"ROOT\", \"properties\": {\"c\": {\"type\": \"code\", \"binding\": {\"vocabulary\": \"v\"}}}}');
             COMMIT",
            "BEGIN;
             SELECT ingest.vocabulary_define('s', 'v', '[\"y\"]');
             SELECT ingest.profile_define('s', 'p', '{\"type\": \"ROOT\", \"properties\": {\"c\": {\"type\": \"code\"}}}');
             COMMIT",
        ],
        "{\"data\": {\"c\": \"x\"}}",
    );
    assert_eq!(refused, 0, "of {stored}");
}

/// One version takes what the body contains and gives it its id, the other does not: what is stored
/// is what the first makes of it, whatever is defined between the check and the completion.
#[test]
fn document_is_completed_by_the_definition_that_takes_it() {
    let (database, stored, refused) = storm(
        [
            "SELECT ingest.profile_define('s', 'p', '{\"type\": \"ROOT\",
                 \"contained\": {\"in\": {\"types\": [\"k\"], \"cardinality\": \"1:1\"}}}')",
            "SELECT ingest.profile_define('s', 'p', '{\"type\": \"ROOT\"}')",
        ],
        "{\"data\": {}, \"contained\": {\"in\": [{\"data\": {}}]}}",
    );
    assert!(stored > 0 && refused > 0, "{stored} and {refused}");
    let mut client = database.connect();
    let complete = "contained #>> '{in,0,id}' LIKE 'p/' || id || '/in/%'";
    let taking = "(SELECT v.definition ? 'contained' FROM ingest.profile_version AS v
         WHERE v.source = 's' AND v.profile = 'p' AND v.version = profile_version)";
    assert_eq!(
        count(&mut client, &format!("{complete} AND {taking}")),
        i64::try_from(stored).unwrap()
    );
}
