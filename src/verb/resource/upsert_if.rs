//! `ingest.resource_upsert_if(source, profile, criteria, body, id, if_match)`

use super::create_if::{Found, create_or_find};
use super::profile_of;
use crate::pg::{Answer, Call, Error, Result, Session, State};
use crate::store::row::{RowKey, Stored};
use crate::store::{Guarded, Outcome};
use crate::verb::body::{Body, Parts};
use crate::verb::criteria::Given;
use crate::verb::render::Written;
use crate::verb::row::put;
use jsonb::Value;
use std::rc::Rc;

/// Creates the resource, or replaces the one that matches. The version that matched is the one
/// that is replaced: a write in between is PT412.
pub fn upsert_if(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let criteria = Given::of(call, 2)?;
    let (body, id) = (call.need_jsonb(3, "body")?, call.text(4)?);
    run(&guarded, &criteria, body, id, call.int4(5)?)?.answer(call)
}

/// The same of a profile that was found.
pub fn run(
    guarded: &Rc<Guarded>,
    criteria: &Given<'_>,
    body: Value<'_>,
    id: Option<&str>,
    expected: Option<i32>,
) -> Result<Written> {
    let body = Body::read(guarded, body)?;
    let id = body.id(id)?;
    let (outcome, stored, is_met) = Session::open(|session| {
        let found = create_or_find(session, guarded, criteria, &body, id, expected)?;
        let (stored, criteria) = match found {
            Found::Created(made, is_met) => return Ok((Outcome::Created, made, is_met)),
            Found::Matched(stored, criteria) => (stored, criteria),
        };
        check_id(guarded, id, &stored)?;
        let (key, parts) = (RowKey::Id(&stored.id), Parts::of(&body)?);
        let (outcome, stored) = put(session, guarded, key, parts.content(), Some(stored.version))?;
        let is_met = criteria.warn_unless_met(session, guarded, &stored)?;
        Ok((outcome, stored, is_met))
    })?;
    Ok(Written::stored(outcome, guarded, stored)?.by_criteria(is_met))
}

/// An id that was given must be that of the match.
pub fn check_id(guarded: &Guarded, id: Option<&str>, stored: &Stored) -> Result<()> {
    if id.is_none_or(|id| id == stored.id) {
        return Ok(());
    }
    Err(Error::refuse(
        State::BadRequest,
        format!(
            "the id of the call is not that of the match in {}",
            guarded.name()
        ),
    )
    .hint("Leave the id out, or use criteria that match the resource of that id."))
}
