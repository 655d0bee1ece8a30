//! The check of contained resources: keys, cardinalities, ids, types, and each item's data.

use super::id::Place;
use crate::issue::Code;
use crate::profile::{ContainedKey, Profile, stored_order};
use crate::resource::Halt;
use crate::trail::Trail;
use crate::walk::Walk;
use jsonb::{Array, Value};
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

pub(super) struct Check<'c, 'w> {
    pub(super) walk: &'c mut Walk<'w>,
    pub(super) incomplete: bool,
}

impl<'w> Check<'_, 'w> {
    pub(super) fn keys(
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
                    None => {
                        let known = profile.contained.iter().map(|known| &*known.key);
                        let walk = &mut *self.walk;
                        walk.not_named((key, value), known, &here, depth + 1)?;
                    }
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
        if known.cardinality.required && !has_at_least(1, array)? {
            let expected = "expected at least one item";
            self.walk.report(Code::Required, at, expected);
        }
        if !known.cardinality.many && array.len() > 1 && has_at_least(2, array)? {
            let expected = "expected at most one item";
            self.walk.report(Code::Value, at, expected);
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
}

/// Whether so many items of an array are not null.
fn has_at_least(count: usize, array: Array<'_>) -> Result<bool, Halt> {
    let mut found = 0;
    for item in array.iter() {
        found += usize::from(!matches!(item?, Value::Null));
        if found == count {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The ids met under one key.
#[derive(Default)]
pub(super) struct Seen<'i> {
    few: [&'i [u8]; FEW],
    len: usize,
    many: HashSet<&'i [u8]>,
}

impl<'i> Seen<'i> {
    /// Whether the id is new.
    pub(super) fn insert(&mut self, id: &'i [u8]) -> bool {
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
