//! The invariants of FHIR, where they hold and where not.

use super::{Walk, known};
use crate::constraint::Constraint;
use crate::issue::{Code, Issue};
use crate::limits::Limits;
use crate::model;
use crate::profile::Profile;
use crate::resource::Halt;
use crate::trail::Trail;
use fhirpath::{Budget, Environment, Form, Node, Stop, Types};
use jsonb::{Malformed, Object, Value, steps};
use std::collections::HashMap;

/// The resources of FHIR around what is being walked, and what their invariants may still take.
pub(super) struct Around<'w> {
    resources: Resources<'w>,
    /// What the root contains, by its ids: the type of each. Made when somebody asks.
    contained: Option<HashMap<&'w [u8], &'w [u8]>>,
    /// The ids of contained resources that references led to, in the order of the walk.
    referred: Vec<&'w [u8]>,
    refusing: Allowance,
    /// What refuses nothing has steps of its own, so that it decides nothing.
    warning: Allowance,
}

/// The steps that invariants may take together.
struct Allowance {
    budget: Budget,
    /// Nothing is left.
    is_spent: bool,
}

impl Allowance {
    fn new(steps: usize) -> Self {
        Self {
            budget: Budget::new(steps),
            is_spent: false,
        }
    }
}

/// How many references to contained resources are remembered.
const MOST_REFERRED: usize = 64;

#[derive(Clone, Copy)]
pub(super) struct Resources<'w> {
    /// The nearest.
    nearest: Option<Node<'w>>,
    /// The one that contains that, or itself.
    pub(super) root: Option<Node<'w>>,
    /// Where the references of the nearest begin, among those that led to something contained.
    referred_from: usize,
}

impl<'w> Around<'w> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            resources: Resources {
                nearest: None,
                root: None,
                referred_from: 0,
            },
            contained: None,
            referred: Vec::new(),
            refusing: Allowance::new(limits.max_steps),
            warning: Allowance::new(limits.max_steps),
        }
    }

    /// Enters a resource; gives those around it.
    pub(super) fn enter(
        &mut self,
        profile: &Profile,
        object: Object<'w>,
        is_contained: bool,
    ) -> Resources<'w> {
        let outer = self.resources;
        let kind = model::resource(profile);
        let node = kind.map(|kind| Node::new(Value::Object(object), kind));
        self.resources = Resources {
            nearest: node,
            root: outer.root.filter(|_| is_contained).or(node),
            referred_from: self.referred.len(),
        };
        if !is_contained {
            self.contained = None;
        }
        outer
    }

    /// Leaves it again. What is contained refers to resources of the one that contains it.
    pub(super) fn leave(&mut self, outer: Resources<'w>, is_contained: bool) {
        if !is_contained {
            self.referred.truncate(self.resources.referred_from);
        }
        self.resources = outer;
        self.contained = None;
    }

    /// Notes that a reference of the nearest resource leads to what has this id.
    pub(super) fn refer(&mut self, id: &'w [u8]) {
        if self.referred.len() < MOST_REFERRED && !self.refers(id) {
            self.referred.push(id);
        }
    }

    /// Whether a reference in the nearest resource was seen to lead to what has this id.
    pub(super) fn refers(&self, id: &[u8]) -> bool {
        let own = self.referred.get(self.resources.referred_from..);
        own.unwrap_or_default().contains(&id)
    }

    /// The type of what the root contains under an id; of `""` that of the root.
    pub(super) fn contained(&mut self, id: &[u8]) -> Result<Option<&'w [u8]>, Malformed> {
        let Some(root) = self.root() else {
            return Ok(None);
        };
        if id.is_empty() {
            return text(root, b"resourceType");
        }
        if self.contained.is_none() {
            let mut types = HashMap::new();
            if let Some(Value::Array(all)) = root.get(b"contained")? {
                for resource in all.iter() {
                    if let Value::Object(resource) = resource?
                        && let (Some(id), Some(kind)) =
                            (text(resource, b"id")?, text(resource, b"resourceType")?)
                    {
                        steps::take(1)?;
                        types.entry(id).or_insert(kind);
                    }
                }
            }
            self.contained = Some(types);
        }
        Ok(self
            .contained
            .as_ref()
            .and_then(|types| types.get(id).copied()))
    }

    /// The resource that contains others, as far as there is one.
    fn root(&self) -> Option<Object<'w>> {
        match self.resources.root?.value()? {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }
}

impl<'w> Walk<'w> {
    /// Checks what is demanded of an element in FHIRPath; of an object's own shape `there` tells
    /// which of its first 64 members are there.
    pub(super) fn constraints(
        &mut self,
        constraints: &[Constraint],
        value: Value<'w>,
        there: u64,
        at: &Trail<'_>,
    ) -> Result<(), Halt> {
        // Not before all types are there.
        if !self.missing.is_empty() {
            return Ok(());
        }
        for constraint in constraints {
            if !self.report.asks_for(constraint.severity) || constraint.is_seen_to_hold(there) {
                continue;
            }
            if let Value::Object(object) = value
                && known::is_seen_to_hold(constraint, object, &mut self.around)?
            {
                continue;
            }
            let Some(focus) = constraint.focus else {
                continue;
            };
            let Some(plan) = constraint.plan(self.schema, self.profile) else {
                continue;
            };
            let refuses = constraint.severity.refuses();
            let allowance = match refuses {
                true => &mut self.around.refusing,
                false => &mut self.around.warning,
            };
            // Once only where steps have run out.
            if allowance.is_spent {
                continue;
            }
            let environment = Environment {
                types: self.schema,
                resource: self.around.resources.nearest,
                root: self.around.resources.root,
            };
            let node = match self.schema.form(focus) {
                Form::Primitive(_) => Node::primitive(Some(value), companion(at)?, focus),
                _ => Node::new(value, focus),
            };
            match plan.holds(&environment, node, &allowance.budget) {
                Ok(true) => {}
                Ok(false) | Err(Stop::Failed(_)) => self.report_at(at).push(Issue {
                    severity: constraint.severity,
                    ..Issue::error(Code::Invariant, at.render(), constraint.expected())
                }),
                Err(Stop::Malformed(malformed)) => return Err(malformed.into()),
                Err(Stop::Budget) => {
                    allowance.is_spent = true;
                    let expected = format!("{}: expected less to look at", constraint.key);
                    let report = self.report_at(at);
                    match refuses {
                        true => report.push_too_many(at.render(), expected),
                        false => report.push(Issue {
                            severity: constraint.severity,
                            ..Issue::error(Code::TooCostly, at.render(), expected)
                        }),
                    }
                }
            }
        }
        Ok(())
    }
}

fn text<'v>(object: Object<'v>, name: &[u8]) -> Result<Option<&'v [u8]>, Malformed> {
    Ok(match object.get(name)? {
        Some(Value::String(text)) => Some(text),
        _ => None,
    })
}

/// What stands beside a primitive: its id and extensions.
fn companion<'a>(at: &Trail<'a>) -> Result<Option<Object<'a>>, Malformed> {
    let beside = |name: &[u8], object: &Object<'a>| object.get(&[b"_", name].concat());
    let found = match (at.step(), at.indexed()) {
        (Some((name, object)), _) => beside(name, object)?,
        (_, Some((name, object, index))) => match beside(name, object)? {
            Some(Value::Array(array)) => array.iter().nth(index).transpose()?,
            _ => None,
        },
        _ => None,
    };
    Ok(match found {
        Some(Value::Object(object)) => Some(object),
        _ => None,
    })
}
