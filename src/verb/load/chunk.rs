//! One chunk of a load: a few statements over arrays.

use super::{Incoming, Landed, Mode, OnError, Refused, coming, judge_all, set};
use crate::pg::{Error, Failure, Reading, Result, Session, State, check_for_interrupts};
use crate::store::batch::{self, Batch, Keys};
use crate::store::history::Last;
use crate::store::reference::{attempt, telling};
use crate::store::refusal;
use crate::store::row::{self, Stored};
use crate::store::{Guarded, Outcome};
use crate::verb::clash::Holders;
use crate::verb::part::Part;
use crate::verb::row::is_same;
use std::collections::{HashMap, HashSet};

/// How many bodies go into one statement, and how many bytes of them.
const ROWS: usize = 1_000;
const BYTES: usize = 4 << 20;

/// Cuts the order of bodies into chunks.
pub fn split<'o>(incoming: &[Incoming<'_>], order: &'o [usize]) -> Vec<&'o [usize]> {
    let mut chunks = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (end, at) in order.iter().enumerate() {
        let size = incoming.get(*at).map_or(0, |one| one.content.size());
        if end > begin && (end - begin >= ROWS || bytes + size > BYTES) {
            chunks.extend(order.get(begin..end));
            (begin, bytes) = (end, 0);
        }
        bytes += size;
    }
    chunks.extend(order.get(begin..).filter(|rest| !rest.is_empty()));
    chunks
}

/// Writes a chunk: it is tried whole, and if that fails, without those that the gate refuses, and if
/// that fails too, body by body.
pub fn write(
    guarded: &Guarded,
    incoming: &[Incoming<'_>],
    chunk: &[usize],
    mode: Mode,
    on_error: OnError,
    part: Part,
    landed: &mut [Option<Landed>],
) -> Result<()> {
    let results = match attempt(|| put(guarded, &at(incoming, chunk), mode))? {
        Ok(results) => chunk.iter().copied().zip(results).collect(),
        Err(failure) => telling(
            || coming(guarded, incoming),
            || write_apart(&failure, guarded, incoming, chunk, mode, on_error, part),
        )?,
    };
    for (at, result) in results {
        match result {
            Landed::Refused(refused) if on_error == OnError::Abort => {
                return Err(refused.at(guarded, part, incoming.get(at).map_or(0, |one| one.place)));
            }
            result => set(landed, at, result),
        }
    }
    Ok(())
}

fn at<'i, 'a>(incoming: &'i [Incoming<'a>], places: &[usize]) -> Vec<&'i Incoming<'a>> {
    places.iter().filter_map(|at| incoming.get(*at)).collect()
}

/// Writes a chunk that could not be written whole; says what became of each of its bodies.
fn write_apart(
    failure: &Failure,
    guarded: &Guarded,
    incoming: &[Incoming<'_>],
    chunk: &[usize],
    mode: Mode,
    on_error: OnError,
    part: Part,
) -> Result<Vec<(usize, Landed)>> {
    let mut landed = Vec::with_capacity(chunk.len());
    let mut places = chunk.to_vec();
    let mut tried = None;
    if let Some(State::BadRequest | State::TooLarge | State::Unprocessable) = failure.state {
        if on_error == OnError::Abort {
            judge_all(guarded, incoming, incoming.len(), mode, part)?;
        }
        places.clear();
        for at in chunk {
            check_for_interrupts()?;
            let Some(one) = incoming.get(*at) else {
                continue;
            };
            match one.judge(guarded)? {
                Some(refused) => landed.push((*at, Landed::Refused(refused))),
                None => places.push(*at),
            }
        }
        if places.is_empty() {
            return Ok(landed);
        }
        tried = attempt(|| put(guarded, &at(incoming, &places), mode))?.ok();
    }
    let looking = refusal::is_of_identity(failure);
    let results = match tried {
        Some(results) => results,
        // One of them failed; alone each shows whether it is that one.
        None => at(incoming, &places)
            .into_iter()
            .map(|body| put_alone(guarded, body, mode, on_error, part, looking))
            .collect::<Result<_>>()?,
    };
    landed.extend(places.into_iter().zip(results));
    Ok(landed)
}

/// What the gate says of a body that it refuses, now that all the others are there or are known to
/// come; nothing if it does not refuse it. Nothing is written.
pub fn told(guarded: &Guarded, body: &Incoming<'_>, mode: Mode) -> Result<Option<Refused>> {
    let tried = attempt(|| -> Result<()> {
        put(guarded, &[body], mode)?;
        Err(Error::refuse(State::Conflict, "it is not to be written"))
    })?;
    match tried {
        Err(failure) if is_of_body(failure.state) => failed(failure).map(Some),
        _ => Ok(None),
    }
}

/// Whether a refusal is about the body itself, and lists its issues.
pub fn is_of_body(state: Option<State>) -> bool {
    matches!(state, Some(State::TooLarge | State::Unprocessable))
}

fn put_alone(
    guarded: &Guarded,
    body: &Incoming<'_>,
    mode: Mode,
    on_error: OnError,
    part: Part,
    looking: bool,
) -> Result<Landed> {
    let holders = match looking {
        true => holders(guarded, body)?,
        false => Holders::default(),
    };
    let name = |error| holders.name(guarded, error);
    let put = || put(guarded, &[body], mode).map_err(name);
    let landed = match on_error {
        OnError::Report => match attempt(put)? {
            Ok(landed) => landed,
            Err(failure) => vec![Landed::Refused(failed(failure)?)],
        },
        OnError::Abort => put().map_err(|error| part.name(body.place, error))?,
    };
    landed
        .into_iter()
        .next()
        .ok_or(Error::Bug("a body did not land".into()))
}

fn put(guarded: &Guarded, bodies: &[&Incoming<'_>], mode: Mode) -> Result<Vec<Landed>> {
    // One session a chunk, so that its memory is free before the next one.
    Session::open(|session| match mode {
        Mode::Create => create(session, guarded, bodies),
        Mode::Upsert => replace(session, guarded, bodies),
    })
}

fn create(session: &Session, guarded: &Guarded, bodies: &[&Incoming<'_>]) -> Result<Vec<Landed>> {
    let table = guarded.table()?;
    let of_write = |error| refusal::of_write(guarded, error);
    // To look for clashes first costs a fifth of it all, and here nothing can clash.
    let new = !guarded.indexes.iter().any(|index| index.unique)
        && bodies.iter().all(|body| body.is_new());
    let batch = batch_of(bodies);
    let mut made = match new {
        true => batch::insert_new(session, table, &batch),
        false => batch::insert_many(session, table, &batch),
    }
    .map_err(of_write)?;
    bodies
        .iter()
        .map(|body| {
            Ok(match made.take(&body.id) {
                Some(made) => Landed::Written(Outcome::Created, made),
                None => match row::read(session, table, body.key(), Reading::Fresh)? {
                    Some(_) => Landed::Refused(Refused::of(refusal::exists(guarded))?),
                    None => once_more(guarded, body)?,
                },
            })
        })
        .collect()
}

fn batch_of<'b>(bodies: &[&'b Incoming<'_>]) -> Batch<'b> {
    let mut batch = Batch::default();
    bodies
        .iter()
        .for_each(|body| batch.push(body.key(), body.content()));
    batch
}

/// Makes the rows that are not there and holds those that are, in one order for all: a row that was
/// missing at a first look, and is there at the second, must not be waited for by who holds later
/// ones.
fn replace(session: &Session, guarded: &Guarded, bodies: &[&Incoming<'_>]) -> Result<Vec<Landed>> {
    let table = guarded.table()?;
    let of_write = |error| refusal::of_write(guarded, error);
    let made = batch::insert_many_locking(session, table, &batch_of(bodies)).map_err(of_write)?;
    let there: Keys<'_> = bodies
        .iter()
        .filter(|body| !made.contains_key(body.id.as_ref()))
        .map(|body| body.key())
        .collect();
    let stored: HashMap<String, Stored> = batch::lock_many(session, table, &there)?
        .into_iter()
        .map(|stored| (stored.id.clone(), stored))
        .collect();
    let mut changed = Batch::default();
    let mut differ = HashSet::new();
    for body in bodies {
        if let Some(current) = stored.get(body.id.as_ref())
            && !is_same(guarded, body.content(), current)?
        {
            changed.push(body.key(), body.content());
            differ.insert(body.id.as_ref());
        }
    }
    let updated = batch::update_many(session, table, &changed).map_err(of_write)?;
    bodies
        .iter()
        .map(|body| {
            let id = body.id.as_ref();
            if let Some(made) = made.get(id) {
                return Ok(Landed::Written(Outcome::Created, *made));
            }
            let Some(current) = stored.get(id) else {
                return once_more(guarded, body);
            };
            Ok(match updated.get(id) {
                Some(now) if now.version != current.version => {
                    Landed::Written(Outcome::Updated, *now)
                }
                None if differ.contains(id) => swallowed(guarded)?,
                _ => Landed::Written(Outcome::Unchanged, Last::of(current)),
            })
        })
        .collect()
}

/// A row that did not come back, though its key is free: the plain insert tells why.
fn once_more(guarded: &Guarded, body: &Incoming<'_>) -> Result<Landed> {
    let holders = holders(guarded, body)?;
    let insert = || {
        Session::open(|session| {
            row::insert(session, guarded.table()?, body.key(), body.content())
                .map_err(|error| holders.name(guarded, refusal::of_write(guarded, error)))
        })
    };
    match attempt(insert)? {
        Ok(Some(made)) => Ok(Landed::Written(Outcome::Created, Last::of(&made))),
        Ok(None) => swallowed(guarded),
        Err(failure) => failed(failure).map(Landed::Refused),
    }
}

fn holders(guarded: &Guarded, body: &Incoming<'_>) -> Result<Holders> {
    Session::open(|session| Holders::look(session, guarded, body.key(), body.content()))
}

fn swallowed(guarded: &Guarded) -> Result<Landed> {
    Refused::of(refusal::swallowed(guarded)).map(Landed::Refused)
}

fn failed(failure: Failure) -> Result<Refused> {
    let mut error = Error::refuse(failure.state.unwrap_or(State::Conflict), failure.message);
    if let Some(constraint) = failure.constraint {
        error = error.of_constraint(constraint);
    }
    Refused::of(match failure.outcome {
        Some(outcome) => error.detail(outcome),
        None => error,
    })
}
