//! The row as the guard lets it go on.

use crate::pg::{Answer, Arg, Instant, Result, Tuple};
use crate::store::author::Author;
use crate::store::layout::{Key, Layout};

/// What the guard decides for a row.
pub struct Verdict {
    /// Its version.
    pub version: i32,
    /// When its first version was made.
    pub created_at: Instant,
    /// When this one was.
    pub updated_at: Instant,
    /// The version of the definition that it was checked against.
    pub profile_version: i32,
    /// Its place in the feed of its source, if that has one, and the column.
    pub feed_place: Option<(i32, i64)>,
}

/// Whose the row is.
pub enum By<'a> {
    /// Of who makes this version.
    Author(&'a Author),
    /// Of who has made the version that stays.
    Stored(&'a Tuple<'a>),
}

/// What becomes of `data`, or of `contained`.
pub enum Part<'a> {
    /// It goes on as it was given.
    AsGiven,
    /// It is NULL.
    Absent,
    /// As it was before an update.
    Stored(&'a [u8]),
    /// It is this.
    Written(Vec<u8>),
}

/// The row goes on with what was decided, and with an id, where it was given none.
pub fn answer(
    row: &Tuple<'_>,
    layout: &Layout,
    verdict: &Verdict,
    by: &By<'_>,
    fresh_id: Option<&str>,
    [data, contained]: [Part<'_>; 2],
) -> Result<Answer> {
    let [role, login, context] = match by {
        By::Author(author) => author.args(),
        By::Stored(old) => layout.author().map(|at| old.arg(at)),
    };
    let mut changes = [
        (layout.version, Arg::Int4(verdict.version)),
        (layout.created_at, Arg::Instant(verdict.created_at)),
        (layout.updated_at, Arg::Instant(verdict.updated_at)),
        (layout.profile_version, Arg::Int4(verdict.profile_version)),
        (layout.updated_by, role),
        (layout.updated_by_login, login),
        (layout.context, context),
        (0, Arg::Null),
        (0, Arg::Null),
        (0, Arg::Null),
        (0, Arg::Null),
    ];
    let mut count = 7;
    if let Some((column, place)) = verdict.feed_place {
        changes[count] = (column, Arg::Int8(place));
        count += 1;
    }
    if let (Key::Id(column), Some(id)) = (layout.key, fresh_id) {
        changes[count] = (column, Arg::Text(id));
        count += 1;
    }
    for (column, part) in [(Some(layout.data), &data), (layout.contained, &contained)] {
        let value = match part {
            Part::AsGiven => continue,
            Part::Absent => Arg::Null,
            Part::Stored(bytes) => Arg::Jsonb(bytes),
            Part::Written(bytes) => Arg::Jsonb(bytes),
        };
        if let Some(column) = column {
            changes[count] = (column, value);
            count += 1;
        }
    }
    row.answer_with(&changes[..count])
}
