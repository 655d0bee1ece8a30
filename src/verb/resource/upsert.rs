//! `ingest.resource_upsert(source, profile, id, body, if_match)`

use super::{Parts, profile_of};
use crate::pg::{Answer, Call, Result, Session, check_for_interrupts};
use crate::store::history::RowKey;
use crate::store::refusal;
use crate::store::resources::{self, Content, Stored};
use crate::store::standing::{held, is_out_of_reach};
use crate::store::{Guarded, Outcome};
use crate::verb::body::Body;
use crate::verb::render::Written;
use ingest_engine::Resource;
use ingest_engine::id_is_valid;

/// Creates the resource, or replaces it whole.
pub fn upsert(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let id = call.need_text(2, "id")?;
    let body = Body::read(call.need_jsonb(3, "body")?)?;
    body.id(Some(id))?;
    if !id_is_valid(id) {
        return Err(refusal::bad_id());
    }
    let expected = call.int4(4);
    let (outcome, stored) = Session::open(|session| write(session, &guarded, &body, id, expected))?;
    Written::resource(outcome, &guarded, stored)?.answer(call)
}

/// How often a clash without a row is taken for a race before it is taken for an identity.
const ROUNDS: u32 = 5;

/// Reads and holds the row; writes what differs. Without a row it inserts one, and where somebody
/// else was faster, begins again: each round ends with a row held or a row made.
pub fn write(
    session: &Session,
    guarded: &Guarded,
    body: &Body<'_>,
    id: &str,
    expected: Option<i32>,
) -> Result<(Outcome, Stored)> {
    let parts = Parts::of(body)?;
    let table = guarded.table()?;
    let key = RowKey::Id(id);
    let (mut rounds, mut seen) = (0, None);
    loop {
        rounds += 1;
        check_for_interrupts()?;
        let lock = || resources::lock(session, table, id);
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
            let made = resources::insert_unless(session, table, id, parts.content())?;
            if let Some(made) = made {
                return Ok((Outcome::Created, made));
            }
            if is_out_of_reach(session, table, key, &mut seen)? {
                return Err(refusal::swallowed(guarded));
            }
            // Gone again: somebody made it and deleted it, and may do so once more.
            if seen.is_some() || rounds < ROUNDS {
                continue;
            }
            // The id is free, so it is an identity that is taken; the plain insert names it.
            let made = resources::insert(session, table, id, parts.content())
                .map_err(|error| refusal::of_write(guarded, error))?;
            let made = made.ok_or_else(|| refusal::swallowed(guarded))?;
            return Ok((Outcome::Created, made));
        };
        if is_same(guarded, body, parts.content(), &current)? {
            return Ok((Outcome::Unchanged, current));
        }
        let updated = resources::update(session, table, id, parts.content())
            .map_err(|error| refusal::of_write(guarded, error))?
            .ok_or_else(|| refusal::swallowed(guarded))?;
        let outcome = match updated.version == current.version {
            true => Outcome::Unchanged,
            false => Outcome::Updated,
        };
        return Ok((outcome, updated));
    }
}

/// Whether the row holds the body's content already, so that nothing needs to be written. Byte for
/// byte: `1.0` and `1.00` differ. Content that differs is for the gate to judge.
pub fn is_same(
    guarded: &Guarded,
    body: &Body<'_>,
    content: Content<'_>,
    current: &Stored,
) -> Result<bool> {
    if current.data.as_deref() != content.data {
        return Ok(false);
    }
    let given = content.contained;
    if current.contained.as_deref() == given {
        return Ok(true);
    }
    let (Some(_), Some(old)) = (given, current.contained.as_deref()) else {
        return Ok(false);
    };
    // Ids that the body leaves out are taken from the stored items that they stand for.
    let resource = Resource {
        id: &current.id,
        data: body.data,
        contained: body.contained,
    };
    let completed = guarded.judge(&resource, Some(old))?.completed;
    Ok(completed.is_some_and(|completed| completed == old))
}
