//! The check of contained resources: keys, cardinalities, ids, types, and each item's data.

use super::id::{Given, Place};
use crate::issue::Code;
use crate::jsonb::{Array, Object, Value};
use crate::profile::{ContainedKey, ContainedType, Profile, stored_order};
use crate::resource::Halt;
use crate::schema::Known;
use crate::trail::Trail;
use crate::walk::Walk;
use std::cmp::Ordering;
use std::collections::HashSet;

/// Ids that are compared one by one before a set is made of them.
const FEW: usize = 8;

/// Checks all that a resource contains; `contained` is null where it contains nothing. Tells
/// whether ids or types are incomplete.
pub(crate) fn check<'w>(
    walk: &mut Walk<'w>,
    profile: &'w Profile,
    id: &str,
    contained: Value<'w>,
    at: &Trail<'_>,
) -> Result<bool, Halt> {
    let root = Place {
        parent: None,
        key: profile.name.as_bytes(),
        id: id.as_bytes(),
    };
    let mut check = Check {
        walk,
        incomplete: false,
    };
    check.keys(profile, &root, contained, &at.name(b"contained"), 1)?;
    Ok(check.incomplete)
}

struct Check<'c, 'w> {
    walk: &'c mut Walk<'w>,
    incomplete: bool,
}

impl<'w> Check<'_, 'w> {
    fn keys(
        &mut self,
        profile: &'w Profile,
        parent: &Place<'_>,
        contained: Value<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        let mut expected = profile.contained.iter();
        let mut next = expected.next();
        if let Value::Object(object) = contained {
            if self.walk.too_deep(at, depth) {
                return Ok(());
            }
            for member in object.iter() {
                let (key, value) = member?;
                if matches!(value, Value::Null) {
                    continue;
                }
                let here = at.name(key);
                while let Some(known) = next
                    && stored_order(known.key.as_bytes(), key) == Ordering::Less
                {
                    self.absent(known, at);
                    next = expected.next();
                }
                match next.filter(|known| known.key.as_bytes() == key) {
                    Some(known) => {
                        self.items(known, parent, value, &here, depth + 1)?;
                        next = expected.next();
                    }
                    None => self
                        .walk
                        .mismatch(value, "unknown property", &here, depth + 1)?,
                }
            }
        } else if !matches!(contained, Value::Null) {
            return self.walk.mismatch(contained, "expected object", at, depth);
        }
        for known in next.into_iter().chain(expected) {
            self.absent(known, at);
        }
        Ok(())
    }

    fn absent(&mut self, known: &ContainedKey, at: &Trail<'_>) {
        if known.cardinality.required {
            let at = at.name(known.key.as_bytes());
            self.walk
                .report(Code::Required, &at, "expected at least one item");
        }
    }

    fn items(
        &mut self,
        known: &ContainedKey,
        parent: &Place<'_>,
        value: Value<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        let Value::Array(array) = value else {
            return self.walk.mismatch(value, "expected array", at, depth);
        };
        if self.walk.too_deep(at, depth) {
            return Ok(());
        }
        let count = count(array)?;
        if count == 0 && known.cardinality.required {
            self.walk
                .report(Code::Required, at, "expected at least one item");
        }
        if count > 1 && !known.cardinality.many {
            self.walk
                .report(Code::Value, at, "expected at most one item");
        }
        let mut seen = Seen::default();
        for (index, item) in array.iter().enumerate() {
            let here = at.index(index);
            match item? {
                Value::Null => {}
                Value::Object(object) => {
                    self.item(known, parent, object, &mut seen, &here, depth + 1)?;
                }
                other => self
                    .walk
                    .mismatch(other, "expected object", &here, depth + 1)?,
            }
            if self.walk.report.is_complete() {
                break;
            }
        }
        Ok(())
    }

    fn item(
        &mut self,
        known: &ContainedKey,
        parent: &Place<'_>,
        item: Object<'w>,
        seen: &mut Seen<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        if self.walk.too_deep(at, depth) {
            return Ok(());
        }
        let given_kind = item.get(b"type")?.unwrap_or(Value::Null);
        let kind = kind(known, given_kind);
        let schema = self.walk.schema;
        let profile = match kind.map(|kind| (kind, schema.resolve(kind.slot))) {
            Some((_, Known::Yes(profile))) => Some(profile),
            Some((kind, Known::Unknown)) => return Err(schema.needs(kind.slot)),
            Some((_, Known::No)) => {
                self.walk
                    .report(Code::NotFound, at, "expected a profile that is defined");
                None
            }
            None => None,
        };
        let mut place = Place {
            parent: Some(parent),
            key: known.key.as_bytes(),
            id: b"",
        };
        let mut members = item.iter();
        let mut member = members.next().transpose()?;
        for name in MEMBERS {
            let mut value = Value::Null;
            while let Some((key, found)) = member
                && stored_order(key, name) != Ordering::Greater
            {
                member = members.next().transpose()?;
                if key == name {
                    value = found;
                } else {
                    self.unknown(found, &at.name(key), depth + 1)?;
                }
            }
            let here = at.name(name);
            match (name, profile) {
                (b"id", _) => place.id = self.id(&place, value, seen, &here, depth + 1)?,
                (b"data", _) if matches!(value, Value::Null) => {
                    self.walk.report(Code::Required, &here, "expected a value");
                }
                (b"data", Some(profile)) => self.walk.data(profile, value, &here, depth + 1)?,
                (b"type", _) => self.kind(known, kind, value, &here, depth + 1)?,
                (b"contained", Some(profile)) => {
                    self.keys(profile, &place, value, &here, depth + 1)?;
                }
                _ => {}
            }
        }
        while let Some((key, found)) = member {
            self.unknown(found, &at.name(key), depth + 1)?;
            member = members.next().transpose()?;
        }
        Ok(())
    }

    fn unknown(&mut self, value: Value<'_>, at: &Trail<'_>, depth: usize) -> Result<(), Halt> {
        match value {
            Value::Null => Ok(()),
            _ => self.walk.mismatch(value, "unknown property", at, depth),
        }
    }

    /// Checks an item's id and gives its short form; empty where there is none.
    fn id<'i>(
        &mut self,
        place: &Place<'_>,
        value: Value<'i>,
        seen: &mut Seen<'i>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<&'i [u8], Halt> {
        let text = match value {
            Value::Null => {
                self.incomplete = true;
                return Ok(b"");
            }
            Value::String(text) => text,
            _ => {
                self.walk.mismatch(value, "expected string", at, depth)?;
                return Ok(b"");
            }
        };
        let given = place
            .parent
            .and_then(|parent| Given::read(parent, place.key, text));
        let Some(given) = given else {
            let expected = "expected <root type>/<root id>/<key>/<id> of this resource, or <id>";
            self.walk.report(Code::Value, at, expected);
            return Ok(b"");
        };
        self.incomplete |= matches!(given, Given::Short(_));
        if !seen.insert(given.short()) {
            self.walk
                .report(Code::Duplicate, at, "expected each id once");
        }
        Ok(given.short())
    }

    /// Checks an item's type, found or not.
    fn kind(
        &mut self,
        known: &ContainedKey,
        found: Option<&ContainedType>,
        value: Value<'_>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        self.incomplete |= matches!(value, Value::Null);
        if found.is_some() {
            return Ok(());
        }
        let names: Vec<&str> = known.types.iter().map(|kind| &*kind.name).collect();
        let expected = format!("expected {}", names.join(" or "));
        match value {
            Value::Null => self.walk.report(Code::Required, at, expected),
            Value::String(_) => self.walk.report(Code::Value, at, expected),
            _ => self.walk.mismatch(value, "expected string", at, depth)?,
        }
        Ok(())
    }
}

/// What an item may hold, in stored order.
const MEMBERS: [&[u8]; 4] = [b"id", b"data", b"type", b"contained"];

/// The profile of an item: the one it names, or the only one there is.
pub(super) fn kind<'k>(known: &'k ContainedKey, given: Value<'_>) -> Option<&'k ContainedType> {
    match (given, &*known.types) {
        (Value::Null, [only]) => Some(only),
        (Value::String(name), types) => types.iter().find(|kind| kind.name.as_bytes() == name),
        _ => None,
    }
}

fn count(array: Array<'_>) -> Result<usize, Halt> {
    let mut count = 0;
    for item in array.iter() {
        count += usize::from(!matches!(item?, Value::Null));
    }
    Ok(count)
}

/// The ids met under one key.
#[derive(Default)]
struct Seen<'i> {
    few: [&'i [u8]; FEW],
    len: usize,
    many: HashSet<&'i [u8]>,
}

impl<'i> Seen<'i> {
    /// Whether the id is new.
    fn insert(&mut self, id: &'i [u8]) -> bool {
        if self.few[..self.len].contains(&id) {
            return false;
        }
        match self.few.get_mut(self.len) {
            Some(free) => {
                *free = id;
                self.len += 1;
                true
            }
            None => self.many.insert(id),
        }
    }
}
