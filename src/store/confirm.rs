//! Confirming that a row with a caller's own id was given the next version.
//!
//! Between the guard's look at history and the insert itself, another transaction may create and
//! delete the same id: the version given is then one that history already has. No lock can close
//! that gap without one lock for each row of a load, so it is looked at once more, at the end of
//! the statement and for all its rows together.

use super::table::Table;
use crate::pg::{Arg, Instant, Oid, Reading, Result, Session, as_owner, statement_start};
use std::cell::RefCell;

/// A row that the guard let pass, with the version it was given.
struct Pending {
    table: Oid,
    key: String,
    version: i32,
}

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
        });
    });
}

/// Whether a row of this table was given a version that history has. Rows that are not in the
/// table yet, because a statement around this one is still inserting them, wait for its end.
pub fn clashes(table: &Table, relation: Oid, owner: Oid) -> Result<bool> {
    let pending = PASSED.with_borrow_mut(|passed| {
        let (mine, others) = std::mem::take(&mut passed.rows)
            .into_iter()
            .partition(|row| row.table == relation);
        passed.rows = others;
        mine
    });
    let pending: Vec<Pending> = pending;
    if pending.is_empty() {
        return Ok(false);
    }
    let keys: Vec<&str> = pending.iter().map(|row| row.key.as_str()).collect();
    let versions: Vec<String> = pending.iter().map(|row| row.version.to_string()).collect();
    let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    let (clashes, waiting) = as_owner(owner, || {
        Session::open(|session| {
            let args = [Arg::Texts(&keys), Arg::Texts(&versions)];
            let rows = session.run(&table.clashing, &args, Reading::Latest, 0)?;
            let mut clashes = false;
            let mut seen = std::collections::HashSet::new();
            for row in rows.iter() {
                seen.insert(row.string(1)?);
                clashes |= row.bool(2);
            }
            Ok((clashes, seen))
        })
    })?;
    let waiting: Vec<Pending> = pending
        .into_iter()
        .filter(|row| !waiting.contains(&row.key))
        .collect();
    PASSED.with_borrow_mut(|passed| passed.rows.extend(waiting));
    Ok(clashes)
}
