//! The profiles and relationships that the operations of a bundle are about: each is looked up once.

use crate::pg::Result;
use crate::store::{Guarded, find};
use std::collections::HashMap;
use std::rc::Rc;

/// Those of a source that are known.
pub struct Known<'s> {
    source: &'s str,
    known: HashMap<String, Rc<Guarded>>,
    /// The one before is often the next.
    last: Option<Rc<Guarded>>,
}

impl<'s> Known<'s> {
    /// Of a source.
    pub fn of(source: &'s str) -> Self {
        Self {
            source,
            known: HashMap::new(),
            last: None,
        }
    }

    /// As [`find`].
    pub fn find(&mut self, name: &str) -> Result<Rc<Guarded>> {
        if let Some(last) = self.last.as_ref().filter(|last| last.name() == name) {
            return Ok(last.clone());
        }
        let found = match self.known.get(name) {
            Some(known) => known.clone(),
            None => {
                let found = find(self.source, name)?;
                self.known.insert(name.to_owned(), found.clone());
                found
            }
        };
        self.last = Some(found.clone());
        Ok(found)
    }
}
