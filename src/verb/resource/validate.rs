//! `ingest.resource_validate(source, profile, body, profiles)`, `ingest.resource_is_valid(source, profile, body)`

use crate::pg::{Answer, Call, Error, Reading, Result, datum_of_jsonb};
use crate::store::table::Form;
use crate::store::{Guarded, reference, refusal};
use crate::verb::body::Body;
use crate::verb::fhir_profiles;
use crate::verb::row::{Noun, named};
use ingest_engine::{Issue, Report, Resource, id_is_valid, operation_outcome};
use jsonb::Value;

/// The OperationOutcome of a body.
pub fn validate(call: &mut Call<'_>) -> Result<Answer> {
    let profiles = call.texts(3, "profiles")?.unwrap_or_default();
    outcome(report(call, &profiles)?.into_issues())
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
    Ok(Answer::bool(!report(call, &[])?.refuses()))
}

/// What is said of a body; of one of FHIR also what these profiles say.
fn report(call: &Call<'_>, profiles: &[&str]) -> Result<Report> {
    let guarded = named(call, Noun::Resource)?;
    check(&guarded, call.need_jsonb(2, "body")?, profiles)
}

/// The same of a profile that was found.
pub fn check(guarded: &Guarded, body: Value<'_>, profiles: &[&str]) -> Result<Report> {
    let profiles = fhir_profiles::known(guarded, profiles)?;
    let body = Body::read(guarded, body)?;
    // What FHIR says of an id is an issue; a native one stands outside of what is checked.
    if guarded.form() != Form::Fhir && body.id.is_some_and(|id| !id_is_valid(id)) {
        return Err(refusal::bad_id());
    }
    let resource = Resource {
        id: body.id.unwrap_or_default(),
        data: body.data,
        contained: body.contained,
    };
    let (checked, mut report) = guarded.check_as(&resource, &profiles)?;
    reference::look(guarded, resource.id, &checked, &mut report, Reading::Caller)?;
    Ok(report)
}
