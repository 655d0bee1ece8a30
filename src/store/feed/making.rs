//! A feed is made and taken away: the columns of the tables, the indexes over them, and the row of
//! the catalog.

use super::{COLUMN, Feed};
use crate::pg::{self, Arg, Error, Reading, Result, Session, State, Statement, kind, statements};
use crate::store::acting::{What, as_owner};
use crate::store::ddl::{self, Lock, Named};
use crate::store::erase;
use crate::store::name::Name;
use crate::store::source;
use crate::store::table::{Form, PLACE, Table};
use kind::{BOOL, INT8, TEXT};

const CURRENT: &str =
    "SELECT f.server, f.notify, f.shift FROM ingest.feed AS f WHERE f.source = $1";
const HAS: &str = "SELECT pg_catalog.col_description(c.oid, a.attnum) FROM pg_catalog.pg_attribute AS a \
     JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = 'feed_place' AND NOT a.attisdropped";
const PUT: &str = "INSERT INTO ingest.feed (source, feed, server, shift, notify) \
     VALUES ($1, pg_catalog.gen_random_uuid(), $2, 0, $3)";
const RENOTIFY: &str = "UPDATE ingest.feed SET notify=$2 WHERE source = $1";
const REMOVE: &str = "WITH losses AS (DELETE FROM ingest.feed_loss WHERE source = $1) \
     DELETE FROM ingest.feed WHERE source = $1";
const SHIFT: &str = "UPDATE ingest.feed SET shift=GREATEST(0, (($2 + 1) - \
         pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::pg_catalog.text::pg_catalog.int8)) \
     WHERE source = $1";
const REMOVE_CONSUMERS: &str = "DELETE FROM ingest.feed_consumer WHERE source = $1";

statements! {
    CURRENT_SQL = CURRENT, [TEXT];
    HAS_SQL = HAS, [TEXT, TEXT];
    PUT_SQL = PUT, [TEXT, INT8, BOOL];
    RENOTIFY_SQL = RENOTIFY, [TEXT, BOOL];
    REMOVE_SQL = REMOVE, [TEXT];
    SHIFT_SQL = SHIFT, [TEXT, INT8];
    REMOVE_CONSUMERS_SQL = REMOVE_CONSUMERS, [TEXT];
}

/// What stands of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    None,
    /// It was made on another server.
    Foreign,
    /// It is there, and notifies or does not.
    Here(bool),
}

/// What stands of the feed of a source now.
pub fn standing(session: &Session, source: &str) -> Result<Standing> {
    Ok(match current(session, source)? {
        None => Standing::None,
        Some((server, _)) if server != pg::server() => Standing::Foreign,
        Some((_, feed)) => Standing::Here(feed.notify),
    })
}

/// The feed of a source now, if it is of this server.
pub(super) fn here(session: &Session, source: &str) -> Result<Option<Feed>> {
    let current = current(session, source)?;
    Ok(current.and_then(|(server, feed)| (server == pg::server()).then_some(feed)))
}

fn current(session: &Session, source: &str) -> Result<Option<(i64, Feed)>> {
    as_owner(What::Catalog, || {
        let rows =
            CURRENT_SQL.with(|sql| session.run(sql, &[Arg::Text(source)], Reading::Latest, 1))?;
        Ok(rows.first().map(|row| {
            let feed = Feed {
                notify: row.bool(2),
                shift: row.int8(3),
            };
            (row.int8(1), feed)
        }))
    })
}

/// Whether the source has a feed now.
pub fn is_there(session: &Session, source: &str) -> Result<bool> {
    Ok(standing(session, source)? != Standing::None)
}

/// Says whether a feed notifies.
pub fn set_notify(session: &Session, source: &str, notify: bool) -> Result<()> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Bool(notify)];
        RENOTIFY_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))
    })
    .map(drop)
}

/// Writes the catalog's row of a feed that begins now, in the place of one of another server. All
/// tables of the source are locked against everybody: no writer is between two feeds.
pub fn put(session: &Session, source: &Name, notify: bool, tables: &[Named<'_>]) -> Result<()> {
    let is_new = standing(session, source.as_str())? == Standing::None;
    source::as_schema_owner(session, source.as_str(), || {
        ddl::lock(session, source, tables, Lock::All)?;
        // What is left of a feed that the catalog has lost says nothing of what was written since.
        match is_new {
            true => drop_columns(session, source, tables),
            false => Ok(()),
        }
    })?;
    as_owner(What::Catalog, || {
        let name = Arg::Text(source.as_str());
        REMOVE_SQL.with(|sql| session.run(sql, &[name], Reading::Fresh, 0))?;
        let args = [name, Arg::Int8(pg::server()), Arg::Bool(notify)];
        PUT_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))
    })
    .map(drop)
}

/// Drops the columns of a feed, and the indexes with them.
fn drop_columns(session: &Session, source: &Name, tables: &[Named<'_>]) -> Result<()> {
    for named in tables {
        for name in [named.name.to_owned(), format!("{}_history", named.name)] {
            let args = [Arg::Text(source.as_str()), Arg::Text(&name)];
            let rows = HAS_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 1))?;
            let Some(row) = rows.first() else {
                continue;
            };
            if row.text(1)? != Some(ABOUT) {
                let message = format!("{name} has a column {COLUMN} that is not of a feed");
                return Err(Error::refuse(State::Conflict, message)
                    .hint("Rename it: ALTER TABLE ... RENAME COLUMN."));
            }
            let table = format!("{}.\"{name}\"", source.quoted());
            session
                .execute(&drop_column(&table))
                .map_err(|error| ddl::in_the_way(source, error))?;
        }
    }
    Ok(())
}

/// Lets a feed that has just begun, and whose columns are there, count on from the places that are in
/// the tables: they come from another server, which may have counted farther than this one.
pub fn go_on(session: &Session, source: &Name, tables: &[Named<'_>]) -> Result<()> {
    let last = source::as_schema_owner(session, source.as_str(), || {
        let mut last = 0;
        for named in tables {
            let table = Table::new(source.as_str(), named.name, Form::Link, None)?;
            erase::shows_all(session, &table)?;
            let of = |from: &str| format!("(SELECT pg_catalog.max({COLUMN}) FROM {from})");
            let sql = format!(
                "SELECT GREATEST({}, {})",
                of(&table.only),
                of(&table.history)
            );
            let rows = session.run(&Statement::by_key(sql, &[]), &[], Reading::Fresh, 1)?;
            last = last.max(rows.first().map_or(0, |row| row.int8(1)));
        }
        Result::Ok(last)
    })?;
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source.as_str()), Arg::Int8(last)];
        SHIFT_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))
    })
    .map(drop)
}

/// What the comment of the column says, by which it is known from one of the user's own.
const ABOUT: &str = "The place of this version in the feed of the source; kept by the guard";

/// What gives a table, or a history, the column of a feed.
pub fn add_column(quoted: &str, history: bool) -> Vec<String> {
    // A default that is constant is not written into the rows that are there.
    let add = format!("ALTER TABLE {quoted} ADD COLUMN {COLUMN} pg_catalog.int8 DEFAULT 0");
    let rest = match history {
        false => format!("ALTER TABLE {quoted} ALTER COLUMN {COLUMN} SET NOT NULL"),
        // The archive says it. With a default it would run under a search_path of its own.
        true => format!("ALTER TABLE {quoted} ALTER COLUMN {COLUMN} DROP DEFAULT"),
    };
    let comment = format!("COMMENT ON COLUMN {quoted}.{COLUMN} IS '{ABOUT}'");
    vec![add, rest, comment]
}

/// What takes it away, and the index with it.
pub fn drop_column(quoted: &str) -> String {
    format!("ALTER TABLE {quoted} DROP COLUMN {COLUMN} RESTRICT")
}

/// What gives it the index.
pub fn add_index(quoted: &str) -> String {
    format!("CREATE INDEX ON {quoted} ({PLACE})")
}

/// Takes a feed away: its columns with their indexes, its consumers, the catalog's row.
pub fn remove(session: &Session, source: &Name, tables: &[Named<'_>]) -> Result<()> {
    source::as_schema_owner(session, source.as_str(), || {
        ddl::lock(session, source, tables, Lock::All)?;
        drop_columns(session, source, tables)
    })?;
    as_owner(What::Catalog, || {
        let name = [Arg::Text(source.as_str())];
        REMOVE_CONSUMERS_SQL.with(|sql| session.run(sql, &name, Reading::Fresh, 0))?;
        REMOVE_SQL.with(|sql| session.run(sql, &name, Reading::Fresh, 0))
    })
    .map(drop)
}
