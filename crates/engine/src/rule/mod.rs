//! Rules: what a value must keep to beyond its type.

mod binding;
pub(crate) mod enumeration;
mod exact;
mod read;
mod setting;
mod size;
mod slicing;
mod target;
mod when;

pub(crate) use binding::{Binding, BindingSetting, is_from};
pub(crate) use enumeration::Enumeration;
pub(crate) use exact::{Exact, equal};
pub(crate) use read::{cardinality, read_rules};
pub(crate) use setting::{Reading, Settings, read_settings};
pub(crate) use size::{Bound, Decimal};
pub(crate) use slicing::{Discriminator, Order, Slice, Slicing, SlicingSetting, Told};
pub use target::CORE;
pub(crate) use target::{Target, Verdict};
pub(crate) use when::{Answers, Asked, Condition, Scope, Test, When};

use crate::constraint::Constraint;
use crate::issue::Code;
use crate::lexical::Moment;
use crate::schema::Slot;
use jsonb::{Array, Malformed, Number, Object, Value};
use std::cmp::Ordering;
use text::Pattern;

/// The rules of one element.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// Whether there is more than the entries.
    pub(crate) has_more: bool,
    /// The entries of `rules`, in their order.
    pub(crate) entries: Box<[Rule]>,
    pub(crate) binding: Option<Binding>,
    pub(crate) target: Option<Target>,
    pub(crate) exact: Option<Exact>,
    /// What FHIR demands of it beyond what it demands of its type.
    pub(crate) constraints: Box<[Constraint]>,
    /// The constraints that it conforms to one of.
    pub(crate) profiles: Box<[Slot]>,
    /// What the items of an array are told apart by.
    pub(crate) slicing: Option<Box<Slicing>>,
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
    /// A string.
    Text(&'a [u8]),
    /// A string that is an instant.
    Moment(&'a [u8], Moment<'a>),
    /// A number, and its [floor](Number::floor).
    Number(Number<'a>, Option<(i64, bool)>),
    /// An array, and how many of its elements are not null.
    Array(Array<'a>, usize),
    Object(Object<'a>),
    /// What only an exact value can be compared with.
    Other(Value<'a>),
}

impl<'a> Subject<'a> {
    #[inline]
    pub(crate) fn number(number: Number<'a>) -> Self {
        Self::Number(number, number.floor())
    }

    /// The value itself.
    pub(crate) fn value(&self) -> Value<'a> {
        match *self {
            Self::Text(text) | Self::Moment(text, _) => Value::String(text),
            Self::Number(number, _) => Value::Number(number),
            Self::Array(array, _) => Value::Array(array),
            Self::Object(object) => Value::Object(object),
            Self::Other(value) => value,
        }
    }
}

impl Rules {
    /// Whether there is nothing that a value could break or that could ask for one.
    pub(crate) fn is_idle(&self) -> bool {
        !self.has_others() && !self.entries.iter().any(Rule::constrains)
    }

    /// Whether there is more than the entries, once [`Rules::close`] has looked.
    #[inline]
    pub(crate) fn beyond_entries(&self) -> bool {
        self.has_more
    }

    /// Looks once whether there is more than the entries: it is asked at every value.
    pub(crate) fn close(&mut self) {
        self.has_more = self.has_others();
    }

    fn has_others(&self) -> bool {
        self.binding.is_some()
            || self.target.is_some()
            || self.exact.is_some()
            || !self.constraints.is_empty()
            || !self.profiles.is_empty()
            || self.slicing.is_some()
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

    /// Whether the subject keeps to every entry, whatever their conditions.
    #[inline]
    pub(crate) fn accept(&self, subject: &Subject<'_>) -> Result<bool, Malformed> {
        for rule in &self.entries {
            if !rule.accepts(subject)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the subject keeps to every entry, and there is nothing else to keep to.
    #[inline]
    pub(crate) fn accept_all(&self, subject: &Subject<'_>) -> Result<bool, Malformed> {
        Ok(!self.beyond_entries() && self.accept(subject)?)
    }

    /// Calls `broken` for each part of each entry that holds and that the subject breaks.
    #[cold]
    pub(crate) fn explain(
        &self,
        subject: &Subject<'_>,
        scope: &Scope<'_>,
        broken: &mut dyn FnMut(Code, String),
    ) -> Result<(), Malformed> {
        for rule in &self.entries {
            if !rule.accepts(subject)? && rule.applies(scope)? {
                rule.explain(subject, broken);
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

    #[inline]
    fn accepts(&self, subject: &Subject<'_>) -> Result<bool, Malformed> {
        Ok(self.reaches_min(subject)?
            && self.keeps_max(subject)?
            && self
                .enumeration
                .as_ref()
                .is_none_or(|it| it.accepts(subject))
            && self.matches(subject)?)
    }

    #[inline]
    fn matches(&self, subject: &Subject<'_>) -> Result<bool, Malformed> {
        match &self.pattern {
            Some(pattern) => match subject {
                Subject::Text(text) | Subject::Moment(text, _) => pattern.matches(text),
                _ => Ok(false),
            },
            None => Ok(true),
        }
    }

    #[inline]
    fn reaches_min(&self, subject: &Subject<'_>) -> Result<bool, Malformed> {
        match &self.min {
            Some(min) => Ok(min.compare(subject)? != Some(Ordering::Less)),
            None => Ok(true),
        }
    }

    #[inline]
    fn keeps_max(&self, subject: &Subject<'_>) -> Result<bool, Malformed> {
        match &self.max {
            Some(max) => Ok(max.compare(subject)? != Some(Ordering::Greater)),
            None => Ok(true),
        }
    }

    /// What a value must be that breaks it; `None` for one that keeps to it, or of which that depends
    /// on others.
    pub(crate) fn expected(&self, subject: &Subject<'_>) -> Result<Option<String>, Malformed> {
        if self.when.is_some() || self.accepts(subject)? {
            return Ok(None);
        }
        let mut expected = None;
        self.explain(subject, &mut |_, said| {
            expected.get_or_insert(said);
        });
        Ok(expected)
    }

    fn explain(&self, subject: &Subject<'_>, broken: &mut dyn FnMut(Code, String)) {
        if let Some(min) = self
            .min
            .as_ref()
            .filter(|_| !matches!(self.reaches_min(subject), Ok(true)))
        {
            broken(Code::Value, format!("expected at least {}", min.describe()));
        }
        if let Some(max) = self
            .max
            .as_ref()
            .filter(|_| !matches!(self.keeps_max(subject), Ok(true)))
        {
            broken(Code::Value, format!("expected at most {}", max.describe()));
        }
        if let Some(it) = self.enumeration.as_ref().filter(|it| !it.accepts(subject)) {
            broken(Code::Value, it.expected());
        }
        if let Some(it) = self
            .pattern
            .as_ref()
            .filter(|_| !matches!(self.matches(subject), Ok(true)))
        {
            broken(Code::Value, match_of(it.source()));
        }
    }
}

/// What a text is that matches a pattern; a long pattern is not shown.
fn match_of(source: &str) -> String {
    const SHOWN: usize = 200;
    if source.chars().count() > SHOWN {
        "expected a match of the pattern".to_owned()
    } else {
        format!("expected a match of {source}")
    }
}
