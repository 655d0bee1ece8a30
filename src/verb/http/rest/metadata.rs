//! `GET /metadata`: what the door can do, as a CapabilityStatement.
//! <https://hl7.org/fhir/R4/capabilitystatement.html>

use super::request::Request;
use super::response::Response;
use crate::pg::{Error, Result, Session, iso, now};
use crate::store::source::{check_usage, guarded};
use ::rest::narrative::div;
use serde_json::{Value as Json, json};

/// What is asked of one resource, or of its type.
const INTERACTIONS: [&str; 9] = [
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
];

/// The CapabilityStatement of the types that have tables.
pub fn statement(request: &Request<'_>) -> Result<Response> {
    request.headers.refuse_all()?;
    check_usage(request.door.source)?;
    let tables = Session::open(|session| guarded(session, request.door.source))?;
    let types: Vec<&str> = tables
        .iter()
        .filter(|(is_relationship, _)| !is_relationship)
        .map(|(_, name)| name.as_str())
        .collect();
    let resources: Vec<Json> = types.iter().map(|name| of_type(name)).collect();
    let mut rest = json!({
        "mode": "server",
        "interaction": [{"code": "transaction"}, {"code": "batch"}]
    });
    // An array in FHIR is never empty.
    if !resources.is_empty() {
        rest["resource"] = Json::Array(resources);
    }
    let mut statement = json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": iso(now())?,
        "kind": "instance",
        "software": {"name": "ingest_ext", "version": env!("CARGO_PKG_VERSION")},
        "implementation": {"description": "Resources in PostgreSQL, validated and versioned"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "patchFormat": ["application/json-patch+json", "application/merge-patch+json"],
        "text": {"status": "generated", "div": div("What this server keeps:", types)},
        "rest": [rest]
    });
    let base = request.base();
    if base.starts_with("http") {
        statement["implementation"]["url"] = Json::String(base);
    }
    let body = jsonb::from_json(&statement)
        .map_err(|_| Error::Bug("a CapabilityStatement is not JSON".into()))?;
    Ok(Response::new(200).body(body))
}

fn of_type(name: &str) -> Json {
    let interactions: Vec<Json> = INTERACTIONS
        .iter()
        .map(|code| json!({"code": code}))
        .collect();
    json!({
        "type": name,
        "profile": format!("http://hl7.org/fhir/StructureDefinition/{name}"),
        "interaction": interactions,
        "versioning": "versioned",
        "readHistory": true,
        "updateCreate": true,
        "conditionalCreate": true,
        "conditionalRead": "full-support",
        "conditionalUpdate": true,
        "conditionalDelete": "single",
        "operation": [{"name": "validate",
            "definition": "http://hl7.org/fhir/OperationDefinition/Resource-validate"}]
    })
}
