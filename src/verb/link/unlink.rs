//! `ingest.relationship_unlink(source, relationship, id, if_match)`

use super::{pair_of, relationship_of};
use crate::pg::{Answer, Call, Instant, Result, Session};
use crate::store::Guarded;
use crate::store::history::RowKey;
use crate::store::links::{self, Pair};
use crate::store::refusal;
use crate::store::standing::held;
use crate::verb::render::Written;

/// Deletes a link and leaves a tombstone.
pub fn unlink(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = relationship_of(call)?;
    let id = call.need_text(2, "id")?;
    let pair = pair_of(&guarded, id)?;
    let expected = call.int4(3);
    let tombstone = Session::open(|session| write(session, &guarded, pair, expected))?;
    Written::deleted(id.to_owned(), tombstone).answer(call)
}

/// Deletes a link that it holds; gives the tombstone's version and instant.
pub fn write(
    session: &Session,
    guarded: &Guarded,
    pair: Pair<'_>,
    expected: Option<i32>,
) -> Result<(i32, Instant)> {
    let table = guarded.table()?;
    let key = RowKey::Ends(pair.from, pair.to);
    let current = held(session, guarded, key, expected, || {
        links::lock_for_delete(session, table, pair)
    })?;
    if let Some(expected) = expected
        && expected != current.version
    {
        return Err(refusal::stale(guarded, expected, current.version));
    }
    if !links::delete(session, table, pair)? {
        return Err(refusal::swallowed(guarded));
    }
    Ok(
        links::tombstone(session, table, pair)?
            .unwrap_or((current.version + 1, current.updated_at)),
    )
}
