//! The walk: a document and its profile, side by side.
//!
//! Both keep an object's members in the same order, so that one pass over the two finds what is
//! missing, what is unknown and what to check. Nothing is allocated unless there is an issue.
//! Whatever the profile does not walk is only measured in depth.

use crate::contained;
use crate::depth;
use crate::issue::{Code, Issue, Report};
use crate::jsonb::{Array, Object, Value};
use crate::lexical::{Lexical, moment};
use crate::limits::Limits;
use crate::profile::{Element, Node, Profile, Shape, stored_order};
use crate::resource::{Checked, Resource, Stop};
use crate::rule::{Rules, Subject};
use crate::schema::{Schema, Slot};
use crate::trail::Trail;
use std::cmp::Ordering;

/// Checks a resource against its profile; what is wrong goes into the report, in document order:
/// `data` first, then `contained`. The document is refused if [`Report::refuses`].
///
/// On [`Stop::Needs`] the report is unfinished: give the schema what it needs, and check again with
/// a new report.
pub fn check(
    schema: &Schema,
    profile: &Profile,
    resource: &Resource<'_>,
    limits: Limits,
    report: &mut Report,
) -> Result<Checked, Stop> {
    if !matches!(schema.resolve(profile.slot), Some(Some(own)) if std::ptr::eq(own, profile)) {
        return Err(Stop::Stale);
    }
    let root = Trail::root(&profile.name);
    let mut walk = Walk {
        schema,
        limit: limits.depth(),
        report,
    };
    walk.root(profile, resource.data, &root, 1)?;
    let mut checked = Checked::default();
    let contained = resource.contained.unwrap_or(Value::Null);
    contained::check(
        &mut walk,
        profile,
        resource.id,
        contained,
        &root,
        &mut checked,
    )?;
    Ok(checked)
}

/// A walk over one document.
pub(crate) struct Walk<'w> {
    pub(crate) schema: &'w Schema,
    pub(crate) limit: usize,
    pub(crate) report: &'w mut Report,
}

impl Walk<'_> {
    /// Walks what a profile or named type describes.
    pub(crate) fn root(
        &mut self,
        profile: &Profile,
        value: Value<'_>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Stop> {
        self.shape(profile, 0, value, at, depth)
    }

    /// Walks an element whose value is not null.
    #[inline]
    fn element(
        &mut self,
        profile: &Profile,
        element: &Element,
        value: Value<'_>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Stop> {
        let rules = element.rules.as_deref();
        match &element.node {
            Node::Text(lexical) => match value {
                Value::String(text) => self.text(*lexical, rules, text, at),
                _ => self.mismatch(value, "expected string", at, depth),
            },
            Node::Integer(low, high) => match value {
                Value::Number(number) => {
                    let whole = number.as_i64().filter(|_| number.scale() == 0);
                    match whole {
                        Some(whole) if (*low..=*high).contains(&whole) => {
                            self.rules(rules, Subject::Value(value), at)
                        }
                        _ => {
                            self.report(Code::Invalid, at, integer(*low, *high));
                            Ok(())
                        }
                    }
                }
                _ => self.mismatch(value, "expected integer", at, depth),
            },
            Node::Decimal => match value {
                Value::Number(_) => self.rules(rules, Subject::Value(value), at),
                _ => self.mismatch(value, "expected number", at, depth),
            },
            Node::Boolean => match value {
                Value::Bool(_) => Ok(()),
                _ => self.mismatch(value, "expected boolean", at, depth),
            },
            Node::Array(items) => match value {
                Value::Array(array) => self.array(profile, items, rules, array, at, depth),
                _ => self.mismatch(value, "expected array", at, depth),
            },
            Node::Object(place) => self.shape(profile, *place, value, at, depth),
            Node::Named(slot) => self.named(*slot, value, at, depth),
            Node::Any => self.unwalked(value, at, depth),
        }
    }

    fn text(
        &mut self,
        lexical: Lexical,
        rules: Option<&Rules>,
        text: &[u8],
        at: &Trail<'_>,
    ) -> Result<(), Stop> {
        if !lexical.accepts(text) {
            self.report(Code::Invalid, at, lexical.expected());
            return Ok(());
        }
        if rules.is_none() {
            return Ok(());
        }
        let subject = match moment(lexical, text) {
            Some(moment) => Subject::Moment(text, moment),
            None => Subject::Value(Value::String(text)),
        };
        self.rules(rules, subject, at)
    }

    #[inline]
    fn rules(
        &mut self,
        rules: Option<&Rules>,
        subject: Subject<'_>,
        at: &Trail<'_>,
    ) -> Result<(), Stop> {
        let Some(rules) = rules else {
            return Ok(());
        };
        for rule in &rules.entries {
            rule.check(subject, &mut |code, expected| {
                self.report.push(Issue::error(code, at.render(), expected));
            })?;
        }
        Ok(())
    }

    fn array(
        &mut self,
        profile: &Profile,
        items: &Element,
        rules: Option<&Rules>,
        array: Array<'_>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Stop> {
        if self.too_deep(at, depth) {
            return Ok(());
        }
        if rules.is_some() {
            let mut count = 0;
            for item in array.iter() {
                count += usize::from(!matches!(item?, Value::Null));
            }
            self.rules(rules, Subject::Count(count), at)?;
        }
        for (index, item) in array.iter().enumerate() {
            let item = item?;
            if !matches!(item, Value::Null) {
                self.element(profile, items, item, &at.index(index), depth + 1)?;
                if self.report.is_complete() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn named(
        &mut self,
        slot: Slot,
        value: Value<'_>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Stop> {
        match self.schema.resolve(slot) {
            Some(Some(profile)) => self.shape(profile, 0, value, at, depth),
            _ => Err(self.schema.needs(slot)),
        }
    }

    /// Walks one of a profile's objects.
    fn shape(
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
        if self.too_deep(at, depth) {
            return Ok(());
        }
        match profile.shapes.get(place) {
            Some(shape) => self.object(profile, shape, object, at, depth),
            None => Ok(()),
        }
    }

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
            let here = at.name(key);
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
                        if member.required {
                            self.missing(&at.name(member.name.as_bytes()));
                        }
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
            if member.required {
                self.missing(&at.name(member.name.as_bytes()));
            }
        }
        Ok(())
    }

    fn missing(&mut self, at: &Trail<'_>) {
        self.report(Code::Required, at, "expected a value");
    }

    /// A property that the shape does not name.
    fn unknown(
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

    /// A value of the wrong kind; it is not walked.
    pub(crate) fn mismatch(
        &mut self,
        value: Value<'_>,
        expected: &str,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Stop> {
        self.report(Code::Structure, at, expected);
        self.unwalked(value, at, depth)
    }

    /// A value that the profile says nothing about: only its depth counts.
    fn unwalked(&mut self, value: Value<'_>, at: &Trail<'_>, depth: usize) -> Result<(), Stop> {
        if depth::exceeds(value, depth, self.limit)? {
            self.report.push_too_deep(at.render(), self.limit);
        }
        Ok(())
    }

    /// Reports a container beyond the limit.
    pub(crate) fn too_deep(&mut self, at: &Trail<'_>, depth: usize) -> bool {
        let deep = depth > self.limit;
        if deep {
            self.report.push_too_deep(at.render(), self.limit);
        }
        deep
    }

    pub(crate) fn report(&mut self, code: Code, at: &Trail<'_>, expected: impl Into<String>) {
        self.report.push(Issue::error(code, at.render(), expected));
    }
}

/// What an integer between two bounds looks like.
fn integer(low: i64, high: i64) -> &'static str {
    match (low, high) {
        (i64::MIN, i64::MAX) => "expected integer",
        (0, _) => "expected integer of 31 bits, at least 0",
        (1, _) => "expected integer of 31 bits, at least 1",
        _ => "expected integer of 32 bits",
    }
}
