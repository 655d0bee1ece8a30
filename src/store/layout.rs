//! `Layout`: where the columns of a guarded table stand in the row that a trigger is handed.
//!
//! They are found by name and type, never by place: users may add, move and drop columns of their
//! own, and a column of another type must not be read as if it were ours.

use super::table::Form;
use crate::pg::{Error, Oid, PerTable, Result, State, Tuple, kind};
use std::ffi::CStr;

/// How a row of the table is named.
#[derive(Debug, Clone, Copy)]
pub enum Key {
    /// A resource: by `id`.
    Id(i32),
    /// A link: by `from_id` and `to_id`, with the generated `id` beside them.
    Ends(i32, i32, i32),
}

/// The numbers of the columns that the gate reads and writes.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// The columns that name the row.
    pub key: Key,
    /// `version`
    pub version: i32,
    /// `created_at`
    pub created_at: i32,
    /// `updated_at`
    pub updated_at: i32,
    /// `profile_version`
    pub profile_version: i32,
    /// `updated_by`
    pub updated_by: i32,
    /// `updated_by_login`
    pub updated_by_login: i32,
    /// `context`
    pub context: i32,
    /// `data`
    pub data: i32,
    /// `contained`, of a native resource.
    pub contained: Option<i32>,
    /// `feed_place`, which only tables of a source with a feed need to have.
    feed_place: Option<i32>,
}

thread_local! {
    static LAST: PerTable<Layout> = const { PerTable::new() };
}

impl Layout {
    /// Where the columns of the table are, found once as long as the table does not change.
    #[inline]
    pub fn of(table: Oid, row: &Tuple<'_>, form: Form) -> Result<Self> {
        LAST.with(|last| last.get_or(table, || Self::find(row, form)))
    }

    /// The columns of the author of a version, in the order of [`super::author::Author::args`].
    pub fn author(&self) -> [i32; 3] {
        [self.updated_by, self.updated_by_login, self.context]
    }

    /// `feed_place`, for a source with a feed.
    pub fn feed_place(&self) -> Result<i32> {
        self.feed_place.ok_or_else(|| {
            let message =
                "a table of a source with a feed needs the column feed_place of type bigint";
            Error::refuse(State::BadRequest, message)
                .hint("ingest.feed_create(source) makes it again.")
        })
    }

    fn find(row: &Tuple<'_>, form: Form) -> Result<Self> {
        let need = |name: &'static CStr, of: Oid, type_name: &str| {
            row.column_of(name, of).ok_or_else(|| {
                let name = name.to_string_lossy();
                let message =
                    format!("a guarded table needs the column {name} of type {type_name}");
                Error::refuse(State::BadRequest, message)
                    .hint("Restore the column; profile_define and relationship_define made it.")
            })
        };
        let text = |name| need(name, kind::TEXT, "text");
        let integer = |name| need(name, kind::INT4, "integer");
        let instant = |name| need(name, kind::INSTANT, "timestamptz");
        let jsonb = |name| need(name, kind::JSONB, "jsonb");
        // By what the table is, and not by what it has: it may have any column of its owner's own.
        let (key, contained) = match form {
            Form::Native => (Key::Id(text(c"id")?), Some(jsonb(c"contained")?)),
            Form::Fhir => (Key::Id(text(c"id")?), None),
            Form::Link => {
                let ends = Key::Ends(text(c"from_id")?, text(c"to_id")?, text(c"id")?);
                (ends, None)
            }
        };
        Ok(Self {
            key,
            version: integer(c"version")?,
            created_at: instant(c"created_at")?,
            updated_at: instant(c"updated_at")?,
            profile_version: integer(c"profile_version")?,
            updated_by: text(c"updated_by")?,
            updated_by_login: text(c"updated_by_login")?,
            context: jsonb(c"context")?,
            data: jsonb(c"data")?,
            contained,
            feed_place: row.column_of(c"feed_place", kind::INT8),
        })
    }
}
