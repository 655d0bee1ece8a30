//! History: the last version of a row, and the writing of the versions that have ended.
//!
//! Everything here runs as the table's owner, as foreign-key triggers do: users read history, and
//! nobody but the archive writes it.

use super::acting::{What, as_owner};
use super::layout::{Key, Layout};
use super::table::Table;
use crate::pg::{Arg, Instant, Oid, Reading, Result, Session, Statement, Tuple, Use};
use std::cell::Cell;

/// What names one row.
#[derive(Debug, Clone, Copy)]
pub enum RowKey<'a> {
    /// A resource.
    Id(&'a str),
    /// A link: its two ends.
    Ends(&'a str, &'a str),
}

/// The newest version of a row, living or archived.
#[derive(Debug, Clone, Copy)]
pub struct Last {
    /// Its number.
    pub version: i32,
    /// Its instant.
    pub updated_at: Instant,
}

/// What stands in the way of an insert, or came before it.
#[derive(Debug, Clone, Copy)]
pub enum Before {
    /// Nothing: the first version.
    Nothing,
    /// It was there and was deleted.
    Deleted(Last),
    /// It is there: the insert is going to clash.
    Living {
        /// Its version.
        version: i32,
        /// Its creation.
        created_at: Instant,
        /// Its instant.
        updated_at: Instant,
        /// The definition it conforms to.
        profile_version: i32,
    },
}

fn of(table: &Table, fired: Option<Oid>, usage: Use) -> What<'_> {
    What::History {
        table,
        fired,
        usage,
    }
}

/// Whether there is a living row with this id, which then stays until the transaction ends.
/// `referrer` owns the table that has the reference.
pub fn hold_target(table: &Table, referrer: Oid, id: &str) -> Result<bool> {
    as_owner(What::Target { table, referrer }, || {
        Session::open(|session| {
            let rows = session.run(&table.hold_target, &[Arg::Text(id)], Reading::Fresh, 1)?;
            Ok(rows.count() > 0)
        })
    })
}

/// What was there under this key. A delete that is under way is waited for.
pub fn before(table: &Table, relation: Oid, key: RowKey<'_>) -> Result<Before> {
    as_owner(of(table, Some(relation), Use::Read), || {
        Session::open(|session| {
            let (args, count) = key_args(key);
            let args = &args[..count];
            let living = session.run(&table.hold, args, Reading::Fresh, 1)?;
            if let Some(row) = living.first() {
                return Ok(Before::Living {
                    version: row.int4(1),
                    created_at: row.instant(2).unwrap_or_default(),
                    updated_at: row.instant(3).unwrap_or_default(),
                    profile_version: row.int4(4),
                });
            }
            Ok(last_of(session, table, args)?.map_or(Before::Nothing, Before::Deleted))
        })
    })
}

fn last_of(session: &Session, table: &Table, args: &[Arg<'_>]) -> Result<Option<Last>> {
    let rows = session.run(&table.last_archived, args, Reading::Latest, 1)?;
    Ok(rows.first().map(|row| Last {
        version: row.int4(1),
        updated_at: row.instant(2).unwrap_or_default(),
    }))
}

/// The tombstone of a row that was just deleted, read as the table's owner.
pub fn tombstone(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
) -> Result<Option<(i32, Instant)>> {
    let (args, count) = key_args(key);
    as_owner(of(table, None, Use::Read), || {
        let rows = session.run(&table.last_archived, &args[..count], Reading::Fresh, 1)?;
        let last = rows.first().filter(|row| row.bool(3));
        Ok(last.map(|row| (row.int4(1), row.instant(2).unwrap_or_default())))
    })
}

/// Whether the last version of a row is a tombstone, with the caller's rights; no, without them.
pub fn is_deleted(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
    reading: Reading,
) -> Result<bool> {
    let rights = session.run(&table.rights, &[], reading, 1)?;
    if !rights.first().is_some_and(|row| row.bool(2)) {
        return Ok(false);
    }
    let (args, count) = key_args(key);
    let rows = session.run(&table.last_archived, &args[..count], reading, 1)?;
    Ok(rows.first().is_some_and(|row| row.bool(3)))
}

fn key_args<'a>(key: RowKey<'a>) -> ([Arg<'a>; 2], usize) {
    match key {
        RowKey::Id(id) => ([Arg::Text(id), Arg::Null], 1),
        RowKey::Ends(from, to) => ([Arg::Text(from), Arg::Text(to)], 2),
    }
}

thread_local! {
    static ARCHIVING: Cell<u32> = const { Cell::new(0) };
}

/// Whether the archive is writing now: what the seal of a history table asks.
pub fn is_archiving() -> bool {
    ARCHIVING.get() > 0
}

/// While it lives, the seal of history tables is open.
pub struct Archiving;

impl Archiving {
    /// Opens the seal.
    pub fn begin() -> Self {
        ARCHIVING.set(ARCHIVING.get() + 1);
        Self
    }
}

impl Drop for Archiving {
    fn drop(&mut self) {
        ARCHIVING.set(ARCHIVING.get().saturating_sub(1));
    }
}

thread_local! {
    static PURGING: Cell<u32> = const { Cell::new(0) };
}

/// Whether rows are being purged: their versions are not to be archived then.
pub fn is_purging() -> bool {
    PURGING.get() > 0
}

/// While it lives, nothing is archived and history can be deleted.
struct Purging {
    _archiving: Archiving,
}

impl Purging {
    fn begin() -> Self {
        PURGING.set(PURGING.get() + 1);
        Self {
            _archiving: Archiving::begin(),
        }
    }
}

impl Drop for Purging {
    fn drop(&mut self) {
        PURGING.set(PURGING.get().saturating_sub(1));
    }
}

/// Deletes all rows of a table and their history, for ever, with the caller's rights; says how
/// many rows there were.
pub fn purge(session: &Session, table: &Table) -> Result<u64> {
    let _purging = Purging::begin();
    let rows = session.run(
        &Statement::by_key(format!("DELETE FROM {}", table.quoted), &[]),
        &[],
        Reading::Fresh,
        0,
    )?;
    let count = rows.count();
    session.execute(&format!("DELETE FROM {}", table.history))?;
    Ok(count)
}

/// Writes the version that has just ended, and after a delete the tombstone too.
pub fn archive(
    table: &Table,
    relation: Oid,
    old: &Tuple<'_>,
    layout: &Layout,
    ended_at: Instant,
    tombstone: bool,
) -> Result<()> {
    let version = old.int4(layout.version).unwrap_or_default();
    let column = |number: i32| old.datum(number).map_or(Arg::Null, Arg::Datum);
    let (key, width) = match layout.key {
        Key::Id(id) => ([column(id), Arg::Null, Arg::Null], 1),
        Key::Ends(from, to, id) => ([column(from), column(to), column(id)], 3),
    };
    let mut args = [Arg::Null; 9];
    args[..width].copy_from_slice(&key[..width]);
    args[width] = Arg::Int4(version);
    args[width + 1] = column(layout.created_at);
    args[width + 2] = column(layout.updated_at);
    args[width + 3] = column(layout.profile_version);
    args[width + 4] = column(layout.data);
    let contained = usize::from(layout.contained.is_some());
    if let Some(number) = layout.contained {
        args[width + 5] = column(number);
    }
    let end = width + 5 + contained;
    args[end] = Arg::Instant(ended_at);
    let count = end + 1;
    as_owner(of(table, Some(relation), Use::Write), || {
        let _archiving = Archiving::begin();
        Session::open(|session| {
            session.run(&table.archive, &args[..count], Reading::Fresh, 0)?;
            if tombstone {
                args[width] = Arg::Int4(version + 1);
                args[width + 2] = Arg::Instant(ended_at);
                args[width + 4..count].fill(Arg::Null);
                session.run(&table.archive, &args[..count], Reading::Fresh, 0)?;
            }
            Ok(())
        })
    })
}
