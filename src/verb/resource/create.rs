//! `ingest.resource_create(source, profile, body, id)`

use super::profile_of;
use crate::pg::{Answer, Call, Result, Session};
use crate::store::refusal;
use crate::store::row::{self, RowKey};
use crate::store::{Guarded, Outcome, id};
use crate::verb::body::{Body, Parts};
use crate::verb::render::Written;

/// Creates a resource; an id that exists is PT409.
pub fn create(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let body = Body::read(&guarded, call.need_jsonb(2, "body")?)?;
    let id = body.id(call.text(3)?)?;
    write(&guarded, &body, id)?.answer(call)
}

fn write(guarded: &Guarded, body: &Body<'_>, id: Option<&str>) -> Result<Written> {
    let parts = Parts::of(body)?;
    let generated;
    let id = match id {
        Some(id) => id,
        None => {
            generated = id::generate();
            &generated
        }
    };
    let stored = Session::open(|session| {
        row::insert(session, guarded.table()?, RowKey::Id(id), parts.content())
            .map_err(|error| refusal::of_write(guarded, error))
    })?;
    // A BEFORE trigger of the user's own may have swallowed the row.
    let stored = stored.ok_or_else(|| refusal::swallowed(guarded))?;
    Written::stored(Outcome::Created, guarded, stored)
}
