//! What a load is to do, and what of it is done.

use super::{Incoming, Landed, Mode, OnError, Refused};
use crate::pg::{Error, Result};
use crate::store::Guarded;
use crate::verb::part::Part;
use std::collections::HashMap;

/// What is to be written, and how.
pub struct Job<'j, 'a> {
    /// The profile or the relationship.
    pub guarded: &'j Guarded,
    /// All bodies.
    pub incoming: &'j [Incoming<'a>],
    /// What to do with an id that exists.
    pub mode: Mode,
    /// What to do with a body that is refused.
    pub on_error: OnError,
    /// What the bodies are called.
    pub part: Part,
    /// The places of those that are written now, by their ids.
    places: HashMap<&'j str, usize>,
}

impl<'j, 'a> Job<'j, 'a> {
    /// Of which nothing is to be written yet.
    pub fn new(
        guarded: &'j Guarded,
        incoming: &'j [Incoming<'a>],
        mode: Mode,
        on_error: OnError,
        part: Part,
    ) -> Self {
        Self {
            guarded,
            incoming,
            mode,
            on_error,
            part,
            places: HashMap::new(),
        }
    }

    /// Takes the first body of each id; gives the others, each with the place of the first.
    pub fn take(&mut self, todo: Vec<usize>) -> (Vec<usize>, Vec<(usize, usize)>) {
        self.places = HashMap::with_capacity(todo.len());
        let (mut first, mut twins) = (Vec::with_capacity(todo.len()), Vec::new());
        for at in todo {
            let Some(one) = self.incoming.get(at) else {
                continue;
            };
            match self.places.get(one.id.as_ref()) {
                Some(twin) => twins.push((at, *twin)),
                None => {
                    self.places.insert(one.id.as_ref(), at);
                    first.push(at);
                }
            }
        }
        (first, twins)
    }

    /// The bodies in these places.
    pub fn bodies(&self, places: &[usize]) -> Vec<&'j Incoming<'a>> {
        let bodies = places.iter().filter_map(|at| self.incoming.get(*at));
        bodies.collect()
    }

    /// The place of the body with this id.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// How a row of the call is named: `body 3` to who will find none of them.
    pub fn told(&self, id: &str) -> Option<String> {
        let at = self.place(id)?;
        Some(match self.on_error {
            OnError::Abort => format!("{} {}", self.part.word(), self.number(at)),
            OnError::Report => id.to_owned(),
        })
    }

    /// Refuses the call for a body.
    pub fn refuse(&self, at: usize, refused: Refused) -> Error {
        refused.at(self.guarded, self.part, self.number(at))
    }

    /// What a body counts as.
    pub fn number(&self, at: usize) -> usize {
        self.incoming.get(at).map_or(0, |one| one.place)
    }
}

/// What has become of the bodies, in their order.
pub struct Landings(pub Vec<Option<Landed>>);

impl Landings {
    /// What has become of a body; the call ends with one that is refused, unless it reports them.
    pub fn set(&mut self, job: &Job<'_, '_>, at: usize, landed: Landed) -> Result<()> {
        match landed {
            Landed::Refused(refused) if job.on_error == OnError::Abort => {
                Err(job.refuse(at, refused))
            }
            landed => {
                super::set(&mut self.0, at, landed);
                Ok(())
            }
        }
    }

    /// Whether nothing has become of a body yet.
    pub fn misses(&self, at: usize) -> bool {
        matches!(self.0.get(at), Some(None))
    }
}
