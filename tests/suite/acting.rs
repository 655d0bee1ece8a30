//! Acting as the owner: between what was checked and what a statement runs, nobody puts anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ingest_tests::expect_sqlstate;
use postgres::Client;

use crate::clinic::value;
use crate::escalation::{Scene, scene, wait_for};

/// An operator of a caller's is not run by a look-up, in whatever role's name that is made: here in
/// a function of the owner's that a caller's search_path comes into.
#[test]
fn operator_of_a_caller_is_not_run_by_a_look_up() {
    let scene = scene();
    scene.database.run(&format!(
        "GRANT USAGE ON SCHEMA clinic TO \"{0}\";
         CREATE TABLE public.one (id text PRIMARY KEY);
         CREATE TABLE public.many (one text REFERENCES public.one ON DELETE CASCADE);
         CREATE FUNCTION public.register(id text) RETURNS void LANGUAGE sql SECURITY DEFINER
             AS $$ INSERT INTO clinic.office (id, data) VALUES (id, '{{\"name\": \"n\"}}') $$;
         CREATE FUNCTION public.take(id text) RETURNS void LANGUAGE sql SECURITY DEFINER
             AS $$ SELECT ingest.resource_delete('clinic', 'office', id) $$",
        scene.attacker
    ));
    let mut mallory = scene.attacker();
    for kind in ["oid", "name", "text", "int4", "\"char\"", "bool"] {
        for (operator, result) in [("=", "true"), ("<>", "false")] {
            mallory
                .batch_execute(&format!(
                    "CREATE OR REPLACE FUNCTION lair.same({kind}, {kind}) RETURNS boolean LANGUAGE plpgsql
                         AS $$ BEGIN PERFORM lair.evil(); RETURN {result}; END $$;
                     CREATE OPERATOR lair.{operator} (LEFTARG = {kind}, RIGHTARG = {kind}, FUNCTION = lair.same)"
                ))
                .unwrap();
        }
    }
    mallory
        .batch_execute("SET search_path = lair, pg_catalog")
        .unwrap();
    for _ in 0..2 {
        mallory
            .batch_execute(
                "SELECT public.register('x'); SELECT public.take('x'); SELECT public.register('x')",
            )
            .unwrap();
        mallory.batch_execute("SELECT public.take('x')").unwrap();
    }
    scene.held();
    let ran = "SELECT count(*) FROM lair.ran";
    assert_eq!(value::<i64>(&mut scene.database.connect(), ran), 0);
}

/// A source `rent` of the superuser's whose schema is mallory's, and a schema `rent2` of hers with
/// tables of the same names, each with her code on it, for when a statement is planned and for when
/// it runs; and a profile that refers to another.
fn rented() -> Scene {
    let scene = scene();
    scene.database.run(&format!(
        "SELECT ingest.source_create('rent');
         SELECT ingest.profile_define('rent', 'q', '{{\"type\": \"ROOT\"}}');
         SELECT ingest.profile_define('rent', 'p', '{{\"type\": \"ROOT\", \"properties\": {{
             \"to\": {{\"type\": \"reference\", \"target\": [\"q\"], \"enforce\": true}},
             \"n\": {{\"type\": \"integer\"}}}}}}');
         INSERT INTO rent.q (id, data) VALUES ('t', '{{}}');
         INSERT INTO rent.p (id, data) VALUES ('a', '{{\"n\": 1}}');
         ALTER SCHEMA rent OWNER TO \"{0}\"; GRANT SELECT ON ALL TABLES IN SCHEMA rent TO \"{0}\"",
        scene.attacker
    ));
    scene
        .attacker()
        .batch_execute(
            "CREATE FUNCTION lair.still(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
                 RETURN lair.evil(); END $$;
             CREATE SCHEMA rent2;
             CREATE TABLE rent2.p (LIKE rent.p INCLUDING ALL);
             CREATE TABLE rent2.p_history (LIKE rent.p_history INCLUDING ALL);
             CREATE TABLE rent2.q_hidden AS SELECT 't'::text COLLATE \"C\" AS id;
             CREATE VIEW rent2.q AS SELECT *, 1 AS version, now() AS created_at, now() AS updated_at,
                 1 AS profile_version, 'r'::text AS updated_by, NULL::text AS updated_by_login,
                 NULL::jsonb AS context, '{}'::jsonb AS data, NULL::jsonb AS contained
                 FROM rent2.q_hidden WHERE lair.evil() AND lair.still(1);
             CREATE INDEX ON rent2.p_history (id) WHERE lair.still(2);
             CREATE TRIGGER strike BEFORE INSERT ON rent2.p_history
                 FOR EACH ROW EXECUTE FUNCTION lair.strike();
             CREATE TRIGGER strike_at_once BEFORE INSERT OR UPDATE ON rent2.p_history
                 FOR EACH STATEMENT EXECUTE FUNCTION lair.strike();
             GRANT ALL ON SCHEMA rent2 TO PUBLIC; GRANT ALL ON ALL TABLES IN SCHEMA rent2 TO PUBLIC",
        )
        .unwrap();
    scene
}

const SWAP: &str =
    "BEGIN; ALTER SCHEMA rent RENAME TO rent1; ALTER SCHEMA rent2 RENAME TO rent; COMMIT";
const SWAP_BACK: &str =
    "BEGIN; ALTER SCHEMA rent RENAME TO rent2; ALTER SCHEMA rent1 RENAME TO rent; COMMIT";

/// A schema that gets another name after its tables were checked, and before the statement on them
/// is parsed, leads the statement nowhere: it is tried again. The write is stopped there, in a
/// fresh session and in one that has written before.
#[test]
fn schema_renamed_between_check_and_statement_is_noticed() {
    for write in [
        "UPDATE rent.p SET data = '{\"n\": 2}'",
        "DELETE FROM rent.p",
        "INSERT INTO rent.p (id, data) VALUES ('a', '{}') ON CONFLICT DO NOTHING",
        "INSERT INTO rent.p (data) VALUES ('{\"to\": {\"reference\": \"q/t\"}}')",
        "SELECT ingest.resource_delete('rent', 'p', 'a')",
    ] {
        for warm in [false, true] {
            let scene = rented();
            let mut holder = scene.database.connect();
            holder.batch_execute("SELECT pg_advisory_lock(7)").unwrap();
            let mut writer = scene.database.connect();
            if warm {
                writer
                    .batch_execute(&format!("BEGIN; {write}; ROLLBACK"))
                    .unwrap();
            }
            writer
                .batch_execute("SET ingest_test.pause = 'on'")
                .unwrap();
            let stopped = thread::spawn(move || writer.batch_execute(write));
            wait_for(&scene.database, "wait_event = 'advisory'");
            scene.attacker().batch_execute(SWAP).unwrap();
            // The writer may come by more than one stop.
            holder
                .batch_execute("SELECT pg_advisory_unlock(7)")
                .unwrap();
            match stopped.join().unwrap() {
                Err(refusal) => {
                    let state = refusal.code().unwrap().code();
                    // A plan that was kept goes to the tables that it was made for; the next check
                    // may find them elsewhere.
                    let noticed = state == "40001" || warm && state == "42501";
                    assert!(noticed, "{write}: {refusal:?}");
                }
                Ok(()) => assert!(warm, "{write}"),
            }
            scene.held();
            scene.attacker().batch_execute(SWAP_BACK).unwrap();
            scene.database.run(write);
            scene.held();
        }
    }
}

/// The same by chance: two schemas that change their names all the time.
#[test]
fn schemas_that_swap_names_under_writers_lead_nowhere() {
    let scene = rented();
    let mut mallory = scene.attacker();
    let done = Arc::new(AtomicBool::new(false));
    let seen = done.clone();
    let swapper = thread::spawn(move || {
        while !seen.load(Ordering::Relaxed) {
            mallory.batch_execute(SWAP).unwrap();
            mallory.batch_execute(SWAP_BACK).unwrap();
        }
    });
    for _ in 0..40 {
        let mut writer = scene.database.connect();
        for write in [
            "UPDATE rent.p SET data = jsonb_build_object('n', (random() * 1000)::integer)",
            "INSERT INTO rent.p (data) VALUES ('{\"to\": {\"reference\": \"q/t\"}}')",
            "DELETE FROM rent.p WHERE id <> 'a'",
        ] {
            // What is written is her own table, or nothing.
            let _ = writer.batch_execute(write);
        }
    }
    done.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    scene.held();
}

/// What an owner may put on a history is the owner's, and runs as the owner: it must find nothing by
/// the search_path of whoever writes.
#[test]
fn code_of_the_owner_on_a_history_finds_nothing_of_the_writers() {
    let scene = scene();
    scene.database.run(&format!(
        "CREATE SCHEMA audit; CREATE TABLE audit.log (at timestamptz, id text);
         CREATE FUNCTION audit.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO audit.log VALUES (now(), lower(NEW.id)); RETURN NEW; END $$;
         CREATE FUNCTION audit.fine(id text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
             RETURN lower(id); END $$;
         CREATE DOMAIN audit.checked AS text CHECK (VALUE IS NULL OR audit.fine(VALUE) IS NOT NULL);
         GRANT USAGE ON SCHEMA clinic TO \"{0}\";
         GRANT SELECT, INSERT, UPDATE, DELETE ON clinic.office TO \"{0}\"",
        scene.attacker
    ));
    let mut mallory = scene.attacker();
    mallory
        .batch_execute(
            "CREATE FUNCTION lair.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM lair.evil(); RETURN pg_catalog.now(); END $$;
             CREATE FUNCTION lair.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM lair.evil(); RETURN pg_catalog.lower($1); END $$;
             SET search_path = lair, pg_catalog",
        )
        .unwrap();
    let mut owner = scene.database.connect();
    for (made, unmade) in [
        (
            "CREATE TRIGGER note AFTER INSERT ON clinic.office_history
                 FOR EACH ROW EXECUTE FUNCTION audit.note()",
            "DROP TRIGGER note ON clinic.office_history",
        ),
        (
            "ALTER TABLE clinic.office_history ADD CONSTRAINT fine CHECK (audit.fine(id) IS NOT NULL)",
            "ALTER TABLE clinic.office_history DROP CONSTRAINT fine",
        ),
        (
            "ALTER TABLE clinic.office_history ADD extra text DEFAULT audit.fine('A')",
            "ALTER TABLE clinic.office_history DROP extra",
        ),
        (
            "ALTER TABLE clinic.office_history ADD extra text GENERATED ALWAYS AS (audit.fine(id)) STORED",
            "ALTER TABLE clinic.office_history DROP extra",
        ),
        (
            "CREATE INDEX fine ON clinic.office_history (audit.fine(id))",
            "DROP INDEX clinic.fine",
        ),
        (
            "CREATE INDEX fine ON clinic.office_history (id) WHERE audit.fine(id) IS NOT NULL",
            "DROP INDEX clinic.fine",
        ),
        (
            "ALTER TABLE clinic.office_history ADD extra audit.checked",
            "ALTER TABLE clinic.office_history DROP extra",
        ),
        (
            "CREATE POLICY fine ON clinic.office_history USING (audit.fine(id) IS NOT NULL)
                 WITH CHECK (audit.fine(id) IS NOT NULL);
             ALTER TABLE clinic.office_history ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
            "DROP POLICY fine ON clinic.office_history;
             ALTER TABLE clinic.office_history DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
        ),
    ] {
        owner.batch_execute(made).unwrap();
        mallory
            .batch_execute(
                "INSERT INTO clinic.office (id, data) VALUES ('m', '{\"name\": \"a\"}');
                 UPDATE clinic.office SET data = '{\"name\": \"b\"}';
                 DELETE FROM clinic.office;
                 INSERT INTO clinic.office (id, data) VALUES ('m', '{}'); DELETE FROM clinic.office",
            )
            .unwrap_or_else(|error| panic!("{made}: {error:?}"));
        scene.held();
        // The writer's path is the writer's again, after a refusal too.
        owner
            .batch_execute(
                "CREATE FUNCTION audit.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                     RAISE EXCEPTION 'no'; END $$;
                 CREATE TRIGGER refuse BEFORE INSERT ON clinic.office_history
                     FOR EACH ROW EXECUTE FUNCTION audit.refuse()",
            )
            .unwrap();
        mallory
            .batch_execute("INSERT INTO clinic.office (id, data) VALUES ('r', '{}')")
            .unwrap();
        for write in [
            "DELETE FROM clinic.office",
            "DO $$ BEGIN DELETE FROM clinic.office; EXCEPTION WHEN OTHERS THEN
                 IF current_setting('search_path') OPERATOR(pg_catalog.<>) 'lair, pg_catalog' THEN RAISE; END IF; END $$",
        ] {
            let written = mallory.batch_execute(write);
            assert_eq!(written.is_err(), write.starts_with("DELETE"), "{made}");
            assert_eq!(path(&mut mallory), "lair, pg_catalog");
        }
        owner
            .batch_execute("DROP FUNCTION audit.refuse CASCADE; DELETE FROM clinic.office")
            .unwrap();
        owner.batch_execute(unmade).unwrap();
    }
    assert_eq!(path(&mut mallory), "lair, pg_catalog");
}

fn path(client: &mut Client) -> String {
    value(client, "SELECT pg_catalog.current_setting('search_path')")
}

/// What an owner may put on the table itself runs as the owner where a statement of ours is planned:
/// an immutable function of constants. (No link leads to the table: of a foreign key's own statements,
/// which PostgreSQL plans as the owner, that is so in every table.)
#[test]
fn code_of_the_owner_on_a_table_finds_nothing_of_the_writers_when_it_is_planned() {
    let scene = scene();
    scene.database.run(&format!(
        "CREATE SCHEMA audit;
         CREATE FUNCTION audit.tag(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
             RETURN lower($1); END $$;
         SELECT ingest.profile_define('clinic', 'room', '{{\"type\": \"ROOT\", \"properties\": {{
             \"name\": {{\"type\": \"symbol\"}}}}}}');
         SELECT ingest.profile_define('clinic', 'desk', '{{\"type\": \"ROOT\", \"properties\": {{
             \"in\": {{\"type\": \"reference\", \"target\": [\"room\"], \"enforce\": true}}}}}}');
         GRANT USAGE ON SCHEMA clinic TO \"{0}\";
         GRANT SELECT, INSERT, UPDATE, DELETE ON clinic.room, clinic.desk TO \"{0}\"",
        scene.attacker
    ));
    scene
        .attacker()
        .batch_execute(
            "CREATE FUNCTION lair.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM lair.evil(); RETURN pg_catalog.lower($1); END $$",
        )
        .unwrap();
    let mut owner = scene.database.connect();
    for (made, unmade) in [
        (
            "CREATE INDEX fine ON clinic.room (id) WHERE audit.tag('A') = 'a'",
            "DROP INDEX clinic.fine",
        ),
        (
            "CREATE INDEX fine ON clinic.room (id, (id || audit.tag('A')))",
            "DROP INDEX clinic.fine",
        ),
        (
            "ALTER TABLE clinic.room ADD CONSTRAINT fine CHECK (audit.tag('A') = 'a')",
            "ALTER TABLE clinic.room DROP CONSTRAINT fine",
        ),
    ] {
        owner.batch_execute(made).unwrap();
        let mut mallory = scene.attacker();
        mallory
            .batch_execute(
                "SET search_path = lair, pg_catalog; SET constraint_exclusion = on;
                 INSERT INTO clinic.room (id, data) VALUES ('m', '{}');
                 UPDATE clinic.room SET data = '{\"name\": \"b\"}' WHERE id OPERATOR(pg_catalog.=) 'm';
                 INSERT INTO clinic.desk (data) VALUES ('{\"in\": {\"reference\": \"room/m\"}}');
                 DELETE FROM clinic.desk;
                 DELETE FROM clinic.room WHERE id OPERATOR(pg_catalog.=) 'm';
                 INSERT INTO clinic.room (id, data) VALUES ('m', '{}')",
            )
            .unwrap_or_else(|error| panic!("{made}: {error:?}"));
        assert_eq!(path(&mut mallory), "lair, pg_catalog");
        scene.held();
        owner
            .batch_execute(&format!("DELETE FROM clinic.room; {unmade}"))
            .unwrap();
    }
    // All of it was run by her, in her own statements.
    let ran = "SELECT count(*) FROM lair.ran";
    assert!(value::<i64>(&mut owner, ran) > 0);
}

/// A trigger that waits for the end of the transaction would run there as the owner, from PostgreSQL
/// 18 on, under the path that the writer has by then.
#[test]
fn deferrable_trigger_on_a_history_stops_its_writes() {
    let scene = scene();
    let mut owner = scene.database.connect();
    owner
        .batch_execute(
            "CREATE FUNCTION public.late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM now(); RETURN NULL; END $$",
        )
        .unwrap();
    for deferrable in ["DEFERRABLE INITIALLY DEFERRED", "DEFERRABLE"] {
        owner
            .batch_execute(&format!(
                "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON clinic.office_history {deferrable}
                     FOR EACH ROW EXECUTE FUNCTION public.late()"
            ))
            .unwrap();
        let write = "UPDATE clinic.office SET data = data";
        let refusal = expect_sqlstate(owner.batch_execute(write), "42501");
        assert!(
            refusal
                .hint()
                .is_some_and(|hint| hint.contains("deferrable"))
        );
        owner
            .batch_execute("DROP TRIGGER late ON clinic.office_history")
            .unwrap();
        owner.batch_execute(write).unwrap();
    }
}

/// An event trigger that fires in what is done in the catalog's name finds nothing by the
/// search_path of the definer.
#[test]
fn event_trigger_in_the_name_of_the_catalog_finds_nothing_of_the_definers() {
    let scene = scene();
    scene.database.run(&format!(
        "CREATE TABLE public.ddl (at timestamptz, tag text); GRANT INSERT ON public.ddl TO PUBLIC;
         CREATE FUNCTION public.note_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO public.ddl VALUES (now(), tg_tag); END $$;
         CREATE EVENT TRIGGER note_ddl ON ddl_command_end EXECUTE FUNCTION public.note_ddl();
         REVOKE EXECUTE ON FUNCTION ingest.guard(), ingest.archive(), ingest.seal() FROM \"{}\"",
        scene.attacker
    ));
    let mut mallory = scene.attacker();
    mallory
        .batch_execute(
            "CREATE FUNCTION lair.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM lair.evil(); RETURN pg_catalog.now(); END $$;
             SET search_path = lair, pg_catalog;
             SELECT ingest.source_create('mine');
             SELECT ingest.profile_define('mine', 'p', '{\"type\": \"ROOT\"}')",
        )
        .unwrap();
    let mut owner = scene.database.connect();
    let granted = "SELECT count(*) FROM public.ddl WHERE tag = 'GRANT'";
    assert!(value::<i64>(&mut owner, granted) > 0);
    owner.batch_execute("DROP EVENT TRIGGER note_ddl").unwrap();
    scene.held();
}

/// Who owns the schema of the catalog owns its tables too, or nothing is done there.
#[test]
fn catalog_in_a_schema_of_another_is_not_used() {
    let scene = scene();
    scene.database.run(&format!(
        "ALTER SCHEMA ingest OWNER TO \"{}\"",
        scene.attacker
    ));
    let mut client = scene.database.connect();
    let write = "INSERT INTO clinic.office (data) VALUES ('{}')";
    expect_sqlstate(client.batch_execute(write), "42501");
    scene
        .database
        .run("ALTER SCHEMA ingest OWNER TO CURRENT_USER");
    client.batch_execute(write).unwrap();
}
