//! The ward: a source of FHIR with a few types of few elements, for tests of what holds for all.

use ingest_tests::Database;
use postgres::{Client, Error, GenericClient};
use serde_json::{Value, json};

use crate::clinic::Written;

/// `profile`, `kind`, and the rows of `ingest.property`: path, type, settings.
type Rows = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str, &'static str)],
);

const TYPES: &[Rows] = &[
    (
        "Meta",
        "TYPE",
        &[
            ("versionId", "id", "{}"),
            ("lastUpdated", "instant", "{}"),
            ("source", "uri", "{}"),
            ("tag", "array", "{}"),
            ("tag[]", "object", "{}"),
            ("tag[].code", "code", "{}"),
        ],
    ),
    (
        "Patient",
        "CONTAINED",
        &[
            ("id", "id", "{}"),
            ("meta", "Meta", "{}"),
            ("active", "boolean", "{}"),
            ("identifier", "array", "{}"),
            ("identifier[]", "object", "{}"),
            ("identifier[].system", "uri", "{}"),
            ("identifier[].value", "string", "{}"),
            ("name", "array", "{}"),
            ("name[]", "object", "{}"),
            ("name[].family", "string", "{}"),
            ("name[].given", "array", "{}"),
            ("name[].given[]", "string", "{}"),
            ("birthDate", "date", "{}"),
            ("weight", "decimal", "{}"),
            ("contained", "array", "{}"),
            ("contained[]", "Resource", "{}"),
        ],
    ),
    (
        "Observation",
        "CONTAINED",
        &[
            ("id", "id", "{}"),
            ("meta", "Meta", "{}"),
            ("status", "code", r#"{"rules": [{"required": true}]}"#),
        ],
    ),
];

/// A database with the source `fhir` in it, and tables for Patient and Observation.
pub fn database(hint: &str) -> (Database, Client) {
    let database = Database::new(hint);
    let mut client = database.connect();
    client
        .batch_execute("SELECT ingest.source_create('fhir', '{\"format\": \"fhir\"}')")
        .unwrap();
    define(&mut client);
    client
        .batch_execute("SELECT * FROM ingest.fhir_import('fhir', '[]', '{Patient,Observation}')")
        .unwrap();
    (database, client)
}

/// Writes the types into the catalog, as an import does.
fn define(client: &mut Client) {
    for (name, kind, rows) in TYPES {
        client
            .execute(
                "WITH version AS (INSERT INTO ingest.profile_version (source, profile, version, definition)
                     VALUES ('fhir', $1, 1, '{}'))
                 INSERT INTO ingest.profile (source, profile, version, kind, definition) VALUES ('fhir', $1, 1, $2, '{}')",
                &[name, kind],
            )
            .unwrap();
        for (ordinal, (path, of, settings)) in (0..).zip(*rows) {
            client
                .execute(
                    "INSERT INTO ingest.property (source, profile, ordinal, path, type, settings)
                     VALUES ('fhir', $1, $2, $3, $4, $5::text::jsonb)",
                    &[name, &ordinal, path, of, settings],
                )
                .unwrap();
        }
    }
}

/// A patient of this id.
pub fn patient(id: &str, family: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "name": [{"family": family}]})
}

/// A verb that writes: what comes after the profile, and its arguments.
pub fn call(
    client: &mut impl GenericClient,
    verb: &str,
    rest: &str,
    arguments: &[&(dyn postgres::types::ToSql + Sync)],
) -> Result<Written, Error> {
    let sql = format!(
        "SELECT outcome::text, id, version, updated_at, resource FROM ingest.{verb}('fhir', 'Patient', {rest})"
    );
    client.query_one(&sql, arguments).map(Into::into)
}
