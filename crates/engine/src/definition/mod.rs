//! A native definition: read from JSONB, with all its mistakes, and described as catalog rows.
//! Those of FHIR are read in [`fhir`].
//!
//! Null counts as absent. An `object` without `properties` accepts no property, unless it has
//! `"additionalProperties": true`; an `array` without `items` accepts elements of any kind.

pub(crate) mod expect;
pub mod fhir;
mod history;
mod inside;
mod name;
mod path;
mod property;
mod read;
mod relationship;
mod said;

pub use history::History;
pub(crate) use read::finish;
pub use relationship::{End, Relationship};
pub use said::Said;

use crate::description::{Contained, Description, Kind};
use crate::issue::Issue;
use crate::path::Found;
use crate::resource::Need;
use jsonb::Value;

/// A name that a definition uses and does not define.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// What it must be.
    pub need: Need,
    /// Its name.
    pub name: String,
    /// Where in the definition: `contained.primaryPaymentMethod.types[0]`.
    pub expression: String,
}

/// A definition that was read and holds no mistake that it alone can show.
#[derive(Debug, Clone)]
pub struct Definition {
    description: Description,
    identities: Vec<Vec<Found>>,
    indexes: Vec<Vec<Found>>,
    uses: Vec<Use>,
    history: History,
}

/// Reads a built-in type.
pub(crate) fn read_type(name: &str, definition: Value<'_>) -> Result<Description, Vec<Issue>> {
    read::named(name, definition)
}

impl Definition {
    /// Reads the definition of a profile (`"type"` is `ROOT` or `CONTAINED`), or says everything
    /// that is wrong with it; expressions are paths into the definition.
    pub fn read(name: &str, definition: Value<'_>) -> Result<Self, Vec<Issue>> {
        read::profile(name, definition)
    }

    /// The name that was given.
    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// The keys of contained resources.
    pub fn contained(&self) -> &[Contained] {
        &self.description.contained
    }

    /// Root, contained or relationship.
    pub fn kind(&self) -> Kind {
        self.description.kind
    }

    /// Whether data may hold properties that it does not name.
    pub fn takes_additional(&self) -> bool {
        self.description.additional_properties
    }

    /// The catalog rows.
    pub fn describe(&self, version: i32) -> Description {
        Description {
            version,
            ..self.description.clone()
        }
    }

    /// The unique keys, each a list of properties (`address.city`).
    pub fn identities(&self) -> &[Vec<Found>] {
        &self.identities
    }

    /// The indexes, each a list of properties; their paths may lead through arrays.
    pub fn indexes(&self) -> &[Vec<Found>] {
        &self.indexes
    }

    /// Which old versions its table keeps.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The names that must be known for it to compile, in the order of the definition.
    pub fn uses(&self) -> &[Use] {
        &self.uses
    }
}
