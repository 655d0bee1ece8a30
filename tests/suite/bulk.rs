//! What is done at once is done by few statements, in little memory, and what is not done costs
//! nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ingest_tests::server::{backend_pid, private_memory};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, value};

/// Counts the statements that write to the tables, from here on.
fn count_statements(client: &mut Client) {
    client
        .batch_execute("CREATE TABLE public.statements (on_table text, event text)")
        .unwrap();
    client
        .batch_execute(
            "CREATE FUNCTION public.counted() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 INSERT INTO public.statements VALUES (TG_TABLE_NAME, TG_OP);
                 RETURN NULL;
             END $$",
        )
        .unwrap();
    for table in ["office", "provider", "\"worksAt\"", "\"Patient\""] {
        client
            .batch_execute(&format!(
                "CREATE TRIGGER counted AFTER INSERT OR UPDATE OR DELETE ON clinic.{table}
                 FOR EACH STATEMENT EXECUTE FUNCTION public.counted()"
            ))
            .unwrap();
    }
}

/// A hundred thousand bodies in one call are few statements, answered in their order, in memory that
/// the array itself bounds.
#[test]
fn load_of_100_000_bodies_is_few_statements_and_bounded_memory() {
    let database = clinic::database("bulk");
    let mut client = database.connect();
    count_statements(&mut client);
    client
        .batch_execute(
            "CREATE TABLE public.input AS
             SELECT jsonb_agg(jsonb_build_object('id', 'o' || (i * 7919) % 100003,
                        'data', jsonb_build_object('name', 'n' || i)) ORDER BY i) AS bodies
             FROM generate_series(1, 100000) AS i",
        )
        .unwrap();
    let size: i64 = value(
        &mut client,
        "SELECT length(bodies::text)::bigint FROM public.input",
    );

    let mut loader = database.connect();
    let pid = backend_pid(&mut loader);
    let before = private_memory(pid);
    let ended = AtomicBool::new(false);
    let (wrong, most) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = 0;
            while !ended.load(Ordering::Relaxed) {
                most = most.max(private_memory(pid));
                std::thread::sleep(Duration::from_millis(5));
            }
            most
        });
        let wrong: i64 = value(
            &mut loader,
            "SELECT count(*) FROM public.input, ROWS FROM (
                 ingest.resource_load('clinic', 'office', bodies)
             ) WITH ORDINALITY AS l (ordinal, outcome, id, version, issue, place)
             WHERE ordinal <> place OR outcome <> 'created' OR version <> 1
                OR id <> 'o' || (place * 7919) % 100003",
        );
        ended.store(true, Ordering::Relaxed);
        (wrong, watcher.join().unwrap())
    });
    assert_eq!(wrong, 0);
    let grown = i64::try_from(most.saturating_sub(before)).unwrap();
    assert!(grown < 20 * size, "{grown} bytes for an array of {size}");
    let count: i64 = value(&mut client, "SELECT count(*) FROM clinic.office");
    assert_eq!(count, 100_000);
    let statements: i64 = value(&mut client, "SELECT count(*) FROM public.statements");
    assert!(statements <= 200, "{statements} statements");
}

/// A thousand operations in a bundle are a statement or so for each profile, not a thousand.
#[test]
fn bundle_of_1_000_creates_and_upserts_is_few_statements() {
    let database = clinic::database("bulk");
    let mut client = database.connect();
    client
        .batch_execute(
            "INSERT INTO clinic.office (id, data)
             SELECT 'o' || i, '{\"name\": \"old\"}' FROM generate_series(1, 200) AS i",
        )
        .unwrap();
    count_statements(&mut client);
    let operations: Vec<Value> = (1..=1_000)
        .map(|number| match number % 2 {
            0 => json!({"operation": "create", "profile": "provider",
                        "body": {"data": {"name": "x"}}}),
            _ => json!({"operation": "upsert", "profile": "office", "id": format!("o{number}"),
                        "body": {"data": {"name": "new"}}}),
        })
        .collect();
    let applied: Value = client
        .query_one(
            "SELECT ingest.bundle_apply('clinic', $1)",
            &[&json!({"operations": operations})],
        )
        .unwrap()
        .get(0);
    let outcomes = applied["operations"].as_array().unwrap();
    let count = |outcome: &str| {
        outcomes
            .iter()
            .filter(|one| one["outcome"] == outcome)
            .count()
    };
    assert_eq!((count("created"), count("updated")), (900, 100));
    let statements: i64 = value(&mut client, "SELECT count(*) FROM public.statements");
    assert!(statements <= 6, "{statements} statements");
}

/// The same content again writes no row, no history, and no log but that of the lock; the same
/// number with another scale is a change.
#[test]
fn upsert_of_the_same_content_costs_a_lock() {
    let database = clinic::database("bulk");
    let mut client = database.connect();
    let any = json!({"type": "ROOT", "additionalProperties": true});
    clinic::define(&mut client, "clinic", "any", &any).unwrap();
    let body = |number: &str| format!("{{\"data\": {{\"number\": {number}, \"name\": \"a\"}}}}");
    let mut upsert = |number: &str| {
        let sql = format!(
            "EXPLAIN (ANALYZE, WAL, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON)
             SELECT ingest.resource_upsert('clinic', 'any', 'o', '{}')",
            body(number)
        );
        let plan: Value = client.query_one(&sql, &[]).unwrap().get(0);
        plan[0]["Plan"]["WAL Records"].as_i64().unwrap()
    };
    let created = upsert("1.0");
    let (first, again, third) = (upsert("1.0"), upsert("1.0"), upsert("1.0"));
    assert!(created > 3, "{created} records for a creation");
    for records in [first, again, third] {
        assert!(records <= 2, "{records} records for nothing");
    }
    let respelled = upsert("1.00");
    assert!(respelled > 3, "{respelled} records for a change");
    let row = client
        .query_one(
            "SELECT version, data ->> 'number', updated_at > created_at FROM clinic.any",
            &[],
        )
        .unwrap();
    assert_eq!(
        (row.get(0), row.get::<_, &str>(1), row.get(2)),
        (2, "1.00", true)
    );
    let archived: i64 = value(&mut client, "SELECT count(*) FROM clinic.any_history");
    assert_eq!(archived, 1);
    let made = clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    let same = clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    assert_eq!(same.did(), ("unchanged", 1));
    assert_eq!(same.updated_at, made.updated_at);
}
