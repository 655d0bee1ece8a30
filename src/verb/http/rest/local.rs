//! A Bundle as the source takes it: the addresses of its entries are relative, and what the door says of
//! the creation of resources is the server's.

use super::door::Ways;
use super::request::Request;
use crate::pg::{Error, Result, State, check_for_interrupts};
use ingest_engine::envelope::{Created, moved};
use jsonb::{Item, Object, Value, memory, write};

/// The Bundle, a root container; none where nothing in it changes.
pub fn bundle(request: &Request<'_>, bundle: Value<'_>) -> Result<Option<Vec<u8>>> {
    let Value::Object(bundle) = bundle else {
        return Ok(None);
    };
    let Some(Value::Array(entries)) = bundle.get(b"entry")? else {
        return Ok(None);
    };
    let base = format!("{}/", request.base());
    let mut own = Vec::new();
    memory::reserve(&mut own, entries.len())?;
    let mut is_same = true;
    for entry in entries.iter() {
        check_for_interrupts()?;
        let entry = entry?;
        let changed = match entry {
            Value::Object(entry) => entry_of(request, entry, &base)?,
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
    with(bundle, b"entry", Item::Items(items)).map(Some)
}

/// An entry, if anything in it changes.
fn entry_of(request: &Request<'_>, entry: Object<'_>, base: &str) -> Result<Option<Vec<u8>>> {
    let mut changed = None;
    if let Some(Value::Object(asked)) = entry.get(b"request")?
        && let Some(Value::String(url)) = asked.get(b"url")?
        && let Some(url) = url.strip_prefix(base.as_bytes())
        && let Ok(url) = std::str::from_utf8(url)
    {
        let asked = with(asked, b"url", Item::Text(url))?;
        changed = Some(with(entry, b"request", Item::Copy(Value::read(&asked)?))?);
    }
    let said = request.door.ways.map(Ways::created);
    if let (Some(said), Some(Value::Object(resource))) = (said, entry.get(b"resource")?)
        && resource.get(b"meta")?.is_some()
    {
        let resource = moved(resource, said, Created::Nowhere, None).map_err(|_| too_large())?;
        let entry = match changed.as_deref().map(Value::read).transpose()? {
            Some(Value::Object(entry)) => entry,
            _ => entry,
        };
        changed = Some(with(
            entry,
            b"resource",
            Item::Copy(Value::read(&resource)?),
        )?);
    }
    Ok(changed)
}

/// An object with this value of a member that it has.
fn with(object: Object<'_>, name: &[u8], value: Item<'_>) -> Result<Vec<u8>> {
    let mut members = Vec::new();
    memory::reserve(&mut members, object.len() + 1)?;
    for member in object.iter() {
        let (key, value) = member?;
        if key != name {
            members.push((key, Item::Copy(value)));
        }
    }
    members.push((name, value));
    write(&Item::Object(&members)).map_err(|_| too_large())
}

fn too_large() -> Error {
    Error::refuse(State::TooLarge, "the Bundle is too large")
}
