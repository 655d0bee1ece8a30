//! `ingest.resource_create_if(source, profile, criteria, body, id)`

use super::{Parts, profile_of};
use crate::api::body::Body;
use crate::api::criteria::Criteria;
use crate::api::refusal;
use crate::api::render::Written;
use crate::pg::{
    Answer, Call, Error, Reading, Result, Session, State, check_for_interrupts, snapshot_is_old,
};
use crate::store::resources::{self, Stored};
use crate::store::{Guarded, Outcome, criteria, id};

/// Creates the resource unless one matches.
pub fn create_if(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let criteria = Criteria::read(&guarded, call.need_jsonb(2, "criteria")?)?.not_empty()?;
    let body = Body::read(call.need_jsonb(3, "body")?)?;
    let id = body.id(call.text(4)?)?;
    let (outcome, stored) =
        Session::open(|session| write(session, &guarded, &criteria, &body, id))?;
    Written::resource(outcome, &guarded, stored)?.answer(call)
}

/// Creates a resource, or finds the one that is there.
pub fn write(
    session: &Session,
    guarded: &Guarded,
    criteria: &Criteria,
    body: &Body<'_>,
    id: Option<&str>,
) -> Result<(Outcome, Stored)> {
    Ok(
        match create_or_find(session, guarded, criteria, body, id)? {
            Found::Created(stored) => (Outcome::Created, stored),
            Found::Matched(stored) => (Outcome::Matched, stored),
        },
    )
}

/// What criteria led to.
pub enum Found {
    /// Nothing matched; this was made.
    Created(Stored),
    /// One matched.
    Matched(Stored),
}

/// Callers with the same criteria wait for each other; then each searches with a snapshot that
/// sees what the one before has made. Criteria that name an identity need no lock: there the
/// unique index lets one insert through, and the others find its row in the next round.
pub fn create_or_find(
    session: &Session,
    guarded: &Guarded,
    criteria: &Criteria,
    body: &Body<'_>,
    id: Option<&str>,
) -> Result<Found> {
    let parts = Parts::of(body)?;
    let table = guarded.table()?;
    criteria::advise(guarded, &criteria.conditions)?;
    if !criteria.is_identity() {
        criteria::lock(session, &criteria.lock_key(guarded))?;
    }
    loop {
        check_for_interrupts()?;
        let found = criteria::find(session, table, &criteria.conditions, Reading::Fresh)?;
        match found.as_slice() {
            [] => {}
            [one] => match resources::read(session, table, one, Reading::Fresh)? {
                Some(stored) => return Ok(Found::Matched(stored)),
                None => continue,
            },
            _ => return Err(several(guarded)),
        }
        // Under REPEATABLE READ the search does not see what was committed since the transaction
        // began; what it cannot see must not be made twice.
        if snapshot_is_old()
            && !criteria::find(session, table, &criteria.conditions, Reading::Latest)?.is_empty()
        {
            return Err(Error::refuse(
                State::SerializationFailure,
                format!(
                    "a match in {} was committed after this transaction began",
                    guarded.name()
                ),
            )
            .hint("Try the transaction again."));
        }
        let new_id = id.map_or_else(id::generate, str::to_owned);
        if let Some(made) = resources::insert_unless(session, table, &new_id, parts.content())? {
            return Ok(Found::Created(made));
        }
        if criteria::find(session, table, &criteria.conditions, Reading::Fresh)?.is_empty() {
            // Taken by something that does not match: the plain insert says by what.
            let made = resources::insert(session, table, &new_id, parts.content())
                .map_err(|error| refusal::of_write(guarded, error))?;
            let made = made.ok_or_else(|| refusal::swallowed(guarded))?;
            return Ok(Found::Created(made));
        }
    }
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
