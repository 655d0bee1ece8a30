//! What was written by criteria that it does not meet: the next call finds nothing, and writes another.
//! FHIR and Aidbox take it, so it is told and not refused.

use crate::pg::{Error, Reading, Result, Session, notice};
use crate::store::{Guarded, Outcome};
use crate::verb::criteria::Criteria;
use ingest_engine::{Code, Issue, Severity, operation_outcome};
use jsonb::{Value, from_text};

const TOLD: &str = "what was written does not meet the criteria: the next call will create another";

/// Whether what came of a conditional write does not meet its criteria. `data` is what was written.
pub fn is_astray(
    session: &Session,
    guarded: &Guarded,
    criteria: &Criteria,
    (outcome, id, data): (Outcome, &str, Value<'_>),
) -> Result<bool> {
    // What was neither created nor changed has been found by them.
    if !matches!(outcome, Outcome::Created | Outcome::Updated) || criteria.matches(data)? {
        return Ok(false);
    }
    let (search, table) = (&criteria.search, guarded.table()?);
    Ok(!search.is_met_by(session, table, id, Reading::Fresh)?)
}

/// Tells it, of a part of a call if it has some.
pub fn tell(part: Option<&str>) -> Result<()> {
    let hint = "Let the body hold what the criteria ask for.";
    match part {
        None => notice(TOLD, hint),
        Some(part) => notice(&format!("{part}: {TOLD}"), hint),
    }
}

/// It, as an issue.
pub fn issue() -> Issue {
    Issue {
        severity: Severity::Warning,
        ..Issue::error(Code::Duplicate, "", TOLD)
    }
}

/// It, as an OperationOutcome: a root container.
pub fn outcome() -> Result<Vec<u8>> {
    from_text(&operation_outcome(&[issue()]))
        .map_err(|_| Error::Bug("an OperationOutcome is not JSON".into()))
}
