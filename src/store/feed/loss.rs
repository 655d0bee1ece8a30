//! What was taken from a feed for ever: `ingest.feed_loss`.

use super::making::here;
use super::{Feed, Position};
use crate::pg::{Arg, Instant, Reading, Result, Session, kind, statements};
use crate::store::acting::{What, as_owner};
use crate::store::table::Table;
use kind::{INSTANT, INT4, INT8, TEXT};

/// A loss, and those before it that it covers: whoever one of them concerns, it concerns too.
const LOSE: &str = "WITH covered AS (DELETE FROM ingest.feed_loss AS l \
         WHERE l.source = $1 AND l.profile = $6 \
         AND (l.place, l.updated_at, l.id, l.version) <= ($2, $3, $4, $5)) \
     INSERT INTO ingest.feed_loss (source, number, profile, place, updated_at, id, version) \
     SELECT $1, (COALESCE(pg_catalog.max(l.number), 0) + 1), $6, $2, $3, $4, $5 \
     FROM ingest.feed_loss AS l WHERE l.source = $1";

statements! {
    LOSE_SQL = LOSE, [TEXT, INT8, INSTANT, TEXT, INT4, TEXT];
}

/// Says that versions of a profile up to this one were taken for ever. The caller has locked the
/// source for a definition, so that losses come one after the other.
pub fn lost(session: &Session, source: &str, last: &Position) -> Result<()> {
    let [place, updated_at, id, version] = last.args(last.version);
    let args = [
        Arg::Text(source),
        place,
        updated_at,
        id,
        version,
        Arg::Text(&last.profile),
    ];
    as_owner(What::Catalog, || {
        LOSE_SQL.with(|sql| session.run(sql, &args, Reading::LatestWriting, 0))
    })
    .map(drop)
}

/// Says that all versions of a table were taken for ever, if its source has a feed: those that have
/// been read too, of which nobody is told otherwise.
pub fn lost_all(session: &Session, table: &Table) -> Result<()> {
    match &table.feed {
        Some(feed) => lost_table(session, &table.source, &table.name, feed),
        None => Ok(()),
    }
}

/// The same of a table that had to be repaired, with what its rows have been to readers.
pub fn lost_repaired(session: &Session, source: &str, name: &str) -> Result<()> {
    match here(session, source)? {
        Some(feed) => lost_table(session, source, name, &feed),
        None => Ok(()),
    }
}

fn lost_table(session: &Session, source: &str, name: &str, feed: &Feed) -> Result<()> {
    let all = Position {
        place: feed.place(source, 0)?,
        updated_at: Instant::MAX,
        id: String::new(),
        version: 0,
        profile: name.to_owned(),
    };
    lost(session, source, &all)
}
