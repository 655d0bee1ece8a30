//! `attempt`: work that may fail without taking the statement with it, in a subtransaction.

use super::catch::guard;
use super::error::{Error, Result, State};
use super::ffi;
use pgrx::pg_sys::CurrentResourceOwner;

/// Why an attempt failed: what can be told of it. It never holds a value of the document.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What it says; of PostgreSQL's errors only what names no value.
    pub message: String,
    /// The OperationOutcome of a refusal of ours.
    pub outcome: Option<String>,
}

/// Runs `body` in a subtransaction. An error that is about the data undoes `body` and is told as a
/// [`Failure`]; any other (a cancel, a deadlock, a lack of memory, a bug) ends the statement.
pub fn attempt<T>(body: impl FnOnce() -> Result<T>) -> Result<std::result::Result<T, Failure>> {
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
        Ok(done) => Ok(done),
        Err(error) => match failure(&error) {
            // An error that is thrown leaves the subtransaction to the abort that follows.
            None => return Err(error),
            // Told before the rollback frees the memory it stands in.
            Some(failure) => Err(failure),
        },
    };
    let keep = result.is_ok();
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
    Ok(result)
}

fn failure(error: &Error) -> Option<Failure> {
    match error {
        Error::Refused(refusal) => {
            if refusal.state == State::SerializationFailure {
                return None;
            }
            let outcome = Some(refusal.outcome().into_owned());
            Some(Failure {
                message: refusal.message.clone(),
                outcome,
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
                    && !["XX", "P0"].contains(&&sqlstate[..2]);
            let message = match caught.constraint() {
                Some(constraint) => format!("violates the constraint {constraint}"),
                None => format!("refused with SQLSTATE {sqlstate}"),
            };
            of_data.then_some(Failure {
                message,
                outcome: None,
            })
        }
        Error::Bug(_) | Error::Corrupt => None,
    }
}
