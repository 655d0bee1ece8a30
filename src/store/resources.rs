//! The rows of a profile table, as the verbs read and write them: with the caller's rights.

use super::criteria::{Condition, types, wheres};
use super::history::{self, RowKey};
use super::kept;
use super::table::{RESOURCE, Table};
use crate::pg::{Arg, Instant, Reading, Result, Row, Session, Statement, kind};

/// One row of a profile table or of its history.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The id.
    pub id: String,
    /// The version.
    pub version: i32,
    /// When its first version was made.
    pub created_at: Instant,
    /// When this version was made.
    pub updated_at: Instant,
    /// The version of the definition it conforms to.
    pub profile_version: i32,
    /// The data, a root container; none in a tombstone.
    pub data: Option<Vec<u8>>,
    /// The contained resources, a root container.
    pub contained: Option<Vec<u8>>,
}

impl Stored {
    fn of(row: &Row<'_>) -> Result<Self> {
        use kind::{INSTANT, INT4, JSONB, TEXT};
        row.expect(&[TEXT, INT4, INSTANT, INSTANT, INT4, JSONB, JSONB])?;
        Ok(Self {
            id: row.string(1)?,
            version: row.int4(2),
            created_at: row.instant(3).unwrap_or_default(),
            updated_at: row.instant(4).unwrap_or_default(),
            profile_version: row.int4(5),
            data: row.jsonb_copy(6)?,
            contained: row.jsonb_copy(7)?,
        })
    }
}

/// What a write stores.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// A root container.
    pub data: Option<&'a [u8]>,
    /// A root container.
    pub contained: Option<&'a [u8]>,
}

/// Creates a row. A clash of ids or identities is PostgreSQL's 23505.
pub fn insert(
    session: &Session,
    table: &Table,
    id: &str,
    content: Content<'_>,
) -> Result<Option<Stored>> {
    write(session, &table.insert, id, content)
}

/// Creates a row, or answers `None` where the id or an identity is taken.
pub fn insert_unless(
    session: &Session,
    table: &Table,
    id: &str,
    content: Content<'_>,
) -> Result<Option<Stored>> {
    write(session, &table.insert_unless, id, content)
}

/// Replaces the content of a row that the caller has locked.
pub fn update(
    session: &Session,
    table: &Table,
    id: &str,
    content: Content<'_>,
) -> Result<Option<Stored>> {
    write(session, &table.update, id, content)
}

fn write(
    session: &Session,
    statement: &Statement,
    id: &str,
    content: Content<'_>,
) -> Result<Option<Stored>> {
    let args = [
        Arg::Text(id),
        Arg::jsonb(content.data),
        Arg::jsonb(content.contained),
    ];
    first(session.run(statement, &args, Reading::Fresh, 0)?.first())
}

/// Deletes a row; says whether there was one.
pub fn delete(session: &Session, table: &Table, id: &str) -> Result<bool> {
    Ok(session
        .run(&table.delete, &[Arg::Text(id)], Reading::Fresh, 0)?
        .count()
        > 0)
}

/// Reads a row.
pub fn read(
    session: &Session,
    table: &Table,
    id: &str,
    reading: Reading,
) -> Result<Option<Stored>> {
    first(
        session
            .run(&table.read, &[Arg::Text(id)], reading, 1)?
            .first(),
    )
}

/// Whether the caller may read the table.
pub fn may_read(session: &Session, table: &Table) -> Result<bool> {
    let rights = session.run(&table.rights, &[], Reading::Caller, 1)?;
    Ok(rights.first().is_some_and(|row| row.bool(3)))
}

/// Whether a row was committed after the transaction's one snapshot was taken, as far as the caller
/// may know.
pub fn is_unseen(session: &Session, table: &Table, id: &str) -> Result<bool> {
    let rights = session.run(&table.rights, &[], Reading::Fresh, 1)?;
    Ok(rights.first().is_some_and(|row| row.bool(3))
        && read(session, table, id, Reading::Fresh)?.is_none()
        && read(session, table, id, Reading::Latest)?.is_some())
}

/// Reads a row and holds it for a write, until the transaction ends.
pub fn lock(session: &Session, table: &Table, id: &str) -> Result<Option<Stored>> {
    first(
        session
            .run(&table.lock, &[Arg::Text(id)], Reading::Fresh, 1)?
            .first(),
    )
}

/// Reads a row and holds it for its deletion.
pub fn lock_for_delete(session: &Session, table: &Table, id: &str) -> Result<Option<Stored>> {
    first(
        session
            .run(&table.lock_for_delete, &[Arg::Text(id)], Reading::Fresh, 1)?
            .first(),
    )
}

/// Reads one version from history.
pub fn read_archived(
    session: &Session,
    table: &Table,
    id: &str,
    version: i32,
) -> Result<Option<Stored>> {
    let args = [Arg::Text(id), Arg::Int4(version)];
    first(
        session
            .run(&table.read_archived, &args, Reading::Caller, 1)?
            .first(),
    )
}

/// The tombstone of a resource that the caller has just deleted: its number and instant. It is read as
/// the table's owner: who may delete need not be able to read history.
pub fn tombstone(session: &Session, table: &Table, id: &str) -> Result<Option<(i32, Instant)>> {
    history::tombstone(session, table, RowKey::Id(id))
}

/// Whether a resource that is not there was deleted, as far as the caller may know: without the right
/// to read history, it never was.
pub fn is_deleted(session: &Session, table: &Table, id: &str, reading: Reading) -> Result<bool> {
    history::is_deleted(session, table, RowKey::Id(id), reading)
}

/// All versions, newest first, each with the instant at which it ended.
pub fn versions(
    session: &Session,
    table: &Table,
    id: &str,
    mut each: impl FnMut(Stored, Option<Instant>) -> Result<()>,
) -> Result<()> {
    session.each(&table.versions, &[Arg::Text(id)], |row| {
        each(Stored::of(&row)?, row.instant(8))
    })
}

/// The version in force at an instant: the newest one made until then, tombstones too.
pub fn read_at(
    session: &Session,
    table: &Table,
    id: &str,
    instant: Instant,
) -> Result<Option<Stored>> {
    let args = [Arg::Text(id), Arg::Instant(instant)];
    first(
        session
            .run(&table.read_at, &args, Reading::Caller, 1)?
            .first(),
    )
}

/// The rows that meet all conditions, by id, beginning after one.
pub fn search(
    session: &Session,
    table: &Table,
    conditions: &[Condition],
    (after, count): (&str, i32),
    mut each: impl FnMut(Stored) -> Result<()>,
) -> Result<()> {
    let (wheres, mut args) = wheres(conditions)?;
    let (from, most) = (args.len() + 1, args.len() + 2);
    // The matches are found first and put in order then: a plan that walks the key for the order's
    // sake, hoping for an early match, reads the whole table where there is none.
    let matches = match conditions.is_empty() {
        true => format!(
            "SELECT {RESOURCE} FROM {} AS r WHERE r.id > ${from}",
            table.only
        ),
        false => format!(
            "WITH matches AS MATERIALIZED (SELECT id FROM {0} WHERE {wheres}) \
             SELECT r.{1} FROM {0} AS r JOIN matches AS m ON m.id = r.id WHERE r.id > ${from}",
            table.only,
            // Qualified: columns of the user's own can have any name.
            RESOURCE.replace(", ", ", r.")
        ),
    };
    let sql = format!("{matches} ORDER BY r.id LIMIT ${most}");
    args.push(Arg::Text(after));
    args.push(Arg::Int4(count));
    let search = kept::search(table, &sql, |sql| {
        Statement::by_values(sql, types(conditions))
    });
    session.each(&search, &args, |row| each(Stored::of(&row)?))
}

/// Rows for a statement over arrays.
#[derive(Debug, Default)]
pub struct Columns<'a> {
    /// The ids.
    pub ids: Vec<&'a str>,
    data: Vec<Option<&'a [u8]>>,
    contained: Vec<Option<&'a [u8]>>,
}

impl<'a> Columns<'a> {
    /// Adds a row.
    pub fn push(&mut self, id: &'a str, content: Content<'a>) {
        self.ids.push(id);
        self.data.push(content.data);
        self.contained.push(content.contained);
    }

    fn args(&self) -> [Arg<'_>; 3] {
        [
            Arg::Texts(&self.ids),
            Arg::Jsonbs(&self.data),
            Arg::Jsonbs(&self.contained),
        ]
    }
}

/// Creates rows; gives the ids and versions of those whose id and identities were free.
pub fn insert_many(
    session: &Session,
    table: &Table,
    columns: &Columns<'_>,
) -> Result<Vec<(String, i32)>> {
    let rows = session.run(&table.insert_many, &columns.args(), Reading::Fresh, 0)?;
    rows.iter()
        .map(|row| Ok((row.string(1)?, row.int4(2))))
        .collect()
}

/// As [`insert_many`], and locks those whose id is there; a taken identity is PostgreSQL's 23505.
pub fn insert_many_locking(
    session: &Session,
    table: &Table,
    columns: &Columns<'_>,
) -> Result<Vec<(String, i32)>> {
    let args = columns.args();
    let rows = session.run(&table.insert_many_locking, &args, Reading::Fresh, 0)?;
    rows.iter()
        .map(|row| Ok((row.string(1)?, row.int4(2))))
        .collect()
}

/// Replaces the content of rows that the caller has locked; gives their ids and versions.
pub fn update_many(
    session: &Session,
    table: &Table,
    columns: &Columns<'_>,
) -> Result<Vec<(String, i32)>> {
    let rows = session.run(&table.update_many, &columns.args(), Reading::Fresh, 0)?;
    rows.iter()
        .map(|row| Ok((row.string(1)?, row.int4(2))))
        .collect()
}

/// Reads rows and holds them for a write, in the order of their ids, so that two who hold many
/// cannot wait for each other.
pub fn lock_many(session: &Session, table: &Table, ids: &[&str]) -> Result<Vec<Stored>> {
    let rows = session.run(&table.lock_many, &[Arg::Texts(ids)], Reading::Fresh, 0)?;
    rows.iter().map(|row| Stored::of(&row)).collect()
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

impl Hold {
    /// As SQL says it after `FOR`.
    pub fn strength(self) -> &'static str {
        match self {
            Hold::Target => "KEY SHARE",
            Hold::Write => "NO KEY UPDATE",
            Hold::Delete => "UPDATE",
        }
    }
}

/// Whether the caller may hold rows of a table: who may not write it is refused where he writes.
pub fn may_hold(session: &Session, table: &Table) -> Result<bool> {
    let rights = session.run(&table.rights, &[], Reading::Fresh, 1)?;
    Ok(rights.first().is_some_and(|row| row.bool(4)))
}

/// Holds those rows that are there and that the caller may write, in the order of their ids; gives
/// their ids.
pub fn hold(session: &Session, table: &Table, ids: &[&str], hold: Hold) -> Result<Vec<String>> {
    if !may_hold(session, table)? {
        return Ok(Vec::new());
    }
    let strength = hold.strength();
    let sql = format!(
        "SELECT id FROM {} WHERE id = ANY ($1) ORDER BY id FOR {strength}",
        table.only
    );
    let statement = kept::search(table, &sql, |sql| Statement::by_key(sql, &[kind::TEXTS]));
    let rows = session.run(&statement, &[Arg::Texts(ids)], Reading::Fresh, 0)?;
    rows.iter().map(|row| row.string(1)).collect()
}

/// Whether one of these rows is there, as far as the caller may hold them.
pub fn has_any(session: &Session, table: &Table, ids: &[&str]) -> Result<bool> {
    if !may_hold(session, table)? {
        return Ok(false);
    }
    let sql = format!("SELECT id FROM {} WHERE id = ANY ($1) LIMIT 1", table.only);
    let statement = kept::search(table, &sql, |sql| Statement::by_key(sql, &[kind::TEXTS]));
    let rows = session.run(&statement, &[Arg::Texts(ids)], Reading::Fresh, 1)?;
    Ok(rows.count() > 0)
}

/// Looks once more where nothing was found: who has waited for a delete does not see a row that the
/// same transaction has made again.
pub fn twice<T>(look: impl Fn() -> Result<Option<T>>) -> Result<Option<T>> {
    match look()? {
        None => look(),
        found => Ok(found),
    }
}

/// All rows, in the order of ids.
pub fn all(
    session: &Session,
    table: &Table,
    mut each: impl FnMut(Stored) -> Result<()>,
) -> Result<()> {
    session.each(&table.all, &[], |row| each(Stored::of(&row)?))
}

fn first(row: Option<Row<'_>>) -> Result<Option<Stored>> {
    row.map(|row| Stored::of(&row)).transpose()
}
