//! A resource, written with addresses in the places of its links.

use super::narrative;
use jsonb::{Item, Malformed, Member, Object, Unwritable, Value, memory, write as encode};

/// The texts that are to become others, by where they stand in memory.
#[derive(Debug, Default)]
pub struct Places(Vec<(usize, String)>);

impl Places {
    /// Lets a text of the resource become another.
    pub fn put(&mut self, text: &str, becomes: String) -> Result<(), Malformed> {
        memory::reserve(&mut self.0, 1)?;
        self.0.push((at(text.as_bytes()), becomes));
        Ok(())
    }

    /// Whether all texts stay.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn sort(&mut self) {
        self.0.sort_unstable_by_key(|(place, _)| *place);
    }

    fn text(&self, text: &[u8]) -> Option<&str> {
        let found = self.0.binary_search_by_key(&at(text), |(place, _)| *place);
        let (_, becomes) = self.0.get(found.ok()?)?;
        Some(becomes)
    }

    /// Whether one of them stands within these bytes.
    fn are_within(&self, bytes: &[u8]) -> bool {
        let begin = self.0.partition_point(|(place, _)| *place < at(bytes));
        let next = self.0.get(begin);
        next.is_some_and(|(place, _)| *place < at(bytes) + bytes.len())
    }

    fn item<'a>(&'a self, value: Value<'a>) -> Result<Item<'a>, Malformed> {
        Ok(match value {
            // An empty text has the place of what follows it.
            Value::String(text) if !text.is_empty() => {
                self.text(text).map_or(Item::Copy(value), Item::Text)
            }
            Value::Array(array) if self.are_within(array.as_bytes()) => {
                let items = array.iter().map(|item| self.item(item?));
                Item::Items(items.collect::<Result<_, _>>()?)
            }
            Value::Object(object) if self.are_within(object.as_bytes()) => {
                Item::Members(self.members(object)?)
            }
            other => Item::Copy(other),
        })
    }

    fn members<'a>(&'a self, object: Object<'a>) -> Result<Vec<Member<'a>>, Malformed> {
        let mut members = Vec::new();
        // And an id.
        memory::reserve(&mut members, object.len() + 1)?;
        for member in object.iter() {
            let (key, value) = member?;
            members.push((key, self.item(value)?));
        }
        Ok(members)
    }
}

fn at(bytes: &[u8]) -> usize {
    bytes.as_ptr() as usize
}

/// The resource with those texts, and with this id or none, as a root container.
pub fn write(
    resource: Object<'_>,
    id: Option<&str>,
    places: &mut Places,
) -> Result<Vec<u8>, Unwritable> {
    places.sort();
    let mut members = places.members(resource)?;
    let at = members.iter().position(|(key, _)| *key == b"id");
    match (at, id) {
        (Some(at), Some(id)) => members[at].1 = Item::Text(id),
        (Some(at), None) => drop(members.remove(at)),
        (None, Some(id)) => members.insert(0, (b"id", Item::Text(id))),
        (None, None) => {}
    }
    encode(&Item::Members(members))
}

/// A narrative with other addresses; `None` if all stay.
pub fn narrative_with<E: From<Malformed>>(
    div: &str,
    becomes: impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<Option<String>, E> {
    narrative::with(div, becomes)
}

/// A value with those texts, as a root container.
pub fn write_value(value: Value<'_>, places: &mut Places) -> Result<Vec<u8>, Unwritable> {
    places.sort();
    encode(&places.item(value)?)
}

/// The texts of a patch that become others. It has no types: each of its strings may be the name of an
/// entry. What is deeper than so many levels is left as it is.
pub fn places_in_patch<E: From<Malformed>>(
    patch: Value<'_>,
    levels: usize,
    becomes: &mut dyn FnMut(&str) -> Result<Option<String>, E>,
) -> Result<Places, E> {
    let mut places = Places::default();
    gather(patch, levels, &mut places, becomes)?;
    Ok(places)
}

fn gather<E: From<Malformed>>(
    value: Value<'_>,
    levels: usize,
    places: &mut Places,
    becomes: &mut dyn FnMut(&str) -> Result<Option<String>, E>,
) -> Result<(), E> {
    let inner = levels.checked_sub(1);
    match (value, inner) {
        (Value::String(text), _) => {
            let text = std::str::from_utf8(text).map_err(|_| Malformed)?;
            if let Some(address) = becomes(text)? {
                places.put(text, address)?;
            }
        }
        (Value::Array(array), Some(levels)) => {
            for item in array.iter() {
                gather(item?, levels, places, becomes)?;
            }
        }
        (Value::Object(object), Some(levels)) => {
            for member in object.iter() {
                gather(member?.1, levels, places, becomes)?;
            }
        }
        _ => {}
    }
    Ok(())
}
