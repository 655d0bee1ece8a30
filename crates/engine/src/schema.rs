//! The compiled profiles, types and vocabularies of one source, as far as they are known.

use crate::definition::Definition;
use crate::description::Description;
use crate::issue::Issue;
use crate::profile::Profile;
use crate::resource::{Need, Stop};
use std::rc::Rc;

/// Grows while it is used (what is inserted stays), and is thrown away as a whole when the catalog
/// changes. Interior mutability: no method needs `&mut`.
#[derive(Debug, Default)]
pub struct Schema {}

impl Schema {
    /// An empty schema; the built-in complex types are known to every schema.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compiles what the catalog holds. Inserting a name again does nothing.
    pub fn insert(&self, _description: &Description) -> Result<(), Vec<Issue>> {
        Ok(())
    }

    /// Remembers that there is no such thing.
    pub fn insert_absent(&self, _need: Need, _name: &str) {}

    /// The profile, type or relationship, if it was inserted.
    pub fn get(&self, _need: Need, _name: &str) -> Option<Rc<Profile>> {
        None
    }

    /// The profile, if it was inserted.
    pub fn profile(&self, name: &str) -> Option<Rc<Profile>> {
        self.get(Need::Profile, name)
    }

    /// What is wrong with a definition in this company: a used name that does not exist, a cycle
    /// of required containment with no way out. Used names must have been inserted, or inserted
    /// as absent: else [`Stop::Needs`].
    pub fn judge(&self, _definition: &Definition) -> Result<Vec<Issue>, Stop> {
        Ok(Vec::new())
    }
}
