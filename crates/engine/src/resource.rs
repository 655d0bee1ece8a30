//! A resource as the gate sees it, and what a check of it yields.

use crate::description::Kind;
use jsonb::{Malformed, Value};
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
}

/// Why a check could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Stop {
    /// The bytes are not JSONB.
    #[error("malformed jsonb")]
    Malformed,
    /// The schema has not been given this profile or type yet: load it, insert it, call again.
    /// If there is none, it is [`Schema::insert_absent`](crate::schema::Schema::insert_absent).
    #[error("{} {name} is not loaded", kind.as_str())]
    Needs {
        /// What to load: `Root` or `Contained` both mean a profile, of either kind.
        kind: Need,
        /// Its name.
        name: String,
    },
    /// The profile was compiled by another schema.
    #[error("the profile belongs to another schema")]
    Stale,
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
            Kind::Type => Self::Type,
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
    let valid = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (1..=64).contains(&id.len()) && id.iter().all(valid)
}
