//! Identities that one body of a load gives up and another takes. PostgreSQL looks at each row when it
//! is written, so who takes one waits until its holder has landed.

use std::collections::HashMap;

/// Bodies that wait, by the place of the one that each waits for.
#[derive(Default)]
pub struct Hands(HashMap<usize, Vec<usize>>);

impl Hands {
    /// Has a body wait for another.
    pub fn wait(&mut self, at: usize, holder: usize) {
        self.0.entry(holder).or_default().push(at);
    }

    /// Those that have waited for these, the last first.
    pub fn freed_by(&mut self, landed: &[usize]) -> Vec<usize> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let freed = landed.iter().filter_map(|at| self.0.remove(at)).flatten();
        freed.collect()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that still wait, in their order.
    pub fn rest(&mut self) -> Vec<usize> {
        let mut rest: Vec<usize> = self.0.drain().flat_map(|(_, waits)| waits).collect();
        rest.sort_unstable();
        rest
    }
}
