//! What a refused call says.

use std::fmt::Debug;

use postgres::error::DbError;
use serde::Deserialize;

/// The error of a call that must fail with this SQLSTATE: its message, detail, hint, and so on.
#[track_caller]
pub fn expect_sqlstate<T: Debug>(result: Result<T, postgres::Error>, sqlstate: &str) -> DbError {
    let error = match result {
        Ok(value) => panic!("expected {sqlstate}, but the call succeeded: {value:?}"),
        Err(error) => error,
    };
    match error.as_db_error() {
        Some(refusal) if refusal.code().code() == sqlstate => refusal.clone(),
        Some(refusal) => panic!("expected {sqlstate}, got {refusal:?}"),
        None => panic!("expected {sqlstate}, lost the server: {error:?}"),
    }
}

/// The issues in the detail of an error.
#[track_caller]
pub fn issues(refusal: &DbError) -> Vec<Issue> {
    let detail = refusal
        .detail()
        .unwrap_or_else(|| panic!("no detail: {refusal:?}"));
    let outcome = serde_json::from_str(detail)
        .unwrap_or_else(|error| panic!("the detail is no outcome ({error}): {detail}"));
    outcome_issues(outcome)
}

/// The issues of an OperationOutcome.
#[track_caller]
pub fn outcome_issues(outcome: serde_json::Value) -> Vec<Issue> {
    let outcome: OperationOutcome = serde_json::from_value(outcome.clone())
        .unwrap_or_else(|error| panic!("not an OperationOutcome ({error}): {outcome}"));
    assert_eq!(outcome.resource_type, "OperationOutcome");
    outcome.issue
}

/// One issue of an OperationOutcome.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issue {
    /// `fatal`, `error`, `warning` or `information`.
    pub severity: String,
    /// FHIR's issue type.
    pub code: String,
    /// The paths it is about: one.
    #[serde(default)]
    pub expression: Vec<String>,
    /// What is wrong, without any value of the payload.
    #[serde(default)]
    pub diagnostics: String,
}

impl Issue {
    /// The path without the row that it names: `Patient.name` of `Patient/p1.name`. Ids have no dots
    /// here.
    pub fn without_row(&self, profile: &str) -> String {
        let path = self.expression.first().map_or("", String::as_str);
        let named = path
            .strip_prefix(profile)
            .filter(|rest| rest.starts_with('/'));
        let rest = named.map(|rest| rest.find('.').map_or("", |at| &rest[at..]));
        rest.map_or_else(|| path.to_owned(), |rest| format!("{profile}{rest}"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationOutcome {
    #[serde(rename = "resourceType")]
    resource_type: String,
    issue: Vec<Issue>,
}
