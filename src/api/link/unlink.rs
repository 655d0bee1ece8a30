//! `ingest.relationship_unlink(source, relationship, id, if_match)`

use super::{pair_of, relationship_of};
use crate::api::refusal;
use crate::api::render::Written;
use crate::pg::{Answer, Call, Instant, Reading, Result, Session};
use crate::store::Guarded;
use crate::store::links::{self, Pair};

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
    let Some(current) = links::lock_for_delete(session, table, pair)? else {
        let deleted = links::is_deleted(session, table, pair, Reading::Fresh)?;
        return Err(refusal::absent(guarded, expected, deleted));
    };
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
