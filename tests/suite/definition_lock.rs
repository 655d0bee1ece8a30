//! Definitions beside writers: a drop or a purge never takes what was acknowledged, and what two
//! callers do at once ends as if one came first.

use std::thread::scope;

use ingest_tests::{Database, expect_sqlstate, server};
use postgres::{Client, Error};
use serde_json::json;

use crate::clinic::{self, OFFICE, PROVIDER, value};
use crate::invariant::{assert_sound, numbered, wait_until_blocked};

/// What the second call answers when it had to wait for the first session to end.
fn after_waiting<T: Send>(
    database: &Database,
    writer: &mut Client,
    end: &str,
    second: impl FnOnce(&mut Client) -> Result<T, Error> + Send,
) -> Result<T, Error> {
    let mut waiting = database.connect();
    let pid = server::backend_pid(&mut waiting);
    let mut watcher = database.connect();
    scope(|threads| {
        let waiter = threads.spawn(move || second(&mut waiting));
        wait_until_blocked(&mut watcher, pid);
        writer.batch_execute(end).unwrap();
        waiter.join().unwrap()
    })
}

/// A drop without cascade that waits for a writer keeps what he commits, whatever he wrote and
/// whatever is dropped.
#[test]
fn drops_that_wait_for_a_writer_keep_what_he_commits() {
    for (write, drop, held) in [
        (
            "INSERT INTO clinic.\"Patient\" (id, data) VALUES ('x', '{}')",
            "SELECT ingest.profile_drop('clinic', 'Patient')",
            "clinic.\"Patient\"",
        ),
        (
            "SELECT ingest.resource_create('clinic', 'Patient', '{\"data\": {}}', id => 'x');
             SELECT ingest.resource_delete('clinic', 'Patient', 'x')",
            "SELECT ingest.profile_drop('clinic', 'Patient')",
            "clinic.\"Patient_history\"",
        ),
        (
            "INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p', 'o')",
            "SELECT ingest.relationship_drop('clinic', 'worksAt')",
            "clinic.\"worksAt\"",
        ),
        (
            "COPY clinic.provider (data) FROM PROGRAM 'echo ''{\"name\": \"x\"}'''",
            "SELECT ingest.source_drop('clinic')",
            "clinic.provider",
        ),
    ] {
        let database = clinic::database("definition_lock");
        let mut writer = database.connect();
        if drop.contains("relationship_drop") {
            clinic::upsert(&mut writer, PROVIDER, "p", &json!({"data": {"name": "x"}})).unwrap();
            clinic::upsert(&mut writer, OFFICE, "o", &json!({"data": {}})).unwrap();
        }
        writer.batch_execute("BEGIN").unwrap();
        writer.batch_execute(write).unwrap();
        let dropped = after_waiting(&database, &mut writer, "COMMIT", |client| {
            client.batch_execute(drop)
        });
        expect_sqlstate(dropped, "PT409");
        let rows: i64 = value(&mut writer, &format!("SELECT count(*) FROM {held}"));
        assert!(rows > 0, "{drop} after {write}");
        // One that is undone leaves nothing to keep.
        if !drop.contains("relationship_drop") {
            let database = clinic::database("definition_lock");
            let mut writer = database.connect();
            writer.batch_execute("BEGIN").unwrap();
            writer.batch_execute(write).unwrap();
            after_waiting(&database, &mut writer, "ROLLBACK", |client| {
                client.batch_execute(drop)
            })
            .unwrap();
        }
    }
}

/// A transaction with an old snapshot does not drop or purge what it cannot see.
#[test]
fn drops_and_purges_with_an_old_snapshot_see_the_newest_rows() {
    for isolation in ["REPEATABLE READ", "SERIALIZABLE"] {
        let database = clinic::database("definition_lock");
        let mut old = database.connect();
        let mut other = database.connect();
        let begin = format!("BEGIN ISOLATION LEVEL {isolation}; SELECT 1 FROM clinic.office");
        old.batch_execute(&begin).unwrap();
        clinic::create_as(&mut other, OFFICE, "o", &json!({"data": {}})).unwrap();
        clinic::define(&mut other, "clinic", "later", &json!({"type": "ROOT"})).unwrap();
        let drop = "SELECT ingest.profile_drop('clinic', 'office')";
        old.batch_execute("SAVEPOINT s").unwrap();
        expect_sqlstate(old.batch_execute(drop), "PT409");
        for newer in [
            "SELECT ingest.profile_purge('clinic', 'office')",
            "SELECT ingest.profile_drop('clinic', 'later')",
            "SELECT ingest.source_drop('clinic', true)",
        ] {
            old.batch_execute("ROLLBACK TO s").unwrap();
            expect_sqlstate(old.batch_execute(newer), "40001");
        }
        old.batch_execute("ROLLBACK").unwrap();
        assert_eq!(clinic::story(&mut other, OFFICE, "o"), "created 1");
        assert_sound(&mut other, "clinic");
    }
}

/// A purge that waits for a writer leaves no row whose first versions are gone.
#[test]
fn purge_beside_writers_leaves_whole_histories() {
    let database = clinic::database("definition_lock");
    let mut writer = database.connect();
    for id in ["a", "b"] {
        clinic::create_as(&mut writer, OFFICE, id, &json!({"data": {}})).unwrap();
    }
    writer
        .batch_execute("BEGIN; UPDATE clinic.office SET data = '{\"name\": \"n\"}' WHERE id = 'b'")
        .unwrap();
    let mut late = database.connect();
    let mut purger = database.connect();
    let pid = server::backend_pid(&mut purger);
    let late_pid = server::backend_pid(&mut late);
    let mut watcher = database.connect();
    let purged: i64 = scope(|threads| {
        let purge = threads.spawn(move || {
            value(
                &mut purger,
                "SELECT ingest.profile_purge('clinic', 'office')",
            )
        });
        wait_until_blocked(&mut watcher, pid);
        let write = threads.spawn(move || {
            clinic::create_as(&mut late, OFFICE, "w", &json!({"data": {}})).unwrap();
            clinic::upsert(&mut late, OFFICE, "w", &json!({"data": {"name": "z"}})).unwrap();
        });
        wait_until_blocked(&mut watcher, late_pid);
        writer.batch_execute("COMMIT").unwrap();
        let purged = purge.join().unwrap();
        write.join().unwrap();
        purged
    });
    assert_eq!(purged, 2);
    assert_eq!(
        clinic::story(&mut watcher, OFFICE, "w"),
        "created 1, updated 2"
    );
    assert_sound(&mut watcher, "clinic");
}

/// A purge beside a link in the making is a conflict of ours, and not a foreign key's.
#[test]
fn purge_beside_a_link_in_the_making_is_a_conflict() {
    let database = clinic::database("definition_lock");
    let mut writer = database.connect();
    clinic::upsert(&mut writer, PROVIDER, "p", &json!({"data": {"name": "x"}})).unwrap();
    clinic::upsert(&mut writer, OFFICE, "o", &json!({"data": {}})).unwrap();
    writer.batch_execute("BEGIN").unwrap();
    clinic::link(&mut writer, "p", "o").unwrap();
    let purge =
        |cascade: bool| format!("SELECT ingest.profile_purge('clinic', 'office', {cascade})");
    let purged = after_waiting(&database, &mut writer, "COMMIT", |client| {
        client.batch_execute(&purge(false))
    });
    let refusal = expect_sqlstate(purged, "PT409");
    assert!(refusal.message().contains("worksAt"), "{refusal:?}");
    writer.batch_execute(&purge(true)).unwrap();

    // A table of the user's own that refers to resources.
    clinic::create_as(&mut writer, OFFICE, "mine", &json!({"data": {}})).unwrap();
    writer
        .batch_execute(
            "CREATE TABLE clinic.desk (office text REFERENCES clinic.office (id));
             INSERT INTO clinic.desk VALUES ('mine')",
        )
        .unwrap();
    let refusal = expect_sqlstate(writer.batch_execute(&purge(true)), "PT409");
    assert!(refusal.message().contains("desk"), "{refusal:?}");
    assert!(!format!("{refusal:?}").contains("mine"), "{refusal:?}");
}

/// A purge that a trigger undoes, or fills again, is a conflict, and takes nothing.
#[test]
fn purge_that_a_trigger_undoes_is_a_conflict() {
    for trigger in [
        "CREATE FUNCTION public.mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER mine BEFORE DELETE ON clinic.office FOR EACH ROW EXECUTE FUNCTION public.mine()",
        "CREATE FUNCTION public.mine() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN IF old.id = ''b'' THEN RETURN NULL; END IF; RETURN old; END';
         CREATE TRIGGER mine BEFORE DELETE ON clinic.office FOR EACH ROW EXECUTE FUNCTION public.mine()",
        "CREATE FUNCTION public.mine() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN INSERT INTO clinic.office (data) VALUES (''{}''); RETURN NULL; END';
         CREATE TRIGGER mine AFTER DELETE ON clinic.office FOR EACH ROW EXECUTE FUNCTION public.mine()",
        "CREATE RULE mine AS ON DELETE TO clinic.office DO INSTEAD NOTHING",
    ] {
        let database = clinic::database("definition_lock");
        let mut client = database.connect();
        for id in ["a", "b"] {
            clinic::create_as(&mut client, OFFICE, id, &json!({"data": {}})).unwrap();
        }
        client.batch_execute(trigger).unwrap();
        let purge = "SELECT ingest.profile_purge('clinic', 'office')";
        expect_sqlstate(client.batch_execute(purge), "PT409");
        assert_eq!(clinic::story(&mut client, OFFICE, "a"), "created 1");
        assert_eq!(clinic::story(&mut client, OFFICE, "b"), "created 1");
        assert_sound(&mut client, "clinic");
    }
}

/// Of two who create a source of one name, the second is told that it is there.
#[test]
fn source_created_twice_at_once_is_a_conflict() {
    let database = Database::new("definition_lock");
    let mut first = database.connect();
    let create = "SELECT ingest.source_create('twin')";
    first.batch_execute("BEGIN").unwrap();
    first.batch_execute(create).unwrap();
    let created = after_waiting(&database, &mut first, "COMMIT", |client| {
        client.batch_execute(create)
    });
    expect_sqlstate(created, "PT409");
    first.batch_execute("BEGIN; CREATE SCHEMA by_hand").unwrap();
    let created = after_waiting(&database, &mut first, "COMMIT", |client| {
        client.batch_execute("SELECT ingest.source_create('by_hand')")
    });
    expect_sqlstate(created, "PT409");
}

/// An identity that clashes with what an open transaction wrote names the rows, and no value.
#[test]
fn identity_that_clashes_with_an_open_write_names_the_rows() {
    let database = clinic::database("definition_lock");
    let mut writer = database.connect();
    clinic::define(&mut writer, "clinic", "thing", &numbered("")).unwrap();
    let insert = |id: &str| {
        format!("INSERT INTO clinic.thing (id, data) VALUES ('{id}', '{{\"number\": 424242}}')")
    };
    writer.batch_execute(&insert("one")).unwrap();
    writer.batch_execute("BEGIN").unwrap();
    writer.batch_execute(&insert("two")).unwrap();
    let defined = after_waiting(&database, &mut writer, "COMMIT", |client| {
        clinic::define(client, "clinic", "thing", &numbered("identities"))
    });
    let refusal = expect_sqlstate(defined, "PT409");
    assert!(
        refusal.detail().unwrap().contains("one, two"),
        "{refusal:?}"
    );
    assert!(!format!("{refusal:?}").contains("424242"), "{refusal:?}");
    // The same in a transaction whose snapshot shows one of the two only.
    writer
        .batch_execute("DELETE FROM clinic.thing WHERE id = 'two'")
        .unwrap();
    let mut old = database.connect();
    old.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM clinic.thing")
        .unwrap();
    writer.batch_execute(&insert("three")).unwrap();
    let defined = clinic::define(&mut old, "clinic", "thing", &numbered("identities"));
    let refusal = expect_sqlstate(defined, "PT409");
    assert!(
        refusal.detail().unwrap().contains("one, three"),
        "{refusal:?}"
    );
}

/// A definition from a transaction with an old snapshot answers what is so now, or that a retry
/// is needed.
#[test]
fn definition_with_an_old_snapshot_is_true_or_to_be_retried() {
    let database = clinic::database("definition_lock");
    let mut other = database.connect();
    let (first, second) = (numbered(""), numbered("indexes"));
    clinic::define(&mut other, "clinic", "thing", &first).unwrap();
    let mut old = database.connect();
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM ingest.profile";
    old.batch_execute(begin).unwrap();
    clinic::define(&mut other, "clinic", "thing", &second).unwrap();
    clinic::define(&mut other, "clinic", "new", &first).unwrap();
    old.batch_execute("SAVEPOINT s").unwrap();
    let defined = clinic::define(&mut old, "clinic", "thing", &second).unwrap();
    assert_eq!(
        (&defined["outcome"], &defined["version"]),
        (&json!("unchanged"), &json!(2))
    );
    let defined = clinic::define(&mut old, "clinic", "new", &first).unwrap();
    assert_eq!(defined["outcome"], "unchanged");
    for name in ["thing", "new"] {
        let changed = json!({"type": "ROOT"});
        expect_sqlstate(clinic::define(&mut old, "clinic", name, &changed), "40001");
        old.batch_execute("ROLLBACK TO s").unwrap();
    }
    old.batch_execute("ROLLBACK").unwrap();
    // A source that is newer than the snapshot.
    old.batch_execute(begin).unwrap();
    other
        .batch_execute("SELECT ingest.source_create('later')")
        .unwrap();
    expect_sqlstate(clinic::define(&mut old, "later", "a", &first), "40001");
}

/// A dry run is for who may define in the source, and for nobody else who may read.
#[test]
fn check_by_others_than_definers_is_refused() {
    let mut database = clinic::database("definition_lock");
    let owner = database.create_role("owner", "");
    let reader = database.create_role("reader", "");
    database.run(&format!(
        "ALTER SCHEMA clinic OWNER TO \"{owner}\";
         DO $$ DECLARE t regclass; BEGIN
             FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'clinic'::regnamespace AND relkind = 'r'
             LOOP EXECUTE format('ALTER TABLE %s OWNER TO \"{owner}\"', t); END LOOP;
         END $$;
         SELECT ingest.source_grant('clinic', '{reader}', 'read')"
    ));
    let check = "SELECT * FROM ingest.profile_check('clinic', 'office', '{\"type\": \"ROOT\"}')";
    expect_sqlstate(database.connect_as(&reader).query(check, &[]), "42501");
    database.run(&format!(
        "GRANT EXECUTE ON FUNCTION ingest.profile_check(text, text, jsonb) TO \"{reader}\""
    ));
    expect_sqlstate(database.connect_as(&reader).query(check, &[]), "42501");
    database.run(&format!(
        "SELECT ingest.source_grant('clinic', '{reader}', 'define')"
    ));
    database.connect_as(&reader).query(check, &[]).unwrap();
    database.run(&format!("REVOKE \"{owner}\" FROM \"{reader}\""));
    database.run("DROP EXTENSION ingest_ext CASCADE; DROP SCHEMA clinic CASCADE; DROP SCHEMA IF EXISTS ingest");
}

/// A list of links that waits for the drop of one relationship has those of the others.
#[test]
fn list_of_links_beside_a_drop_has_the_others() {
    let database = crate::clinic::database("definition_lock");
    let mut dropper = database.connect();
    dropper
        .batch_execute(
            r#"SELECT ingest.relationship_define('clinic', 'aside', '{"from": {"profileKey": "provider"}, "to": {"profileKey": "office"}}');
            INSERT INTO clinic.provider (id, data) VALUES ('p', '{"name": "p"}');
            INSERT INTO clinic.office (id, data) VALUES ('o', '{}');
            INSERT INTO clinic."worksAt" (from_id, to_id) VALUES ('p', 'o');
            INSERT INTO clinic.aside (from_id, to_id) VALUES ('p', 'o')"#,
        )
        .unwrap();
    let list = "SELECT relationship_name FROM ingest.relationship_list('clinic', 'provider', 'p')";
    for warm in [false, true] {
        let mut reader = database.connect();
        if warm {
            assert_eq!(reader.query(list, &[]).unwrap().len(), 2);
        }
        let mut drop = dropper.transaction().unwrap();
        drop.batch_execute("SELECT ingest.relationship_drop('clinic', 'aside', true)")
            .unwrap();
        let waiting = std::thread::spawn(move || reader.query(list, &[]));
        std::thread::sleep(std::time::Duration::from_millis(300));
        match warm {
            false => drop.rollback().unwrap(),
            true => drop.commit().unwrap(),
        }
        let names: Vec<String> = waiting
            .join()
            .unwrap()
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        match warm {
            false => assert_eq!(names, ["aside", "worksAt"]),
            true => assert_eq!(names, ["worksAt"]),
        }
    }
}
