//! The rows of guarded tables, resources and links alike, as the verbs read and write them: with
//! the caller's rights.

use super::table::{Action, Form, Table};
use super::{history, kept};
use crate::pg::{Arg, Instant, Parts, Reading, Result, Row, Session, Statement, kind};
use ingest_engine::Resource;
use jsonb::Value;
use std::ops::Deref;

/// What names one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKey<'a> {
    /// A resource.
    Id(&'a str),
    /// A link: its two ends.
    Ends(&'a str, &'a str),
}

impl<'a> RowKey<'a> {
    /// The values of the key's columns.
    pub fn parts(self) -> Parts<'a> {
        match self {
            RowKey::Id(id) => [id, ""],
            RowKey::Ends(from, to) => [from, to],
        }
    }

    /// The arguments of a statement by key.
    pub fn args(self) -> Args<'a> {
        self.with(&[])
    }

    /// The same, and what comes after the key.
    pub(super) fn with(self, rest: &[Arg<'a>]) -> Args<'a> {
        let [first, second] = self.parts().map(Arg::Text);
        let mut all = [first, second, Arg::Null, Arg::Null];
        let width = match self {
            RowKey::Id(_) => 1,
            RowKey::Ends(..) => 2,
        };
        all[width..][..rest.len()].copy_from_slice(rest);
        Args(all, width + rest.len())
    }
}

/// A key's arguments, and at most two more.
pub struct Args<'a>([Arg<'a>; 4], usize);

impl<'a> Deref for Args<'a> {
    type Target = [Arg<'a>];

    fn deref(&self) -> &Self::Target {
        &self.0[..self.1]
    }
}

/// One row of a guarded table or of its history.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The id; of a link `<from-type>.<from-id>,<to-type>.<to-id>`.
    pub id: String,
    /// The ids at the two ends of a link.
    pub ends: Option<[String; 2]>,
    /// The version.
    pub version: i32,
    /// When its first version was made.
    pub created_at: Instant,
    /// When this version was made.
    pub updated_at: Instant,
    /// The version of the definition it conforms to.
    pub profile_version: i32,
    /// Who made this version: the role of the statement.
    pub updated_by: String,
    /// The role that had logged in, where it is another.
    pub updated_by_login: Option<String>,
    /// What the client claimed when it made this version, a root container.
    pub context: Option<Vec<u8>>,
    /// The data, a root container; none in a tombstone.
    pub data: Option<Vec<u8>>,
    /// The contained resources, a root container.
    pub contained: Option<Vec<u8>>,
}

impl Stored {
    pub(super) fn of(table: &Table, row: &Row<'_>) -> Result<Self> {
        row.expect(table.columns.types)?;
        row.take_apart();
        let (ends, contained) = match table.form() {
            Form::Native => (None, row.jsonb_copy(10)?),
            Form::Fhir => (None, None),
            Form::Link => (Some([row.string(10)?, row.string(11)?]), None),
        };
        Ok(Self {
            id: row.string(1)?,
            ends,
            version: row.int4(2),
            created_at: row.instant(3).unwrap_or_default(),
            updated_at: row.instant(4).unwrap_or_default(),
            profile_version: row.int4(5),
            updated_by: row.string(6)?,
            updated_by_login: row.text(7)?.map(str::to_owned),
            context: row.jsonb_copy(8)?,
            data: row.jsonb_copy(9)?,
            contained,
        })
    }

    fn first(table: &Table, row: Option<Row<'_>>) -> Result<Option<Self>> {
        row.map(|row| Self::of(table, &row)).transpose()
    }

    /// Whether it says that the row was deleted.
    pub fn is_tombstone(&self) -> bool {
        self.data.is_none()
    }

    /// What names it.
    pub fn key(&self) -> RowKey<'_> {
        match &self.ends {
            Some([from, to]) => RowKey::Ends(from, to),
            None => RowKey::Id(&self.id),
        }
    }

    /// What it holds.
    pub fn content(&self) -> Content<'_> {
        Content {
            data: self.data.as_deref(),
            contained: self.contained.as_deref(),
        }
    }
}

/// What a write stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content<'a> {
    /// A root container.
    pub data: Option<&'a [u8]>,
    /// A root container.
    pub contained: Option<&'a [u8]>,
}

impl<'a> Content<'a> {
    /// As the engine takes it; `id` is that of the resource.
    pub fn read(self, id: &'a str) -> Result<Resource<'a>> {
        let data = self.data.map(Value::read).transpose()?;
        Ok(Resource {
            id,
            data: data.unwrap_or(Value::Null),
            contained: self.contained.map(Value::read).transpose()?,
        })
    }

    fn args(self, table: &Table, key: RowKey<'a>) -> Args<'a> {
        let (data, contained) = (Arg::jsonb(self.data), Arg::jsonb(self.contained));
        match table.form() {
            Form::Native => key.with(&[data, contained]),
            Form::Fhir | Form::Link => key.with(&[data]),
        }
    }
}

/// Creates a row. A clash of keys or identities is PostgreSQL's 23505, a missing end its 23503.
pub fn insert(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
    content: Content<'_>,
) -> Result<Option<Stored>> {
    write(session, table, Action::Insert, key, content)
}

/// Creates a row, or answers `None` where the key or an identity is taken.
pub fn insert_unless(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
    content: Content<'_>,
) -> Result<Option<Stored>> {
    write(session, table, Action::InsertUnless, key, content)
}

/// Replaces the content of a row that the caller has locked.
pub fn update(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
    content: Content<'_>,
) -> Result<Option<Stored>> {
    write(session, table, Action::Update, key, content)
}

fn write(
    session: &Session,
    table: &Table,
    action: Action,
    key: RowKey<'_>,
    content: Content<'_>,
) -> Result<Option<Stored>> {
    let args = content.args(table, key);
    let rows = session.run(table.statement(action), &args, Reading::Fresh, 0)?;
    Stored::first(table, rows.first())
}

/// Deletes a row; says whether there was one.
pub fn delete(session: &Session, table: &Table, key: RowKey<'_>) -> Result<bool> {
    let delete = table.statement(Action::Delete);
    Ok(session.run(delete, &key.args(), Reading::Fresh, 0)?.count() > 0)
}

fn one(
    session: &Session,
    table: &Table,
    action: Action,
    args: &[Arg<'_>],
    reading: Reading,
) -> Result<Option<Stored>> {
    let rows = session.run(table.statement(action), args, reading, 1)?;
    Stored::first(table, rows.first())
}

/// Reads a row.
pub fn read(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
    reading: Reading,
) -> Result<Option<Stored>> {
    one(session, table, Action::Read, &key.args(), reading)
}

/// Reads a row and holds it for a write, until the transaction ends.
pub fn lock(session: &Session, table: &Table, key: RowKey<'_>) -> Result<Option<Stored>> {
    one(session, table, Action::Lock, &key.args(), Reading::Fresh)
}

/// Reads a row and holds it for its deletion.
pub fn lock_for_delete(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
) -> Result<Option<Stored>> {
    let lock = Action::LockForDelete;
    one(session, table, lock, &key.args(), Reading::Fresh)
}

/// Reads one version from history.
pub fn read_archived(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
    version: i32,
    reading: Reading,
) -> Result<Option<Stored>> {
    let args = key.with(&[Arg::Int4(version)]);
    one(session, table, Action::ReadArchived, &args, reading)
}

/// The version in force at an instant: the newest one made until then, tombstones too.
pub fn read_at(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
    instant: Instant,
) -> Result<Option<Stored>> {
    let args = key.with(&[Arg::Instant(instant)]);
    one(session, table, Action::ReadAt, &args, Reading::Caller)
}

/// Whether a row was committed after the transaction's one snapshot was taken, as far as the caller
/// may know.
pub fn is_unseen(session: &Session, table: &Table, key: RowKey<'_>) -> Result<bool> {
    Ok(history::rights(session, table, Reading::Fresh)?.read
        && read(session, table, key, Reading::Fresh)?.is_none()
        && read(session, table, key, Reading::Latest)?.is_some())
}

/// So many rows after a key that were checked against another version of the definition, held for a
/// write, in the order of their keys.
pub fn outdated(
    session: &Session,
    table: &Table,
    after: RowKey<'_>,
    version: i32,
    most: i32,
) -> Result<Vec<Stored>> {
    let args = after.with(&[Arg::Int4(version), Arg::Int4(most)]);
    let rows = session.run(table.statement(Action::Outdated), &args, Reading::Fresh, 0)?;
    rows.iter().map(|row| Stored::of(table, &row)).collect()
}

/// The rows that have a member `reference` with this value at any depth. The whole table is read.
pub fn naming(session: &Session, table: &Table, reference: &str) -> Result<Vec<Stored>> {
    let args = [Arg::Text(reference)];
    let rows = session.run(table.statement(Action::Naming), &args, Reading::Latest, 0)?;
    rows.iter().map(|row| Stored::of(table, &row)).collect()
}

/// All resources of a table, or those of some ids, in any order, as the caller's snapshot has them.
pub fn each(
    session: &Session,
    table: &Table,
    ids: Option<&[&str]>,
    mut each: impl FnMut(Stored) -> Result<()>,
) -> Result<()> {
    let (row, only) = (table.columns.row, &table.only);
    let (sql, args, types) = match ids {
        None => (format!("SELECT {row} FROM {only}"), vec![], vec![]),
        Some(ids) => (
            format!("SELECT {row} FROM {only} WHERE id = ANY ($1)"),
            vec![Arg::Texts(ids)],
            vec![kind::TEXTS],
        ),
    };
    let rows = kept::search(table, &sql, |sql| Statement::search(sql, types, true));
    session.each(&rows, &args, |row| each(Stored::of(table, &row)?))
}

/// All versions, newest first, each with the instant at which it ended, and what is said of its
/// erasure, a root container.
pub fn versions(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
    mut each: impl FnMut(Stored, Option<Instant>, Option<Vec<u8>>) -> Result<()>,
) -> Result<()> {
    let ended_at = table.columns.types.len() as i32 + 1;
    let versions = table.statement(Action::Versions);
    session.each(versions, &key.args(), |row| {
        each(
            Stored::of(table, &row)?,
            row.instant(ended_at),
            row.jsonb_copy(ended_at + 1)?,
        )
    })
}

/// Where a page of changes ends: the next one begins before this version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The instant of the version.
    pub updated_at: Instant,
    /// The id of the resource.
    pub id: String,
    /// The version.
    pub version: i32,
}

/// Versions of all resources made since an instant, newest first, so many, those before a place,
/// each with what is said of its erasure, a root container.
pub fn changes(
    session: &Session,
    table: &Table,
    since: Option<Instant>,
    before: Option<&Place>,
    most: i32,
    mut each: impl FnMut(Stored, Option<Vec<u8>>) -> Result<()>,
) -> Result<()> {
    // PostgreSQL's own ends of time.
    let since = since.unwrap_or(Instant::MIN);
    let (at, id, version) = match before {
        Some(place) => (place.updated_at, place.id.as_str(), place.version),
        None => (Instant::MAX, "", 0),
    };
    let args = [
        Arg::Instant(since),
        Arg::Instant(at),
        Arg::Text(id),
        Arg::Int4(version),
        Arg::Int4(most),
    ];
    let changes = table.statement(Action::Changes);
    let erased = table.columns.types.len() as i32 + 1;
    session.each(changes, &args, |row| {
        each(Stored::of(table, &row)?, row.jsonb_copy(erased)?)
    })
}

/// All rows, in the order of ids.
pub fn all(
    session: &Session,
    table: &Table,
    mut each: impl FnMut(Stored) -> Result<()>,
) -> Result<()> {
    let all = table.statement(Action::All);
    session.each(all, &[], |row| each(Stored::of(table, &row)?))
}
