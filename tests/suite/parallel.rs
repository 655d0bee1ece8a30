//! Queries with a parallel plan: the verbs that read are PARALLEL RESTRICTED, so they run in its
//! leader, in a session's first statement as in its last.

use ingest_tests::Database;
use postgres::Client;

use crate::clinic;

/// A row that is found by a parallel scan only, and every verb that may stand beside it.
const CALLS: &[(&str, &str)] = &[
    (
        "ingest.resource_exists('clinic', 'office', 'o')::text",
        "true",
    ),
    (
        "ingest.resource_is_valid('clinic', 'office', '{\"data\": {}}')::text",
        "true",
    ),
    (
        "(ingest.resource_validate('clinic', 'office', '{\"data\": {\"name\": 7}}') #>> '{issue,0,severity}')",
        "error",
    ),
    (
        "(ingest.resource_read('clinic', 'office', 'o') ->> 'id')",
        "o",
    ),
    (
        "(ingest.resource_read('clinic', 'office', 'o', 1) ->> 'id')",
        "o",
    ),
    (
        "(ingest.resource_read_at('clinic', 'office', 'o', 'infinity') ->> 'id')",
        "o",
    ),
    (
        "f.id FROM ingest.resource_search('clinic', 'office', '{\"name\": \"n\"}') AS f",
        "o",
    ),
    (
        "f.outcome::text FROM ingest.resource_history('clinic', 'office', 'o') AS f",
        "created",
    ),
    (
        "(ingest.relationship_read('clinic', 'worksAt', 'provider.p,office.o') ->> 'id')",
        "provider.p,office.o",
    ),
    (
        "(ingest.relationship_read_at('clinic', 'worksAt', 'provider.p,office.o', 'infinity') ->> 'id')",
        "provider.p,office.o",
    ),
    (
        "f.outcome::text FROM ingest.relationship_history('clinic', 'worksAt', 'provider.p,office.o') AS f",
        "created",
    ),
    (
        "f.link_id FROM ingest.relationship_list('clinic', 'office', 'o') AS f",
        "provider.p,office.o",
    ),
];

fn database() -> Database {
    let database = clinic::database("parallel");
    database.run(
        "INSERT INTO clinic.office (id, data) VALUES ('o', '{\"name\": \"n\"}');
         INSERT INTO clinic.provider (id, data) VALUES ('p', '{\"name\": \"p\"}');
         INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p', 'o');
         CREATE TABLE public.wide AS SELECT g AS id FROM generate_series(1, 300000) AS g;
         ANALYZE public.wide",
    );
    database
}

fn query(call: &str) -> String {
    let (column, from) = match call.split_once(" FROM ") {
        Some((column, function)) => (column, format!("public.wide, {function}")),
        None => (call, "public.wide".to_owned()),
    };
    format!(
        "SELECT {column} AS one FROM {from} \
         WHERE wide.id % 300000 = 0 AND wide.id::text = '300000'"
    )
}

#[track_caller]
fn answers(client: &mut Client, call: &str, expected: &str) {
    let answer: String = client.query_one(&query(call), &[]).unwrap().get(0);
    assert_eq!(answer, expected, "{call}");
}

/// The plan of these tests is parallel, or they would test nothing.
#[test]
fn plan_of_the_tests_is_parallel() {
    let database = database();
    let mut client = database.connect();
    for (call, _) in CALLS {
        let plan: Vec<String> = client
            .query(&format!("EXPLAIN {}", query(call)), &[])
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert!(plan.join("\n").contains("Gather"), "{plan:?}");
    }
}

/// Each verb answers as the first thing of its session, and again when all is known.
#[test]
fn verb_in_a_parallel_query_answers_cold_and_warm() {
    let database = database();
    for (call, expected) in CALLS {
        let mut client = database.connect();
        answers(&mut client, call, expected);
        answers(&mut client, call, expected);
    }
}

/// The same under every isolation level, and in what is made of a query.
#[test]
fn verb_in_a_parallel_query_answers_at_every_isolation_level() {
    let database = database();
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        for (call, expected) in CALLS {
            let mut client = database.connect();
            client
                .batch_execute(&format!("BEGIN ISOLATION LEVEL {level}"))
                .unwrap();
            answers(&mut client, call, expected);
            client
                .batch_execute(&format!("CREATE TABLE public.made AS {}", query(call)))
                .unwrap();
            client.batch_execute("ROLLBACK").unwrap();
        }
    }
}

/// What a parallel query has loaded is as new as what any other statement loads.
#[test]
fn definition_loaded_in_a_parallel_query_is_the_newest() {
    let database = database();
    let mut client = database.connect();
    let valid =
        "ingest.resource_is_valid('clinic', 'office', '{\"data\": {\"name\": \"long\"}}')::text";
    // The snapshot of this transaction is older than the definition that follows.
    client
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM public.wide LIMIT 1")
        .unwrap();
    database.run(
        "SELECT ingest.profile_define('clinic', 'office',
             '{\"type\": \"ROOT\", \"properties\": {\"name\": {\"type\": \"symbol\", \"rules\": [{\"max\": 3}]}}}')",
    );
    answers(&mut client, valid, "false");
    client.batch_execute("COMMIT").unwrap();
    answers(&mut client, valid, "false");
}
