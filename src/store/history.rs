//! History: the last version of a row, and the writing of the versions that have ended.
//!
//! Everything here runs as the table's owner, as foreign-key triggers do: users read history, and
//! nobody but the archive writes it.

use super::acting::{self, on_history, on_target};
use super::layout::{Key, Layout};
use super::refusal;
use super::table::Table;
use crate::pg::{
    Arg, Event, Instant, Oid, Parts, Reading, Result, Session, Statement, Tuple, Use, kind,
    snapshot_is_old,
};
use std::cell::Cell;

/// What names one row.
#[derive(Debug, Clone, Copy)]
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
    /// Nothing that any transaction has stored: the first version.
    Never,
    /// Nothing that is there: the first version.
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
            for _ in 0..2 {
                let rows = session.run(&table.hold_target, &[Arg::Text(id)], Reading::Fresh, 1)?;
                if rows.count() > 0 {
                    return Ok(Target::Held);
                }
            }
            let unseen = snapshot_is_old()
                && session
                    .run(&table.read, &[Arg::Text(id)], Reading::Latest, 1)?
                    .count()
                    > 0;
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
            let (args, count) = key_args(key);
            let args = &args[..count];
            let living = session.run(&table.hold, args, Reading::Fresh, 1)?;
            if let Some(row) = living.first() {
                row.expect(&[kind::INT4, kind::INSTANT, kind::INSTANT, kind::INT4])?;
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
    rows.first()
        .map(|row| {
            row.expect(&ARCHIVED)?;
            Ok(Last {
                version: row.int4(1),
                updated_at: row.instant(2).unwrap_or_default(),
            })
        })
        .transpose()
}

/// The tombstone of a row that was just deleted, read as the table's owner.
pub fn tombstone(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
) -> Result<Option<(i32, Instant)>> {
    let (args, count) = key_args(key);
    on_history(table, None, Use::Read, |_| {
        let rows = session.run(&table.last_archived, &args[..count], Reading::Fresh, 1)?;
        let Some(last) = rows.first() else {
            return Ok(None);
        };
        last.expect(&ARCHIVED)?;
        let found = (last.int4(1), last.instant(2).unwrap_or_default());
        Ok(last.bool(3).then_some(found))
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

/// Deletes all rows of a table and their history, for ever, with the caller's rights; says how
/// many rows there were.
pub fn purge(session: &Session, table: &Table) -> Result<u64> {
    let found = acting::found_for_purge(table)?;
    let outer = PURGING.replace(Some(found.relation));
    let rows = session.run(
        &Statement::by_key(format!("DELETE FROM {}", table.only), &[]),
        &[],
        Reading::Fresh,
        0,
    );
    PURGING.set(outer);
    let count = rows?.count();
    through_seal((found.history, Event::Delete), || {
        session.execute(&format!("DELETE FROM {}", table.history))
    })?;
    Ok(count)
}

/// Whether there may be another row under the key of one that was just deleted.
fn may_be_back(table: &Table, old: &Tuple<'_>, layout: &Layout) -> Result<bool> {
    let text = |column| old.text(column).map(Option::unwrap_or_default);
    table.keys.may_have_another(match layout.key {
        Key::Id(id) => [text(id)?, ""],
        Key::Ends(from, to, _) => [text(from)?, text(to)?],
    })
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
    on_history(table, Some(relation), Use::Write, |found| {
        Session::open(|session| {
            // What runs within a statement, in its RETURNING say, finds the row deleted and not yet
            // archived, and may have made it again as if it were new.
            if tombstone && may_be_back(table, old, layout)? {
                let count = width.min(2);
                let rows = session.run(&table.hold, &key[..count], Reading::Fresh, 1)?;
                if rows.count() > 0 {
                    return Err(refusal::deleted_and_created(&table.name));
                }
            }
            let put = |args: &[Arg<'_>]| {
                through_seal((found.history, Event::Insert), || {
                    session.run(&table.archive, args, Reading::Fresh, 0)
                })
                .map(drop)
                .map_err(|error| {
                    let history = format!("{}_history", table.name);
                    let there = error.is_postgres(b"23505")
                        && error
                            .constraint()
                            .is_some_and(|(_, schema, of)| schema == table.source && of == history);
                    match there {
                        true => refusal::archived_already(&table.name),
                        false => error,
                    }
                })
            };
            put(&args[..count])?;
            if tombstone {
                args[width] = Arg::Int4(version + 1);
                args[width + 2] = Arg::Instant(ended_at);
                args[width + 4..count].fill(Arg::Null);
                put(&args[..count])?;
            }
            Ok(())
        })
    })
}
