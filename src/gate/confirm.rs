//! Confirming that a row with a caller's own id was given the next version.
//!
//! Between the guard's look at history and the insert itself, another transaction may create and
//! delete the same id: the version given is then one that history already has. No lock can close
//! that gap without one lock for each row of a load, so it is looked at once more, when the row is
//! in the table. Of a key that nobody had ever stored it is enough to ask history's index whether
//! that is still so; that is done for many rows at once, while the statement still goes on. All
//! others are asked for by statements, at the end.

use crate::pg::{
    Arg, Event, Instant, Oid, Parts, Reading, Result, Session, Use, is_own_transaction,
    running_statement, statement_start,
};
use crate::store::acting::{self, What, as_owner};
use crate::store::history::{Before, RowKey, through_seal};
use crate::store::table::Table;
use ingest_engine::Kind;
use std::cell::RefCell;
use std::collections::HashMap;

/// A row that the guard let pass, with the version it was given.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// Where the parts of its key end in the text of all keys; they begin where the last one ended.
    ends: [usize; 2],
    version: i32,
    /// What inserts it.
    statement: usize,
    asked: u8,
}

/// Rows and their keys, in little room: there may be millions.
#[derive(Debug, Default)]
struct Rows {
    keys: String,
    rows: Vec<Row>,
}

impl Rows {
    fn push(&mut self, key: Parts<'_>, row: Row) {
        let ends = key.map(|part| {
            self.keys.push_str(part);
            self.keys.len()
        });
        self.rows.push(Row { ends, ..row });
    }

    fn iter(&self) -> impl Iterator<Item = (Parts<'_>, Row)> {
        let mut begin = 0;
        self.rows.iter().map(move |row| {
            let [middle, end] = row.ends;
            let key = [&self.keys[begin..middle], &self.keys[middle..end]];
            begin = end;
            (key, *row)
        })
    }
}

/// What one table is still to be asked for.
#[derive(Debug, Default)]
struct Pending {
    /// Rows whose keys nobody had ever stored.
    new: Rows,
    /// All others.
    others: Rows,
}

struct Passed {
    statement: Instant,
    tables: HashMap<Oid, Pending>,
}

thread_local! {
    static PASSED: RefCell<Option<Passed>> = const { RefCell::new(None) };
}

/// How often a row that is not in the table is asked for: it may wait for a statement around this
/// one, but more likely it was turned away by ON CONFLICT, or rolled back, and will never come.
const MOST: u8 = 3;

/// How many rows are asked for at once.
const CHUNK: usize = 1000;

/// Remembers a row with a caller's own id, until it is confirmed; `before` is what the guard found.
pub fn remember(
    table: &Table,
    relation: Oid,
    key: RowKey<'_>,
    version: i32,
    before: Before,
) -> Result<()> {
    if matches!(before, Before::Living { .. }) {
        return Ok(());
    }
    let row = Row {
        ends: [0; 2],
        version,
        statement: running_statement(),
        asked: 0,
    };
    with(relation, |pending| {
        if !matches!(before, Before::Never) {
            pending.others.push(key.parts(), row);
            return Ok(());
        }
        if pending.new.rows.len() >= CHUNK {
            look(table, pending)?;
        }
        pending.new.push(key.parts(), row);
        Ok(())
    })
}

fn with<T>(relation: Oid, body: impl FnOnce(&mut Pending) -> T) -> T {
    PASSED.with_borrow_mut(|passed| {
        let now = statement_start();
        // What an earlier statement of the client left behind was rolled back.
        let passed = match passed {
            Some(passed) if passed.statement == now => passed,
            stale => stale.insert(Passed {
                statement: now,
                tables: HashMap::new(),
            }),
        };
        body(passed.tables.entry(relation).or_default())
    })
}

/// Looks into history for the new rows. Those of the running statement are in the table by now, or
/// never will be: what history does not have yet, it cannot get from another transaction any more.
/// Those of a statement around it may be on their way.
fn look(table: &Table, pending: &mut Pending) -> Result<()> {
    let new = std::mem::take(&mut pending.new);
    let keys: Vec<Parts<'_>> = new.iter().map(|(key, _)| key).collect();
    let archived = table.archived_keys.may_have_each(&keys)?;
    let running = running_statement();
    for ((key, row), archived) in new.iter().zip(archived) {
        if archived || row.statement != running {
            pending.others.push(key, row);
        }
    }
    Ok(())
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
    let asked = with(relation, |pending| {
        if !pending.new.rows.is_empty() {
            look(table, pending)?;
        }
        Result::Ok(std::mem::take(&mut pending.others))
    })?;
    let mut confirmed = Confirmed::Fine;
    let mut rest = asked.iter();
    loop {
        let rows: Vec<_> = rest.by_ref().take(CHUNK).collect();
        if rows.is_empty() {
            return Ok(confirmed);
        }
        let (found, seen) = ask(table, relation, &rows)?;
        if confirmed != Confirmed::Foreign && found != Confirmed::Fine {
            confirmed = found;
        }
        with(relation, |pending| {
            for ((key, row), seen) in rows.into_iter().zip(seen) {
                let asked = row.asked + 1;
                if asked < MOST && !seen {
                    pending.others.push(key, Row { asked, ..row });
                }
            }
        });
    }
}

/// What the statements say of these rows, and which of them are in the table.
fn ask(table: &Table, relation: Oid, rows: &[(Parts<'_>, Row)]) -> Result<(Confirmed, Vec<bool>)> {
    let firsts: Vec<&str> = rows.iter().map(|([first, _], _)| *first).collect();
    let seconds: Vec<&str> = rows.iter().map(|([_, second], _)| *second).collect();
    let versions: Vec<String> = rows
        .iter()
        .map(|(_, row)| row.version.to_string())
        .collect();
    let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    let (firsts, seconds, versions) = (
        Arg::Texts(&firsts),
        Arg::Texts(&seconds),
        Arg::Texts(&versions),
    );
    let args: &[Arg<'_>] = match table.kind() {
        Kind::Relationship => &[firsts, seconds, versions],
        _ => &[firsts, versions],
    };
    let mut seen = vec![false; rows.len()];
    let revived = rows.iter().any(|(_, row)| row.version > 1);
    let history = What::History {
        table,
        fired: Some(relation),
        usage: if revived { Use::Write } else { Use::Read },
    };
    let confirmed = as_owner(history, || {
        Session::open(|session| {
            session.step()?;
            let mut confirmed = Confirmed::Fine;
            for row in session
                .run(&table.clashing, args, Reading::Latest, 0)?
                .iter()
            {
                let place = usize::try_from(row.int8(1)).unwrap_or(0);
                if let Some(seen) = seen.get_mut(place.wrapping_sub(1)) {
                    *seen = true;
                }
                match (row.bool(2), is_own_transaction(row.xid(3))) {
                    (false, _) => {}
                    (true, false) => confirmed = Confirmed::Foreign,
                    (true, true) if confirmed == Confirmed::Fine => confirmed = Confirmed::Own,
                    (true, true) => {}
                }
            }
            if revived && confirmed == Confirmed::Fine {
                through_seal((acting::found(table)?.history, Event::Update), || {
                    session.run(&table.revive, args, Reading::LatestWriting, 0)
                })?;
            }
            Ok(confirmed)
        })
    })?;
    Ok((confirmed, seen))
}
