//! `ingest.contained_put(source, profile, id, path, body, if_match)`,
//! `ingest.contained_delete(source, profile, id, path, if_match)`

use super::profile_of;
use crate::pg::{Answer, Call, Error, Result, Session, State};
use crate::store::Guarded;
use crate::store::batch::Hold;
use crate::store::row::{Content, RowKey};
use crate::store::table::Form;
use crate::verb::render::Written;
use crate::verb::row::{held, replace};
use jsonb::{Item, Value, write};

/// Puts one contained resource in its place, or adds it; the parent gets a new version.
pub fn put(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    check_native(&guarded)?;
    let (id, path) = (call.need_text(2, "id")?, call.need_text(3, "path")?);
    let body = call.need_jsonb(4, "body")?;
    let Value::Object(object) = body else {
        return Err(Error::refuse(State::BadRequest, "body is not an object")
            .hint("A contained resource is {\"data\": {...}, \"type\"?: \"...\", \"contained\"?: {...}}."));
    };
    let expected = call.int4(5)?;
    let place = Place::read(&guarded, id, path)?;
    let mut members = Vec::new();
    for member in object.iter() {
        let (key, value) = member?;
        if key == b"id" {
            // The path says which one it is; the body may say the same, in full or in short.
            let same = matches!(value, Value::String(given) if place.is_named(given))
                || place.id.is_none();
            if !same {
                return Err(Error::refuse(
                    State::BadRequest,
                    "the id in the body is not that of the path",
                )
                .hint("Leave the id out of the body."));
            }
            if place.id.is_some() {
                continue;
            }
        }
        members.push((key, Item::Copy(value)));
    }
    if let Some(short) = place.id {
        members.push((b"id", Item::Text(short)));
    }
    change(call, &guarded, id, expected, |current| {
        current
            .replaced(&place, Some(Item::Members(members.clone())))
            .map(|(bytes, _)| bytes)
    })
}

/// Deletes one contained resource; the parent gets a new version.
pub fn delete(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    check_native(&guarded)?;
    let (id, path) = (call.need_text(2, "id")?, call.need_text(3, "path")?);
    let expected = call.int4(4)?;
    let place = Place::read(&guarded, id, path)?;
    if place.id.is_none() {
        return Err(bad_path());
    }
    change(call, &guarded, id, expected, |current| {
        let (bytes, found) = current.replaced(&place, None)?;
        match found {
            true => Ok(bytes),
            false => Err(Error::refuse(
                State::NotFound,
                format!(
                    "no such contained resource in the resource of {}",
                    guarded.name()
                ),
            )
            .hint("ingest.resource_read shows what it contains, with ids.")),
        }
    })
}

/// Where a contained resource stands: a key, and the short id of an item under it.
struct Place<'a> {
    key: &'a str,
    id: Option<&'a str>,
    prefix: String,
}

fn bad_path() -> Error {
    Error::refuse(State::BadRequest, "not the path of a contained resource")
        .hint("A path is <key>/<contained-id>, or <type>/<id>/<key>/<contained-id>; <key> alone adds one.")
}

impl<'a> Place<'a> {
    fn read(guarded: &Guarded, id: &str, path: &'a str) -> Result<Self> {
        let own = format!("{}/{id}/", guarded.name());
        let path = path.strip_prefix(&own).unwrap_or(path);
        let (key, item) = match path.split_once('/') {
            Some((key, item)) => (key, Some(item)),
            None => (path, None),
        };
        if key.is_empty() || item.is_some_and(|item| item.is_empty() || item.contains('/')) {
            return Err(bad_path());
        }
        if !guarded
            .description
            .contained
            .iter()
            .any(|contained| contained.key == key)
        {
            return Err(Error::refuse(
                State::NotFound,
                format!(
                    "{} contains nothing under the key of the path",
                    guarded.name()
                ),
            )
            .hint("The keys are those of contained in the definition."));
        }
        Ok(Self {
            key,
            id: item,
            prefix: format!("{own}{key}/"),
        })
    }

    /// Whether an id, full or short, is that of this place.
    fn is_named(&self, given: &[u8]) -> bool {
        let Some(id) = self.id else { return false };
        let short = given.strip_prefix(self.prefix.as_bytes()).unwrap_or(given);
        short == id.as_bytes()
    }
}

/// Refuses a FHIR resource, whose contained resources are a part of it.
fn check_native(guarded: &Guarded) -> Result<()> {
    match guarded.form() {
        Form::Fhir => Err(Error::refuse(
            State::BadRequest,
            format!("what {} contains is a part of the resource", guarded.name()),
        )
        .hint("Patch its member contained with ingest.resource_patch.")),
        _ => Ok(()),
    }
}

/// The contained resources of a stored resource.
struct Current<'a>(Option<Value<'a>>);

impl Current<'_> {
    /// The same with one item replaced, added (where there is none of that id) or taken out; and
    /// whether there was one.
    fn replaced(&self, place: &Place<'_>, item: Option<Item<'_>>) -> Result<(Vec<u8>, bool)> {
        let mut members: Vec<(&[u8], Item<'_>)> = Vec::new();
        let mut items = Vec::new();
        let mut found = false;
        if let Some(Value::Object(object)) = self.0 {
            for member in object.iter() {
                let (key, value) = member?;
                let Value::Array(array) = value else { continue };
                if key != place.key.as_bytes() {
                    members.push((key, Item::Copy(value)));
                    continue;
                }
                for stored in array.iter() {
                    let stored = stored?;
                    let named = match stored {
                        Value::Object(object) => object.get(b"id")?,
                        _ => None,
                    };
                    match named {
                        Some(Value::String(id)) if place.is_named(id) => {
                            found = true;
                            items.extend(item.clone());
                        }
                        _ => items.push(Item::Copy(stored)),
                    }
                }
            }
        }
        if !found {
            items.extend(item);
        }
        if !items.is_empty() {
            members.push((place.key.as_bytes(), Item::Items(items)));
        }
        let bytes = write(&Item::Members(members))
            .map_err(|_| Error::refuse(State::TooLarge, "the resource is too large"))?;
        Ok((bytes, found))
    }
}

/// Writes the resource with other contained resources.
fn change(
    call: &mut Call<'_>,
    guarded: &Guarded,
    id: &str,
    expected: Option<i32>,
    make: impl Fn(&Current<'_>) -> Result<Vec<u8>>,
) -> Result<Answer> {
    let key = RowKey::Id(id);
    let (outcome, stored) = Session::open(|session| {
        let current = held(session, guarded, key, expected, Hold::Write)?;
        let contained = current.contained.as_deref().map(Value::read).transpose()?;
        let contained = make(&Current(contained))?;
        let content = Content {
            contained: Some(&contained),
            ..current.content()
        };
        replace(session, guarded, key, content, &current)
    })?;
    Written::stored(outcome, guarded, stored)?.answer(call)
}
