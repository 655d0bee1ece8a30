//! Escalation: whoever may put something where a name of ours leads does not run as another role
//! by it, writes no history, and opens no seal.

use std::thread;
use std::time::{Duration, Instant};

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;
use serde_json::json;

use crate::clinic::{self, OFFICE, value};

/// A clinic of the superuser's, and a role that may create schemas: in its own, `lair`, a trigger
/// function and a function that try to make it a superuser, and tell as whom they ran: a sequence
/// tells it of what was rolled back too.
pub(crate) struct Scene {
    pub database: Database,
    pub attacker: String,
}

pub(crate) fn scene() -> Scene {
    let mut database = Database::new("escalation");
    let attacker = database.create_role("mallory", "");
    clinic::build(&mut database.connect());
    database.run(&format!(
        "INSERT INTO clinic.office (id, data) VALUES ('o', '{{\"name\": \"a\"}}');
         GRANT CREATE ON DATABASE \"{}\" TO \"{attacker}\";
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ingest TO \"{attacker}\"",
        database.name()
    ));
    let mut client = database.connect_as(&attacker);
    client
        .batch_execute(&format!(
            "CREATE SCHEMA lair; GRANT USAGE ON SCHEMA lair TO PUBLIC;
             CREATE TABLE lair.ran (by text); GRANT ALL ON lair.ran TO PUBLIC;
             CREATE SEQUENCE lair.escaped; GRANT ALL ON lair.escaped TO PUBLIC;
             CREATE FUNCTION lair.evil() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$ BEGIN
                 INSERT INTO lair.ran VALUES (current_user);
                 IF current_user OPERATOR(pg_catalog.<>) '{attacker}' THEN
                     PERFORM pg_catalog.nextval('lair.escaped'); END IF;
                 BEGIN ALTER ROLE \"{attacker}\" SUPERUSER; EXCEPTION WHEN OTHERS THEN NULL; END;
                 RETURN true; END $$;
             CREATE FUNCTION lair.strike() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM lair.evil();
                 RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END; END $$"
        ))
        .unwrap();
    Scene { database, attacker }
}

impl Scene {
    pub fn attacker(&self) -> Client {
        self.database.connect_as(&self.attacker)
    }

    /// Nothing of the attacker's ran as anybody else, and it is what it was.
    #[track_caller]
    pub fn held(&self) {
        let mut client = self.database.connect();
        let ran = format!(
            "SELECT count(*) FROM lair.ran WHERE by <> '{}'",
            self.attacker
        );
        assert_eq!(value::<i64>(&mut client, &ran), 0);
        let escaped = "SELECT is_called FROM lair.escaped";
        assert!(!value::<bool>(&mut client, escaped));
        let mighty = format!(
            "SELECT rolsuper FROM pg_roles WHERE rolname = '{}'",
            self.attacker
        );
        assert!(!value::<bool>(&mut client, &mighty));
    }
}

/// A trigger that a role with TRIGGER puts on a history never runs as its owner, whenever it fires
/// and whatever part of it has the code.
#[test]
fn trigger_of_another_on_a_history_stops_its_writes() {
    let scene = scene();
    scene.database.run(&format!(
        "GRANT USAGE ON SCHEMA clinic TO \"{0}\"; GRANT ALL ON ALL TABLES IN SCHEMA clinic TO \"{0}\"",
        scene.attacker
    ));
    let mut client = scene.attacker();
    for trigger in [
        "BEFORE INSERT ON clinic.office_history FOR EACH ROW EXECUTE FUNCTION lair.strike()",
        "AFTER INSERT ON clinic.office_history FOR EACH ROW EXECUTE FUNCTION lair.strike()",
        "BEFORE INSERT ON clinic.office_history FOR EACH STATEMENT EXECUTE FUNCTION lair.strike()",
        "BEFORE INSERT ON clinic.office_history FOR EACH ROW WHEN (lair.evil()) EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "AFTER INSERT ON clinic.office_history FOR EACH STATEMENT WHEN (NOT lair.evil()) EXECUTE FUNCTION ingest.seal()",
    ] {
        let made = client.batch_execute(&format!("CREATE TRIGGER strike {trigger}"));
        made.unwrap();
        for write in [
            "UPDATE clinic.office SET data = '{\"name\": \"b\"}'",
            "DELETE FROM clinic.office",
            "INSERT INTO clinic.office (id, data) VALUES ('new', '{}')",
            "SELECT ingest.resource_delete('clinic', 'office', 'o')",
            "SELECT ingest.resource_upsert('clinic', 'office', 'o', '{\"data\": {}}')",
        ] {
            let refusal = expect_sqlstate(client.batch_execute(write), "42501");
            assert!(
                refusal.message().contains("has a trigger that is not"),
                "{refusal:?}"
            );
        }
        scene.held();
        // Who owns the history takes the trigger away, and all goes on.
        scene
            .database
            .run("DROP TRIGGER strike ON clinic.office_history");
        let write = client.batch_execute("UPDATE clinic.office SET data = '{\"name\": \"c\"}'");
        write.unwrap();
        client
            .batch_execute("UPDATE clinic.office SET data = '{\"name\": \"a\"}'")
            .unwrap();
    }
}

/// A trigger that is made while a writer waits for the history fires for nobody else.
#[test]
fn trigger_made_while_a_writer_waits_stops_the_writer() {
    let scene = scene();
    scene.database.run(&format!(
        "GRANT USAGE ON SCHEMA clinic TO \"{0}\"; GRANT ALL ON ALL TABLES IN SCHEMA clinic TO \"{0}\"",
        scene.attacker
    ));
    let mut victim = scene.database.connect();
    victim
        .batch_execute("UPDATE clinic.office SET data = '{\"name\": \"b\"}'")
        .unwrap();
    let mut attacker = scene.attacker();
    attacker
        .batch_execute(
            "BEGIN; CREATE TRIGGER strike BEFORE INSERT ON clinic.office_history
                 FOR EACH ROW EXECUTE FUNCTION lair.strike()",
        )
        .unwrap();
    let writer = thread::spawn(move || {
        victim.batch_execute("UPDATE clinic.office SET data = '{\"name\": \"c\"}'")
    });
    wait_for(&scene.database, "wait_event_type = 'Lock'");
    attacker.batch_execute("COMMIT").unwrap();
    expect_sqlstate(writer.join().unwrap(), "42501");
    scene.held();
}

/// Waits until a backend is in such a state.
pub(crate) fn wait_for(database: &Database, condition: &str) {
    let mut client = database.connect();
    let there = format!(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND {condition})"
    );
    let begin = Instant::now();
    while !value::<bool>(&mut client, &there) {
        assert!(begin.elapsed() < Duration::from_secs(20), "nobody waits");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Who owns the schema, but not its tables, can put another history in the place of theirs, and
/// gets nothing by it.
#[test]
fn history_of_another_owner_is_not_written() {
    let scene = scene();
    scene.database.run(&format!(
        "ALTER SCHEMA clinic OWNER TO \"{0}\"; GRANT ALL ON ALL TABLES IN SCHEMA clinic TO \"{0}\"",
        scene.attacker
    ));
    let mut client = scene.attacker();
    client
        .batch_execute(
            "DROP TABLE clinic.office_history;
             CREATE TABLE clinic.office_history (id text, version int, created_at timestamptz,
                 updated_at timestamptz, profile_version int, updated_by text, updated_by_login text,
                 context jsonb, data jsonb, contained jsonb,
                 ended_at timestamptz, CHECK (lair.evil()));
             GRANT ALL ON clinic.office_history TO PUBLIC",
        )
        .unwrap();
    for mut writer in [scene.attacker(), scene.database.connect()] {
        for write in [
            "UPDATE clinic.office SET data = '{\"name\": \"b\"}'",
            "DELETE FROM clinic.office",
            "INSERT INTO clinic.office (id, data) VALUES ('new', '{}')",
            "INSERT INTO clinic.office (data) VALUES ('{}')",
            "SELECT ingest.resource_delete('clinic', 'office', 'o')",
        ] {
            expect_sqlstate(writer.batch_execute(write), "42501");
        }
    }
    scene.held();
    // A view in its place leads nowhere either.
    client
        .batch_execute(
            "DROP TABLE clinic.office_history;
             CREATE VIEW clinic.office_history AS SELECT id, version, created_at, updated_at,
                 profile_version, updated_by, updated_by_login, context, data, contained, now() AS ended_at, lair.evil() FROM clinic.office",
        )
        .unwrap();
    expect_sqlstate(client.batch_execute("DELETE FROM clinic.office"), "42501");
    let delete = "SELECT ingest.resource_delete('clinic', 'office', 'o')";
    expect_sqlstate(client.batch_execute(delete), "42501");
    scene.held();
}

/// Rules, children, parents and partitions of other owners on a history stop its writes.
#[test]
fn history_with_what_others_could_have_added_is_not_written() {
    let scene = scene();
    let mut client = scene.database.connect();
    let write = "UPDATE clinic.office SET data = jsonb_build_object('name', random()::text)";
    for (made, unmade) in [
        (
            "CREATE RULE strike AS ON INSERT TO clinic.office_history DO ALSO SELECT 1",
            "DROP RULE strike ON clinic.office_history",
        ),
        (
            "CREATE TABLE clinic.child () INHERITS (clinic.office_history)",
            "DROP TABLE clinic.child",
        ),
        (
            "CREATE TABLE clinic.parent (version int);
             ALTER TABLE clinic.office_history INHERIT clinic.parent",
            "ALTER TABLE clinic.office_history NO INHERIT clinic.parent; DROP TABLE clinic.parent",
        ),
        (
            "CREATE TABLE clinic.child () INHERITS (clinic.office)",
            "DROP TABLE clinic.child",
        ),
        (
            "ALTER TABLE clinic.office_history RENAME TO elsewhere",
            "ALTER TABLE clinic.elsewhere RENAME TO office_history",
        ),
    ] {
        client.batch_execute(made).unwrap();
        expect_sqlstate(client.batch_execute(write), "42501");
        let created = client.batch_execute("INSERT INTO clinic.office (data) VALUES ('{}')");
        expect_sqlstate(created, "42501");
        client.batch_execute(unmade).unwrap();
        client.batch_execute(write).unwrap();
    }
    client
        .batch_execute(&format!(
            "ALTER TABLE clinic.office_history OWNER TO \"{}\"",
            scene.attacker
        ))
        .unwrap();
    expect_sqlstate(client.batch_execute(write), "42501");
}

/// A partitioned history is written through its parent; a partition with a seal by nobody else, and
/// one of another owner stops the archive.
#[test]
fn history_in_partitions_is_written_and_sealed() {
    let scene = scene();
    let mut client = scene.database.connect();
    client
        .batch_execute(
            "CREATE TABLE clinic.parts (LIKE clinic.office_history INCLUDING ALL) PARTITION BY HASH (id);
             DROP TABLE clinic.office_history;
             ALTER TABLE clinic.parts RENAME TO office_history;
             CREATE TRIGGER \"~ingest_seal\" BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE
                 ON clinic.office_history FOR EACH STATEMENT EXECUTE FUNCTION ingest.seal();
             CREATE TABLE clinic.part PARTITION OF clinic.office_history
                 FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
        )
        .unwrap();
    // A partition without a seal of its own could be written by hand.
    expect_sqlstate(
        client.batch_execute("UPDATE clinic.office SET data = '{\"name\": \"b\"}'"),
        "42501",
    );
    client
        .batch_execute(
            "CREATE TRIGGER \"~ingest_seal\" BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE
                 ON clinic.part FOR EACH STATEMENT EXECUTE FUNCTION ingest.seal();
             UPDATE clinic.office SET data = '{\"name\": \"b\"}';
             DELETE FROM clinic.office;
             INSERT INTO clinic.office (id, data) VALUES ('o', '{}')",
        )
        .unwrap();
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2, deleted 3, created 4"
    );
    for write in [
        "DELETE FROM clinic.part",
        "UPDATE clinic.part SET data = '{}'",
        "INSERT INTO clinic.part SELECT * FROM clinic.part",
        "TRUNCATE clinic.part",
        "DELETE FROM clinic.office_history",
        "TRUNCATE clinic.office_history",
    ] {
        expect_sqlstate(client.batch_execute(write), "42501");
    }
    let write = "UPDATE clinic.office SET data = '{\"name\": \"c\"}'";
    client
        .batch_execute("GRANT ALL ON clinic.part TO PUBLIC")
        .unwrap();
    let mut attacker = scene.attacker();
    scene.database.run(&format!(
        "GRANT USAGE ON SCHEMA clinic TO \"{}\"",
        scene.attacker
    ));
    attacker
        .batch_execute(
            "CREATE TRIGGER strike BEFORE INSERT ON clinic.part
                 FOR EACH ROW EXECUTE FUNCTION lair.strike()",
        )
        .unwrap();
    expect_sqlstate(client.batch_execute(write), "42501");
    client
        .batch_execute("DROP TRIGGER strike ON clinic.part")
        .unwrap();
    client.batch_execute(write).unwrap();
    let owned = format!("ALTER TABLE clinic.part OWNER TO \"{}\"", scene.attacker);
    client.batch_execute(&owned).unwrap();
    expect_sqlstate(client.batch_execute("DELETE FROM clinic.office"), "42501");
    scene.held();
}

/// A partitioned profile table, and a partition as one, are refused.
#[test]
fn profile_table_in_partitions_is_refused() {
    let scene = scene();
    let mut client = scene.database.connect();
    client
        .batch_execute(
            "CREATE TABLE clinic.whole (LIKE clinic.office INCLUDING DEFAULTS) PARTITION BY LIST (id);
             ALTER TABLE clinic.whole ATTACH PARTITION clinic.office DEFAULT",
        )
        .unwrap();
    let write = "INSERT INTO clinic.office (data) VALUES ('{}')";
    let refusal = expect_sqlstate(client.batch_execute(write), "42501");
    assert!(refusal.message().contains("parent"), "{refusal:?}");
    client
        .batch_execute(
            "ALTER TABLE clinic.whole DETACH PARTITION clinic.office;
             ALTER TABLE clinic.office RENAME TO old;
             ALTER TABLE clinic.whole RENAME TO office;
             CREATE TABLE clinic.part PARTITION OF clinic.office DEFAULT;
             CREATE TRIGGER \"~ingest_guard\" BEFORE INSERT OR UPDATE ON clinic.office
                 FOR EACH ROW EXECUTE FUNCTION ingest.guard('clinic', 'office')",
        )
        .unwrap();
    expect_sqlstate(client.batch_execute(write), "42501");
}

/// What an enforced reference leads to runs nothing as the owner of the table that has it.
#[test]
fn reference_to_what_became_a_view_runs_nothing() {
    let scene = scene();
    let mut mallory = scene.attacker();
    mallory
        .batch_execute(
            "SELECT ingest.source_create('mine');
             SELECT ingest.profile_define('mine', 'target', '{\"type\": \"ROOT\"}');
             SELECT ingest.profile_define('mine', 'p', '{\"type\": \"ROOT\", \"properties\": {
                 \"to\": {\"type\": \"reference\", \"target\": [\"target\"], \"enforce\": true}}}');
             GRANT ALL ON SCHEMA mine TO PUBLIC; GRANT ALL ON ALL TABLES IN SCHEMA mine TO PUBLIC",
        )
        .unwrap();
    scene.database.run(&format!(
        "CREATE TABLE public.inbox (doc jsonb); GRANT INSERT ON public.inbox TO \"{}\";
         CREATE TRIGGER checked BEFORE INSERT ON public.inbox FOR EACH ROW
             EXECUTE FUNCTION ingest.validate('mine', 'p', 'doc')",
        scene.attacker
    ));
    let write = "INSERT INTO public.inbox VALUES ('{\"to\": {\"reference\": \"target/t\"}}')";
    expect_sqlstate(mallory.batch_execute(write), "PT422");
    mallory
        .batch_execute("INSERT INTO mine.target (id, data) VALUES ('t', '{}')")
        .unwrap();
    mallory.batch_execute(write).unwrap();
    mallory
        .batch_execute(
            "ALTER TABLE mine.target RENAME TO hidden;
             CREATE VIEW mine.target AS SELECT * FROM mine.hidden WHERE lair.evil();
             GRANT ALL ON mine.target TO PUBLIC",
        )
        .unwrap();
    for mut writer in [scene.attacker(), scene.database.connect()] {
        expect_sqlstate(writer.batch_execute(write), "42501");
    }
    scene.held();
}

/// A reference reads a target for the owner of the table that has it only if that owner may.
#[test]
fn reference_from_a_table_of_somebody_without_access_is_refused() {
    let scene = scene();
    scene.database.run(&format!(
        "SELECT ingest.profile_define('clinic', 'visit', '{{\"type\": \"ROOT\", \"properties\": {{
             \"to\": {{\"type\": \"reference\", \"target\": [\"office\"], \"enforce\": true}}}}}}');
         GRANT USAGE ON SCHEMA clinic TO \"{}\"",
        scene.attacker
    ));
    let mut mallory = scene.attacker();
    mallory
        .batch_execute(
            "CREATE TABLE lair.inbox (doc jsonb);
             CREATE TRIGGER checked BEFORE INSERT ON lair.inbox FOR EACH ROW
                 EXECUTE FUNCTION ingest.validate('clinic', 'visit', 'doc')",
        )
        .unwrap();
    let write = "INSERT INTO lair.inbox VALUES ('{\"to\": {\"reference\": \"office/o\"}}')";
    expect_sqlstate(mallory.batch_execute(write), "42501");
    scene.database.run(&format!(
        "GRANT SELECT ON clinic.office TO \"{}\"",
        scene.attacker
    ));
    mallory.batch_execute(write).unwrap();
}

/// The trigger functions act for the table that they name, and on no other.
#[test]
fn trigger_function_on_a_table_it_does_not_name_is_refused() {
    let scene = scene();
    let mut mallory = scene.attacker();
    mallory
        .batch_execute(
            "SELECT ingest.source_create('mine');
             SELECT ingest.profile_define('mine', 'p', '{\"type\": \"ROOT\"}');
             GRANT USAGE ON SCHEMA mine TO PUBLIC;
             DROP TABLE mine.p_history;
             CREATE VIEW mine.p_history AS SELECT id, version, created_at, updated_at,
                 profile_version, updated_by, updated_by_login, context, data, contained, now() AS ended_at FROM mine.p WHERE lair.evil()",
        )
        .unwrap();
    scene.database.run(&format!(
        "CREATE TABLE public.theirs (LIKE clinic.office);
         GRANT INSERT, UPDATE, DELETE, SELECT, TRIGGER ON public.theirs TO \"{}\"",
        scene.attacker
    ));
    mallory
        .batch_execute("CREATE TEMP TABLE office (LIKE mine.p)")
        .unwrap();
    for table in ["public.theirs", "pg_temp.office"] {
        for (function, writes) in [
            (
                "BEFORE INSERT OR UPDATE ON TABLE FOR EACH ROW EXECUTE FUNCTION ingest.guard(NAMED)",
                "INSERT",
            ),
            (
                "AFTER UPDATE OR DELETE ON TABLE FOR EACH ROW EXECUTE FUNCTION ingest.archive(NAMED)",
                "DELETE",
            ),
            (
                "AFTER INSERT ON TABLE FOR EACH STATEMENT EXECUTE FUNCTION ingest.archive(NAMED)",
                "INSERT",
            ),
        ] {
            for named in ["'mine', 'p'", "'clinic', 'office'"] {
                let create = function.replace("TABLE", table).replace("NAMED", named);
                mallory
                    .batch_execute(&format!(
                        "ALTER TABLE pg_temp.office DISABLE TRIGGER ALL;
                         INSERT INTO {table} (id, version, created_at, updated_at, profile_version, updated_by, data) VALUES ('x', 1, now(), now(), 1, 'y', '{{\"name\": \"forged\"}}');
                         CREATE TRIGGER strike {create}"
                    ))
                    .unwrap();
                let write = match writes {
                    "INSERT" => format!(
                        "INSERT INTO {table} (id, version, created_at, updated_at, profile_version, updated_by, data) VALUES ('x', 77, now(), now(), 1, 'y', '{{\"name\": \"forged\"}}')"
                    ),
                    _ => format!("DELETE FROM {table}"),
                };
                expect_sqlstate(mallory.batch_execute(&write), "42501");
                mallory
                    .batch_execute(&format!("DROP TRIGGER strike ON {table}"))
                    .or_else(|_| {
                        scene
                            .database
                            .connect()
                            .batch_execute(&format!("DROP TRIGGER strike ON {table}"))
                    })
                    .unwrap();
            }
        }
    }
    scene.held();
    let mut client = scene.database.connect();
    let forged = "SELECT count(*) FROM clinic.office_history";
    assert_eq!(value::<i64>(&mut client, forged), 0);
}

/// Without `define`, nobody can attach a trigger function of the gate at all.
#[test]
fn trigger_functions_are_not_public() {
    let mut database = Database::new("escalation");
    let role = database.create_role("anybody", "");
    let mut client = database.connect_as(&role);
    client.batch_execute("CREATE TEMP TABLE t ()").unwrap();
    for function in [
        "guard('s', 'p')",
        "archive('s', 'p')",
        "seal()",
        "catalog_changed()",
        "source_changed()",
        "schema_cache_changed()",
    ] {
        let create = format!(
            "CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION ingest.{function}"
        );
        expect_sqlstate(client.batch_execute(&create), "42501");
    }
}

/// Who may create a source may define in it: the triggers need no grant by hand.
#[test]
fn definer_of_a_source_of_its_own_makes_its_triggers() {
    let mut database = Database::new("escalation");
    let role = database.create_role("definer", "");
    database.run(&format!(
        "GRANT CREATE ON DATABASE \"{}\" TO \"{role}\";
         GRANT EXECUTE ON FUNCTION ingest.source_create(text, jsonb),
             ingest.profile_define(text, text, jsonb) TO \"{role}\"",
        database.name()
    ));
    let mut client = database.connect_as(&role);
    client
        .batch_execute(
            "SELECT ingest.source_create('mine');
             SELECT ingest.profile_define('mine', 'p', '{\"type\": \"ROOT\"}');
             INSERT INTO mine.p (id, data) VALUES ('a', '{}'); DELETE FROM mine.p",
        )
        .unwrap();
    let kept = "SELECT count(*) FROM mine.p_history";
    assert_eq!(value::<i64>(&mut client, kept), 2);
}

/// The catalog's triggers say that the catalog has changed for the catalog alone.
#[test]
fn catalog_changed_on_a_table_of_ones_own_is_refused() {
    let scene = scene();
    let mut mallory = scene.attacker();
    mallory
        .batch_execute(
            "CREATE TEMP TABLE t (i int); CREATE TRIGGER t AFTER INSERT ON t
                 FOR EACH ROW EXECUTE FUNCTION ingest.catalog_changed()",
        )
        .unwrap();
    expect_sqlstate(mallory.batch_execute("INSERT INTO t VALUES (1)"), "42501");
}

/// A trigger on a catalog table, which a role with TRIGGER on it makes, runs for nobody.
#[test]
fn trigger_of_another_on_the_catalog_stops_its_use() {
    let scene = scene();
    scene.database.run(&format!(
        "GRANT ALL ON ALL TABLES IN SCHEMA ingest TO \"{}\"",
        scene.attacker
    ));
    let mut mallory = scene.attacker();
    mallory
        .batch_execute(
            "CREATE TRIGGER strike BEFORE INSERT ON ingest.property
                 FOR EACH ROW EXECUTE FUNCTION lair.strike()",
        )
        .unwrap();
    let mut client = scene.database.connect();
    let define = "SELECT ingest.profile_define('clinic', 'more', '{\"type\": \"ROOT\", \"properties\": {\"a\": {\"type\": \"symbol\"}}}')";
    expect_sqlstate(client.batch_execute(define), "42501");
    scene.held();
    scene.database.run("DROP TRIGGER strike ON ingest.property");
    client.batch_execute(define).unwrap();
}

/// Rows that a foreign key takes along are deleted by its owner, and their triggers run as whoever
/// deletes: neither the catalog nor a purge runs them.
#[test]
fn foreign_key_of_another_runs_nothing() {
    let scene = scene();
    scene.database.run(&format!(
        "GRANT REFERENCES, SELECT ON ALL TABLES IN SCHEMA ingest, clinic TO \"{0}\";
         GRANT USAGE ON SCHEMA clinic TO \"{0}\"",
        scene.attacker
    ));
    let strikes = |table: &str, key: &str, refers: &str, row: &str| {
        scene
            .attacker()
            .batch_execute(&format!(
                "CREATE TABLE lair.{table} ({key}, FOREIGN KEY {refers} ON DELETE CASCADE);
                 INSERT INTO lair.{table} VALUES {row};
                 CREATE TRIGGER strike AFTER DELETE ON lair.{table}
                     FOR EACH ROW EXECUTE FUNCTION lair.strike()"
            ))
            .unwrap();
    };
    let mut client = scene.database.connect();
    client
        .batch_execute("UPDATE clinic.office SET data = '{\"name\": \"b\"}' WHERE id = 'o'")
        .unwrap();
    for (table, key, refers, row) in [
        ("rows", "id text", "(id) REFERENCES clinic.office", "('o')"),
        (
            "versions",
            "id text, v int",
            "(id, v) REFERENCES clinic.office_history",
            "('o', 1)",
        ),
    ] {
        strikes(table, key, refers, row);
        let purge = "SELECT ingest.profile_purge('clinic', 'office', true)";
        expect_sqlstate(client.batch_execute(purge), "42501");
        scene.held();
        client
            .batch_execute(&format!("DROP TABLE lair.{table}"))
            .unwrap();
    }
    strikes(
        "profiles",
        "s text, p text",
        "(s, p) REFERENCES ingest.profile",
        "('clinic', 'office')",
    );
    for call in [
        "SELECT ingest.profile_drop('clinic', 'office', true)",
        "SELECT ingest.profile_define('clinic', 'more', '{\"type\": \"ROOT\"}')",
        "SELECT ingest.source_drop('clinic', true)",
    ] {
        expect_sqlstate(client.batch_execute(call), "42501");
        scene.held();
    }
}

/// A schema that took the name of a source that was renamed gets none of its history.
#[test]
fn schema_in_the_place_of_a_renamed_one_gets_no_history() {
    let scene = scene();
    scene
        .database
        .run("ALTER SCHEMA clinic RENAME TO clinic_2024");
    scene
        .attacker()
        .batch_execute(
            "CREATE SCHEMA clinic;
             CREATE TABLE clinic.office (id text, version int, created_at timestamptz,
                 updated_at timestamptz, profile_version int, updated_by text, updated_by_login text,
                 context jsonb, data jsonb, contained jsonb);
             CREATE TABLE clinic.office_history (LIKE clinic.office, ended_at timestamptz, CHECK (lair.evil()));
             GRANT USAGE ON SCHEMA clinic TO PUBLIC; GRANT ALL ON ALL TABLES IN SCHEMA clinic TO PUBLIC",
        )
        .unwrap();
    let mut client = scene.database.connect();
    for write in [
        "DELETE FROM clinic_2024.office",
        "UPDATE clinic_2024.office SET data = '{\"name\": \"b\"}'",
        "INSERT INTO clinic_2024.office (id, data) VALUES ('new', '{}')",
        "INSERT INTO clinic_2024.office (data) VALUES ('{}')",
    ] {
        expect_sqlstate(client.batch_execute(write), "42501");
    }
    let taken = "SELECT count(*) FROM clinic.office_history";
    assert_eq!(value::<i64>(&mut client, taken), 0);
    scene.held();
}

/// A new history has nothing of what default privileges give on tables but the right to read it.
#[test]
fn history_made_under_default_privileges_is_only_read() {
    let scene = scene();
    scene.database.run(&format!(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA clinic GRANT ALL ON TABLES TO PUBLIC, \"{}\";
         SELECT ingest.profile_define('clinic', 'later', '{{\"type\": \"ROOT\"}}');
         SELECT ingest.relationship_define('clinic', 'owns',
             '{{\"from\": {{\"profileKey\": \"provider\"}}, \"to\": {{\"profileKey\": \"later\"}}}}')",
        scene.attacker
    ));
    let mut client = scene.database.connect();
    for history in ["later_history", "owns_history"] {
        let left = format!(
            "SELECT string_agg(DISTINCT a.privilege_type, ',') FROM pg_class AS c, aclexplode(c.relacl) AS a
             WHERE c.oid = 'clinic.{history}'::regclass AND a.grantee <> c.relowner
               AND a.privilege_type <> 'MAINTAIN'"
        );
        assert_eq!(value::<String>(&mut client, &left), "SELECT");
    }
}

/// A purge opens one history, and leaves out of the archive the rows that it deletes itself: what a
/// trigger writes meanwhile is archived, and no other history can be written.
#[test]
fn purge_with_a_trigger_that_writes_elsewhere_opens_nothing_else() {
    let scene = scene();
    let mut client = scene.database.connect();
    for attempt in [
        "DELETE FROM clinic.office_history",
        "UPDATE clinic.office_history SET data = '{}'",
        "INSERT INTO clinic.office_history SELECT *, now() FROM clinic.office",
        "TRUNCATE clinic.office_history",
        "DELETE FROM clinic.provider_history",
        "INSERT INTO clinic.provider_history SELECT *, now() FROM clinic.provider",
    ] {
        client
            .batch_execute(&format!(
                "INSERT INTO clinic.provider (id, data) VALUES ('p', '{{\"name\": \"p\"}}') ON CONFLICT DO NOTHING;
                 CREATE OR REPLACE FUNCTION clinic.strike() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN {attempt}; RETURN OLD; END $$;
                 CREATE OR REPLACE TRIGGER strike BEFORE DELETE ON clinic.provider
                     FOR EACH ROW EXECUTE FUNCTION clinic.strike()"
            ))
            .unwrap();
        let purge = "SELECT ingest.profile_purge('clinic', 'provider', true)";
        expect_sqlstate(client.batch_execute(purge), "42501");
    }
    client
        .batch_execute(
            "CREATE OR REPLACE FUNCTION clinic.strike() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 UPDATE clinic.office SET data = '{\"name\": \"b\"}'; DELETE FROM clinic.office; RETURN OLD; END $$;
             SELECT ingest.profile_purge('clinic', 'provider', true)",
        )
        .unwrap();
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2, deleted 3"
    );
    let left = "SELECT count(*) FROM clinic.provider_history";
    assert_eq!(value::<i64>(&mut client, left), 0);
}

/// A purge, which runs as the owner, does not fire a trigger that somebody else has made.
#[test]
fn purge_of_a_table_with_a_trigger_of_another_is_refused() {
    let scene = scene();
    scene.database.run(&format!(
        "GRANT USAGE ON SCHEMA clinic TO \"{0}\"; GRANT ALL ON ALL TABLES IN SCHEMA clinic TO \"{0}\"",
        scene.attacker
    ));
    scene
        .attacker()
        .batch_execute(
            "CREATE TRIGGER strike BEFORE DELETE ON clinic.office
                 FOR EACH ROW EXECUTE FUNCTION lair.strike()",
        )
        .unwrap();
    let mut client = scene.database.connect();
    let purge = "SELECT ingest.profile_purge('clinic', 'office', true)";
    expect_sqlstate(client.batch_execute(purge), "42501");
    scene.held();
}

/// Code of the owner that runs within the archive finds the seal closed, also that of the history
/// which is being written.
#[test]
fn trigger_of_the_owner_on_a_history_finds_it_sealed() {
    let scene = scene();
    let mut client = scene.database.connect();
    for (when, attempt) in [
        ("AFTER INSERT", "DELETE FROM clinic.office_history"),
        (
            "AFTER INSERT",
            "INSERT INTO clinic.office_history SELECT id, version + 50, created_at, updated_at, profile_version, updated_by, updated_by_login, context, data, contained, ended_at FROM clinic.office_history",
        ),
        (
            "BEFORE INSERT",
            "INSERT INTO clinic.office_history SELECT *, now() FROM clinic.office ",
        ),
        (
            "BEFORE INSERT",
            "INSERT INTO clinic.provider_history SELECT *, now() FROM clinic.provider",
        ),
    ] {
        client
            .batch_execute(&format!(
                "CREATE OR REPLACE FUNCTION clinic.more() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN IF pg_trigger_depth() < 3 THEN {attempt}; END IF; RETURN NEW; END $$;
                 CREATE TRIGGER more {when} ON clinic.office_history
                     FOR EACH STATEMENT EXECUTE FUNCTION clinic.more()"
            ))
            .unwrap();
        let write = "UPDATE clinic.office SET data = '{\"name\": \"b\"}'";
        expect_sqlstate(client.batch_execute(write), "42501");
        client
            .batch_execute("DROP TRIGGER more ON clinic.office_history")
            .unwrap();
    }
    // One that writes nothing there is welcome.
    client
        .batch_execute(
            "CREATE OR REPLACE FUNCTION clinic.more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
             CREATE TRIGGER more BEFORE INSERT ON clinic.office_history FOR EACH ROW EXECUTE FUNCTION clinic.more();
             UPDATE clinic.office SET data = '{\"name\": \"b\"}'",
        )
        .unwrap();
}

/// An id that a statement generated and told another session before it was stored is a caller's id:
/// its versions go on from what the other session did with it.
#[test]
fn id_generated_and_told_to_another_session_gets_no_version_twice() {
    let database = clinic::database("escalation");
    database.run("CREATE TABLE public.told (id text); CREATE TABLE public.go ()");
    let mut writer = database.connect();
    let told = thread::spawn(move || {
        writer.batch_execute(
            "DO $$ DECLARE v text := ingest.new_id(); BEGIN
                 INSERT INTO public.told VALUES (v); COMMIT;
                 WHILE NOT EXISTS (SELECT FROM public.go) LOOP PERFORM pg_sleep(0.01); END LOOP;
                 INSERT INTO clinic.office (id, data) VALUES (v, '{\"name\": \"mine\"}');
             END $$",
        )
    });
    let mut client = database.connect();
    let begin = Instant::now();
    while !value::<bool>(&mut client, "SELECT EXISTS (SELECT FROM public.told)") {
        assert!(begin.elapsed() < Duration::from_secs(20));
    }
    let id: String = value(&mut client, "SELECT id FROM public.told");
    client
        .batch_execute(&format!(
            "INSERT INTO clinic.office (id, data) VALUES ('{id}', '{{}}');
             UPDATE clinic.office SET data = '{{\"name\": \"b\"}}'; DELETE FROM clinic.office"
        ))
        .unwrap();
    client
        .batch_execute("INSERT INTO public.go DEFAULT VALUES")
        .unwrap();
    told.join().unwrap().unwrap();
    client.batch_execute("DELETE FROM clinic.office").unwrap();
    assert_eq!(
        clinic::story(&mut client, OFFICE, &id),
        "created 1, updated 2, deleted 3, created 4, deleted 5"
    );
}

/// The same, where the other session's transaction ends while the row is on its way: a retry.
#[test]
fn id_told_to_a_transaction_that_ends_during_the_insert_is_a_retry() {
    let database = clinic::database("escalation");
    let (mut writer, notices) = clinic::with_notices(&database, "postgres");
    let told = thread::spawn(move || {
        writer.batch_execute(
            "DO $$ DECLARE v text := ingest.new_id(); BEGIN
                 RAISE NOTICE '%', v; PERFORM pg_sleep(1.5);
                 INSERT INTO clinic.office (id, data) VALUES (v, '{\"name\": \"mine\"}');
             END $$",
        )
    });
    let id = first_notice(&notices);
    let mut client = database.connect();
    client
        .batch_execute(&format!(
            "BEGIN; INSERT INTO clinic.office (id, data) VALUES ('{id}', '{{}}');
             DELETE FROM clinic.office"
        ))
        .unwrap();
    wait_for(&database, "wait_event_type = 'Lock'");
    client.batch_execute("COMMIT").unwrap();
    expect_sqlstate(told.join().unwrap(), "40001");
    assert_eq!(
        clinic::story(&mut client, OFFICE, &id),
        "created 1, deleted 2"
    );
}

/// An id that a verb generated, and a trigger before the guard has told another session, is a
/// caller's id as well.
#[test]
fn id_of_a_verb_told_by_a_trigger_gets_no_version_twice() {
    let database = clinic::database("escalation");
    database.run(
        "CREATE FUNCTION clinic.tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.data ->> 'name' = 'mine' THEN RAISE NOTICE '%', NEW.id; PERFORM pg_sleep(1.5); END IF;
             RETURN NEW; END $$;
         CREATE TRIGGER tell BEFORE INSERT ON clinic.office FOR EACH ROW EXECUTE FUNCTION clinic.tell()",
    );
    for call in [
        "SELECT ingest.resource_create('clinic', 'office', '{\"data\": {\"name\": \"mine\"}}')",
        "SELECT ingest.resource_load('clinic', 'office', '[{\"data\": {\"name\": \"mine\"}}]')",
        "INSERT INTO clinic.office (data) VALUES ('{\"name\": \"mine\"}')",
    ] {
        let (mut writer, notices) = clinic::with_notices(&database, "postgres");
        let told = thread::spawn(move || writer.batch_execute(call));
        let id = first_notice(&notices);
        let mut client = database.connect();
        client
            .batch_execute(&format!(
                "INSERT INTO clinic.office (id, data) VALUES ('{id}', '{{}}'); DELETE FROM clinic.office"
            ))
            .unwrap();
        told.join().unwrap().unwrap();
        client.batch_execute("DELETE FROM clinic.office").unwrap();
        assert_eq!(
            clinic::story(&mut client, OFFICE, &id),
            "created 1, deleted 2, created 3, deleted 4",
            "{call}"
        );
    }
}

fn first_notice(notices: &clinic::Notices) -> String {
    let begin = Instant::now();
    loop {
        if let Some(notice) = notices.lock().unwrap().first() {
            return notice.clone();
        }
        assert!(begin.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(2));
    }
}

/// What a constraint on a history refuses is refused without the row, which the writer may not read.
#[test]
fn history_with_a_constraint_shows_no_values() {
    let mut scene = scene();
    let blind = scene.database.create_role("blind", "");
    scene.database.run(&format!(
        "GRANT USAGE ON SCHEMA clinic TO \"{blind}\"; GRANT UPDATE (data), DELETE ON clinic.office TO \"{blind}\";
         UPDATE clinic.office SET data = '{{\"name\": \"SECRET\"}}'"
    ));
    let mut client = scene.database.connect();
    client
        .batch_execute("ALTER TABLE clinic.office_history ADD CONSTRAINT strict CHECK (data ->> 'name' <> 'SECRET')")
        .unwrap();
    let mut blind = scene.database.connect_as(&blind);
    for write in [
        "UPDATE clinic.office SET data = '{\"name\": \"b\"}'",
        "DELETE FROM clinic.office",
    ] {
        let refusal = expect_sqlstate(blind.batch_execute(write), "23514");
        assert!(!format!("{refusal:?}").contains("SECRET"), "{refusal:?}");
    }
}

/// A link table of a relationship stays one, whatever columns its owner adds.
#[test]
fn link_table_with_a_column_contained_keeps_its_links() {
    let database = clinic::database("escalation");
    let mut client = database.connect();
    client
        .batch_execute(
            "ALTER TABLE clinic.\"worksAt\" ADD COLUMN contained jsonb;
             INSERT INTO clinic.office (id, data) VALUES ('o', '{}');
             INSERT INTO clinic.provider (id, data) VALUES ('p', '{\"name\": \"p\"}');
             INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p', 'o');
             DELETE FROM clinic.\"worksAt\";
             INSERT INTO clinic.\"worksAt\" (from_id, to_id) VALUES ('p', 'o');
             SELECT ingest.relationship_unlink('clinic', 'worksAt', 'provider.p,office.o');
             ALTER TABLE clinic.office DROP COLUMN contained",
        )
        .unwrap();
    let kept = "SELECT count(*) FROM clinic.\"worksAt_history\"";
    assert_eq!(value::<i64>(&mut client, kept), 4);
    let refusal = expect_sqlstate(client.batch_execute("DELETE FROM clinic.office"), "PT400");
    assert!(refusal.message().contains("contained"), "{refusal:?}");
}

/// A column of another type in a history is an error, and never an address of this server's memory.
#[test]
fn history_with_columns_of_another_type_tells_no_address() {
    let database = clinic::database("escalation");
    let mut client = database.connect();
    client
        .batch_execute(
            "INSERT INTO clinic.office (id, data) VALUES ('o', '{}'), ('gone', '{}');
             UPDATE clinic.office SET data = '{\"name\": \"b\"}';
             DELETE FROM clinic.office WHERE id = 'gone';
             ALTER TABLE clinic.office_history ALTER COLUMN version TYPE text,
                 ALTER COLUMN updated_at TYPE text, ALTER COLUMN ended_at TYPE text",
        )
        .unwrap();
    for call in [
        "SELECT ingest.resource_delete('clinic', 'office', 'o')",
        "SELECT ingest.resource_history('clinic', 'office', 'o')",
        "SELECT ingest.resource_read('clinic', 'office', 'o', 1)",
        "INSERT INTO clinic.office (id, data) VALUES ('gone', '{}')",
    ] {
        let refusal = client.batch_execute(call).expect_err(call);
        let code = refusal.code().unwrap().code().to_owned();
        assert!(
            ["PT400", "42804", "42883"].contains(&code.as_str()),
            "{call}: {refusal:?}"
        );
    }
}

/// A trigger that creates a deleted row again sees the archive done; one that is named to come first
/// is refused.
#[test]
fn row_created_again_by_a_trigger_of_its_deletion_gets_the_next_version() {
    let database = clinic::database("escalation");
    let mut client = database.connect();
    client
        .batch_execute(
            "CREATE FUNCTION clinic.again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO clinic.office (id, data) VALUES (OLD.id, '{\"name\": \"again\"}'); RETURN NULL; END $$;
             CREATE TRIGGER \"Again\" AFTER DELETE ON clinic.office FOR EACH ROW EXECUTE FUNCTION clinic.again();
             INSERT INTO clinic.office (id, data) VALUES ('o', '{}');
             DELETE FROM clinic.office;
             DROP TRIGGER \"Again\" ON clinic.office;
             DELETE FROM clinic.office",
        )
        .unwrap();
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, deleted 2, created 3, deleted 4"
    );
    client
        .batch_execute(
            "INSERT INTO clinic.office (id, data) VALUES ('o', '{}');
             CREATE TRIGGER \"  first\" AFTER DELETE ON clinic.office FOR EACH ROW EXECUTE FUNCTION clinic.again()",
        )
        .unwrap();
    let refusal = expect_sqlstate(client.batch_execute("DELETE FROM clinic.office"), "PT400");
    assert!(refusal.hint().unwrap().contains("  first"), "{refusal:?}");
}

/// Under an old snapshot a row that is created again ends the tombstone that its guard has seen.
#[test]
fn tombstone_newer_than_the_snapshot_is_ended() {
    let database = clinic::database("escalation");
    let (mut old, mut client) = (database.connect(), database.connect());
    for (isolation, id) in [("REPEATABLE READ", "a"), ("SERIALIZABLE", "b")] {
        old.batch_execute(&format!(
            "BEGIN ISOLATION LEVEL {isolation}; SELECT 1 FROM clinic.office"
        ))
        .unwrap();
        clinic::create_as(&mut client, OFFICE, id, &json!({"data": {}})).unwrap();
        clinic::delete(&mut client, OFFICE, id, None, false).unwrap();
        old.batch_execute(&format!(
            "INSERT INTO clinic.office (id, data) VALUES ('{id}', '{{}}'); COMMIT"
        ))
        .unwrap();
        let open = format!(
            "SELECT count(*) FROM clinic.office_history WHERE id = '{id}' AND ended_at IS NULL"
        );
        assert_eq!(value::<i64>(&mut client, &open), 0, "{isolation}");
        assert_eq!(
            clinic::story(&mut client, OFFICE, id),
            "created 1, deleted 2, created 3"
        );
    }
}
