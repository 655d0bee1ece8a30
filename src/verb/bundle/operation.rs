//! One operation, as every bundle has it: what is done to which resource or link, and with what.

use crate::pg::{Error, Result, State, check_for_interrupts};
use crate::store::Guarded;
use crate::store::row::RowKey;
use crate::verb::body::Body;
use crate::verb::criteria::Criteria;
use crate::verb::link;
use crate::verb::part::Part;
use jsonb::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `resource_create`
    Create,
    /// `resource_upsert`
    Upsert,
    /// `resource_create_if`
    CreateIf,
    /// `resource_upsert_if`
    UpsertIf,
    /// `resource_patch`
    Patch,
    /// `resource_patch_if`
    PatchIf,
    /// `resource_delete`
    Delete,
    /// `resource_delete_if`
    DeleteIf,
    /// `relationship_link`
    Link,
    /// `relationship_upsert`
    LinkUpsert,
    /// `relationship_unlink`
    Unlink,
}

impl Verb {
    /// Whether it is about a link.
    pub fn is_of_links(self) -> bool {
        matches!(self, Self::Link | Self::LinkUpsert | Self::Unlink)
    }

    /// Whether it takes away.
    pub fn takes_away(self) -> bool {
        matches!(self, Self::Unlink | Self::Delete | Self::DeleteIf)
    }
}

/// What an operation needs, by its verb.
pub enum Content<'a> {
    /// A whole resource.
    Body(Body<'a>),
    /// A patch.
    Patch(Value<'a>),
    /// A link.
    Link(link::Body<'a>),
    /// What names a link.
    Ends(RowKey<'a>),
    /// Nothing more.
    Nothing,
}

/// One operation.
pub struct Operation<'a> {
    /// Its place in the bundle.
    pub index: usize,
    /// What it does.
    pub verb: Verb,
    /// To what.
    pub guarded: Rc<Guarded>,
    /// The id of the resource or link, where it is known before.
    pub id: Option<Cow<'a, str>>,
    /// Whether the id was made for what it makes: no other operation can be about the same.
    pub is_new: bool,
    /// What must match, where criteria say what it is about.
    pub criteria: Option<Criteria>,
    /// With what.
    pub content: Content<'a>,
    /// The version that must be current.
    pub expected: Option<i32>,
    /// Whether a delete takes the links along.
    pub cascade: bool,
    /// Whether to delete what is not there is to have deleted it.
    pub may_be_absent: bool,
}

impl Operation<'_> {
    /// Whether it makes what it finds nothing for.
    fn may_create(&self) -> bool {
        matches!(self.verb, Verb::CreateIf | Verb::UpsertIf)
    }

    /// What criteria keep callers apart by: a delete makes nothing.
    pub fn awaits(&self) -> Option<&Criteria> {
        let awaited = self.may_create() || self.verb == Verb::PatchIf;
        self.criteria.as_ref().filter(|_| awaited)
    }
}

/// Refuses two operations on one resource or link: their order would be a guess. Conditional ones
/// count once it is known what they are about.
pub fn check_distinct(operations: &[Operation<'_>], resolved: bool, part: Part) -> Result<()> {
    let mut seen: HashMap<(&str, &str), &Operation<'_>> = HashMap::new();
    for operation in operations {
        check_for_interrupts()?;
        let Some(id) = operation.id.as_ref().filter(|_| !operation.is_new) else {
            continue;
        };
        if operation.awaits().is_some() && !resolved {
            continue;
        }
        if let Some(first) = seen.insert((operation.guarded.name(), id), operation) {
            // In FHIR who finds what is there writes nothing.
            let both_find = [first, operation].map(|one| one.verb == Verb::CreateIf);
            if part != Part::Entry || both_find != [true, true] {
                return Err(same(first.index, operation.index, part));
            }
        }
    }
    Ok(())
}

/// The refusal of two operations that are about the same.
pub fn same(one: usize, other: usize, part: Part) -> Error {
    let (first, second) = (one.min(other), one.max(other));
    Error::refuse(
        State::BadRequest,
        format!(
            "{} {first} and {second} are about the same resource or link",
            part.words()
        ),
    )
    .hint("A bundle holds at most one operation for each; make them one, or two bundles.")
}
