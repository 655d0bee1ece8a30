//! The tables of profiles and relationships: how they are made and dropped, as the caller.
//!
//! Names are put into SQL here and nowhere later; [`Name`] is what makes that safe.

use super::acting::{What, as_owner};
use super::catalog::Ends;
use super::cluster;
use super::comment;
use super::name::Name;
use super::source::LOCK_ALL;
use super::table::{Form, Table};
use crate::pg::{Arg, Error, Reading, Result, Session, State, Statement, kind};
use std::mem::ManuallyDrop;

const IS_TABLE: &str = "SELECT c.relkind = ANY (ARRAY['r', 'p']::pg_catalog.\"char\"[]) \
     FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relname = $2";

thread_local! {
    static IS_TABLE_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(IS_TABLE, &[kind::TEXT, kind::TEXT])) };
}

/// What has a table in a source; profiles sort before relationships.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named<'a> {
    /// Whether it is a relationship.
    pub links: bool,
    /// Its name, which is also the name of its table.
    pub name: &'a str,
}

/// What stands for a column that the guard keeps when the writer leaves it out. They are defaults, so
/// that no tool asks a person for them; the guard puts its own in their place.
pub const LEFT_OUT: [(&str, &str); 5] = [
    ("version", "0"),
    ("created_at", "'-infinity'"),
    ("updated_at", "'-infinity'"),
    ("profile_version", "0"),
    ("updated_by", "''"),
];

/// The columns that every guarded table has between its key and its content.
const KEPT: &str = "version pg_catalog.int4 NOT NULL DEFAULT 0, \
     created_at pg_catalog.timestamptz NOT NULL DEFAULT '-infinity', \
     updated_at pg_catalog.timestamptz NOT NULL DEFAULT '-infinity', \
     profile_version pg_catalog.int4 NOT NULL DEFAULT 0, \
     updated_by pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL DEFAULT '', \
     updated_by_login pg_catalog.text COLLATE pg_catalog.\"C\", context pg_catalog.jsonb";
/// The same in a history, which nobody but the archive writes.
const BOOKKEEPING: &str = "version pg_catalog.int4 NOT NULL, \
     created_at pg_catalog.timestamptz NOT NULL, updated_at pg_catalog.timestamptz NOT NULL, \
     profile_version pg_catalog.int4 NOT NULL, \
     updated_by pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL, \
     updated_by_login pg_catalog.text COLLATE pg_catalog.\"C\", context pg_catalog.jsonb";

/// Creates the table of a profile or relationship, or its history.
pub fn make(
    session: &Session,
    source: &Name,
    name: &Name,
    (form, ends): (Form, Option<&Ends>),
    history: bool,
) -> Result<()> {
    cluster::check_name(session, source, name)?;
    let (schema, table) = (source.quoted(), name.quoted());
    // The id of a FHIR resource stands in it, so that the column has no other to begin with.
    let (default, contained) = match form {
        Form::Fhir => ("", ""),
        // One that is made where the call is, and not where the row is written, is asked for in the
        // history.
        _ if cluster::distributes(session, source.as_str())? => {
            ("", ", contained pg_catalog.jsonb")
        }
        _ => (" DEFAULT ingest.new_id()", ", contained pg_catalog.jsonb"),
    };
    let sql = match (ends, history) {
        (None, false) => format!(
            "CREATE TABLE {schema}.{table} (\
             id pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL{default} PRIMARY KEY, {KEPT}, \
             data pg_catalog.jsonb NOT NULL{contained})"
        ),
        (None, true) => format!(
            "CREATE TABLE {schema}.\"{name}_history\" (\
             id pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL, {BOOKKEEPING}, data pg_catalog.jsonb{contained}, \
             ended_at pg_catalog.timestamptz, erased pg_catalog.jsonb, PRIMARY KEY (id, version))"
        ),
        (Some(ends), false) => {
            let (from, to) = (&ends.from, &ends.to);
            format!(
                "CREATE TABLE {schema}.{table} (\
                 from_id pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL \
                     CONSTRAINT \"{name}_from\" REFERENCES {schema}.\"{from}\" (id), \
                 to_id pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL \
                     CONSTRAINT \"{name}_to\" REFERENCES {schema}.\"{to}\" (id), \
                 id pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL GENERATED ALWAYS AS \
                     ('{from}.' || from_id || ',{to}.' || to_id) STORED, \
                 {KEPT}, data pg_catalog.jsonb NOT NULL DEFAULT '{{}}', \
                 PRIMARY KEY (from_id, to_id))"
            )
        }
        (Some(_), true) => format!(
            "CREATE TABLE {schema}.\"{name}_history\" (\
             from_id pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL, to_id pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL, \
             id pg_catalog.text COLLATE pg_catalog.\"C\" NOT NULL, {BOOKKEEPING}, data pg_catalog.jsonb, \
             ended_at pg_catalog.timestamptz, erased pg_catalog.jsonb, PRIMARY KEY (from_id, to_id, version))"
        ),
    };
    let made = match history {
        true => format!("{schema}.\"{name}_history\""),
        false => format!("{schema}.{table}"),
    };
    cluster::make(session, source, &made, || session.execute(&sql))?;
    let Some(ends) = ends.filter(|_| !history) else {
        return Ok(());
    };
    if ends.to_cardinality.many {
        session.execute(&format!(
            "CREATE INDEX ON {schema}.{table} (to_id, from_id)"
        ))?;
    }
    for (.., sql) in one_sided(source, name, ends) {
        session.execute(&sql)?;
    }
    Ok(())
}

/// What keeps an end that takes one link to one: the name of an index, the column, and what makes
/// it. It is no constraint: PostgREST would take the key for that of a one-to-one relation, and the
/// table no more for one that relates its two ends.
pub fn one_sided(source: &Name, name: &Name, ends: &Ends) -> Vec<(String, &'static str, String)> {
    let sides = [
        ("from", "from_id", ends.from_cardinality.many),
        ("to", "to_id", ends.to_cardinality.many),
    ];
    let one = sides.into_iter().filter(|(.., many)| !many);
    one.map(|(side, column, _)| {
        let index = format!("{name}_{side}_one");
        let (schema, table) = (source.quoted(), name.quoted());
        let sql = format!("CREATE UNIQUE INDEX \"{index}\" ON {schema}.{table} ({column})");
        (index, column, sql)
    })
    .collect()
}

/// Drops an index of the schema, if it is there.
pub fn drop_index(session: &Session, source: &Name, index: &str) -> Result<()> {
    session.execute(&format!(
        "DROP INDEX IF EXISTS {}.\"{index}\"",
        source.quoted()
    ))
}

/// Says what tables that were just made are for, and closes the history.
pub fn finish(
    session: &Session,
    source: &Name,
    name: &Name,
    (form, ends): (Form, Option<&Ends>),
) -> Result<()> {
    comment::put(session, source, name, (form, ends))?;
    close_history(session, source, name)
}

const GRANTEES: &str = "SELECT DISTINCT CASE WHEN a.grantee = 0::pg_catalog.oid THEN 'PUBLIC' \
         ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END \
     FROM pg_catalog.pg_class AS c, pg_catalog.aclexplode(c.relacl) AS a \
     WHERE c.oid = $1::pg_catalog.regclass AND a.grantee <> c.relowner";

/// Takes back what default privileges gave on a new history, and leaves SELECT: nobody writes it,
/// and a trigger on it would run as its owner.
fn close_history(session: &Session, source: &Name, name: &Name) -> Result<()> {
    let history = format!("{}.\"{name}_history\"", source.quoted());
    let grantees = Statement::by_key(GRANTEES, &[kind::TEXT]);
    let rows = session.run(&grantees, &[Arg::Text(&history)], Reading::Fresh, 0)?;
    for row in rows.iter() {
        let grantee = row.string(1)?;
        session.execute(&format!(
            "REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON {history} \
             FROM {grantee} CASCADE"
        ))?;
    }
    Ok(())
}

const MAY_CREATE_TRIGGERS: &str = "SELECT \
     pg_catalog.has_function_privilege('ingest.guard()', 'EXECUTE') \
     AND pg_catalog.has_function_privilege('ingest.archive()', 'EXECUTE') \
     AND pg_catalog.has_function_privilege('ingest.seal()', 'EXECUTE'), \
     pg_catalog.quote_ident(CURRENT_USER::pg_catalog.text)";

/// Lets the owner of the schema, as whom this runs, make the triggers, which few others may: here, and
/// where there are other nodes on those.
pub fn allow_triggers(session: &Session, on_nodes: bool) -> Result<()> {
    let may = Statement::by_key(MAY_CREATE_TRIGGERS, &[]);
    let rows = session.run(&may, &[], Reading::Latest, 1)?;
    let Some(row) = rows.first().filter(|row| !row.bool(1) || on_nodes) else {
        return Ok(());
    };
    let (may, owner) = (row.bool(1), row.string(2)?);
    as_owner(What::Catalog, || {
        // Two grants on one function at once are an error of PostgreSQL's.
        session.execute(LOCK_ALL)?;
        if !may {
            session.execute(&format!(
                "GRANT EXECUTE ON FUNCTION ingest.guard(), ingest.archive(), ingest.seal() TO {owner}"
            ))?;
        }
        match on_nodes {
            true => cluster::allow_on_workers(session, &owner),
            false => Ok(()),
        }
    })
}

/// A trigger of a guarded table.
#[derive(Debug)]
pub struct Trigger {
    /// Its name.
    pub name: &'static str,
    /// Whether it is the history's.
    pub history: bool,
    /// What it fires for, as `pg_trigger.tgtype` has it.
    pub kind: i32,
    /// Its function, in the schema `ingest`.
    pub function: &'static str,
    /// What makes it.
    pub sql: String,
}

/// The triggers of a guarded table and its history.
pub fn triggers(source: &Name, name: &Name) -> [Trigger; 6] {
    let table = format!("{}.{}", source.quoted(), name.quoted());
    let history = format!("{}.\"{name}_history\"", source.quoted());
    // PostgreSQL fires the triggers of one event by name. The tilde comes after every letter, so the
    // guard sees what all the others have made of the row; the exclamation mark before every one,
    // so what the others do after a change finds it archived.
    let on_table = |name_of: &'static str, kind, events: &str, each: &str, function| Trigger {
        name: name_of,
        history: false,
        kind,
        function,
        sql: format!(
            "CREATE TRIGGER \"{name_of}\" {events} ON {table} FOR EACH {each} \
             EXECUTE FUNCTION ingest.{function}('{source}', '{name}')"
        ),
    };
    let [seal, seal_truncate] = seals(&history, source, name);
    [
        on_table(
            "~ingest_guard",
            23,
            "BEFORE INSERT OR UPDATE",
            "ROW",
            "guard",
        ),
        on_table(
            "~ingest_truncate",
            34,
            "BEFORE TRUNCATE",
            "STATEMENT",
            "guard",
        ),
        on_table(
            "!ingest_archive",
            25,
            "AFTER UPDATE OR DELETE",
            "ROW",
            "archive",
        ),
        on_table("~ingest_confirm", 4, "AFTER INSERT", "STATEMENT", "archive"),
        seal,
        seal_truncate,
    ]
}

/// The seal of a history, or of a partition of one. Those of TRUNCATE are triggers of their own, for
/// tables and histories alike: Citus gives a shard no trigger that has TRUNCATE among its events.
pub fn seals(history: &str, source: &Name, name: &Name) -> [Trigger; 2] {
    [
        ("~ingest_seal", 30, "INSERT OR UPDATE OR DELETE"),
        ("~ingest_truncate", 34, "TRUNCATE"),
    ]
    .map(|(name_of, kind, events)| Trigger {
        name: name_of,
        history: true,
        kind,
        function: "seal",
        sql: format!(
            "CREATE TRIGGER \"{name_of}\" BEFORE {events} ON {history} \
             FOR EACH STATEMENT EXECUTE FUNCTION ingest.seal('{source}', '{name}')"
        ),
    })
}

const HAS_TRIGGER: &str = "SELECT FROM pg_catalog.pg_trigger AS t \
     WHERE t.tgrelid = pg_catalog.to_regclass($1) AND t.tgname = $2";

/// Closes the pieces of a table and of its history against TRUNCATE: Citus gives a piece that is new the
/// other triggers alone, and one that was moved all of them.
pub fn close_pieces(
    session: &Session,
    source: &Name,
    name: &Name,
    [table, history]: [&str; 2],
) -> Result<()> {
    for (piece, function) in [(table, "guard"), (history, "seal")] {
        let number = piece.rsplit_once('_').map_or("", |(_, number)| number);
        let (piece, trigger) = (
            format!("{}.\"{piece}\"", source.quoted()),
            format!("~ingest_truncate_{number}"),
        );
        let has = Statement::by_key(HAS_TRIGGER, &[kind::TEXT, kind::TEXT]);
        let args = [Arg::Text(&piece), Arg::Text(&trigger)];
        if session.run(&has, &args, Reading::Latest, 1)?.count() == 0 {
            session.execute(&format!(
                "CREATE TRIGGER \"{trigger}\" BEFORE TRUNCATE ON {piece} \
                 FOR EACH STATEMENT EXECUTE FUNCTION ingest.{function}('{source}', '{name}')"
            ))?;
        }
    }
    Ok(())
}

/// Whom a lock keeps out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    /// Who changes rows.
    Changes,
    /// Who changes rows, or holds them for a reference or a link.
    Writers,
    /// Everybody.
    All,
}

impl Lock {
    fn mode(self) -> &'static str {
        match self {
            Self::Changes => "SHARE ROW EXCLUSIVE",
            Self::Writers => "EXCLUSIVE",
            Self::All => "ACCESS EXCLUSIVE",
        }
    }
}

/// Locks what is there of the tables of these names and of their histories, until the transaction
/// ends: what is looked at from now on stays. Profiles come before relationships and each kind in
/// the order of names, so that who locks several waits in the order of everybody else.
pub fn lock(session: &Session, source: &Name, tables: &[Named<'_>], against: Lock) -> Result<()> {
    let mut tables = tables.to_vec();
    tables.sort_unstable();
    tables.dedup();
    let pairs = tables.iter().map(|at| pair(at.name));
    lock_pairs(session, source, pairs, against)
}

/// The same, of tables that were found, or of pieces of them.
pub fn lock_tables(
    session: &Session,
    source: &Name,
    tables: &[&Table],
    against: Lock,
) -> Result<()> {
    let mut tables = tables.to_vec();
    tables.sort_unstable_by_key(|at| (at.form() == Form::Link, &at.name));
    tables.dedup_by_key(|at| &at.name);
    let pairs = tables.iter().map(|at| pair_of(at));
    lock_pairs(session, source, pairs, against)
}

/// The names of a table and of its history.
type Pair = [String; 2];

fn pair(name: &str) -> Pair {
    [name.to_owned(), format!("{name}_history")]
}

fn pair_of(table: &Table) -> Pair {
    [table.name.clone(), table.history_name.clone()]
}

fn lock_pairs(
    session: &Session,
    source: &Name,
    pairs: impl Iterator<Item = Pair>,
    against: Lock,
) -> Result<()> {
    let mut present = Vec::new();
    for name in pairs.flatten() {
        if is_there(session, source, &name)? {
            present.push(format!("{}.\"{name}\"", source.quoted()));
        }
    }
    if present.is_empty() {
        return Ok(());
    }
    let (tables, mode) = (present.join(", "), against.mode());
    session.execute(&format!("LOCK TABLE {tables} IN {mode} MODE"))
}

/// Whether a name in the source is that of a table; what else has it is refused.
pub fn is_there(session: &Session, source: &Name, name: &str) -> Result<bool> {
    let args = [Arg::Text(source.as_str()), Arg::Text(name)];
    // It is planned once, and asked for pieces too.
    let rows = cluster::seeing_pieces(|| {
        IS_TABLE_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 1))
    })?;
    match rows.first() {
        None => Ok(false),
        Some(row) if row.bool(1) => Ok(true),
        Some(_) => Err(
            Error::refuse(State::Conflict, format!("{name} is not a table"))
                .hint("Somebody put a view or the like in its place: drop that first."),
        ),
    }
}

/// Whether the table or its history holds a row, in the newest state that there is: that of who has
/// locked them.
pub fn holds_rows(session: &Session, source: &Name, name: &str) -> Result<bool> {
    holds(session, source, pair(name), Reading::Latest)
}

/// The same of a table that was found, or of a piece of one, as it is read.
pub fn table_holds_rows(
    session: &Session,
    source: &Name,
    table: &Table,
    reading: Reading,
) -> Result<bool> {
    holds(session, source, pair_of(table), reading)
}

/// How many rows the table has in the newest state: its history is not counted.
pub fn count_rows(session: &Session, source: &Name, name: &str) -> Result<i64> {
    if !is_there(session, source, name)? {
        return Ok(0);
    }
    let sql = format!(
        "SELECT pg_catalog.count(*) FROM {}.\"{name}\"",
        source.quoted()
    );
    let rows = session.run(&Statement::by_values(sql, &[]), &[], Reading::Latest, 1)?;
    Ok(rows.first().map_or(0, |row| row.int8(1)))
}

fn holds(session: &Session, source: &Name, names: Pair, reading: Reading) -> Result<bool> {
    for name in names {
        if !is_there(session, source, &name)? {
            continue;
        }
        let sql = format!("SELECT FROM {}.\"{name}\" LIMIT 1", source.quoted());
        let rows = session.run(&Statement::by_key(sql, &[]), &[], reading, 1)?;
        if rows.count() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Drops what is there of these tables and their histories, and nothing that depends on them.
pub fn drop(session: &Session, source: &Name, names: &[&str]) -> Result<()> {
    let mut present = Vec::new();
    for name in names.iter().flat_map(|name| pair(name)) {
        if is_there(session, source, &name)? {
            present.push(format!("{}.\"{name}\"", source.quoted()));
        }
    }
    if present.is_empty() {
        return Ok(());
    }
    session
        .execute(&format!("DROP TABLE {} RESTRICT", present.join(", ")))
        .map_err(|error| in_the_way(source, error))
}

/// How many objects that are in the way are named.
const MOST_NAMED: usize = 10;

/// What is not the source's depends on what is to be dropped: it is the user's own, and no cascade
/// of ours drops it.
pub fn in_the_way(source: &Name, error: Error) -> Error {
    if !error.is_postgres(b"2BP01") {
        return error;
    }
    let detail = error.postgres_detail().unwrap_or_default();
    let mut named: Vec<&str> = detail.lines().take(MOST_NAMED).collect();
    if detail.lines().nth(MOST_NAMED).is_some() {
        named.push("and more");
    }
    Error::refuse(
        State::Conflict,
        format!("what is not of the source {source} depends on what is to be dropped"),
    )
    .hint(format!(
        "Move or drop it first, by hand: {}.{}",
        named.join("; "),
        cluster::left_behind().unwrap_or_default()
    ))
}
