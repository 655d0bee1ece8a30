//! Constraints: invariants of FHIR, as an ElementDefinition has them, in FHIRPath.

use crate::definition::expect::{self, mistake};
use crate::issue::{Code, Report, Severity};
use crate::model;
use crate::profile::{Node, Profile};
use crate::resource::{Missing, Stop};
use crate::schema::Schema;
use crate::trail::Trail;
use fhirpath::errata::{ERRATA, repaired};
use fhirpath::{Context, Glance, Plan, Refused, Type, parse};
use jsonb::{Malformed, Object, Value, steps};
use std::cell::OnceCell;

/// An invariant whose meaning is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// `ref-1`
    LocalReference,
    /// `dom-3`
    Contained,
    /// `per-1`
    Period,
}

/// An invariant of one element.
#[derive(Debug)]
pub(crate) struct Constraint {
    /// `pat-1`
    pub(crate) key: Box<str>,
    /// What it means, for people.
    human: Box<str>,
    /// As FHIRPath; what is known to be wrong in R4 is put right.
    expression: Box<str>,
    pub(crate) severity: Severity,
    /// The type of the element that it is about.
    pub(crate) focus: Option<Type>,
    /// Made when it is first needed, because then all types are there; none of what is beyond the
    /// subset, which was told when it was defined.
    plan: OnceCell<Option<Plan>>,
    /// The names that it has for types: they must be known when it is planned.
    pub(crate) names: Box<[Box<str>]>,
    /// What it means, where that is quicker to look at.
    pub(crate) known: Option<Known>,
    /// Whether it holds, as far as the members of its object tell.
    glance: Option<Glance>,
}

impl Constraint {
    /// Whether it is seen to hold from the members that are there.
    #[inline]
    pub(crate) fn is_seen_to_hold(&self, there: u64) -> bool {
        self.glance.as_ref().is_some_and(|it| it.holds(there))
    }

    /// Looks which members of its object decide it; see [`Glance::new`].
    pub(crate) fn look(&mut self, mask: &dyn Fn(Option<&str>, &str) -> Option<u64>) {
        let expression = parse(&self.expression).ok();
        let glance = expression.map(|expression| Glance::new(&expression, mask));
        self.glance = glance.filter(Glance::is_of_use);
    }

    /// As one about elements of this type.
    pub(crate) fn about(mut self, focus: Option<Type>) -> Self {
        self.focus = focus;
        self
    }

    /// The plan, if there is one.
    #[inline]
    pub(crate) fn plan(&self, schema: &Schema, of: &Profile) -> Option<&Plan> {
        let plan = self.plan.get_or_init(|| self.make(schema, of).ok());
        plan.as_ref()
    }

    /// Whether it is part of the type of what it is about: `txt-1` and `txt-2` of `xhtml`.
    pub(crate) fn is_of_its_type(&self) -> bool {
        &*self.expression == "htmlChecks()"
    }

    /// Plans it.
    pub(crate) fn make(&self, schema: &Schema, of: &Profile) -> Result<Plan, Refused> {
        let context = Context {
            types: schema,
            focus: self.focus,
            resource: model::resource(of),
        };
        Plan::new(&self.expression, &context)
    }

    /// What an issue says of it.
    pub(crate) fn expected(&self) -> String {
        format!("{}: {}", self.key, self.human)
    }
}

/// What a profile asks for and is not checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InVain {
    /// The types that it is made of and that there are none of.
    pub absent: Vec<String>,
    /// The invariants that there are no plans of, by their keys, and why: a path that leads nowhere,
    /// a function outside of the subset.
    pub unplanned: Vec<(String, String)>,
    /// The slices that nothing tells from other items.
    pub untold: Vec<String>,
}

impl Schema {
    /// What a profile asks for in vain. All that it leads to must have been inserted, or inserted as
    /// absent: else [`Stop::Needs`].
    pub fn in_vain(&self, profile: &Profile) -> Result<InVain, Stop> {
        let mut missing = Missing::default();
        let absent = self.absent_of(profile, &mut missing)?;
        missing.finish()?;
        let mut unplanned: Vec<(String, String)> = Vec::new();
        for constraint in profile.constraints() {
            steps::take(1)?;
            if let Err(refused) = constraint.make(self, profile) {
                let one = (constraint.key.to_string(), refused.to_string());
                if !unplanned.contains(&one) {
                    unplanned.push(one);
                }
            }
        }
        Ok(InVain {
            absent,
            unplanned,
            untold: profile.untold.to_vec(),
        })
    }
}

impl Profile {
    /// All that is demanded in FHIRPath, of any of its elements.
    fn constraints(&self) -> impl Iterator<Item = &Constraint> {
        self.shapes.iter().flat_map(|shape| {
            let members = shape.members.iter().flat_map(|member| {
                let element = match &member.element.node {
                    Node::Array(items) | Node::Aligned(items) => items,
                    _ => &member.element,
                };
                element.rules.iter().flat_map(|rules| &rules.constraints)
            });
            shape.constraints.iter().chain(members)
        })
    }
}

/// How long the key of an invariant is at most, in bytes.
pub(crate) const LONGEST_KEY: usize = 64;
/// How long the words for an invariant are at most, in bytes.
pub(crate) const LONGEST_HUMAN: usize = 1_000;

/// How many types an invariant can name: an expression is at most so long.
const MOST_NAMES: usize = 1_000;

/// Reads `{"key", "severity", "human"?, "expression"}`.
pub(crate) fn read_constraint(
    object: Object<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<Constraint>, Malformed> {
    let (mut key, mut severity, mut human, mut expression) = (None, None, None, None);
    for member in object.iter() {
        let (name, value) = member?;
        let at = at.name(name);
        let (place, longest) = match name {
            b"key" => (&mut key, LONGEST_KEY),
            b"severity" => (&mut severity, LONGEST_KEY),
            b"human" => (&mut human, LONGEST_HUMAN),
            b"expression" => (&mut expression, fhirpath::LONGEST),
            _ => {
                let members = ["key", "severity", "human", "expression"];
                expect::unknown(report, &at, name, &members);
                continue;
            }
        };
        *place = match value {
            // Words may be missing.
            Value::String(b"") if name == b"human" => None,
            _ => expect::string(value, &at, report)?,
        };
        if place.is_some_and(|text| text.len() > longest) {
            let expected = format!("expected at most {longest} bytes");
            mistake(report, Code::TooCostly, &at, &expected);
            return Ok(None);
        }
    }
    let severity = match severity {
        Some("error") => Severity::Error,
        Some("warning") => Severity::Warning,
        _ => {
            let expected = "expected error or warning";
            mistake(report, Code::Value, &at.name(b"severity"), expected);
            return Ok(None);
        }
    };
    let (Some(key), Some(expression)) = (key, expression) else {
        let expected = "expected a key and an expression";
        mistake(report, Code::Required, at, expected);
        return Ok(None);
    };
    let repaired = repaired(key, expression);
    let mut names: Vec<Box<str>> = Vec::new();
    if let Ok(expression) = parse(repaired) {
        expression.type_names(&mut |name| {
            if names.len() < MOST_NAMES && !names.iter().any(|known| **known == *name) {
                names.push(name.into());
            }
        });
    }
    Ok(Some(Constraint {
        names: names.into(),
        key: key.into(),
        human: human.unwrap_or_default().into(),
        expression: repaired.into(),
        severity,
        focus: None,
        plan: OnceCell::new(),
        known: known(key, expression),
        glance: None,
    }))
}

/// `per-1`, as R4 has it.
const PERIOD: &str = "start.hasValue().not() or end.hasValue().not() or (start <= end)";

/// What an invariant means, if it is R4's own.
fn known(key: &str, expression: &str) -> Option<Known> {
    if key == "per-1" && expression == PERIOD {
        return Some(Known::Period);
    }
    let known = match key {
        "ref-1" => Known::LocalReference,
        "dom-3" => Known::Contained,
        _ => return None,
    };
    let mut errata = ERRATA.iter().filter(|it| it.key == key);
    let is_it = errata.any(|it| repaired(key, expression) == it.repaired);
    is_it.then_some(known)
}
