//! The seal: no write to a history but the one that the archive has announced.

use crate::pg::{Answer, Call, Error, Result, State};
use crate::store::history;

/// `ingest.seal()`, on history tables.
pub fn seal(call: &mut Call<'_>) -> Result<Answer> {
    let trigger = call.trigger()?;
    if history::passes_seal(trigger.relation(), trigger.event()) {
        return Ok(Answer::Done);
    }
    Err(Error::refuse(
        State::InsufficientPrivilege,
        format!("{} is written by the archive only", trigger.table()),
    )
    .hint("History is a record; change the resource, and the archive adds to its history."))
}
