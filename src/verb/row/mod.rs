//! What the verbs of resources and of links have in common: the row that a call names is read,
//! written and deleted.

mod delete;
mod erase;
pub mod partition;
mod put;
mod read;

pub use delete::{delete, write as delete_row};
pub use erase::{erase, erase_version, may_not, prune};
pub use put::{held, is_same, put, replace};
pub use read::{exists, history, outcome, read, read_at, stored};

use super::link;
use crate::pg::{Call, Error, Result, State};
use crate::store::row::RowKey;
use crate::store::{Guarded, find};
use std::rc::Rc;

/// What a verb is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    /// Resources of a profile.
    Resource,
    /// Links of a relationship.
    Link,
}

impl Noun {
    /// The verb that loads them.
    pub fn load(self) -> &'static str {
        match self {
            Self::Resource => "resource_load",
            Self::Link => "relationship_load",
        }
    }
}

/// The profile or the relationship that the first two arguments name.
pub fn named(call: &Call<'_>, noun: Noun) -> Result<Rc<Guarded>> {
    let parameter = match noun {
        Noun::Resource => "profile",
        Noun::Link => "relationship",
    };
    let (source, name) = (call.need_text(0, "source")?, call.need_text(1, parameter)?);
    let guarded = find(source, name)?;
    let (is, hint) = match (noun, guarded.is_relationship()) {
        (Noun::Resource, true) => (
            "a relationship",
            "Its links are written with ingest.relationship_link.",
        ),
        (Noun::Link, false) => (
            "a profile",
            "Its resources are written with ingest.resource_create.",
        ),
        _ => return Ok(guarded),
    };
    Err(Error::refuse(State::BadRequest, format!("{name} is {is}")).hint(hint))
}

/// What an id names: a link's is that of its ends.
pub fn key_of<'a>(guarded: &Guarded, id: &'a str) -> Result<RowKey<'a>> {
    match &guarded.ends {
        Some(ends) => link::key_of(guarded, ends, id),
        None => Ok(RowKey::Id(id)),
    }
}
