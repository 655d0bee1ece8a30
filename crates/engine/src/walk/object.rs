//! The walk over objects.

use super::Walk;
use crate::issue::Code;
use crate::profile::{Mark, Member, Presence, Shape};
use crate::resource::Halt;
use crate::rule::Scope;
use crate::trail::Trail;
use jsonb::{Object, Value};
use std::cmp::Ordering;

impl<'w> Walk<'w> {
    /// Walks one of the profile's objects.
    pub(super) fn shape(
        &mut self,
        place: usize,
        object: Object<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        let profile = self.profile;
        let Some(shape) = profile.shapes.get(place) else {
            return Ok(());
        };
        if self.too_deep(at, depth) {
            return Ok(());
        }
        let there = if shape.json.is_fhir() {
            self.fhir_object(shape, object, at, depth)?
        } else {
            self.object(shape, object, at, depth)?
        };
        for relation in &shape.relations {
            if !relation.holds(object, there)? {
                self.report(Code::Invariant, at, relation.invariant.expected());
            }
        }
        if !shape.constraints.is_empty() {
            self.constraints(&shape.constraints, Value::Object(object), there, at)?;
        }
        Ok(())
    }

    /// One pass over the members that are there and those that are expected, both in stored order.
    /// Tells which of the first 64 are there.
    fn object(
        &mut self,
        shape: &Shape,
        object: Object<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<u64, Halt> {
        let mut there = 0;
        let mut next = 0;
        for member in object.iter() {
            let (key, value) = member?;
            if matches!(value, Value::Null) {
                continue;
            }
            match self.find(shape, key, &mut next, &object, at)? {
                Some(member) => {
                    there |= member.bit;
                    next += 1;
                    if member.element.accepts(&value)? {
                        continue;
                    }
                    let here = at.member(key, &object);
                    self.enter(&member.element, value, &here, depth + 1)?;
                }
                None => self.unknown(shape, (key, value), &at.member(key, &object), depth + 1)?,
            }
            if self.report.is_complete() {
                return Ok(there);
            }
        }
        for member in shape.members.get(next..).unwrap_or_default() {
            self.absent(member, &object, at)?;
        }
        Ok(there)
    }

    /// The expected member of this name; `next` is moved to it, past those that are not there.
    #[inline]
    fn find<'s>(
        &mut self,
        shape: &'s Shape,
        key: &[u8],
        next: &mut usize,
        object: &Object<'_>,
        at: &Trail<'_>,
    ) -> Result<Option<&'s Member>, Halt> {
        let mark = Mark::new(key);
        while let Some(member) = shape.members.get(*next) {
            match member.order(&mark, key) {
                Ordering::Equal => return Ok(Some(member)),
                Ordering::Greater => return Ok(None),
                Ordering::Less => {}
            }
            self.absent(member, object, at)?;
            *next += 1;
        }
        Ok(None)
    }

    /// Passes a member that is not there.
    #[inline]
    pub(super) fn absent(
        &mut self,
        member: &Member,
        object: &Object<'_>,
        at: &Trail<'_>,
    ) -> Result<(), Halt> {
        match member.element.presence {
            Presence::Optional => Ok(()),
            Presence::Required => {
                self.missing(&at.name(member.name.as_bytes()));
                Ok(())
            }
            Presence::Asked => self.asked(member, object, at),
        }
    }

    /// A member that is not there and that some rule may ask for.
    #[cold]
    fn asked(&mut self, member: &Member, object: &Object<'_>, at: &Trail<'_>) -> Result<(), Halt> {
        let scope = Scope {
            root: self.root,
            current: Some(object),
            answers: &self.answers,
        };
        if let Some(rules) = &member.element.rules
            && rules.ask(&scope)?
        {
            self.missing(&at.name(member.name.as_bytes()));
        }
        Ok(())
    }

    #[cold]
    pub(super) fn missing(&mut self, at: &Trail<'_>) {
        self.report(Code::Required, at, "expected a value");
    }

    /// A property that the shape does not name.
    #[cold]
    pub(super) fn unknown(
        &mut self,
        shape: &Shape,
        (key, value): (&[u8], Value<'w>),
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        if shape.open {
            // A name that nobody declared can be a value: what is wrong is told of the object.
            return self.unwalked(value, at.parent(), depth);
        }
        let known = shape.named().map(|(known, _)| known);
        self.not_named((key, value), known, at, depth)
    }
}
