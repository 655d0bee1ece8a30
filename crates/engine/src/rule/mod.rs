//! Rules: what a value must keep to beyond its type.

mod binding;
mod enumeration;
mod exact;
mod pattern;
mod read;
mod setting;
mod size;
mod target;
mod when;

pub(crate) use binding::{Binding, BindingSetting, is_from};
pub(crate) use enumeration::Enumeration;
pub(crate) use exact::Exact;
pub(crate) use pattern::Pattern;
pub(crate) use read::{cardinality, read_rules};
pub(crate) use setting::{Reading, Settings, read_settings};
pub(crate) use size::{Bound, Decimal};
pub(crate) use target::{Target, Verdict};
pub(crate) use when::{Answers, Asked, Condition, Scope, Test, When};

use crate::issue::Code;
use crate::jsonb::{Array, Malformed, Value};
use crate::lexical::Moment;
use std::cmp::Ordering;

/// The rules of one element.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// The entries of `rules`, in their order.
    pub(crate) entries: Box<[Rule]>,
    pub(crate) binding: Option<Binding>,
    pub(crate) target: Option<Target>,
    pub(crate) exact: Option<Exact>,
}

/// One entry of `rules`.
#[derive(Debug, Default)]
pub(crate) struct Rule {
    /// When it holds; always, if it does not say.
    pub(crate) when: Option<When>,
    pub(crate) required: bool,
    pub(crate) min: Option<Bound>,
    pub(crate) max: Option<Bound>,
    pub(crate) enumeration: Option<Enumeration>,
    pub(crate) pattern: Option<Pattern>,
}

/// A value as rules see it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// A value of its own.
    Value(Value<'a>),
    /// A string that is an instant.
    Moment(&'a [u8], Moment),
    /// An array, and how many of its elements are not null.
    Array(Array<'a>, usize),
}

impl Rules {
    /// Whether there is nothing that a value could break or that could ask for one.
    pub(crate) fn is_idle(&self) -> bool {
        self.binding.is_none()
            && self.target.is_none()
            && self.exact.is_none()
            && !self.entries.iter().any(Rule::constrains)
    }

    /// Whether an entry asks for a value that is not there.
    pub(crate) fn ask(&self, scope: &Scope<'_>) -> Result<bool, Malformed> {
        for rule in &self.entries {
            if rule.required && rule.applies(scope)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Calls `broken` for each part of each entry that holds and that the subject breaks.
    pub(crate) fn check(
        &self,
        subject: Subject<'_>,
        scope: &Scope<'_>,
        broken: &mut dyn FnMut(Code, String),
    ) -> Result<(), Malformed> {
        for rule in &self.entries {
            if rule.applies(scope)? {
                rule.check(subject, broken)?;
            }
        }
        Ok(())
    }
}

impl Rule {
    /// Whether a value can break it, or its absence can.
    fn constrains(&self) -> bool {
        self.min.is_some()
            || self.max.is_some()
            || self.enumeration.is_some()
            || self.pattern.is_some()
            || self.when.is_some()
    }

    fn applies(&self, scope: &Scope<'_>) -> Result<bool, Malformed> {
        match &self.when {
            None => Ok(true),
            Some(when) => when.holds(scope),
        }
    }

    fn check(
        &self,
        subject: Subject<'_>,
        broken: &mut dyn FnMut(Code, String),
    ) -> Result<(), Malformed> {
        if let Some(min) = &self.min
            && min.compare(subject)? == Some(Ordering::Less)
        {
            broken(Code::Value, format!("expected at least {}", min.describe()));
        }
        if let Some(max) = &self.max
            && max.compare(subject)? == Some(Ordering::Greater)
        {
            broken(Code::Value, format!("expected at most {}", max.describe()));
        }
        if let Some(enumeration) = &self.enumeration
            && !enumeration.accepts(subject)
        {
            broken(Code::Value, enumeration.expected());
        }
        if let Some(pattern) = &self.pattern
            && !pattern.accepts(subject)
        {
            broken(Code::Value, pattern.expected());
        }
        Ok(())
    }
}
