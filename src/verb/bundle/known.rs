//! The profiles and relationships that the operations of a bundle are about: few, and each is looked
//! up once.

use crate::pg::Result;
use crate::store::{Guarded, find};
use std::rc::Rc;

/// Those of a source that are known.
pub struct Known<'s> {
    source: &'s str,
    known: Vec<Rc<Guarded>>,
}

impl<'s> Known<'s> {
    /// Of a source.
    pub fn of(source: &'s str) -> Self {
        let known = Vec::new();
        Self { source, known }
    }

    /// As [`find`].
    pub fn find(&mut self, name: &str) -> Result<Rc<Guarded>> {
        if let Some(known) = self.known.iter().find(|known| known.name() == name) {
            return Ok(known.clone());
        }
        let found = find(self.source, name)?;
        self.known.push(found.clone());
        Ok(found)
    }
}
