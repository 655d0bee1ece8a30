//! History: the last version of a row, and the writing of the versions that have ended.
//!
//! Everything here runs as the table's owner, as foreign-key triggers do: users read history, and
//! nobody but the archive writes it.

use super::acting::{self, on_history, on_target};
use super::author::Author;
use super::cluster;
use super::feed;
use super::layout::{Key, Layout};
use super::refusal;
use super::row::{RowKey, Stored};
use super::table::{Action, Table};
use crate::pg::{
    Arg, Event, Instant, Oid, Reading, Result, Row, Session, Statement, Tuple, Use, kind,
    snapshot_is_old,
};
use std::cell::Cell;

/// The newest version of a row, living or archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    /// Its number.
    pub version: i32,
    /// Its instant.
    pub updated_at: Instant,
}

impl Last {
    /// Of a row as it is stored.
    pub fn of(stored: &Stored) -> Self {
        Self {
            version: stored.version,
            updated_at: stored.updated_at,
        }
    }

    /// Of a result that has the version in this column, from 1, and the instant in the next.
    pub fn at(row: &Row<'_>, column: i32) -> Self {
        Self {
            version: row.int4(column),
            updated_at: row.instant(column + 1).unwrap_or_default(),
        }
    }
}

/// What stands in the way of an insert, or came before it.
#[derive(Debug, Clone, Copy)]
pub enum Before {
    /// Nothing that any transaction has stored: the first version.
    Never,
    /// Nothing that is there: the first version.
    Nothing,
    /// It was there and was deleted; with the place in the feed of the last version, 0 without feed.
    Deleted(Last, i64),
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

/// The types of what is read of the last version in a history.
const ARCHIVED: [Oid; 3] = [kind::INT4, kind::INSTANT, kind::BOOL];

/// What became of a target that is to be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// It is there, and stays until the transaction ends.
    Held,
    /// There is none.
    Missing,
    /// It was committed after the transaction's one snapshot was taken.
    Unseen,
}

/// Keeps the living row with this id from being deleted. Who has waited for a delete looks once
/// more: the row may have been created again.
pub fn hold_target(table: &Table, referrer: Oid, id: &str) -> Result<Target> {
    on_target(table, referrer, || {
        Session::open(|session| {
            let args = [Arg::Text(id)];
            let there = |action, reading| {
                let rows = session.run(table.statement(action), &args, reading, 1)?;
                Result::Ok(rows.count() > 0)
            };
            for _ in 0..2 {
                if there(Action::HoldTarget, Reading::Fresh)? {
                    return Ok(Target::Held);
                }
            }
            let unseen = snapshot_is_old() && there(Action::Read, Reading::Latest)?;
            Ok(match unseen {
                true => Target::Unseen,
                false => Target::Missing,
            })
        })
    })
}

/// What was there under this key. A delete that is under way is waited for.
pub fn before(table: &Table, relation: Oid, key: RowKey<'_>) -> Result<Before> {
    // In this order: what leaves the table is in the history by then.
    if !table.keys.may_have(key.parts())? && !table.archived_keys.may_have(key.parts())? {
        return Ok(Before::Never);
    }
    on_history(table, Some(relation), Use::Read, |_| {
        Session::open(|session| {
            let args = key.args();
            let hold = table.statement(Action::Hold);
            let living = session.run(hold, &args, Reading::Fresh, 1)?;
            if let Some(row) = living.first() {
                row.expect(&[kind::INT4, kind::INSTANT, kind::INSTANT, kind::INT4])?;
                return Ok(Before::Living {
                    version: row.int4(1),
                    created_at: row.instant(2).unwrap_or_default(),
                    updated_at: row.instant(3).unwrap_or_default(),
                    profile_version: row.int4(4),
                });
            }
            let Some((last, _)) = last_of(session, table, key, Reading::Latest)? else {
                return Ok(Before::Nothing);
            };
            let place = match table.feed {
                Some(_) => last_place(session, table, key)?,
                None => 0,
            };
            Ok(Before::Deleted(last, place))
        })
    })
}

/// The last version in history, and whether it is a tombstone.
fn last_of(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
    reading: Reading,
) -> Result<Option<(Last, bool)>> {
    let last = table.statement(Action::LastArchived);
    let rows = session.run(last, &key.args(), reading, 1)?;
    rows.first()
        .map(|row| {
            row.expect(&ARCHIVED)?;
            Ok((Last::at(&row, 1), row.bool(3)))
        })
        .transpose()
}

/// The place in the feed of the last version in history.
fn last_place(session: &Session, table: &Table, key: RowKey<'_>) -> Result<i64> {
    let last = table.statement(Action::LastPlace);
    let rows = session.run(last, &key.args(), Reading::Latest, 1)?;
    let Some(row) = rows.first() else {
        return Ok(0);
    };
    row.expect(&[kind::INT8])?;
    Ok(row.int8(1))
}

/// The tombstone of a row that the caller has just deleted. It is read as the table's owner: who may
/// delete need not be able to read history.
pub fn tombstone(session: &Session, table: &Table, key: RowKey<'_>) -> Result<Option<Last>> {
    let last = for_reader(session, table, Reading::Fresh, || {
        last_of(session, table, key, Reading::Fresh)
    })?;
    Ok(last.and_then(|(last, is_tombstone)| is_tombstone.then_some(last)))
}

/// Reads history for who may not, as the table's owner. Where it is on another node it is the caller who
/// reads, if he may: two users have two connections, and the second does not see what the first has
/// written.
fn for_reader<T>(
    session: &Session,
    table: &Table,
    reading: Reading,
    read: impl FnOnce() -> Result<Option<T>>,
) -> Result<Option<T>> {
    match cluster::is_distributed(session, table)? {
        false => on_history(table, None, Use::Read, |_| read()),
        true if rights(session, table, reading)?.read_history => read(),
        true => Ok(None),
    }
}

/// What a reader has not found.
#[derive(Debug, Clone, Copy)]
pub enum Sought {
    /// A version.
    Version(i32),
    /// What was in force then.
    At(Instant),
}

/// The version that comes next after one that was there and is not kept; none where there was none,
/// or where it is kept. It is read as the table's owner, so that what policies hide is not taken for
/// what is not kept.
pub fn after_lost(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
    sought: Sought,
    reading: Reading,
) -> Result<Option<i32>> {
    let (action, arg) = match sought {
        Sought::Version(version) if version < 1 => return Ok(None),
        Sought::Version(version) => (Action::AfterLost, Arg::Int4(version)),
        Sought::At(instant) => (Action::AfterLostAt, Arg::Instant(instant)),
    };
    for_reader(session, table, reading, || {
        let rows = session.run(table.statement(action), &key.with(&[arg]), reading, 1)?;
        Ok(rows.first().map(|row| row.int4(1)))
    })
}

/// What the caller may do with a table, where he is not to be refused for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rights {
    /// Read its history.
    pub read_history: bool,
    /// Read it.
    pub read: bool,
    /// Hold rows of it.
    pub hold: bool,
}

/// What the caller may do with a table.
pub fn rights(session: &Session, table: &Table, reading: Reading) -> Result<Rights> {
    let rows = session.run(table.statement(Action::Rights), &[], reading, 1)?;
    Ok(rows.first().map_or_else(Rights::default, |row| Rights {
        read_history: row.bool(2),
        read: row.bool(3),
        hold: row.bool(4),
    }))
}

/// Whether a row that is not there was deleted, as far as the caller may know: without the right to
/// read history, it never was.
pub fn is_deleted(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
    reading: Reading,
) -> Result<bool> {
    if !rights(session, table, reading)?.read_history {
        return Ok(false);
    }
    let last = last_of(session, table, key, reading)?;
    Ok(last.is_some_and(|(_, is_tombstone)| is_tombstone))
}

/// A write that a seal lets pass: of which history, and of which kind.
type Opening = (Oid, Event);

thread_local! {
    static OPENING: Cell<Option<Opening>> = const { Cell::new(None) };
    static PURGING: Cell<Option<Oid>> = const { Cell::new(None) };
}

/// Whether the seal of this history lets this write pass. It says so once: the seal fires before
/// anything else of the statement, so that what runs within finds it closed.
pub fn passes_seal(history: Oid, event: Event) -> bool {
    let passes = OPENING.get() == Some((history, event));
    if passes {
        OPENING.set(None);
    }
    passes
}

/// Runs a statement that the seal of a history is to let pass.
pub fn through_seal<T>(opening: Opening, body: impl FnOnce() -> Result<T>) -> Result<T> {
    OPENING.set(Some(opening));
    let result = body();
    OPENING.set(None);
    result
}

/// Whether the rows of this table are being purged: their versions are not to be archived then.
pub fn is_purging(table: Oid) -> bool {
    PURGING.get() == Some(table)
}

/// Runs a statement that deletes rows of a table for ever, without a tombstone.
pub fn unarchived<T>(table: Oid, body: impl FnOnce() -> Result<T>) -> Result<T> {
    let outer = PURGING.replace(Some(table));
    let result = body();
    PURGING.set(outer);
    result
}

/// Deletes all rows of a table and their history, for ever, with the caller's rights; says how
/// many rows there were.
pub fn purge(session: &Session, table: &Table) -> Result<u64> {
    let found = acting::found_for_purge(table)?;
    let delete = Statement::by_key(format!("DELETE FROM {}", table.only), &[]);
    let count = unarchived(found.relation, || {
        session.run(&delete, &[], Reading::Fresh, 0)
    })?
    .count();
    through_seal((found.history, Event::Delete), || {
        session.execute(&format!("DELETE FROM {}", table.history))
    })?;
    feed::lost_all(session, table)?;
    Ok(count)
}

/// The key of a row that was just deleted, if there may be another row under it.
fn may_be_back<'a>(table: &Table, old: &Tuple<'a>, layout: &Layout) -> Result<Option<RowKey<'a>>> {
    let text = |column| old.text(column).map(Option::unwrap_or_default);
    let key = match layout.key {
        Key::Id(id) => RowKey::Id(text(id)?),
        Key::Ends(from, to, _) => RowKey::Ends(text(from)?, text(to)?),
    };
    let may = table.keys.may_have_another(key.parts())?;
    Ok(may.then_some(key))
}

/// Writes the version that has just ended, if the table keeps any, and after a delete by somebody
/// the tombstone, which is his: who makes the id again goes on from it.
pub fn archive(
    table: &Table,
    relation: Oid,
    (old, layout): (&Tuple<'_>, &Layout),
    ended_at: Instant,
    keeps: bool,
    deleted_by: Option<&Author>,
) -> Result<()> {
    if !keeps && deleted_by.is_none() {
        return Ok(());
    }
    let version = old.int4(layout.version).unwrap_or_default();
    // Of the version that has ended, and of the tombstone.
    let places = match &table.feed {
        None => None,
        Some(feed) => {
            let column = layout.feed_place()?;
            let tombstone = match deleted_by {
                Some(_) => feed.place(&table.source, old.int8(column).unwrap_or_default())?,
                None => 0,
            };
            Some([old.arg(column), Arg::Int8(tombstone)])
        }
    };
    let deleted_by = deleted_by.map(Author::args);
    let row = |version: i32, updated_at, is_tombstone: bool, ended_at| {
        let content = |number: i32| match is_tombstone {
            false => old.arg(number),
            true => Arg::Null,
        };
        let [role, login, context] = match deleted_by {
            Some(author) if is_tombstone => author,
            _ => layout.author().map(|at| old.arg(at)),
        };
        let (Key::Id(id) | Key::Ends(_, _, id)) = layout.key;
        let mut args = Vec::with_capacity(13);
        args.extend([
            old.arg(id),
            Arg::Int4(version),
            old.arg(layout.created_at),
            updated_at,
            old.arg(layout.profile_version),
            role,
            login,
            context,
            content(layout.data),
        ]);
        match layout.key {
            Key::Id(_) => args.extend(layout.contained.map(content)),
            Key::Ends(from, to, _) => args.extend([old.arg(from), old.arg(to)]),
        }
        args.push(ended_at);
        args.extend(places.map(|places| places[usize::from(is_tombstone)]));
        args
    };
    // What runs within a statement, in its RETURNING say, finds the row deleted and not yet archived,
    // and may have made it again as if it were new.
    let back = match deleted_by {
        Some(_) => may_be_back(table, old, layout)?,
        None => None,
    };
    let end = Arg::Instant(ended_at);
    on_history(table, Some(relation), Use::Write, |found| {
        Session::open(|session| {
            if let Some(key) = back {
                let hold = table.statement(Action::Hold);
                if session.run(hold, &key.args(), Reading::Fresh, 1)?.count() > 0 {
                    return Err(refusal::deleted_and_created(&table.source, &table.whole));
                }
            }
            let archive = table.statement(Action::Archive);
            let put = |args: &[Arg<'_>]| {
                through_seal((found.history, Event::Insert), || {
                    session.run(archive, args, Reading::Fresh, 0)
                })
                .map(drop)
                .map_err(|error| {
                    // Of a piece the whole is told.
                    let whole = |of: &str| of.strip_suffix("_history") == Some(&table.whole);
                    let there = error.is_postgres(b"23505")
                        && error
                            .constraint()
                            .is_some_and(|(_, schema, of)| schema == table.source && whole(of));
                    match there {
                        true => refusal::archived_already(&table.source, &table.whole),
                        false => error,
                    }
                })
            };
            if keeps {
                put(&row(version, old.arg(layout.updated_at), false, end))?;
            }
            match deleted_by {
                Some(_) => put(&row(version + 1, end, true, Arg::Null)),
                None => Ok(()),
            }
        })
    })
}
