//! `ingest.resource_create(source, profile, body, id, request_key)`

use super::profile_of;
use crate::pg::{Answer, Call, Result, Session};
use crate::store::refusal;
use crate::store::row::{self, RowKey};
use crate::store::{Guarded, Outcome, id};
use crate::verb::body::{Body, Parts};
use crate::verb::render::Written;
use crate::verb::request::{Turn, turn};
use jsonb::{Item, Value};

/// Creates a resource; an id that exists is PT409.
pub fn create(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let (body, id, key) = (call.need_jsonb(2, "body")?, call.text(3)?, call.text(4)?);
    run(&guarded, body, id, key)?.answer(call)
}

/// The same of a profile that was found, once under a key: the id is the one given, or the body's,
/// or a new one.
pub fn run(
    guarded: &Guarded,
    given: Value<'_>,
    id: Option<&str>,
    key: Option<&str>,
) -> Result<Written> {
    let said = [
        Item::Text("resource_create"),
        Item::Text(guarded.name()),
        id.map_or(Item::Null, Item::Text),
    ];
    let request = match turn(guarded.source_name(), key, &said, given)? {
        Turn::Again(made) => return made.row(guarded),
        Turn::First(request) => request,
    };
    let body = Body::read(guarded, given)?;
    let written = write(guarded, &body, body.id(id)?)?;
    request.keep([written.effect()].into_iter())?;
    Ok(written)
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
