//! References to what may come later in the statement that writes them: it is asked for at the end of
//! the statement, as a foreign key asks.

use super::insertion::Insertion;
use super::place;
use crate::pg::{Error, Oid, Result, State};
use crate::store::reference::{Owed, demand, hold_what_is_there};
use std::cell::RefCell;

/// What the rows of one statement refer to, and is missing.
struct Pending {
    statement: Insertion,
    owed: Vec<Owed>,
    count: usize,
    /// How many are looked for before the end: much of it may be there by then.
    enough: usize,
}

thread_local! {
    static PENDING: RefCell<Vec<Pending>> = const { RefCell::new(Vec::new()) };
}

/// How many targets are at first looked for together.
const CHUNK: usize = 10_000;

/// How many targets of one statement can be missing at once.
const MOST: usize = 100_000;

/// Remembers what a row that is inserted refers to, or refuses it, if the statement inserts nothing
/// whose end would be noticed.
pub fn wait(table: Oid, owed: Option<Owed>) -> Result<()> {
    let Some(owed) = owed else {
        return Ok(());
    };
    if !place::is_counting(table) {
        return demand(vec![owed]);
    }
    let statement = Insertion::running(table);
    let mut pending = take(statement).unwrap_or(Pending {
        statement,
        owed: Vec::new(),
        count: 0,
        enough: CHUNK,
    });
    pending.count += owed.count();
    pending.owed.push(owed);
    if pending.count > pending.enough {
        hold_what_is_there(&mut pending.owed)?;
        pending.count = pending.owed.iter().map(Owed::count).sum();
        pending.enough = CHUNK.max(2 * pending.count);
    }
    if pending.count > MOST {
        return Err(Error::refuse(
            State::TooLarge,
            format!("more than {MOST} references of one statement lead to what is not there"),
        )
        .hint("Write first what they refer to."));
    }
    PENDING.with_borrow_mut(|all| {
        // What an earlier statement of the client left behind was rolled back.
        all.retain(|pending| pending.statement.is_recent());
        all.push(pending);
    });
    Ok(())
}

/// Refuses the first row of the statement, which has come to its end, whose targets are missing.
pub fn settle(table: Oid) -> Result<()> {
    let Some(pending) = take(Insertion::running(table)) else {
        return Ok(());
    };
    demand(pending.owed)
}

fn take(statement: Insertion) -> Option<Pending> {
    PENDING.with_borrow_mut(|all| {
        let place = all.iter().position(|at| at.statement == statement)?;
        Some(all.swap_remove(place))
    })
}
