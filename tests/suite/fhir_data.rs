//! Real data: the example resources of FHIR R4, stored as they are and read back as they were.
//!
//! They stand beside the checkout, in `../shared/fhir-r4`, or where `INGEST_SHARED` says; without
//! them there is nothing to do.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use ingest_tests::Database;
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, value};

/// A file of the shared data, or `None` where there is none.
pub fn shared(name: &str) -> Option<PathBuf> {
    let shared = match env::var_os("INGEST_SHARED") {
        Some(shared) => PathBuf::from(shared),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    let file = shared.join("fhir-r4").join(name);
    file.exists().then_some(file)
}

/// The stock package of R4, or `None` where it was not fetched.
pub fn package() -> Option<PathBuf> {
    let script = root().join("scripts/fetch-fhir");
    let cached = Command::new(script).arg("--cached").output().unwrap();
    let package = String::from_utf8(cached.stdout).unwrap();
    let package = package.trim();
    (!package.is_empty()).then(|| package.into())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Imports a package into the source `fhir`, by the command for it, and gives what that prints.
pub fn import_package(database: &Database, package: &Path) -> String {
    import(database, package, &[])
}

/// The same, with tables for these types alone: `Patient,Observation`.
pub fn import_types(database: &Database, package: &Path, types: &str) -> String {
    import(database, package, &["--types", types])
}

fn import(database: &Database, package: &Path, options: &[&str]) -> String {
    let output = Command::new(root().join("scripts/fhir-import"))
        .args(options)
        .args([&database.url(), "fhir"])
        .arg(package)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The lines of a compressed file of the shared data, or `None` where there is none.
pub fn lines(name: &str) -> Option<Vec<String>> {
    let file = shared(name)?;
    let output = Command::new("gzip").arg("-cd").arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", file.display());
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

fn define(client: &mut Client) {
    let anything = json!({"type": "ROOT", "additionalProperties": true});
    clinic::define(client, "clinic", "anything", &anything).unwrap();
    client
        .batch_execute("CREATE TEMP TABLE given (ordinal serial, data jsonb)")
        .unwrap();
}

/// Backslashes and control characters as COPY wants them; JSON has no others.
fn copy_line(line: &str) -> String {
    format!("{}\n", line.replace('\\', "\\\\"))
}

/// Every example, written by a verb, is answered, stored, read and kept in history exactly as it
/// was given: the same JSONB, and the same numbers to the last digit.
#[test]
fn examples_of_fhir_by_verbs_come_back_as_they_were() {
    let Some(examples) = lines("examples.ndjson.gz") else {
        return;
    };
    assert!(examples.len() >= 500, "{}", examples.len());
    let database = clinic::database("fhir");
    let mut client = database.connect();
    define(&mut client);
    let create = client
        .prepare(
            "SELECT id, resource -> 'data' = $1::text::jsonb, (resource -> 'data')::text = $1::text::jsonb::text \
             FROM ingest.resource_create('clinic', 'anything', jsonb_build_object('data', $1::text::jsonb))",
        )
        .unwrap();
    let read = client
        .prepare(
            "SELECT (ingest.resource_read('clinic', 'anything', $1) -> 'data')::text = $2::text::jsonb::text",
        )
        .unwrap();
    let upsert = client
        .prepare(
            "SELECT outcome::text FROM ingest.resource_upsert('clinic', 'anything', $1, \
             jsonb_build_object('data', $2::text::jsonb))",
        )
        .unwrap();
    for (number, example) in examples.iter().enumerate() {
        let made = client
            .query_one(&create, &[example])
            .unwrap_or_else(|error| {
                panic!("example {number}: {error:?}");
            });
        let id: String = made.get(0);
        assert!(
            made.get::<_, bool>(1) && made.get::<_, bool>(2),
            "example {number}: the answer differs"
        );
        let same: bool = client.query_one(&read, &[&id, example]).unwrap().get(0);
        assert!(same, "example {number}: what is read differs");
        let outcome: String = client.query_one(&upsert, &[&id, example]).unwrap().get(0);
        assert_eq!(outcome, "unchanged", "example {number}");
    }
    client.batch_execute("DELETE FROM clinic.anything").unwrap();
    let versions: i64 = value(&mut client, "SELECT count(*) FROM clinic.anything_history");
    assert_eq!(usize::try_from(versions).unwrap(), 2 * examples.len());
}

/// Every example, loaded by COPY, is stored exactly as it was given.
#[test]
fn examples_of_fhir_by_copy_are_stored_as_they_were() {
    let Some(examples) = lines("examples.ndjson.gz") else {
        return;
    };
    let database = clinic::database("fhir");
    let mut client = database.connect();
    define(&mut client);
    let rows: String = examples.iter().map(|example| copy_line(example)).collect();
    clinic::copy(&mut client, "COPY given (data) FROM STDIN", &rows).unwrap();
    let copied =
        clinic::copy(&mut client, "COPY clinic.anything (data) FROM STDIN", &rows).unwrap();
    assert_eq!(usize::try_from(copied).unwrap(), examples.len());
    // Generated ids are in the order of the rows.
    let differing: i64 = value(
        &mut client,
        "SELECT count(*) FROM given AS g
         FULL JOIN (SELECT row_number() OVER (ORDER BY id) AS ordinal, data FROM clinic.anything) AS s
         USING (ordinal)
         WHERE g.data::text IS DISTINCT FROM s.data::text",
    );
    assert_eq!(differing, 0);
}

/// Whole bundles of thousands of resources, each megabytes long, are stored as they were given.
#[test]
fn bundles_of_synthea_are_stored_as_they_were() {
    let Some(bundles) = lines("synthea-bundles.ndjson.gz") else {
        return;
    };
    let database = clinic::database("fhir");
    let mut client = database.connect();
    define(&mut client);
    let rows: String = bundles.iter().map(|bundle| copy_line(bundle)).collect();
    clinic::copy(&mut client, "COPY given (data) FROM STDIN", &rows).unwrap();
    client
        .batch_execute(
            "SELECT ingest.resource_create('clinic', 'anything', jsonb_build_object('data', data), 'b' || ordinal)
             FROM given",
        )
        .unwrap();
    let differing: i64 = value(
        &mut client,
        "SELECT count(*) FROM given AS g LEFT JOIN clinic.anything AS a ON a.id = 'b' || ordinal
         WHERE g.data::text IS DISTINCT FROM a.data::text
            OR g.data IS DISTINCT FROM ingest.resource_read('clinic', 'anything', a.id) -> 'data'",
    );
    assert_eq!(differing, 0);
    let stored: i64 = value(&mut client, "SELECT count(*) FROM clinic.anything");
    assert_eq!(usize::try_from(stored).unwrap(), bundles.len());
}

/// A profile of some real properties tells the patients that conform from those that do not, and
/// from all that is no patient.
#[test]
fn patients_of_fhir_are_told_from_other_resources() {
    let Some(examples) = lines("examples.ndjson.gz") else {
        return;
    };
    let database = clinic::database("fhir");
    let mut client = database.connect();
    define(&mut client);
    let patient = json!({"type": "ROOT", "additionalProperties": true, "properties": {
        "resourceType": {"type": "code", "rules": [{"required": true}, {"enum": ["Patient"]}]},
        "birthDate": {"type": "date"},
        "gender": {"type": "code", "rules": [{"enum": ["male", "female", "other", "unknown"]}]},
        "active": {"type": "boolean"},
        "name": {"type": "array", "items": {"type": "humanname"}}}});
    clinic::define(&mut client, "clinic", "real", &patient).unwrap();
    let valid = client
        .prepare(
            "SELECT ingest.resource_is_valid('clinic', 'real', jsonb_build_object('data', $1::text::jsonb)), \
             ingest.resource_validate('clinic', 'real', jsonb_build_object('data', $1::text::jsonb))",
        )
        .unwrap();
    let mut patients = 0;
    for example in &examples {
        let is_patient = example.starts_with("{\"resourceType\":\"Patient\"");
        patients += usize::from(is_patient);
        let row = client.query_one(&valid, &[example]).unwrap();
        let (conforms, outcome): (bool, Value) = (row.get(0), row.get(1));
        assert_eq!(conforms, is_patient, "{outcome} of {}", &example[..80]);
    }
    assert!(patients > 5, "{patients}");
}
