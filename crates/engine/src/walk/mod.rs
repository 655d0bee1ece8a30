//! The walk: a document and its profile, side by side.
//!
//! Both keep an object's members in the same order, so that one pass over the two finds what is
//! missing, what is unknown and what to check. Nothing is allocated unless there is an issue.
//! Whatever the profile does not walk is only measured in depth.

mod array;
mod fhir;
mod object;
mod rules;

use crate::contained;
use crate::depth;
use crate::issue::{Code, Issue, Report};
use crate::jsonb::Value;
use crate::limits::Limits;
use crate::profile::{Element, Node, Profile};
use crate::resource::{Checked, Reference, Resource, Stop};
use crate::rule::{Answers, Subject};
use crate::schema::{Known, Schema, Slot};
use crate::trail::Trail;

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
    if !matches!(schema.resolve(profile.slot), Known::Yes(own) if std::ptr::eq(own, profile)) {
        return Err(Stop::Stale);
    }
    let at = Trail::root(&profile.name);
    let mut walk = Walk {
        schema,
        limit: limits.depth(),
        report,
        root: resource.data,
        answers: Answers::default(),
        references: Vec::new(),
    };
    walk.data(profile, resource.data, &at, 1)?;
    let contained = resource.contained.unwrap_or(Value::Null);
    let incomplete = contained::check(&mut walk, profile, resource.id, contained, &at)?;
    Ok(Checked {
        incomplete,
        references: walk.references,
    })
}

/// A walk over one document.
pub(crate) struct Walk<'w> {
    pub(crate) schema: &'w Schema,
    pub(crate) limit: usize,
    pub(crate) report: &'w mut Report,
    /// The root of the data that is being walked: where conditions begin.
    root: Value<'w>,
    /// What that root answered to conditions.
    answers: Answers,
    references: Vec<Reference>,
}

impl<'w> Walk<'w> {
    /// Walks the data of a resource, root or contained.
    pub(crate) fn data(
        &mut self,
        profile: &Profile,
        value: Value<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Stop> {
        let root = std::mem::replace(&mut self.root, value);
        let answers = std::mem::take(&mut self.answers);
        let walked = self.shape(profile, 0, value, at, depth);
        self.root = root;
        self.answers = answers;
        walked
    }
}

impl Walk<'_> {
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
        match (&element.node, value) {
            (Node::Text(lexical), Value::String(text)) => self.text(*lexical, element, text, at),
            (Node::Integer(low, high), Value::Number(number)) => {
                let whole = number.as_i64().filter(|_| number.scale() == 0);
                if !whole.is_some_and(|whole| (*low..=*high).contains(&whole)) {
                    self.report(Code::Invalid, at, integer(*low, *high));
                    return Ok(());
                }
                self.rules(element, Subject::Value(value), at)
            }
            (Node::Decimal, Value::Number(_)) | (Node::Boolean, Value::Bool(_)) => {
                self.rules(element, Subject::Value(value), at)
            }
            (Node::Array(items), Value::Array(array)) => {
                self.array(profile, element, items, array, at, depth)
            }
            (Node::Aligned(items), Value::Array(array)) => {
                self.aligned(profile, element, items, array, at, depth)
            }
            (Node::Object(place), Value::Object(_)) => {
                self.shape(profile, *place, value, at, depth)?;
                self.rules(element, Subject::Value(value), at)
            }
            (Node::Named(slot), Value::Object(_)) => {
                self.named(*slot, value, at, depth)?;
                self.rules(element, Subject::Value(value), at)
            }
            (Node::Resource, Value::Object(object)) => self.resource(object, at, depth),
            (Node::Any, _) => {
                self.unwalked(value, at, depth)?;
                self.rules(element, Subject::Value(value), at)
            }
            (node, _) => self.mismatch(value, kind(node), at, depth),
        }
    }

    fn named(
        &mut self,
        slot: Slot,
        value: Value<'_>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Stop> {
        match self.schema.resolve(slot) {
            Known::Yes(profile) => self.shape(profile, 0, value, at, depth),
            Known::No => {
                self.report(Code::NotFound, at, "expected a type that is defined");
                Ok(())
            }
            Known::Unknown => Err(self.schema.needs(slot)),
        }
    }

    /// A value of the wrong kind; it is not walked.
    #[cold]
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

    #[cold]
    pub(crate) fn report(&mut self, code: Code, at: &Trail<'_>, expected: impl Into<String>) {
        self.report.push(Issue::error(code, at.render(), expected));
    }
}

/// The JSON kind that a node is.
fn kind(node: &Node) -> &'static str {
    match node {
        Node::Text(_) => "expected string",
        Node::Integer(..) => "expected integer",
        Node::Decimal => "expected number",
        Node::Boolean => "expected boolean",
        Node::Array(_) | Node::Aligned(_) => "expected array",
        Node::Object(_) | Node::Named(_) | Node::Resource => "expected object",
        Node::Any => "expected a value",
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
