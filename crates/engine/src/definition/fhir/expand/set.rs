//! A set of concepts that keeps their order.

use super::{MOST_CONCEPTS, NotExpanded};
use jsonb::memory;
use std::collections::HashSet;
use std::rc::Rc;

/// Concepts, each by the number of its system and its code.
#[derive(Debug, Default)]
pub(super) struct Set {
    list: Vec<(usize, Rc<str>)>,
    known: HashSet<(usize, Rc<str>)>,
}

impl Set {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &str)> {
        self.list.iter().map(|(system, code)| (*system, &**code))
    }

    pub(super) fn insert(&mut self, system: usize, code: &str) -> Result<(), NotExpanded> {
        self.put((system, code.into()))
    }

    fn put(&mut self, concept: (usize, Rc<str>)) -> Result<(), NotExpanded> {
        if !self.known.insert(concept.clone()) {
            return Ok(());
        }
        if self.list.len() >= MOST_CONCEPTS {
            return Err(NotExpanded::TooLarge);
        }
        memory::reserve(&mut self.list, 1)?;
        self.list.push(concept);
        Ok(())
    }

    /// Adds those of another.
    pub(super) fn add(&mut self, other: &Self) -> Result<(), NotExpanded> {
        other.list.iter().try_for_each(|it| self.put(it.clone()))
    }

    /// Takes those of another away.
    pub(super) fn remove(&mut self, other: &Self) {
        self.list.retain(|concept| !other.known.contains(concept));
        self.known.retain(|concept| !other.known.contains(concept));
    }

    /// Those that are in both.
    pub(super) fn common(mut self, other: &Self) -> Self {
        self.list.retain(|concept| other.known.contains(concept));
        self.known.retain(|concept| other.known.contains(concept));
        self
    }
}
