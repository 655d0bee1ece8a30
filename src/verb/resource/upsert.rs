//! `ingest.resource_upsert(source, profile, id, body, if_match)`

use super::profile_of;
use crate::pg::{Answer, Call, Result, Session};
use crate::store::row::RowKey;
use crate::store::{Guarded, refusal};
use crate::verb::body::{Body, Parts};
use crate::verb::render::Written;
use crate::verb::row::put;
use ingest_engine::id_is_valid;
use jsonb::Value;

/// Creates the resource, or replaces it whole.
pub fn upsert(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let (id, body) = (call.need_text(2, "id")?, call.need_jsonb(3, "body")?);
    run(&guarded, id, body, call.int4(4)?)?.answer(call)
}

/// The same of a profile that was found.
pub fn run(guarded: &Guarded, id: &str, body: Value<'_>, expected: Option<i32>) -> Result<Written> {
    let body = Body::read(guarded, body)?;
    body.id(Some(id))?;
    if !id_is_valid(id) {
        return Err(refusal::bad_id());
    }
    let parts = Parts::of(&body)?;
    let put = |session: &_| put(session, guarded, RowKey::Id(id), parts.content(), expected);
    let (outcome, stored) = Session::open(put)?;
    Written::stored(outcome, guarded, stored)
}
