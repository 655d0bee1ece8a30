//! Bundles of FHIR: transactions and batches. R4, section 3.1.0.11.
//!
//! The entries of a transaction are made the operations that a native bundle has: ids are made
//! first, then every link to an entry becomes its address, then all is written. What refers to
//! others by criteria is written last, so that it finds what the others have made.

mod again;
mod answer;
mod entry;
mod get;
mod refer;
mod script;

use super::run::run;
use crate::pg::{
    Error, Failure, Reading, Result, Session, State, attempt, attempt_alone, check_for_interrupts,
};
use crate::store::constraint::Deferred;
use crate::store::row::RowKey;
use crate::store::source::{format, none_there};
use crate::store::{Outcome, find};
use crate::verb::bundle::View;
use crate::verb::bundle::results::Done;
use crate::verb::criteria::unmet_issue;
use crate::verb::part::Part;
use crate::verb::request::{Effect, Request};
use crate::verb::row;
pub use again::again;
use answer::Response;
use entry::Planned;
use ingest_engine::Format;
use ingest_engine::bundle::{Action, Bundle, Entry, Kind, Mistake};
use jsonb::Value;
use script::Entries;

/// The source, and how what is read of it looks in the answer.
type Into<'s> = (&'s str, View<'s>);

/// Applies a Bundle.
pub fn apply(into: Into<'_>, bundle: Value<'_>, request: Request<'_>) -> Result<Vec<u8>> {
    check_format(into.0)?;
    let bundle = Bundle::read(bundle)?.map_err(|mistake| refusal("Bundle", mistake))?;
    let came = match bundle.kind {
        Kind::Transaction => transaction(into, &bundle.entries)?,
        Kind::Batch => batch(into, &bundle.entries)?,
    };
    request.keep(came.iter().map(Came::effect))?;
    let responses: Result<Vec<_>> = came.into_iter().map(|came| came.response(into)).collect();
    answer::bundle(bundle.kind, &responses?)
}

/// What came of an entry.
enum Came {
    /// It has done this, and what it wrote for criteria does not meet them.
    Unmet(Done),
    /// It has done this.
    Done(Done),
    /// It was refused: the issues are an OperationOutcome as JSON.
    Failed(State, String),
    /// It has read, and is answered so.
    Read(Response),
}

impl Came {
    /// What is kept of it under the key of a request.
    fn effect(&self) -> Effect<'_> {
        match self {
            Self::Done(done) | Self::Unmet(done) => done.effect(),
            Self::Failed(state, outcome) => Effect::Refused {
                state: *state,
                id: None,
                outcome,
            },
            Self::Read(_) => Effect::Read,
        }
    }

    fn response(self, into: Into<'_>) -> Result<Response> {
        match self {
            Self::Read(response) => Ok(response),
            Self::Unmet(done) => {
                let issue = unmet_issue(done.guarded.name());
                response(into, done.effect())?.warning(issue)
            }
            came => response(into, came.effect()),
        }
    }
}

/// The response to an entry that writes, with what it has written where that is asked for.
fn response((source, view): Into<'_>, effect: Effect<'_>) -> Result<Response> {
    let mut response = Response::of(effect)?;
    match effect {
        Effect::Done {
            outcome,
            profile,
            id,
            now: Some(now),
        } if view.whole && outcome != Outcome::Deleted => {
            let guarded = find(source, profile)?;
            let (key, version) = (RowKey::Id(id), Some(now.version));
            let read = |session: &_| row::stored(session, &guarded, key, version, Reading::Fresh);
            match Session::open(read) {
                Ok(stored) => response.resource = Some((view.shown)(&guarded, &stored)?),
                // A request that is answered again may have written what was erased since.
                Err(Error::Refused(refusal)) if refusal.state == State::Gone => {}
                Err(error) => return Err(error),
            }
        }
        _ => {}
    }
    Ok(response)
}

/// What is read of an entry.
type Read<'a> = std::result::Result<Entry<'a>, Mistake>;

fn check_format(source: &str) -> Result<()> {
    match format(source)? {
        Some(Format::Fhir) => Ok(()),
        Some(Format::Native) => Err(Error::refuse(
            State::BadRequest,
            "the source is native, and the bundle is one of FHIR",
        )
        .hint("A native bundle is {\"operations\": [{\"operation\": \"create\", \"profile\": \"...\", \"body\": {...}}, ...]}.")),
        None => Err(none_there(source)?),
    }
}

/// The refusal of what is wrong at a place.
fn refusal(place: &str, mistake: Mistake) -> Error {
    let about = match mistake.path.as_str() {
        "" => place.to_owned(),
        path => format!("{place}.{path}"),
    };
    Error::refuse(State::BadRequest, mistake.message)
        .hint(mistake.hint)
        .about(Some(about))
}

/// Names an entry in what refuses it.
fn at(index: usize, error: Error) -> Error {
    Part::Entry.name(index, error)
}

/// An entry that was read, or the refusal of what is wrong with it.
fn well<'e, 'a>(index: usize, entry: &'e Read<'a>) -> Result<&'e Entry<'a>> {
    let wrong = |mistake: &Mistake| {
        let place = format!("Bundle.entry[{index}]");
        at(index, refusal(&place, mistake.clone()))
    };
    entry.as_ref().map_err(wrong)
}

/// All or nothing.
fn transaction(into: Into<'_>, given: &[Read<'_>]) -> Result<Vec<Came>> {
    respond(into, 0, &all_well(given)?)
}

/// The entries, if nothing is wrong with any.
fn all_well<'e, 'a>(given: &'e [Read<'a>]) -> Result<Vec<&'e Entry<'a>>> {
    let mut read = Vec::with_capacity(given.len());
    for (index, entry) in given.iter().enumerate() {
        check_for_interrupts()?;
        read.push(well(index, entry)?);
    }
    Ok(read)
}

/// Runs entries together, the first of which stands at this place in the Bundle.
fn respond((source, view): Into<'_>, first: usize, entries: &[&Entry<'_>]) -> Result<Vec<Came>> {
    let mut entries = Entries::new(source, first, entries)?;
    let mut results = run(&mut entries)?;
    let have_twins = entries.planned.iter().any(|one| one.twin.is_some());
    let mut came = Vec::with_capacity(entries.planned.len());
    for (place, planned) in entries.planned.iter().enumerate() {
        check_for_interrupts()?;
        let index = first + place;
        came.push(match planned.action {
            Action::Read { .. } | Action::Search { .. } => {
                Came::Read(get::get(&entries, planned, view).map_err(|error| at(index, error))?)
            }
            _ => {
                let index = first + planned.twin.unwrap_or(place);
                let done = match have_twins {
                    true => results.get(index).cloned(),
                    false => results.take(index),
                };
                let mut done =
                    done.ok_or(Error::Bug("an entry was left out of a bundle".into()))?;
                // Who creates what another entry creates finds it.
                if planned.twin.is_some() && done.outcome == Outcome::Created {
                    done.outcome = Outcome::Matched;
                }
                match results.is_unmet(index) {
                    true => Came::Unmet(done),
                    false => Came::Done(done),
                }
            }
        });
    }
    Ok(came)
}

/// Each for itself, in the order of a transaction; the answers in that of the entries.
fn batch(into: Into<'_>, given: &[Read<'_>]) -> Result<Vec<Came>> {
    let mut order: Vec<usize> = (0..given.len()).collect();
    order.sort_by_key(|index| match given.get(*index) {
        Some(Ok(entry)) => Planned::turn(entry),
        _ => (0, "", ""),
    });
    let late = late(into.0)?;
    let mut all: Vec<Option<Came>> = given.iter().map(|_| None).collect();
    for index in order {
        check_for_interrupts()?;
        let Some(entry) = given.get(index) else {
            continue;
        };
        let came = alone(into, index, entry, &late)?;
        if let Some(place) = all.get_mut(index) {
            *place = Some(came);
        }
    }
    let all: Option<Vec<Came>> = all.into_iter().collect();
    all.ok_or(Error::Bug("an entry was left out of a batch".into()))
}

/// What each entry of a batch is asked for at its end: refused later, it would take the others along.
/// If it is refused by what the transaction has written before, no entry could be told from that.
fn late(source: &str) -> Result<Deferred> {
    let late = Deferred::of(source)?;
    let asked = attempt(|| late.ask())?;
    Ok(asked.map_or_else(|_| Deferred::none(), |()| late))
}

/// Runs an entry of a batch.
fn alone(into: Into<'_>, index: usize, entry: &Read<'_>, late: &Deferred) -> Result<Came> {
    let alone = || {
        let came = respond(into, index, &[well(index, entry)?])?;
        late.ask()?;
        let came = came.into_iter().next();
        came.ok_or(Error::Bug("an entry without a response".into()))
    };
    match attempt_alone(alone)? {
        Ok(came) => Ok(came),
        Err(failure) => {
            failure.count();
            failed(index, failure)
        }
    }
}

fn failed(index: usize, failure: Failure) -> Result<Came> {
    let state = failure.meaning();
    let outcome = match failure.outcome {
        Some(outcome) => outcome,
        // PostgreSQL's own, which knows of no entry.
        None => match at(index, failure.into_error()) {
            Error::Refused(refusal) => refusal.outcome().into_owned(),
            error => return Err(error),
        },
    };
    Ok(Came::Failed(state, outcome))
}
