//! `Layout`: where the columns of a guarded table stand in the row that a trigger is handed.
//!
//! They are found by name, at every firing: users may add, move and drop columns of their own.

use crate::pg::{Error, Result, State, Tuple};

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
    /// `data`
    pub data: i32,
    /// `contained`; a link table has none.
    pub contained: Option<i32>,
}

impl Layout {
    /// Finds the columns.
    pub fn of(row: &Tuple<'_>) -> Result<Self> {
        let need = |name: &'static std::ffi::CStr| {
            row.column(name).ok_or_else(|| {
                let name = name.to_string_lossy();
                Error::refuse(
                    State::BadRequest,
                    format!("a guarded table needs the column {name}"),
                )
                .hint("Restore the column; profile_define and relationship_define made it.")
            })
        };
        let contained = row.column(c"contained");
        let key = match contained {
            Some(_) => Key::Id(need(c"id")?),
            None => Key::Ends(need(c"from_id")?, need(c"to_id")?, need(c"id")?),
        };
        Ok(Self {
            key,
            version: need(c"version")?,
            created_at: need(c"created_at")?,
            updated_at: need(c"updated_at")?,
            profile_version: need(c"profile_version")?,
            data: need(c"data")?,
            contained,
        })
    }
}
