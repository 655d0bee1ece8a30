//! Erasure and retention: what is taken out of tables and histories for ever, and what is left.

use ingest_tests::expect_sqlstate;
use postgres::{Client, Error};
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, Written, value};
use crate::hospital;
use crate::invariant::{wait_until_blocked, written};
use std::time::{Duration, Instant};

const NEEDLE: &str = "Zqxjkvbpyw";

fn erase(client: &mut Client, profile: &str, id: &str, cascade: bool) -> Result<Written, Error> {
    let call =
        format!("resource_erase('clinic', '{profile}', '{id}', 'asked for', cascade => {cascade})");
    written(client, &call)
}

fn erase_version(client: &mut Client, id: &str, version: i32) -> Result<Written, Error> {
    let call = format!("version_erase('clinic', 'office', '{id}', {version}, 'asked for')");
    written(client, &call)
}

fn prune(client: &mut Client, arguments: &str) -> Result<i64, Error> {
    let sql = format!("SELECT ingest.history_prune('clinic', 'office', {arguments})");
    client.query_one(&sql, &[]).map(|row| row.get(0))
}

/// `outcome version`, newest first.
fn told(client: &mut Client, function: &str, profile: &str, id: &str) -> String {
    let sql = format!(
        "SELECT string_agg(outcome || ' ' || version, ', ' ORDER BY version DESC)
         FROM ingest.{function}('clinic', '{profile}', '{id}')"
    );
    value(client, &sql)
}

fn of_office(client: &mut Client, id: &str) -> String {
    told(client, "resource_history", "office", id)
}

/// Offices `o` of three versions, linked from `p` twice over, and `other`.
fn offices(client: &mut Client) {
    client
        .batch_execute(
            "INSERT INTO clinic.provider (id, data) VALUES ('p', '{\"name\": \"p\"}'), ('q', '{\"name\": \"q\"}');
             INSERT INTO clinic.office (id, data) VALUES ('o', '{\"note\": \"1\"}'), ('other', '{}');
             UPDATE clinic.office SET data = '{\"note\": \"2\"}' WHERE id = 'o';
             UPDATE clinic.office SET data = '{\"note\": \"3\"}' WHERE id = 'o';
             INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p', 'o'), ('q', 'o'), ('p', 'other');
             DELETE FROM clinic.\"worksAt\" WHERE from_id = 'q'",
        )
        .unwrap();
}

/// What is erased is gone with its history and its links; a marker says who, when and why, and what
/// is made again goes on from there.
#[test]
fn erased_resource_leaves_a_marker_and_no_more() {
    let database = clinic::database("erase");
    let mut client = database.connect();
    offices(&mut client);
    let before: String = value(&mut client, "SELECT now()::text");
    let refusal = expect_sqlstate(erase(&mut client, OFFICE, "o", false), "PT409");
    assert!(refusal.message().contains("worksAt (1)"), "{refusal:?}");
    assert_eq!(
        of_office(&mut client, "o"),
        "updated 3, updated 2, created 1"
    );

    let erased = erase(&mut client, OFFICE, "o", true).unwrap();
    assert_eq!(erased.did(), ("erased", 4));
    let history: Vec<(String, i32, Option<Value>, bool, Value)> = client
        .query(
            "SELECT outcome::text, version, resource, updated_by = current_user, erased
             FROM ingest.resource_history('clinic', 'office', 'o')",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4)))
        .collect();
    let [(outcome, 4, None, true, why)] = history.as_slice() else {
        panic!("{history:?}");
    };
    assert_eq!(outcome, "erased");
    assert_eq!(
        (&why["reason"], &why["by"]),
        (&json!("asked for"), &json!("postgres"))
    );
    for gone in [
        "resource_read('clinic', 'office', 'o')",
        "resource_read('clinic', 'office', 'o', 2)",
        "resource_read('clinic', 'office', 'o', 4)",
        &format!("resource_read_at('clinic', 'office', 'o', '{before}')"),
        "resource_read_at('clinic', 'office', 'o', clock_timestamp())",
        "resource_restore('clinic', 'office', 'o', 2)",
        "resource_erase('clinic', 'office', 'o', 'again')",
        "relationship_read('clinic', 'worksAt', 'provider.p,office.o')",
    ] {
        expect_sqlstate(
            client.batch_execute(&format!("SELECT ingest.{gone}")),
            "PT410",
        );
    }
    let link = |client: &mut Client, from: &str| {
        let id = format!("provider.{from},office.o");
        told(client, "relationship_history", "worksAt", &id)
    };
    assert_eq!(link(&mut client, "p"), "erased 2");
    assert_eq!(link(&mut client, "q"), "erased 3");
    let kept: i64 = value(&mut client, "SELECT count(*) FROM clinic.\"worksAt\"");
    assert_eq!(kept, 1, "the link of another");

    let again = clinic::create_as(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    assert_eq!(again.did(), ("created", 5));
    let linked = clinic::link(&mut client, "p", "o").unwrap();
    assert_eq!(linked.did(), ("created", 3));
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"note": "n"}})).unwrap();
    assert_eq!(
        of_office(&mut client, "o"),
        "updated 6, created 5, erased 4"
    );
    let ended: bool = value(
        &mut client,
        "SELECT bool_and(ended_at IS NOT NULL) FROM clinic.office_history WHERE id = 'o'",
    );
    assert!(ended);
    // What is deleted can be erased, and erased again once it was made again.
    clinic::delete(&mut client, OFFICE, "o", None, true).unwrap();
    assert_eq!(
        erase(&mut client, OFFICE, "o", false).unwrap().did(),
        ("erased", 8)
    );
    assert_eq!(of_office(&mut client, "o"), "erased 8");
    expect_sqlstate(erase(&mut client, OFFICE, "never", false), "PT404");
    for closed in [
        "DELETE FROM clinic.office_history",
        "UPDATE clinic.office_history SET data = NULL",
    ] {
        expect_sqlstate(client.batch_execute(closed), "42501");
    }
    let findings: i64 = value(&mut client, "SELECT count(*) FROM ingest.doctor()");
    assert_eq!(findings, 0);
}

/// A link is erased alone, and its ends stay.
#[test]
fn erased_link_leaves_its_ends() {
    let database = clinic::database("erase");
    let mut client = database.connect();
    offices(&mut client);
    for (id, version) in [("provider.p,office.o", 2), ("provider.q,office.o", 3)] {
        let erased = erase(&mut client, "worksAt", id, false).unwrap();
        assert_eq!(
            (erased.did(), erased.id.as_str()),
            (("erased", version), id)
        );
    }
    assert_eq!(
        of_office(&mut client, "o"),
        "updated 3, updated 2, created 1"
    );
    assert_eq!(
        clinic::link(&mut client, "q", "o").unwrap().did(),
        ("created", 4)
    );
}

/// One old version loses what it held and keeps its place and its author; the current one is not
/// erased so.
#[test]
fn erased_version_keeps_its_place() {
    let database = clinic::database("erase");
    let mut client = database.connect();
    offices(&mut client);
    assert_eq!(
        erase_version(&mut client, "o", 1).unwrap().did(),
        ("erased", 1)
    );
    assert_eq!(
        of_office(&mut client, "o"),
        "updated 3, updated 2, erased 1"
    );
    let left: Value = value(
        &mut client,
        "SELECT to_jsonb(h) - '{id,version,created_at,updated_at,ended_at,profile_version,updated_by}'::text[] #- '{erased,at}'
         FROM clinic.office_history AS h WHERE version = 1 AND id = 'o'",
    );
    let erased = json!({"by": "postgres", "reason": "asked for"});
    assert_eq!(
        left,
        json!({"data": null, "contained": null, "context": null, "updated_by_login": null, "erased": erased})
    );
    // The resource lives: what is told is of the version, however it is asked for.
    for call in [
        "resource_read('clinic', 'office', 'o', 1)",
        "resource_read_at('clinic', 'office', 'o', (SELECT updated_at FROM clinic.office_history WHERE id = 'o' AND version = 1))",
        "resource_restore('clinic', 'office', 'o', 1)",
    ] {
        let refused = client.batch_execute(&format!("SELECT ingest.{call}"));
        let refused = expect_sqlstate(refused, "PT410");
        assert_eq!(
            refused.message(),
            "version 1 of office holds nothing: it is a deletion, or was erased",
            "{call}"
        );
    }
    for (version, sqlstate) in [(1, "PT410"), (3, "PT409"), (4, "PT404"), (0, "PT404")] {
        expect_sqlstate(erase_version(&mut client, "o", version), sqlstate);
    }
    clinic::delete(&mut client, OFFICE, "o", None, true).unwrap();
    expect_sqlstate(erase_version(&mut client, "o", 4), "PT410");
    assert_eq!(
        erase_version(&mut client, "o", 3).unwrap().did(),
        ("erased", 3)
    );
}

/// A history is cut at its old end, in batches, without a gap, and what is before is told as gone.
#[test]
fn pruned_history_has_no_gap_after_the_oldest_kept() {
    let database = clinic::database("erase");
    let mut client = database.connect();
    client
        .batch_execute(
            "INSERT INTO clinic.office (id, data) SELECT 'o' || n, '{}' FROM generate_series(1, 3) AS n;
             DO $$ BEGIN FOR n IN 1..9 LOOP
                 UPDATE clinic.office SET data = jsonb_build_object('note', n::text); END LOOP; END $$;
             DELETE FROM clinic.office WHERE id = 'o3'",
        )
        .unwrap();
    // A sign too many would take all, of what has just ended too.
    for wrong in [
        "NULL",
        "keep => 0",
        "'1 day', 1, 0",
        "'-1 day'",
        "'1 month -31 days', 3",
        "'1 day -25 hours'",
        "'1001 years'",
        "'178000000 years', 2",
    ] {
        expect_sqlstate(prune(&mut client, wrong), "PT400");
    }
    assert_eq!(prune(&mut client, "older => '1 hour'").unwrap(), 0);
    assert_eq!(prune(&mut client, "'1 hour', 2").unwrap(), 0);
    let begun: String = value(
        &mut client,
        "SELECT created_at::text FROM clinic.office WHERE id = 'o1'",
    );
    let (mut batches, mut pruned) = (0, 0);
    loop {
        let count = prune(&mut client, "keep => 4, \"limit\" => 5").unwrap();
        pruned += count;
        batches += 1;
        let gaps: i64 = value(
            &mut client,
            "SELECT count(*) FROM (SELECT id FROM (SELECT id, version FROM clinic.office
                 UNION ALL SELECT id, version FROM clinic.office_history) AS v
                 GROUP BY id HAVING max(version) - min(version) + 1 <> count(*)) AS gap",
        );
        assert_eq!(gaps, 0);
        if count == 0 {
            break;
        }
    }
    assert_eq!((batches, pruned), (5, 19));
    assert_eq!(
        of_office(&mut client, "o1"),
        "updated 10, updated 9, updated 8, updated 7"
    );
    assert_eq!(
        of_office(&mut client, "o3"),
        "deleted 11, updated 10, updated 9, updated 8"
    );
    for gone in [
        "resource_read('clinic', 'office', 'o1', 6)".to_owned(),
        format!("resource_read_at('clinic', 'office', 'o1', '{begun}')"),
    ] {
        let refused = client.batch_execute(&format!("SELECT ingest.{gone}"));
        let refusal = expect_sqlstate(refused, "PT410");
        assert!(
            refusal.message().contains("before version 7"),
            "{refusal:?}"
        );
    }
    // Of what is over, only its end is kept; and an end stays as long as it is the newest.
    client.batch_execute("SELECT pg_sleep(0.01)").unwrap();
    assert_eq!(prune(&mut client, "older => '1 ms'").unwrap(), 9);
    assert_eq!(of_office(&mut client, "o1"), "updated 10");
    assert_eq!(of_office(&mut client, "o3"), "deleted 11");
    assert_eq!(prune(&mut client, "older => '1 ms', keep => 1").unwrap(), 0);
    let again = clinic::create_as(&mut client, OFFICE, "o3", &json!({"data": {}})).unwrap();
    assert_eq!(again.did(), ("created", 12));
    clinic::delete(&mut client, OFFICE, "o1", None, false).unwrap();
    assert_eq!(of_office(&mut client, "o1"), "deleted 11, updated 10");
}

/// What is pruned is what was over by then: the version that was in force at the cut stays.
#[test]
fn version_in_force_at_the_cut_is_kept() {
    let database = clinic::database("erase");
    let mut client = database.connect();
    client
        .batch_execute(
            "INSERT INTO clinic.office (id, data) VALUES ('o', '{\"note\": \"1\"}');
             UPDATE clinic.office SET data = '{\"note\": \"2\"}'; SELECT pg_sleep(0.4);
             UPDATE clinic.office SET data = '{\"note\": \"3\"}'",
        )
        .unwrap();
    assert_eq!(prune(&mut client, "older => '200 ms'").unwrap(), 1);
    assert_eq!(of_office(&mut client, "o"), "updated 3, updated 2");
}

/// A reason is given, and is no place for a document.
#[test]
fn reason_that_is_none_is_refused() {
    let database = clinic::database("erase");
    let mut client = database.connect();
    offices(&mut client);
    for (reason, sqlstate) in [(" ".to_owned(), "PT400"), ("x".repeat(1001), "PT413")] {
        for call in [
            format!("resource_erase('clinic', 'office', 'other', '{reason}', true)"),
            format!("version_erase('clinic', 'office', 'o', 1, '{reason}')"),
        ] {
            expect_sqlstate(written(&mut client, &call), sqlstate);
        }
    }
}

/// Policies that bind who owns all hide nothing from an erasure; those that could hide a row, because
/// a table is of another than the schema, stop it: nothing is erased by halves.
#[test]
fn policies_that_could_hide_what_is_to_go_stop_an_erasure() {
    let mut database = clinic::database("erase");
    let owner = database.create_role("owner", "");
    let mut client = database.connect();
    offices(&mut client);
    client
        .batch_execute(&format!(
            "ALTER SCHEMA clinic OWNER TO \"{owner}\";
             GRANT ALL ON ALL TABLES IN SCHEMA clinic TO \"{owner}\";
             REVOKE TRIGGER, TRUNCATE, REFERENCES ON ALL TABLES IN SCHEMA clinic FROM \"{owner}\";
             ALTER TABLE clinic.office_history ENABLE ROW LEVEL SECURITY"
        ))
        .unwrap();
    for call in [
        "resource_erase('clinic', 'office', 'other', 'asked for', true)",
        "version_erase('clinic', 'office', 'o', 1, 'asked for')",
    ] {
        expect_sqlstate(written(&mut client, call), "PT409");
    }
    expect_sqlstate(prune(&mut client, "keep => 1"), "PT409");
    for table in [
        "office",
        "office_history",
        "\"worksAt\"",
        "\"worksAt_history\"",
    ] {
        client
            .batch_execute(&format!(
                "ALTER TABLE clinic.{table} OWNER TO \"{owner}\";
                 ALTER TABLE clinic.{table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
            ))
            .unwrap();
    }
    assert_eq!(prune(&mut client, "keep => 2").unwrap(), 1);
    let erased = erase(&mut client, OFFICE, "o", true).unwrap();
    assert_eq!(erased.did(), ("erased", 4));
    assert_eq!(of_office(&mut client, "o"), "erased 4");
}

/// A required reference keeps its target from being erased, as from being deleted.
#[test]
fn target_of_an_enforced_reference_is_not_erased() {
    let database = clinic::database("erase");
    let mut client = database.connect();
    let visit = json!({"type": "ROOT", "properties": {
        "office": {"type": "reference", "target": ["office"], "enforce": true}}});
    clinic::define(&mut client, "clinic", "visit", &visit).unwrap();
    client
        .batch_execute(
            "INSERT INTO clinic.office (id, data) VALUES ('o', '{}');
             INSERT INTO clinic.visit (id, data) VALUES ('v', '{\"office\": {\"reference\": \"office/o\"}}')",
        )
        .unwrap();
    expect_sqlstate(erase(&mut client, OFFICE, "o", true), "PT409");
    client.batch_execute("DELETE FROM clinic.visit").unwrap();
    erase(&mut client, OFFICE, "o", true).unwrap();
}

/// Who makes the id again meanwhile waits, and goes on from the marker: whether it was there or was
/// deleted before.
#[test]
fn id_made_again_while_it_is_erased_goes_on_from_the_marker() {
    let database = clinic::database("erase");
    let mut client = database.connect();
    let mut other = database.connect();
    let pid: i32 = value(&mut other, "SELECT pg_backend_pid()");
    for (deleted, marker) in [(false, 2), (true, 5)] {
        if !deleted {
            client
                .batch_execute("INSERT INTO clinic.office (id, data) VALUES ('o', '{}')")
                .unwrap();
        } else {
            client.batch_execute("DELETE FROM clinic.office").unwrap();
        }
        client.batch_execute("BEGIN").unwrap();
        assert_eq!(
            erase(&mut client, OFFICE, "o", false).unwrap().did(),
            ("erased", marker)
        );
        let made = std::thread::scope(|scope| {
            let waiting =
                scope.spawn(|| clinic::create_as(&mut other, OFFICE, "o", &json!({"data": {}})));
            let mut watcher = database.connect();
            wait_until_blocked(&mut watcher, pid);
            client.batch_execute("COMMIT").unwrap();
            waiting.join().unwrap()
        });
        // It had seen the row, and is told to look again, or waited before it looked.
        match made {
            Ok(made) => assert_eq!(made.did(), ("created", marker + 1)),
            Err(error) => {
                expect_sqlstate(Err::<(), _>(error), "40001");
                clinic::create_as(&mut other, OFFICE, "o", &json!({"data": {}})).unwrap();
            }
        }
        assert_eq!(
            of_office(&mut client, "o"),
            format!("created {}, erased {marker}", marker + 1)
        );
    }
}

/// The files of a database that have this in them.
fn files_with(client: &mut Client, needle: &str) -> Vec<String> {
    client.batch_execute("CHECKPOINT").unwrap();
    client
        .query(
            "SELECT c.oid::regclass::text FROM pg_class AS c
             WHERE pg_relation_filepath(c.oid) IS NOT NULL AND NOT c.relisshared
                 AND position(convert_to($1, 'UTF8') IN pg_read_binary_file(pg_relation_filepath(c.oid))) > 0
             ORDER BY 1",
            &[&needle],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// VACUUM FULL of each table of this database. Without a list it would take those that all databases
/// share, too: whoever then connects waits for it, and it for every open transaction.
fn rewrite(client: &mut Client) {
    let tables: String = value(
        client,
        "SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
         WHERE relkind IN ('r', 'm') AND NOT relisshared AND relpersistence <> 't'",
    );
    let sql = format!("VACUUM FULL {tables}");
    client.batch_execute(&sql).unwrap();
}

/// Rewrites all tables until nothing is left of these. What a transaction may still see that began
/// before is kept, and a session of any database that is just starting counts as one.
fn vacuum(client: &mut Client, needles: &[&str]) {
    let began = Instant::now();
    loop {
        client.batch_execute("ANALYZE").unwrap();
        rewrite(client);
        let left: Vec<_> = needles
            .iter()
            .flat_map(|at| files_with(client, at))
            .collect();
        if left.is_empty() {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{left:?}");
    }
}

/// How many columns and expressions have samples with this in them.
fn samples_with(client: &mut Client, needle: &str) -> i64 {
    client.batch_execute("ANALYZE").unwrap();
    let sql = format!(
        "SELECT count(*) FROM pg_stats
         WHERE position('{needle}' IN concat(most_common_vals, histogram_bounds, most_common_elems)) > 0"
    );
    value(client, &sql)
}

/// Nothing of the document is left in any file of the database once its tables are analyzed and
/// rewritten, and nobody can see it any more: rows, history, indexes, links, the catalog, keys of
/// requests, statistics.
#[test]
fn erased_document_is_in_no_file_after_vacuum_full() {
    let database = clinic::database("erase");
    let mut client = database.connect();
    offices(&mut client);
    let definition = json!({"type": "ROOT", "indexes": [["name"]], "properties": {
        "name": {"type": "symbol"}, "note": {"type": "symbol"}}});
    clinic::define(&mut client, "clinic", "office", &definition).unwrap();
    client
        .batch_execute(&format!(
            "SELECT ingest.resource_create('clinic', 'office', '{{\"data\": {{\"name\": \"{NEEDLE}\"}}}}', 'e', request_key => 'k');
             UPDATE clinic.office SET data = '{{\"name\": \"{NEEDLE}\", \"note\": \"n\"}}' WHERE id = 'e';
             INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p', 'e')"
        ))
        .unwrap();
    let found = files_with(&mut client, NEEDLE);
    assert!(found.len() >= 3, "{found:?}");
    assert!(samples_with(&mut client, NEEDLE) > 0);
    let mut reader = database.connect();
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1";
    reader.batch_execute(begin).unwrap();
    erase(&mut client, OFFICE, "e", true).unwrap();
    rewrite(&mut client);
    assert!(!files_with(&mut client, NEEDLE).is_empty());
    let seen = "SELECT count(*) FROM clinic.office WHERE id = 'e'";
    assert_eq!(value::<i64>(&mut reader, seen), 1);
    drop(reader);
    vacuum(&mut client, &[NEEDLE]);
    assert_eq!(samples_with(&mut client, NEEDLE), 0);
    // Under its key it is told that it is gone, and nothing is made again.
    let again = format!(
        "SELECT ingest.resource_create('clinic', 'office', '{{\"data\": {{\"name\": \"{NEEDLE}\"}}}}', 'e', request_key => 'k')"
    );
    expect_sqlstate(client.batch_execute(&again), "PT410");
}

/// The same of FHIR, with indexes of its search.
#[test]
fn erased_fhir_resource_is_in_no_file_after_vacuum_full() {
    let Some((_database, mut client)) = hospital::database() else {
        return;
    };
    client
        .batch_execute(&format!(
            "SELECT ingest.search_index('fhir', 'Patient', p) FROM unnest(ARRAY['name', 'identifier', 'birthdate']) AS p;
             SELECT ingest.resource_create('fhir', 'Patient', '{{\"resourceType\": \"Patient\", \"id\": \"e\",
                 \"identifier\": [{{\"system\": \"urn:e\", \"value\": \"{NEEDLE}\"}}], \"name\": [{{\"family\": \"{NEEDLE}\"}}]}}');
             SELECT ingest.resource_patch('fhir', 'Patient', 'e', '{{\"gender\": \"male\"}}')"
        ))
        .unwrap();
    let lower = NEEDLE.to_lowercase();
    assert!(!files_with(&mut client, NEEDLE).is_empty());
    let erased = written(
        &mut client,
        "resource_erase('fhir', 'Patient', 'e', 'asked for')",
    )
    .unwrap();
    assert_eq!(erased.did(), ("erased", 3));
    vacuum(&mut client, &[NEEDLE, &lower]);
    assert_eq!(samples_with(&mut client, NEEDLE), 0);
    for gone in ["'e'", "'e', 1", "'e', 3"] {
        let read = format!("SELECT ingest.resource_read('fhir', 'Patient', {gone})");
        expect_sqlstate(client.batch_execute(&read), "PT410");
    }
    let found: i64 = value(
        &mut client,
        &format!(
            "SELECT count(*) FROM ingest.resource_search('fhir', 'Patient', 'identifier=urn:e|{NEEDLE}')"
        ),
    );
    assert_eq!(found, 0);
    let body = json!({"resourceType": "Patient", "id": "e"});
    let again = client
        .query_one(
            "SELECT outcome::text, version FROM ingest.resource_upsert('fhir', 'Patient', 'e', $1)",
            &[&body],
        )
        .unwrap();
    assert_eq!((again.get(0), again.get(1)), ("created", 4));
}
