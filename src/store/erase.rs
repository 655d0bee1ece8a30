//! What is taken out of tables and histories for ever: a row with all its versions, what one version
//! held, the oldest versions. Who may define in the source does it, as the owner of its schema.

use super::acting;
use super::author::Author;
use super::ddl::{self, Lock};
use super::feed::{self, Position};
use super::history::{self, Last, through_seal};
use super::links::{self, Touching};
use super::name::Name;
use super::row::{self, RowKey};
use super::table::{Form, PLACE, Table, parameters, same, versions_of};
use crate::pg::{
    Arg, Error, Event, Instant, Oid, Reading, Result, Session, State, Statement, iso, kind, now,
};
use jsonb::{Item, write};
use kind::{INSTANT, INT4, INT8, JSONB, TEXT};

/// An erasure: who does it, and why.
#[derive(Debug)]
pub struct Erasure<'a> {
    /// Who erases.
    pub author: &'a Author,
    /// Why.
    pub reason: &'a str,
}

/// What came of erasing a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    /// It never was.
    Never,
    /// It was erased before, and is not there again.
    Before,
    /// A trigger or a rule has kept some of it.
    Kept,
    /// It is gone, and this is its marker.
    Now(Last),
}

/// The newest version of a row, living or archived, as a marker needs it.
struct Newest {
    id: String,
    last: Last,
    profile_version: i32,
    is_marker: bool,
    /// Its place in the feed, 0 without feed.
    feed_place: i64,
}

/// Keeps a row, or the place of one that was deleted, from everybody until the transaction ends. Who
/// makes a deleted one again waits for no row, so that its whole table is locked against changes.
pub fn hold(session: &Session, source: &Name, table: &Table, key: RowKey<'_>) -> Result<()> {
    if row::lock_for_delete(session, table, key)?.is_none() {
        ddl::lock_tables(session, source, &[table], Lock::Changes)?;
        row::lock_for_delete(session, table, key)?;
    }
    Ok(())
}

/// Erases a row that is held, and its history. One version stays, the next one: who erased it, when
/// and why. A row that is made again goes on from there.
pub fn erase(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
    erasure: &Erasure<'_>,
) -> Result<Erased> {
    let found = acting::found_for_purge(table)?;
    shows_all(session, table)?;
    let newest = match newest(session, table, key)? {
        None => return Ok(Erased::Never),
        Some(newest) if newest.is_marker => return Ok(Erased::Before),
        Some(newest) => newest,
    };
    let delete = |from: &str| by_key(table, format!("DELETE FROM {from} WHERE"), "", &[]);
    history::unarchived(found.relation, || {
        session.run(&delete(&table.only), &key.args(), Reading::Fresh, 0)
    })?;
    through_seal((found.history, Event::Delete), || {
        session.run(&delete(&table.history), &key.args(), Reading::Fresh, 0)
    })?;
    if self::newest(session, table, key)?.is_some() {
        return Ok(Erased::Kept);
    }
    let marker = Last {
        version: newest.last.version + 1,
        updated_at: now().max(newest.last.updated_at.saturating_add(1)),
    };
    mark(
        session,
        table,
        key,
        found.history,
        (&newest, marker),
        erasure,
    )?;
    Ok(Erased::Now(marker))
}

fn mark(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
    history: Oid,
    (newest, marker): (&Newest, Last),
    erasure: &Erasure<'_>,
) -> Result<()> {
    let mut columns = table.columns.key.to_vec();
    let mut types = vec![TEXT; columns.len()];
    let mut args = key.args().to_vec();
    if table.form() == Form::Link {
        columns.push("id");
        types.push(TEXT);
        args.push(Arg::Text(&newest.id));
    }
    let erased = erasure.told(marker.updated_at)?;
    let at = Arg::Instant(marker.updated_at);
    let place = match &table.feed {
        Some(feed) => Some(feed.place(&table.source, newest.feed_place)?),
        None => None,
    };
    let rest = [
        ("version", INT4, Arg::Int4(marker.version)),
        ("created_at", INSTANT, at),
        ("updated_at", INSTANT, at),
        ("profile_version", INT4, Arg::Int4(newest.profile_version)),
        ("updated_by", TEXT, Arg::Text(&erasure.author.role)),
        (
            "updated_by_login",
            TEXT,
            Arg::text(erasure.author.login.as_deref()),
        ),
        (
            "context",
            JSONB,
            Arg::jsonb(erasure.author.context.as_deref()),
        ),
        ("erased", JSONB, Arg::Jsonb(&erased)),
    ];
    let placed = place.map(|place| ("feed_place", INT8, Arg::Int8(place)));
    for (column, of, arg) in rest.into_iter().chain(placed) {
        columns.push(column);
        types.push(of);
        args.push(arg);
    }
    let sql = format!(
        "INSERT INTO {} ({}) VALUES ({})",
        table.history,
        columns.join(", "),
        parameters(columns.len())
    );
    through_seal((history, Event::Insert), || {
        session.run(&Statement::by_key(sql, types), &args, Reading::Fresh, 0)
    })?;
    Ok(())
}

impl Erasure<'_> {
    /// What a version says of it.
    fn told(&self, at: Instant) -> Result<Vec<u8>> {
        let at = iso(at)?;
        let mut members = vec![
            (&b"at"[..], Item::Text(&at)),
            (b"by", Item::Text(&self.author.role)),
            (b"reason", Item::Text(self.reason)),
        ];
        if let Some(login) = &self.author.login {
            members.push((b"login", Item::Text(login)));
        }
        write(&Item::Members(members))
            .map_err(|_| Error::Bug("an erasure cannot be written".into()))
    }
}

/// The links that a resource has or had in a relationship, by their ends, in their order.
pub fn links_of(
    session: &Session,
    table: &Table,
    touching: &Touching,
    id: &str,
) -> Result<Vec<[String; 2]>> {
    let condition = links::touching_condition(touching);
    let of = |from: &str| format!("SELECT from_id, to_id FROM {from} WHERE {condition}");
    let sql = format!(
        "SELECT DISTINCT l.from_id, l.to_id FROM ({} UNION ALL {}) AS l",
        of(&table.only),
        of(&table.history)
    );
    let statement = Statement::by_values(sql, &[TEXT]);
    let rows = session.run(&statement, &[Arg::Text(id)], Reading::Fresh, 0)?;
    let mut all = rows
        .iter()
        .map(|row| Ok([row.string(1)?, row.string(2)?]))
        .collect::<Result<Vec<_>>>()?;
    all.sort_unstable();
    Ok(all)
}

/// Erases what an old version held, and leaves its place; says when it was made, or nothing where
/// history has no such version, or none that holds anything.
pub fn version(
    session: &Session,
    table: &Table,
    key: RowKey<'_>,
    version: i32,
    erasure: &Erasure<'_>,
) -> Result<Option<Last>> {
    let found = acting::found_for_purge(table)?;
    shows_all(session, table)?;
    let contained = match table.form() {
        Form::Native => "contained=NULL, ",
        Form::Fhir | Form::Link => "",
    };
    // That it is erased is something new to who has read it.
    let placed = match &table.feed {
        Some(feed) => {
            let place = feed.place(&table.source, 0)?;
            format!("feed_place=GREATEST(feed_place, {place}), ")
        }
        None => String::new(),
    };
    let width = table.columns.key.len();
    let statement = by_key(
        table,
        format!(
            "UPDATE {} SET data=NULL, {contained}{placed}erased=${} WHERE",
            table.history,
            width + 2
        ),
        &format!(
            " AND version = ${} AND data IS NOT NULL RETURNING version, updated_at",
            width + 1
        ),
        &[INT4, JSONB],
    );
    let erased = erasure.told(now())?;
    let args = key.with(&[Arg::Int4(version), Arg::Jsonb(&erased)]);
    let rows = through_seal((found.history, Event::Update), || {
        session.run(&statement, &args, Reading::Fresh, 0)
    })?;
    Ok(rows.first().map(|row| Last::at(&row, 1)))
}

/// How long ago a version must have ended to be pruned.
#[derive(Debug, Clone, Copy)]
pub enum Older<'a> {
    /// It does not matter.
    Any,
    /// A caller's interval.
    Than(Arg<'a>),
    /// The interval of a definition.
    Said(&'a str),
}

/// Deletes versions that ended before so long ago, each row's oldest first: at most `limit` of them,
/// and none of the newest `keep` of a row. Says how many.
pub fn prune(
    session: &Session,
    table: &Table,
    (older, keep): (Older<'_>, i32),
    limit: i32,
) -> Result<u64> {
    let found = acting::found_for_purge(table)?;
    shows_all(session, table)?;
    let key = table.columns.key;
    let newer = versions_of(table, "o");
    let keys = |of: &str| {
        let all: Vec<String> = key.iter().map(|column| format!("{of}.{column}")).collect();
        all.join(", ")
    };
    let (older, cut, types): (_, _, &'static [Oid]) = match older {
        Older::Any => (Arg::Null, "$1", &[kind::INTERVAL, INT4, INT4]),
        Older::Than(interval) => (interval, "$1", &[kind::INTERVAL, INT4, INT4]),
        Older::Said(interval) => {
            let cast = "$1::pg_catalog.interval";
            (Arg::Text(interval), cast, &[TEXT, INT4, INT4])
        }
    };
    let old = format!(
        "WITH old AS (SELECT {keys}, o.version FROM {history} AS o \
             WHERE ($1 IS NULL OR o.ended_at <= (pg_catalog.now() - {cut})) \
             AND EXISTS (SELECT FROM ({newer}) AS n WHERE n.version >= (o.version + $2)) \
             ORDER BY {keys}, o.version LIMIT $3)",
        history = table.history,
        keys = keys("o")
    );
    let gone = format!(
        "DELETE FROM {} AS h USING old WHERE {} AND h.version = old.version",
        table.history,
        same(key, "h", "old")
    );
    let args = [older, Arg::Int4(keep), Arg::Int4(limit)];
    let delete = |sql: String| {
        through_seal((found.history, Event::Delete), || {
            let statement = Statement::by_values(sql, types);
            session.run(&statement, &args, Reading::Fresh, 0)
        })
    };
    if table.feed.is_none() {
        return Ok(delete(format!("{old} {gone}"))?.count());
    }
    // Who reads the feed and had not come so far is told.
    let rows = delete(format!(
        "{old}, gone AS ({gone} RETURNING {}) SELECT {PLACE}, (SELECT pg_catalog.count(*) FROM gone) FROM gone \
         ORDER BY feed_place DESC, updated_at DESC, id DESC, version DESC LIMIT 1",
        PLACE
            .split(", ")
            .map(|column| format!("h.{column}"))
            .collect::<Vec<_>>()
            .join(", ")
    ))?;
    let Some(last) = rows.first() else {
        return Ok(0);
    };
    let position = Position::of(table, &last)?;
    feed::lost(session, &table.source, &position)?;
    Ok(u64::try_from(last.int8(5)).unwrap_or_default())
}

/// A statement about the row that the first parameters name.
fn by_key(table: &Table, before: String, after: &str, rest: &[Oid]) -> Statement {
    let key = table.columns.key;
    let sql = format!("{before} {}{after}", table.by_key());
    let types = [&vec![TEXT; key.len()], rest].concat();
    Statement::by_key(sql, types)
}

fn newest(session: &Session, table: &Table, key: RowKey<'_>) -> Result<Option<Newest>> {
    let place = match table.feed {
        Some(_) => "feed_place",
        None => "0::pg_catalog.int8",
    };
    let of = |from: &str, is_marker: &str| {
        format!(
            "SELECT id, version, updated_at, profile_version, {is_marker} AS is_marker, {place} \
             FROM {from} WHERE {}",
            table.by_key()
        )
    };
    let sql = format!(
        "{} UNION ALL {} ORDER BY version DESC LIMIT 1",
        of(&table.only, "false"),
        of(&table.history, "erased IS NOT NULL")
    );
    let statement = Statement::by_key(sql, vec![TEXT; table.columns.key.len()]);
    let rows = session.run(&statement, &key.args(), Reading::Latest, 1)?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    row.expect(&[TEXT, INT4, INSTANT, INT4, kind::BOOL, INT8])?;
    Ok(Some(Newest {
        id: row.string(1)?,
        last: Last::at(&row, 2),
        profile_version: row.int4(4),
        is_marker: row.bool(5),
        feed_place: row.int8(6),
    }))
}

/// Refuses where policies bind the owner of the schema, whose the table is not then: what they hide
/// would stay, or not be seen.
pub fn shows_all(session: &Session, table: &Table) -> Result<()> {
    let active =
        |name: &str| format!("pg_catalog.row_security_active('{name}'::pg_catalog.regclass)");
    let sql = format!(
        "SELECT {} OR {}",
        active(&table.quoted),
        active(&table.history)
    );
    let rows = session.run(&Statement::by_key(sql, &[]), &[], Reading::Latest, 1)?;
    match rows.first().is_some_and(|row| row.bool(1)) {
        false => Ok(()),
        true => Err(Error::refuse(
            State::Conflict,
            format!("policies of {} bind the owner of the schema, and could hide what is to go", table.whole),
        )
        .hint("Give the table and its history to the owner of the schema: ALTER TABLE ... OWNER TO ...")),
    }
}
