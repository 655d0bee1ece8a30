//! Guarded tables that somebody has broken by hand: `doctor` finds what is missing or wrong, the
//! same definition repairs it, and what is half gone can be dropped.

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, PROVIDER, value};
use crate::invariant::{assert_sound, numbered};

/// A clinic with rows, and with the profile `thing`, which has an identity and an index.
fn database() -> (Database, Client) {
    let database = clinic::database("repair");
    let mut client = database.connect();
    client
        .batch_execute("SET client_min_messages = warning")
        .unwrap();
    clinic::define(&mut client, "clinic", "thing", &thing()).unwrap();
    clinic::upsert(&mut client, PROVIDER, "p", &json!({"data": {"name": "x"}})).unwrap();
    for name in ["a", "b"] {
        clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": name}})).unwrap();
    }
    clinic::link(&mut client, "p", "o").unwrap();
    assert_eq!(doctor(&mut client), []);
    (database, client)
}

fn thing() -> Value {
    let mut definition = numbered("identities");
    definition["indexes"] = json!([["tags"], ["address.city", "name"]]);
    definition
}

/// What `doctor` finds in the clinic: severity, object and problem.
fn doctor(client: &mut Client) -> Vec<(String, String, String)> {
    client
        .query(
            "SELECT severity, object, problem, hint FROM ingest.doctor('clinic')",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| {
            assert!(!row.get::<_, String>(3).is_empty());
            (row.get(0), row.get(1), row.get(2))
        })
        .collect()
}

/// Defines everything of the clinic again, as it is; gives the outcomes that are not `unchanged`.
fn define_again(client: &mut Client) -> Vec<String> {
    client
        .query(
            "SELECT profile, CASE kind WHEN 'RELATIONSHIP'
                 THEN ingest.relationship_define(source, profile, definition)
                 ELSE ingest.profile_define(source, profile, definition) END ->> 'outcome'
             FROM (TABLE ingest.profile ORDER BY kind = 'RELATIONSHIP', profile) AS p
             WHERE source = 'clinic'",
            &[],
        )
        .unwrap()
        .iter()
        .filter(|row| row.get::<_, &str>(1) != "unchanged")
        .map(|row| format!("{} {}", row.get::<_, &str>(0), row.get::<_, &str>(1)))
        .collect()
}

/// Whatever is missing is found and named, and is there again after the same definition.
#[test]
fn what_is_missing_is_found_and_repaired() {
    for (harm, object, problem) in [
        ("DROP TABLE clinic.thing", "clinic.thing", "missing"),
        ("DROP TABLE clinic.thing_history", "clinic.thing_history", "missing"),
        ("DROP TABLE clinic.thing, clinic.thing_history", "clinic.thing", "missing"),
        ("DROP TABLE clinic.\"worksAt\"", "clinic.\"worksAt\"", "missing"),
        ("DROP TRIGGER \"~ingest_guard\" ON clinic.office", "clinic.office", "~ingest_guard is missing"),
        ("DROP TRIGGER \"!ingest_archive\" ON clinic.office", "clinic.office", "!ingest_archive is missing"),
        ("DROP TRIGGER \"~ingest_confirm\" ON clinic.\"worksAt\"", "clinic.\"worksAt\"", "~ingest_confirm is missing"),
        ("DROP TRIGGER \"~ingest_seal\" ON clinic.office_history", "clinic.office_history", "~ingest_seal is missing"),
        ("DROP TRIGGER \"~ingest_truncate\" ON clinic.office_history", "clinic.office_history", "~ingest_truncate is missing"),
        ("ALTER TABLE clinic.office DISABLE TRIGGER \"~ingest_truncate\"", "clinic.office", "disabled"),
        ("ALTER TABLE clinic.office ENABLE REPLICA TRIGGER \"~ingest_guard\"", "clinic.office", "replica"),
        ("ALTER TABLE clinic.office ENABLE ALWAYS TRIGGER \"~ingest_guard\"", "clinic.office", "replica"),
        ("ALTER TABLE clinic.office DISABLE TRIGGER USER", "clinic.office", "disabled"),
        (
            "DROP TRIGGER \"~ingest_guard\" ON clinic.office;
             CREATE TRIGGER \"~ingest_guard\" BEFORE INSERT ON clinic.office FOR EACH ROW
                 EXECUTE FUNCTION ingest.guard('clinic', 'office')",
            "clinic.office",
            "not as it was made",
        ),
        (
            "CREATE OR REPLACE TRIGGER \"~ingest_guard\" BEFORE INSERT OR UPDATE ON clinic.office
                 FOR EACH ROW WHEN (new.id <> 'free') EXECUTE FUNCTION ingest.guard('clinic', 'office')",
            "clinic.office",
            "not as it was made",
        ),
        (
            "CREATE OR REPLACE TRIGGER \"~ingest_guard\" BEFORE INSERT OR UPDATE ON clinic.office
                 FOR EACH ROW EXECUTE FUNCTION ingest.guard('clinic', 'Patient')",
            "clinic.office",
            "not as it was made",
        ),
        ("ALTER TABLE clinic.office ALTER COLUMN id DROP DEFAULT", "clinic.office", "default"),
        ("ALTER TABLE clinic.office ALTER COLUMN data DROP NOT NULL", "clinic.office", "null"),
        ("ALTER TABLE clinic.office_history DROP CONSTRAINT office_history_pkey", "clinic.office_history", "office_history_pkey"),
        ("ALTER TABLE clinic.thing DROP CONSTRAINT thing_pkey", "clinic.thing", "thing_pkey"),
        ("ALTER TABLE clinic.\"worksAt\" DROP CONSTRAINT \"worksAt_to\"", "clinic.\"worksAt\"", "worksAt_to"),
        ("DROP INDEX clinic.\"worksAt_to_id_from_id_idx\"", "clinic.\"worksAt\"", "to_id"),
        (
            "DO $$ BEGIN EXECUTE (SELECT 'DROP INDEX clinic.' || relname FROM pg_class
                 WHERE relname ~ '^thing_u[0-9a-f]{6}$'); END $$",
            "clinic.thing",
            "identity",
        ),
        (
            "DO $$ DECLARE name text := (SELECT relname FROM pg_class WHERE relname ~ '^thing_u[0-9a-f]{6}$');
             BEGIN EXECUTE 'DROP INDEX clinic.' || name;
                   EXECUTE 'CREATE UNIQUE INDEX ' || name || ' ON clinic.thing (id)'; END $$",
            "clinic.thing",
            "not as it was made",
        ),
        (
            "UPDATE pg_index SET indisvalid = false FROM pg_class AS c
             WHERE c.oid = indexrelid AND c.relname ~ '^thing_u[0-9a-f]{6}$'",
            "clinic.thing",
            "invalid",
        ),
        (
            "DO $$ BEGIN EXECUTE (SELECT string_agg('DROP INDEX clinic.' || relname, ';') FROM pg_class
                 WHERE relname ~ '^thing_i[0-9a-f]{6}$'); END $$",
            "clinic.thing",
            "index",
        ),
    ] {
        let (_database, mut client) = database();
        client.batch_execute(harm).unwrap();
        let found = doctor(&mut client);
        assert!(
            found.iter().any(|at| at.1 == object && at.2.contains(problem)),
            "{harm}: {found:?}"
        );
        let outcomes = define_again(&mut client);
        assert!(
            outcomes.len() == 1 && outcomes[0].ends_with(" repaired"),
            "{harm}: {outcomes:?}"
        );
        assert_eq!(doctor(&mut client), [], "{harm}");
        assert_eq!(define_again(&mut client), Vec::<String>::new(), "{harm}");
        expect_sqlstate(
            client.batch_execute("INSERT INTO clinic.office (data) VALUES ('{\"name\": 1}')"),
            "PT422",
        );
        expect_sqlstate(client.batch_execute("DELETE FROM clinic.office_history"), "42501");
        assert_sound(&mut client, "clinic");
        assert_eq!(
            clinic::story(&mut client, OFFICE, "o"),
            "created 1, updated 2",
            "{harm}"
        );
    }
}

/// A changed definition repairs too, and what it declares anew is made once.
#[test]
fn changed_definition_repairs_what_is_missing() {
    let (_database, mut client) = database();
    client
        .batch_execute(
            "DROP TABLE clinic.thing; DROP TRIGGER \"~ingest_seal\" ON clinic.thing_history",
        )
        .unwrap();
    let defined = clinic::define(&mut client, "clinic", "thing", &numbered("indexes")).unwrap();
    assert_eq!(
        (&defined["outcome"], &defined["version"]),
        (&json!("updated"), &json!(2))
    );
    assert_eq!(doctor(&mut client), []);
}

/// What a definition cannot cure is found, and refused with what to do.
#[test]
fn what_cannot_be_repaired_is_found_and_refused() {
    for (harm, problem) in [
        (
            "DROP TABLE clinic.thing; CREATE VIEW clinic.thing AS SELECT * FROM clinic.office",
            "not a table",
        ),
        (
            "DROP TABLE clinic.thing; CREATE TABLE clinic.thing (LIKE clinic.office INCLUDING ALL) PARTITION BY HASH (id)",
            "partitioned",
        ),
        ("CREATE TABLE public.kid () INHERITS (clinic.thing)", "inherits"),
        ("CREATE RULE r AS ON INSERT TO clinic.thing DO INSTEAD NOTHING", "rule"),
        ("ALTER TABLE clinic.thing DROP COLUMN contained", "contained"),
        ("ALTER TABLE clinic.thing_history ALTER COLUMN data TYPE json", "another type"),
        (
            "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
             CREATE TRIGGER \"~last\" BEFORE INSERT ON clinic.thing FOR EACH ROW EXECUTE FUNCTION public.f()",
            "after the guard",
        ),
    ] {
        let (_database, mut client) = database();
        client.batch_execute(harm).unwrap();
        let found = doctor(&mut client);
        assert!(
            found.iter().any(|at| at.0 == "error" && at.2.contains(problem)),
            "{harm}: {found:?}"
        );
        let refusal = expect_sqlstate(
            clinic::define(&mut client, "clinic", "thing", &thing()),
            "PT409",
        );
        assert!(refusal.hint().is_some(), "{refusal:?}");
    }
}

/// Rows that break an identity are named, without their values, and the identity is not made.
#[test]
fn rows_that_break_an_identity_are_found() {
    let (_database, mut client) = database();
    client
        .batch_execute(
            "DO $$ BEGIN EXECUTE (SELECT 'DROP INDEX clinic.' || relname FROM pg_class
                 WHERE relname ~ '^thing_u[0-9a-f]{6}$'); END $$;
             INSERT INTO clinic.thing (id, data) VALUES ('one', '{\"number\": 424242}'), ('two', '{\"number\": 424242}')",
        )
        .unwrap();
    let found = doctor(&mut client);
    assert!(
        found.iter().any(|at| at.2.contains("one, two")),
        "{found:?}"
    );
    assert!(!format!("{found:?}").contains("424242"), "{found:?}");
    expect_sqlstate(
        clinic::define(&mut client, "clinic", "thing", &thing()),
        "PT409",
    );
    client
        .batch_execute("DELETE FROM clinic.thing WHERE id = 'two'")
        .unwrap();
    assert_eq!(define_again(&mut client), ["thing repaired"]);
}

/// A history that is partitioned by hand is healthy when each partition has its seal; the
/// definition makes those that are missing.
#[test]
fn partition_of_a_history_without_seal_is_found_and_sealed() {
    let (_database, mut client) = database();
    client
        .batch_execute(
            "DROP TABLE clinic.thing_history;
             CREATE TABLE clinic.thing_history (id text COLLATE \"C\" NOT NULL, version int NOT NULL,
                 created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
                 profile_version int NOT NULL, updated_by text NOT NULL, updated_by_login text,
                 context jsonb, data jsonb, contained jsonb, ended_at timestamptz, erased jsonb)
                 PARTITION BY RANGE (updated_at);
             CREATE TABLE clinic.\"Old\" PARTITION OF clinic.thing_history DEFAULT",
        )
        .unwrap();
    let found = doctor(&mut client);
    assert!(
        found
            .iter()
            .any(|at| at.1 == "clinic.\"Old\"" && at.2.contains("seal")),
        "{found:?}"
    );
    assert_eq!(define_again(&mut client), ["thing repaired"]);
    assert_eq!(doctor(&mut client), []);
    client
        .batch_execute(
            "INSERT INTO clinic.thing (id, data) VALUES ('a', '{}'); DELETE FROM clinic.thing",
        )
        .unwrap();
    expect_sqlstate(client.batch_execute("DELETE FROM clinic.\"Old\""), "42501");
}

/// What is half gone can be dropped, and takes nothing else along.
#[test]
fn half_gone_tables_can_be_dropped() {
    for harm in [
        "DROP TABLE clinic.thing",
        "DROP TABLE clinic.thing_history",
        "DROP TABLE clinic.thing, clinic.thing_history",
    ] {
        for cascade in [false, true] {
            let (_database, mut client) = database();
            client.batch_execute(harm).unwrap();
            client
                .execute(
                    "SELECT ingest.profile_drop('clinic', 'thing', $1)",
                    &[&cascade],
                )
                .unwrap();
            assert_eq!(doctor(&mut client), []);
            assert_eq!(
                clinic::story(&mut client, OFFICE, "o"),
                "created 1, updated 2"
            );
        }
    }
    let (_database, mut client) = database();
    client
        .batch_execute("DROP TABLE clinic.\"worksAt\"")
        .unwrap();
    client
        .batch_execute("SELECT ingest.relationship_drop('clinic', 'worksAt')")
        .unwrap();
    assert_eq!(doctor(&mut client), []);
}

/// Tables that no definition names are found, a renamed one too; sources are verified for those
/// who may use them alone.
#[test]
fn tables_without_a_definition_are_found_by_who_may_use_them() {
    let (mut database, mut client) = database();
    client
        .batch_execute(
            "ALTER TABLE clinic.thing RENAME TO renamed;
             CREATE SCHEMA stray;
             CREATE TABLE stray.a (LIKE clinic.office); CREATE TABLE stray.a_history (LIKE clinic.office_history)",
        )
        .unwrap();
    let all: Vec<String> = value(
        &mut client,
        "SELECT array_agg(DISTINCT object ORDER BY object) FROM ingest.doctor() WHERE problem ~ 'definition|missing'",
    );
    assert_eq!(all, ["clinic.renamed", "clinic.thing", "stray.a"]);
    let stranger = database.create_role("stranger", "");
    let mut stranger = database.connect_as(&stranger);
    let rows = stranger
        .query("SELECT * FROM ingest.doctor()", &[])
        .unwrap();
    assert!(rows.is_empty());
    let asked = stranger.query("SELECT * FROM ingest.doctor('clinic')", &[]);
    expect_sqlstate(asked, "42501");
    let asked = client.query("SELECT * FROM ingest.doctor('nothing')", &[]);
    expect_sqlstate(asked, "PT404");
}

/// A column of a table or of a history that somebody has given another type is refused by whatever
/// meets it, in words of this extension, and the hint names who lists it; nothing is written.
#[test]
fn column_of_another_type_is_refused_with_who_lists_it() {
    for (change, calls) in [
        (
            "office_history ALTER COLUMN profile_version TYPE text",
            &["SELECT ingest.resource_history('clinic', 'office', 'o')"][..],
        ),
        (
            "office_history ALTER COLUMN version TYPE text",
            &[
                "SELECT ingest.resource_read('clinic', 'office', 'o', 1)",
                "SELECT ingest.resource_history('clinic', 'office', 'o')",
            ],
        ),
        (
            "office_history ALTER COLUMN data TYPE bool USING false",
            &[
                "SELECT ingest.resource_upsert('clinic', 'office', 'o', '{\"data\": {\"name\": \"c\"}}')",
                "DELETE FROM clinic.office WHERE id = 'o'",
                "UPDATE clinic.office SET data = '{\"name\": \"c\"}'",
            ],
        ),
        (
            "office_history ALTER COLUMN context TYPE int USING 0",
            &[
                "SELECT ingest.resource_load('clinic', 'office', '[{\"id\": \"o\", \"data\": {}}]', 'upsert')",
            ],
        ),
        (
            "office ALTER COLUMN updated_by_login TYPE jsonb USING to_jsonb(updated_by_login)",
            &["SELECT ingest.resource_read('clinic', 'office', 'o')"],
        ),
    ] {
        let (_database, mut client) = database();
        client
            .batch_execute(&format!(
                "DELETE FROM clinic.\"worksAt\"; ALTER TABLE clinic.{change}"
            ))
            .unwrap();
        for sql in calls {
            let refusal = expect_sqlstate(client.batch_execute(sql), "PT400");
            let told = "a table of the source has a column of another type than it was made with";
            assert!(refusal.message().ends_with(told), "{change}: {sql}");
            assert!(refusal.hint().unwrap().contains("ingest.doctor"));
        }
        let told = doctor(&mut client);
        let is_told =
            |(_, _, problem): &(String, String, String)| problem.contains("is of another type");
        assert!(told.iter().any(is_told), "{change}: {told:?}");
        let version: i32 = value(
            &mut client,
            "SELECT version FROM clinic.office WHERE id = 'o'",
        );
        assert_eq!(version, 2);
    }
}
