//! `ingest.resource_create_if(source, profile, criteria, body, id)`

use super::profile_of;
use crate::pg::{
    Answer, Call, Error, Reading, Result, Session, State, check_for_interrupts, snapshot_is_old,
};
use crate::store::criteria::Come;
use crate::store::refusal;
use crate::store::row::{self, RowKey, Stored};
use crate::store::{Guarded, Outcome, cluster, find, id};
use crate::verb::body::{Body, Parts};
use crate::verb::clash::Holders;
use crate::verb::criteria::{Criteria, Given};
use crate::verb::render::Written;
use jsonb::Value;
use std::rc::Rc;

/// Creates the resource unless one matches.
pub fn create_if(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let criteria = Given::of(call, 2)?;
    let body = call.need_jsonb(3, "body")?;
    run(&guarded, &criteria, body, call.text(4)?)?.answer(call)
}

/// The same of a profile that was found.
pub fn run(
    guarded: &Rc<Guarded>,
    criteria: &Given<'_>,
    body: Value<'_>,
    id: Option<&str>,
) -> Result<Written> {
    let body = Body::read(guarded, body)?;
    let id = body.id(id)?;
    let found =
        Session::open(|session| create_or_find(session, guarded, criteria, &body, id, None))?;
    let (outcome, stored, is_met) = match found {
        Found::Created(stored, is_met) => (Outcome::Created, stored, is_met),
        Found::Matched(stored, _) => (Outcome::Matched, stored, true),
    };
    Ok(Written::stored(outcome, guarded, stored)?.by_criteria(is_met))
}

/// What criteria led to.
pub enum Found {
    /// Nothing matched; this was made, and meets them or does not.
    Created(Stored, bool),
    /// One matched these.
    Matched(Stored, Box<Criteria>),
}

/// How often a clash with nothing that matches is taken for a race before it is taken for what it is.
const ROUNDS: u32 = 5;

/// Callers with the same criteria wait for each other; then each searches with a snapshot that
/// sees what the one before has made. Criteria that name an identity need no lock: there the
/// unique index lets one insert through, and the others find its row in the next round.
///
/// The first search may have waited for a definition to change, or for the index to go, and the
/// criteria may name an identity no more: then all begins anew.
pub fn create_or_find(
    session: &Session,
    guarded: &Rc<Guarded>,
    given: &Given<'_>,
    body: &Body<'_>,
    id: Option<&str>,
    expected: Option<i32>,
) -> Result<Found> {
    let parts = Parts::of(body)?;
    let mut guarded = guarded.clone();
    let mut criteria = read(&guarded, given)?;
    criteria.search.advise(&guarded)?;
    let mut apart = wait(&guarded, &criteria)?;
    let mut rounds = 0;
    loop {
        check_for_interrupts()?;
        rounds += 1;
        let table = guarded.table()?;
        let found = search(session, &guarded, &criteria)?;
        let now = find(guarded.source_name(), guarded.name())?;
        let again = match Rc::ptr_eq(&now, &guarded) {
            true => None,
            false => Some(read(&now, given)?),
        };
        if apart && !again.as_ref().unwrap_or(&criteria).are_kept_apart(&now)? {
            if let Some(again) = again {
                (guarded, criteria) = (now, again);
            }
            apart = wait(&guarded, &criteria)?;
            continue;
        }
        if let Some(stored) = found {
            return match expected {
                Some(expected) if expected != stored.version => {
                    Err(refusal::stale(&guarded, expected, stored.version))
                }
                _ => Ok(Found::Matched(stored, Box::new(criteria))),
            };
        }
        // Under REPEATABLE READ the search does not see what was committed since the transaction
        // began; what it cannot see must not be made twice.
        if snapshot_is_old()
            && !criteria
                .search
                .find(session, table, Reading::Latest)?
                .is_empty()
        {
            return Err(refusal::too_new(&guarded));
        }
        if let Some(expected) = expected.filter(|expected| *expected != 0) {
            return Err(refusal::stale(&guarded, expected, 0));
        }
        let new_id = id.map_or_else(id::generate, str::to_owned);
        if let Some(made) =
            row::insert_unless(session, table, RowKey::Id(&new_id), parts.content())?
        {
            let is_met = criteria.warn_unless_met(session, &guarded, &made)?;
            return Ok(Found::Created(made, is_met));
        }
        if rounds >= ROUNDS
            && criteria
                .search
                .find(session, table, Reading::Fresh)?
                .is_empty()
        {
            // Taken by something that does not match: the plain insert says by what.
            let made = insert(session, &guarded, &new_id, &parts)?;
            let made = made.ok_or_else(|| refusal::swallowed(&guarded))?;
            let is_met = criteria.warn_unless_met(session, &guarded, &made)?;
            return Ok(Found::Created(made, is_met));
        }
    }
}

fn read(guarded: &Guarded, given: &Given<'_>) -> Result<Criteria> {
    Criteria::of(guarded, given)?.not_empty()
}

/// Waits for callers with the same criteria, unless an index keeps them apart; says whether one does.
fn wait(guarded: &Guarded, criteria: &Criteria) -> Result<bool> {
    let apart = criteria.are_kept_apart(guarded)?;
    if !apart {
        let (table, number) = (guarded.table()?, criteria.lock_number(guarded)?);
        cluster::wait_for_criteria(table, number, || criteria.canonical())?;
    }
    Ok(apart)
}

/// The resource that matches, if one does; what cannot be seen yet is 40001.
pub fn find_one(
    session: &Session,
    guarded: &Guarded,
    criteria: &Criteria,
) -> Result<Option<Stored>> {
    let found = search(session, guarded, criteria)?;
    if found.is_none()
        && snapshot_is_old()
        && !criteria
            .search
            .find(session, guarded.table()?, Reading::Latest)?
            .is_empty()
    {
        return Err(refusal::too_new(guarded));
    }
    Ok(found)
}

/// The one resource that matches, for a verb that needs one: none is PT404, several are PT412, and
/// so is another version than the expected one.
pub fn the_one(
    session: &Session,
    guarded: &Guarded,
    given: &Given<'_>,
    expected: Option<i32>,
) -> Result<Stored> {
    let criteria = read(guarded, given)?;
    criteria.search.advise(guarded)?;
    let Some(found) = find_one(session, guarded, &criteria)? else {
        return Err(none_meets(guarded));
    };
    match expected {
        Some(expected) if expected != found.version => {
            Err(refusal::stale(guarded, expected, found.version))
        }
        _ => Ok(found),
    }
}

/// The refusal of criteria that nothing meets.
pub fn none_meets(guarded: &Guarded) -> Error {
    let message = format!("no resource in {} meets the criteria", guarded.name());
    Error::refuse(State::NotFound, message)
        .hint("ingest.resource_search shows what meets criteria.")
}

/// Creates a resource for criteria that match nothing, while the caller holds their lock. What the
/// transaction itself has made to match them meanwhile, and `overlaps` knows, is the caller's to
/// refuse. Says whether what was made meets them.
pub fn make(
    session: &Session,
    guarded: &Guarded,
    criteria: &Criteria,
    body: &Body<'_>,
    id: Option<&str>,
    overlaps: impl Fn(&str) -> Option<usize>,
) -> Result<std::result::Result<(Stored, bool), usize>> {
    let (parts, table) = (Parts::of(body)?, guarded.table()?);
    let new_id = id.map_or_else(id::generate, str::to_owned);
    if let Some(made) = row::insert_unless(session, table, RowKey::Id(&new_id), parts.content())? {
        let is_met = criteria.warn_unless_met(session, guarded, &made)?;
        return Ok(Ok((made, is_met)));
    }
    match criteria.search.come(session, table)? {
        Come::Nothing => {}
        // No retry cures what the transaction does to itself.
        Come::Own(id) => {
            if let Some(other) = overlaps(&id) {
                return Ok(Err(other));
            }
        }
        // Whose identity the criteria name can be made without their lock, between search and insert.
        Come::Foreign => return Err(refusal::too_new(guarded)),
    }
    let made = insert(session, guarded, &new_id, &parts)?;
    let made = made.ok_or_else(|| refusal::swallowed(guarded))?;
    let is_met = criteria.warn_unless_met(session, guarded, &made)?;
    Ok(Ok((made, is_met)))
}

/// The insert of what clashes with something: its error says with what.
fn insert(
    session: &Session,
    guarded: &Guarded,
    id: &str,
    parts: &Parts<'_>,
) -> Result<Option<Stored>> {
    let (key, content) = (RowKey::Id(id), parts.content());
    let holders = Holders::look(session, guarded, key, content)?;
    row::insert(session, guarded.table()?, key, content)
        .map_err(|error| holders.name(guarded, refusal::of_write(guarded, error), |_| None))
}

/// The resource that matches, if one does.
pub fn search(session: &Session, guarded: &Guarded, criteria: &Criteria) -> Result<Option<Stored>> {
    let found = criteria
        .search
        .find(session, guarded.table()?, Reading::Fresh)?;
    only(guarded, found)
}

/// The one of those that match, if there is one.
pub fn only(guarded: &Guarded, found: Vec<Stored>) -> Result<Option<Stored>> {
    if found.len() > 1 {
        return Err(several(guarded));
    }
    Ok(found.into_iter().next())
}

fn several(guarded: &Guarded) -> Error {
    Error::refuse(
        State::PreconditionFailed,
        format!(
            "the criteria match more than one resource in {}",
            guarded.name()
        ),
    )
    .hint("Use criteria that only one resource can meet, best a declared identity.")
}
