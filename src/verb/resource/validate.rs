//! `ingest.resource_validate(source, profile, body)`, `ingest.resource_is_valid(source, profile, body)`

use crate::pg::{Answer, Call, Error, Reading, Result, datum_of_jsonb};
use crate::store::reference;
use crate::verb::body::Body;
use crate::verb::row::{Noun, named};
use ingest_engine::{Issue, Report, Resource, operation_outcome};

/// The OperationOutcome of a body.
pub fn validate(call: &mut Call<'_>) -> Result<Answer> {
    outcome(report(call)?.into_issues())
}

/// Issues as the OperationOutcome of who only asks.
pub fn outcome(mut issues: Vec<Issue>) -> Result<Answer> {
    if issues.is_empty() {
        issues.push(Issue::conforms());
    }
    let outcome = jsonb::from_text(&operation_outcome(&issues))
        .map_err(|_| Error::Bug("an OperationOutcome is not JSON".into()))?;
    datum_of_jsonb(&outcome)
}

/// Whether a body conforms.
pub fn is_valid(call: &mut Call<'_>) -> Result<Answer> {
    Ok(Answer::bool(!report(call)?.refuses()))
}

fn report(call: &Call<'_>) -> Result<Report> {
    let guarded = named(call, Noun::Resource)?;
    let body = Body::read(&guarded, call.need_jsonb(2, "body")?)?;
    let resource = Resource {
        id: body.id.unwrap_or_default(),
        data: body.data,
        contained: body.contained,
    };
    let (checked, mut report) = guarded.check(&resource)?;
    reference::look(&guarded, &checked, &mut report, Reading::Caller)?;
    Ok(report)
}
