//! The hospital: a source of FHIR with a few types of R4's own package, their data types and all of
//! their search parameters.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use ingest_tests::Database;
use postgres::{Client, Error, GenericClient};
use serde_json::{Value, json};

use crate::clinic::Written;
use crate::ward;

/// The resource types that have a table.
pub const TYPES: [&str; 7] = [
    "Encounter",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "RiskAssessment",
    "ValueSet",
];

/// What they are made of.
const PARTS: [&str; 27] = [
    "Address",
    "Age",
    "Annotation",
    "Attachment",
    "BackboneElement",
    "CodeableConcept",
    "Coding",
    "ContactDetail",
    "ContactPoint",
    "DomainResource",
    "Duration",
    "Element",
    "Extension",
    "HumanName",
    "Identifier",
    "Meta",
    "Money",
    "Narrative",
    "Period",
    "Quantity",
    "Range",
    "Ratio",
    "Reference",
    "SampledData",
    "Timing",
    "UsageContext",
    "Resource",
];

/// The value sets that the tests search by, each with its code system.
const CODES: [&str; 2] = ["administrative-gender", "observation-status"];

/// The definitions of the package that these are; `None` where it was not fetched.
fn definitions() -> Option<Vec<Value>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/fetch-fhir");
    let cached = Command::new(script).arg("--cached").output().unwrap();
    let package = String::from_utf8(cached.stdout).unwrap();
    if package.trim().is_empty() {
        return None;
    }
    let mut tar = Command::new("tar");
    tar.args(["-xzOf", package.trim(), "--wildcards"]);
    tar.arg("package/SearchParameter-*.json");
    for name in TYPES.iter().chain(&PARTS) {
        tar.arg(format!("package/StructureDefinition-{name}.json"));
    }
    for name in CODES {
        tar.arg(format!("package/ValueSet-{name}.json"));
        tar.arg(format!("package/CodeSystem-{name}.json"));
    }
    let output = tar.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let all = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let all = all.map(Result::unwrap);
    let is_used = |one: &Value| {
        let bases = one["base"].as_array().into_iter().flatten();
        one["resourceType"] != "SearchParameter"
            || bases
                .filter_map(Value::as_str)
                .any(|base| TYPES.contains(&base) || ["Resource", "DomainResource"].contains(&base))
    };
    Some(all.filter(is_used).collect())
}

/// What the import has told.
pub fn told() -> Option<&'static [ward::Told]> {
    template().map(|(_, told)| told.as_slice())
}

fn template() -> Option<&'static (Database, Vec<ward::Told>)> {
    static TEMPLATE: OnceLock<Option<(Database, Vec<ward::Told>)>> = OnceLock::new();
    TEMPLATE
        .get_or_init(|| {
            let definitions = definitions()?;
            let (database, mut client) = ward::empty("hospital");
            let told = ward::import(&mut client, &json!(definitions), None).unwrap();
            client.batch_execute("VACUUM ANALYZE").unwrap();
            Some((database, told))
        })
        .as_ref()
}

/// A database with the source `fhir` in it, whose tables are empty; `None` where the package was not
/// fetched.
pub fn database() -> Option<(Database, Client)> {
    let (template, _) = template()?;
    let database = Database::copy_of(template);
    let client = database.connect();
    Some((database, client))
}

/// Makes indexes.
pub fn index(client: &mut Client, parameters: &[(&str, &str)]) {
    for (profile, parameter) in parameters {
        client
            .query_one(
                "SELECT ingest.search_index('fhir', $1, $2)",
                &[profile, parameter],
            )
            .unwrap_or_else(|error| panic!("{profile}.{parameter}: {error:?}"));
    }
}

/// Stores a resource as it is.
pub fn store(client: &mut impl GenericClient, resource: &Value) {
    let table = resource["resourceType"].as_str().unwrap();
    client
        .execute(
            &format!("INSERT INTO fhir.\"{table}\" (data) VALUES ($1)"),
            &[resource],
        )
        .unwrap_or_else(|error| panic!("{resource}: {error:?}"));
}

/// The ids that a search finds, `Type/id` for what is not of the type.
pub fn search(
    client: &mut impl GenericClient,
    profile: &str,
    criteria: &str,
) -> Result<Vec<String>, Error> {
    let rows = client.query(
        "SELECT CASE WHEN resource ->> 'resourceType' = $1 THEN id ELSE resource ->> 'resourceType' || '/' || id END
         FROM ingest.resource_search('fhir', $1::text, $2::text)",
        &[&profile, &criteria],
    )?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// `resource_create_if`
pub fn create_if(
    client: &mut impl GenericClient,
    profile: &str,
    criteria: &str,
    body: &Value,
) -> Result<Written, Error> {
    let sql = "SELECT outcome::text, id, version, updated_at, resource \
         FROM ingest.resource_create_if('fhir', $1, $2::text, $3)";
    client
        .query_one(sql, &[&profile, &criteria, body])
        .map(Into::into)
}
