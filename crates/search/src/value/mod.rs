//! What is searched for: one value of a criterion, and what of a resource meets it.

pub(crate) mod date;
pub(crate) mod number;
pub(crate) mod prefix;
pub(crate) mod quantity;
pub(crate) mod reference;
pub(crate) mod string;
pub(crate) mod token;
pub(crate) mod uri;

use crate::kind::Kind;
use crate::leaf::Leaf;
use crate::paths::{Path, Paths};
use jsonb::{Malformed, Object, Value};

/// How values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    /// As the type of the parameter has it.
    Plain,
    /// `:not`
    Not,
    /// `:exact`
    Exact,
    /// `:contains`
    Contains,
    /// `:below`
    Below,
    /// `:above`
    Above,
    /// `:of-type`
    OfType,
    /// `:identifier`
    Identifier,
    /// `:missing=true`, `:missing=false`
    Missing(bool),
}

/// One value, read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wanted {
    String(string::Wanted),
    Token(token::Wanted),
    Reference(reference::Wanted),
    Date(date::Wanted),
    Number(number::Wanted),
    Quantity(quantity::Wanted),
    Uri(uri::Wanted),
}

/// What a value is read with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Where the server is: `http://example.org/fhir`, without a slash at its end.
    pub(crate) base: Option<Box<str>>,
    /// The types that a reference can lead to, where they are told.
    pub(crate) targets: Vec<Box<str>>,
}

/// What is expected of a value instead.
pub(crate) type Expected = &'static str;

impl Wanted {
    /// Reads one alternative, whose escapes still stand.
    pub(crate) fn read(
        kind: Kind,
        test: Test,
        raw: &str,
        setting: &Setting,
    ) -> Result<Self, Expected> {
        Ok(match (kind, test) {
            (Kind::Reference, Test::Identifier) | (Kind::Token, _) => {
                Self::Token(token::Wanted::read(raw, test)?)
            }
            (Kind::String, _) => Self::String(string::Wanted::read(raw, test)?),
            (Kind::Reference, _) => Self::Reference(reference::Wanted::read(raw, setting)?),
            (Kind::Date, _) => Self::Date(date::Wanted::read(raw)?),
            (Kind::Number, _) => Self::Number(number::Wanted::read(raw)?),
            (Kind::Quantity, _) => Self::Quantity(quantity::Wanted::read(raw)?),
            (Kind::Uri, _) => Self::Uri(uri::Wanted::read(raw)?),
        })
    }

    /// Its one spelling, which reads as it does.
    pub(crate) fn spelled(&self) -> String {
        match self {
            Self::String(wanted) => wanted.spelled(),
            Self::Token(wanted) => wanted.spelled(),
            Self::Reference(wanted) => wanted.spelled(),
            Self::Date(wanted) => wanted.spelled(),
            Self::Number(wanted) => wanted.spelled(),
            Self::Quantity(wanted) => wanted.spelled(),
            Self::Uri(wanted) => wanted.spelled(),
        }
    }

    /// What all values have in common that one resource is looked for by, whatever precision, zone or
    /// system they spell: who creates by them waits for each other.
    pub(crate) fn meant(&self, paths: &Paths) -> String {
        match self {
            Self::Token(wanted) if paths.0.iter().all(|path| path.leaf == Leaf::Code) => {
                wanted.code.clone().unwrap_or_else(|| wanted.spelled())
            }
            Self::Date(wanted) => wanted.meant(),
            Self::Number(wanted) => wanted.meant(),
            Self::Quantity(wanted) => wanted.number.meant(),
            _ => self.spelled(),
        }
    }

    /// Whether what stands at a path meets it.
    pub(crate) fn is_met(
        &self,
        path: &Path,
        value: Value<'_>,
        test: Test,
        (root, setting): (Object<'_>, &Setting),
    ) -> Result<bool, Malformed> {
        match self {
            Self::String(wanted) => wanted.is_met(path.leaf, value, test),
            Self::Token(wanted) => wanted.is_met(path, value, test),
            Self::Reference(wanted) => wanted.is_met(path.leaf, value, (root, setting)),
            Self::Date(wanted) => wanted.is_met(path.leaf, value),
            Self::Number(wanted) => wanted.is_met(path.leaf, value),
            Self::Quantity(wanted) => wanted.is_met(path.leaf, value),
            Self::Uri(wanted) => wanted.is_met(value, test),
        }
    }
}

/// A member that is a string of UTF-8.
pub(crate) fn text_of<'v>(object: Object<'v>, key: &[u8]) -> Result<Option<&'v str>, Malformed> {
    object.get(key).map(|value| value.and_then(text))
}

/// A string of UTF-8.
pub(crate) fn text(value: Value<'_>) -> Option<&str> {
    match value {
        Value::String(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}
