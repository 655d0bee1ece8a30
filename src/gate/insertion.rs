//! The statements that insert, told apart: one can run within another, or after one that failed.

use crate::pg::{Instant, Oid, Subtransaction, running_command, statement_start, subtransaction};

/// A statement that inserts into a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insertion {
    table: Oid,
    command: (usize, u32),
    /// One that fails takes its subtransaction along: no later one has the same.
    within: Subtransaction,
    since: Instant,
}

impl Insertion {
    /// The one that runs, if the statement that runs inserts into this table.
    pub fn running(table: Oid) -> Self {
        Self {
            table,
            command: running_command(),
            within: subtransaction(),
            since: statement_start(),
        }
    }

    /// Whether the client's statement that it is a part of is the one that runs.
    pub fn is_recent(&self) -> bool {
        self.since == statement_start()
    }
}
