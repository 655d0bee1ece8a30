//! Calls with a request_key: made once, however often and by however many they are asked for.

use ingest_tests::cluster::Cluster;
use ingest_tests::server::{backend_pid, user};
use ingest_tests::{Database, PostgRest, expect_sqlstate};
use postgres::{Client, Error, GenericClient};
use serde_json::{Value, json};

use crate::clinic::{self, value};
use crate::fhir_bundle::{self, patient, post, statuses, transaction};
use crate::invariant::{assert_sound, at_once, sqlstate, wait_until_blocked, written};

/// A call that writes, with a place for its key.
struct Verb {
    name: &'static str,
    call: &'static str,
    /// The same of something else.
    other: &'static str,
    /// How many rows it makes.
    rows: i64,
}

/// Every verb that takes a key, in a source with the offices a and b and the provider p.
const VERBS: [Verb; 6] = [
    Verb {
        name: "resource_create",
        call: "SELECT to_jsonb(t) FROM ingest.resource_create('clinic', 'office', '{\"data\": {\"name\": \"x\", \"note\": \"y\"}}', request_key => $1) AS t",
        other: "SELECT to_jsonb(t) FROM ingest.resource_create('clinic', 'office', '{\"data\": {\"name\": \"x\"}}', request_key => $1) AS t",
        rows: 1,
    },
    Verb {
        name: "resource_create in FHIR",
        call: "SELECT to_jsonb(t) FROM ingest.resource_create('f', 'Patient', '{\"resourceType\": \"Patient\"}', request_key => $1) AS t",
        other: "SELECT to_jsonb(t) FROM ingest.resource_create('f', 'Patient', '{\"resourceType\": \"Patient\"}', 'p', request_key => $1) AS t",
        rows: 1,
    },
    Verb {
        name: "resource_load",
        call: "SELECT jsonb_agg(to_jsonb(t)) FROM ingest.resource_load('clinic', 'office', '[{\"data\": {}}, {\"data\": {\"name\": 1}}, {\"data\": {}, \"id\": \"a\"}, {\"data\": {}}]', on_error => 'report', request_key => $1) AS t",
        other: "SELECT jsonb_agg(to_jsonb(t)) FROM ingest.resource_load('clinic', 'office', '[{\"data\": {}}, {\"data\": {\"name\": 1}}, {\"data\": {}, \"id\": \"a\"}, {\"data\": {}}]', 'upsert', on_error => 'report', request_key => $1) AS t",
        rows: 2,
    },
    Verb {
        name: "relationship_link",
        call: "SELECT to_jsonb(t) FROM ingest.relationship_link('clinic', 'worksAt', '{\"from\": {\"id\": \"p\", \"type\": \"provider\"}, \"to\": {\"id\": \"a\", \"type\": \"office\"}}', $1) AS t",
        other: "SELECT to_jsonb(t) FROM ingest.relationship_link('clinic', 'worksAt', '{\"from\": {\"id\": \"p\", \"type\": \"provider\"}, \"to\": {\"id\": \"b\", \"type\": \"office\"}}', $1) AS t",
        rows: 1,
    },
    Verb {
        name: "relationship_load",
        call: "SELECT jsonb_agg(to_jsonb(t)) FROM ingest.relationship_load('clinic', 'worksAt', '[{\"from\": {\"id\": \"p\", \"type\": \"provider\"}, \"to\": {\"id\": \"a\", \"type\": \"office\"}}]', request_key => $1) AS t",
        other: "SELECT jsonb_agg(to_jsonb(t)) FROM ingest.relationship_load('clinic', 'worksAt', '[]', request_key => $1) AS t",
        rows: 1,
    },
    Verb {
        name: "bundle_apply",
        call: "SELECT ingest.bundle_apply('clinic', '{\"operations\": [{\"operation\": \"create\", \"profile\": \"office\", \"body\": {\"data\": {}}}, {\"operation\": \"patch\", \"profile\": \"office\", \"id\": \"a\", \"patch\": [{\"op\": \"add\", \"path\": \"/data/note\", \"value\": \"n\"}]}, {\"operation\": \"delete\", \"profile\": \"office\", \"id\": \"b\"}]}', $1)",
        other: "SELECT ingest.bundle_apply('clinic', '{\"operations\": [{\"operation\": \"create\", \"profile\": \"office\", \"body\": {\"data\": {}}}]}', $1)",
        rows: 0,
    },
];

const OFFICES: &str = "INSERT INTO clinic.office (id, data) VALUES ('a', '{}'), ('b', '{}');
     INSERT INTO clinic.provider (id, data) VALUES ('p', '{\"name\": \"p\"}');
     SELECT ingest.source_create('f', '{\"format\": \"fhir\"}')";

fn clinic_with_offices() -> Database {
    let database = clinic::database("retry");
    build(&mut database.connect());
    database
}

/// The offices, and a source of FHIR.
fn build(client: &mut Client) {
    client.batch_execute(OFFICES).unwrap();
    client
        .execute(
            "SELECT ingest.fhir_import('f', $1, ARRAY['Patient', 'Observation'])",
            &[&fhir_bundle::types()],
        )
        .unwrap();
}

/// How many rows there are, and how many versions have ended.
fn counts(client: &mut impl GenericClient) -> (i64, i64) {
    let count = |tables: [&str; 4]| {
        tables
            .map(|table| format!("(SELECT count(*) FROM {table})"))
            .join(" + ")
    };
    let rows = count([
        "clinic.office",
        "clinic.provider",
        "clinic.\"worksAt\"",
        "f.\"Patient\"",
    ]);
    let ended = count([
        "clinic.office_history",
        "clinic.provider_history",
        "clinic.\"worksAt_history\"",
        "f.\"Patient_history\"",
    ]);
    let row = client.query_one(&format!("SELECT {rows}, {ended}"), &[]);
    let row = row.unwrap();
    (row.get(0), row.get(1))
}

fn call(client: &mut impl GenericClient, sql: &str, key: &str) -> Result<Value, Error> {
    client.query_one(sql, &[&key]).map(|row| row.get(0))
}

/// What a replay answers: the same, but that it says so.
fn replayed(answer: &Value) -> Value {
    fn change(answer: &mut Value) {
        match answer {
            Value::Array(items) => items.iter_mut().for_each(change),
            Value::Object(members) => {
                for (name, member) in members {
                    match name.as_str() {
                        "outcome" if member.is_string() => *member = json!("replayed"),
                        "operations" => change(member),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let mut answer = answer.clone();
    change(&mut answer);
    answer
}

/// Every verb twice: the second answers as the first, and does nothing. Another body or another
/// argument is told, and so is another role, without a word of what the key was used for.
#[test]
fn verb_called_twice_under_a_key_acts_once() {
    let mut database = clinic_with_offices();
    let role = database.create_role("other", "");
    database.run(&format!(
        "SELECT ingest.source_grant(s, '{role}', 'write') FROM unnest(ARRAY['clinic', 'f']) AS s"
    ));
    for verb in VERBS {
        let copy = Database::copy_of(&database);
        let mut client = copy.connect();
        let before = counts(&mut client);
        let first = call(&mut client, verb.call, "k").unwrap();
        let after = counts(&mut client);
        assert_ne!(before, after, "{}", verb.name);
        assert_eq!(after.0 - before.0, verb.rows, "{}", verb.name);
        let second = call(&mut client, verb.call, "k").unwrap();
        assert_eq!(second, replayed(&first), "{}", verb.name);
        // In a new session, too.
        let third = call(&mut copy.connect(), verb.call, "k").unwrap();
        assert_eq!(third, second, "{}", verb.name);

        let refused = expect_sqlstate(call(&mut client, verb.other, "k"), "PT422");
        assert_eq!(
            refused.message(),
            "the request_key was used for another request"
        );
        let mut other = copy.connect_as(&role);
        for sql in [verb.call, verb.other] {
            let refused = expect_sqlstate(call(&mut other, sql, "k"), "PT409");
            assert_eq!(refused.message(), "the request_key is another's");
        }
        assert_eq!(counts(&mut client), after, "{}", verb.name);
        assert_sound(&mut client, "clinic");
    }
}

/// What is the same body is a matter of JSONB: the order of members and spaces do not matter, how a
/// number is written does.
#[test]
fn bodies_that_jsonb_prints_alike_are_the_same() {
    let database = clinic_with_offices();
    let mut client = database.connect();
    let mut create = |data: &str, key: &str| {
        let sql = format!(
            "SELECT outcome::text FROM ingest.resource_create('clinic', 'provider', '{data}', request_key => '{key}')"
        );
        client
            .query_one(&sql, &[])
            .map(|row| row.get::<_, String>(0))
    };
    let one = r#"{"data": {"name": "x", "practiceNumber": 1}}"#;
    let alike = r#" {"data":{"practiceNumber":0,"practiceNumber":1, "name":"\u0078"}} "#;
    let other = r#"{"data": {"name": "x", "practiceNumber": 1.0}}"#;
    assert_eq!(create(one, "k").unwrap(), "created");
    assert_eq!(create(alike, "k").unwrap(), "replayed");
    expect_sqlstate(create(other, "k"), "PT422");
    // Another key is another request, and keys are of 1 to 255 bytes.
    assert_eq!(create(one, &"k".repeat(255)).unwrap(), "created");
    for key in [String::new(), "k".repeat(256), "ü".repeat(128)] {
        expect_sqlstate(create(one, &key), "PT400");
    }
}

/// The twin of a call that is under way waits for its end. If that is a commit, it is replayed; if
/// it is a rollback, of the transaction or of a part of it, the twin does the work.
#[test]
fn twin_of_a_call_under_way_waits_for_it() {
    let template = clinic_with_offices();
    for verb in VERBS {
        for commits in [true, false] {
            let database = Database::copy_of(&template);
            let (mut one, mut watcher) = (database.connect(), database.connect());
            let before = counts(&mut watcher);
            let mut transaction = one.transaction().unwrap();
            let first = call(&mut transaction, verb.call, "k").unwrap();
            let mut two = database.connect();
            let pid = backend_pid(&mut two);
            let twin = std::thread::spawn(move || call(&mut two, verb.call, "k").unwrap());
            wait_until_blocked(&mut watcher, pid);
            assert_eq!(counts(&mut watcher), before);
            match commits {
                true => transaction.commit().unwrap(),
                false => transaction.rollback().unwrap(),
            }
            let second = twin.join().unwrap();
            match commits {
                true => assert_eq!(second, replayed(&first), "{}", verb.name),
                false => assert!(!second.to_string().contains("replayed"), "{}", verb.name),
            }
            let third = call(&mut watcher, verb.call, "k").unwrap();
            assert_eq!(third, replayed(&second), "{}", verb.name);
            assert_eq!(
                counts(&mut watcher).0 - before.0,
                verb.rows,
                "{}",
                verb.name
            );
            assert_sound(&mut watcher, "clinic");
        }
    }
}

/// Eight callers with the same keys make each resource once, and nobody meets an error.
#[test]
fn callers_with_the_same_keys_at_once_make_each_once() {
    let database = clinic_with_offices();
    const KEYS: usize = 40;
    let made = at_once(&database, 8, |caller, mut client| {
        (0..KEYS)
            .filter(|round| {
                let key = (round * 7 + caller * 3) % KEYS;
                let call = format!(
                    "resource_create('clinic', 'office', '{{\"data\": {{\"name\": \"{key}\"}}}}', request_key => 'k{key}')"
                );
                let did = written(&mut client, &call).unwrap();
                assert_eq!(did.data()["name"], json!(key.to_string()));
                did.outcome == "created"
            })
            .count()
    });
    assert_eq!(made.iter().sum::<usize>(), KEYS);
    assert_eq!(counts(&mut database.connect()), (3 + KEYS as i64, 0));
}

/// Within one transaction a key holds at once, and a savepoint that is rolled back takes it along.
#[test]
fn key_used_twice_in_a_transaction_acts_once() {
    let database = clinic_with_offices();
    for verb in VERBS {
        let copy = Database::copy_of(&database);
        let mut client = copy.connect();
        let before = counts(&mut client).0;
        let mut transaction = client.transaction().unwrap();
        let mut part = transaction.savepoint("s").unwrap();
        call(&mut part, verb.call, "k").unwrap();
        part.rollback().unwrap();
        let first = call(&mut transaction, verb.call, "k").unwrap();
        let second = call(&mut transaction, verb.call, "k").unwrap();
        assert_eq!(second, replayed(&first), "{}", verb.name);
        transaction.commit().unwrap();
        assert_eq!(counts(&mut client).0 - before, verb.rows, "{}", verb.name);
    }
    let mut client = database.connect();
    let twice = "SELECT count(*) FILTER (WHERE (made).outcome = 'created'), count(*) FROM (
         SELECT ingest.resource_create('clinic', 'office', '{\"data\": {}}', request_key => 'k') AS made
         FROM generate_series(1, 5) OFFSET 0) AS t";
    let row = client.query_one(twice, &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 5));
}

/// A call that is refused keeps nothing, and neither does one that has written nothing: its key is
/// free for what works.
#[test]
fn call_that_writes_nothing_keeps_no_key() {
    let mut database = clinic_with_offices();
    let role = database.create_role("reader", "");
    database.run(&format!(
        "SELECT ingest.source_grant('clinic', '{role}', 'read')"
    ));
    let mut client = database.connect();
    let wrong =
        "resource_create('clinic', 'office', '{\"data\": {\"name\": 1}}', request_key => 'k')";
    expect_sqlstate(written(&mut client, wrong), "PT422");
    let load = "SELECT count(*) FROM ingest.resource_load('clinic', 'office', $1, on_error => 'report', request_key => 'k')";
    let load = |client: &mut Client, bodies: Value| client.query_one(load, &[&bodies]);
    load(&mut client, json!([{"data": {"name": 1}}])).unwrap();
    load(&mut client, json!([])).unwrap();
    let mut reader = database.connect_as(&role);
    load(&mut reader, json!([])).unwrap();
    expect_sqlstate(load(&mut reader, json!([{"data": {}}])), "42501");
    let kept = "SELECT count(*) FROM ingest.request";
    assert_eq!(client.query_one(kept, &[]).unwrap().get::<_, i64>(0), 0);
    let right = "resource_create('clinic', 'office', '{\"data\": {}}', request_key => 'k')";
    assert_eq!(written(&mut client, right).unwrap().outcome, "created");
}

/// The version that the call made is answered, whatever has become of the resource: changed, deleted,
/// made anew. When it is gone for ever, that is told, and nothing is made.
#[test]
fn replay_answers_with_the_version_that_was_made() {
    let database = clinic_with_offices();
    let mut client = database.connect();
    let create = "resource_create('clinic', 'office', '{\"data\": {\"name\": \"x\"}, \"id\": \"o\"}', request_key => 'k')";
    let made = written(&mut client, create).unwrap();
    for change in [
        "UPDATE clinic.office SET data = '{\"name\": \"y\"}' WHERE id = 'o'",
        "DELETE FROM clinic.office WHERE id = 'o'",
        "INSERT INTO clinic.office (id, data) VALUES ('o', '{\"name\": \"z\"}')",
    ] {
        client.batch_execute(change).unwrap();
        let again = written(&mut client, create).unwrap();
        assert_eq!(again.did(), ("replayed", 1), "{change}");
        assert_eq!(again.updated_at, made.updated_at);
        assert_eq!(again.resource, made.resource);
    }
    client
        .batch_execute("SELECT ingest.profile_purge('clinic', 'office', cascade => true)")
        .unwrap();
    expect_sqlstate(written(&mut client, create), "PT410");
    // Another's, under the same id and with the same version.
    client
        .batch_execute(
            "INSERT INTO clinic.office (id, data) VALUES ('o', '{\"name\": \"theirs\"}')",
        )
        .unwrap();
    expect_sqlstate(written(&mut client, create), "PT410");
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.office"),
        1
    );
}

/// What a request made and was erased since, all of it or that version alone, is not made again, and
/// not told: nothing of it is kept with the key.
#[test]
fn replay_of_what_was_erased_is_gone() {
    let database = clinic_with_offices();
    let mut client = database.connect();
    let secret = "f3a9c1d27b";
    let create = |key: &str| {
        let body = json!({"data": {"name": secret}, "id": key});
        format!("resource_create('clinic', 'office', '{body}', request_key => '{key}')")
    };
    for (key, erase) in [
        (
            "whole",
            "SELECT ingest.resource_erase('clinic', 'office', 'whole', 'asked for')",
        ),
        (
            "one",
            "UPDATE clinic.office SET data = '{}' WHERE id = 'one';
             SELECT ingest.version_erase('clinic', 'office', 'one', 1, 'asked for')",
        ),
    ] {
        written(&mut client, &create(key)).unwrap();
        client.batch_execute(erase).unwrap();
        expect_sqlstate(written(&mut client, &create(key)), "PT410");
    }
    let told = "SELECT string_agg(r::text, ' ') FROM ingest.request AS r";
    assert!(!value::<String>(&mut client, told).contains(secret));
    let made = "SELECT count(*) FROM clinic.office WHERE id = 'whole'";
    assert_eq!(value::<i64>(&mut client, made), 0);
}

/// A policy that hides the resource from who retries hides it from the answer.
#[test]
fn replay_shows_nothing_that_a_policy_hides() {
    let mut database = clinic_with_offices();
    let role = database.create_role("app", "");
    database.run(&format!(
        "SELECT ingest.source_grant('clinic', '{role}', 'write');
         ALTER TABLE clinic.office ENABLE ROW LEVEL SECURITY;
         CREATE POLICY tenant ON clinic.office USING (data ->> 'name' = current_setting('app.tenant', true));
         SELECT ingest.source_secure('clinic')"
    ));
    let mut client = database.connect_as(&role);
    let create = "resource_create('clinic', 'office', '{\"data\": {\"name\": \"red\"}}', request_key => 'k')";
    client.batch_execute("SET app.tenant = 'red'").unwrap();
    written(&mut client, create).unwrap();
    client.batch_execute("SET app.tenant = 'blue'").unwrap();
    expect_sqlstate(written(&mut client, create), "PT410");
    client.batch_execute("SET app.tenant = 'red'").unwrap();
    assert_eq!(written(&mut client, create).unwrap().did(), ("replayed", 1));
    // Nobody sees the keys, whoever is granted them by mistake.
    let seen = "SELECT count(*) FROM ingest.request";
    expect_sqlstate(client.query_one(seen, &[]), "42501");
    database.run(&format!(
        "GRANT SELECT ON ALL TABLES IN SCHEMA ingest TO \"{role}\""
    ));
    assert_eq!(client.query_one(seen, &[]).unwrap().get::<_, i64>(0), 0);
}

/// Under stricter isolation a request that was made since is 40001, and a retry of the transaction is
/// a replay.
#[test]
fn stricter_isolation_meets_only_40001() {
    let template = clinic_with_offices();
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        for verb in VERBS {
            let database = Database::copy_of(&template);
            let (mut one, mut two) = (database.connect(), database.connect());
            let begin = format!("BEGIN ISOLATION LEVEL {level}; SELECT 1");
            two.batch_execute(&begin).unwrap();
            let first = call(&mut one, verb.call, "k").unwrap();
            let refused = call(&mut two, verb.call, "k").unwrap_err();
            assert_eq!(sqlstate(&refused), "40001", "{}", verb.name);
            two.batch_execute("ROLLBACK").unwrap();
            two.batch_execute(&begin).unwrap();
            let second = call(&mut two, verb.call, "k").unwrap();
            assert_eq!(second, replayed(&first), "{}", verb.name);
            two.batch_execute("COMMIT").unwrap();
        }
    }
}

/// A session that is ended between its commit and its answer, and a server that is killed then: the
/// retry is answered, and nothing is there twice.
#[test]
fn call_killed_between_commit_and_answer_is_replayed() {
    // Who commits waits for a standby that never comes: what he has done is durable, and not told.
    let cluster = Cluster::start(
        "retry",
        &[
            "synchronous_standby_names=nobody",
            "synchronous_commit=local",
            "fsync=on",
            "full_page_writes=on",
        ],
    );
    let mut client = cluster.connect("postgres");
    client.batch_execute("CREATE EXTENSION ingest_ext").unwrap();
    clinic::build(&mut client);
    build(&mut client);
    for verb in VERBS {
        for killed in [false, true] {
            let mut watcher = cluster.connect("postgres");
            watcher
                .batch_execute("DELETE FROM clinic.\"worksAt\"; INSERT INTO clinic.office (id, data) VALUES ('b', '{}') ON CONFLICT DO NOTHING")
                .unwrap();
            let key = format!("{} {killed}", verb.name);
            let before = counts(&mut watcher).0;
            let mut lost = cluster.connect("postgres");
            lost.batch_execute("SET synchronous_commit = on").unwrap();
            let pid = backend_pid(&mut lost);
            let own = key.clone();
            let unanswered = std::thread::spawn(move || call(&mut lost, verb.call, &own));
            let waits =
                "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep'";
            while watcher.query_one(waits, &[&pid]).unwrap().get::<_, i64>(0) == 0 {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            // It is not there yet for anybody.
            assert_eq!(counts(&mut watcher).0, before);
            match killed {
                false => {
                    watcher
                        .execute("SELECT pg_terminate_backend($1)", &[&pid])
                        .unwrap();
                }
                true => {
                    drop(watcher);
                    ingest_tests::cluster::kill(&[u32::try_from(pid).unwrap()]);
                }
            }
            assert!(unanswered.join().unwrap().is_err(), "{key}");
            // A server that restarts may take a connection, and lose it.
            let (mut retry, again) = loop {
                let mut retry = cluster.connect("postgres");
                match call(&mut retry, verb.call, &key) {
                    Ok(again) => break (retry, again),
                    Err(error) => assert!(killed, "{error:?}"),
                }
            };
            assert!(again.to_string().contains("replayed"), "{key}: {again}");
            assert_eq!(counts(&mut retry).0 - before, verb.rows, "{key}");
            assert_sound(&mut retry, "clinic");
        }
    }
}

/// A trigger of the user's own that makes a call under the key of the call around it is refused.
#[test]
fn key_used_within_its_own_call_is_a_conflict() {
    let database = clinic_with_offices();
    database.run(
        "CREATE FUNCTION public.more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF pg_trigger_depth() < 2 THEN
                 PERFORM ingest.resource_create('clinic', 'office', '{\"data\": {}}', request_key => 'k');
             END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER more BEFORE INSERT ON clinic.office FOR EACH ROW EXECUTE FUNCTION public.more()",
    );
    let mut client = database.connect();
    let create = "resource_create('clinic', 'office', '{\"data\": {}}', request_key => 'k')";
    expect_sqlstate(written(&mut client, create), "PT409");
}

/// A Bundle is answered again with the same statuses, ids and versions; what it reads is read now.
#[test]
fn bundles_of_fhir_are_answered_again() {
    let (_database, mut client) = fhir_bundle::database("retry");
    let apply = |client: &mut Client, bundle: &Value, key: &str| {
        let sql = "SELECT ingest.bundle_apply('fhir', $1, $2)";
        client
            .query_one(sql, &[bundle, &key])
            .map(|row| row.get::<_, Value>(0))
    };
    let unless = |value: &str| {
        let create = post(
            "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a",
            &patient(value),
        );
        fhir_bundle::with(create, "ifNoneExist", &format!("identifier={value}"))
    };
    let mut twin = unless("1");
    twin["fullUrl"] = json!("urn:uuid:71ebe359-bfdc-4613-8bf2-c5e300945f0a");
    let read = json!({"request": {"method": "GET", "url": "Patient?identifier=1"}});
    let gone = json!({"request": {"method": "DELETE", "url": "Patient/nobody"}});
    let bundle = transaction(&[unless("1"), twin, read, gone]);
    let first = apply(&mut client, &bundle, "k").unwrap();
    let entries = first["entry"].as_array().unwrap().clone();
    let told = statuses(&entries);
    assert_eq!(told, ["201", "200", "200", "204"]);
    assert_eq!(apply(&mut client, &bundle, "k").unwrap(), first);
    assert_eq!(fhir_bundle::count(&mut client, "Patient"), 1);

    let mut bundle = transaction(&[
        post(
            "urn:uuid:81ebe359-bfdc-4613-8bf2-c5e300945f0a",
            &patient("2"),
        ),
        post(
            "urn:uuid:91ebe359-bfdc-4613-8bf2-c5e300945f0a",
            &json!({"resourceType": "Patient", "active": "yes"}),
        ),
        json!({"request": {"method": "GET", "url": "Patient/nobody"}}),
    ]);
    bundle["type"] = json!("batch");
    let first = apply(&mut client, &bundle, "b").unwrap();
    let entries = first["entry"].as_array().unwrap().clone();
    let told = statuses(&entries);
    assert_eq!(told, ["201", "422", "404"]);
    assert_eq!(apply(&mut client, &bundle, "b").unwrap(), first);
    assert_eq!(fhir_bundle::count(&mut client, "Patient"), 2);
}

/// Without a key nothing is asked of the table of keys, and no lock of theirs is taken.
#[test]
fn call_without_a_key_touches_nothing_of_keys() {
    let database = clinic_with_offices();
    for verb in VERBS {
        let copy = Database::copy_of(&database);
        let mut client = copy.connect();
        let mut transaction = client.transaction().unwrap();
        let touched = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()
             AND (relation = 'ingest.request'::regclass OR locktype = 'advisory' AND objsubid = 5)";
        transaction.query_one(verb.call, &[&None::<&str>]).unwrap();
        assert_eq!(value::<i64>(&mut transaction, touched), 0, "{}", verb.name);
        transaction.execute(verb.other, &[&"k"]).unwrap();
        assert!(value::<i64>(&mut transaction, touched) > 0, "{}", verb.name);
    }
}

/// Old keys are forgotten, by those who may define, in their sources, and so many at a time; then the
/// call is a new one.
#[test]
fn keys_are_forgotten_by_who_may_define() {
    let mut database = clinic_with_offices();
    let owner = database.create_role("owner", "");
    let writer = database.create_role("writer", "");
    database.run(&format!(
        "GRANT CREATE ON DATABASE \"{}\" TO \"{owner}\";
         GRANT EXECUTE ON FUNCTION ingest.source_create(text, jsonb), ingest.profile_define(text, text, jsonb),
             ingest.request_prune(interval, integer), ingest.guard(), ingest.archive(), ingest.seal() TO \"{owner}\";
         SELECT ingest.source_grant('clinic', '{writer}', 'write')",
        database.name()
    ));
    let mut theirs = database.connect_as(&owner);
    theirs
        .batch_execute(
            "SELECT ingest.source_create('own');
             SELECT ingest.profile_define('own', 'thing', '{\"type\": \"ROOT\"}')",
        )
        .unwrap();
    let create = |source: &str, profile: &str, key: &str| {
        format!(
            "resource_create('{source}', '{profile}', '{{\"data\": {{}}}}', request_key => '{key}')"
        )
    };
    let mut client = database.connect();
    for key in 0..5 {
        written(&mut client, &create("clinic", "office", &key.to_string())).unwrap();
        written(&mut theirs, &create("own", "thing", &key.to_string())).unwrap();
    }
    client
        .batch_execute(
            "UPDATE ingest.request SET made_at = now() - interval '8 days' WHERE key <> '4'",
        )
        .unwrap();
    let prune = |client: &mut Client, arguments: &str| {
        let sql = format!("SELECT ingest.request_prune({arguments})");
        client.query_one(&sql, &[]).map(|row| row.get::<_, i64>(0))
    };
    expect_sqlstate(prune(&mut database.connect_as(&writer), "'0'"), "42501");
    for wrong in [
        "NULL",
        "'7 days', 0",
        "'7 days', -1",
        "'-7 days'",
        "'-1 us', 1",
        "'178000000 years'",
    ] {
        expect_sqlstate(prune(&mut theirs, wrong), "PT400");
    }
    // One that another transaction is about to forget is not waited for.
    let mut other = client.transaction().unwrap();
    other
        .batch_execute("DELETE FROM ingest.request WHERE source = 'own' AND key = '0'")
        .unwrap();
    assert_eq!(prune(&mut theirs, "'7 days', 2").unwrap(), 2);
    other.rollback().unwrap();
    assert_eq!(prune(&mut theirs, "'7 days'").unwrap(), 2);
    assert_eq!(prune(&mut theirs, "'7 days'").unwrap(), 0);
    assert_eq!(prune(&mut theirs, "'0 days'").unwrap(), 1);
    assert_eq!(prune(&mut client, "'7 days'").unwrap(), 4);
    let again = written(&mut client, &create("clinic", "office", "0")).unwrap();
    assert_eq!(again.outcome, "created");
    let again = written(&mut client, &create("clinic", "office", "4")).unwrap();
    assert_eq!(again.outcome, "replayed");
    // With the source go its keys.
    written(&mut theirs, &create("own", "thing", "x")).unwrap();
    client
        .batch_execute("SELECT ingest.source_drop('own', cascade => true)")
        .unwrap();
    let left = "SELECT count(*) FROM ingest.request WHERE source = 'own'";
    assert_eq!(client.query_one(left, &[]).unwrap().get::<_, i64>(0), 0);
}

/// Nothing of a body is kept with its key.
#[test]
fn bodies_are_not_kept_with_their_keys() {
    let database = clinic_with_offices();
    let mut client = database.connect();
    let secret = "f3a9c1d27b";
    let load = "SELECT count(*) FROM ingest.resource_load('clinic', 'provider', $1, on_error => 'report', request_key => $2)";
    let bodies =
        json!([{"data": {"name": secret}}, {"data": {"name": secret, "practiceNumber": secret}}]);
    client.query_one(load, &[&bodies, &"k"]).unwrap();
    let found = "SELECT count(*) FROM ingest.request AS r WHERE r::text LIKE '%' || $1 || '%'";
    assert_eq!(
        client
            .query_one(found, &[&secret])
            .unwrap()
            .get::<_, i64>(0),
        0
    );
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM ingest.request"),
        1
    );
}

/// By HTTP: the header, quoted or not, or the argument. The answer is the same, 201 with the same
/// version; what takes no key refuses it.
#[test]
fn requests_with_an_idempotency_key_act_once() {
    let database = clinic_with_offices();
    database.run("SELECT ingest.api_create()");
    let rest = PostgRest::start(&database, "ingest_api", &user());
    let post = |verb: &str, key: Option<&str>, call: &Value| {
        let header = key.map(|key| ("Idempotency-Key", key));
        rest.send(
            "POST",
            &format!("/rpc/{verb}"),
            header.as_slice(),
            Some(call),
        )
    };
    let link =
        json!({"from": {"id": "p", "type": "provider"}, "to": {"id": "a", "type": "office"}});
    let bundle =
        json!({"operations": [{"operation": "create", "profile": "office", "body": {"data": {}}}]});
    for (verb, call, status) in [
        (
            "resource_create",
            json!({"source": "clinic", "profile": "office", "body": {"data": {}}}),
            201,
        ),
        (
            "relationship_link",
            json!({"source": "clinic", "relationship": "worksAt", "body": link}),
            201,
        ),
        (
            "bundle_apply",
            json!({"source": "clinic", "bundle": bundle}),
            200,
        ),
    ] {
        let first = post(verb, Some(&format!("\"{verb}\"")), &call);
        assert_eq!(first.status, status, "{first:?}");
        let again = post(verb, Some(verb), &call);
        assert_eq!(again.status, status, "{again:?}");
        assert_eq!(again.body, replayed(&first.body));
        for header in ["etag", "location", "last-modified"] {
            assert_eq!(again.header(header), first.header(header), "{header}");
        }
        let mut argument = call.clone();
        argument["request_key"] = json!(verb);
        assert_eq!(post(verb, None, &argument).body, again.body);
        assert_eq!(post(verb, Some(verb), &argument).status, status);
        assert_eq!(post(verb, Some("other"), &argument).status, 400);
        for wrong in ["\"", "\"a\"b\"", "\"a\\\"", ""] {
            assert_eq!(post(verb, Some(wrong), &call).status, 400, "{wrong}");
        }
        let mut other = call.clone();
        let part = if verb == "bundle_apply" {
            "bundle"
        } else {
            "body"
        };
        other[part]["more"] = json!(1);
        assert_eq!(post(verb, Some(verb), &other).status, 422);
    }
    let patch = json!({"source": "clinic", "profile": "office", "id": "a", "patch": {}});
    assert_eq!(post("resource_patch", Some("k"), &patch).status, 400);
    assert_eq!(post("resource_patch", None, &patch).status, 200);
    let search = json!({"source": "clinic", "profile": "office"});
    assert_eq!(post("resource_search", Some("k"), &search).status, 200);
    let offices = "SELECT count(*) FROM clinic.office";
    assert_eq!(value::<i64>(&mut database.connect(), offices), 4);
}

/// A digest is made of what is stored, not of how it prints: numbers of few bytes have many digits.
#[test]
fn key_of_a_body_of_huge_numbers_takes_no_time() {
    let database = clinic::database("retry");
    let mut client = database.connect();
    client
        .batch_execute("SET statement_timeout = '10s'")
        .unwrap();
    let body = format!(
        "{{\"data\": {{\"name\": [{}1]}}}}",
        "1e131000,".repeat(50_000)
    );
    let refused = client.execute(
        "SELECT ingest.resource_create('clinic', 'office', $1::text::jsonb, NULL, 'key')",
        &[&body],
    );
    expect_sqlstate(refused, "PT422");
}
