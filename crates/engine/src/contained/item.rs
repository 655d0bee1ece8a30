//! The check of one contained resource.

use super::check::{Check, Seen};
use super::id::{Given, Place};
use crate::issue::Code;
use crate::profile::{ContainedKey, ContainedType, is_same, stored_order};
use crate::resource::Halt;
use crate::schema::Known;
use crate::trail::Trail;
use jsonb::{Malformed, Object, Value};
use std::cmp::Ordering;

/// An item whose members are all known and of the right JSON kind.
#[derive(Default)]
struct Plain<'i> {
    id: Option<&'i [u8]>,
    kind: Option<&'i [u8]>,
    data: Option<Object<'i>>,
    contained: Option<Object<'i>>,
}

impl<'i> Plain<'i> {
    fn read(item: Object<'i>) -> Result<Option<Self>, Malformed> {
        let mut plain = Self::default();
        for member in item.iter() {
            match member? {
                (_, Value::Null) => {}
                (b"id", Value::String(id)) => plain.id = Some(id),
                (b"data", Value::Object(data)) => plain.data = Some(data),
                (b"type", Value::String(kind)) => plain.kind = Some(kind),
                (b"contained", Value::Object(contained)) => plain.contained = Some(contained),
                _ => return Ok(None),
            }
        }
        Ok(Some(plain))
    }
}

impl<'w> Check<'_, 'w> {
    /// Checks an item. One that is plainly right is not looked at twice; any other is judged
    /// member by member, in stored order.
    pub(super) fn item(
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
        if let Some(plain) = Plain::read(item)?
            && let (Some(data), Some(id), Some(name)) = (plain.data, plain.id, plain.kind)
            && let Some(Given::Full(id)) = Given::read(parent, known.key.as_bytes(), id)
            && let Some(kind) = known
                .types
                .iter()
                .find(|kind| is_same(kind.name.as_bytes(), name))
            && let Known::Yes(profile) = self.walk.schema.resolve(kind.slot)
            && seen.insert(id)
        {
            self.walk
                .data(profile, data, &at.name(b"data"), depth + 1)?;
            if plain.contained.is_none() && profile.contained.is_empty() {
                return Ok(());
            }
            let place = Place {
                parent: Some(parent),
                key: known.key.as_bytes(),
                id,
            };
            let contained = plain.contained.map_or(Value::Null, Value::Object);
            return self.keys(
                profile,
                &place,
                contained,
                &at.name(b"contained"),
                depth + 1,
            );
        }
        self.item_by_member(known, parent, item, seen, at, depth)
    }

    fn item_by_member(
        &mut self,
        known: &ContainedKey,
        parent: &Place<'_>,
        item: Object<'w>,
        seen: &mut Seen<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        let given_kind = item.get(b"type")?.unwrap_or(Value::Null);
        let kind = kind(known, given_kind);
        let schema = self.walk.schema;
        let profile = match kind.map(|kind| (kind, schema.resolve(kind.slot))) {
            Some((_, Known::Yes(profile))) => Some(profile),
            Some((kind, Known::Unknown)) => return self.walk.lacks(kind.slot),
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
                (b"data", Some(profile)) => match value {
                    Value::Object(data) => self.walk.data(profile, data, &here, depth + 1)?,
                    other => self
                        .walk
                        .mismatch(other, "expected object", &here, depth + 1)?,
                },
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
