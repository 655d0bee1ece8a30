//! Confirming that a row with a caller's own id was given the next version.
//!
//! Between the guard's look at history and the insert itself, another transaction may create and
//! delete the same id: the version given is then one that history already has. No lock can close
//! that gap without one lock for each row of a load, so it is looked at once more, at the end of
//! the statement and for all its rows together.

use super::acting::{self, What, as_owner};
use super::history::through_seal;
use super::table::Table;
use crate::pg::{
    Arg, Event, Instant, Oid, Reading, Result, Session, Use, is_own_transaction, statement_start,
};
use std::cell::RefCell;
use std::collections::HashSet;

/// A row that the guard let pass, with the version it was given.
struct Pending {
    table: Oid,
    key: String,
    version: i32,
    asked: u8,
}

/// How often a row that is not in the table is asked for: it may wait for a statement around this
/// one, but more likely it was turned away by ON CONFLICT, or rolled back, and will never come.
const MOST: u8 = 3;

struct Passed {
    statement: Instant,
    rows: Vec<Pending>,
}

thread_local! {
    static PASSED: RefCell<Passed> =
        const { RefCell::new(Passed { statement: 0, rows: Vec::new() }) };
}

/// Remembers a row with a caller's own id until the end of the statement. `key` is the row's id.
pub fn remember(table: Oid, key: String, version: i32) {
    PASSED.with_borrow_mut(|passed| {
        // What an earlier statement of the client left behind was rolled back.
        if passed.statement != statement_start() {
            passed.rows.clear();
            passed.statement = statement_start();
        }
        passed.rows.push(Pending {
            table,
            key,
            version,
            asked: 0,
        });
    });
}

/// What was found of the rows of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// Every row has the version that comes after its history.
    Fine,
    /// Another transaction has created and deleted the same id meanwhile.
    Foreign,
    /// The statement itself has deleted the id and created it again.
    Own,
}

/// Looks at the rows of this table once more, and ends the tombstones of those that are back. Rows
/// that are not in the table yet, because a statement around this one is still inserting them,
/// wait for its end.
pub fn confirm(table: &Table, relation: Oid) -> Result<Confirmed> {
    let pending: Vec<Pending> = PASSED.with_borrow_mut(|passed| {
        let (mine, others) = std::mem::take(&mut passed.rows)
            .into_iter()
            .partition(|row| row.table == relation);
        passed.rows = others;
        mine
    });
    if pending.is_empty() {
        return Ok(Confirmed::Fine);
    }
    let keys: Vec<&str> = pending.iter().map(|row| row.key.as_str()).collect();
    let versions: Vec<String> = pending.iter().map(|row| row.version.to_string()).collect();
    let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    let revived = pending.iter().any(|row| row.version > 1);
    let history = What::History {
        table,
        fired: Some(relation),
        usage: if revived { Use::Write } else { Use::Read },
    };
    let (confirmed, seen) = as_owner(history, || {
        Session::open(|session| {
            let args = [Arg::Texts(&keys), Arg::Texts(&versions)];
            let rows = session.run(&table.clashing, &args, Reading::Latest, 0)?;
            let mut confirmed = Confirmed::Fine;
            let mut seen = HashSet::new();
            for row in rows.iter() {
                seen.insert(row.string(1)?);
                match (row.bool(2), is_own_transaction(row.xid(3))) {
                    (false, _) => {}
                    (true, false) => confirmed = Confirmed::Foreign,
                    (true, true) if confirmed == Confirmed::Fine => confirmed = Confirmed::Own,
                    (true, true) => {}
                }
            }
            if revived && confirmed == Confirmed::Fine {
                through_seal((acting::found(table)?.history, Event::Update), || {
                    session.run(&table.revive, &args, Reading::LatestWriting, 0)
                })?;
            }
            Ok((confirmed, seen))
        })
    })?;
    let waiting = pending.into_iter().filter_map(|mut row| {
        row.asked += 1;
        (row.asked < MOST && !seen.contains(&row.key)).then_some(row)
    });
    PASSED.with_borrow_mut(|passed| passed.rows.extend(waiting));
    Ok(confirmed)
}
