//! The rows of link tables, as the verbs read and write them: with the caller's rights.

use super::acting::{What, as_owner};
use super::history::{self, RowKey};
use super::kept;
use super::resources::{Hold, may_hold};
use super::table::{LINK, Table};
use crate::pg::{Arg, Instant, Reading, Result, Row, Session, Statement, kind};
use std::mem::ManuallyDrop;

/// One link.
#[derive(Debug, Clone)]
pub struct Link {
    /// `<from-type>.<from-id>,<to-type>.<to-id>`
    pub id: String,
    /// The version.
    pub version: i32,
    /// When it was first linked.
    pub created_at: Instant,
    /// When this version was made.
    pub updated_at: Instant,
    /// The version of the definition it conforms to.
    pub profile_version: i32,
    /// The link's own data, a root container; none in a tombstone.
    pub data: Option<Vec<u8>>,
    /// The id at the from end.
    pub from: String,
    /// The id at the to end.
    pub to: String,
}

impl Link {
    fn of(row: &Row<'_>) -> Result<Self> {
        use kind::{INSTANT, INT4, JSONB, TEXT};
        row.expect(&[TEXT, INT4, INSTANT, INSTANT, INT4, JSONB, TEXT, TEXT])?;
        Ok(Self {
            id: row.string(1)?,
            version: row.int4(2),
            created_at: row.instant(3).unwrap_or_default(),
            updated_at: row.instant(4).unwrap_or_default(),
            profile_version: row.int4(5),
            data: row.jsonb_copy(6)?,
            from: row.string(7)?,
            to: row.string(8)?,
        })
    }
}

/// The two ends of a link, as ids.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The id at the from end.
    pub from: &'a str,
    /// The id at the to end.
    pub to: &'a str,
}

impl<'a> Pair<'a> {
    fn args(self) -> [Arg<'a>; 2] {
        [Arg::Text(self.from), Arg::Text(self.to)]
    }
}

/// Links two resources, or answers `None` where they are linked already. A missing end is
/// PostgreSQL's 23503, too many links its 23505; both name the constraint.
pub fn insert(
    session: &Session,
    table: &Table,
    pair: Pair<'_>,
    data: &[u8],
) -> Result<Option<Link>> {
    write(session, &table.insert_unless, pair, data)
}

/// Links two resources; that they are linked already is PostgreSQL's 23505 too.
pub fn insert_plainly(
    session: &Session,
    table: &Table,
    pair: Pair<'_>,
    data: &[u8],
) -> Result<Option<Link>> {
    write(session, &table.insert, pair, data)
}

/// Replaces the data of a link that the caller has locked.
pub fn update(
    session: &Session,
    table: &Table,
    pair: Pair<'_>,
    data: &[u8],
) -> Result<Option<Link>> {
    write(session, &table.update, pair, data)
}

fn write(
    session: &Session,
    statement: &Statement,
    pair: Pair<'_>,
    data: &[u8],
) -> Result<Option<Link>> {
    let args = [Arg::Text(pair.from), Arg::Text(pair.to), Arg::Jsonb(data)];
    first(session.run(statement, &args, Reading::Fresh, 0)?.first())
}

/// Reads a link.
pub fn read(
    session: &Session,
    table: &Table,
    pair: Pair<'_>,
    reading: Reading,
) -> Result<Option<Link>> {
    first(session.run(&table.read, &pair.args(), reading, 1)?.first())
}

/// Reads a link and holds it for a write, until the transaction ends.
pub fn lock(session: &Session, table: &Table, pair: Pair<'_>) -> Result<Option<Link>> {
    first(
        session
            .run(&table.lock, &pair.args(), Reading::Fresh, 1)?
            .first(),
    )
}

/// Reads a link and holds it for its deletion.
pub fn lock_for_delete(session: &Session, table: &Table, pair: Pair<'_>) -> Result<Option<Link>> {
    first(
        session
            .run(&table.lock_for_delete, &pair.args(), Reading::Fresh, 1)?
            .first(),
    )
}

/// Holds a link, if it is there and the caller may write the table.
pub fn hold(session: &Session, table: &Table, pair: Pair<'_>, hold: Hold) -> Result<()> {
    if !may_hold(session, table)? {
        return Ok(());
    }
    let strength = hold.strength();
    let sql = format!(
        "SELECT id FROM {} WHERE from_id = $1 AND to_id = $2 FOR {strength}",
        table.only
    );
    let statement = kept::search(table, &sql, |sql| {
        Statement::by_key(sql, &[kind::TEXT, kind::TEXT])
    });
    session
        .run(&statement, &pair.args(), Reading::Fresh, 1)
        .map(drop)
}

/// Deletes a link; says whether there was one.
pub fn delete(session: &Session, table: &Table, pair: Pair<'_>) -> Result<bool> {
    Ok(session
        .run(&table.delete, &pair.args(), Reading::Fresh, 0)?
        .count()
        > 0)
}

/// The tombstone of a link that the caller has just deleted: its number and instant. It is read as
/// the table's owner: who may delete need not be able to read history.
pub fn tombstone(
    session: &Session,
    table: &Table,
    pair: Pair<'_>,
) -> Result<Option<(i32, Instant)>> {
    history::tombstone(session, table, RowKey::Ends(pair.from, pair.to))
}

/// Whether a link that is not there was deleted, as far as the caller may know: without the right
/// to read history, it never was.
pub fn is_deleted(
    session: &Session,
    table: &Table,
    pair: Pair<'_>,
    reading: Reading,
) -> Result<bool> {
    history::is_deleted(session, table, RowKey::Ends(pair.from, pair.to), reading)
}

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

fn touching_condition(touching: &Touching) -> &'static str {
    match (touching.from, touching.to) {
        (true, true) => "from_id = $1 OR to_id = $1",
        (true, false) => "from_id = $1",
        _ => "to_id = $1",
    }
}

/// How many links of a resource the caller can see in a relationship; none without the right to read
/// them. (A link that is out of sight still keeps its ends, by its foreign keys.)
pub fn count(session: &Session, table: &Table, touching: &Touching, id: &str) -> Result<i64> {
    let rights = session.run(&table.rights, &[], Reading::Fresh, 1)?;
    if !rights.first().is_some_and(|row| row.bool(3)) {
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
    mut each: impl FnMut(Link) -> Result<()>,
) -> Result<()> {
    let condition = touching_condition(touching);
    let sql = format!(
        "SELECT {LINK} FROM {} WHERE {condition} ORDER BY id",
        table.only
    );
    let list = kept::search(table, &sql, |sql| Statement::by_key(sql, &[kind::TEXT]));
    session.each(&list, &[Arg::Text(id)], |row| each(Link::of(&row)?))
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

fn first(row: Option<Row<'_>>) -> Result<Option<Link>> {
    row.map(|row| Link::of(&row)).transpose()
}
