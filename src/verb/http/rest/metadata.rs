//! `GET /metadata`: what the door can do, as a CapabilityStatement.
//! <https://hl7.org/fhir/R4/capabilitystatement.html>

use super::request::Request;
use super::response::Response;
use crate::pg::{Error, Result, Session, check_for_interrupts, iso, now};
use crate::store::source::{check_usage, guarded};
use crate::store::{Guarded, find};
use ::rest::narrative::div;
use search::Kind;
use serde_json::{Value as Json, json};
use std::rc::Rc;

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
    let mut all = Vec::with_capacity(types.len());
    for name in &types {
        check_for_interrupts()?;
        all.push(find(request.door.source, name)?);
    }
    let including = including(&all)?;
    let mut resources = Vec::with_capacity(all.len());
    for guarded in &all {
        check_for_interrupts()?;
        resources.push(of_type(guarded, &including)?);
    }
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

/// A parameter of references: `Observation:subject`, and the types that it leads to; to any if none.
type Including = (String, Vec<String>);

fn including(all: &[Rc<Guarded>]) -> Result<Vec<Including>> {
    let mut found = Vec::new();
    for guarded in all {
        check_for_interrupts()?;
        let parameters = guarded.parameters()?;
        for code in parameters.known() {
            let parameter = parameters.find(&code);
            if let Some(parameter) = parameter.filter(|at| at.kind == Kind::Reference) {
                let name = format!("{}:{code}", guarded.name());
                found.push((name, parameter.targets.clone()));
            }
        }
    }
    Ok(found)
}

fn of_type(guarded: &Guarded, including: &[Including]) -> Result<Json> {
    let name = guarded.name();
    let interactions: Vec<Json> = INTERACTIONS
        .iter()
        .map(|code| json!({"code": code}))
        .collect();
    let mut resource = json!({
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
    });
    let parameters = guarded.parameters()?;
    let (mut searched, mut included) = (Vec::new(), Vec::new());
    for code in parameters.known() {
        if let Some(parameter) = parameters.find(&code) {
            if parameter.kind == Kind::Reference {
                included.push(format!("{name}:{code}"));
            }
            searched.push(json!({"name": code, "type": parameter.kind.as_str()}));
        }
    }
    if !included.is_empty() {
        resource["searchInclude"] = json!(included);
    }
    let leads_here = |(_, targets): &&Including| {
        targets.is_empty() || targets.iter().any(|target| target == name)
    };
    let back: Vec<&str> = including
        .iter()
        .filter(leads_here)
        .map(|(code, _)| code.as_str())
        .collect();
    if !back.is_empty() {
        resource["searchRevInclude"] = json!(back);
    }
    resource["searchParam"] = Json::Array(searched);
    Ok(resource)
}
