//! What defining a profile and defining a relationship have in common.

use crate::pg::{Answer, Error, Result, datum_of_jsonb};
use ingest_engine::jsonb::{Item, write};

/// What a definition did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defined {
    /// The first version.
    Created,
    /// The next version.
    Updated,
    /// The same definition as before.
    Unchanged,
}

impl Defined {
    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }

    /// `{"outcome", "source", "vocabulary"}`
    pub fn answer_unversioned(self, source: &str, what: &str, name: &str) -> Result<Answer> {
        let members: [(&[u8], Item<'_>); 3] = [
            (b"outcome", Item::Text(self.as_str())),
            (b"source", Item::Text(source)),
            (what.as_bytes(), Item::Text(name)),
        ];
        let answer = write(&Item::Object(&members))
            .map_err(|_| Error::Bug("an answer could not be written".into()))?;
        datum_of_jsonb(&answer)
    }

    /// `{"outcome", "source", "profile" or "relationship", "version"}`
    pub fn answer(self, source: &str, what: &str, name: &str, version: i32) -> Result<Answer> {
        let members: [(&[u8], Item<'_>); 4] = [
            (b"outcome", Item::Text(self.as_str())),
            (b"source", Item::Text(source)),
            (what.as_bytes(), Item::Text(name)),
            (b"version", Item::Int(i64::from(version))),
        ];
        let answer = write(&Item::Object(&members))
            .map_err(|_| Error::Bug("an answer could not be written".into()))?;
        datum_of_jsonb(&answer)
    }
}
