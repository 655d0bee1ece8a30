//! One chunk of a load: a few statements over arrays.

use super::{Incoming, Landed, Mode, OnError, Refused, judge_all, set};
use crate::pg::{Error, Failure, Reading, Result, Session, State, check_for_interrupts};
use crate::store::reference::attempt;
use crate::store::refusal;
use crate::store::resources::{self, Columns, Stored};
use crate::store::{Guarded, Outcome};
use crate::verb::resource::upsert;
use std::collections::{HashMap, HashSet};

/// How many bodies go into one statement, and how many bytes of them.
const ROWS: usize = 1_000;
const BYTES: usize = 4 << 20;

/// Cuts the order of bodies into chunks.
pub fn split<'o>(incoming: &[Incoming<'_>], order: &'o [usize]) -> Vec<&'o [usize]> {
    let mut chunks = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (end, at) in order.iter().enumerate() {
        let size = incoming.get(*at).map_or(0, |one| {
            one.data.len() + one.contained.as_ref().map_or(0, |bytes| bytes.len())
        });
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
    what: &str,
    landed: &mut [Option<Landed>],
) -> Result<()> {
    let mut places = chunk.to_vec();
    let of = |places: &[usize]| -> Vec<&Incoming<'_>> {
        places.iter().filter_map(|at| incoming.get(*at)).collect()
    };
    let mut bodies = of(&places);
    let mut tried = attempt(|| put(guarded, &bodies, mode))?;
    if let Err(Failure {
        state: Some(State::BadRequest | State::TooLarge | State::Unprocessable),
        ..
    }) = tried
    {
        if on_error == OnError::Abort {
            judge_all(guarded, incoming, what)?;
        }
        places.clear();
        for at in chunk {
            check_for_interrupts()?;
            let Some(one) = incoming.get(*at) else {
                continue;
            };
            match one.judge(guarded)? {
                Some(refused) => set(landed, *at, Landed::Refused(refused)),
                None => places.push(*at),
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        bodies = of(&places);
        tried = attempt(|| put(guarded, &bodies, mode))?;
    }
    let results = match tried {
        Ok(results) => results,
        // One of them failed; alone each shows whether it is that one.
        Err(_) => bodies
            .iter()
            .map(|body| put_alone(guarded, body, mode, on_error, what))
            .collect::<Result<_>>()?,
    };
    for (at, result) in places.iter().zip(results) {
        match result {
            Landed::Refused(refused) if on_error == OnError::Abort => {
                return Err(refused.at(what, incoming.get(*at).map_or(0, |one| one.place)));
            }
            result => set(landed, *at, result),
        }
    }
    Ok(())
}

fn put_alone(
    guarded: &Guarded,
    body: &Incoming<'_>,
    mode: Mode,
    on_error: OnError,
    what: &str,
) -> Result<Landed> {
    let put = || put(guarded, &[body], mode);
    let landed = match on_error {
        OnError::Report => match attempt(put)? {
            Ok(landed) => landed,
            Err(failure) => vec![Landed::Refused(failed(failure)?)],
        },
        OnError::Abort => {
            put().map_err(|error| error.in_part(&format!("{what} {}", body.place)))?
        }
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
    let mut columns = Columns::default();
    bodies
        .iter()
        .for_each(|body| columns.push(&body.id, body.content()));
    let made: HashMap<String, i32> = resources::insert_many(session, table, &columns)?
        .into_iter()
        .collect();
    bodies
        .iter()
        .map(|body| {
            Ok(match made.get(body.id.as_ref()) {
                Some(version) => Landed::Written(Outcome::Created, *version),
                None => match resources::read(session, table, &body.id, Reading::Fresh)? {
                    Some(_) => Landed::Refused(Refused::of(refusal::id_exists(guarded))?),
                    None => once_more(guarded, body)?,
                },
            })
        })
        .collect()
}

/// Makes the rows that are not there and holds those that are, in one order for all: a row that was
/// missing at a first look, and is there at the second, must not be waited for by who holds later
/// ones.
fn replace(session: &Session, guarded: &Guarded, bodies: &[&Incoming<'_>]) -> Result<Vec<Landed>> {
    let table = guarded.table()?;
    let of_write = |error| crate::store::refusal::of_write(guarded, error);
    let mut columns = Columns::default();
    bodies
        .iter()
        .for_each(|body| columns.push(&body.id, body.content()));
    let made = resources::insert_many_locking(session, table, &columns).map_err(of_write)?;
    let made: HashMap<String, i32> = made.into_iter().collect();
    let there: Vec<&str> = columns
        .ids
        .iter()
        .copied()
        .filter(|id| !made.contains_key(*id))
        .collect();
    let stored = match there.is_empty() {
        true => Vec::new(),
        false => resources::lock_many(session, table, &there)?,
    };
    let stored: HashMap<String, Stored> = stored
        .into_iter()
        .map(|stored| (stored.id.clone(), stored))
        .collect();
    let mut changed = Columns::default();
    for body in bodies {
        if let Some(current) = stored.get(body.id.as_ref())
            && !upsert::is_same(guarded, &body.body, body.content(), current)?
        {
            changed.push(&body.id, body.content());
        }
    }
    let differ: HashSet<&str> = changed.ids.iter().copied().collect();
    let updated: HashMap<String, i32> = match changed.ids.is_empty() {
        true => HashMap::new(),
        false => {
            let updated = resources::update_many(session, table, &changed).map_err(of_write)?;
            updated.into_iter().collect()
        }
    };
    bodies
        .iter()
        .map(|body| {
            let id = body.id.as_ref();
            if let Some(version) = made.get(id) {
                return Ok(Landed::Written(Outcome::Created, *version));
            }
            let Some(current) = stored.get(id) else {
                return once_more(guarded, body);
            };
            Ok(match updated.get(id) {
                Some(version) if *version != current.version => {
                    Landed::Written(Outcome::Updated, *version)
                }
                None if differ.contains(id) => swallowed(guarded)?,
                _ => Landed::Written(Outcome::Unchanged, current.version),
            })
        })
        .collect()
}

/// A row that did not come back, though its id is free: the plain insert tells why.
fn once_more(guarded: &Guarded, body: &Incoming<'_>) -> Result<Landed> {
    let insert = || {
        Session::open(|session| {
            resources::insert(session, guarded.table()?, &body.id, body.content())
        })
    };
    match attempt(insert)? {
        Ok(Some(made)) => Ok(Landed::Written(Outcome::Created, made.version)),
        Ok(None) => swallowed(guarded),
        Err(_) => taken(guarded),
    }
}

fn swallowed(guarded: &Guarded) -> Result<Landed> {
    Refused::of(refusal::swallowed(guarded)).map(Landed::Refused)
}

fn taken(guarded: &Guarded) -> Result<Landed> {
    let taken = Error::refuse(State::Conflict, refusal::identity_taken(guarded.name()));
    Refused::of(taken).map(Landed::Refused)
}

fn failed(failure: Failure) -> Result<Refused> {
    let error = Error::refuse(failure.state.unwrap_or(State::Conflict), failure.message);
    Refused::of(match failure.outcome {
        Some(outcome) => error.detail(outcome),
        None => error,
    })
}
