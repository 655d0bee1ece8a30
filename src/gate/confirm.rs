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
use crate::store::acting::on_history;
use crate::store::history::{Before, through_seal};
use crate::store::row::RowKey;
use crate::store::table::{Action, Form, Table};
use std::cell::RefCell;
use std::collections::HashMap;

/// A row that the guard let pass, with the version it was given.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// Where the parts of its key end in the text of all keys; they begin where the last one ended.
    ends: [usize; 2],
    version: i32,
}

/// Rows and their keys, in little room: there may be millions.
#[derive(Debug, Default)]
struct Rows {
    keys: String,
    rows: Vec<Row>,
}

impl Rows {
    fn push(&mut self, key: Parts<'_>, version: i32) {
        let ends = key.map(|part| {
            self.keys.push_str(part);
            self.keys.len()
        });
        self.rows.push(Row { ends, version });
    }

    fn iter(&self) -> impl Iterator<Item = (Parts<'_>, i32)> {
        let mut begin = 0;
        self.rows.iter().map(move |row| {
            let [middle, end] = row.ends;
            let key = [&self.keys[begin..middle], &self.keys[middle..end]];
            begin = end;
            (key, row.version)
        })
    }
}

/// What one table is still to be asked for, of one statement.
#[derive(Debug, Default)]
struct Pending {
    /// Rows whose keys nobody had ever stored.
    new: Rows,
    /// All others.
    others: Rows,
}

struct Passed {
    since: Instant,
    /// By the table and the statement that inserts. A statement around the one that has come to its
    /// end waits for its own: what is found out within a subtransaction can be undone with it.
    pending: HashMap<(Oid, usize), Pending>,
}

thread_local! {
    static PASSED: RefCell<Option<Passed>> = const { RefCell::new(None) };
}

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
    with(relation, |pending, place| {
        let pending = pending.entry(place).or_default();
        if !matches!(before, Before::Never) {
            pending.others.push(key.parts(), version);
            return Ok(());
        }
        if pending.new.rows.len() >= CHUNK {
            look(table, pending)?;
        }
        pending.new.push(key.parts(), version);
        Ok(())
    })
}

/// What is pending, and the place in it of this table and the statement that runs.
fn with<T>(
    relation: Oid,
    body: impl FnOnce(&mut HashMap<(Oid, usize), Pending>, (Oid, usize)) -> T,
) -> T {
    PASSED.with_borrow_mut(|passed| {
        let now = statement_start();
        // What an earlier statement of the client left behind was rolled back.
        let passed = match passed {
            Some(passed) if passed.since == now => passed,
            stale => stale.insert(Passed {
                since: now,
                pending: HashMap::new(),
            }),
        };
        body(&mut passed.pending, (relation, running_statement()))
    })
}

/// Looks into history for the new rows. They are in the table by now, or never will be: what history
/// does not have yet, it cannot get from another transaction any more.
fn look(table: &Table, pending: &mut Pending) -> Result<()> {
    let new = std::mem::take(&mut pending.new);
    let keys: Vec<Parts<'_>> = new.iter().map(|(key, _)| key).collect();
    let archived = table.archived_keys.may_have_each(&keys)?;
    for ((key, version), archived) in new.iter().zip(archived) {
        if archived {
            pending.others.push(key, version);
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

/// Looks at the rows of this statement in this table once more, and ends the tombstones of those
/// that are back. What is not in the table was turned away: by ON CONFLICT, say.
pub fn confirm(table: &Table, relation: Oid) -> Result<Confirmed> {
    let Some(mut pending) = with(relation, |pending, place| pending.remove(&place)) else {
        return Ok(Confirmed::Fine);
    };
    if !pending.new.rows.is_empty() {
        look(table, &mut pending)?;
    }
    let mut confirmed = Confirmed::Fine;
    let mut rest = pending.others.iter();
    loop {
        let rows: Vec<_> = rest.by_ref().take(CHUNK).collect();
        if rows.is_empty() {
            return Ok(confirmed);
        }
        let found = ask(table, relation, &rows)?;
        if confirmed != Confirmed::Foreign && found != Confirmed::Fine {
            confirmed = found;
        }
    }
}

/// What the statements say of these rows.
fn ask(table: &Table, relation: Oid, rows: &[(Parts<'_>, i32)]) -> Result<Confirmed> {
    let firsts: Vec<&str> = rows.iter().map(|([first, _], _)| *first).collect();
    let seconds: Vec<&str> = rows.iter().map(|([_, second], _)| *second).collect();
    let versions: Vec<String> = rows
        .iter()
        .map(|(_, version)| version.to_string())
        .collect();
    let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    let (firsts, seconds, versions) = (
        Arg::Texts(&firsts),
        Arg::Texts(&seconds),
        Arg::Texts(&versions),
    );
    let args: &[Arg<'_>] = match table.form() {
        Form::Link => &[firsts, seconds, versions],
        _ => &[firsts, versions],
    };
    let revived = rows.iter().any(|(_, version)| *version > 1);
    let usage = if revived { Use::Write } else { Use::Read };
    on_history(table, Some(relation), usage, |found| {
        Session::open(|session| {
            session.step()?;
            let mut confirmed = Confirmed::Fine;
            for row in session
                .run(table.statement(Action::Clashing), args, Reading::Latest, 0)?
                .iter()
            {
                match is_own_transaction(row.xid(1)) {
                    false => confirmed = Confirmed::Foreign,
                    true if confirmed == Confirmed::Fine => confirmed = Confirmed::Own,
                    true => {}
                }
            }
            if revived && confirmed == Confirmed::Fine {
                through_seal((found.history, Event::Update), || {
                    let revive = table.statement(Action::Revive);
                    session.run(revive, args, Reading::LatestWriting, 0)
                })?;
            }
            Ok(confirmed)
        })
    })
}
