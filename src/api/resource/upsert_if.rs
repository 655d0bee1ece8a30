//! `ingest.resource_upsert_if(source, profile, criteria, body, id)`

use super::create_if::{Found, create_or_find};
use super::{profile_of, upsert};
use crate::api::body::Body;
use crate::api::criteria::Criteria;
use crate::api::render::Written;
use crate::pg::{Answer, Call, Error, Result, Session, State};
use crate::store::resources::Stored;
use crate::store::{Guarded, Outcome};

/// Creates the resource, or replaces the one that matches. The version that matched is the one
/// that is replaced: a write in between is PT412.
pub fn upsert_if(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let criteria = Criteria::read(&guarded, call.need_jsonb(2, "criteria")?)?.not_empty()?;
    let body = Body::read(call.need_jsonb(3, "body")?)?;
    let id = body.id(call.text(4)?)?;
    let (outcome, stored) =
        Session::open(|session| write(session, &guarded, &criteria, &body, id))?;
    Written::resource(outcome, &guarded, stored)?.answer(call)
}

/// Creates a resource, or replaces the one that is there.
pub fn write(
    session: &Session,
    guarded: &Guarded,
    criteria: &Criteria,
    body: &Body<'_>,
    id: Option<&str>,
) -> Result<(Outcome, Stored)> {
    let stored = match create_or_find(session, guarded, criteria, body, id)? {
        Found::Created(made) => return Ok((Outcome::Created, made)),
        Found::Matched(stored) => stored,
    };
    if id.is_some_and(|id| id != stored.id) {
        return Err(Error::refuse(
            State::BadRequest,
            format!(
                "the id of the call is not that of the match in {}",
                guarded.name()
            ),
        )
        .hint("Leave the id out, or use criteria that match the resource of that id."));
    }
    upsert::write(session, guarded, body, &stored.id, Some(stored.version))
}
