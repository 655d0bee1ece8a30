//! What is known of a collection before there is one: the types that its items can have.

use crate::types::{System, Type};

/// The type of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Fhir(Type),
    System(System),
}

/// The types that the items of a collection can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kinds {
    Any,
    /// One of these; if there are none, the collection is empty.
    Of(Vec<Kind>),
}

impl Kinds {
    pub(crate) const NONE: Self = Self::Of(Vec::new());
    pub(super) fn fhir(kind: Type) -> Self {
        Self::Of(vec![Kind::Fhir(kind)])
    }

    pub(super) fn system(system: System) -> Self {
        Self::Of(vec![Kind::System(system)])
    }

    pub(super) fn either(self, other: Self) -> Self {
        match (self, other) {
            (Self::Of(mut kinds), Self::Of(others)) => {
                for kind in others {
                    if !kinds.contains(&kind) {
                        kinds.push(kind);
                    }
                }
                Self::Of(kinds)
            }
            _ => Self::Any,
        }
    }
}
