//! `ingest.resource_create(source, profile, body, id)`

use super::profile_of;
use crate::pg::{Answer, Call, Result, Session};
use crate::store::refusal;
use crate::store::row::{self, RowKey};
use crate::store::{Guarded, Outcome, id};
use crate::verb::body::{Body, Parts};
use crate::verb::render::Written;
use jsonb::Value;

/// Creates a resource; an id that exists is PT409.
pub fn create(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let body = call.need_jsonb(2, "body")?;
    run(&guarded, body, call.text(3)?)?.answer(call)
}

/// The same of a profile that was found: the id is the one given, or the body's, or a new one.
pub fn run(guarded: &Guarded, body: Value<'_>, id: Option<&str>) -> Result<Written> {
    let body = Body::read(guarded, body)?;
    let id = body.id(id)?;
    let parts = Parts::of(&body)?;
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
