//! The named readers of a feed, whose positions are kept: `ingest.feed_consumer`.

use crate::pg::{
    self, Arg, NamedLock, Oid, Reading, Result, Row, Session, kind, lock_name, lock_number,
    statements,
};
use crate::store::acting::{What, as_owner};
use kind::{TEXT, TEXTS};

const CONSUMER: &str = "SELECT c.role, c.cursor, c.profiles FROM ingest.feed_consumer AS c \
     WHERE c.source = $1 AND c.consumer = $2";
const PUT_CONSUMER: &str = "INSERT INTO ingest.feed_consumer (source, consumer, role, cursor, profiles) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
const MOVE_CONSUMER: &str = "UPDATE ingest.feed_consumer SET cursor=$3, moved_at=DEFAULT \
     WHERE source = $1 AND consumer = $2";
const REMOVE_CONSUMER: &str =
    "DELETE FROM ingest.feed_consumer WHERE source = $1 AND consumer = $2";
const ALL: &str = "SELECT c.role, c.cursor, c.profiles, c.consumer FROM ingest.feed_consumer AS c \
     WHERE c.source = $1 ORDER BY c.consumer";

statements! {
    CONSUMER_SQL = CONSUMER, [TEXT, TEXT];
    PUT_CONSUMER_SQL = PUT_CONSUMER, [TEXT, TEXT, TEXT, TEXT, TEXTS];
    MOVE_CONSUMER_SQL = MOVE_CONSUMER, [TEXT, TEXT, TEXT];
    REMOVE_CONSUMER_SQL = REMOVE_CONSUMER, [TEXT, TEXT];
    ALL_SQL = ALL, [TEXT];
}

/// A named reader of a feed.
#[derive(Debug)]
pub struct Consumer {
    /// The role that made it.
    pub role: String,
    /// How far it has come.
    pub cursor: Option<String>,
    /// What it reads of; all, if it does not say.
    pub profiles: Option<Vec<String>>,
}

impl Consumer {
    fn of(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            role: row.string(1)?,
            cursor: row.text(2)?.map(str::to_owned),
            profiles: row.texts(3)?,
        })
    }

    /// The names of what it reads of.
    pub fn names(&self) -> Option<Vec<&str>> {
        let names = self.profiles.as_ref();
        names.map(|names| names.iter().map(String::as_str).collect())
    }
}

/// A consumer, by its source and its name, held until the transaction ends. What holds it is no lock
/// on its row: that would take a number for the transaction, which the feed would then wait for.
pub fn hold(session: &Session, source: &str, name: &str) -> Result<Option<Consumer>> {
    let number = lock_number(&format!("{source}\n{name}"));
    lock_name(NamedLock::Consumer, number)?;
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Text(name)];
        let rows = CONSUMER_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 1))?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Consumer::of(&row).map(Some)
    })
}

/// Makes a consumer; `false` if there is one of that name.
pub fn put(
    session: &Session,
    source: &str,
    name: &str,
    (role, cursor, profiles): (Oid, Option<&str>, Option<&[&str]>),
) -> Result<bool> {
    let role = pg::role_name(role)?;
    as_owner(What::Catalog, || {
        let args = [
            Arg::Text(source),
            Arg::Text(name),
            Arg::Text(&role),
            Arg::text(cursor),
            profiles.map_or(Arg::Null, Arg::Texts),
        ];
        let rows = PUT_CONSUMER_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        Ok(rows.count() > 0)
    })
}

/// Moves a consumer that is held.
pub fn go_on(session: &Session, source: &str, name: &str, cursor: &str) -> Result<()> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Text(name), Arg::Text(cursor)];
        MOVE_CONSUMER_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))
    })
    .map(drop)
}

/// Forgets a consumer that is held.
pub fn remove(session: &Session, source: &str, name: &str) -> Result<()> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Text(name)];
        REMOVE_CONSUMER_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))
    })
    .map(drop)
}

/// All consumers of a feed, by their names.
pub fn all(session: &Session, source: &str) -> Result<Vec<(String, Consumer)>> {
    as_owner(What::Catalog, || {
        let rows =
            ALL_SQL.with(|sql| session.run(sql, &[Arg::Text(source)], Reading::Caller, 0))?;
        rows.iter()
            .map(|row| Ok((row.string(4)?, Consumer::of(&row)?)))
            .collect()
    })
}
