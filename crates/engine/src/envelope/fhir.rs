//! The envelope of a FHIR resource: `id`, `meta.versionId` and `meta.lastUpdated` are the server's,
//! whatever the client wrote; every other member is the client's, and stays as it is.
//! <https://hl7.org/fhir/R4/resource.html#Meta>

use super::created::{self, Created};
use crate::resource;
use jsonb::{Item, Malformed, Member, Object, Unwritable, Value, memory};

/// What the server says.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The id of the resource.
    pub id: &'a str,
    /// Its version.
    pub version: i32,
    /// When this version was made, as a FHIR instant.
    pub last_updated: &'a str,
    /// Where it is said when the resource was created, …
    pub created: Created,
    /// … and when that was, where it is said.
    pub created_at: &'a str,
}

/// The members of a resource in which the server has a say.
const OF_ROOT: &[&[u8]] = &[b"id", b"meta"];
/// Whether `id` can be the id of a FHIR resource: 1 to 64 of `A-Z a-z 0-9 - .`
pub fn id_is_valid(id: &str) -> bool {
    resource::id_is_valid(id) && !id.contains('_')
}

/// The id that a resource gives itself. What is not a string is none: a check tells.
pub fn id(resource: Value<'_>) -> Result<Option<&str>, Malformed> {
    let Value::Object(object) = resource else {
        return Ok(None);
    };
    match object.get(b"id")? {
        Some(Value::String(id)) => std::str::from_utf8(id).map(Some).map_err(|_| Malformed),
        _ => Ok(None),
    }
}

/// The resource as it is stored, a root container: a copy of what is given, with the server's
/// members. A meta that is no object is not kept; a check refuses it before.
pub fn write(resource: Object<'_>, envelope: &Envelope<'_>) -> Result<Vec<u8>, Unwritable> {
    let version = envelope.version.to_string();
    let server = envelope.created.of_meta();
    let given = match resource.get(b"meta")? {
        Some(Value::Object(given)) => Some(given),
        _ => None,
    };
    let mut meta = match given {
        Some(given) => copied(given, server)?,
        None => copied_none(server.len())?,
    };
    put(&mut meta, (b"versionId", Item::Text(&version)));
    put(
        &mut meta,
        (b"lastUpdated", Item::Text(envelope.last_updated)),
    );
    let extension = created::extension(envelope.created_at);
    match envelope.created {
        Created::Nowhere => {}
        Created::Member => put(
            &mut meta,
            (created::MEMBER, Item::Text(envelope.created_at)),
        ),
        Created::Extension => {
            let mut all = created::others(given)?;
            memory::reserve(&mut all, 1)?;
            all.push(Item::Object(&extension));
            put(&mut meta, (created::EXTENSION, Item::Items(all)));
        }
    }
    let mut members = copied(resource, OF_ROOT)?;
    put(&mut members, (b"id", Item::Text(envelope.id)));
    put(&mut members, (b"meta", Item::Object(&meta)));
    jsonb::write(&Item::Object(&members))
}

/// What a client says, with room for what the server does.
fn copied<'a>(object: Object<'a>, server: &[&[u8]]) -> Result<Vec<Member<'a>>, Malformed> {
    let mut members = copied_none(object.len() + server.len())?;
    for member in object.iter() {
        let (key, value) = member?;
        if !server.contains(&key) {
            members.push((key, Item::Copy(value)));
        }
    }
    Ok(members)
}

/// Puts a member where it is stored: what stands in that order is written without being sorted.
fn put<'a>(members: &mut Vec<Member<'a>>, member: Member<'a>) {
    let before = |(key, _): &Member<'_>| (key.len(), *key) < (member.0.len(), member.0);
    let place = members.partition_point(before);
    members.insert(place, member);
}

fn copied_none<'a>(room: usize) -> Result<Vec<Member<'a>>, Malformed> {
    let mut members = Vec::new();
    memory::reserve(&mut members, room)?;
    Ok(members)
}

/// Whether `given` says the same as `stored`, but for what the server says: an id that is left out
/// is that of the stored one. Numbers are compared by their digits, `1.0` and `1.00` differ.
pub fn is_same(stored: Object<'_>, given: Object<'_>, created: Created) -> Result<bool, Malformed> {
    if stored.as_bytes() == given.as_bytes() {
        return Ok(true);
    }
    if let (Some(one), Some(other)) = (stored.get(b"id")?, given.get(b"id")?)
        && !is_copy(one, other)
    {
        return Ok(false);
    }
    Ok(same_members(stored.iter(), given.iter(), OF_ROOT)?
        && is_same_meta(stored.get(b"meta")?, given.get(b"meta")?, created)?)
}

/// Whether what a client says of meta is the same; to say nothing is to leave it out.
fn is_same_meta(
    stored: Option<Value<'_>>,
    given: Option<Value<'_>>,
    created: Created,
) -> Result<bool, Malformed> {
    let server = created.of_meta();
    let (stored, given) = match (stored, given) {
        (Some(Value::Object(stored)), Some(Value::Object(given))) => {
            if !same_members(stored.iter(), given.iter(), server)? {
                return Ok(false);
            }
            (Some(stored), Some(given))
        }
        (Some(Value::Object(meta)), None) | (None, Some(Value::Object(meta))) => {
            if !same_members(meta.iter(), std::iter::empty(), server)? {
                return Ok(false);
            }
            (Some(meta), None)
        }
        (stored, given) => return Ok(stored.is_none() && given.is_none()),
    };
    match created {
        Created::Extension => created::are_others_same(stored, given),
        Created::Nowhere | Created::Member => Ok(true),
    }
}

/// Whether the members beside those of the server are the same. Both stand in the same order.
fn same_members<'a>(
    one: impl Iterator<Item = Result<(&'a [u8], Value<'a>), Malformed>>,
    other: impl Iterator<Item = Result<(&'a [u8], Value<'a>), Malformed>>,
    server: &[&[u8]],
) -> Result<bool, Malformed> {
    let is_theirs = |member: &Result<(&[u8], Value<'_>), Malformed>| !matches!(member, Ok((key, _)) if server.contains(key));
    let (mut one, mut other) = (one.filter(is_theirs), other.filter(is_theirs));
    loop {
        match (one.next().transpose()?, other.next().transpose()?) {
            (None, None) => return Ok(true),
            (Some((key, value)), Some((same_key, same))) if key == same_key => {
                if !is_copy(value, same) {
                    return Ok(false);
                }
            }
            _ => return Ok(false),
        }
    }
}

/// Whether two values are the same bytes.
pub(super) fn is_copy(one: Value<'_>, other: Value<'_>) -> bool {
    match (one, other) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(one), Value::Bool(other)) => one == other,
        (Value::Number(one), Value::Number(other)) => one.body() == other.body(),
        (Value::String(one), Value::String(other)) => one == other,
        (Value::Array(one), Value::Array(other)) => one.as_bytes() == other.as_bytes(),
        (Value::Object(one), Value::Object(other)) => one.as_bytes() == other.as_bytes(),
        _ => false,
    }
}
