//! References whose targets must exist (`"enforce": true`).

use super::refusal;
use crate::pg::{Error, Oid, Reading, Result, Session, State};
use crate::store::{Guarded, find_for_gate, history, resources};
use ingest_engine::{Checked, Issue, Reference, Report, issue::Code};

/// Makes sure, for the gate, that the targets are there, and keeps them until the transaction ends.
pub fn hold(guarded: &Guarded, checked: &Checked, owner: Oid) -> Result<()> {
    let mut missing = Vec::new();
    for reference in &checked.references {
        let there = match find_for_gate(guarded.source_name(), &reference.profile) {
            Ok(target) => history::hold_target(target.table()?, owner, &reference.id)?,
            Err(Error::Refused(refusal)) if refusal.state == State::NotFound => false,
            Err(error) => return Err(error),
        };
        if !there {
            missing.push(issue(reference));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(refusal::of_issues(guarded, &missing))
}

/// Adds to a report, for who only asks, what is missing as the caller sees it.
pub fn look(
    guarded: &Guarded,
    checked: &Checked,
    report: &mut Report,
    reading: Reading,
) -> Result<()> {
    for reference in &checked.references {
        let there = match find_for_gate(guarded.source_name(), &reference.profile) {
            Ok(target) => Session::open(|session| {
                resources::read(session, target.table()?, &reference.id, reading)
            })?
            .is_some(),
            Err(Error::Refused(refusal)) if refusal.state == State::NotFound => false,
            Err(error) => return Err(error),
        };
        if !there {
            report.push(issue(reference));
        }
    }
    Ok(())
}

fn issue(reference: &Reference) -> Issue {
    let target = &reference.profile;
    Issue::error(
        Code::NotFound,
        reference.expression.clone(),
        format!("expected a {target} that exists"),
    )
}
