//! A row that the gate writes, and how a refusal tells it from the others of its statement.

use super::id;
use super::refusal::Which;
use super::row::RowKey;
use crate::pg;
use crate::store::Guarded;
use ingest_engine::id_is_valid;

/// A row as the gate writes it.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// What names it; a column of the user's own has nothing.
    pub key: RowKey<'a>,
    /// Its place among those that its statement inserts, from 1.
    pub place: Option<u32>,
}

impl Written<'_> {
    /// Its id.
    pub fn id(&self, guarded: &Guarded) -> String {
        match (self.key, &guarded.ends) {
            (RowKey::Ends(from, to), Some(ends)) => ends.id(from, to),
            (RowKey::Ends(..), None) => String::new(),
            (RowKey::Id(id), _) => id.to_owned(),
        }
    }

    /// Whether nobody else tells it from the others of its statement: a call of ours names the bodies
    /// that it was given.
    pub fn is_nameless(&self, guarded: &Guarded) -> bool {
        self.key != RowKey::Id("") && !pg::is_running(guarded.source_name(), guarded.name())
    }

    /// How a refusal tells it from the others of its statement.
    pub fn which(&self, guarded: &Guarded) -> Which {
        // What is no id can be anything, and is not repeated.
        if let (RowKey::Id(id), Some(place)) = (self.key, self.place)
            && !id_is_valid(id)
            && self.is_nameless(guarded)
        {
            return Which::Place(place);
        }
        which(self.is_nameless(guarded), &self.id(guarded), self.place)
    }
}

/// The same of what is known of it later.
pub fn which(nameless: bool, id: &str, place: Option<u32>) -> Which {
    match place {
        _ if !nameless => Which::Any,
        Some(place) if id::is_new(id) => Which::Place(place),
        _ => Which::Id(id.to_owned()),
    }
}
