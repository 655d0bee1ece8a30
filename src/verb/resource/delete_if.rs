//! `ingest.resource_delete_if(source, profile, criteria, if_match, cascade)`

use super::create_if::the_one;
use super::profile_of;
use crate::pg::{Answer, Call, Result, Session};
use crate::store::row::RowKey;
use crate::verb::criteria::Given;
use crate::verb::render::Written;
use crate::verb::row::delete_row;

/// Deletes the resource that matches. A write in between is PT412.
pub fn delete_if(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let criteria = Given::of(call, 2)?;
    let (expected, cascade) = (call.int4(3)?, call.bool(4)?);
    let (id, tombstone) = Session::open(|session| {
        let found = the_one(session, &guarded, &criteria, expected)?;
        let (key, version) = (RowKey::Id(&found.id), Some(found.version));
        let tombstone = delete_row(session, &guarded, key, version, cascade)?;
        Ok((found.id, tombstone))
    })?;
    Written::deleted(id, tombstone).answer(call)
}
