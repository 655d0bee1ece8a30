//! `ingest.relationship_validate(source, relationship, body)`

use super::{Body, ends_of};
use crate::pg::{Answer, Call, Reading, Result, Session};
use crate::store::row::{self, RowKey};
use crate::store::{Guarded, find, reference};
use crate::verb::resource::outcome;
use crate::verb::row::{Noun, named};
use ingest_engine::{Issue, issue::Code};
use jsonb::Value;

/// The OperationOutcome of a link: its ends, as the caller sees them, and its data.
pub fn validate(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = named(call, Noun::Link)?;
    outcome(check(&guarded, call.need_jsonb(2, "body")?)?)
}

/// The same of a relationship that was found: what is wrong with the body.
pub fn check(guarded: &Guarded, body: Value<'_>) -> Result<Vec<Issue>> {
    let body = Body::read(guarded, body)?;
    let mut issues = body.type_issues(guarded)?;
    if issues.is_empty() {
        issues = missing_ends(guarded, body.key())?;
    }
    let (checked, mut report) = guarded.check(&body.content().read("")?)?;
    reference::look(guarded, "", &checked, &mut report, Reading::Caller)?;
    issues.extend(report.into_issues());
    Ok(issues)
}

fn missing_ends(guarded: &Guarded, key: RowKey<'_>) -> Result<Vec<Issue>> {
    let (ends, [from, to]) = (ends_of(guarded)?, key.parts());
    let mut issues = Vec::new();
    for (profile, id, at) in [(&ends.from, from, "from"), (&ends.to, to, "to")] {
        let end = find(guarded.source_name(), profile)?;
        let there = Session::open(|session| {
            row::read(session, end.table()?, RowKey::Id(id), Reading::Caller)
        })?;
        if there.is_none() {
            let expression = format!("{}.{at}", guarded.name());
            let expected = format!("expected a {profile} that exists");
            issues.push(Issue::error(Code::NotFound, expression, expected));
        }
    }
    Ok(issues)
}
