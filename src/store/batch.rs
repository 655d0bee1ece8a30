//! Many rows at once: statements over arrays of keys and contents.

use super::history::{self, Last};
use super::row::{Content, RowKey, Stored};
use super::table::{Action, Form, Table};
use crate::pg::{Arg, Reading, Result, Rows, Session};
use std::collections::HashMap;

/// Keys for a statement over arrays.
#[derive(Debug, Default)]
pub struct Keys<'a>([Vec<&'a str>; 2]);

impl<'a> FromIterator<RowKey<'a>> for Keys<'a> {
    fn from_iter<T: IntoIterator<Item = RowKey<'a>>>(keys: T) -> Self {
        let mut all = Self::default();
        keys.into_iter().for_each(|key| all.push(key));
        all
    }
}

impl<'a> Keys<'a> {
    fn push(&mut self, key: RowKey<'a>) {
        for (column, part) in self.0.iter_mut().zip(key.parts()) {
            column.push(part);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0[0].len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One array for each column of the table's key, and then what comes after the key.
    pub(super) fn with<'s>(&'s self, table: &Table, rest: &[Arg<'s>]) -> Vec<Arg<'s>> {
        let keys = self.0.iter().take(table.columns.key.len());
        let keys = keys.map(|column| Arg::Texts(column));
        keys.chain(rest.iter().copied()).collect()
    }
}

/// Rows for a statement over arrays.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    keys: Keys<'a>,
    data: Vec<Option<&'a [u8]>>,
    contained: Vec<Option<&'a [u8]>>,
}

impl<'a> Batch<'a> {
    /// Adds a row.
    pub fn push(&mut self, key: RowKey<'a>, content: Content<'a>) {
        self.keys.push(key);
        self.data.push(content.data);
        self.contained.push(content.contained);
    }

    /// Whether there is no row in it.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn args<'s>(&'s self, table: &Table) -> Vec<Arg<'s>> {
        let (data, contained) = (Arg::Jsonbs(&self.data), Arg::Jsonbs(&self.contained));
        match table.form() {
            Form::Native => self.keys.with(table, &[data, contained]),
            Form::Fhir | Form::Link => self.keys.with(table, &[data]),
        }
    }
}

/// Where the statements that write many return the version, which the instant follows, and the id.
const LAST: i32 = 1;
const ID: i32 = 3;

/// What rows became, by id: they come back in the order in which they were given, but for those that
/// do not, and so each is found without a search.
#[derive(Default)]
pub struct Made<'s> {
    rows: Option<Rows<'s>>,
    /// The place of the row that is asked for next.
    next: usize,
    /// Where that order does not hold.
    rest: HashMap<&'s str, Last>,
}

impl<'s> Made<'s> {
    /// What the row of an id became; each is asked for once, in the order of the batch.
    pub fn take(&mut self, id: &str) -> Result<Option<Last>> {
        if let Some((next, last)) = self.row()?
            && next == id
        {
            self.next += 1;
            return Ok(Some(last));
        }
        while let Some((id, last)) = self.row()? {
            self.next += 1;
            self.rest.insert(id, last);
        }
        Ok(self.rest.remove(id))
    }

    /// The id of the next row, and what it became.
    fn row(&self) -> Result<Option<(&'s str, Last)>> {
        let row = self.rows.and_then(|rows| rows.get(self.next));
        row.map(|row| Ok((row.text(ID)?.unwrap_or_default(), Last::at(&row, LAST))))
            .transpose()
    }
}

/// Creates rows under keys that nobody has; a clash is PostgreSQL's 23505.
pub fn insert_new<'s>(session: &'s Session, table: &Table, batch: &Batch<'_>) -> Result<Made<'s>> {
    made(session, table, Action::InsertNew, batch)
}

/// Creates rows; gives what those became whose key and identities were free.
pub fn insert_many<'s>(session: &'s Session, table: &Table, batch: &Batch<'_>) -> Result<Made<'s>> {
    made(session, table, Action::InsertMany, batch)
}

fn made<'s>(
    session: &'s Session,
    table: &Table,
    action: Action,
    batch: &Batch<'_>,
) -> Result<Made<'s>> {
    Ok(Made {
        rows: write_many(session, table, action, batch)?,
        ..Made::default()
    })
}

/// As [`insert_many`], and locks those whose key is there; a taken identity is PostgreSQL's 23505.
pub fn insert_many_locking(
    session: &Session,
    table: &Table,
    batch: &Batch<'_>,
) -> Result<HashMap<String, Last>> {
    by_id(write_many(
        session,
        table,
        Action::InsertManyLocking,
        batch,
    )?)
}

/// Replaces the content of rows that the caller has locked; gives what they became, by id.
pub fn update_many(
    session: &Session,
    table: &Table,
    batch: &Batch<'_>,
) -> Result<HashMap<String, Last>> {
    by_id(write_many(session, table, Action::UpdateMany, batch)?)
}

fn by_id(rows: Option<Rows<'_>>) -> Result<HashMap<String, Last>> {
    let rows = rows.iter().flat_map(Rows::iter);
    rows.map(|row| Ok((row.string(ID)?, Last::at(&row, LAST))))
        .collect()
}

/// The rows of a statement that writes a batch; none of one without rows, which is not run.
fn write_many<'s>(
    session: &'s Session,
    table: &Table,
    action: Action,
    batch: &Batch<'_>,
) -> Result<Option<Rows<'s>>> {
    if batch.is_empty() {
        return Ok(None);
    }
    let args = batch.args(table);
    session
        .run(table.statement(action), &args, Reading::Fresh, 0)
        .map(Some)
}

/// Reads rows and holds them for a write, in the order of their keys, so that two who hold many
/// cannot wait for each other.
pub fn lock_many(session: &Session, table: &Table, keys: &Keys<'_>) -> Result<Vec<Stored>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (lock, args) = (table.statement(Action::LockMany), keys.with(table, &[]));
    let rows = session.run(lock, &args, Reading::Fresh, 0)?;
    rows.iter().map(|row| Stored::of(table, &row)).collect()
}

/// How strongly a row is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// It stays, as a foreign key would have it.
    Target,
    /// It is going to be written.
    Write,
    /// It is going to be deleted.
    Delete,
}

/// Holds those rows that are there and that the caller may write, in the order of their keys; gives
/// their ids. Who may not write the table is refused where he writes.
pub fn hold(session: &Session, table: &Table, keys: &Keys<'_>, hold: Hold) -> Result<Vec<String>> {
    let action = match hold {
        Hold::Target => Action::HoldTargets,
        Hold::Write => Action::HoldWrites,
        Hold::Delete => Action::HoldDeletes,
    };
    ids(session, table, action, keys)
}

/// Whether one of these rows is there, as far as the caller may hold them.
pub fn has_any(session: &Session, table: &Table, keys: &Keys<'_>) -> Result<bool> {
    Ok(!ids(session, table, Action::HasAny, keys)?.is_empty())
}

fn ids(session: &Session, table: &Table, action: Action, keys: &Keys<'_>) -> Result<Vec<String>> {
    if !history::rights(session, table, Reading::Fresh)?.hold {
        return Ok(Vec::new());
    }
    let args = keys.with(table, &[]);
    let rows = session.run(table.statement(action), &args, Reading::Fresh, 0)?;
    rows.iter().map(|row| row.string(1)).collect()
}
