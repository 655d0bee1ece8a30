//! Part of a resource: what `_elements` and `_summary` of a query want of it.

use crate::pg::{Error, Result, State};
use ::rest::query::Answer;
use jsonb::{Item, Member, Object, Value, write};

/// The elements of a FHIR resource that are always shown.
const ALWAYS: [&[u8]; 3] = [b"resourceType", b"id", b"meta"];

/// A resource, or what is wanted of it; `fhir` says whether it is one of FHIR.
pub fn wanted(resource: &[u8], answer: &Answer, fhir: bool) -> Result<Vec<u8>> {
    let Value::Object(object) = Value::read(resource)? else {
        return Err(Error::Bug("a resource that is no object".into()));
    };
    let Some(elements) = &answer.elements else {
        return Ok(jsonb::memory::copy(object.as_bytes())?);
    };
    match (fhir, object.get(b"data")?) {
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

/// Members as a root container.
pub fn written(members: Vec<Member<'_>>) -> Result<Vec<u8>> {
    write(&Item::Members(members)).map_err(|_| {
        Error::refuse(State::TooLarge, "the answer is too large").hint("Ask for less: _count=10.")
    })
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
