//! The ward: a source of FHIR with a few types of few elements, for tests of what holds for all.

use ingest_tests::Database;
use postgres::types::ToSql;
use postgres::{Client, Error, GenericClient};
use serde_json::{Value, json};

use crate::clinic::Written;

/// The URL of a definition of FHIR's own.
pub fn url(name: &str) -> String {
    format!("http://hl7.org/fhir/StructureDefinition/{name}")
}

/// A StructureDefinition: its elements by path, type and cardinality. An element without a type is
/// one of its own.
pub fn structure(kind: &str, name: &str, elements: &[(&str, &str, &str)]) -> Value {
    let element = |(path, of, cardinality): &(&str, &str, &str)| {
        let (min, max) = cardinality.split_once("..").unwrap();
        let min: u8 = min.parse().unwrap();
        let of = if of.is_empty() { "BackboneElement" } else { of };
        json!({"id": format!("{name}.{path}"), "path": format!("{name}.{path}"), "min": min, "max": max,
            "type": [{"code": of}]})
    };
    let root = json!({"id": name, "path": name, "min": 0, "max": "*"});
    let elements: Vec<Value> = std::iter::once(root)
        .chain(elements.iter().map(element))
        .collect();
    let base = match kind {
        "resource" => "DomainResource",
        _ => "Element",
    };
    json!({"resourceType": "StructureDefinition", "url": url(name), "name": name, "kind": kind,
        "abstract": false, "type": name, "baseDefinition": url(base), "derivation": "specialization",
        "snapshot": {"element": elements}})
}

/// Meta, Patient and Observation.
pub fn types() -> Value {
    json!([
        structure(
            "complex-type",
            "Meta",
            &[
                ("versionId", "id", "0..1"),
                ("lastUpdated", "instant", "0..1"),
                ("source", "uri", "0..1"),
                ("tag", "", "0..*"),
                ("tag.code", "code", "0..1"),
            ],
        ),
        structure(
            "resource",
            "Patient",
            &[
                ("id", "id", "0..1"),
                ("meta", "Meta", "0..1"),
                ("contained", "Resource", "0..*"),
                ("active", "boolean", "0..1"),
                ("identifier", "", "0..*"),
                ("identifier.system", "uri", "0..1"),
                ("identifier.value", "string", "0..1"),
                ("name", "", "0..*"),
                ("name.family", "string", "0..1"),
                ("name.given", "string", "0..*"),
                ("birthDate", "date", "0..1"),
                ("weight", "decimal", "0..1"),
            ],
        ),
        structure(
            "resource",
            "Observation",
            &[
                ("id", "id", "0..1"),
                ("meta", "Meta", "0..1"),
                ("status", "code", "1..1"),
            ],
        ),
    ])
}

/// A database with an empty source `fhir` in it.
pub fn empty(hint: &str) -> (Database, Client) {
    let database = Database::new(hint);
    let mut client = database.connect();
    client
        .batch_execute("SELECT ingest.source_create('fhir', '{\"format\": \"fhir\"}')")
        .unwrap();
    (database, client)
}

/// A database with the source `fhir` in it, and tables for Patient and Observation.
pub fn database(hint: &str) -> (Database, Client) {
    let (database, mut client) = empty(hint);
    let told = import(&mut client, &types(), None).unwrap();
    assert!(
        told.iter()
            .all(|one| one.outcome == "created" && one.issue.is_none()),
        "{told:?}"
    );
    (database, client)
}

/// A row that an import answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub kind: String,
    pub url: String,
    pub name: String,
    pub outcome: String,
    pub issue: Option<String>,
}

/// `fhir_import`
pub fn import(
    client: &mut impl GenericClient,
    definitions: &Value,
    types: Option<&[&str]>,
) -> Result<Vec<Told>, Error> {
    let rows = client.query(
        "SELECT kind, url, name, outcome, issue FROM ingest.fhir_import('fhir', $1, $2)",
        &[definitions, &types],
    )?;
    Ok(rows
        .iter()
        .map(|row| Told {
            kind: row.get(0),
            url: row.get(1),
            name: row.get(2),
            outcome: row.get(3),
            issue: row.get(4),
        })
        .collect())
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
    arguments: &[&(dyn ToSql + Sync)],
) -> Result<Written, Error> {
    let sql = format!(
        "SELECT outcome::text, id, version, updated_at, resource FROM ingest.{verb}('fhir', 'Patient', {rest})"
    );
    client.query_one(&sql, arguments).map(Into::into)
}
