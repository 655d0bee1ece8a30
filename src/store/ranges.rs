//! A history in ranges of time, which `sql/ranges.sql` cuts.

use super::name::Name;
use crate::pg::kind::{INSTANT, INT4, INTERVAL, TEXT};
use crate::pg::{Arg, Instant, Reading, Result, Session, statements};

const CUT: &str =
    "SELECT c.partition, c.begins_at, c.ends_at FROM ingest.history_cut($1, $2, $3, $4) AS c";

statements! {
    CUT_SQL = CUT, [TEXT, TEXT, INTERVAL, INT4];
}

/// A partition that was made.
#[derive(Debug)]
pub struct Range {
    /// Its name, in the schema of the source.
    pub name: String,
    /// Its first instant; none for the beginning of time, and for what has no range.
    pub begins_at: Option<Instant>,
    /// The first instant after it; none for what has no range.
    pub ends_at: Option<Instant>,
}

/// Cuts the history of a table, and tells of each partition that was made: as their owner, who has
/// locked both. The seals of the partitions are not there yet.
pub fn cut(
    session: &Session,
    (source, name): (&Name, &Name),
    width: Arg<'_>,
    ahead: i32,
    mut told: impl FnMut(Range) -> Result<()>,
) -> Result<()> {
    let args = [
        Arg::Text(source.as_str()),
        Arg::Text(name.as_str()),
        width,
        Arg::Int4(ahead),
    ];
    let rows = CUT_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
    for row in rows.iter() {
        row.expect(&[TEXT, INSTANT, INSTANT])?;
        told(Range {
            name: row.string(1)?,
            begins_at: row.instant(2),
            ends_at: row.instant(3),
        })?;
    }
    Ok(())
}
