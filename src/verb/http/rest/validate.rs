//! `POST [type]/$validate`: what a write of the body would be refused for.

use super::outcome;
use super::request::Request;
use super::resource::{no_criteria, taken};
use super::response::Response;
use crate::pg::{Error, Result, State};
use crate::verb::{link, resource};
use ::rest::query::Query;
use ::rest::route::Kind;
use ingest_engine::{Issue, operation_outcome};
use jsonb::{Object, Value};

/// Answers with an OperationOutcome, which is a success whatever it says.
pub fn validate(
    request: &Request<'_>,
    kind: Kind<'_>,
    id: Option<&str>,
    query: &Query,
) -> Result<Response> {
    request.headers.refuse_all()?;
    no_criteria(query)?;
    let guarded = request.guarded(kind)?;
    let body = request.json()?;
    let body = Value::read(&body)?;
    let mut profiles: Vec<&str> = query.answer.profiles.iter().map(String::as_str).collect();
    let given = match (request.door.fhir, body) {
        (true, Value::Object(object))
            if is_parameters(object)? && guarded.name() != "Parameters" =>
        {
            parameters(object, &mut profiles)?
        }
        _ => body,
    };
    let given = taken(request, &guarded, given, true)?;
    let given = Value::read(&given)?;
    let mut issues = match kind {
        Kind::Link(_) => link::check(&guarded, given)?,
        Kind::Resource(_) => resource::validate::check(&guarded, given, &profiles)?.into_issues(),
    };
    if let (Some(id), Value::Object(object)) = (id, given)
        && let Some(Value::String(own)) = object.get(b"id")?
        && own != id.as_bytes()
    {
        let expression = format!("{}.id", guarded.name());
        let code = ingest_engine::issue::Code::Value;
        issues.push(Issue::error(
            code,
            expression,
            "expected the id of the path",
        ));
    }
    if issues.is_empty() {
        issues.push(Issue::conforms());
    }
    outcome::asked(&operation_outcome(&issues))
}

fn is_parameters(object: Object<'_>) -> Result<bool> {
    let of = object.get(b"resourceType")?;
    Ok(matches!(of, Some(Value::String(b"Parameters"))))
}

/// The resource that Parameters hold, and the profiles that they name
/// (<https://hl7.org/fhir/R4/resource-operation-validate.html>).
fn parameters<'a>(object: Object<'a>, profiles: &mut Vec<&'a str>) -> Result<Value<'a>> {
    let mut resource = None;
    if let Some(Value::Array(parameters)) = object.get(b"parameter")? {
        for parameter in parameters.iter() {
            let Value::Object(parameter) = parameter? else {
                continue;
            };
            match parameter.get(b"name")? {
                Some(Value::String(b"resource")) => resource = parameter.get(b"resource")?,
                Some(Value::String(b"profile")) => {
                    for key in [&b"valueUri"[..], b"valueCanonical", b"valueString"] {
                        if let Some(Value::String(url)) = parameter.get(key)? {
                            profiles.push(std::str::from_utf8(url).map_err(|_| Error::Corrupt)?);
                        }
                    }
                }
                _ => {}
            }
        }
    }
    resource.ok_or_else(|| {
        Error::refuse(State::BadRequest, "the parameters hold no resource")
            .hint("{\"name\": \"resource\", \"resource\": {...}}")
    })
}
