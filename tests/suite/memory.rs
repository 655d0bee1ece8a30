//! Memory: no argument makes a backend grow, and what runs out of memory is one statement.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use ingest_tests::server::{Log, backend_pid, private_memory};
use postgres::Client;
use serde_json::json;

use crate::clinic::{self, value};
use crate::fuzz::functions;

/// What a backend may keep of all that a role without access calls it with.
const KEPT: u64 = 16 << 20;

/// Every function, called by a role without access with large arguments, leaves a backend as large
/// as it was.
#[test]
fn large_arguments_of_a_role_without_access_leave_no_memory() {
    let database = clinic::database("memory");
    let mut client = database.connect();
    client
        .batch_execute(
            "SET client_min_messages = warning;
             SELECT ingest.api_create();
             DROP ROLE IF EXISTS memory_nobody; CREATE ROLE memory_nobody;
             CREATE TABLE public.large (t text, s jsonb, n jsonb, k jsonb);
             ALTER TABLE public.large ALTER COLUMN t SET STORAGE EXTERNAL, ALTER COLUMN s SET STORAGE EXTERNAL,
                 ALTER COLUMN n SET STORAGE EXTERNAL, ALTER COLUMN k SET STORAGE EXTERNAL;
             INSERT INTO public.large SELECT repeat('x', 50000000), to_jsonb(repeat('x', 50000000)),
                 ('[' || repeat('1e131000,', 2000000) || '1]')::jsonb,
                 (SELECT '{' || string_agg('\"key' || i || '\": 1e131000', ',') || '}' FROM generate_series(1, 1000000) AS i)::jsonb;
             GRANT SELECT ON public.large TO memory_nobody",
        )
        .unwrap();
    let functions = functions(&mut client);
    let pid = backend_pid(&mut client);
    // What the server itself keeps after it has had such values in its hands.
    client
        .batch_execute(
            "SET ROLE memory_nobody;
             SELECT length(t), jsonb_typeof(s), jsonb_typeof(n), jsonb_typeof(k) FROM public.large;
             SELECT count(*) FROM pg_proc",
        )
        .unwrap();
    let call = |client: &mut Client, name: &str, given: &[String]| {
        let sql = format!(
            "SELECT count(*) FROM (SELECT l.* FROM public.large AS l) AS l, ingest.{name}({})",
            given.join(", ")
        );
        let result = client.batch_execute(&format!(
            "BEGIN; SET LOCAL statement_timeout = '20s'; {sql}; ROLLBACK"
        ));
        if let Err(error) = result {
            let refusal = error.as_db_error();
            let refusal = refusal.unwrap_or_else(|| panic!("{sql}: {error:?}"));
            let state = refusal.code().code();
            assert!(
                !["XX", "53", "58", "57"].contains(&&state[..2]),
                "{sql}: {refusal:?}"
            );
            client.batch_execute("ROLLBACK").unwrap();
        }
    };
    let small = |name: &str, kind: &str| match (name, kind) {
        ("source", _) => "'clinic'".to_owned(),
        ("profile", _) => "'office'".to_owned(),
        ("relationship", _) => "'worksAt'".to_owned(),
        (_, "jsonb") => "'{}'::jsonb".to_owned(),
        (_, "text") => "'x'".to_owned(),
        (_, kind) => format!("NULL::{kind}"),
    };
    // Once with small ones: what is read of the catalogs stays.
    for function in &functions {
        let given: Vec<String> = function
            .parameters
            .iter()
            .map(|(name, kind)| small(name, kind))
            .collect();
        call(&mut client, &function.name, &given);
    }
    let before = private_memory(pid);
    let mut called = 0;
    for function in &functions {
        for (place, (_, kind)) in function.parameters.iter().enumerate() {
            let large: &[&str] = match kind.as_str() {
                "text" => &["l.t"],
                "jsonb" => &[
                    "l.s",
                    "l.n",
                    "l.k",
                    "jsonb_build_object('a', l.n)",
                    "jsonb_build_object('data', l.k)",
                ],
                _ => continue,
            };
            for large in large {
                let given: Vec<String> = function
                    .parameters
                    .iter()
                    .enumerate()
                    .map(|(at, (name, kind))| {
                        if at == place {
                            (*large).to_owned()
                        } else {
                            small(name, kind)
                        }
                    })
                    .collect();
                call(&mut client, &function.name, &given);
                called += 1;
                let grown = private_memory(pid).saturating_sub(before);
                assert!(
                    grown < KEPT,
                    "{} MB after {}({})",
                    grown >> 20,
                    function.name,
                    given.join(", ")
                );
            }
        }
    }
    assert!(called > 80, "{called}");
    assert_eq!(backend_pid(&mut client), pid);
    client
        .batch_execute("RESET ROLE; DROP TABLE public.large; DROP ROLE memory_nobody")
        .unwrap();
}

/// The address space of a process, in bytes.
fn address_space(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmSize:"))
        .unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024
}

/// A backend that gets no more memory answers 53200, or ends with it; the others go on.
#[test]
fn backend_without_memory_ends_its_statement_and_no_other_session() {
    let database = clinic::database("memory");
    let mut bystander = database.connect();
    let pid = backend_pid(&mut bystander);
    bystander
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    for (name, definition) in [
        (
            "open",
            json!({"type": "ROOT", "additionalProperties": true}),
        ),
        (
            "strict",
            json!({"type": "ROOT", "properties": {"n": {"type": "array", "items": {"type": "symbol"}}}}),
        ),
    ] {
        clinic::define(&mut bystander, "clinic", name, &definition).unwrap();
    }
    bystander
        .batch_execute(
            "ALTER TABLE clinic.open ALTER COLUMN data SET STORAGE EXTERNAL;
             ALTER TABLE clinic.open_history ALTER COLUMN data SET STORAGE EXTERNAL;
             INSERT INTO clinic.open (id, data) SELECT 'o', jsonb_build_object('t', repeat('x', 30000000),
                 'n', (SELECT jsonb_agg(i::text) FROM generate_series(1, 500000) AS i))",
        )
        .unwrap();
    let log = Log::from_now();
    let calls = [
        "SELECT ingest.resource_read('clinic', 'open', 'o')",
        "SELECT ingest.resource_search('clinic', 'open', '{}')",
        "SELECT ingest.resource_patch('clinic', 'open', 'o', '{\"data\": {\"x\": 1}}')",
        "SELECT ingest.resource_patch('clinic', 'open', 'o', '[{\"op\": \"add\", \"path\": \"/data/n/0\", \"value\": 1}]')",
        "SELECT ingest.resource_upsert('clinic', 'open', 'o', jsonb_build_object('data', data || '{\"x\": 2}')) FROM clinic.open",
        "SELECT ingest.resource_create('clinic', 'open', jsonb_build_object('data', data)) FROM clinic.open",
        "SELECT ingest.resource_load('clinic', 'open', jsonb_build_array(jsonb_build_object('data', data))) FROM clinic.open",
        "SELECT ingest.bundle_apply('clinic', jsonb_build_object('operations', jsonb_build_array(jsonb_build_object( \
             'operation', 'create', 'profile', 'open', 'id', '@rootId', 'body', jsonb_build_object('data', data || '{\"a\": \"@rootId\"}'))))) \
             FROM clinic.open",
        "SELECT ingest.resource_validate('clinic', 'strict', jsonb_build_object('data', data)) FROM clinic.open",
        "SELECT ingest.vocabulary_define('clinic', 'v', data -> 'n') FROM clinic.open",
    ];
    let (mut refused, mut ended) = (0, 0);
    for call in calls {
        for room in [2, 8, 24, 40, 64, 100, 150] {
            let mut client = database.connect();
            client
                .batch_execute(
                    "SET client_min_messages = warning; SELECT ingest.resource_exists('clinic', 'open', 'o'); \
                     SELECT ingest.resource_is_valid('clinic', 'strict', '{\"data\": {}}')",
                )
                .unwrap();
            let own = backend_pid(&mut client);
            let limit = address_space(own) + (room << 20);
            let owner = std::fs::metadata(format!("/proc/{own}")).unwrap();
            // A process may be limited by those of the same user.
            let limited = Command::new("prlimit")
                .uid(owner.uid())
                .gid(owner.gid())
                .args(["--pid", &own.to_string(), &format!("--as={limit}")])
                .status()
                .unwrap();
            assert!(limited.success());
            if let Err(error) = client.batch_execute(&format!("BEGIN; {call}; ROLLBACK")) {
                let told = error
                    .as_db_error()
                    .map(|error| error.code().code().to_owned());
                assert!(
                    told.as_deref().is_none_or(|state| state == "53200"),
                    "{room} MB: {call}: {error:?}"
                );
                refused += 1;
                match client.batch_execute("ROLLBACK") {
                    // The session goes on as if nothing had been.
                    Ok(()) => assert_eq!(backend_pid(&mut client), own),
                    Err(_) => ended += 1,
                }
            }
            assert_eq!(backend_pid(&mut bystander), pid, "{room} MB: {call}");
        }
    }
    assert!(refused > 20, "{refused}");
    assert!(
        ended * 4 < refused,
        "{ended} of {refused} ended their session"
    );
    assert!(!log.read().contains("terminated by signal"));
    assert_eq!(
        value::<i64>(&mut bystander, "SELECT count(*) FROM clinic.open"),
        1
    );
}
