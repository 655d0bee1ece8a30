//! How a resource looks in an answer.

use super::door::Ways;
use super::request::Request;
use crate::pg::{Error, Instant, Result, State, iso};
use crate::store::Guarded;
use crate::store::row::Stored;
use crate::verb::elements::wanted;
use crate::verb::render;
use ::rest::query::Answer;
use ingest_engine::envelope::moved;
use jsonb::Value;

/// What is stored, as it is answered.
pub fn shown(
    request: &Request<'_>,
    guarded: &Guarded,
    stored: &Stored,
    answer: &Answer,
) -> Result<Vec<u8>> {
    let resource = render::stored(guarded, stored)?;
    let created_at = Some(stored.created_at);
    view(request, guarded, (&resource, created_at), answer)
}

/// A resource as the door has it, and as `_elements` and `_summary` want it.
pub fn view(
    request: &Request<'_>,
    guarded: &Guarded,
    (resource, created_at): (&[u8], Option<Instant>),
    answer: &Answer,
) -> Result<Vec<u8>> {
    let own = in_ways(request, guarded, resource, created_at)?;
    wanted(
        own.as_deref().unwrap_or(resource),
        answer,
        request.door.fhir.then_some(&*guarded.profile),
    )
}

/// A resource that says when it was created where the door says it, if that is another place than
/// that of the source.
fn in_ways(
    request: &Request<'_>,
    guarded: &Guarded,
    resource: &[u8],
    created_at: Option<Instant>,
) -> Result<Option<Vec<u8>>> {
    let from = guarded.options.created;
    let to = request.door.ways.map(Ways::created);
    let (Some(to), Value::Object(object)) = (to, Value::read(resource)?) else {
        return Ok(None);
    };
    if to == from {
        return Ok(None);
    }
    let created_at = created_at.map(iso).transpose()?;
    let moved = moved(object, from, to, created_at.as_deref());
    moved
        .map(Some)
        .map_err(|_| Error::refuse(State::TooLarge, "the resource is too large to be returned"))
}
