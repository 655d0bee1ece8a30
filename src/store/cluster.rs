//! Citus: whether it is here, where a table is, how a call gets there, and what is refused where Citus
//! would do something else in silence. All that is known of it stands here and in `sql/cluster.sql`.
//!
//! A definition makes its tables from within a function, and Citus distributes no table that is made
//! so: all rows would stay on the coordinator, though the schema counts as distributed. What is made on
//! another node is a table of that node alone. `docs/scale.md` says what works.

use super::kept;
use super::name::Name;
use super::table::Table;
use crate::pg::{
    Arg, CONTEXT, Error, Instant, NamedLock, Oid, Reading, Result, Rows, Session, State, Statement,
    Whole, current_role, decide_plans, has_extension, is_serializable, kind, lock_name,
    lock_number, role_name, set_local, setting, snapshot_is_old, statement_start,
};
use std::cell::Cell;
use std::collections::HashSet;
use std::ffi::CStr;
use std::mem::ManuallyDrop;

const NAME: &CStr = c"citus";
/// One look at an index of `pg_extension`, where Citus is not.
const HERE: &str = "SELECT COALESCE(pg_catalog.current_setting('citus.enable_schema_based_sharding', true), 'off') \
     = ANY (ARRAY['on', 'true', 'yes', '1']), \
     pg_catalog.to_regclass('pg_catalog.pg_dist_local_group') IS NOT NULL, \
     pg_catalog.to_regclass('pg_catalog.pg_dist_schema') IS NOT NULL \
     FROM pg_catalog.pg_extension AS e WHERE e.extname = 'citus'";
const ON_A_WORKER: &str =
    "SELECT FROM pg_catalog.pg_dist_local_group AS g WHERE g.groupid <> 0 LIMIT 1";
const DISTRIBUTED: &str = "SELECT FROM pg_catalog.pg_dist_schema AS s \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = s.schemaid WHERE n.nspname = $1";

thread_local! {
    static HERE_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(HERE, &[])) };
    static IS_HERE: Cell<Option<bool>> = const { Cell::new(None) };
    static HAS_SCHEMAS: Cell<Option<bool>> = const { Cell::new(None) };
    /// Whether a call of this session's is being carried.
    static CARRIES: Cell<bool> = const { Cell::new(false) };
    static TOLD: Cell<Option<Told>> = const { Cell::new(None) };
    /// Whether one that was carried here is being done.
    static IN_PIECES: Cell<bool> = const { Cell::new(false) };
    static PIECE_HERE_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(PIECE_HERE, &[kind::TEXT])) };
    static MAY_WRITE_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(MAY_WRITE, &[kind::TEXT])) };
    static DISTRIBUTED_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(DISTRIBUTED, &[kind::TEXT])) };
}

/// What a verb is told that was carried here.
#[derive(Debug)]
pub struct Told {
    statement: Instant,
    context: Option<String>,
}

/// What Citus is here.
struct Citus {
    /// Whether it distributes each schema that is made.
    distributes_schemas: bool,
    has_groups: bool,
    has_schemas: bool,
}

fn here(session: &Session) -> Result<Option<Citus>> {
    let rows = HERE_SQL.with(|sql| session.run(sql, &[], Reading::Latest, 1))?;
    Ok(rows.first().map(|row| Citus {
        distributes_schemas: row.bool(1),
        has_groups: row.bool(2),
        has_schemas: row.bool(3),
    }))
}

/// Called once, when the library is loaded: a plan without values finds no shard.
pub fn register() {
    decide_plans(is_here);
}

/// Whether Citus is here: asked once in a session, so that who creates it connects again.
pub fn is_here() -> Result<bool> {
    if let Some(is_here) = IS_HERE.get() {
        return Ok(is_here);
    }
    let is_here = has_extension(NAME)?;
    IS_HERE.set(Some(is_here));
    Ok(is_here)
}

/// How the names of shards are told from those of tables, where Citus is.
pub fn whole() -> Result<Option<Whole>> {
    Ok(is_here()?.then_some(of_shard))
}

/// The name of a table, an index or a constraint without the number of the shard that it is on. Citus
/// begins to count them at 102008; a name that is cut has a hash before the number, and stays one of
/// no table.
fn of_shard(name: &str) -> Option<&str> {
    let (whole, shard) = name.rsplit_once('_')?;
    let is_shard = (6..=19).contains(&shard.len())
        && shard.bytes().all(|at| at.is_ascii_digit())
        && !shard.starts_with('0');
    (is_shard && !whole.is_empty()).then_some(whole)
}

/// The shard of a history beside a shard of its table.
const PIECE: &str = "SELECT h.shardid::pg_catalog.text FROM pg_catalog.pg_dist_shard AS t, pg_catalog.pg_dist_shard AS h \
     WHERE t.logicalrelid = pg_catalog.to_regclass($1) AND t.shardid = $2::pg_catalog.int8 \
     AND h.logicalrelid = pg_catalog.to_regclass($3) LIMIT 2";

/// The name of the history that belongs to a shard of a table; none if it is no shard of it. What is
/// distributed over several shards has no one history: it is none either.
pub fn history_of_piece(source: &str, name: &str, on: &str) -> Result<Option<String>> {
    if !is_here()? || of_shard(on) != Some(name) {
        return Ok(None);
    }
    let shard = on.get(name.len() + 1..).unwrap_or_default();
    let quoted = Name::new(source, "source")?.quoted();
    let table = format!("{quoted}.{}", Name::new(name, "profile")?.quoted());
    let history = format!("{quoted}.\"{name}_history\"");
    let args = [Arg::Text(&table), Arg::Text(shard), Arg::Text(&history)];
    let statement = Statement::by_key(PIECE, &[kind::TEXT, kind::TEXT, kind::TEXT]);
    Session::open(|session| {
        let rows = session.run(&statement, &args, Reading::Latest, 2)?;
        Ok(match (rows.count(), rows.first()) {
            (1, Some(row)) => Some(format!("{name}_history_{}", row.string(1)?)),
            _ => None,
        })
    })
}

const IS_DISTRIBUTED: &str = "SELECT FROM pg_catalog.pg_dist_partition AS p \
     WHERE p.logicalrelid = pg_catalog.to_regclass($1)";

/// The shard of a table that is on one node, where it is here.
const PIECE_OF: &str = "SELECT pg_catalog.to_regclass(pg_catalog.shard_name(s.logicalrelid, s.shardid))::pg_catalog.oid \
     FROM pg_catalog.pg_dist_shard AS s WHERE s.logicalrelid = $1 LIMIT 2";

/// The piece of a table that is here, if it is in one, and that is here.
pub fn piece_of(table: Oid) -> Result<Option<Oid>> {
    let asked = Statement::by_key(PIECE_OF, &[kind::OID]);
    Session::open(|session| {
        let rows = session.run(&asked, &[Arg::Oid(table)], Reading::Latest, 2)?;
        Ok(match (rows.count(), rows.first()) {
            (1, Some(row)) => Some(row.oid(1)).filter(|oid| *oid != Oid::INVALID),
            _ => None,
        })
    })
}

/// Whether a table is on other nodes, or may be.
pub fn is_distributed(session: &Session, table: &Table) -> Result<bool> {
    if !is_here()? {
        return Ok(false);
    }
    let asked = Statement::by_key(IS_DISTRIBUTED, &[kind::TEXT]);
    let rows = session.run(&asked, &[Arg::Text(&table.quoted)], Reading::Latest, 1)?;
    Ok(rows.count() > 0)
}

/// Where a table is that is distributed, and if it is here the number of its piece, which a move leaves as
/// it is. (Citus shows a client no shards in `pg_class`.)
const PIECE_HERE: &str = "SELECT (SELECT pg_catalog.min(s.shardid)::pg_catalog.text FROM pg_catalog.pg_dist_shard AS s \
     JOIN pg_catalog.pg_dist_placement AS l ON l.shardid = s.shardid \
     JOIN pg_catalog.pg_dist_local_group AS g ON g.groupid = l.groupid \
     WHERE s.logicalrelid = p.logicalrelid HAVING pg_catalog.count(*) = 1) \
     FROM pg_catalog.pg_dist_partition AS p WHERE p.logicalrelid = pg_catalog.to_regclass($1)";
/// Whether a caller may change rows of a table, or delete them, without anybody's triggers of statements.
const MAY_WRITE: &str = "SELECT r.reads AND pg_catalog.has_table_privilege($1, 'UPDATE') \
         AND NOT COALESCE(pg_catalog.int2and(r.kinds, 16::pg_catalog.int2) > 0::pg_catalog.int2, false), \
     r.reads AND pg_catalog.has_table_privilege($1, 'DELETE') \
         AND NOT COALESCE(pg_catalog.int2and(r.kinds, 8::pg_catalog.int2) > 0::pg_catalog.int2, false) \
     FROM (SELECT pg_catalog.has_table_privilege($1, 'SELECT') AS reads, \
         (SELECT pg_catalog.bit_or(t.tgtype) FROM pg_catalog.pg_trigger AS t \
             WHERE t.tgrelid = $1::pg_catalog.regclass AND NOT t.tgisinternal AND t.tgenabled <> 'D' \
             AND pg_catalog.int2and(t.tgtype, 1::pg_catalog.int2) = 0::pg_catalog.int2) AS kinds) AS r";

/// Where a table is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// Here, and not in pieces.
    None,
    /// Here, under this name.
    Here(String),
    /// On another node.
    Elsewhere,
}

fn piece(session: &Session, table: &Table) -> Result<Piece> {
    let args = [Arg::Text(&table.quoted)];
    let rows = PIECE_HERE_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 1))?;
    Ok(match rows.first() {
        None => Piece::None,
        Some(row) => match row.text(1)? {
            Some(number) => Piece::Here(format!("{}_{number}", table.name)),
            None => Piece::Elsewhere,
        },
    })
}

/// Whether a table is on another node.
pub fn is_elsewhere(session: &Session, table: &Table) -> Result<bool> {
    Ok(piece(session, table)? == Piece::Elsewhere)
}

/// The name of the piece of a table that is here, if one is.
pub fn piece_if_here(table: &Table) -> Result<Option<String>> {
    if !is_here()? {
        return Ok(None);
    }
    Ok(match Session::open(|session| piece(session, table))? {
        Piece::Here(name) => Some(name),
        Piece::None | Piece::Elsewhere => None,
    })
}

/// The name of the piece of a table to which a call was carried; none of a table that is not in pieces.
pub fn piece_here(table: &Table) -> Result<Option<String>> {
    match Session::open(|session| piece(session, table))? {
        Piece::None => Ok(None),
        Piece::Here(name) => Ok(Some(name)),
        Piece::Elsewhere => Err(Error::refuse(
            State::Conflict,
            format!("{} is on another node than what is written", table.name),
        )
        .hint("What runs in the midst of a write on Citus, a trigger say, reaches the node of that alone.")),
    }
}

/// Whether a session is one of Citus': of a node that has sent a statement here.
fn is_of_citus() -> Result<bool> {
    Ok(setting(c"application_name")?.is_some_and(|name| name.starts_with("citus_internal")))
}

/// Says to the verb that is called next in this statement that it was carried here, by a caller who claims
/// this context; nothing, if it is the session of the caller.
pub fn carried(context: Option<&str>, role: Option<&str>) -> Result<()> {
    if !is_here()? || !(CARRIES.get() || is_of_citus()?) {
        return Err(
            Error::refuse(State::Conflict, "ingest.carried is for the nodes of Citus")
                .hint("Nothing has to call it."),
        );
    }
    let acts_as = role_name(current_role())?;
    if role.is_some_and(|role| role != acts_as) {
        return Err(Error::refuse(
            State::Conflict,
            "on the node of the source this transaction acts as another role than here",
        )
        .hint("Citus hands on SET LOCAL ROLE, and no other change of it: change the role so, and back by RESET ROLE, or call at the node of the source."));
    }
    TOLD.set(Some(Told {
        statement: statement_start(),
        context: context.map(str::to_owned),
    }));
    Ok(())
}

/// Whether the verb that is called is one that was carried here.
pub fn is_told() -> bool {
    let told = TOLD.take();
    let is_told = matches!(&told, Some(told) if told.statement == statement_start());
    TOLD.set(told);
    is_told
}

/// What a verb was told that was carried here; it is told once.
pub fn take_told() -> Option<Told> {
    let told = TOLD.take()?;
    (told.statement == statement_start()).then_some(told)
}

const IN_TRIGGER: &str = "SELECT pg_catalog.pg_trigger_depth() > 0";

/// Whether a verb runs in a statement that Citus has sent here: in a trigger, where it stays. Refuses one in
/// a query, which would be committed by itself.
pub fn is_in_statement_of_citus() -> Result<bool> {
    if !is_of_citus()? {
        return Ok(false);
    }
    let in_trigger = Session::open(|session| {
        let asked = Statement::by_key(IN_TRIGGER, &[]);
        let rows = session.run(&asked, &[], Reading::Latest, 1)?;
        Result::Ok(rows.first().is_some_and(|row| row.bool(1)))
    })?;
    match in_trigger {
        true => Ok(true),
        false => Err(Error::refuse(
            State::Conflict,
            "a verb cannot be called for the rows of a distributed table",
        )
        .hint("Call it by itself: ingest.resource_load(source, profile, (SELECT jsonb_agg(...) FROM ...)) writes many.")),
    }
}

/// Whether what is looked up is the piece of a table that is here.
pub fn is_in_pieces() -> bool {
    IN_PIECES.get()
}

/// Does what was carried here, in the pieces of tables.
pub fn in_pieces<T>(told: &Told, body: impl FnOnce() -> Result<T>) -> Result<T> {
    let doing = || {
        let outer = IN_PIECES.replace(true);
        let done = body();
        IN_PIECES.set(outer);
        done
    };
    match &told.context {
        Some(context) => with(CONTEXT, context, doing),
        None => doing(),
    }
}

/// Reads the catalog, which to Citus is a query within a query where a call was carried. Nobody's code runs
/// meanwhile: what would go to another node from there is refused.
pub fn nested<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    match is_in_pieces() {
        false => body(),
        true => with(c"citus.allow_nested_distributed_execution", "on", body),
    }
}

/// Does what looks for pieces among tables, where Citus shows a client none.
pub fn seeing_pieces<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    match is_here()? {
        false => body(),
        true => with(c"citus.override_table_visibility", "off", body),
    }
}

/// Does something under a setting of Citus'; one that fails takes the setting back with the rest.
fn with<T>(name: &CStr, value: &str, body: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = setting(name)?;
    set_local(name, value)?;
    let done = body()?;
    match before {
        Some(before) => set_local(name, &before)?,
        None => set_local(name, "")?,
    }
    Ok(done)
}

/// What opens a transaction where a table is, as the caller may, and writes nothing: what only reads
/// leaves no lock behind, and would be committed by itself. (No key is empty; a condition that is false by
/// itself asks no shard.)
fn opener(session: &Session, table: &Table, no_key: &str) -> Result<Option<String>> {
    let args = [Arg::Text(&table.quoted)];
    let rows = MAY_WRITE_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 1))?;
    let (quoted, key) = (&table.quoted, table.columns.key[0]);
    Ok(rows
        .first()
        .and_then(|row| match (row.bool(1), row.bool(2)) {
            (true, _) => Some(format!(
                "UPDATE {quoted} SET version=version WHERE {key} = {no_key}"
            )),
            (_, true) => Some(format!("DELETE FROM {quoted} WHERE {key} = {no_key}")),
            _ => None,
        }))
}

/// Holds the pieces of a source, which are here, as Citus holds what it writes, so that none is moved
/// meanwhile; and lets the verb that is called be done to them, if the caller may change rows.
pub fn open_here(session: &Session, table: &Table) -> Result<()> {
    let Some(opener) = opener(session, table, "$1")? else {
        return Ok(());
    };
    let opener = kept::search(table, &opener, |sql| {
        Statement::search(sql, vec![kind::TEXT], true)
    });
    session.run(&opener, &[Arg::Text("")], Reading::Fresh, 0)?;
    TOLD.set(Some(Told {
        statement: statement_start(),
        context: None,
    }));
    Ok(())
}

/// Calls one of our functions where a table is, within this transaction and as the caller, who claims
/// this context, and gives these columns of what it answers, which is called `done`; nothing, if the
/// caller may not change rows of the table.
pub fn carry<'s>(
    session: &'s Session,
    table: &Table,
    (function, columns): (&str, &str),
    (args, types): (&[Arg<'_>], &[Oid]),
    context: &str,
) -> Result<Option<Rows<'s>>> {
    let Some(opener) = opener(session, table, "''")? else {
        return Ok(None);
    };
    let mut given: Vec<String> = (1..).zip(types).map(|(at, of)| cast(at, *of)).collect();
    let (mut args, mut types) = (args.to_vec(), types.to_vec());
    // Settings of this transaction stay here, and are said there; and so is who calls.
    let is_elsewhere = is_elsewhere(session, table)?;
    let role = role_name(current_role())?;
    let said = match is_elsewhere {
        true => [Arg::Text(context), Arg::Text(&role)],
        false => [Arg::Null; 2],
    };
    // Citus commits there before it is known whether the transaction can be: what one server finds out
    // only then it would find out too late.
    if is_elsewhere && is_serializable() {
        return Err(Error::refuse(
            State::Conflict,
            "a call from another node than that of the source cannot be SERIALIZABLE",
        )
        .hint(
            "Call at the node of the source, ingest.source_node says which, or in REPEATABLE READ.",
        ));
    }
    args.extend(said);
    types.extend([kind::TEXT; 2]);
    if let Some(first) = given.first_mut() {
        let [context, role] = [args.len() - 1, args.len()].map(|at| cast(at, kind::TEXT));
        *first = format!("CASE WHEN ingest.carried({context}, {role}) THEN {first} END");
    }
    let ask = format!(
        "WITH opened AS ({opener} RETURNING 1) SELECT {columns} FROM ingest.{function}({}) AS done",
        given.join(", ")
    );
    let ask = kept::search(table, &ask, |sql| Statement::search(sql, types, false));
    let outer = CARRIES.replace(true);
    let done = session.run(&ask, &args, Reading::Fresh, 0);
    CARRIES.set(outer);
    done.map(Some)
}

/// Closes the pieces of a table, where they are, against what Citus leaves open.
pub fn close_there(session: &Session, table: &Table) -> Result<()> {
    let args = [Arg::Text(&table.source), Arg::Text(&table.name)];
    let types = &[kind::TEXT, kind::TEXT];
    carry(session, table, ("pieces_close", "true"), (&args, types), "").map(drop)
}

/// A parameter with its type: functions of one name are told apart by it.
fn cast(at: usize, of: Oid) -> String {
    let of = match of {
        kind::JSONB => "jsonb",
        kind::INT4 => "int4",
        kind::BOOL => "bool",
        kind::INTERVAL => "interval",
        _ => "text",
    };
    format!("${at}::pg_catalog.{of}")
}

/// Waits until nobody else who asks by the same criteria is at it, wherever he calls: the lock of this
/// number is at the node of the table, which makes the number of the criteria as they are written in one
/// way.
pub fn wait_for_criteria(
    table: &Table,
    number: u64,
    canonical: impl FnOnce() -> Result<String>,
) -> Result<()> {
    if !is_here()? || !Session::open(|session| is_elsewhere(session, table))? {
        return lock_name(NamedLock::Criteria, number);
    }
    // The snapshot over there is older than the wait for the lock, and is kept.
    if snapshot_is_old() {
        return Err(Error::refuse(
            State::Conflict,
            "a conditional call from another node than that of the source needs READ COMMITTED",
        )
        .hint("Call at the node of the source, ingest.source_node says which, or where each statement has a snapshot of its own."));
    }
    let quoted = &table.quoted;
    // It writes nothing, and opens the transaction there: what only reads leaves no lock behind. (No id is
    // empty; a condition that is false by itself asks no shard.)
    let open = format!(
        "INSERT INTO {quoted} (id, data) SELECT o.id, o.data FROM {quoted} AS o WHERE o.id = ''"
    );
    let hold = format!(
        "SELECT ingest.criteria_hold($1, $2, $3) FROM (SELECT pg_catalog.count(*) FROM {quoted} WHERE id = '') AS one"
    );
    Session::open(|session| {
        let open = Statement::by_values(open, &[]).about(&table.about);
        session.run(&open, &[], Reading::Fresh, 0)?;
        let types = &[kind::TEXT, kind::TEXT, kind::TEXT];
        let hold = Statement::by_values(hold, types).about(&table.about);
        let criteria = canonical()?;
        let asked = [&table.source, &table.whole, &criteria].map(|text| Arg::Text(text));
        session.run(&hold, &asked, Reading::Fresh, 0).map(drop)
    })
}

/// The number of the lock that callers with the same criteria have in common.
pub fn of_criteria(source: &str, profile: &str, criteria: &str) -> u64 {
    lock_number(&format!("{source}\n{profile}\n{criteria}"))
}

const MAY_INSERT: &str =
    "SELECT pg_catalog.has_table_privilege(pg_catalog.to_regclass($1), 'INSERT')";

/// Holds the lock of criteria here, for a caller on another node who may create what they ask for.
pub fn hold_criteria(source: &Name, profile: &Name, criteria: &str) -> Result<()> {
    if !is_here()? {
        return Err(Error::refuse(
            State::Conflict,
            "ingest.criteria_hold is for the nodes of Citus",
        )
        .hint("Nothing has to call it."));
    }
    let table = format!("{}.{}", source.quoted(), profile.quoted());
    let may = Session::open(|session| {
        let asked = Statement::by_key(MAY_INSERT, &[kind::TEXT]);
        let rows = session.run(&asked, &[Arg::Text(&table)], Reading::Latest, 1)?;
        Result::Ok(rows.first().is_some_and(|row| row.bool(1)))
    })?;
    match may {
        true => lock_name(
            NamedLock::Criteria,
            of_criteria(source.as_str(), profile.as_str(), criteria),
        ),
        false => Err(Error::refuse(
            State::InsufficientPrivilege,
            format!("permission denied for table {profile}"),
        )
        .hint("Nothing has to call it.")),
    }
}

/// Refuses a source that is to be made where it would be of one node: where Citus would distribute its
/// schema by a setting, and none of its tables, and on a node that is not the coordinator.
pub fn check_new_source(session: &Session) -> Result<()> {
    let Some(citus) = here(session)? else {
        return Ok(());
    };
    check_coordinator(session, &citus)?;
    match citus.distributes_schemas {
        false => Ok(()),
        true => Err(Error::refuse(
            State::Conflict,
            "Citus would distribute the schema of the source, and none of its tables",
        )
        .hint("A source is distributed by an option of its own: SET citus.enable_schema_based_sharding = off, and ingest.source_create(source, '{\"distributed\": true}').")),
    }
}

/// The longest name of a table, in bytes: a longer one would be cut where a piece has its number.
const LONGEST: usize = 45;

/// Refuses a name that has no room for the number of a piece.
pub fn check_name(session: &Session, source: &Name, name: &Name) -> Result<()> {
    if name.as_str().len() <= LONGEST || !distributes(session, source.as_str())? {
        return Ok(());
    }
    Err(Error::refuse(
        State::BadRequest,
        format!("a name of more than {LONGEST} bytes would be cut on a node: {name}"),
    )
    .hint("Choose a shorter one: Citus distributes the source."))
}

/// Distributes the schema of a source that was just made.
pub fn distribute(session: &Session, source: &Name) -> Result<()> {
    let is_joined = match here(session)? {
        Some(citus) => citus.has_schemas && is_joined(session)?,
        None => {
            return Err(Error::refuse(
                State::Conflict,
                "a source cannot be distributed: Citus is not here",
            )
            .hint("CREATE EXTENSION citus on each node, connect again, and call ingest.cluster_join()."));
        }
    };
    if !is_joined {
        return Err(Error::refuse(
            State::Conflict,
            "the nodes of Citus do not have the catalog",
        )
        .hint("Let a superuser call ingest.cluster_join() on the coordinator."));
    }
    run(session, DISTRIBUTE, source.as_str())
}

/// Whether the nodes have the catalog: `ingest.cluster_join()` was called.
fn is_joined(session: &Session) -> Result<bool> {
    let asked = Statement::by_key(IS_DISTRIBUTED, &[kind::TEXT]);
    let rows = session.run(&asked, &[Arg::Text("ingest.source")], Reading::Latest, 1)?;
    Ok(rows.count() > 0)
}

const DISTRIBUTE: &str = "SELECT pg_catalog.citus_schema_distribute(pg_catalog.quote_ident($1)::pg_catalog.regnamespace)";
const GATHER: &str = "SELECT pg_catalog.citus_schema_undistribute(pg_catalog.quote_ident($1)::pg_catalog.regnamespace)";
/// A table of a schema that is distributed, but for one.
const ANOTHER: &str = "SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) \
     FROM pg_catalog.pg_dist_partition AS p JOIN pg_catalog.pg_class AS c ON c.oid = p.logicalrelid \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 LIMIT 1";
const SPREAD: &str =
    "SELECT pg_catalog.create_distributed_table($1::pg_catalog.regclass, NULL, 'hash', $2)";

fn run(session: &Session, sql: &'static str, argument: &str) -> Result<()> {
    let statement = Statement::by_values(sql, &[kind::TEXT]);
    let args = [Arg::Text(argument)];
    // Citus tells each step, and what would be to do by hand after others.
    with(c"client_min_messages", "warning", || {
        session.run(&statement, &args, Reading::Fresh, 0).map(drop)
    })
}

/// Makes a table, and where Citus distributes the schema puts it where its other tables are: what a
/// function makes it leaves on the coordinator.
pub fn make(
    session: &Session,
    source: &Name,
    table: &str,
    make: impl FnOnce() -> Result<()>,
) -> Result<()> {
    if !distributes(session, source.as_str())? {
        return make();
    }
    let another = Statement::by_key(ANOTHER, &[kind::TEXT]);
    let name = [Arg::Text(source.as_str())];
    let rows = session.run(&another, &name, Reading::Latest, 1)?;
    let Some(row) = rows.first() else {
        // The first one goes where the schema goes.
        run(session, GATHER, source.as_str())?;
        make()?;
        return run(session, DISTRIBUTE, source.as_str());
    };
    let another = row.string(1)?;
    make()?;
    let statement = Statement::by_values(SPREAD, &[kind::TEXT, kind::TEXT]);
    let args = [Arg::Text(table), Arg::Text(&another)];
    with(c"client_min_messages", "warning", || {
        session.run(&statement, &args, Reading::Fresh, 0).map(drop)
    })
}

const ON_WORKERS: &str =
    "SELECT w.success, w.result FROM pg_catalog.run_command_on_workers($1) AS w";
/// What the owner of a source executes on the node of that: triggers are made there too, and erasures are
/// carried there. Citus hands on no right to what belongs to an extension.
const OF_OWNERS: [&str; 7] = [
    "ingest.guard()",
    "ingest.archive()",
    "ingest.seal()",
    "ingest.profile_purge(text, text, boolean)",
    "ingest.resource_erase(text, text, text, text, boolean)",
    "ingest.version_erase(text, text, text, integer, text)",
    "ingest.history_prune(text, text, interval, integer, integer)",
];

/// Lets the owner of a source, whose name is quoted, do on the other nodes what is his.
pub fn allow_on_workers(session: &Session, owner: &str) -> Result<()> {
    let may = OF_OWNERS.map(|function| {
        format!("pg_catalog.has_function_privilege(r.oid, '{function}', 'EXECUTE')")
    });
    let sql = format!(
        "DO $do$ BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_roles AS r \
             WHERE pg_catalog.quote_ident(r.rolname) = $of${owner}$of$ AND NOT ({})) \
         THEN GRANT EXECUTE ON FUNCTION {} TO {owner}; END IF; END $do$",
        may.join(" AND "),
        OF_OWNERS.join(", ")
    );
    let statement = Statement::by_values(ON_WORKERS, &[kind::TEXT]);
    let rows = session.run(&statement, &[Arg::Text(&sql)], Reading::Fresh, 0)?;
    for row in rows.iter() {
        if !row.bool(1) {
            let message = format!(
                "a node of Citus refuses: {}",
                row.text(2)?.unwrap_or_default()
            );
            return Err(Error::refuse(State::Conflict, message)
                .hint("All nodes must be up, and let the owner of the extension in."));
        }
    }
    Ok(())
}

/// Lets this transaction make triggers of tables that are distributed.
pub fn allow_triggers() -> Result<()> {
    match is_here()? {
        true => set_local(c"citus.enable_unsafe_triggers", "on"),
        false => Ok(()),
    }
}

/// Whether Citus distributes the schema of a source. It is asked by each verb, and one that is older than
/// distributed schemas has none.
pub fn distributes(session: &Session, source: &str) -> Result<bool> {
    if !is_here()? {
        return Ok(false);
    }
    let has_schemas = match HAS_SCHEMAS.get() {
        Some(has) => has,
        None => {
            let has = here(session)?.is_some_and(|citus| citus.has_schemas);
            HAS_SCHEMAS.set(Some(has));
            has
        }
    };
    Ok(has_schemas && has_distributed(session, source)?)
}

fn has_distributed(session: &Session, source: &str) -> Result<bool> {
    let source = [Arg::Text(source)];
    let rows = DISTRIBUTED_SQL.with(|sql| session.run(sql, &source, Reading::Latest, 1))?;
    Ok(rows.count() > 0)
}

/// Those of these sources, by the names of their profiles, whose tables the coordinator has and this node
/// has not.
pub fn of_coordinator(session: &Session, guarded: &[(String, String)]) -> Result<HashSet<String>> {
    let mut found = HashSet::new();
    match here(session)? {
        Some(citus) if is_worker(session, &citus)? => {}
        _ => return Ok(found),
    }
    for (source, _) in guarded {
        if !found.contains(source) && !distributes(session, source)? {
            found.insert(source.clone());
        }
    }
    Ok(found)
}

const IS_PIECE: &str = "SELECT FROM (SELECT (pg_catalog.quote_ident($1) || '.') || pg_catalog.quote_ident($2) AS name) AS n \
     WHERE EXISTS (SELECT FROM pg_catalog.pg_dist_cleanup AS c WHERE c.object_name = n.name) \
     OR EXISTS (SELECT FROM pg_catalog.pg_dist_shard AS s \
         WHERE pg_catalog.shard_name(s.logicalrelid, s.shardid) = n.name)";

/// Whether a table is a piece of another, or was one before a move, and Citus is going to remove it.
pub fn is_piece(session: &Session, schema: &str, table: &str) -> Result<bool> {
    if !is_here()? || of_shard(table).is_none() {
        return Ok(false);
    }
    let asked = Statement::by_key(IS_PIECE, &[kind::TEXT, kind::TEXT]);
    let name = [Arg::Text(schema), Arg::Text(table)];
    Ok(session.run(&asked, &name, Reading::Latest, 1)?.count() > 0)
}

/// What to do about tables that are in the way, and are left of a move.
pub fn left_behind() -> Result<&'static str> {
    Ok(match is_here()? {
        false => "",
        true => " What a move has left behind goes with CALL citus_cleanup_orphaned_resources().",
    })
}

/// Refuses where Citus is not, and on a node that is not the coordinator.
pub fn check_citus(session: &Session) -> Result<()> {
    match here(session)? {
        Some(citus) => check_coordinator(session, &citus),
        None => Err(Error::refuse(State::Conflict, "Citus is not here")
            .hint("CREATE EXTENSION citus on each node, and connect again.")),
    }
}

/// Refuses what changes a source on a node that is not the coordinator.
pub fn check_node(session: &Session) -> Result<()> {
    match here(session)? {
        Some(citus) => check_coordinator(session, &citus),
        None => Ok(()),
    }
}

/// Refuses what cannot be done in a source whose schema Citus distributes, or on a node that is not the
/// coordinator.
pub fn check_in_one_place(session: &Session, source: &str) -> Result<()> {
    let Some(citus) = here(session)? else {
        return Ok(());
    };
    check_coordinator(session, &citus)?;
    if !citus.has_schemas || !has_distributed(session, source)? {
        return Ok(());
    }
    Err(Error::refuse(
        State::Conflict,
        format!("Citus distributes the schema of the source {source}"),
    )
    .hint("This is done in a source that is not distributed: ingest.source_undistribute(source), on the coordinator, brings it back to one node."))
}

fn is_worker(session: &Session, citus: &Citus) -> Result<bool> {
    if !citus.has_groups {
        return Ok(false);
    }
    let worker = Statement::by_key(ON_A_WORKER, &[]);
    Ok(session.run(&worker, &[], Reading::Latest, 1)?.count() > 0)
}

fn check_coordinator(session: &Session, citus: &Citus) -> Result<()> {
    match is_worker(session, citus)? {
        false => Ok(()),
        true => Err(Error::refuse(
            State::Conflict,
            "this is not the coordinator of Citus, and what is made here is on this node alone",
        )
        .hint("Connect to the coordinator, and call it there.")),
    }
}
