//! `ingest.relationship_link(source, relationship, body, request_key)`,
//! `ingest.relationship_upsert(source, relationship, body, if_match)`

use super::{Body, hold_ends};
use crate::pg::{Answer, Call, Result, Session};
use crate::store::row::{self, Stored};
use crate::store::{Guarded, Outcome, refusal};
use crate::verb::render::Written;
use crate::verb::request::{Turn, turn};
use crate::verb::row::{Noun, named, put as put_row};
use jsonb::{Item, Value};

/// Links two resources.
pub fn link(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = named(call, Noun::Link)?;
    let (body, key) = (call.need_jsonb(2, "body")?, call.text(3)?);
    create(&guarded, body, key)?.answer(call)
}

/// The same of a relationship that was found, once under a key.
pub fn create(guarded: &Guarded, given: Value<'_>, key: Option<&str>) -> Result<Written> {
    let said = ["relationship_link", guarded.name()].map(Item::Text);
    let request = match turn(guarded.source_name(), key, &said, given)? {
        Turn::Again(made) => return made.row(guarded),
        Turn::First(request) => request,
    };
    let body = Body::read(guarded, given)?;
    let made = Session::open(|session| make(session, guarded, &body))?;
    let written = Written::stored(Outcome::Created, guarded, made)?;
    request.keep([written.effect()].into_iter())?;
    Ok(written)
}

/// Makes a link that is not there.
pub fn make(session: &Session, guarded: &Guarded, body: &Body<'_>) -> Result<Stored> {
    body.check_types(guarded)?;
    hold_ends(session, guarded, [body.key()])?;
    let made = row::insert(session, guarded.table()?, body.key(), body.content())
        .map_err(|error| refusal::of_write(guarded, error))?;
    made.ok_or_else(|| refusal::swallowed(guarded))
}

/// Links two resources, or replaces the data of their link.
pub fn upsert(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = named(call, Noun::Link)?;
    let body = Body::read(&guarded, call.need_jsonb(2, "body")?)?;
    let expected = call.int4(3)?;
    let (outcome, link) = Session::open(|session| put(session, &guarded, &body, expected))?;
    Written::stored(outcome, &guarded, link)?.answer(call)
}

/// The same, within a session.
pub fn put(
    session: &Session,
    guarded: &Guarded,
    body: &Body<'_>,
    expected: Option<i32>,
) -> Result<(Outcome, Stored)> {
    body.check_types(guarded)?;
    hold_ends(session, guarded, [body.key()])?;
    put_row(session, guarded, body.key(), body.content(), expected)
}
