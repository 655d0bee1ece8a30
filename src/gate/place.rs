//! The places of rows in the statements that insert them: what tells one from the others for who
//! leaves its id to be made.

use super::insertion::Insertion;
use crate::pg::Oid;
use std::cell::RefCell;

thread_local! {
    /// Those that run, one within the other, and some that have ended: the last one is the innermost.
    static COUNTS: RefCell<Vec<(Insertion, u32)>> = const { RefCell::new(Vec::new()) };
}

/// How many statements are kept apart: those that nest deeper begin to count anew.
const MOST: usize = 8;

/// Counts a row of the statement that runs, and says which it is, from 1.
pub fn next(table: Oid) -> u32 {
    let insertion = Insertion::running(table);
    COUNTS.with_borrow_mut(|counts| {
        match counts.iter().rposition(|(at, _)| *at == insertion) {
            // What is further in has ended.
            Some(known) => counts.truncate(known + 1),
            None => {
                if counts.len() >= MOST {
                    counts.remove(0);
                }
                counts.push((insertion, 0));
            }
        }
        counts.last_mut().map_or(1, |(_, count)| {
            *count = count.saturating_add(1);
            *count
        })
    })
}

/// Whether the statement that runs has inserted into this table, or tried to.
pub fn is_counting(table: Oid) -> bool {
    let insertion = Insertion::running(table);
    COUNTS.with_borrow(|counts| counts.iter().any(|(at, _)| *at == insertion))
}
