//! Cancel: every function ends soon after PostgreSQL asks for it, on the worst input there is.

use std::thread;
use std::time::{Duration, Instant};

use ingest_tests::server::backend_pid;
use postgres::Client;
use serde_json::json;

use crate::clinic;

/// How long a call may go on after its time is up.
const SOON: Duration = Duration::from_secs(2);

/// What a call is given, as SQL that makes it, and the call, in which `$` stands for it.
struct Worst {
    argument: &'static str,
    call: &'static str,
}

const fn worst(argument: &'static str, call: &'static str) -> Worst {
    Worst { argument, call }
}

/// Runs each call with an argument that was made before, under a timeout of half a second: it ends
/// within two, by its answer, by a refusal or by the timeout. Gives the SQLSTATEs.
fn run(client: &mut Client, calls: &[Worst]) -> Vec<String> {
    let mut states = Vec::new();
    for Worst { argument, call } in calls {
        client
            .batch_execute(&format!(
                "DROP TABLE IF EXISTS worst; CREATE TEMP TABLE worst AS SELECT {argument} AS a;"
            ))
            .unwrap_or_else(|error| panic!("{argument}: {error:?}"));
        let call = call.replace('$', "(SELECT a FROM worst)");
        // A moment in which the machine does something else does not count.
        let (_, result) = (0..3)
            .map(|_| timed(client, &format!("SELECT count(*) FROM {call} AS t")))
            .find(|(took, _)| *took < SOON)
            .unwrap_or_else(|| panic!("goes on three times: {argument}: {call}"));
        let state = match result {
            Ok(()) => "00000".to_owned(),
            Err(error) => {
                let refusal = error.as_db_error();
                let refusal = refusal.unwrap_or_else(|| panic!("{argument}: {call}: {error:?}"));
                refusal.code().code().to_owned()
            }
        };
        assert!(
            state == "00000" || state == "57014" || state.starts_with("PT"),
            "{state}: {argument}: {call}"
        );
        states.push(state);
    }
    states
}

/// How long a statement takes under the timeout, and how it ends.
fn timed(client: &mut Client, statement: &str) -> (Duration, Result<(), postgres::Error>) {
    client
        .batch_execute("SET statement_timeout = '500ms'")
        .unwrap();
    let began = Instant::now();
    let result = client.batch_execute(statement);
    let took = began.elapsed();
    client.batch_execute("RESET statement_timeout").unwrap();
    (took, result)
}

/// An array of so many elements, as SQL.
const NUMBERS: &str = "(SELECT jsonb_agg(i) FROM generate_series(1, 1000000) AS i)";

/// A clinic with a profile that takes anything, one of a list, and one whose pattern is slow.
fn database() -> (ingest_tests::Database, Client) {
    let database = clinic::database("cancel");
    let mut client = database.connect();
    client
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    for (name, definition) in [
        (
            "open",
            json!({"type": "ROOT", "additionalProperties": true, "properties": {"n": {"type": "array"}}}),
        ),
        (
            "slow",
            json!({"type": "ROOT", "properties": {"t": {"type": "symbol", "rules": [{"pattern": "[ab]{0,1000}c"}]},
                "l": {"type": "array", "items": {"type": "symbol", "rules": [{"pattern": "[ab]{0,1000}c"}]}}}}),
        ),
        (
            "asks",
            json!({"type": "ROOT", "properties": {
                "l": {"type": "array", "items": {"type": "integer"}},
                "m": {"type": "array", "items": {"type": "object", "properties": {"v": {"type": "integer",
                    "rules": [{"max": 1, "when": {"eq": {"l": -1}}}]}}}}}}),
        ),
    ] {
        clinic::define(&mut client, "clinic", name, &definition).unwrap();
    }
    (database, client)
}

/// Criteria, as text and as an object, are refused or cancelled, however many there are.
#[test]
fn criteria_of_any_size_end_with_the_timeout() {
    let (_database, mut client) = database();
    let states = run(
        &mut client,
        &[
            worst(
                "(SELECT string_agg('k' || i || '=1', '&') FROM generate_series(1, 300000) AS i)",
                "ingest.criteria($)",
            ),
            worst("repeat('a=1&', 2500000)", "ingest.criteria($)"),
            worst("'a=' || repeat('1,', 5000000)", "ingest.criteria($)"),
            worst("'a=' || repeat('%2C', 3000000)", "ingest.criteria($)"),
            worst(
                "(SELECT '{' || string_agg('\"k' || i || '\": 1e131000', ',') || '}' FROM generate_series(1, 100000) AS i)::jsonb",
                "ingest.resource_search('clinic', 'open', $)",
            ),
            worst(
                "('{\"name\": [' || repeat('1e131000,', 1000000) || '1]}')::jsonb",
                "ingest.resource_search('clinic', 'office', $)",
            ),
            worst(
                "(SELECT jsonb_build_object('name', jsonb_agg(i::text)) FROM generate_series(1, 1000000) AS i)",
                "ingest.resource_create_if('clinic', 'office', $, '{\"data\": {}}')",
            ),
        ],
    );
    assert_eq!(states, vec!["PT413"; states.len()]);
}

/// Patches of every operation on a large document end with the timeout, or are refused.
#[test]
fn patches_of_every_operation_end_with_the_timeout() {
    let (_database, mut client) = database();
    client
        .batch_execute(&format!(
            "INSERT INTO clinic.open (id, data) VALUES ('o', jsonb_build_object('n', {NUMBERS}))"
        ))
        .unwrap();
    let mut many = |operation: &str, count: u32| {
        let argument =
            format!("(SELECT jsonb_agg({operation}) FROM generate_series(1, {count}) AS i)");
        let call = "ingest.resource_patch('clinic', 'open', 'o', $)";
        let worst = Worst {
            argument: Box::leak(argument.into_boxed_str()),
            call,
        };
        run(&mut client, &[worst]).remove(0)
    };
    let front = "'{\"op\": \"remove\", \"path\": \"/data/n/0\"}'::jsonb";
    let cases = [
        (front, 10_000),
        (
            "'{\"op\": \"add\", \"path\": \"/data/n/0\", \"value\": 1}'::jsonb",
            10_000,
        ),
        (
            "'{\"op\": \"test\", \"path\": \"/data/n/5\", \"value\": 6}'::jsonb",
            10_000,
        ),
        (
            "'{\"op\": \"move\", \"from\": \"/data/n/0\", \"path\": \"/data/n/-\"}'::jsonb",
            10_000,
        ),
        (
            "'{\"op\": \"copy\", \"from\": \"/data/n/0\", \"path\": \"/data/n/0\"}'::jsonb",
            10_000,
        ),
    ];
    for (operation, count) in cases {
        let state = many(operation, count);
        assert!(
            ["57014", "00000"].contains(&state.as_str()),
            "{operation}: {state}"
        );
    }
    assert_eq!(many(front, 20_000), "PT413");
    let copy = "jsonb_build_object('op', 'copy', 'from', '/data/n', 'path', '/data/c' || i)";
    let state = many(copy, 500);
    assert!(["57014", "PT413"].contains(&state.as_str()), "{state}");
    let states = run(
        &mut client,
        &[
            worst(
                "(SELECT jsonb_build_object('data', jsonb_object_agg('k' || i, i)) FROM generate_series(1, 1000000) AS i)",
                "ingest.resource_patch('clinic', 'open', 'o', $)",
            ),
            worst(
                "(SELECT jsonb_agg(jsonb_build_object('op', 'test', 'path', '/data/n', 'value', data -> 'n')) \
                 FROM clinic.open, generate_series(1, 10))",
                "ingest.resource_patch('clinic', 'open', 'o', $)",
            ),
        ],
    );
    // What is quick enough is answered; not all of it is.
    assert!(states.contains(&"57014".to_owned()), "{states:?}");
}

/// Validation of documents that are large, deep, or matched by a slow pattern ends with the timeout.
#[test]
fn validation_of_the_worst_documents_ends_with_the_timeout() {
    let (_database, mut client) = database();
    let states = run(
        &mut client,
        &[
            worst(
                "jsonb_build_object('data', jsonb_build_object('t', repeat('ab', 5000000)))",
                "ingest.resource_validate('clinic', 'slow', $)",
            ),
            worst(
                "(SELECT jsonb_build_object('data', jsonb_build_object('l', jsonb_agg(repeat('ab', 500)))) \
                 FROM generate_series(1, 20000))",
                "ingest.resource_is_valid('clinic', 'slow', $)",
            ),
            worst(
                "(SELECT jsonb_build_object('data', jsonb_build_object('l', jsonb_agg(i), \
                     'm', jsonb_agg(jsonb_build_object('v', 2)))) FROM generate_series(1, 100000) AS i)",
                "ingest.resource_validate('clinic', 'asks', $)",
            ),
            worst(
                "(SELECT jsonb_build_object('data', jsonb_build_object('n', jsonb_agg('{\"a\": [[1]]}'::jsonb))) \
                 FROM generate_series(1, 2000000))",
                "ingest.resource_validate('clinic', 'open', $)",
            ),
            worst(
                "(SELECT jsonb_build_object('data', '{}'::jsonb, 'contained', jsonb_build_object('alternativePaymentMethods', \
                     jsonb_agg(jsonb_build_object('id', 'i' || i, 'data', '{}'::jsonb)))) FROM generate_series(1, 500000) AS i)",
                "ingest.resource_create('clinic', 'office', $)",
            ),
            worst(
                "(SELECT jsonb_build_object('data', jsonb_object_agg('k' || i, i)) FROM generate_series(1, 1000000) AS i)",
                "ingest.resource_upsert('clinic', 'office', 'o', $)",
            ),
        ],
    );
    // What is quick enough is answered; not all of it is.
    assert!(states[..2].contains(&"57014".to_owned()), "{states:?}");
}

/// Loads and bundles end with the timeout, those full of placeholders too.
#[test]
fn loads_and_bundles_end_with_the_timeout() {
    let (_database, mut client) = database();
    run(
        &mut client,
        &[
            worst(
                "(SELECT jsonb_agg(jsonb_build_object('data', jsonb_build_object('n', i))) FROM generate_series(1, 300000) AS i)",
                "ingest.resource_load('clinic', 'open', $)",
            ),
            worst(
                "(SELECT jsonb_agg(i) FROM generate_series(1, 1000000) AS i)",
                "ingest.resource_load('clinic', 'open', $, on_error => 'report')",
            ),
            worst(
                "(SELECT jsonb_build_object('operations', jsonb_build_array(jsonb_build_object('operation', 'create', \
                     'profile', 'open', 'id', '@rootId1', 'body', jsonb_build_object('data', jsonb_build_object('n', \
                     jsonb_agg('p/@rootId1/' || i)))))) FROM generate_series(1, 500000) AS i)",
                "ingest.bundle_apply('clinic', $)",
            ),
            worst(
                "(SELECT jsonb_build_object('operations', jsonb_agg(jsonb_build_object('operation', 'create', \
                     'profile', 'open', 'id', '@rootId' || i, 'body', '{\"data\": {}}'::jsonb))) \
                 FROM generate_series(1, 200000) AS i)",
                "ingest.bundle_apply('clinic', $)",
            ),
            worst(
                "(SELECT jsonb_build_object('operations', jsonb_agg(i)) FROM generate_series(1, 1000000) AS i)",
                "ingest.bundle_apply('clinic', $)",
            ),
        ],
    );
}

/// Definitions end with the timeout or are refused, whatever there is much of in them.
#[test]
fn definitions_of_any_size_end_with_the_timeout() {
    let (_database, mut client) = database();
    const DEFINE: &str = "ingest.profile_define('clinic', 'huge', $)";
    run(
        &mut client,
        &[
            worst(
                "(SELECT jsonb_build_object('type', 'ROOT', 'properties', jsonb_object_agg('p' || i, '{\"type\": \"symbol\"}'::jsonb)) \
                 FROM generate_series(1, 60000) AS i)",
                DEFINE,
            ),
            worst(
                "(SELECT jsonb_build_object('type', 'ROOT', 'properties', jsonb_object_agg('p' || i, '{\"type\": \"codeableconcept\"}'::jsonb)) \
                 FROM generate_series(1, 30000) AS i)",
                DEFINE,
            ),
            worst(
                "(SELECT jsonb_build_object('type', 'ROOT', 'contained', jsonb_build_object('c', jsonb_build_object('types', jsonb_agg('t' || i)))) \
                 FROM generate_series(1, 200000) AS i)",
                DEFINE,
            ),
            worst(
                "(SELECT jsonb_build_object('type', 'ROOT', 'properties', jsonb_object_agg('p' || i, jsonb_build_object('type', 'symbol', \
                     'rules', jsonb_build_array(jsonb_build_object('pattern', '\\p{L}{1,20}' || i))))) FROM generate_series(1, 20000) AS i)",
                DEFINE,
            ),
            worst(
                "(SELECT jsonb_build_object('type', 'ROOT', 'properties', '{\"a\": {\"type\": \"symbol\"}}'::jsonb, \
                     'identities', jsonb_agg('[\"a\"]'::jsonb)) FROM generate_series(1, 100000))",
                DEFINE,
            ),
            worst(
                "(SELECT jsonb_build_object('type', 'ROOT', 'properties', jsonb_object_agg('p' || i, jsonb_build_object('type', 'symbol', \
                     'rules', jsonb_build_array(jsonb_build_object('required', true, 'when', jsonb_build_object('eq', \
                     jsonb_build_object('p' || (i + 1), 'x'))))))) FROM generate_series(1, 20000) AS i)",
                DEFINE,
            ),
            worst(
                "jsonb_build_object('type', 'ROOT', 'properties', jsonb_build_object('a', jsonb_build_object('type', 'integer', \
                     'rules', jsonb_build_array(jsonb_build_object('enum', ('[' || repeat('1e131000,', 100000) || '1]')::jsonb)))))",
                DEFINE,
            ),
            worst(
                "(SELECT jsonb_agg(jsonb_build_object('code', 'c' || i, 'system', 's' || i)) FROM generate_series(1, 1000000) AS i)",
                "ingest.vocabulary_define('clinic', 'v', $)",
            ),
            worst(
                "(SELECT jsonb_agg(jsonb_build_object('code', 'c', 'system', 's' || i)) FROM generate_series(1, 1000000) AS i)",
                "ingest.vocabulary_define('clinic', 'v', $)",
            ),
            worst(
                "(SELECT jsonb_object_agg('k' || i, i) FROM generate_series(1, 1000000) AS i)",
                "ingest.source_create('other', $)",
            ),
            worst(
                "(SELECT jsonb_build_object('from', jsonb_build_object('profileKey', 'office'), 'to', jsonb_build_object('profileKey', 'office'), \
                     'properties', jsonb_object_agg('k' || i, '{\"type\": \"address\"}'::jsonb)) FROM generate_series(1, 60000) AS i)",
                "ingest.relationship_define('clinic', 'huge', $)",
            ),
        ],
    );
}

/// A draft whose pattern is slow on stored rows, and a schema of many properties, end too.
#[test]
fn checks_and_schemas_of_definitions_end_with_the_timeout() {
    let (_database, mut client) = database();
    client
        .batch_execute(
            "INSERT INTO clinic.open (data) SELECT jsonb_build_object('t', repeat('ab', 100000)) FROM generate_series(1, 20);
             SELECT ingest.profile_define('clinic', 'wide', jsonb_build_object('type', 'ROOT', 'properties', \
                 jsonb_object_agg('p' || i, '{\"type\": \"symbol\", \"rules\": [{\"min\": 2, \"pattern\": \"a\"}]}'::jsonb))) \
             FROM generate_series(1, 3000) AS i",
        )
        .unwrap();
    let states = run(
        &mut client,
        &[
            worst(
                "'{\"type\": \"ROOT\", \"additionalProperties\": true, \"properties\": {\"t\": {\"type\": \"symbol\", \
                   \"rules\": [{\"pattern\": \"[ab]{0,1000}c\"}]}}}'::jsonb",
                "ingest.profile_check('clinic', 'open', $)",
            ),
            worst("'wide'::text", "ingest.profile_json_schema('clinic', $)"),
        ],
    );
    assert_eq!(states[0], "57014");
}

/// Names, ids and headers of any size are refused soon.
#[test]
fn texts_of_any_size_are_refused_soon() {
    let (_database, mut client) = database();
    let states = run(
        &mut client,
        &[
            worst(
                "repeat('x', 50000000)",
                "ingest.resource_exists($, 'office', 'o')",
            ),
            worst(
                "repeat('x', 50000000)",
                "ingest.resource_exists('clinic', $, 'o')",
            ),
            worst(
                "repeat('x', 50000000)",
                "ingest.resource_read('clinic', 'office', $)",
            ),
            worst(
                "repeat('/', 50000000)",
                "ingest.contained_delete('clinic', 'office', 'o', $)",
            ),
            worst(
                "repeat('x', 50000000)",
                "ingest.resource_load('clinic', 'office', '[]', $)",
            ),
        ],
    );
    assert_eq!(states, vec!["PT413"; states.len()]);
    run(
        &mut client,
        &[worst(
            "set_config('request.headers', (SELECT jsonb_object_agg('h' || i, i)::text FROM generate_series(1, 500000) AS i), false)",
            "ingest.request_version()",
        )],
    );
}

/// `pg_terminate_backend` ends a session in the midst of a pattern, a patch and a definition.
#[test]
fn terminated_session_ends_in_the_midst_of_a_call() {
    let (database, mut admin) = database();
    for call in [
        "SELECT ingest.resource_validate('clinic', 'slow', jsonb_build_object('data', \
             jsonb_build_object('t', repeat('ab', 60000000))))",
        "SELECT ingest.profile_define('clinic', 'huge', (SELECT jsonb_build_object('type', 'ROOT', 'properties', \
             jsonb_object_agg('p' || i, jsonb_build_object('type', 'symbol', 'rules', jsonb_build_array( \
             jsonb_build_object('pattern', '\\p{L}{1,20}' || i))))) FROM generate_series(1, 20000) AS i))",
    ] {
        let mut client = database.connect();
        let pid = backend_pid(&mut client);
        let worker = thread::spawn(move || client.batch_execute(call));
        thread::sleep(Duration::from_millis(700));
        assert!(!worker.is_finished(), "{call}");
        let began = Instant::now();
        admin
            .execute("SELECT pg_terminate_backend($1)", &[&pid])
            .unwrap();
        let result = worker.join().unwrap();
        assert!(began.elapsed() < SOON, "{:?}: {call}", began.elapsed());
        assert!(result.is_err(), "{call}");
    }
    assert_eq!(
        clinic::value::<i32>(&mut admin, "SELECT 1"),
        1,
        "other sessions go on"
    );
}
