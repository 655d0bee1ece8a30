//! Part of a resource: what `_elements` and `_summary` of a query want of it.

use crate::pg::{Error, Result, State};
use ::rest::query::Answer;
use ingest_engine::Profile;
use jsonb::{Item, Member, Object, Value, write};

/// The elements of a FHIR resource that are always shown, besides those that each of its type has.
const ALWAYS: [&[u8]; 3] = [b"resourceType", b"id", b"meta"];

/// A resource, or what is wanted of it; `of` is the type of one of FHIR.
pub fn wanted(resource: &[u8], answer: &Answer, of: Option<&Profile>) -> Result<Vec<u8>> {
    let Value::Object(object) = Value::read(resource)? else {
        return Err(Error::Bug("a resource that is no object".into()));
    };
    let Some(elements) = &answer.elements else {
        return Ok(jsonb::memory::copy(object.as_bytes())?);
    };
    match (of, object.get(b"data")?) {
        (None, Some(Value::Object(data))) => {
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
        _ => subset(object, elements, of),
    }
}

/// Members as a root container.
pub fn written(members: Vec<Member<'_>>) -> Result<Vec<u8>> {
    write(&Item::Members(members)).map_err(|_| {
        Error::refuse(State::TooLarge, "the answer is too large").hint("Ask for less: _count=10.")
    })
}

/// The part of a FHIR resource, marked as one (<https://hl7.org/fhir/R4/search.html#elements>).
fn subset(object: Object<'_>, elements: &[String], of: Option<&Profile>) -> Result<Vec<u8>> {
    const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
    let of = of.into_iter().flat_map(Profile::elements);
    let wanted = of.filter(|(_, element, is_there)| {
        let mut named = elements
            .iter()
            .map(|name| name.strip_suffix("[x]").unwrap_or(name));
        *is_there || named.any(|name| name == *element)
    });
    let wanted = wanted.map(|(member, ..)| member.as_bytes());
    let always: Vec<&[u8]> = ALWAYS.into_iter().chain(wanted).collect();
    let mut members = kept(object, elements, &always)?;
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
        if always.contains(&bare) || wanted.any(|name| name == bare || name == key) {
            members.push((key, Item::Copy(value)));
        }
    }
    Ok(members)
}
