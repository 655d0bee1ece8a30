//! A resource as the gate sees it, and what a check of it yields.

use crate::description::Kind;
use jsonb::{Malformed, Value};
use std::collections::BTreeSet;
use thiserror::Error;

/// A resource, borrowed from the row it stands in.
#[derive(Debug, Clone, Copy)]
pub struct Resource<'a> {
    /// The id of the root; empty where there is none, and then no contained id can agree with it.
    pub id: &'a str,
    /// Its data.
    pub data: Value<'a>,
    /// Its contained resources: the whole column, nested ones included.
    pub contained: Option<Value<'a>>,
}

/// What a check leaves to its caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Contained ids or types are short or missing: call [`crate::contained::complete`].
    pub incomplete: bool,
    /// The targets that must exist (`"enforce": true`), in document order.
    pub references: Vec<Reference>,
}

/// A reference whose target must exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The profile of the target.
    pub profile: String,
    /// The id of the target.
    pub id: String,
    /// Where the reference stands, for the issue.
    pub expression: String,
    /// Whether the target may go away later (`"on_delete": "keep"`).
    pub keep: bool,
    /// How many issues of the report come before it in the document.
    pub place: usize,
}

impl Reference {
    /// Whether both are to the same target.
    pub fn is_to(&self, other: &Self) -> bool {
        self.profile == other.profile && self.id == other.id
    }
}

/// Why a check could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Stop {
    /// The bytes are not JSONB.
    #[error("malformed jsonb")]
    Malformed,
    /// The schema has not been given these yet: load them, insert them, call again. Where there is
    /// none, it is [`Schema::insert_absent`](crate::schema::Schema::insert_absent). They are all
    /// that could be seen to be missing; what they bring with them can need more.
    #[error("{} definitions are not loaded", .0.len())]
    Needs(Vec<Needed>),
    /// The profile was compiled by another schema.
    #[error("the profile belongs to another schema")]
    Stale,
}

/// One thing that a schema lacks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needed {
    /// What it is.
    pub need: Need,
    /// Its name.
    pub name: String,
}

/// What a run has met that its schema lacks.
#[derive(Debug, Default)]
pub(crate) struct Missing(BTreeSet<Needed>);

/// How many things are asked for at once: their names may come from a document.
const MOST_MISSING: usize = 256;

impl Missing {
    /// Notes what is lacking, so that the run can go on and meet more of it.
    #[cold]
    pub(crate) fn add(&mut self, need: Need, name: &str) -> Result<(), Stop> {
        let name = name.to_owned();
        self.0.insert(Needed { need, name });
        match self.0.len() {
            0..MOST_MISSING => Ok(()),
            _ => std::mem::take(self).finish(),
        }
    }

    /// Whether nothing is lacking so far.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing, or the stop that asks for all of it.
    #[inline]
    pub(crate) fn finish(self) -> Result<(), Stop> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Stop::Needs(self.0.into_iter().collect())),
        }
    }
}

/// What a schema can lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Need {
    /// A profile, of kind [`Kind::Root`] or [`Kind::Contained`].
    Profile,
    /// A named type ([`Kind::Type`]).
    Type,
    /// A relationship ([`Kind::Relationship`]).
    Relationship,
    /// A vocabulary.
    Vocabulary,
}

impl Need {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Type => "type",
            Self::Relationship => "relationship",
            Self::Vocabulary => "vocabulary",
        }
    }
}

impl From<Kind> for Need {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Root | Kind::Contained => Self::Profile,
            Kind::Type | Kind::Constraint => Self::Type,
            Kind::Relationship => Self::Relationship,
        }
    }
}

impl From<Malformed> for Stop {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// A stop on its way up, in one word.
pub(crate) type Halt = Box<Stop>;

impl From<Malformed> for Halt {
    #[cold]
    fn from(_: Malformed) -> Self {
        Self::new(Stop::Malformed)
    }
}

/// Whether `id` can be the id of a resource: 1 to 64 of `A-Z a-z 0-9 - . _`.
pub fn id_is_valid(id: &str) -> bool {
    is_id(id.as_bytes())
}

/// [`id_is_valid`] for bytes.
pub(crate) fn is_id(id: &[u8]) -> bool {
    let valid = |byte: &u8| byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.' | b'_');
    // Without a branch for each byte, many are looked at together.
    (1..=64).contains(&id.len()) && id.iter().fold(true, |all, byte| all & valid(byte))
}
