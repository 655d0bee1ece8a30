//! How a resource looks in an answer.

use super::door::Ways;
use super::request::Request;
use super::search::written;
use crate::pg::{Error, Instant, Result, State, iso};
use crate::store::Guarded;
use crate::store::row::Stored;
use crate::verb::render;
use ::rest::query::Answer;
use ingest_engine::envelope::moved;
use jsonb::{Item, Member, Object, Value};

/// The elements of a FHIR resource that are always shown.
const ALWAYS: [&[u8]; 3] = [b"resourceType", b"id", b"meta"];

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
    let Value::Object(object) = Value::read(own.as_deref().unwrap_or(resource))? else {
        return Err(Error::Bug("a resource that is no object".into()));
    };
    match answer.summary.as_deref() {
        None | Some("false" | "count") => {}
        Some(_) => {
            return Err(
                Error::refuse(State::BadRequest, "_summary is neither count nor false")
                    .hint("Name the elements: _elements=name,birthDate."),
            );
        }
    }
    let Some(elements) = &answer.elements else {
        return Ok(jsonb::memory::copy(object.as_bytes())?);
    };
    match (request.door.fhir, object.get(b"data")?) {
        (false, Some(Value::Object(data))) => {
            let data = kept(data, elements, &[])?;
            let mut members = Vec::new();
            for member in object.iter() {
                let (key, value) = member?;
                match key {
                    b"data" => members.push((key, Item::Object(&data))),
                    b"contained" => {}
                    _ => members.push((key, Item::Copy(value))),
                }
            }
            written(members)
        }
        _ => subset(object, elements),
    }
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

/// The part of a FHIR resource, marked as one (<https://hl7.org/fhir/R4/search.html#elements>).
fn subset(object: Object<'_>, elements: &[String]) -> Result<Vec<u8>> {
    const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
    let mut members = kept(object, elements, &ALWAYS)?;
    let mark = Item::Members(vec![
        (b"system", Item::Text(SYSTEM)),
        (b"code", Item::Text("SUBSETTED")),
    ]);
    let mut tags = Vec::new();
    let mut meta = Vec::new();
    if let Some(Value::Object(given)) = object.get(b"meta")? {
        for member in given.iter() {
            match member? {
                (b"tag", Value::Array(given)) => {
                    for tag in given.iter() {
                        tags.push(Item::Copy(tag?));
                    }
                }
                (key, value) => meta.push((key, Item::Copy(value))),
            }
        }
    }
    tags.push(mark);
    meta.push((b"tag", Item::Items(tags)));
    members.retain(|(key, _)| *key != b"meta");
    members.push((b"meta", Item::Members(meta)));
    written(members)
}

/// Those members that are wanted, with what stands beside a primitive one: `_birthDate`.
fn kept<'a>(object: Object<'a>, elements: &[String], always: &[&[u8]]) -> Result<Vec<Member<'a>>> {
    let mut members = Vec::new();
    for member in object.iter() {
        let (key, value) = member?;
        let bare = key.strip_prefix(b"_").unwrap_or(key);
        let mut wanted = elements.iter().map(|name| name.as_bytes());
        if always.contains(&key) || wanted.any(|name| name == bare || name == key) {
            members.push((key, Item::Copy(value)));
        }
    }
    Ok(members)
}
