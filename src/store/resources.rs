//! The rows of a profile table, as the verbs read and write them: with the caller's rights.

use super::table::Table;
use crate::pg::{Arg, Instant, Reading, Result, Row, Session};

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
        Ok(Self {
            id: row.string(1)?,
            version: row.int4(2),
            created_at: row.instant(3).unwrap_or_default(),
            updated_at: row.instant(4).unwrap_or_default(),
            profile_version: row.int4(5),
            data: row.jsonb(6)?.map(<[u8]>::to_vec),
            contained: row.jsonb(7)?.map(<[u8]>::to_vec),
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
    let args = [
        Arg::Text(id),
        Arg::jsonb(content.data),
        Arg::jsonb(content.contained),
    ];
    first(
        session
            .run(&table.insert, &args, Reading::Fresh, 0)?
            .first(),
    )
}

/// Creates a row, or answers `None` where the id or an identity is taken.
pub fn insert_unless(
    session: &Session,
    table: &Table,
    id: &str,
    content: Content<'_>,
) -> Result<Option<Stored>> {
    let args = [
        Arg::Text(id),
        Arg::jsonb(content.data),
        Arg::jsonb(content.contained),
    ];
    first(
        session
            .run(&table.insert_unless, &args, Reading::Fresh, 0)?
            .first(),
    )
}

/// Replaces the content of a row that the caller has locked.
pub fn update(
    session: &Session,
    table: &Table,
    id: &str,
    content: Content<'_>,
) -> Result<Option<Stored>> {
    let args = [
        Arg::Text(id),
        Arg::jsonb(content.data),
        Arg::jsonb(content.contained),
    ];
    first(
        session
            .run(&table.update, &args, Reading::Fresh, 0)?
            .first(),
    )
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

/// Reads a row and holds it for a write, until the transaction ends.
pub fn lock(session: &Session, table: &Table, id: &str) -> Result<Option<Stored>> {
    first(
        session
            .run(&table.lock, &[Arg::Text(id)], Reading::Fresh, 1)?
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

/// The last version of a deleted resource: its tombstone's number and instant.
pub fn tombstone(
    session: &Session,
    table: &Table,
    id: &str,
    reading: Reading,
) -> Result<Option<(i32, Instant)>> {
    let rows = session.run(&table.last_archived, &[Arg::Text(id)], reading, 1)?;
    Ok(rows
        .first()
        .filter(|row| row.bool(3))
        .map(|row| (row.int4(1), row.instant(2).unwrap_or_default())))
}

/// All versions, newest first, each with the instant at which it ended.
pub fn versions(
    session: &Session,
    table: &Table,
    id: &str,
    mut each: impl FnMut(Stored, Option<Instant>) -> Result<()>,
) -> Result<()> {
    let rows = session.run(&table.versions, &[Arg::Text(id)], Reading::Caller, 0)?;
    for row in rows.iter() {
        each(Stored::of(&row)?, row.instant(8))?;
    }
    Ok(())
}

fn first(row: Option<Row<'_>>) -> Result<Option<Stored>> {
    row.map(|row| Stored::of(&row)).transpose()
}
