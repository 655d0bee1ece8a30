//! Steps: how many an evaluation may take, so that no expression and no resource takes long.

use crate::refusal::Stop;
use jsonb::steps;
use std::cell::Cell;

/// What is left of the steps of one or more evaluations. An item that is looked at is a step, and
/// so are a few bytes of a text that is compared or made.
///
/// Each step is one of [`jsonb::steps`] too, whose owner can end the work at any time.
#[derive(Debug)]
pub struct Budget {
    left: Cell<usize>,
}

impl Budget {
    /// So many steps.
    pub fn new(steps: usize) -> Self {
        Self {
            left: Cell::new(steps),
        }
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.left.get()
    }

    #[inline]
    pub(crate) fn take(&self, count: usize) -> Result<(), Stop> {
        let left = self.left.get().checked_sub(count);
        self.left.set(left.unwrap_or(0));
        left.ok_or(Stop::Budget)?;
        steps::take(count)?;
        Ok(())
    }

    /// Takes the steps of so many bytes.
    #[inline]
    pub(crate) fn take_bytes(&self, count: usize) -> Result<(), Stop> {
        self.take(1 + count / 8)
    }
}
