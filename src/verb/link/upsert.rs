//! `ingest.relationship_upsert(source, relationship, body, if_match)`

use super::write::{check_types, hold_ends, make_plainly, of_insert};
use super::{Body, relationship_of};
use crate::pg::{Answer, Call, Result, Session, check_for_interrupts};
use crate::store::history::RowKey;
use crate::store::links::{self, Link};
use crate::store::refusal;
use crate::store::standing::{held, is_out_of_reach};
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
    let key = RowKey::Ends(pair.from, pair.to);
    let (mut rounds, mut seen) = (0, None);
    loop {
        rounds += 1;
        check_for_interrupts()?;
        let lock = || links::lock(session, table, pair);
        let current = match expected {
            Some(version) if version != 0 => Some(held(session, guarded, key, expected, lock)?),
            _ => lock()?,
        };
        if let (Some(expected), Some(current)) = (expected, &current)
            && expected != current.version
        {
            return Err(refusal::stale(guarded, expected, current.version));
        }
        let Some(current) = current else {
            let made = links::insert(session, table, pair, &body.data)
                .map_err(|error| of_insert(guarded, error))?;
            if let Some(made) = made {
                return Ok((Outcome::Created, made));
            }
            if is_out_of_reach(session, table, key, &mut seen)? {
                return Err(refusal::swallowed(guarded));
            }
            if seen.is_some() || rounds < ROUNDS {
                continue;
            }
            // A policy hides the link, or a trigger takes it away.
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
