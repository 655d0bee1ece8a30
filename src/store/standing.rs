//! Where a row stands: there, deleted, or never made, as one snapshot has it.
//!
//! Who asks for the row first and for its history then can meet a moment that never was: between two
//! snapshots a row is deleted, and made anew.

use super::history::rights;
use super::row::RowKey;
use super::table::{Action, Table};
use crate::pg::{Instant, Reading, Result, Session, kind};

/// Where a row stands, as far as the caller may know: without the right to read history, it was
/// never deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is there: this version, made at this instant.
    There(i32, Instant),
    /// It was deleted.
    Deleted,
    /// It never was.
    Never,
}

/// Asks where a row stands.
pub fn standing(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
    reading: Reading,
) -> Result<Standing> {
    let ask = table.statement(match rights(session, table, reading)?.read_history {
        true => Action::StandingAndHistory,
        false => Action::Standing,
    });
    let mut standing = Standing::Never;
    for row in session.run(ask, &key.args(), reading, 0)?.iter() {
        row.expect(&[kind::INT4, kind::INSTANT, kind::BOOL, kind::BOOL])?;
        if row.bool(3) {
            return Ok(Standing::There(
                row.int4(1),
                row.instant(2).unwrap_or_default(),
            ));
        }
        if row.bool(4) {
            standing = Standing::Deleted;
        }
    }
    Ok(standing)
}

/// Whether a row that could not be held is out of the caller's reach, by a policy: it is seen before
/// and after the attempt, and was the same all the while. `seen` is what was seen before, and becomes
/// what is seen now.
pub fn is_out_of_reach(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
    seen: &mut Option<Standing>,
) -> Result<bool> {
    let now = standing(session, table, key, Reading::Fresh)?;
    let there = matches!(now, Standing::There(..)).then_some(now);
    let before = std::mem::replace(seen, there);
    Ok(there.is_some() && there == before)
}
