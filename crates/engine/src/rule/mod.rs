//! Rules: what a value must keep to beyond its type.

mod enumeration;
mod pattern;
mod read;
mod size;

pub(crate) use enumeration::Enumeration;
pub(crate) use pattern::Pattern;
pub(crate) use read::{Settings, cardinality, read_settings};
pub(crate) use size::{Bound, Decimal};

use crate::issue::Code;
use crate::jsonb::{Malformed, Value};
use crate::lexical::Moment;
use std::cmp::Ordering;

/// The rules of one element: the entries of `rules`, in their order.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) entries: Box<[Rule]>,
}

/// One entry of `rules`.
#[derive(Debug, Default)]
pub(crate) struct Rule {
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
    /// An array, by the number of its elements that are not null.
    Count(usize),
}

impl Rule {
    /// Whether a value can break it.
    pub(crate) fn constrains(&self) -> bool {
        self.min.is_some()
            || self.max.is_some()
            || self.enumeration.is_some()
            || self.pattern.is_some()
    }

    /// Calls `broken` for each part of the rule that the subject breaks.
    pub(crate) fn check(
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
