//! A compiled profile: immutable, and laid out in the order in which documents are stored.

use crate::description::Kind;

/// A compiled profile, named type or relationship.
#[derive(Debug)]
pub struct Profile {
    name: String,
    version: i32,
    kind: Kind,
}

impl Profile {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of the definition that it was compiled from.
    pub fn version(&self) -> i32 {
        self.version
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}
