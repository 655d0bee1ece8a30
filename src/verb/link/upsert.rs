//! `ingest.relationship_upsert(source, relationship, body, if_match)`

use super::unlink::nothing_held;
use super::write::{check_types, hold_ends, make_plainly, of_insert};
use super::{Body, relationship_of};
use crate::pg::{Answer, Call, Reading, Result, Session, check_for_interrupts};
use crate::store::links::{self, Link};
use crate::store::refusal;
use crate::store::resources::twice;
use crate::store::{Guarded, Outcome};
use crate::verb::render::Written;

/// Links two resources, or replaces the data of their link.
pub fn upsert(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = relationship_of(call)?;
    let body = Body::read(call.need_jsonb(2, "body")?)?;
    let expected = call.int4(3);
    let (outcome, link) = Session::open(|session| put(session, &guarded, &body, expected))?;
    Written::link(outcome, &guarded, link)?.answer(call)
}

/// How often a clash without a link is taken for a race.
const ROUNDS: u32 = 5;

/// Each round ends with a link held or a link made; see `resource::upsert`.
pub fn put(
    session: &Session,
    guarded: &Guarded,
    body: &Body<'_>,
    expected: Option<i32>,
) -> Result<(Outcome, Link)> {
    check_types(guarded, body)?;
    let (table, pair) = (guarded.table()?, body.pair());
    hold_ends(session, guarded, pair)?;
    let mut rounds = 0;
    loop {
        rounds += 1;
        check_for_interrupts()?;
        let lock = || links::lock(session, table, pair);
        let current = match expected {
            Some(_) => twice(lock)?,
            None => lock()?,
        };
        let version = current.as_ref().map_or(0, |current| current.version);
        if let Some(expected) = expected
            && expected != version
        {
            return Err(match current {
                Some(_) => refusal::stale(guarded, expected, version),
                None => nothing_held(session, guarded, pair, Some(expected))?,
            });
        }
        let Some(current) = current else {
            let made = links::insert(session, table, pair, &body.data)
                .map_err(|error| of_insert(guarded, error))?;
            if let Some(made) = made {
                return Ok((Outcome::Created, made));
            }
            if rounds < ROUNDS {
                continue;
            }
            // A policy hides the link from writes, or a trigger takes it away.
            if links::read(session, table, pair, Reading::Fresh)?.is_some() {
                return Err(refusal::swallowed(guarded));
            }
            let made = make_plainly(session, guarded, body)?;
            return Ok((Outcome::Created, made));
        };
        if current.data.as_deref() == Some(&*body.data) {
            return Ok((Outcome::Unchanged, current));
        }
        let updated = links::update(session, table, pair, &body.data)
            .map_err(|error| of_insert(guarded, error))?;
        let updated = updated.ok_or_else(|| refusal::swallowed(guarded))?;
        return Ok((Outcome::Updated, updated));
    }
}
