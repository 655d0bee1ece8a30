//! The walk over objects.

use super::Walk;
use crate::issue::Code;
use crate::jsonb::{Object, Value};
use crate::profile::{Member, Presence, Profile, Shape, stored_order};
use crate::resource::Stop;
use crate::rule::Scope;
use crate::trail::Trail;
use std::cmp::Ordering;

impl Walk<'_> {
    /// Walks one of a profile's objects.
    pub(super) fn shape(
        &mut self,
        profile: &Profile,
        place: usize,
        value: Value<'_>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Stop> {
        let Value::Object(object) = value else {
            return self.mismatch(value, "expected object", at, depth);
        };
        let Some(shape) = profile.shapes.get(place) else {
            return Ok(());
        };
        if self.too_deep(at, depth) {
            return Ok(());
        }
        if shape.fhir {
            self.fhir_object(profile, shape, object, at, depth)?;
        } else {
            self.object(profile, shape, object, at, depth)?;
        }
        for invariant in &shape.invariants {
            if !invariant.holds(object)? {
                self.report(Code::Invariant, at, invariant.expected());
            }
        }
        Ok(())
    }

    /// One pass over the members that are there and those that are expected, both in stored order.
    fn object(
        &mut self,
        profile: &Profile,
        shape: &Shape,
        object: Object<'_>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Stop> {
        let mut expected = shape.members.iter();
        let mut next = expected.next();
        for member in object.iter() {
            let (key, value) = member?;
            if matches!(value, Value::Null) {
                continue;
            }
            let here = at.member(key, &object);
            loop {
                let Some(member) = next else {
                    self.unknown(shape, value, &here, depth + 1)?;
                    break;
                };
                match stored_order(member.name.as_bytes(), key) {
                    Ordering::Equal => {
                        self.element(profile, &member.element, value, &here, depth + 1)?;
                        next = expected.next();
                        break;
                    }
                    Ordering::Less => {
                        self.absent(member, &object, at)?;
                        next = expected.next();
                    }
                    Ordering::Greater => {
                        self.unknown(shape, value, &here, depth + 1)?;
                        break;
                    }
                }
            }
            if self.report.is_complete() {
                return Ok(());
            }
        }
        for member in next.into_iter().chain(expected) {
            self.absent(member, &object, at)?;
        }
        Ok(())
    }

    /// Passes a member that is not there.
    #[inline]
    pub(super) fn absent(
        &mut self,
        member: &Member,
        object: &Object<'_>,
        at: &Trail<'_>,
    ) -> Result<(), Stop> {
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
    fn asked(&mut self, member: &Member, object: &Object<'_>, at: &Trail<'_>) -> Result<(), Stop> {
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

    pub(super) fn missing(&mut self, at: &Trail<'_>) {
        self.report(Code::Required, at, "expected a value");
    }

    /// A property that the shape does not name.
    #[cold]
    pub(super) fn unknown(
        &mut self,
        shape: &Shape,
        value: Value<'_>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Stop> {
        if shape.open {
            return self.unwalked(value, at, depth);
        }
        self.mismatch(value, "unknown property", at, depth)
    }
}
