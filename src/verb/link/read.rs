//! `ingest.relationship_read(source, relationship, id)`

use super::{pair_of, relationship_of};
use crate::pg::{Answer, Call, Reading, Result, Session, datum_of_jsonb};
use crate::store::links;
use crate::store::refusal;
use crate::verb::render;

/// A link as it is stored.
pub fn read(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = relationship_of(call)?;
    let pair = pair_of(&guarded, call.need_text(2, "id")?)?;
    let link = Session::open(|session| {
        let table = guarded.table()?;
        match links::read(session, table, pair, Reading::Caller)? {
            Some(link) => Ok(link),
            None if links::is_deleted(session, table, pair, Reading::Caller)? => {
                Err(refusal::gone(&guarded))
            }
            None => Err(refusal::not_found(&guarded)),
        }
    })?;
    datum_of_jsonb(&render::link(&guarded, &link)?)
}
