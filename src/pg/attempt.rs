//! `attempt`: work that may fail without taking the statement with it, in a subtransaction.

use super::catch::{caught, guard, rolled_back};
use super::counters::{Count, counters};
use super::error::{Caught, Error, Result, State};
use super::steps::check_for_interrupts;
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
    /// Whether it has waited too long.
    pub fn is_busy(&self) -> bool {
        BUSY.contains(&self.sqlstate.as_str())
    }

    /// Counts it as a refusal: it is told to somebody, and not thrown.
    pub fn count(&self) {
        if let (Some([schema, table]), Some(state)) = (&self.table, self.state)
            && let Some(counters) = counters(schema, table)
        {
            counters.add(Count::Refused(state));
        }
    }

    /// What it means for who is told of it: of PostgreSQL's own, by its class, as PostgREST has it.
    pub fn meaning(&self) -> State {
        let of_class = || match (self.sqlstate.as_str(), self.sqlstate.get(..2)) {
            ("42501", _) => State::InsufficientPrivilege,
            ("23503" | "23505" | "23P01", _) => State::Conflict,
            (_, Some("23" | "44")) => State::Unprocessable,
            (_, Some("53" | "54")) => State::TooLarge,
            _ => State::BadRequest,
        };
        self.state.unwrap_or_else(of_class)
    }

    /// The refusal that it is for who is told of it.
    pub fn into_error(self) -> Error {
        let mut error = Error::refuse(self.meaning(), self.message);
        if let Some(outcome) = self.outcome {
            error = error.detail(outcome);
        }
        if let Some(hint) = self.hint {
            error = error.hint(hint);
        }
        if let Some([schema, table]) = &self.table {
            error = error.of_table(schema, table);
        }
        match self.constraint {
            Some(constraint) => error.of_constraint(constraint),
            None => error,
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

/// What ends a statement that waits too long: a lock that is not to be had, a timeout or a cancel, and
/// a deadlock.
const BUSY: [&str; 3] = ["55P03", "57014", "40P01"];

/// As [`attempt`], for whom it is all that there is to do: that it has waited too long is told too.
pub fn attempt_busy<T>(
    body: impl FnOnce() -> Result<T>,
) -> Result<std::result::Result<T, Failure>> {
    attempted(body, |sqlstate| BUSY.contains(&sqlstate))
}

/// How often what vanished while it was looked at is looked for anew.
const ROUNDS: u32 = 10;

/// Runs `body`, which looks into the system catalogs, and again where something was dropped while it
/// looked: PostgreSQL's own functions see what is there now, and not what is in the snapshot.
pub fn steadily<T>(mut body: impl FnMut() -> Result<T>) -> Result<T> {
    let vanished = |sqlstate: &str| ["XX000", "42P01", "42704"].contains(&sqlstate);
    for _ in 0..ROUNDS {
        if let Ok(found) = attempted(&mut body, vanished)? {
            return Ok(found);
        }
        check_for_interrupts()?;
    }
    body()
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
            let message = match own {
                Some((message, _)) => message.to_owned(),
                None => reason(caught, &sqlstate),
            };
            of_data.then_some(Failure {
                message,
                outcome: own.map(|(_, outcome)| outcome.to_owned()),
                state,
                // Of a right that is lacking it is ours, too: PostgreSQL has none there.
                hint: caught
                    .hint()
                    .filter(|_| own.is_some() || sqlstate == "42501" && !caught.is_of_row())
                    .map(str::to_owned),
                sqlstate,
                table: caught.names(),
                constraint: own.and_then(|_| caught.constraint().map(str::to_owned)),
            })
        }
        Error::Dropped(_) | Error::Bug(_) | Error::Corrupt | Error::OutOfMemory => None,
    }
}

/// Why PostgreSQL, or what runs in it, has refused. Its own sentences can hold values.
fn reason(caught: &Caught, sqlstate: &str) -> String {
    let constraint = caught.constraint();
    if let Some(constraint) = constraint {
        let kind = match sqlstate {
            "23503" => "foreign key",
            "23505" => "unique constraint",
            "23514" => "check",
            "23P01" => "exclusion constraint",
            _ => "constraint",
        };
        return format!("violates the {kind} {constraint}");
    }
    let why = match (sqlstate, sqlstate.get(..2), caught.column()) {
        ("23502", _, Some(column)) => return format!("the column {column} must not be null"),
        ("42501", ..) if caught.is_of_policy() => "a policy of the table forbids it",
        ("42501", ..) if !caught.is_of_row() => "the caller lacks a right",
        (_, Some("22"), _) => "a value is not what a column or a function takes",
        (_, Some("23"), _) => "a constraint is violated",
        (_, Some("44"), _) => "the check of a view forbids it",
        (_, Some("54"), _) => "it is more than a row, an index or a statement can hold",
        _ => "a trigger or a function refuses it",
    };
    format!("{why} (SQLSTATE {sqlstate})")
}
