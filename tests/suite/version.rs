//! Versions: 1, 2, 3… without a gap, whoever writes, whatever comes in between, and however many
//! write at once.

use std::time::{Duration, Instant};

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, value};

fn named(name: impl Into<Value>) -> Value {
    json!({"data": {"name": name.into()}})
}

/// A resource that is deleted and created again continues where it was, by verbs and by hand.
#[test]
fn versions_after_delete_and_create_continue() {
    let database = clinic::database("version");
    let mut client = database.connect();
    clinic::create_as(&mut client, OFFICE, "o", &named("a")).unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &named("b")).unwrap();
    let gone = clinic::delete(&mut client, OFFICE, "o", None, false).unwrap();
    assert_eq!((gone.did(), &gone.resource), (("deleted", 3), &None));
    expect_sqlstate(
        clinic::delete(&mut client, OFFICE, "o", None, false),
        "PT410",
    );
    expect_sqlstate(clinic::read(&mut client, OFFICE, "o"), "PT410");
    let again = clinic::create_as(&mut client, OFFICE, "o", &named("c")).unwrap();
    assert_eq!(again.did(), ("created", 4));
    assert!(again.updated_at > gone.updated_at);
    client.batch_execute("DELETE FROM clinic.office").unwrap();
    let again = clinic::upsert(&mut client, OFFICE, "o", &named("d")).unwrap();
    assert_eq!(again.did(), ("created", 6));
    client
        .batch_execute(
            "DELETE FROM clinic.office;
             INSERT INTO clinic.office (id, data) VALUES ('o', '{\"name\": \"e\"}');
             UPDATE clinic.office SET data = '{\"name\": \"f\"}'",
        )
        .unwrap();
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2, deleted 3, created 4, deleted 5, created 6, deleted 7, created 8, \
         updated 9"
    );
    // Each version can be read, a tombstone only as what it is.
    for (version, name) in [(1, "a"), (2, "b"), (4, "c"), (6, "d"), (8, "e"), (9, "f")] {
        let sql = format!("SELECT ingest.resource_read('clinic', 'office', 'o', {version})");
        let resource: Value = value(&mut client, &sql);
        assert_eq!(resource["data"], json!({"name": name}));
        assert_eq!(resource["meta"]["versionId"], json!(version.to_string()));
    }
    for (version, sqlstate) in [
        (3, "PT410"),
        (5, "PT410"),
        (0, "PT404"),
        (10, "PT404"),
        (-1, "PT404"),
    ] {
        let sql = format!("SELECT ingest.resource_read('clinic', 'office', 'o', {version})");
        expect_sqlstate(client.query(&sql, &[]), sqlstate);
    }
}

/// Many versions in one transaction each have an instant of their own, later than the one before.
#[test]
fn versions_of_one_transaction_have_increasing_instants() {
    let database = clinic::database("version");
    let mut client = database.connect();
    let mut transaction = client.transaction().unwrap();
    for number in 0..50 {
        clinic::upsert(&mut transaction, OFFICE, "o", &named(format!("{number}"))).unwrap();
    }
    transaction
        .batch_execute(
            "DELETE FROM clinic.office; INSERT INTO clinic.office (id, data) VALUES ('o', '{}')",
        )
        .unwrap();
    transaction.commit().unwrap();
    let story = clinic::story(&mut client, OFFICE, "o");
    assert!(
        story.ends_with("updated 50, deleted 51, created 52"),
        "{story}"
    );
}

/// A point in time names one version.
#[test]
fn instant_of_history_names_one_version() {
    let database = clinic::database("version");
    let mut client = database.connect();
    for name in ["a", "b"] {
        clinic::upsert(&mut client, OFFICE, "o", &named(name)).unwrap();
    }
    clinic::delete(&mut client, OFFICE, "o", None, false).unwrap();
    for name in ["c", "d"] {
        clinic::upsert(&mut client, OFFICE, "o", &named(name)).unwrap();
    }
    let named_versions: Vec<i64> = client
        .query(
            "WITH all_versions AS (
                 SELECT version, updated_at, ended_at FROM clinic.office_history
                 UNION ALL SELECT version, updated_at, NULL FROM clinic.office)
             SELECT count(*) FROM all_versions AS at
             JOIN all_versions AS v ON v.updated_at <= at.updated_at
                  AND (v.ended_at IS NULL OR v.ended_at > at.updated_at)
             GROUP BY at.version",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(named_versions, [1; 5]);
}

/// What a transaction or a savepoint takes back leaves neither version nor history.
#[test]
fn version_rolled_back_leaves_no_gap() {
    let database = clinic::database("version");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "o", &named("a")).unwrap();
    client.batch_execute("BEGIN").unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &named("b")).unwrap();
    client.batch_execute("SAVEPOINT s").unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &named("c")).unwrap();
    clinic::delete(&mut client, OFFICE, "o", None, false).unwrap();
    client.batch_execute("ROLLBACK TO s").unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &named("d")).unwrap();
    client.batch_execute("COMMIT").unwrap();
    client.batch_execute("BEGIN").unwrap();
    clinic::delete(&mut client, OFFICE, "o", None, false).unwrap();
    client.batch_execute("ROLLBACK").unwrap();
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2, updated 3"
    );
}

/// The expected version, in every verb that takes one: the current one passes, any other is stale.
#[test]
fn stale_version_is_refused_by_every_verb() {
    let database = clinic::database("version");
    let mut client = database.connect();
    let made = clinic::upsert_version(&mut client, OFFICE, "o", &named("a"), 0).unwrap();
    assert_eq!(made.did(), ("created", 1));
    for expected in [0, 2, -1, i32::MAX, i32::MIN] {
        for body in [named("a"), named("b")] {
            let refusal = expect_sqlstate(
                clinic::upsert_version(&mut client, OFFICE, "o", &body, expected),
                "PT412",
            );
            let told = match expected {
                0 => "but there is version 1",
                _ => "but it is 1",
            };
            assert!(refusal.message().ends_with(told), "{refusal:?}");
        }
        expect_sqlstate(
            clinic::delete(&mut client, OFFICE, "o", Some(expected), false),
            "PT412",
        );
    }
    let next = clinic::upsert_version(&mut client, OFFICE, "o", &named("b"), 1).unwrap();
    assert_eq!(next.did(), ("updated", 2));
    clinic::delete(&mut client, OFFICE, "o", Some(2), false).unwrap();
    expect_sqlstate(
        clinic::upsert_version(&mut client, OFFICE, "o", &named("b"), 3),
        "PT412",
    );
    let again = clinic::upsert_version(&mut client, OFFICE, "o", &named("b"), 0).unwrap();
    assert_eq!(again.did(), ("created", 4));
}

/// Two writers that read the same version: the second hears of the first.
#[test]
fn two_writers_of_one_version_are_not_both_accepted() {
    let database = clinic::database("version");
    let (mut one, mut two) = (database.connect(), database.connect());
    clinic::upsert(&mut one, OFFICE, "o", &named("a")).unwrap();
    one.batch_execute("BEGIN").unwrap();
    clinic::upsert_version(&mut one, OFFICE, "o", &named("one"), 1).unwrap();
    std::thread::scope(|scope| {
        let late = scope.spawn(|| {
            let by_verb = clinic::upsert_version(&mut two, OFFICE, "o", &named("two"), 1);
            expect_sqlstate(by_verb, "PT412");
            let by_hand = "UPDATE clinic.office SET version = 1, data = '{\"name\": \"two\"}'";
            expect_sqlstate(two.batch_execute(by_hand), "PT412");
        });
        wait_for_a_lock(&database);
        one.batch_execute("COMMIT").unwrap();
        late.join().unwrap();
    });
    assert_eq!(clinic::story(&mut one, OFFICE, "o"), "created 1, updated 2");
}

type Way = fn(&mut Client) -> Result<(), postgres::Error>;

/// The ways to create a resource with an id of one's own.
const WAYS: [(&str, Way); 6] = [
    ("create", |client| {
        clinic::create_as(client, OFFICE, "o", &named("two")).map(drop)
    }),
    ("upsert", |client| {
        clinic::upsert(client, OFFICE, "o", &named("two")).map(drop)
    }),
    ("insert", |client| {
        client.batch_execute("INSERT INTO clinic.office (id, data) VALUES ('o', '{}')")
    }),
    ("insert unless", |client| {
        client.batch_execute(
            "INSERT INTO clinic.office (id, data) VALUES ('o', '{}') ON CONFLICT DO NOTHING",
        )
    }),
    ("merge", |client| {
        client.batch_execute(
            "MERGE INTO clinic.office USING (VALUES (1)) AS v ON id = 'o' \
             WHEN NOT MATCHED THEN INSERT (id, data) VALUES ('o', '{}')",
        )
    }),
    ("copy", |client| {
        clinic::copy(
            client,
            "COPY clinic.office (id, data) FROM STDIN",
            "o\t{}\n",
        )
        .map(drop)
    }),
];

/// An id that is created and deleted in an open transaction, while another session creates it: that
/// one gets the version after the tombstone, or a serialization failure that a retry cures.
#[test]
fn id_created_while_another_creates_and_deletes_it_gets_the_next_version() {
    race(
        "",
        "INSERT INTO clinic.office (id, data) VALUES ('o', '{}'); DELETE FROM clinic.office",
        "COMMIT",
        "created 1, deleted 2, created 3",
    );
}

/// The same when that is undone: the other makes the first version.
#[test]
fn id_created_while_anothers_creation_is_undone_gets_version_1() {
    race(
        "",
        "INSERT INTO clinic.office (id, data) VALUES ('o', '{}'); DELETE FROM clinic.office",
        "ROLLBACK",
        "created 1",
    );
}

/// An id that is deleted in an open transaction, while another session creates it.
#[test]
fn id_created_while_another_deletes_it_gets_the_next_version() {
    race(
        "INSERT INTO clinic.office (id, data) VALUES ('o', '{}')",
        "DELETE FROM clinic.office",
        "COMMIT",
        "created 1, deleted 2, created 3",
    );
}

/// An id that is deleted, created and deleted again in an open transaction.
#[test]
fn id_created_while_another_replaces_and_deletes_it_gets_the_next_version() {
    race(
        "INSERT INTO clinic.office (id, data) VALUES ('o', '{}')",
        "DELETE FROM clinic.office; INSERT INTO clinic.office (id, data) VALUES ('o', '{}'); \
         DELETE FROM clinic.office",
        "COMMIT",
        "created 1, deleted 2, created 3, deleted 4, created 5",
    );
}

/// In each way to create: runs `first` in an open transaction, creates the id in another session,
/// ends the first when that waits, and tells the story.
#[track_caller]
fn race(before: &str, first: &str, end: &str, story: &str) {
    let database = clinic::database("version");
    for (way, create) in WAYS {
        if way == "merge" && !before.is_empty() {
            // It sees the row that is about to go, and has nothing to do.
            continue;
        }
        let mut one = database.connect();
        let mut two = database.connect();
        one.batch_execute(before).unwrap();
        one.batch_execute(&format!("BEGIN; {first}")).unwrap();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                if let Err(error) = create(&mut two) {
                    let failure = expect_sqlstate(Err::<(), _>(error), "40001");
                    assert!(failure.hint().is_some(), "{way}: {failure:?}");
                    // The failure is one that a retry cures.
                    create(&mut two).unwrap_or_else(|error| panic!("{way}: {error:?}"));
                }
            });
            wait_for_a_lock(&database);
            one.batch_execute(end).unwrap();
            other.join().unwrap();
        });
        assert_eq!(clinic::story(&mut one, OFFICE, "o"), story, "{way}");
        // The next way finds an id that never was.
        one.batch_execute(
            "SELECT ingest.profile_drop('clinic', 'office', true); \
             SELECT ingest.profile_define('clinic', 'office', \
                 '{\"type\": \"ROOT\", \"properties\": {\"name\": {\"type\": \"symbol\"}}}')",
        )
        .unwrap();
    }
}

/// One statement that deletes a row and creates it again never makes a version twice.
#[test]
fn row_replaced_in_one_statement_gets_no_version_twice() {
    let database = clinic::database("version");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "o", &named("a")).unwrap();
    let replaced = client.batch_execute(
        "WITH gone AS (DELETE FROM clinic.office RETURNING id, data)
         INSERT INTO clinic.office (id, data) SELECT id, data FROM gone",
    );
    let story = clinic::story(&mut client, OFFICE, "o");
    match replaced {
        Ok(()) => assert_eq!(story, "created 1, deleted 2, created 3"),
        Err(error) => {
            let code = error.code().unwrap().code().to_owned();
            assert!(
                !code.starts_with("40") && !code.starts_with("XX"),
                "no retry cures it, and it is no bug: {error:?}"
            );
            assert_eq!(story, "created 1");
        }
    }
}

/// Several sessions that create, change and delete the same two ids as fast as they can leave
/// histories without a gap, and fail with nothing but what the verbs promise.
#[test]
fn many_writers_of_two_ids_leave_whole_histories() {
    let database = clinic::database("version");
    std::thread::scope(|scope| {
        for writer in 0..4_usize {
            let mut client = database.connect();
            scope.spawn(move || {
                for round in 0..60_usize {
                    let id = ["a", "b"][(writer + round / 3) % 2];
                    let body = named(format!("{writer} {round}"));
                    let result = match (writer * 7 + round * 5) % 8 {
                        0 => clinic::create_as(&mut client, OFFICE, id, &body).map(drop),
                        1..=3 => clinic::upsert(&mut client, OFFICE, id, &body).map(drop),
                        4 => client
                            .execute(
                                "INSERT INTO clinic.office (id, data) VALUES ($1, '{}') \
                                 ON CONFLICT (id) DO UPDATE SET data = excluded.data",
                                &[&id],
                            )
                            .map(drop),
                        5 => client
                            .execute(
                                "UPDATE clinic.office SET data = $2 WHERE id = $1",
                                &[&id, &body["data"]],
                            )
                            .map(drop),
                        6 => client
                            .execute("DELETE FROM clinic.office WHERE id = $1", &[&id])
                            .map(drop),
                        _ => clinic::delete(&mut client, OFFICE, id, None, false).map(drop),
                    };
                    if let Err(error) = result {
                        let code = error.code().map(|code| code.code().to_owned());
                        let promised = ["PT404", "PT409", "PT410", "40001"];
                        assert!(
                            code.as_deref().is_some_and(|code| promised.contains(&code)),
                            "{error:?}"
                        );
                    }
                }
            });
        }
    });
    let mut client = database.connect();
    for id in ["a", "b"] {
        let story = clinic::story(&mut client, OFFICE, id);
        assert!(story.len() > 100, "{story}");
    }
}

/// One session that writes over a row and one that deletes it wait for each other in turn, and
/// never in a circle.
#[test]
fn delete_of_a_row_that_another_writes_over_is_no_deadlock() {
    let database = clinic::database("version");
    let mut holder = database.connect();
    clinic::upsert(&mut holder, OFFICE, "o", &named("a")).unwrap();
    holder
        .batch_execute(
            // Computed after the guard, before PostgreSQL looks whether the row is there.
            "CREATE FUNCTION public.wait(data jsonb) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
             BEGIN
                 IF data ->> 'name' = 'b' THEN PERFORM pg_advisory_xact_lock(1); END IF;
                 RETURN NULL;
             END $$;
             ALTER TABLE clinic.office ADD COLUMN waited text
                 GENERATED ALWAYS AS (public.wait(data)) STORED;
             SELECT pg_advisory_lock(1)",
        )
        .unwrap();
    let (mut writer, mut deleter) = (database.connect(), database.connect());
    std::thread::scope(|scope| {
        // Has passed the guard, and not yet seen that the row is there.
        let writer = scope.spawn(|| {
            writer.batch_execute(
                "INSERT INTO clinic.office (id, data) VALUES ('o', '{\"name\": \"b\"}') \
                 ON CONFLICT (id) DO UPDATE SET data = excluded.data",
            )
        });
        wait_for_locks(&database, 1);
        let deleter =
            scope.spawn(|| clinic::delete(&mut deleter, OFFICE, "o", None, false).map(drop));
        wait_for_locks(&database, 2);
        holder
            .batch_execute("SELECT pg_advisory_unlock(1)")
            .unwrap();
        for result in [writer.join().unwrap(), deleter.join().unwrap()] {
            result.unwrap();
        }
    });
    assert_eq!(
        clinic::story(&mut holder, OFFICE, "o"),
        "created 1, updated 2, deleted 3"
    );
}

/// Waits until a session of this database waits for another.
#[track_caller]
fn wait_for_a_lock(database: &Database) {
    wait_for_locks(database, 1);
}

/// Waits until so many sessions of this database wait for others.
#[track_caller]
fn wait_for_locks(database: &Database, sessions: usize) {
    let mut client = database.connect();
    let began = Instant::now();
    let waiting = "SELECT FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while client.query(waiting, &[]).unwrap().len() < sessions {
        assert!(began.elapsed() < Duration::from_secs(20), "nobody waits");
        std::thread::sleep(Duration::from_millis(2));
    }
}
