//! Tables, schemas, columns and triggers that somebody has renamed or moved: they are recognised,
//! nothing empty is made in their place, and no advice leads to the loss of what they hold.

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;
use serde_json::json;

use crate::clinic::{self, OFFICE, PROVIDER, WORKS_AT, value};
use crate::invariant::{assert_sound, numbered};

/// A clinic with rows and history, with an identity, and with a profile that has no row.
fn database() -> (Database, Client) {
    let database = clinic::database("renamed");
    let mut client = database.connect();
    client
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    clinic::define(&mut client, "clinic", "thing", &numbered("identities")).unwrap();
    clinic::upsert(&mut client, PROVIDER, "p", &json!({"data": {"name": "x"}})).unwrap();
    for name in ["a", "b"] {
        clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": name}})).unwrap();
    }
    clinic::link(&mut client, "p", "o").unwrap();
    (database, client)
}

/// What `doctor` finds of all sources: object, problem and hint.
fn doctor(client: &mut Client) -> Vec<(String, String, String)> {
    client
        .query("SELECT object, problem, hint FROM ingest.doctor()", &[])
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

/// Gives the current definition of a name again.
fn define_again(client: &mut Client, name: &str) -> Result<String, postgres::Error> {
    client
        .query_one(
            "SELECT CASE kind WHEN 'RELATIONSHIP' THEN ingest.relationship_define(source, profile, definition)
                 ELSE ingest.profile_define(source, profile, definition) END ->> 'outcome'
             FROM ingest.profile WHERE source = 'clinic' AND profile = $1",
            &[&name],
        )
        .map(|row| row.get(0))
}

/// Whatever was renamed or moved: the hint says what it looks like and what brings it back, the
/// definition refuses with the same hint and makes nothing, nothing of the source can be dropped
/// behind its back, and the statements of the hint do bring it back, with all that it holds.
#[test]
fn renamed_tables_are_recognised_and_come_back_whole() {
    for (harm, name, looks, statements) in [
        (
            "ALTER TABLE clinic.office_history RENAME TO oh",
            OFFICE,
            "clinic.oh looks like the history of clinic.office",
            "ALTER TABLE clinic.oh RENAME TO office_history",
        ),
        (
            "ALTER TABLE clinic.office RENAME TO bureau",
            OFFICE,
            "clinic.bureau looks like clinic.office",
            "ALTER TABLE clinic.bureau RENAME TO office",
        ),
        (
            "ALTER TABLE clinic.thing RENAME TO \"Old things\"",
            "thing",
            "clinic.\"Old things\" looks like clinic.thing",
            "ALTER TABLE clinic.\"Old things\" RENAME TO thing",
        ),
        (
            "ALTER TABLE clinic.\"worksAt\" RENAME TO works",
            WORKS_AT,
            "clinic.works looks like clinic.\"worksAt\"",
            "ALTER TABLE clinic.works RENAME TO \"worksAt\"",
        ),
        (
            "CREATE SCHEMA attic; ALTER TABLE clinic.office SET SCHEMA attic",
            OFFICE,
            "attic.office looks like clinic.office",
            "ALTER TABLE attic.office SET SCHEMA clinic",
        ),
        (
            "CREATE SCHEMA attic; ALTER TABLE clinic.office_history SET SCHEMA attic;
             ALTER TABLE attic.office_history RENAME TO oh",
            OFFICE,
            "attic.oh looks like the history of clinic.office",
            "ALTER TABLE attic.oh SET SCHEMA clinic; ALTER TABLE clinic.oh RENAME TO office_history",
        ),
        // Without its triggers, the name of the primary key says whose it was.
        (
            "DROP TRIGGER \"~ingest_seal\" ON clinic.office_history;
             ALTER TABLE clinic.office_history RENAME TO oh",
            OFFICE,
            "clinic.oh looks like the history of clinic.office",
            "ALTER TABLE clinic.oh RENAME TO office_history",
        ),
        // Triggers under other names are the same triggers.
        (
            "ALTER TRIGGER \"~ingest_seal\" ON clinic.office_history RENAME TO s;
             ALTER TABLE clinic.office_history RENAME TO oh",
            OFFICE,
            "clinic.oh looks like the history of clinic.office",
            "ALTER TABLE clinic.oh RENAME TO office_history",
        ),
    ] {
        let (_database, mut client) = database();
        client.batch_execute(harm).unwrap();
        let found = doctor(&mut client);
        let hint = format!("{looks}: {statements}");
        assert!(
            found
                .iter()
                .any(|at| at.1 == "the table is missing" && at.2 == hint),
            "{harm}: {found:?}"
        );
        assert!(
            !found.iter().any(|at| at.2.to_lowercase().contains("drop")),
            "{harm}: {found:?}"
        );
        // All that is said of a lost table, at its place and at its links, leads back.
        assert!(
            found.iter().all(|at| !at.2.contains("Define it again")),
            "{harm}: {found:?}"
        );
        let refusal = expect_sqlstate(define_again(&mut client, name), "PT409");
        assert_eq!(refusal.hint(), Some(&*hint), "{harm}");
        let drop = match name {
            WORKS_AT => "relationship_drop",
            _ => "profile_drop",
        };
        for doomed in [
            format!("SELECT ingest.{drop}('clinic', '{name}', true)"),
            "SELECT ingest.source_drop('clinic', true)".to_owned(),
        ] {
            let refusal = expect_sqlstate(client.batch_execute(&doomed), "PT409");
            // What has no trigger is found as what else is in the way.
            let found = refusal.hint().unwrap();
            let object = looks.split(' ').next().unwrap();
            assert!(found.contains(object), "{harm}: {doomed}: {found}");
        }
        client.batch_execute(statements).unwrap();
        let outcome = define_again(&mut client, name).unwrap();
        assert!(
            ["unchanged", "repaired"].contains(&outcome.as_str()),
            "{outcome}"
        );
        assert_eq!(doctor(&mut client), [], "{harm}");
        assert_eq!(
            clinic::story(&mut client, OFFICE, "o"),
            "created 1, updated 2"
        );
        clinic::read_link(&mut client, "provider.p,office.o").unwrap();
        assert_sound(&mut client, "clinic");
    }
}

/// A renamed schema is recognised by the tables in it: nothing may drop the catalog that they need.
#[test]
fn renamed_schema_is_recognised_and_comes_back_whole() {
    let (_database, mut client) = database();
    client
        .batch_execute("ALTER SCHEMA clinic RENAME TO hospital")
        .unwrap();
    let hint = "hospital looks like the schema of clinic: ALTER SCHEMA hospital RENAME TO clinic";
    let found = doctor(&mut client);
    assert!(
        found
            .iter()
            .any(|at| (at.0.as_str(), at.2.as_str()) == ("clinic", hint)),
        "{found:?}"
    );
    let back = "ALTER SCHEMA hospital RENAME TO clinic";
    assert!(found.len() > 8, "{found:?}");
    assert!(found.iter().all(|at| at.2.ends_with(back)), "{found:?}");
    for (call, sqlstate) in [
        ("SELECT ingest.source_create('clinic')", "PT404"),
        ("SELECT ingest.source_drop('clinic')", "PT409"),
        ("SELECT ingest.source_drop('clinic', true)", "PT409"),
        (
            "SELECT ingest.profile_define('clinic', 'office', '{\"type\": \"ROOT\"}')",
            "PT404",
        ),
        (
            "SELECT ingest.profile_define('clinic', 'new', '{\"type\": \"ROOT\"}')",
            "PT404",
        ),
        ("SELECT ingest.source_adopt('clinic', '{}')", "PT404"),
        (
            "SELECT ingest.source_grant('clinic', current_user::text, 'read')",
            "PT404",
        ),
        ("SELECT ingest.source_secure('clinic')", "PT404"),
    ] {
        let refusal = expect_sqlstate(client.batch_execute(call), sqlstate);
        assert_eq!(refusal.hint(), Some(hint), "{call}");
    }
    // Under its new name it is nobody's loss, and no source to be taken back.
    for (call, sqlstate) in [
        ("SELECT ingest.source_create('hospital')", "PT409"),
        ("SELECT ingest.doctor('hospital')", "PT404"),
        (
            "SELECT ingest.resource_read('hospital', 'office', 'o')",
            "PT404",
        ),
    ] {
        let refusal = expect_sqlstate(client.batch_execute(call), sqlstate);
        assert!(refusal.hint().unwrap().ends_with(back), "{refusal:?}");
    }
    // A new schema of the name does not let definitions make empty tables.
    client.batch_execute("CREATE SCHEMA clinic").unwrap();
    let refusal = expect_sqlstate(define_again(&mut client, OFFICE), "PT409");
    assert!(
        refusal.hint().unwrap().contains("hospital.office"),
        "{refusal:?}"
    );
    client
        .batch_execute(&format!("DROP SCHEMA clinic; {back}"))
        .unwrap();
    assert_eq!(doctor(&mut client), []);
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2"
    );
    assert_sound(&mut client, "clinic");
}

/// A definition in whose way a renamed table stands says which that is.
#[test]
fn renamed_tables_in_the_way_of_a_definition_are_recognised() {
    let (_database, mut client) = database();
    client
        .batch_execute("ALTER TABLE clinic.office RENAME TO surgery")
        .unwrap();
    let new = clinic::define(&mut client, "clinic", "surgery", &json!({"type": "ROOT"}));
    let refusal = expect_sqlstate(new, "PT409");
    assert_eq!(
        refusal.hint(),
        Some(
            "clinic.surgery looks like clinic.office: ALTER TABLE clinic.surgery RENAME TO office"
        )
    );
    let insert = "INSERT INTO clinic.surgery (data) VALUES ('{}')";
    let refusal = expect_sqlstate(client.batch_execute(insert), "42501");
    assert!(
        refusal.hint().unwrap().contains("ingest.doctor"),
        "{refusal:?}"
    );
}

/// Two tables that have changed their names are not taken for each other.
#[test]
fn exchanged_tables_are_not_repaired_into_each_other() {
    let (_database, mut client) = database();
    client
        .batch_execute(
            "ALTER TABLE clinic.office RENAME TO x; ALTER TABLE clinic.\"Patient\" RENAME TO office;
             ALTER TABLE clinic.x RENAME TO \"Patient\"",
        )
        .unwrap();
    for name in [OFFICE, "Patient"] {
        let refusal = expect_sqlstate(define_again(&mut client, name), "PT409");
        assert!(refusal.message().contains("not its own"), "{refusal:?}");
    }
}

/// A renamed column is named as what it may have been, and comes back with what it holds.
#[test]
fn renamed_columns_are_recognised() {
    for (table, column, hint) in [
        (
            "office",
            "data",
            "If it was renamed, to d: ALTER TABLE clinic.office RENAME COLUMN d TO data",
        ),
        (
            "office_history",
            "ended_at",
            "If it was renamed, to d: ALTER TABLE clinic.office_history RENAME COLUMN d TO ended_at",
        ),
    ] {
        let (_database, mut client) = database();
        client
            .batch_execute(&format!(
                "ALTER TABLE clinic.{table} RENAME COLUMN {column} TO d"
            ))
            .unwrap();
        let refusal = expect_sqlstate(define_again(&mut client, OFFICE), "PT409");
        assert_eq!(refusal.hint(), Some(hint));
        client
            .batch_execute(hint.split_once("d: ").unwrap().1)
            .unwrap();
        assert_eq!(doctor(&mut client), []);
    }
}

/// A renamed trigger gets its name back, and one that was made beside it goes: none fires twice.
#[test]
fn renamed_triggers_get_their_names_back() {
    for harm in [
        "ALTER TRIGGER \"~ingest_guard\" ON clinic.office RENAME TO \"Gate\"",
        "ALTER TRIGGER \"!ingest_archive\" ON clinic.office RENAME TO archive",
        "ALTER TRIGGER \"~ingest_seal\" ON clinic.office_history RENAME TO seal",
        "CREATE TRIGGER again AFTER UPDATE OR DELETE ON clinic.office FOR EACH ROW
             EXECUTE FUNCTION ingest.archive('clinic', 'office')",
    ] {
        let (_database, mut client) = database();
        client.batch_execute(harm).unwrap();
        assert_eq!(
            doctor(&mut client).len(),
            1,
            "{harm}: {:?}",
            doctor(&mut client)
        );
        assert_eq!(
            define_again(&mut client, OFFICE).unwrap(),
            "repaired",
            "{harm}"
        );
        assert_eq!(doctor(&mut client), [], "{harm}");
        let ours: i64 = value(
            &mut client,
            "SELECT count(*) FROM pg_trigger WHERE tgrelid::regclass::text ~ '^clinic.office' AND tgname ~ 'ingest'",
        );
        assert_eq!(ours, 6);
        assert_eq!(
            clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}}))
                .unwrap()
                .did(),
            ("updated", 3)
        );
    }
}

/// A name that a repair needs, and that something else has, is refused in words of our own.
#[test]
fn taken_names_are_refused_with_what_has_them() {
    let (_database, mut client) = database();
    client
        .batch_execute("DROP TABLE clinic.thing; CREATE TYPE clinic.thing AS ENUM ()")
        .unwrap();
    let refusal = expect_sqlstate(define_again(&mut client, "thing"), "PT409");
    assert!(refusal.message().contains("type \"thing\""), "{refusal:?}");
    assert!(refusal.hint().is_some());
    let (_database, mut client) = database();
    let identity: String = value(
        &mut client,
        "SELECT relname::text FROM pg_class WHERE relname ~ '^thing_u[0-9a-f]{6}$'",
    );
    client
        .batch_execute(&format!(
            "DROP INDEX clinic.{identity}; CREATE INDEX {identity} ON clinic.office (version)"
        ))
        .unwrap();
    let refusal = expect_sqlstate(define_again(&mut client, "thing"), "PT409");
    assert!(refusal.message().contains(&identity), "{refusal:?}");
    assert!(refusal.hint().is_some());
}
