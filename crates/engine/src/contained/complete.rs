//! The completion of contained ids and types.

use super::id::{Given, Place};
use super::item::kind;
use crate::limits::Limits;
use crate::profile::{ContainedKey, Profile};
use crate::resource::{Resource, Stop};
use crate::schema::{Known, Schema};
use jsonb::{Array, Item, Malformed, Object, Value, write};
use std::collections::{HashMap, HashSet};

/// Rewrites the contained resources with full ids (`<root type>/<root id>/<key>/<contained id>`)
/// and types, after a check that refused nothing and said [`incomplete`]. Returns the bytes of a
/// root container.
///
/// An item without an id takes the id of an equal item of `old` (same place, type and data, nothing
/// contained) that no other item claims, so that writing the same body twice is the same resource;
/// else `new_id`.
///
/// A resource that the check would have refused is [`Stop::Malformed`].
///
/// [`incomplete`]: crate::resource::Checked::incomplete
pub fn complete(
    schema: &Schema,
    profile: &Profile,
    resource: &Resource<'_>,
    old: Option<Value<'_>>,
    limits: Limits,
    new_id: &mut dyn FnMut() -> String,
) -> Result<Vec<u8>, Stop> {
    let mut completion = Completion {
        schema,
        limit: limits.depth(),
        new_id,
    };
    let root = format!("{}/{}", profile.name, resource.id);
    let place = Place {
        parent: None,
        key: profile.name.as_bytes(),
        id: resource.id.as_bytes(),
    };
    let contained = resource.contained.unwrap_or(Value::Null);
    let keys = completion.keys(profile, &place, &root, contained, old, 1)?;
    write(&object(&keys)).map_err(|_| Stop::Malformed)
}

/// The items of one key, completed.
type Keys<'a> = Vec<(&'a [u8], Vec<Complete<'a>>)>;

/// An item, completed.
struct Complete<'a> {
    id: String,
    kind: &'a str,
    data: Value<'a>,
    contained: Keys<'a>,
}

struct Completion<'a, 'c> {
    schema: &'a Schema,
    limit: usize,
    new_id: &'c mut dyn FnMut() -> String,
}

impl<'a> Completion<'a, '_> {
    fn keys(
        &mut self,
        profile: &'a Profile,
        place: &Place<'_>,
        parent: &str,
        contained: Value<'a>,
        old: Option<Value<'a>>,
        depth: usize,
    ) -> Result<Keys<'a>, Stop> {
        let mut keys = Vec::new();
        let Value::Object(object) = contained else {
            return Ok(keys);
        };
        if depth > self.limit {
            return Err(Stop::Malformed);
        }
        for member in object.iter() {
            let (key, Value::Array(array)) = member? else {
                continue;
            };
            let known = profile
                .contained
                .iter()
                .find(|known| known.key.as_bytes() == key);
            let known = known.ok_or(Stop::Malformed)?;
            let old = match old {
                Some(Value::Object(old)) => match old.get(key)? {
                    Some(Value::Array(old)) => Some(old),
                    _ => None,
                },
                _ => None,
            };
            keys.push((key, self.items(known, place, parent, array, old, depth)?));
        }
        Ok(keys)
    }

    fn items(
        &mut self,
        known: &'a ContainedKey,
        place: &Place<'_>,
        parent: &str,
        array: Array<'a>,
        old: Option<Array<'a>>,
        depth: usize,
    ) -> Result<Vec<Complete<'a>>, Stop> {
        let prefix = format!("{parent}/{}/", known.key);
        let mut free = Free::gather(old, array, &prefix)?;
        let stored = stored(old)?;
        let mut items = Vec::with_capacity(array.len());
        for item in array.iter() {
            let Value::Object(item) = item? else {
                continue;
            };
            let kind = kind(known, get(item, b"type")?).ok_or(Stop::Malformed)?;
            let (data, contained) = (get(item, b"data")?, get(item, b"contained")?);
            let id = match get(item, b"id")? {
                Value::String(text) => {
                    let given = Given::read(place, known.key.as_bytes(), text);
                    let short = given.ok_or(Stop::Malformed)?.short();
                    String::from_utf8_lossy(short).into_owned()
                }
                _ => free
                    .take(&kind.name, data, contained)
                    .unwrap_or_else(|| (self.new_id)()),
            };
            let full = format!("{prefix}{id}");
            let profile = match self.schema.resolve(kind.slot) {
                Known::Yes(profile) => profile,
                Known::No => return Err(Stop::Malformed),
                Known::Unknown => return Err(*self.schema.needs(kind.slot)),
            };
            let here = Place {
                parent: Some(place),
                key: known.key.as_bytes(),
                id: id.as_bytes(),
            };
            let old = match stored.get(full.as_bytes()) {
                Some(item) => item.get(b"contained")?,
                None => None,
            };
            let contained = self.keys(profile, &here, &full, contained, old, depth + 3)?;
            items.push(Complete {
                id: full,
                kind: &kind.name,
                data,
                contained,
            });
        }
        Ok(items)
    }
}

/// The stored items of one key, by full id.
type Stored<'a> = HashMap<&'a [u8], Object<'a>>;

fn stored<'a>(old: Option<Array<'a>>) -> Result<Stored<'a>, Malformed> {
    let mut stored = Stored::new();
    for item in old.iter().flat_map(Array::iter) {
        if let Value::Object(item) = item?
            && let Value::String(id) = get(item, b"id")?
        {
            stored.insert(id, item);
        }
    }
    Ok(stored)
}

/// The type of an item, and the bytes of its data.
type Content<'a> = (&'a [u8], &'a [u8]);

/// The ids of stored items that no new item claims and that contain nothing, by content; the first
/// in the array is the last in its list.
struct Free<'a>(HashMap<Content<'a>, Vec<&'a [u8]>>);

impl<'a> Free<'a> {
    fn gather(old: Option<Array<'a>>, new: Array<'_>, prefix: &str) -> Result<Self, Malformed> {
        let mut claimed = HashSet::new();
        for item in new.iter() {
            if let Value::Object(item) = item?
                && let Value::String(id) = get(item, b"id")?
            {
                claimed.insert(id.strip_prefix(prefix.as_bytes()).unwrap_or(id));
            }
        }
        let mut free: HashMap<_, Vec<_>> = HashMap::new();
        for item in old.iter().flat_map(Array::iter) {
            if let Value::Object(item) = item?
                && let Value::String(id) = get(item, b"id")?
                && let Value::String(kind) = get(item, b"type")?
                && let Value::Object(data) = get(item, b"data")?
                && is_empty(get(item, b"contained")?)
                && let Some(id) = id.strip_prefix(prefix.as_bytes())
                && !claimed.contains(id)
            {
                free.entry((kind, data.as_bytes())).or_default().push(id);
            }
        }
        free.values_mut().for_each(|ids| ids.reverse());
        Ok(Self(free))
    }

    /// The first free id of an equal item.
    fn take(&mut self, kind: &'a str, data: Value<'a>, contained: Value<'a>) -> Option<String> {
        let (Value::Object(data), true) = (data, is_empty(contained)) else {
            return None;
        };
        let ids = self.0.get_mut(&(kind.as_bytes(), data.as_bytes()))?;
        String::from_utf8(ids.pop()?.to_vec()).ok()
    }
}

fn get<'a>(object: Object<'a>, name: &[u8]) -> Result<Value<'a>, Malformed> {
    Ok(object.get(name)?.unwrap_or(Value::Null))
}

fn is_empty(contained: Value<'_>) -> bool {
    match contained {
        Value::Null => true,
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}

fn object<'i>(keys: &'i Keys<'_>) -> Item<'i> {
    let members = keys.iter().map(|(key, items)| {
        let items = items.iter().map(|item| {
            let mut members = vec![
                (&b"id"[..], Item::Text(&item.id)),
                (b"data", Item::Copy(item.data)),
                (b"type", Item::Text(item.kind)),
            ];
            if !item.contained.is_empty() {
                members.push((b"contained", object(&item.contained)));
            }
            Item::Members(members)
        });
        (*key, Item::Items(items.collect()))
    });
    Item::Members(members.collect())
}
