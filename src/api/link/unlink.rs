//! `ingest.relationship_unlink(source, relationship, id, if_match)`

use super::{pair_of, relationship_of};
use crate::api::refusal;
use crate::api::render::Written;
use crate::pg::{Answer, Call, Reading, Result, Session};
use crate::store::links;

/// Deletes a link and leaves a tombstone.
pub fn unlink(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = relationship_of(call)?;
    let id = call.need_text(2, "id")?;
    let pair = pair_of(&guarded, id)?;
    let expected = call.int4(3);
    let tombstone = Session::open(|session| {
        let table = guarded.table()?;
        let Some(current) = links::lock_for_delete(session, table, pair)? else {
            let deleted = links::tombstone(session, table, pair, Reading::Fresh)?.is_some();
            return Err(refusal::absent(&guarded, expected, deleted));
        };
        if let Some(expected) = expected
            && expected != current.version
        {
            return Err(refusal::stale(&guarded, expected, current.version));
        }
        if !links::delete(session, table, pair)? {
            return Err(refusal::swallowed(&guarded));
        }
        Ok(links::tombstone(session, table, pair, Reading::Fresh)?
            .unwrap_or((current.version + 1, current.updated_at)))
    })?;
    Written::deleted(id.to_owned(), tombstone).answer(call)
}
