//! `ingest.resource_validate(source, profile, body)`, `ingest.resource_is_valid(source, profile, body)`

use crate::pg::{Answer, Call, Error, Reading, Result, State, datum_of_jsonb};
use crate::store::find;
use crate::store::reference;
use crate::verb::body::Body;
use ingest_engine::{Issue, Report, Resource, operation_outcome};

/// The OperationOutcome of a body.
pub fn validate(call: &mut Call<'_>) -> Result<Answer> {
    let mut issues = report(call)?.into_issues();
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
    let (source, profile) = (call.need_text(0, "source")?, call.need_text(1, "profile")?);
    let guarded = find(source, profile)?;
    if guarded.is_relationship() {
        return Err(
            Error::refuse(State::BadRequest, format!("{profile} is a relationship"))
                .hint("ingest.relationship_link checks a link's data when it is written."),
        );
    }
    let body = Body::read(call.need_jsonb(2, "body")?)?;
    let resource = Resource {
        id: body.id.unwrap_or_default(),
        data: body.data,
        contained: body.contained,
    };
    let (checked, mut report) = guarded.check(&resource)?;
    reference::look(&guarded, &checked, &mut report, Reading::Caller)?;
    Ok(report)
}
