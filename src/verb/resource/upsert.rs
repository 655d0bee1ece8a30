//! `ingest.resource_upsert(source, profile, id, body, if_match)`

use super::profile_of;
use crate::pg::{Answer, Call, Result, Session};
use crate::store::refusal;
use crate::store::row::RowKey;
use crate::verb::body::{Body, Parts};
use crate::verb::render::Written;
use crate::verb::row::put;
use ingest_engine::id_is_valid;

/// Creates the resource, or replaces it whole.
pub fn upsert(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let id = call.need_text(2, "id")?;
    let body = Body::read(&guarded, call.need_jsonb(3, "body")?)?;
    body.id(Some(id))?;
    if !id_is_valid(id) {
        return Err(refusal::bad_id());
    }
    let (parts, expected) = (Parts::of(&body)?, call.int4(4)?);
    let put = |session: &_| put(session, &guarded, RowKey::Id(id), parts.content(), expected);
    let (outcome, stored) = Session::open(put)?;
    Written::stored(outcome, &guarded, stored)?.answer(call)
}
