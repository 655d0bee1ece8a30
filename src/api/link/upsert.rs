//! `ingest.relationship_upsert(source, relationship, body, if_match)`

use super::write::{check_types, of_insert};
use super::{Body, relationship_of};
use crate::api::refusal;
use crate::api::render::Written;
use crate::pg::{Answer, Call, Result, Session, check_for_interrupts};
use crate::store::links::{self, Link};
use crate::store::{Guarded, Outcome};

/// Links two resources, or replaces the data of their link.
pub fn upsert(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = relationship_of(call)?;
    let body = Body::read(call.need_jsonb(2, "body")?)?;
    let expected = call.int4(3);
    let (outcome, link) = Session::open(|session| put(session, &guarded, &body, expected))?;
    Written::link(outcome, &guarded, link)?.answer(call)
}

/// Each round ends with a link held or a link made; see `resource::upsert`.
pub fn put(
    session: &Session,
    guarded: &Guarded,
    body: &Body<'_>,
    expected: Option<i32>,
) -> Result<(Outcome, Link)> {
    check_types(guarded, body)?;
    let (table, pair) = (guarded.table()?, body.pair());
    loop {
        check_for_interrupts()?;
        let current = links::lock(session, table, pair)?;
        let version = current.as_ref().map_or(0, |current| current.version);
        if let Some(expected) = expected
            && expected != version
        {
            return Err(refusal::stale(guarded, expected, version));
        }
        let Some(current) = current else {
            let made = links::insert(session, table, pair, &body.data)
                .map_err(|error| of_insert(guarded, error))?;
            match made {
                Some(made) => return Ok((Outcome::Created, made)),
                None => continue,
            }
        };
        if current.data.as_deref() == Some(&*body.data) {
            return Ok((Outcome::Unchanged, current));
        }
        let updated = links::update(session, table, pair, &body.data)?;
        let updated = updated.ok_or_else(|| refusal::swallowed(guarded))?;
        return Ok((Outcome::Updated, updated));
    }
}
