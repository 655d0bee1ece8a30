//! OperationOutcomes as the body of an answer, with text for a person.

use super::request::Request;
use super::response::Response;
use crate::pg::{Error, Failure, Result, State};
use ::rest::narrative::div;
use ingest_engine::Issue;
use serde_json::{Value as Json, json};

/// A refusal that no verb has made.
pub fn refusal(status: u16, code: &str, message: &str) -> Response {
    let outcome = json!({"resourceType": "OperationOutcome", "issue": [
        {"severity": "error", "code": code, "diagnostics": message}]});
    respond(status, message, outcome)
}

/// What a verb has refused.
pub fn of_failure(request: &Request<'_>, failure: Failure) -> Result<Response> {
    if failure.sqlstate == "42501" {
        let hint = failure.hint.unwrap_or_default();
        return Err(Error::refuse(State::InsufficientPrivilege, failure.message).hint(hint));
    }
    if failure.is_busy() {
        // The proxy says the same, in words of its own.
        return Ok(refusal(
            503,
            "transient",
            "the server is busy now; try again",
        ));
    }
    if request.fails_by_body() {
        return Ok(of_body(&failure.sqlstate));
    }
    let status = status(&failure);
    let told = failure.outcome.as_deref();
    let told = told.and_then(|outcome| serde_json::from_str(outcome).ok());
    let mut outcome: Json = match told {
        Some(outcome) => outcome,
        None => json!({"resourceType": "OperationOutcome", "issue": [
            {"severity": "error", "code": code(status), "diagnostics": failure.message}]}),
    };
    if let Some(Json::Array(issues)) = outcome.get_mut("issue") {
        // What does not refuse is for $validate to tell.
        if issues.iter().any(refuses) {
            issues.retain(refuses);
        }
    }
    // Issues of a document say themselves what is expected; a hint about SQL would say no more.
    if let (Some(hint), Some(Json::Array(issues))) = (failure.hint, outcome.get_mut("issue"))
        && let [Json::Object(issue)] = issues.as_mut_slice()
        && issue.get("diagnostics").and_then(Json::as_str) == Some(&failure.message)
    {
        issue.insert("details".into(), json!({"text": hint}));
    }
    Ok(respond(status, &failure.message, outcome))
}

fn refuses(issue: &Json) -> bool {
    matches!(issue["severity"].as_str(), Some("error" | "fatal"))
}

/// A body that PostgreSQL does not read.
fn of_body(sqlstate: &str) -> Response {
    let (status, message) = match sqlstate {
        "54001" | "54000" => (413, "the body is larger or deeper than JSON is read"),
        "22P05" => (400, "the body holds a NUL, which no text can"),
        _ => (400, "the body is not JSON"),
    };
    refusal(status, code(status), message)
}

/// The status of a refusal: one of the user's own triggers can ask for any.
fn status(failure: &Failure) -> u16 {
    let digits = failure.sqlstate.strip_prefix("PT");
    match digits.map(str::parse) {
        Some(Ok(status @ 400..=599)) => status,
        _ => failure.meaning().status(),
    }
}

/// The FHIR issue type of a status (value set `issue-type`).
fn code(status: u16) -> &'static str {
    match status {
        400 => "invalid",
        404 => "not-found",
        409 | 412 => "conflict",
        410 => "deleted",
        413 => "too-costly",
        _ => "processing",
    }
}

/// What was done, for who prefers an outcome, and what else there is to say of it.
pub fn of_success(message: &str, warning: Option<Issue>) -> Vec<u8> {
    let issue = |severity: &str, code: &str, diagnostics: &str| json!({"severity": severity, "code": code, "diagnostics": diagnostics});
    let mut issues = vec![issue("information", "informational", message)];
    let warning = warning.iter();
    issues.extend(warning.map(|it| issue(it.severity.as_str(), it.code.as_str(), &it.diagnostics)));
    let mut outcome = json!({"resourceType": "OperationOutcome", "issue": issues});
    with_text(&mut outcome, message);
    container(&outcome)
}

/// An OperationOutcome that somebody asked for.
pub fn asked(text: &str) -> Result<Response> {
    let outcome: Json = serde_json::from_str(text)
        .map_err(|_| Error::Bug("an OperationOutcome is not JSON".into()))?;
    let refused = outcome["issue"]
        .as_array()
        .is_some_and(|issues| issues.iter().any(refuses));
    let heading = match refused {
        true => "The resource is invalid.",
        false => "The resource is valid.",
    };
    Ok(respond(200, heading, outcome))
}

fn respond(status: u16, heading: &str, mut outcome: Json) -> Response {
    let heading = match status {
        422 => "The resource is invalid.",
        _ => heading,
    };
    with_text(&mut outcome, heading);
    Response::new(status).body(container(&outcome))
}

/// Adds the narrative.
fn with_text(outcome: &mut Json, heading: &str) {
    let issues = outcome["issue"].as_array();
    let lines: Vec<String> = issues
        .into_iter()
        .flatten()
        .map(|issue| {
            let told = issue["diagnostics"].as_str().unwrap_or_default();
            match issue["expression"][0].as_str() {
                Some(expression) => format!("{expression}: {told}"),
                None => told.to_owned(),
            }
        })
        .filter(|line| line != heading)
        .collect();
    let div = div(heading, lines.iter().map(String::as_str));
    if let Json::Object(outcome) = outcome {
        outcome.insert("text".into(), json!({"status": "generated", "div": div}));
    }
}

/// Whatever it is, an answer has a body: what cannot be written is left out.
fn container(outcome: &Json) -> Vec<u8> {
    let bare = || jsonb::from_json(&json!({"resourceType": "OperationOutcome"}));
    jsonb::from_json(outcome)
        .or_else(|_| bare())
        .unwrap_or_default()
}
