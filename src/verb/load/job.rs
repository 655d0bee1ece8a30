//! What a load is to do, and what of it is done.

use super::{Incoming, Landed, Mode, OnError, Refused};
use crate::pg::{Error, Result};
use crate::store::Guarded;
use crate::verb::part::Part;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

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
    /// The places of those that are written now, by their ids: not of those whose ids were made.
    places: HashMap<&'j str, usize>,
    /// The places of the others, once one of them is asked for: no two can have the same id.
    made: OnceCell<HashMap<&'j str, usize>>,
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
            made: OnceCell::new(),
        }
    }

    /// Takes the first body of each id; gives the others, each with the place of the first.
    pub fn take(&mut self, todo: Vec<usize>) -> (Vec<usize>, Vec<(usize, usize)>) {
        let is_given = |at: &&usize| self.incoming.get(**at).is_some_and(|one| !one.is_new());
        self.places = HashMap::with_capacity(todo.iter().filter(is_given).count());
        let (mut first, mut twins) = (Vec::with_capacity(todo.len()), Vec::new());
        for at in todo {
            let Some(one) = self.incoming.get(at) else {
                continue;
            };
            if one.is_new() {
                first.push(at);
                continue;
            }
            match self.places.entry(one.id.as_ref()) {
                Entry::Occupied(twin) => twins.push((at, *twin.get())),
                Entry::Vacant(free) => {
                    free.insert(at);
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
        if let Some(place) = self.places.get(id) {
            return Some(*place);
        }
        let made = self.made.get_or_init(|| {
            let all = self.incoming.iter().enumerate();
            let made = all.filter(|(_, one)| one.is_new());
            made.map(|(at, one)| (one.id.as_ref(), at)).collect()
        });
        made.get(id).copied()
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
