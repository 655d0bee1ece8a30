//! `ingest.relationship_unlink(source, relationship, id, if_match)`

use super::{pair_of, relationship_of};
use crate::pg::{Answer, Call, Error, Instant, Reading, Result, Session};
use crate::store::Guarded;
use crate::store::links::{self, Pair};
use crate::store::refusal;
use crate::store::resources::twice;
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
    let Some(current) = twice(|| links::lock_for_delete(session, table, pair))? else {
        return Err(nothing_held(session, guarded, pair, expected)?);
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

/// There is no link that the caller can write; see `refusal::nothing_held`.
pub fn nothing_held(
    session: &Session,
    guarded: &Guarded,
    pair: Pair<'_>,
    expected: Option<i32>,
) -> Result<Error> {
    let table = guarded.table()?;
    if links::read(session, table, pair, Reading::Fresh)?.is_some() {
        return Ok(refusal::swallowed(guarded));
    }
    let deleted = links::is_deleted(session, table, pair, Reading::Fresh)?;
    Ok(refusal::absent(guarded, expected, deleted))
}
