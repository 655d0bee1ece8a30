//! Calls that wait for a drop: they answer as if they had come a moment later.

use std::thread::scope;

use ingest_tests::{Database, expect_sqlstate, server};
use postgres::{Client, Error};

use crate::invariant::wait_until_blocked;

/// A source of two profiles that are linked, with a row and a link, and the criteria `n`.
const SOURCE: &str = r#"SELECT ingest.source_create('{s}');
    SELECT ingest.profile_define('{s}', 'p', '{"type": "ROOT",
        "properties": {"n": {"type": "integer"}, "m": {"type": "integer"}}, "indexes": [["n"]],
        "contained": {"part": {"types": ["part"], "cardinality": "0:1"}}}')
    FROM ingest.profile_define('{s}', 'part', '{"type": "CONTAINED"}');
    SELECT ingest.profile_define('{s}', 'o', '{"type": "ROOT"}');
    SELECT ingest.relationship_define('{s}', 'l', '{"from": {"profileKey": "p"}, "to": {"profileKey": "o"}}');
    INSERT INTO {s}.p (id, data) VALUES ('1', '{"n": 1}'), ('2', '{}');
    INSERT INTO {s}.o (id, data) VALUES ('1', '{}');
    INSERT INTO {s}.l (from_id, to_id) VALUES ('1', '1');"#;

/// A source with a reference that is enforced, and its target.
const REFERRING: &str = r#"SELECT ingest.source_create('{s}');
    SELECT ingest.profile_define('{s}', 'o', '{"type": "ROOT"}');
    SELECT ingest.profile_define('{s}', 'p', '{"type": "ROOT", "properties":
        {"by": {"type": "reference", "enforce": true}}}');
    INSERT INTO {s}.o (id, data) VALUES ('1', '{}')"#;

const OF_PROFILES: &[&str] = &[
    "resource_create('{s}', 'p', '{\"data\": {}}')",
    "resource_create('{s}', 'p', '{\"data\": {}}', id => 'own')",
    "resource_upsert('{s}', 'p', '1', '{\"data\": {\"n\": 1}}')",
    "resource_create_if('{s}', 'p', '{\"n\": 1}', '{\"data\": {\"n\": 1}}')",
    "resource_create_if('{s}', 'p', '{\"m\": 1}', '{\"data\": {\"m\": 1}}')",
    "resource_upsert_if('{s}', 'p', '{\"n\": 1}', '{\"data\": {\"n\": 1}}')",
    "resource_patch('{s}', 'p', '1', '{\"data\": {\"m\": 1}}')",
    "resource_delete('{s}', 'p', '2')",
    "resource_read('{s}', 'p', '1')",
    "resource_read('{s}', 'p', '1', 1)",
    "resource_read_at('{s}', 'p', '1', clock_timestamp())",
    "resource_exists('{s}', 'p', '1')",
    "resource_history('{s}', 'p', '1')",
    "resource_provenance('{s}', 'p', '1')",
    "resource_search('{s}', 'p', '{\"n\": 1}')",
    "resource_search('{s}', 'p', '{}')",
    "resource_load('{s}', 'p', '[{\"data\": {}}, {\"data\": {}}]')",
    "resource_load('{s}', 'p', '[{\"id\": \"1\", \"data\": {}}, {\"data\": {}}]', 'upsert', 'report')",
    "contained_put('{s}', 'p', '1', 'part', '{\"type\": \"part\", \"data\": {}}')",
    "bundle_apply('{s}', '{\"operations\": [{\"operation\": \"create\", \"profile\": \"p\", \"body\": {\"data\": {}}}]}')",
    "bundle_apply('{s}', '{\"operations\": [{\"operation\": \"delete\", \"profile\": \"p\", \"id\": \"2\"}]}')",
    "profile_check('{s}', 'p', '{\"type\": \"ROOT\"}')",
];

const OF_RELATIONSHIPS: &[&str] = &[
    "relationship_link('{s}', 'l', '{\"from\": {\"type\": \"p\", \"id\": \"2\"}, \"to\": {\"type\": \"o\", \"id\": \"1\"}}')",
    "relationship_upsert('{s}', 'l', '{\"from\": {\"type\": \"p\", \"id\": \"1\"}, \"to\": {\"type\": \"o\", \"id\": \"1\"}}')",
    "relationship_read('{s}', 'l', 'p.1,o.1')",
    "relationship_unlink('{s}', 'l', 'p.1,o.1')",
    "relationship_list('{s}', 'p', '1', 'l')",
    "bundle_apply('{s}', '{\"operations\": [{\"operation\": \"link\", \"relationship\": \"l\", \"body\": {\"from\": {\"type\": \"p\", \"id\": \"2\"}, \"to\": {\"type\": \"o\", \"id\": \"1\"}}}]}')",
];

fn ask(client: &mut Client, call: &str) -> Result<(), Error> {
    client.batch_execute(&format!("SELECT ingest.{call}"))
}

/// What a call answers that waited until a drop was committed, and what it answers then; one that
/// is `warm` has its plans.
fn beside(
    database: &Database,
    start: &str,
    drop: &str,
    call: &str,
    warm: bool,
) -> [Result<(), Error>; 2] {
    let mut dropper = database.connect();
    dropper.batch_execute(start).unwrap();
    let mut caller = database.connect();
    let mut watcher = database.connect();
    if warm {
        caller.batch_execute("BEGIN").unwrap();
        caller
            .batch_execute(call)
            .unwrap_or_else(|error| panic!("{call}: {error:?}"));
        caller.batch_execute("ROLLBACK").unwrap();
    }
    let pid = server::backend_pid(&mut caller);
    dropper.batch_execute("BEGIN").unwrap();
    dropper.batch_execute(drop).unwrap();
    scope(|threads| {
        let waiting = threads.spawn(|| {
            let waited = caller.batch_execute(call);
            [waited, caller.batch_execute(call)]
        });
        wait_until_blocked(&mut watcher, pid);
        dropper.batch_execute("COMMIT").unwrap();
        waiting.join().unwrap()
    })
}

/// Whatever a verb does, and whether it has its plans already: who has waited for a drop of the
/// profile, of the relationship or of the whole source is told that there is none.
#[test]
fn verbs_that_wait_for_a_drop_answer_as_after_it() {
    let database = Database::new("dropped");
    let drops = [
        ("profile_drop('{s}', 'p', true)", OF_PROFILES),
        ("source_drop('{s}', true)", OF_PROFILES),
        ("relationship_drop('{s}', 'l', true)", OF_RELATIONSHIPS),
        ("profile_drop('{s}', 'o', true)", OF_RELATIONSHIPS),
    ];
    let mut wrong = Vec::new();
    let mut count = 0;
    for (drop, calls) in drops {
        for call in calls {
            for warm in [false, true] {
                count += 1;
                let own = |sql: &str| sql.replace("{s}", &format!("s{count}"));
                let drop = own(&format!("SELECT ingest.{drop}"));
                let sql = own(&format!("SELECT ingest.{call}"));
                let answers = beside(&database, &own(SOURCE), &drop, &sql, warm);
                let told = answers.map(|answer| answer.map_err(|error| format!("{error:?}")));
                if !told
                    .iter()
                    .all(|told| matches!(told, Err(error) if error.contains("PT404")))
                {
                    wrong.push(format!("{call} beside {drop}, warm: {warm}: {told:?}"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// A table that is missing for another reason is told as PostgreSQL tells it: one that a trigger of
/// the user's own looks for.
#[test]
fn table_that_a_trigger_misses_is_the_triggers_own() {
    let database = Database::new("dropped");
    let mut client = database.connect();
    client.batch_execute(&SOURCE.replace("{s}", "s")).unwrap();
    client
        .batch_execute(
            "CREATE FUNCTION public.mine() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN PERFORM FROM s.p_elsewhere; RETURN new; END';
             CREATE TRIGGER mine BEFORE INSERT OR UPDATE ON s.p FOR EACH ROW EXECUTE FUNCTION public.mine()",
        )
        .unwrap();
    for call in [
        "resource_create('s', 'p', '{\"data\": {}}')",
        "resource_upsert('s', 'p', '1', '{\"data\": {}}')",
        "resource_load('s', 'p', '[{\"data\": {}}]', on_error => 'report')",
    ] {
        let refusal = expect_sqlstate(ask(&mut client, call), "42P01");
        assert!(refusal.message().contains("p_elsewhere"), "{refusal:?}");
    }
}

/// A table that somebody dropped by hand is no profile's, and the hint says how to learn that.
#[test]
fn table_dropped_by_hand_is_not_found() {
    let database = Database::new("dropped");
    let mut client = database.connect();
    client.batch_execute(&SOURCE.replace("{s}", "s")).unwrap();
    client
        .batch_execute("DROP TABLE s.p_history; DROP TABLE s.p CASCADE")
        .unwrap();
    for call in OF_PROFILES {
        let refused = ask(&mut client, &call.replace("{s}", "s"));
        let refusal = expect_sqlstate(refused, "PT404");
        assert!(
            refusal.hint().unwrap().contains("ingest.doctor"),
            "{call}: {refusal:?}"
        );
    }
}

/// A write waits for the drop of a profile that it refers to, and then refers to nothing.
#[test]
fn reference_that_waits_for_a_drop_leads_nowhere() {
    let database = Database::new("dropped");
    let mut count = 0;
    for call in [
        "INSERT INTO {s}.p (data) VALUES ('{\"by\": {\"reference\": \"o/1\"}}')",
        "SELECT ingest.resource_create('{s}', 'p', '{\"data\": {\"by\": {\"reference\": \"o/1\"}}}')",
        "SELECT ingest.resource_load('{s}', 'p', '[{\"data\": {\"by\": {\"reference\": \"o/1\"}}}]')",
    ] {
        for warm in [false, true] {
            count += 1;
            let own = |sql: &str| sql.replace("{s}", &format!("s{count}"));
            let [start, drop, call] = [
                REFERRING,
                "SELECT ingest.profile_drop('{s}', 'o', true)",
                call,
            ]
            .map(own);
            for answer in beside(&database, &start, &drop, &call, warm) {
                expect_sqlstate(answer, "PT422");
            }
        }
    }
}
