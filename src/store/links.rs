//! The links of a resource: in which relationships it takes part, and what is there of them.

use super::acting::{What, as_owner};
use super::row::Stored;
use super::table::Table;
use super::{history, kept};
use crate::pg::{Arg, Reading, Result, Session, Statement, kind};
use std::mem::ManuallyDrop;

const TOUCHING: &str = "SELECT relationship, from_profile = $2, to_profile = $2 \
     FROM ingest.relationship WHERE source = $1 AND (from_profile = $2 OR to_profile = $2) \
     ORDER BY relationship";

thread_local! {
    static TOUCHING_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(TOUCHING, &[kind::TEXT, kind::TEXT])) };
}

/// A relationship that a profile takes part in.
#[derive(Debug, Clone)]
pub struct Touching {
    /// Its name.
    pub relationship: String,
    /// Whether the profile stands at the from end.
    pub from: bool,
    /// Whether the profile stands at the to end.
    pub to: bool,
}

/// The relationships that a profile takes part in.
pub fn touching(session: &Session, source: &str, profile: &str) -> Result<Vec<Touching>> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Text(profile)];
        let rows = TOUCHING_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
        rows.iter()
            .map(|row| {
                Ok(Touching {
                    relationship: row.string(1)?,
                    from: row.bool(2),
                    to: row.bool(3),
                })
            })
            .collect()
    })
}

pub(super) fn touching_condition(touching: &Touching) -> &'static str {
    match (touching.from, touching.to) {
        (true, true) => "from_id = $1 OR to_id = $1",
        (true, false) => "from_id = $1",
        _ => "to_id = $1",
    }
}

/// How many links of a resource the caller can see in a relationship; none without the right to read
/// them. (A link that is out of sight still keeps its ends, by its foreign keys.)
pub fn count(session: &Session, table: &Table, touching: &Touching, id: &str) -> Result<i64> {
    if !history::rights(session, table, Reading::Fresh)?.read {
        return Ok(0);
    }
    let condition = touching_condition(touching);
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM {} WHERE {condition}",
        table.only
    );
    let count = kept::search(table, &sql, |sql| Statement::by_key(sql, &[kind::TEXT]));
    let rows = session.run(&count, &[Arg::Text(id)], Reading::Fresh, 1)?;
    Ok(rows.first().map_or(0, |row| row.int8(1)))
}

/// The links of a resource in a relationship, by id.
pub fn list(
    session: &Session,
    table: &Table,
    touching: &Touching,
    id: &str,
    mut each: impl FnMut(Stored) -> Result<()>,
) -> Result<()> {
    let condition = touching_condition(touching);
    let sql = format!(
        "SELECT {} FROM {} WHERE {condition} ORDER BY id",
        table.columns.row, table.only
    );
    let list = kept::search(table, &sql, |sql| Statement::by_key(sql, &[kind::TEXT]));
    session.each(&list, &[Arg::Text(id)], |row| {
        each(Stored::of(table, &row)?)
    })
}

/// Deletes the links of a resource in a relationship.
pub fn delete_all(session: &Session, table: &Table, touching: &Touching, id: &str) -> Result<u64> {
    let condition = touching_condition(touching);
    let sql = format!("DELETE FROM {} WHERE {condition}", table.only);
    let delete = kept::search(table, &sql, |sql| Statement::by_key(sql, &[kind::TEXT]));
    Ok(session
        .run(&delete, &[Arg::Text(id)], Reading::Fresh, 0)?
        .count())
}
