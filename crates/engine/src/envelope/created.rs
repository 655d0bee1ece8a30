//! When a FHIR resource was created. R4's meta has no place for it; a source can say it where Aidbox
//! does, in `meta.createdAt`, or in an extension of meta. It is the server's, like the rest of the
//! envelope.

use super::fhir::is_copy;
use crate::description::{Description, Kind, Property};
use jsonb::{Item, Malformed, Member, Object, Unwritable, Value, memory, write};

/// Where a resource says when it was created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Created {
    /// Nowhere.
    #[default]
    Nowhere,
    /// In `meta.createdAt`.
    Member,
    /// In the extension `ex:createdAt` of meta.
    Extension,
}

/// The member of meta.
pub(super) const MEMBER: &[u8] = b"createdAt";
/// Where the extensions of meta stand.
pub(super) const EXTENSION: &[u8] = b"extension";
/// The URL of the extension.
const URL: &str = "ex:createdAt";

impl Created {
    /// The members of meta in which the server has a say.
    pub(super) fn of_meta(self) -> &'static [&'static [u8]] {
        match self {
            Self::Nowhere => &[b"versionId", b"lastUpdated"],
            Self::Member => &[b"versionId", b"lastUpdated", MEMBER],
            Self::Extension => &[b"versionId", b"lastUpdated", EXTENSION],
        }
    }

    /// Lets the type Meta have the member, so that what was read can be written back. An extension
    /// is one of Meta's own.
    pub fn admit(self, description: &mut Description) -> Result<(), Malformed> {
        let is_meta = description.kind == Kind::Type && description.name == "Meta";
        let properties = &mut description.properties;
        if self != Self::Member || !is_meta || properties.iter().any(|it| it.path == "createdAt") {
            return Ok(());
        }
        let last = properties.iter().map(|it| it.ordinal).max();
        memory::reserve(properties, 1)?;
        properties.push(Property {
            path: "createdAt".to_owned(),
            ordinal: last.unwrap_or_default().saturating_add(1),
            kind: "instant".to_owned(),
            settings: write(&Item::Object(&[])).map_err(|_| Malformed)?,
        });
        Ok(())
    }
}

/// A resource that says it in another place: a copy without what is said in `from`, and with what
/// `to` says, if the instant is known. A meta that holds nothing then is left out.
pub fn moved(
    resource: Object<'_>,
    from: Created,
    to: Created,
    created_at: Option<&str>,
) -> Result<Vec<u8>, Unwritable> {
    let given = match resource.get(b"meta")? {
        Some(Value::Object(given)) => Some(given),
        Some(_) => return write(&Item::Copy(Value::Object(resource))),
        None => None,
    };
    let mut meta = Vec::new();
    memory::reserve(&mut meta, given.map_or(0, |given| given.len()) + 1)?;
    for member in given.iter().flat_map(|given| given.iter()) {
        let (key, value) = member?;
        let is_said = from == Created::Member && key == MEMBER;
        if !is_said && (key != EXTENSION || from != Created::Extension && to != Created::Extension)
        {
            meta.push((key, Item::Copy(value)));
        }
    }
    let own = extension(created_at.unwrap_or_default());
    if from == Created::Extension || to == Created::Extension {
        let mut all = others(given)?;
        if let (Created::Extension, Some(_)) = (to, created_at) {
            memory::reserve(&mut all, 1)?;
            all.push(Item::Object(&own));
        }
        if !all.is_empty() {
            meta.push((EXTENSION, Item::Items(all)));
        }
    }
    if let (Created::Member, Some(created_at)) = (to, created_at) {
        meta.push((MEMBER, Item::Text(created_at)));
    }
    let mut members = Vec::new();
    memory::reserve(&mut members, resource.len() + 1)?;
    for member in resource.iter() {
        let (key, value) = member?;
        if key != b"meta" {
            members.push((key, Item::Copy(value)));
        }
    }
    if !meta.is_empty() {
        members.push((b"meta", Item::Object(&meta)));
    }
    write(&Item::Object(&members))
}

/// The extension that says it.
pub(super) fn extension(created_at: &str) -> [Member<'_>; 2] {
    [
        (b"url", Item::Text(URL)),
        (b"valueInstant", Item::Text(created_at)),
    ]
}

/// The other extensions of a meta.
pub(super) fn others<'a>(meta: Option<Object<'a>>) -> Result<Vec<Item<'a>>, Malformed> {
    let mut others = Vec::new();
    for value in extensions(meta)? {
        let value = value?;
        if !is_ours(value)? {
            memory::reserve(&mut others, 1)?;
            others.push(Item::Copy(value));
        }
    }
    Ok(others)
}

/// Whether two metas have the same other extensions.
pub(super) fn are_others_same(
    one: Option<Object<'_>>,
    other: Option<Object<'_>>,
) -> Result<bool, Malformed> {
    let (mut one, mut other) = (extensions(one)?, extensions(other)?);
    loop {
        match (next_other(&mut one)?, next_other(&mut other)?) {
            (None, None) => return Ok(true),
            (Some(one), Some(other)) if is_copy(one, other) => {}
            _ => return Ok(false),
        }
    }
}

/// What stands in `extension`; what is no array is taken for one extension, which a check refuses.
fn extensions(
    meta: Option<Object<'_>>,
) -> Result<impl Iterator<Item = Result<Value<'_>, Malformed>>, Malformed> {
    let given = meta.map(|meta| meta.get(EXTENSION)).transpose()?.flatten();
    let (array, single) = match given {
        Some(Value::Array(array)) => (Some(array), None),
        given => (None, given),
    };
    Ok(array
        .into_iter()
        .flat_map(|array| array.iter())
        .chain(single.map(Ok)))
}

fn next_other<'a>(
    extensions: &mut impl Iterator<Item = Result<Value<'a>, Malformed>>,
) -> Result<Option<Value<'a>>, Malformed> {
    for value in extensions {
        let value = value?;
        if !is_ours(value)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn is_ours(extension: Value<'_>) -> Result<bool, Malformed> {
    let Value::Object(extension) = extension else {
        return Ok(false);
    };
    Ok(matches!(extension.get(b"url")?, Some(Value::String(url)) if url == URL.as_bytes()))
}
