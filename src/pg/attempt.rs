//! `attempt`: work that may fail without taking the statement with it, in a subtransaction.

use super::catch::{caught, guard, rolled_back};
use super::counters::{Count, counters};
use super::error::{Error, Result, State};
use super::{ffi, steps};
use pgrx::pg_sys::{CurrentResourceOwner, MemoryContext};

/// Why an attempt failed: what can be told of it. It never holds a value of the document.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What it says; of PostgreSQL's errors only what names no value.
    pub message: String,
    /// The OperationOutcome of a refusal of ours.
    pub outcome: Option<String>,
    /// What a refusal of ours means, of a trigger too.
    pub state: Option<State>,
    /// What to do, where a refusal of ours says so.
    pub hint: Option<String>,
    /// The SQLSTATE.
    pub sqlstate: String,
    /// The schema and the table that it is about.
    pub table: Option<[String; 2]>,
    /// The constraint that would be violated, of a refusal of ours.
    pub constraint: Option<String>,
}

impl Failure {
    /// Counts it as a refusal: it is told to somebody, and not thrown.
    pub fn count(&self) {
        if let (Some([schema, table]), Some(state)) = (&self.table, self.state)
            && let Some(counters) = counters(schema, table)
        {
            counters.add(Count::Refused(state));
        }
    }
}

/// Runs `body` in a subtransaction. An error that is about the data undoes `body` and is told as a
/// [`Failure`]; any other (a cancel, a deadlock, a lack of memory, a bug) undoes it too, and ends the statement.
pub fn attempt<T>(body: impl FnOnce() -> Result<T>) -> Result<std::result::Result<T, Failure>> {
    attempted(body, |_| false)
}

/// As [`attempt`], of what stands for itself among others: that the caller may not do it is told too.
pub fn attempt_alone<T>(
    body: impl FnOnce() -> Result<T>,
) -> Result<std::result::Result<T, Failure>> {
    attempted(body, |sqlstate| sqlstate == "42501")
}

fn attempted<T>(
    body: impl FnOnce() -> Result<T>,
    is_told: fn(&str) -> bool,
) -> Result<std::result::Result<T, Failure>> {
    let before = caught();
    // SAFETY: backend variables, set while a function runs.
    let (context, owner) = unsafe { (ffi::CurrentMemoryContext, CurrentResourceOwner) };
    // SAFETY: the closure holds only calls; the context is set back as PL/pgSQL does.
    unsafe {
        guard(|| {
            ffi::BeginInternalSubTransaction(core::ptr::null());
            ffi::CurrentMemoryContext = context;
        })
    }?;
    let result = match body() {
        Ok(done) => Ok(Ok(done)),
        // Told, or moved out of the memory that the rollback frees.
        Err(error) => match failure(&error, is_told).filter(|_| !steps::ended()) {
            Some(failure) => Ok(Err(failure)),
            // SAFETY: the context is the caller's, which outlives the subtransaction.
            None => Err(unsafe { moved(error, context) }),
        },
    };
    let keep = matches!(result, Ok(Ok(_)));
    // SAFETY: as above; the resource owner is that of the transaction around.
    unsafe {
        guard(|| {
            if keep {
                ffi::ReleaseCurrentSubTransaction();
            } else {
                ffi::RollbackAndReleaseCurrentSubTransaction();
            }
            ffi::CurrentMemoryContext = context;
            CurrentResourceOwner = owner;
        })
    }?;
    // An ERROR that goes on is still in the memory of whoever is around.
    if let Ok(Err(_)) = result {
        rolled_back(before);
    }
    result
}

/// The same error, its data copied into `context` by throwing and catching it there.
///
/// # Safety
/// `context` must be a live memory context.
unsafe fn moved(error: Error, context: MemoryContext) -> Error {
    let Error::Postgres(caught) = error else {
        return error;
    };
    let data = caught.into_raw();
    // SAFETY: the caller vouches for the context; the data is CopyErrorData's.
    let thrown: Result<()> = unsafe {
        ffi::CurrentMemoryContext = context;
        guard(|| ffi::ReThrowError(data))
    };
    thrown
        .err()
        .unwrap_or(Error::Bug("an error was lost".into()))
}

fn failure(error: &Error, is_told: fn(&str) -> bool) -> Option<Failure> {
    match error {
        Error::Refused(refusal) => {
            if refusal.state == State::SerializationFailure {
                return None;
            }
            let outcome = Some(refusal.outcome().into_owned());
            Some(Failure {
                message: refusal.message.clone(),
                outcome,
                state: Some(refusal.state),
                hint: refusal.hint.clone(),
                sqlstate: String::from_utf8_lossy(refusal.state.sqlstate()).into_owned(),
                table: refusal.table.clone(),
                constraint: refusal.constraint.clone(),
            })
        }
        Error::Postgres(caught) => {
            let sqlstate = caught.sqlstate();
            // Data exceptions, integrity violations, exceptions of user's own triggers, and what
            // is neither PostgreSQL's class nor ours.
            let of_data = ["22", "23", "44", "P0", "54"].contains(&&sqlstate[..2])
                || sqlstate
                    .bytes()
                    .next()
                    .is_some_and(|first| (b'I'..=b'Z').contains(&first))
                    && !["XX", "P0"].contains(&&sqlstate[..2])
                // A policy, or a trigger of the user's own, and not a right that is lacking for all.
                || sqlstate == "42501" && caught.is_of_row()
                || is_told(&sqlstate);
            let state = State::of(&sqlstate)
                .or_else(|| State::of_refusal(&sqlstate).filter(|_| is_told(&sqlstate)));
            let own = caught.own().filter(|_| state.is_some());
            let message = match (own, caught.constraint()) {
                (Some((message, _)), _) => message.to_owned(),
                (None, Some(constraint)) => format!("violates the constraint {constraint}"),
                (None, None) => format!("refused with SQLSTATE {sqlstate}"),
            };
            of_data.then_some(Failure {
                message,
                outcome: own.map(|(_, outcome)| outcome.to_owned()),
                state,
                hint: own.and_then(|_| caught.hint().map(str::to_owned)),
                sqlstate,
                table: caught.names(),
                constraint: own.and_then(|_| caught.constraint().map(str::to_owned)),
            })
        }
        Error::Dropped(_) | Error::Bug(_) | Error::Corrupt | Error::OutOfMemory => None,
    }
}
