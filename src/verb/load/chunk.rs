//! One chunk of a load: a few statements over arrays.

use super::hand::Hands;
use super::job::{Job, Landings};
use super::{Incoming, Landed, Mode, OnError, Refused, coming, judge_all};
use crate::pg::{Error, Failure, Reading, Result, Session, State, check_for_interrupts};
use crate::store::batch::{self, Batch, Hold, Keys};
use crate::store::history::Last;
use crate::store::reference::{attempt, telling};
use crate::store::refusal;
use crate::store::row::{self, Stored};
use crate::store::{Guarded, Outcome};
use crate::verb::clash::Holders;
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
    job: &Job<'_, '_>,
    chunk: &[usize],
    landed: &mut Landings,
    hands: &mut Hands,
) -> Result<()> {
    match attempt(|| put(job, &job.bodies(chunk)))? {
        Ok(results) => chunk
            .iter()
            .zip(results)
            .try_for_each(|(at, result)| landed.set(job, *at, result)),
        Err(failure) => telling(
            || coming(job.guarded, job.incoming),
            || write_apart(&failure, job, chunk, landed, hands),
        ),
    }
}

/// Writes a chunk that could not be written whole.
fn write_apart(
    failure: &Failure,
    job: &Job<'_, '_>,
    chunk: &[usize],
    landed: &mut Landings,
    hands: &mut Hands,
) -> Result<()> {
    let mut places = chunk.to_vec();
    if let Some(State::BadRequest | State::TooLarge | State::Unprocessable) = failure.state {
        if job.on_error == OnError::Abort {
            judge_all(job, job.incoming.len())?;
        }
        places.clear();
        for at in chunk {
            check_for_interrupts()?;
            let Some(one) = job.incoming.get(*at) else {
                continue;
            };
            match one.judge(job.guarded)? {
                Some(refused) => landed.set(job, *at, Landed::Refused(refused))?,
                None => places.push(*at),
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        if let Ok(results) = attempt(|| put(job, &job.bodies(&places)))? {
            return places
                .iter()
                .zip(results)
                .try_for_each(|(at, result)| landed.set(job, *at, result));
        }
    }
    let looking = refusal::is_of_identity(failure);
    if looking && job.mode == Mode::Upsert {
        // Who waits for an identity is written out of its turn.
        let keys = job.bodies(&places).iter().map(|body| body.key()).collect();
        let table = job.guarded.table()?;
        Session::open(|session| batch::hold(session, table, &keys, Hold::Write))?;
    }
    // One of them failed; alone each shows whether it is that one.
    for at in places {
        put_in_hand(job, at, looking, landed, hands)?;
    }
    Ok(())
}

/// Writes a body alone, and those that have waited for what it gives up.
fn put_in_hand(
    job: &Job<'_, '_>,
    at: usize,
    looking: bool,
    landed: &mut Landings,
    hands: &mut Hands,
) -> Result<()> {
    match put_alone(job, at, looking, Some(landed))? {
        Alone::Waits(holder) => hands.wait(at, holder),
        Alone::Landed(result) => {
            landed.set(job, at, result)?;
            hand_on(job, &[at], landed, hands)?;
        }
    }
    Ok(())
}

/// Writes those that have waited for what these bodies have given up, and those that waited for them.
pub fn hand_on(
    job: &Job<'_, '_>,
    landed_now: &[usize],
    landed: &mut Landings,
    hands: &mut Hands,
) -> Result<()> {
    let mut free = hands.freed_by(landed_now);
    while let Some(at) = free.pop() {
        check_for_interrupts()?;
        match put_alone(job, at, true, Some(landed))? {
            Alone::Waits(holder) => hands.wait(at, holder),
            Alone::Landed(result) => {
                landed.set(job, at, result)?;
                free.extend(hands.freed_by(&[at]));
            }
        }
    }
    Ok(())
}

/// Refuses those that wait for one another: each has what the next is to have.
pub fn refuse_rest(job: &Job<'_, '_>, landed: &mut Landings, hands: &mut Hands) -> Result<()> {
    for at in hands.rest() {
        check_for_interrupts()?;
        if let Alone::Landed(result) = put_alone(job, at, true, None)? {
            landed.set(job, at, result)?;
        }
    }
    Ok(())
}

/// What the gate says of a body that it refuses, now that all the others are there or are known to
/// come; nothing if it does not refuse it. Nothing is written.
pub fn told(job: &Job<'_, '_>, body: &Incoming<'_>) -> Result<Option<Refused>> {
    let tried = attempt(|| -> Result<()> {
        put(job, &[body])?;
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

/// What came of a body that was put alone.
enum Alone {
    Landed(Landed),
    /// It is to have what this one, which has not landed yet, may give up.
    Waits(usize),
}

/// Puts a body alone. If others of the call may land yet, it can wait for one of them; or else that
/// they exchange what they have is said.
fn put_alone(
    job: &Job<'_, '_>,
    at: usize,
    looking: bool,
    landed: Option<&Landings>,
) -> Result<Alone> {
    let guarded = job.guarded;
    let Some(body) = job.incoming.get(at) else {
        return Err(Error::Bug("a body is lost".into()));
    };
    let holders = match looking {
        true => holders(guarded, body)?,
        false => Holders::default(),
    };
    let put = || {
        put(job, &[body]).map_err(|error| {
            let error = holders.name(guarded, error, |id| job.told(id));
            match landed {
                None => refusal::exchanged(error),
                Some(_) => error,
            }
        })
    };
    let tried = match (job.on_error, landed) {
        (OnError::Abort, Some(_)) if looking && job.mode == Mode::Upsert => Some(attempt(put)?),
        (OnError::Abort, _) => None,
        (OnError::Report, _) => Some(attempt(put)?),
    };
    let result = match (tried, job.on_error) {
        (Some(Ok(result)), _) => result,
        (Some(Err(failure)), on_error) => {
            let holder = holders.of(&failure).and_then(|id| job.place(id));
            match (holder, landed) {
                (Some(holder), Some(landed))
                    if job.mode == Mode::Upsert && landed.misses(holder) =>
                {
                    return Ok(Alone::Waits(holder));
                }
                _ if on_error == OnError::Report => vec![Landed::Refused(failed(failure)?)],
                // It fails again, and this time it is told whole.
                _ => put().map_err(|error| job.part.name(body.place, error))?,
            }
        }
        (None, _) => put().map_err(|error| job.part.name(body.place, error))?,
    };
    let result = result.into_iter().next();
    result
        .map(Alone::Landed)
        .ok_or(Error::Bug("a body did not land".into()))
}

fn put(job: &Job<'_, '_>, bodies: &[&Incoming<'_>]) -> Result<Vec<Landed>> {
    // One session a chunk, so that its memory is free before the next one.
    Session::open(|session| match job.mode {
        Mode::Create => create(session, job, bodies),
        Mode::Upsert => replace(session, job, bodies),
    })
}

fn create(session: &Session, job: &Job<'_, '_>, bodies: &[&Incoming<'_>]) -> Result<Vec<Landed>> {
    let guarded = job.guarded;
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
            Ok(match made.take(&body.id)? {
                Some(made) => Landed::Written(Outcome::Created, made),
                None => match row::read(session, table, body.key(), Reading::Fresh)? {
                    Some(_) => Landed::Refused(Refused::of(refusal::exists(guarded))?),
                    None => once_more(job, body)?,
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
fn replace(session: &Session, job: &Job<'_, '_>, bodies: &[&Incoming<'_>]) -> Result<Vec<Landed>> {
    let guarded = job.guarded;
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
                return once_more(job, body);
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
fn once_more(job: &Job<'_, '_>, body: &Incoming<'_>) -> Result<Landed> {
    let guarded = job.guarded;
    let holders = holders(guarded, body)?;
    let insert = || {
        Session::open(|session| {
            row::insert(session, guarded.table()?, body.key(), body.content()).map_err(|error| {
                let error = match job.mode {
                    Mode::Create => refusal::of_write(guarded, error),
                    Mode::Upsert => refusal::of_put(guarded, error),
                };
                holders.name(guarded, error, |id| job.told(id))
            })
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
    Refused::of(failure.into_error())
}
