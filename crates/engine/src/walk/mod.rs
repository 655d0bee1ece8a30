//! The walk: a document and its profile, side by side.
//!
//! Both keep an object's members in the same order, so that one pass over the two finds what is
//! missing, what is unknown and what to check. Nothing is allocated unless there is an issue.
//! Whatever the profile does not walk is only measured in depth.

mod array;
mod conforms;
mod constraints;
mod doubles;
mod fhir;
mod known;
mod object;
mod rules;
mod slices;
mod target;

use crate::contained;
use crate::depth;
use crate::issue::{Code, Issue, Report};
use crate::limits::{Limits, MOST_ALTERNATIVES};
use crate::profile::{Element, Node, Profile};
use crate::resource::{Checked, Halt, Missing, Reference, Resource, Stop};
use crate::rule::{Answers, Subject};
use crate::schema::{Known, Schema, Slot};
use crate::trail::Trail;
use constraints::Around;
use jsonb::{Object, Value};
use std::collections::HashSet;
use text::near::meant;

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
    check_as(schema, profile, &[], resource, limits, report)
}

/// As [`check`], of a resource of FHIR against constraints too, by their URLs, as if it claimed to
/// conform to them.
pub fn check_as(
    schema: &Schema,
    profile: &Profile,
    claims: &[&str],
    resource: &Resource<'_>,
    limits: Limits,
    report: &mut Report,
) -> Result<Checked, Stop> {
    if !matches!(schema.resolve(profile.slot), Known::Yes(own) if std::ptr::eq(own, profile)) {
        return Err(Stop::Stale);
    }
    let mut walk = Walk {
        schema,
        profile,
        limit: limits.depth(),
        report,
        root: resource.data,
        answers: Answers::default(),
        references: Vec::new(),
        targets: HashSet::new(),
        is_too_far: false,
        missing: Missing::default(),
        around: Around::new(limits),
        constrains: false,
        strange: HashSet::new(),
        is_too_strange: false,
        alternatives: MOST_ALTERNATIVES,
    };
    if profile.is_fhir() {
        schema.note_lacking(profile, &mut walk.missing)?;
    }
    let incomplete = walk
        .resource_of(profile, claims, resource)
        .map_err(|halt: Halt| *halt)?;
    walk.missing.finish()?;
    Ok(Checked {
        incomplete,
        references: walk.references,
    })
}

/// A walk over one document.
pub(crate) struct Walk<'w> {
    pub(crate) schema: &'w Schema,
    /// Whose objects are being walked.
    profile: &'w Profile,
    limit: usize,
    pub(crate) report: &'w mut Report,
    /// The root of the data that is being walked: where conditions begin.
    root: Value<'w>,
    /// What that root answered to conditions.
    answers: Answers,
    references: Vec<Reference>,
    /// What those lead to, once there are more of them than targets are followed.
    targets: HashSet<(bool, [Box<[u8]>; 2])>,
    /// There are more targets than are followed.
    is_too_far: bool,
    /// What the schema lacks of what was met; none of it is walked.
    pub(crate) missing: Missing,
    /// The resources of FHIR around what is being walked.
    around: Around<'w>,
    /// What is walked was walked by its type already: only what constrains it further is of interest.
    constrains: bool,
    /// Names of resource types that the document gave, and that were not known when they were met.
    strange: HashSet<Box<str>>,
    /// There are more of those than are asked for.
    is_too_strange: bool,
    /// How many more times one of several constraints is looked for.
    alternatives: usize,
}

impl<'w> Walk<'w> {
    /// Walks a whole resource, and tells whether contained ids or types are incomplete.
    fn resource_of(
        &mut self,
        profile: &'w Profile,
        claims: &[&str],
        resource: &Resource<'w>,
    ) -> Result<bool, Halt> {
        let at = Trail::root(&profile.name);
        match resource.data {
            Value::Object(object) if profile.is_fhir() => {
                self.around.enter(profile, object, false);
                self.shape(0, object, &at, 1)?;
                self.claims(object, &at, 1)?;
                for slot in &profile.profiles {
                    self.any_of(&[*slot], object, &at, 1)?;
                }
                for url in claims {
                    self.conforms(url, object, &at, 1)?;
                }
            }
            Value::Object(object) => self.shape(0, object, &at, 1)?,
            other => self.mismatch(other, "expected object", &at, 1)?,
        }
        self.report.come_to_end();
        let contained = resource.contained.unwrap_or(Value::Null);
        if matches!(contained, Value::Null) && profile.contained.is_empty() {
            return Ok(false);
        }
        contained::check(self, profile, resource.id, contained, &at)
    }

    /// Walks the data of a contained resource.
    pub(crate) fn data(
        &mut self,
        profile: &'w Profile,
        object: Object<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        let root = std::mem::replace(&mut self.root, Value::Object(object));
        let answers = std::mem::take(&mut self.answers);
        let walked = self.of(profile, object, at, depth);
        self.root = root;
        self.answers = answers;
        walked
    }

    /// Walks the root object of another profile or type.
    #[inline]
    fn of(
        &mut self,
        profile: &'w Profile,
        object: Object<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        let outer = std::mem::replace(&mut self.profile, profile);
        let walked = self.shape(0, object, at, depth);
        self.profile = outer;
        walked
    }

    /// Walks an element whose value is not null. Containers without rules, which nearly all are,
    /// are entered at once. The walk of FHIR's objects calls `element`: with this in its place, and
    /// no arm for arrays there, the check of a native patient took 2 % longer (2026-11-24).
    #[inline(always)]
    fn enter(
        &mut self,
        element: &Element,
        value: Value<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        match (&value, &element.node) {
            (Value::Object(object), Node::Object(place)) if element.rules.is_none() => {
                self.shape(*place, *object, at, depth)
            }
            (Value::Array(array), Node::Array(items)) => {
                self.array(element, items, *array, at, depth)
            }
            _ => self.element(element, value, at, depth),
        }
    }

    /// Walks an element whose value is not null.
    fn element(
        &mut self,
        element: &Element,
        value: Value<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        match (&value, &element.node) {
            (Value::String(text), Node::Text(lexical)) => {
                if !lexical.accepts(text) {
                    let (severity, code, expected) = lexical.wrong(text);
                    let issue = Issue::error(code, at.render(), expected);
                    self.report_at(at).push(Issue { severity, ..issue });
                    return Ok(());
                }
                match &element.rules {
                    Some(rules) => self.text_rules(*lexical, rules, text, at),
                    None => Ok(()),
                }
            }
            (Value::Array(array), Node::Array(items)) => {
                self.array(element, items, *array, at, depth)
            }
            (Value::Object(object), Node::Named(slot)) => {
                if !self.constrains {
                    self.named(*slot, *object, at, depth)?;
                }
                if let Some(rules) = &element.rules
                    && !rules.profiles.is_empty()
                {
                    self.any_of(&rules.profiles, *object, at, depth)?;
                }
                self.rules(element, &Subject::Object(*object), at)
            }
            (Value::Object(object), Node::Object(place)) => {
                self.shape(*place, *object, at, depth)?;
                self.rules(element, &Subject::Object(*object), at)
            }
            (Value::Number(number), Node::Integer(width)) => {
                if !width.accepts(number) {
                    self.report(Code::Invalid, at, width.expected());
                    return Ok(());
                }
                self.rules(element, &Subject::number(*number), at)
            }
            (Value::Number(number), Node::Decimal) => {
                self.rules(element, &Subject::number(*number), at)
            }
            (Value::Bool(_), Node::Boolean) => self.rules(element, &Subject::Other(value), at),
            (Value::Array(array), Node::Aligned(items)) => {
                self.aligned(element, items, *array, at, depth)
            }
            (Value::Object(_), Node::Resource) if self.constrains => Ok(()),
            (Value::Object(object), Node::Resource) => self.resource(*object, at, depth),
            (_, Node::Any) => {
                self.unwalked(value, at, depth)?;
                self.rules(element, &Subject::Other(value), at)
            }
            (_, node) => self.mismatch(value, kind(node), at, depth),
        }
    }

    fn named(
        &mut self,
        slot: Slot,
        object: Object<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        match self.schema.resolve(slot) {
            Known::Yes(profile) => self.of(profile, object, at, depth),
            Known::No => {
                self.report(Code::NotFound, at, "expected a type that is defined");
                Ok(())
            }
            Known::Unknown => self.lacks(slot),
        }
    }

    /// Notes that the schema lacks what belongs in a place.
    #[cold]
    pub(crate) fn lacks(&mut self, slot: Slot) -> Result<(), Halt> {
        Ok(self.missing.add(slot.need, self.schema.name(slot))?)
    }

    /// A value of the wrong kind; it is not walked.
    #[cold]
    pub(crate) fn mismatch(
        &mut self,
        value: Value<'_>,
        expected: &str,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        self.report(Code::Structure, at, expected);
        self.unwalked(value, at, depth)
    }

    /// Reports a member that is none of those that are known.
    pub(crate) fn not_named<'n>(
        &mut self,
        (key, value): (&[u8], Value<'_>),
        known: impl IntoIterator<Item = &'n str>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        const UNKNOWN: &str = "unknown property";
        // Who means an element does not mean its companion.
        let is_companion = key.starts_with(b"_");
        let known = known.into_iter();
        let known = known.filter(|known| is_companion || !known.starts_with('_'));
        // Of what is told no more, nothing is looked for.
        match self.report.is_complete() {
            true => self.mismatch(value, UNKNOWN, at, depth),
            false => self.mismatch(value, &meant(UNKNOWN, key, known), at, depth),
        }
    }

    /// A value that the profile says nothing about: only its depth counts.
    fn unwalked(&mut self, value: Value<'_>, at: &Trail<'_>, depth: usize) -> Result<(), Halt> {
        if depth::exceeds(value, depth, self.limit)? {
            let limit = self.limit;
            self.report_at(at).push_too_deep(at.render(), limit);
        }
        Ok(())
    }

    /// Reports a container beyond the limit.
    #[inline]
    pub(crate) fn too_deep(&mut self, at: &Trail<'_>, depth: usize) -> bool {
        let deep = depth > self.limit;
        if deep {
            let limit = self.limit;
            self.report_at(at).push_too_deep(at.render(), limit);
        }
        deep
    }

    #[cold]
    pub(crate) fn report(&mut self, code: Code, at: &Trail<'_>, expected: impl Into<String>) {
        let issue = Issue::error(code, at.render(), expected);
        self.report_at(at).push(issue);
    }

    /// The report, when the walk has come to this place.
    #[inline]
    fn report_at(&mut self, at: &Trail<'_>) -> &mut Report {
        self.report.come_to(at);
        self.report
    }
}

/// The JSON kind that a node is.
fn kind(node: &Node) -> &'static str {
    match node {
        Node::Text(_) => "expected string",
        Node::Integer(_) => "expected integer",
        Node::Decimal => "expected number",
        Node::Boolean => "expected boolean",
        Node::Array(_) | Node::Aligned(_) => "expected array",
        Node::Object(_) | Node::Named(_) | Node::Resource => "expected object",
        Node::Any => "expected a value",
    }
}
