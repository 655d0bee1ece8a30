//! A Bundle as the source takes it: the addresses of its entries are relative, and what the door says of
//! the creation of resources is the server's.

use super::door::Ways;
use super::request::Request;
use crate::pg::{Error, Result, State, check_for_interrupts};
use crate::verb::body::without_creation;
use jsonb::{Item, Member, Object, Value, memory, write};

/// The Bundle, a root container; none where nothing in it changes.
pub fn bundle(request: &Request<'_>, bundle: Value<'_>) -> Result<Option<Vec<u8>>> {
    let Value::Object(bundle) = bundle else {
        return Ok(None);
    };
    let Some(Value::Array(entries)) = bundle.get(b"entry")? else {
        return Ok(None);
    };
    let base = format!("{}/", request.base());
    let path = format!("{}/", request.door.path);
    let mut own = Vec::new();
    memory::reserve(&mut own, entries.len())?;
    let mut is_same = true;
    for entry in entries.iter() {
        check_for_interrupts()?;
        let entry = entry?;
        let changed = match entry {
            Value::Object(entry) => entry_of(request, entry, [&base, &path])?,
            _ => None,
        };
        is_same &= changed.is_none();
        own.push((entry, changed));
    }
    if is_same {
        return Ok(None);
    }
    let mut items = Vec::new();
    memory::reserve(&mut items, own.len())?;
    for (entry, changed) in &own {
        items.push(Item::Copy(match changed {
            Some(changed) => Value::read(changed)?,
            None => *entry,
        }));
    }
    with(bundle, vec![(b"entry", Item::Items(items))]).map(Some)
}

/// An entry, if anything in it changes.
fn entry_of(
    request: &Request<'_>,
    entry: Object<'_>,
    [base, path]: [&str; 2],
) -> Result<Option<Vec<u8>>> {
    let (mut asked, mut resource) = (None, None);
    if let Some(Value::Object(given)) = entry.get(b"request")?
        && let Some(Value::String(url)) = given.get(b"url")?
        && let Some(url) = url
            .strip_prefix(base.as_bytes())
            .or_else(|| url.strip_prefix(path.as_bytes()))
        && let Ok(url) = std::str::from_utf8(url)
    {
        asked = Some(with(given, vec![(b"url", Item::Text(url))])?);
    }
    let said = request.door.ways.map(Ways::created);
    if let (Some(said), Some(Value::Object(given))) = (said, entry.get(b"resource")?)
        && given.get(b"meta")?.is_some()
    {
        resource = Some(without_creation(given, said)?);
    }
    let mut changed = Vec::new();
    for (name, value) in [(&b"request"[..], &asked), (b"resource", &resource)] {
        if let Some(value) = value {
            changed.push((name, Item::Copy(Value::read(value)?)));
        }
    }
    match changed.is_empty() {
        true => Ok(None),
        false => with(entry, changed).map(Some),
    }
}

/// An object with these values of members that it has: of two of a name, the last stands.
fn with<'a>(object: Object<'a>, changed: Vec<Member<'a>>) -> Result<Vec<u8>> {
    let mut members = Vec::new();
    memory::reserve(&mut members, object.len() + changed.len())?;
    for member in object.iter() {
        let (key, value) = member?;
        members.push((key, Item::Copy(value)));
    }
    members.extend(changed);
    write(&Item::Object(&members))
        .map_err(|_| Error::refuse(State::TooLarge, "the Bundle is too large"))
}
