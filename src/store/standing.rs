//! Where a row stands: there, deleted, or never made, as one snapshot has it.
//!
//! Who asks for the row first and for its history then can meet a moment that never was: between two
//! snapshots a row is deleted, and made anew.

use super::Guarded;
use super::history::RowKey;
use super::kept;
use super::refusal;
use super::table::Table;
use crate::pg::{
    Arg, Instant, Reading, Result, Session, Statement, check_for_interrupts, kind, snapshot_is_old,
};

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
    let rights = session.run(&table.rights, &[], reading, 1)?;
    let may_read_history = rights.first().is_some_and(|row| row.bool(2));
    let [first, second] = key.parts().map(Arg::Text);
    let (keyed, types, args): (_, &[_], &[_]) = match key {
        RowKey::Id(_) => ("id = $1", &[kind::TEXT], &[first]),
        RowKey::Ends(..) => (
            "from_id = $1 AND to_id = $2",
            &[kind::TEXT, kind::TEXT],
            &[first, second],
        ),
    };
    let mut sql = format!(
        "SELECT version, updated_at, true, false FROM {} WHERE {keyed}",
        table.only
    );
    if may_read_history {
        sql.push_str(&format!(
            " UNION ALL (SELECT version, updated_at, false, data IS NULL FROM {} WHERE {keyed} \
             ORDER BY version DESC LIMIT 1)",
            table.history
        ));
    }
    let ask = kept::search(table, &sql, |sql| Statement::by_key(sql, types));
    let mut standing = Standing::Never;
    for row in session.run(&ask, args, reading, 0)?.iter() {
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

/// Reads and holds a row that must be there; `lock` does that. Who has waited for a delete does not
/// see a row that was made anew meanwhile, and tries again.
pub fn held<T>(
    session: &Session,
    guarded: &Guarded,
    key: RowKey<'_>,
    expected: Option<i32>,
    lock: impl Fn() -> Result<Option<T>>,
) -> Result<T> {
    let table = guarded.table()?;
    let mut seen = None;
    loop {
        check_for_interrupts()?;
        if let Some(held) = lock()? {
            return Ok(held);
        }
        let now = standing(session, table, key, Reading::Fresh)?;
        if let Standing::There(..) = now {
            if seen.replace(now) == Some(now) {
                return Err(refusal::swallowed(guarded));
            }
            continue;
        }
        if snapshot_is_old()
            && let Standing::There(..) = standing(session, table, key, Reading::Latest)?
        {
            return Err(refusal::too_new(guarded));
        }
        return Err(refusal::absent(guarded, expected, now == Standing::Deleted));
    }
}
