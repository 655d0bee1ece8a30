//! Places inside the built-in types.

use crate::description::Description;

/// A place inside a built-in type, whose properties can be given more rules.
#[derive(Clone)]
pub(super) struct Inside {
    pub(super) description: &'static Description,
    pub(super) path: String,
}

impl Inside {
    /// The type that stands at the place.
    pub(super) fn kind(&self) -> Option<&'static str> {
        let mut rows = self.description.properties.iter();
        let row = rows.find(|row| row.path == self.path)?;
        Some(&row.kind)
    }
}
