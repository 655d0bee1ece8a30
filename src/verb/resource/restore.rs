//! `ingest.resource_restore(source, profile, id, version, if_match)`

use super::profile_of;
use crate::pg::{Answer, Call, Error, Reading, Result, Session, State};
use crate::store::row::RowKey;
use crate::verb::render::Written;
use crate::verb::row::{put, stored};

/// Makes an old version the newest, as an upsert of what it held. Of a resource that was deleted it
/// is a create. What was linked is not linked again.
pub fn restore(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let key = RowKey::Id(call.need_text(2, "id")?);
    let version = call
        .int4(3)?
        .ok_or_else(|| Error::refuse(State::BadRequest, "version must not be null"))?;
    let expected = call.int4(4)?;
    let (outcome, stored) = Session::open(|session| {
        let old = stored(session, &guarded, key, Some(version), Reading::Fresh)?;
        put(session, &guarded, key, old.content(), expected)
    })?;
    Written::stored(outcome, &guarded, stored)?.answer(call)
}
