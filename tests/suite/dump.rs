//! Dumps: a database comes back whole, with a gate that works; and without the extension nothing of
//! the user's is lost.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Output};

use ingest_tests::{Database, expect_sqlstate, psql, server};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, PROVIDER, value};

/// A clinic with a past: definitions that changed, rows that were changed, deleted and created
/// again, contained resources, links, and what users add.
fn clinic_with_a_past() -> Database {
    let database = clinic::database("dump");
    live_on(&mut database.connect());
    database
}

/// Gives a clinic its past.
pub fn live_on(client: &mut Client) {
    let contained = json!({"primaryPaymentMethod": [{"data": {"value": "Visa"}}]});
    for number in 0..20 {
        let name = format!("Ünï \"c\" \\ {number}\t$$");
        let (provider, office) = (format!("p{number}"), format!("o{number}"));
        clinic::upsert(
            client,
            PROVIDER,
            &provider,
            &json!({"data": {"name": name}}),
        )
        .unwrap();
        let body = json!({"data": {"name": name}, "contained": contained});
        clinic::upsert(client, OFFICE, &office, &body).unwrap();
        clinic::link(client, &provider, &office).unwrap();
    }
    clinic::create(
        client,
        "Patient",
        &json!({"data": {"name": [{"given": ["Bob"]}]}}),
    )
    .unwrap();
    client
        .batch_execute(
            "UPDATE clinic.office SET data = data || '{\"note\": \"n\"}' WHERE id < 'o2';
             DELETE FROM clinic.\"worksAt\" WHERE from_id IN ('p0', 'p1', 'p2');
             BEGIN; SET LOCAL ingest.context = '{\"actor\": \"Practitioner/7\"}';
             DELETE FROM clinic.office WHERE id IN ('o0', 'o1'); COMMIT;
             INSERT INTO clinic.office (id, data) VALUES ('o0', '{}');
             ALTER TABLE clinic.office ADD COLUMN tenant text DEFAULT 'none';
             CREATE INDEX ON clinic.office ((data ->> 'name'));
             SELECT ingest.resource_erase('clinic', 'office', 'o17', 'asked for', true);
             SELECT ingest.version_erase('clinic', 'office', 'o18', 1, 'asked for');
             CREATE TABLE public.mine (doc jsonb);
             CREATE TRIGGER checked BEFORE INSERT ON public.mine FOR EACH ROW
                 EXECUTE FUNCTION ingest.validate('clinic', 'Patient', 'doc')",
        )
        .unwrap();
    assert_eq!(retried(client), "created");
    let definition = json!({"type": "ROOT", "history": {"older": "7 years"}, "properties": {
        "name": {"type": "symbol", "rules": [{"required": true}]}, "age": {"type": "integer"}}});
    clinic::define(client, "clinic", PROVIDER, &definition).unwrap();
    clinic::upsert(
        client,
        PROVIDER,
        "p3",
        &json!({"data": {"name": "x", "age": 7}}),
    )
    .unwrap();
}

/// What comes of a call under a key.
fn retried(client: &mut Client) -> String {
    value(
        client,
        "SELECT outcome::text FROM ingest.resource_create('clinic', 'provider', '{\"data\": {\"name\": \"x\"}}', request_key => 'k')",
    )
}

/// Every row of the clinic and of the catalog, as text.
pub fn content(client: &mut Client) -> Vec<(String, String)> {
    let tables: Vec<String> = client
        .query(
            "SELECT c.oid::regclass::text FROM pg_class AS c WHERE relkind = 'r' \
             AND relnamespace IN ('clinic'::regnamespace, 'ingest'::regnamespace) ORDER BY 1",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert!(tables.len() >= 15, "{tables:?}");
    tables
        .into_iter()
        .map(|table| {
            let rows = format!("SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM (SELECT to_jsonb(t) - 'revision' AS t FROM {table} AS t) AS t");
            let rows = value(client, &rows);
            (table, rows)
        })
        .collect()
}

/// The gate as it should be after a restore: open for what conforms, closed for what does not, and
/// with the versions that were.
#[track_caller]
pub fn assert_gate_works(client: &mut Client) {
    assert_eq!(retried(client), "replayed");
    assert_eq!(
        clinic::story(client, OFFICE, "o0"),
        "created 1, updated 2, deleted 3, created 4"
    );
    assert_eq!(
        clinic::history(client, OFFICE, "o17").unwrap()[0].outcome,
        "erased"
    );
    let reasons: Vec<Option<String>> = client
        .query(
            "SELECT erased ->> 'reason' FROM ingest.resource_history('clinic', 'office', 'o18')",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(reasons, [None, Some("asked for".to_owned())]);
    let again = clinic::create_as(client, OFFICE, "o17", &json!({"data": {}})).unwrap();
    assert_eq!(again.did(), ("created", 4), "a marker is remembered");
    let authors: Vec<Option<String>> = client
        .query(
            "SELECT context ->> 'actor' FROM ingest.resource_history('clinic', 'office', 'o0')",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let deleted_by = Some("Practitioner/7".to_owned());
    assert_eq!(authors, [None, deleted_by, None, None]);
    clinic::create(client, OFFICE, &json!({"data": {"name": "new"}})).unwrap();
    expect_sqlstate(
        clinic::create(client, OFFICE, &json!({"data": {"name": 1}})),
        "PT422",
    );
    expect_sqlstate(
        client.batch_execute("INSERT INTO clinic.office (data) VALUES ('{\"name\": 1}')"),
        "PT422",
    );
    let next = clinic::upsert_version(client, OFFICE, "o0", &json!({"data": {"name": "y"}}), 4);
    assert_eq!(next.unwrap().did(), ("updated", 5));
    let stale = clinic::upsert_version(client, OFFICE, "o0", &json!({"data": {"name": "z"}}), 4);
    expect_sqlstate(stale, "PT412");
    let again = clinic::create_as(client, OFFICE, "o1", &json!({"data": {}})).unwrap();
    assert_eq!(again.did(), ("created", 4), "a tombstone is remembered");
    let linked = clinic::link(client, "p0", "o0").unwrap();
    assert_eq!(linked.did(), ("created", 3));
    expect_sqlstate(clinic::delete(client, OFFICE, "o0", None, false), "PT409");
    for sealed in [
        "DELETE FROM clinic.office_history",
        "TRUNCATE clinic.\"worksAt_history\"",
    ] {
        expect_sqlstate(client.batch_execute(sealed), "42501");
    }
    expect_sqlstate(client.batch_execute("TRUNCATE clinic.\"Patient\""), "PT400");
    expect_sqlstate(
        client.batch_execute("INSERT INTO public.mine VALUES ('{\"name\": 1}')"),
        "PT422",
    );
    let provider = json!({"type": "ROOT", "properties": {"name": {"type": "symbol"}}});
    let next = clinic::define(client, "clinic", PROVIDER, &provider).unwrap();
    assert_eq!(next["version"], json!(3));
    clinic::upsert(client, PROVIDER, "p3", &json!({"data": {"name": "y"}})).unwrap();
    let version: i32 = value(
        client,
        "SELECT profile_version FROM clinic.provider WHERE id = 'p3'",
    );
    assert_eq!(version, 3);
}

/// Another database, with all of this one.
pub fn restored(database: &Database) -> Database {
    let dump = String::from_utf8(run("pg_dump", &["-d", &database.url()]).stdout).unwrap();
    let restored = Database::empty("restored");
    let session = psql::run(&restored, &dump);
    assert!(session.succeeded, "{}", session.output);
    restored
}

pub fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(server::program(program))
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A file in the scratch directory, gone at the end.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let directory = env::var("INGEST_SCRATCH").unwrap();
        Self(PathBuf::from(directory).join(name))
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A plain dump, run by psql in an empty database.
#[test]
fn plain_dump_restored_has_the_same_rows_and_a_gate() {
    let database = clinic_with_a_past();
    let before = content(&mut database.connect());
    for options in [&["--inserts"][..], &[][..]] {
        let url = database.url();
        let arguments: Vec<&str> = options.iter().copied().chain(["-d", &url]).collect();
        let dump = String::from_utf8(run("pg_dump", &arguments).stdout).unwrap();
        let restored = Database::empty("restored");
        let session = psql::run(&restored, &dump);
        assert!(session.succeeded, "{}", session.output);
        let mut client = restored.connect();
        assert_eq!(content(&mut client), before, "{options:?}");
        assert_gate_works(&mut client);
    }
}

/// A dump in PostgreSQL's own format, restored by two workers at once.
#[test]
fn custom_dump_restored_in_parallel_has_the_same_rows_and_a_gate() {
    let database = clinic_with_a_past();
    let file = Scratch::new(&format!("{}.dump", database.name()));
    run(
        "pg_dump",
        &["-Fc", "-f", file.path(), "-d", &database.url()],
    );
    let restored = Database::empty("restored");
    run(
        "pg_restore",
        &["-e", "-j2", "-d", &restored.url(), file.path()],
    );
    let mut client = restored.connect();
    assert_eq!(content(&mut client), content(&mut database.connect()));
    assert_gate_works(&mut client);
}

/// A dump into a directory, made and restored by two workers at once; and one whose owners do not
/// exist where it is restored.
#[test]
fn directory_dump_restored_in_parallel_has_the_same_rows_and_a_gate() {
    let mut database = clinic_with_a_past();
    let owner = database.create_role("owner", "");
    database.run(&format!(
        "ALTER SCHEMA clinic OWNER TO \"{owner}\"; \
         ALTER TABLE clinic.office OWNER TO \"{owner}\"; ALTER TABLE clinic.office_history OWNER TO \"{owner}\""
    ));
    let file = Scratch::new(&format!("{}.dir", database.name()));
    run(
        "pg_dump",
        &["-Fd", "-j2", "-f", file.path(), "-d", &database.url()],
    );
    let restored = Database::empty("restored");
    run(
        "pg_restore",
        &[
            "-e",
            "-j2",
            "--no-owner",
            "-d",
            &restored.url(),
            file.path(),
        ],
    );
    let mut client = restored.connect();
    assert_eq!(content(&mut client), content(&mut database.connect()));
    assert_gate_works(&mut client);
    database.run(&format!("REASSIGN OWNED BY \"{owner}\" TO CURRENT_USER"));
}

/// A dump of a dump is the same: nothing is added or lost on the way.
#[test]
fn dump_of_a_restored_database_is_the_same_dump() {
    let database = clinic_with_a_past();
    let dump = |database: &Database| {
        let dump = run("pg_dump", &["-d", &database.url()]).stdout;
        String::from_utf8(dump).unwrap()
    };
    let first = dump(&database);
    let restored = Database::empty("restored");
    assert!(psql::run(&restored, &first).succeeded);
    let second = dump(&restored);
    // PostgreSQL's minor releases since 2025 guard plain dumps with a random word.
    let lines = |dump: &str| {
        let lines = dump.lines().filter(|line| !line.contains("restrict"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&second), lines(&first));
}

/// Without the extension, every row of every table and of every history is still there, and can be
/// read, written and dumped.
#[test]
fn extension_dropped_leaves_every_row() {
    let database = clinic_with_a_past();
    let mut client = database.connect();
    let rows = |client: &mut Client| -> Vec<(String, String)> {
        ["provider", "office", "\"Patient\"", "\"worksAt\""]
            .iter()
            .flat_map(|table| {
                [
                    (*table).to_owned(),
                    format!("{}_history", table.trim_end_matches('"')),
                ]
            })
            .map(|table| {
                let quoted = match table.starts_with('"') && !table.ends_with('"') {
                    true => format!("{table}\""),
                    false => table.clone(),
                };
                let all = format!(
                    "SELECT string_agg(t::text, E'\\n' ORDER BY t::text) FROM clinic.{quoted} AS t"
                );
                (
                    table,
                    value::<Option<String>>(client, &all).unwrap_or_default(),
                )
            })
            .collect()
    };
    let before = rows(&mut client);
    assert_eq!(before.len(), 8);
    client
        .batch_execute("DROP EXTENSION ingest_ext CASCADE")
        .unwrap();
    assert_eq!(rows(&mut client), before);
    // In a session that never knew the extension, too.
    let mut other = database.connect();
    assert_eq!(rows(&mut other), before);
    for session in [&mut client, &mut other] {
        session
            .batch_execute(
                "INSERT INTO clinic.office (id, version, created_at, updated_at, profile_version, data) \
                     VALUES ('free', 1, now(), now(), 1, '{\"name\": 1}');
                 UPDATE clinic.office SET version = 7, id = 'freed' WHERE id = 'free';
                 DELETE FROM clinic.office WHERE id = 'freed'",
            )
            .unwrap();
    }
    run("pg_dump", &["-f", "/dev/null", "-d", &database.url()]);
    let left: Value = value(&mut client, "SELECT to_jsonb(count(*)) FROM clinic.office");
    assert_eq!(left, json!(18));
}

/// A plain dump, run where the extension is already, as in a database that was copied from a
/// template with it: no statement of it fails.
#[test]
fn plain_dump_restored_over_the_extension_fails_nowhere() {
    let database = clinic_with_a_past();
    let dump = String::from_utf8(run("pg_dump", &["-d", &database.url()]).stdout).unwrap();
    let restored = Database::new("restored");
    let session = psql::run(&restored, &dump);
    assert!(session.succeeded, "{}", session.output);
    let mut client = restored.connect();
    assert_eq!(content(&mut client), content(&mut database.connect()));
    assert_gate_works(&mut client);
}

/// One source and the extension, dumped without the rest, come back whole, with their definitions;
/// in either format, also where the extension is already.
#[test]
fn source_dumped_with_the_extension_is_restored_whole() {
    let database = clinic_with_a_past();
    let before = content(&mut database.connect());
    let file = Scratch::new(&format!("{}.source", database.name()));
    let url = database.url();
    let select = ["-e", "ingest_ext", "-n", "clinic", "-d", &url];
    let custom = ["-Fc", "-f", file.path()];
    run("pg_dump", &[&custom[..], &select[..]].concat());
    let plain = String::from_utf8(run("pg_dump", &select).stdout).unwrap();
    for restored in [Database::empty("restored"), Database::new("restored")] {
        let session = psql::run(&restored, &plain);
        assert!(session.succeeded, "{}", session.output);
        let mut client = restored.connect();
        assert_eq!(content(&mut client), before);
        client
            .batch_execute(
                "CREATE TABLE public.mine (doc jsonb);
                 CREATE TRIGGER checked BEFORE INSERT ON public.mine FOR EACH ROW
                     EXECUTE FUNCTION ingest.validate('clinic', 'Patient', 'doc')",
            )
            .unwrap();
        assert_gate_works(&mut client);
    }
    for restored in [Database::empty("restored"), Database::new("restored")] {
        run("pg_restore", &["-e", "-d", &restored.url(), file.path()]);
        assert_eq!(content(&mut restored.connect()), before);
    }
}

/// A database that is copied from one with sources in it has them, and a gate of its own.
#[test]
fn database_copied_from_a_template_has_its_sources() {
    let database = clinic_with_a_past();
    let before = content(&mut database.connect());
    let copy = Database::copy_of(&database);
    let mut client = copy.connect();
    assert_eq!(content(&mut client), before);
    assert_gate_works(&mut client);
    assert_eq!(content(&mut database.connect()), before);
}

/// The schema of the extension comes and goes with it, and is nobody's before.
#[test]
fn schema_of_the_extension_comes_and_goes_with_it() {
    let mut database = Database::empty("schema");
    let squatter = database.create_role("squatter", "");
    let mut client = database.connect();
    client
        .batch_execute(&format!(
            "GRANT CREATE ON DATABASE \"{}\" TO \"{squatter}\"",
            database.name()
        ))
        .unwrap();
    database
        .connect_as(&squatter)
        .batch_execute("CREATE SCHEMA ingest")
        .unwrap();
    // Whether it is empty or not, and whosever it is, and whatever is asked for.
    for change in [
        "SELECT",
        "CREATE TABLE ingest.profile (source text)",
        "ALTER SCHEMA ingest OWNER TO CURRENT_USER",
    ] {
        client.batch_execute(change).unwrap();
        for create in [
            "CREATE EXTENSION ingest_ext",
            "CREATE EXTENSION IF NOT EXISTS ingest_ext WITH SCHEMA pg_catalog",
        ] {
            let refusal = expect_sqlstate(client.batch_execute(create), "42P06");
            assert!(
                refusal
                    .hint()
                    .is_some_and(|hint| hint.contains("ALTER SCHEMA ingest RENAME TO"))
            );
        }
    }
    for schema in ["public", "ingest"] {
        let create = format!("CREATE EXTENSION ingest_ext WITH SCHEMA {schema}");
        expect_sqlstate(client.batch_execute(&create), "0A000");
    }
    client
        .batch_execute("ALTER SCHEMA ingest RENAME TO was_there; CREATE EXTENSION ingest_ext")
        .unwrap();
    let foreign: i64 = value(
        &mut client,
        "SELECT count(*) FROM pg_namespace WHERE nspname = 'ingest' AND nspowner <> CURRENT_USER::regrole",
    );
    assert_eq!(foreign, 0);
    expect_sqlstate(client.batch_execute("DROP SCHEMA ingest CASCADE"), "2BP01");
    client.batch_execute("DROP EXTENSION ingest_ext").unwrap();
    let left: bool = value(&mut client, "SELECT to_regnamespace('ingest') IS NOT NULL");
    assert!(!left);
    client.batch_execute("CREATE EXTENSION ingest_ext").unwrap();
    clinic::build(&mut client);
}

/// The script of the extension finds nothing by the search path of who runs it.
#[test]
fn extension_created_under_a_hostile_search_path_is_the_same() {
    let database = Database::empty("schema");
    let mut client = database.connect();
    let shadows = |schema: &str| {
        format!(
            "CREATE FUNCTION {schema}.format(text, name) RETURNS text LANGUAGE sql AS 'SELECT (1/0)::text';
             CREATE FUNCTION {schema}.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz';
             CREATE FUNCTION {schema}.boom(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT 1/0 = 1';
             CREATE OPERATOR {schema}.= (LEFTARG = text, RIGHTARG = text, FUNCTION = {schema}.boom);
             CREATE OPERATOR {schema}.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = {schema}.boom);
             CREATE TYPE {schema}.text AS (a int); CREATE TYPE {schema}.jsonb AS (a int);
             CREATE DOMAIN {schema}.timestamptz AS int;
             CREATE TABLE {schema}.pg_namespace (); CREATE TABLE {schema}.pg_class ();"
        )
    };
    client
        .batch_execute(&format!(
            "CREATE SCHEMA evil; {} {} SET search_path = evil, pg_temp, public, pg_catalog; CREATE EXTENSION ingest_ext",
            shadows("evil"),
            shadows("pg_temp"),
        ))
        .unwrap();
    let mut other = database.connect();
    let strange: Vec<String> = value(
        &mut other,
        "SELECT coalesce(array_agg(DISTINCT d.objid::text || ' ' || d.classid::regclass), '{}')
         FROM pg_depend AS d JOIN pg_depend AS r ON r.classid = d.classid AND r.objid = d.objid
         WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
           AND (r.refclassid, r.refobjid) IN (
               SELECT 'pg_type'::regclass::oid, oid FROM pg_type WHERE typnamespace NOT IN ('pg_catalog'::regnamespace, 'ingest'::regnamespace)
               UNION ALL
               SELECT 'pg_proc'::regclass::oid, oid FROM pg_proc WHERE pronamespace NOT IN ('pg_catalog'::regnamespace, 'ingest'::regnamespace)
               UNION ALL
               SELECT 'pg_operator'::regclass::oid, oid FROM pg_operator WHERE oprnamespace <> 'pg_catalog'::regnamespace)",
    );
    assert!(strange.is_empty(), "{strange:?}");
    clinic::build(&mut other);
    clinic::create(&mut other, OFFICE, &json!({"data": {"name": "a"}})).unwrap();
}
