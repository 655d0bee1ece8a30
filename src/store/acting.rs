//! Acting as another role: the one place where it is done, and what must hold before it is.
//!
//! A name leads to whatever stands under it now: a view, somebody else's table, a table with
//! somebody else's trigger. What runs there runs as the role that we act as. So the relation is
//! looked up, locked as the statement will lock it, and must be what it was made as: a plain table
//! of the owner's own, in its place, with no code on it that another role could have put there.

use super::cluster;
use super::table::Table;
use crate::pg::{
    Acting, Arg, Error, Oid, PerTable, Reading, Result, Session, State, Statement, Use,
    as_owner as switch, is_bound, kind, lock, lock_partitions, plain,
};
use std::mem::ManuallyDrop;

/// What is acted on. Its owner is whom we act as.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// The extension's own tables.
    Catalog,
    /// The schema of a source, as the role that owns it, whoever of its members calls. What the
    /// owner has put there may run, so it is confined.
    Schema(&'a str),
}

/// Runs `body` as the owner of what is acted on, or refuses.
pub fn as_owner<T>(what: What<'_>, body: impl FnOnce() -> Result<T>) -> Result<T> {
    let acting = match what {
        // An event trigger may run in it, as a superuser.
        What::Catalog => Acting {
            owner: catalog()?.owner,
            confined: false,
            own_path: true,
            named: None,
        },
        // Who may act as the owner may have any path when he does.
        What::Schema(source) => Acting {
            owner: schema_owner(source)?,
            confined: true,
            own_path: false,
            named: None,
        },
    };
    match what {
        What::Catalog => act(acting, || cluster::nested(body)),
        What::Schema(_) => act(acting, body),
    }
}

/// Runs `body` as the owner of a guarded table and its history, with what was found of them, or
/// refuses. `fired` is the table whose trigger asks, if one does; `usage` is what is done with the
/// history. No other table can be named in it.
pub fn on_history<T>(
    table: &Table,
    fired: Option<Oid>,
    usage: Use,
    body: impl FnOnce(&Found) -> Result<T>,
) -> Result<T> {
    let found = history(table, fired, usage)?;
    let acting = Acting {
        owner: found.owner,
        confined: false,
        own_path: found.has_code,
        named: Some(named(found.relation, found.history)?),
    };
    act(acting, || body(&found))
}

/// Runs `body` as the owner of the table that a reference of `referrer`'s leads to, to hold a row of
/// it, or refuses. No other table can be named in it.
pub fn on_target<T>(table: &Table, referrer: Oid, body: impl FnOnce() -> Result<T>) -> Result<T> {
    on_one(target(table, referrer)?, body)
}

/// Runs `body` as the owner of a table whose rows may refer to one that was deleted, to look for
/// them, or refuses. No other table can be named in it.
pub fn on_referrer<T>(table: &Table, body: impl FnOnce() -> Result<T>) -> Result<T> {
    on_one(held(table)?, body)
}

fn on_one<T>(found: Found, body: impl FnOnce() -> Result<T>) -> Result<T> {
    let acting = Acting {
        owner: found.owner,
        confined: false,
        own_path: false,
        named: Some(named(found.relation, found.relation)?),
    };
    act(acting, body)
}

/// What statements about two tables may open: those, and where they are in pieces what of them is here.
fn named(table: Oid, history: Oid) -> Result<[Oid; 4]> {
    match cluster::is_here()? {
        false => Ok([table, history, table, history]),
        true => {
            let piece = |of: Oid| cluster::piece_of(of).map(|piece| piece.unwrap_or(of));
            Ok([table, history, piece(table)?, piece(history)?])
        }
    }
}

fn act<T>(acting: Acting, body: impl FnOnce() -> Result<T>) -> Result<T> {
    if acting.named.is_some() {
        pause()?;
    }
    switch(acting, body)
}

/// In builds for tests: waits for who holds the advisory lock 7, if the session is set to.
#[cfg(feature = "testing")]
fn pause() -> Result<()> {
    match crate::pg::setting(c"ingest_test.pause")?.as_deref() {
        Some("on") => Session::open(|session| {
            session.execute("SELECT pg_catalog.pg_advisory_xact_lock_shared(7)")
        }),
        _ => Ok(()),
    }
}

#[cfg(not(feature = "testing"))]
fn pause() -> Result<()> {
    Ok(())
}

/// Who owns the catalog, and the table whose invalidations tell of its changes.
#[derive(Debug, Clone, Copy)]
pub struct Catalog {
    /// The owner.
    pub owner: Oid,
    /// The OID of `ingest.profile`.
    pub relation: Oid,
}

/// A guarded table and its history, as they were found.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// The table.
    pub relation: Oid,
    owner: Oid,
    /// Its history.
    pub history: Oid,
    partitioned: bool,
    wrong: Wrong,
    /// Whether the owner has put anything on the history that may run when it is written.
    has_code: bool,
}

/// What a table and its history are not, and would have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    TableMissing,
    TableKind,
    TableInherits,
    HistoryMissing,
    HistoryKind,
    HistoryOwner,
    HistoryInherits,
    HistoryRule,
    HistorySeal,
    HistoryTrigger,
}

impl Wrong {
    fn parse(text: Option<&str>) -> Result<Self> {
        Ok(match text {
            None => Wrong::Nothing,
            Some("table kind") => Wrong::TableKind,
            Some("table inherits") => Wrong::TableInherits,
            Some("history missing") => Wrong::HistoryMissing,
            Some("history kind") => Wrong::HistoryKind,
            Some("history owner") => Wrong::HistoryOwner,
            Some("history inherits") => Wrong::HistoryInherits,
            Some("history rule") => Wrong::HistoryRule,
            Some("history seal") => Wrong::HistorySeal,
            Some("history trigger") => Wrong::HistoryTrigger,
            Some(_) => return Err(Error::Bug("an unknown finding".into())),
        })
    }

    fn is_of_table(self) -> bool {
        matches!(
            self,
            Wrong::TableMissing | Wrong::TableKind | Wrong::TableInherits
        )
    }

    fn refuse(self, table: &Table) -> Error {
        let (name, history) = (&table.quoted, &table.history);
        let (message, hint) = match self {
            Wrong::Nothing => ("nothing is wrong".to_owned(), "Report this."),
            Wrong::TableMissing => (
                format!("there is no table {name}"),
                "The tables of a source keep the names that they were made with: rename them back.",
            ),
            Wrong::TableKind => (
                format!("{name} is not a plain table"),
                "A profile's table cannot be a view, a foreign table, or partitioned. Its history can be partitioned.",
            ),
            Wrong::TableInherits => (
                format!("{name} has a parent, or children"),
                "A profile's table cannot be a partition or inherit. Detach it: ALTER TABLE ... NO INHERIT, or DETACH PARTITION.",
            ),
            Wrong::HistoryMissing => (
                format!("there is no history {history}"),
                "A history stands in the schema of its table, under its name and _history: restore it.",
            ),
            Wrong::HistoryKind => (
                format!("{history} is not a plain table"),
                "A history is a table, or a partitioned table of such.",
            ),
            Wrong::HistoryOwner => (
                format!("{name} and its history belong to different roles"),
                "Give the table, its history and the history's partitions to one role: ALTER TABLE ... OWNER TO.",
            ),
            Wrong::HistoryInherits => (
                format!("{history} has a parent, or children that are not partitions"),
                "A history cannot inherit: ALTER TABLE ... NO INHERIT.",
            ),
            Wrong::HistoryRule => (
                format!("{history} has a rule"),
                "The archive writes as the owner, and runs no rules: DROP RULE.",
            ),
            Wrong::HistorySeal => (
                format!("a partition of {history} has no seal"),
                "A statement's trigger is not inherited: without one of its own, a partition can be written by hand. Call ingest.profile_define with the same definition, which seals it.",
            ),
            Wrong::HistoryTrigger => (
                format!("{history} has a trigger that is not its owner's"),
                "The archive writes as the owner: a trigger of a history has no WHEN and no arguments, is not deferrable, and has a function of the owner's or of a superuser's. Drop the trigger, and REVOKE TRIGGER on the history.",
            ),
        };
        Error::refuse(State::InsufficientPrivilege, message).hint(hint)
    }
}

/// The catalog, and whether there is more on its tables than triggers of the owner's own without a
/// condition. A foreign key that refers to a table, or a constraint that waits, has triggers of
/// PostgreSQL's own there.
const CATALOG: &str = "SELECT c.oid, c.relowner, e.oid, EXISTS (\
         SELECT FROM pg_catalog.pg_depend AS d \
         JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = d.objid \
         JOIN pg_catalog.pg_proc AS f ON f.oid = g.tgfoid \
         WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
         AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass \
         AND d.refobjid = e.oid AND d.deptype = 'e' \
         AND (g.tgisinternal OR g.tgqual IS NOT NULL OR f.proowner <> c.relowner)) \
     FROM pg_catalog.pg_class AS c \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     JOIN pg_catalog.pg_depend AS m ON m.objid = c.oid \
     JOIN pg_catalog.pg_extension AS e ON e.oid = m.refobjid \
     WHERE n.nspname = 'ingest' AND c.relname = 'profile' AND c.relkind = 'r' \
     AND n.nspowner = c.relowner \
     AND m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND m.deptype = 'e' \
     AND m.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass \
     AND e.extname = 'ingest_ext'";
/// Whether, of what is more, anything is another's: of the tables of an extension, whose owner is told.
const CATALOG_SPOILT: &str = "SELECT FROM pg_catalog.pg_depend AS d \
     JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = d.objid \
     JOIN pg_catalog.pg_proc AS f ON f.oid = g.tgfoid \
     WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
     AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass \
     AND d.refobjid = $1 AND d.deptype = 'e' AND NOT g.tgisinternal \
     AND (g.tgqual IS NOT NULL OR f.proowner <> $2 AND NOT EXISTS (\
         SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid = f.proowner AND r.rolsuper)) \
     UNION ALL SELECT FROM pg_catalog.pg_constraint AS k \
     JOIN pg_catalog.pg_depend AS d ON d.objid = k.confrelid \
     WHERE k.contype = 'f'::pg_catalog.\"char\" \
     AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
     AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass \
     AND d.refobjid = $1 AND d.deptype = 'e' LIMIT 1";
const SCHEMA: &str = "SELECT n.nspowner FROM pg_catalog.pg_namespace AS n \
     WHERE n.nspname = $1 AND pg_catalog.pg_has_role(n.nspowner, 'USAGE')";
/// The table and its history, and what is wrong with them, if anything is.
const GUARDED: &str = "WITH RECURSIVE guarded AS (\
         SELECT t.oid, t.relowner, t.relkind, t.relpersistence, h.oid AS history, h.relkind AS history_kind, \
             h.relpersistence AS history_persistence \
         FROM pg_catalog.pg_class AS t \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace \
         LEFT JOIN pg_catalog.pg_class AS h ON h.relnamespace = n.oid AND h.relname = $3 \
         WHERE n.nspname = $1 AND t.relname = $2), \
     parts AS (SELECT g.history AS oid FROM guarded AS g \
         UNION SELECT i.inhrelid FROM parts AS p \
         JOIN pg_catalog.pg_inherits AS i ON i.inhparent = p.oid) \
     SELECT g.oid, g.relowner, g.history, g.history_kind = 'p', CASE \
         WHEN g.relkind <> 'r' THEN 'table kind' \
         WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits AS i \
             WHERE i.inhrelid = g.oid OR i.inhparent = g.oid) THEN 'table inherits' \
         WHEN g.history IS NULL THEN 'history missing' \
         WHEN g.history_kind <> ALL (ARRAY['r', 'p']::pg_catalog.\"char\"[]) \
             OR EXISTS (SELECT FROM parts AS p JOIN pg_catalog.pg_class AS c ON c.oid = p.oid \
             WHERE c.relkind <> ALL (ARRAY['r', 'p']::pg_catalog.\"char\"[])) THEN 'history kind' \
         WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = g.history \
             OR (i.inhparent = g.history AND g.history_kind = 'r')) THEN 'history inherits' \
         WHEN EXISTS (SELECT FROM parts AS p JOIN pg_catalog.pg_class AS c ON c.oid = p.oid \
             WHERE c.relowner <> g.relowner) THEN 'history owner' \
         WHEN EXISTS (SELECT FROM parts AS p JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = p.oid) \
             THEN 'history rule' \
         WHEN EXISTS (SELECT FROM parts AS p WHERE p.oid <> g.history AND (\
             SELECT COALESCE(pg_catalog.bit_or(t.tgtype), 0::pg_catalog.int2) \
             FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = p.oid \
             AND t.tgfoid = 'ingest.seal()'::pg_catalog.regprocedure \
             AND pg_catalog.int2and(t.tgtype, 67::pg_catalog.int2) = 2::pg_catalog.int2 \
             AND t.tgenabled = ANY (ARRAY['O', 'A']::pg_catalog.\"char\"[])) <> 62::pg_catalog.int2) \
             THEN 'history seal' \
         WHEN EXISTS (SELECT FROM parts AS p JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = p.oid \
             JOIN pg_catalog.pg_proc AS f ON f.oid = t.tgfoid \
             WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' \
             AND (t.tgqual IS NOT NULL OR t.tgdeferrable OR (t.tgfoid <> 'ingest.seal()'::pg_catalog.regprocedure \
                 AND (t.tgnargs > 0 OR (f.proowner <> g.relowner AND NOT EXISTS (\
                 SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid = f.proowner AND r.rolsuper)))))) \
             THEN 'history trigger' END, \
     EXISTS (SELECT FROM parts AS p JOIN pg_catalog.pg_class AS c ON c.oid = p.oid \
         WHERE c.relchecks > 0::pg_catalog.int2 \
         OR EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = p.oid \
             AND NOT t.tgisinternal AND t.tgfoid <> 'ingest.seal()'::pg_catalog.regprocedure) \
         OR EXISTS (SELECT FROM pg_catalog.pg_attrdef AS d WHERE d.adrelid = p.oid) \
         OR EXISTS (SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = p.oid \
             AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)) \
         OR EXISTS (SELECT FROM pg_catalog.pg_partitioned_table AS k \
             WHERE k.partrelid = p.oid AND k.partexprs IS NOT NULL) \
         OR EXISTS (SELECT FROM pg_catalog.pg_attribute AS a \
             JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace \
             WHERE a.attrelid = p.oid AND n.nspname <> 'pg_catalog')) \
     FROM guarded AS g";
/// Whether rows of somebody else's go, or code of somebody else's runs, when rows of the table and of its
/// history are deleted.
const DELETES_FOREIGN: &str = "WITH RECURSIVE parts AS (SELECT $2 AS oid \
         UNION SELECT i.inhrelid FROM parts AS p \
         JOIN pg_catalog.pg_inherits AS i ON i.inhparent = p.oid) \
     SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger AS t \
         JOIN pg_catalog.pg_proc AS f ON f.oid = t.tgfoid \
         WHERE t.tgrelid = g.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' \
         AND pg_catalog.int2and(t.tgtype, 8::pg_catalog.int2) = 8::pg_catalog.int2 \
         AND (t.tgqual IS NOT NULL OR (f.proowner <> g.relowner AND NOT EXISTS (\
             SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid = f.proowner AND r.rolsuper)))) \
     OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS k \
         JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid \
         WHERE k.contype = 'f'::pg_catalog.\"char\" \
         AND k.confdeltype = ANY (ARRAY['c', 'n', 'd']::pg_catalog.\"char\"[]) \
         AND (k.confrelid = g.oid OR EXISTS (SELECT FROM parts AS p WHERE p.oid = k.confrelid)) \
         AND (c.relowner <> g.relowner OR c.relhastriggers AND EXISTS (\
             SELECT FROM pg_catalog.pg_trigger AS t \
             WHERE t.tgrelid = c.oid AND NOT t.tgisinternal))) \
     FROM pg_catalog.pg_class AS g WHERE g.oid = $1";
const MAY_REFER: &str = "SELECT pg_catalog.has_table_privilege($1, $2, 'SELECT, REFERENCES')";

thread_local! {
    static CATALOG_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(CATALOG, &[])) };
    static CATALOG_SPOILT_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(CATALOG_SPOILT, &[kind::OID, kind::OID])) };
    static SCHEMA_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(SCHEMA, &[kind::TEXT])) };
    static GUARDED_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(GUARDED, &[kind::TEXT, kind::TEXT, kind::TEXT])) };
    static DELETES_FOREIGN_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(DELETES_FOREIGN, &[kind::OID, kind::OID])) };
    static MAY_REFER_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(MAY_REFER, &[kind::OID, kind::OID])) };
    static CATALOG_FOUND: PerTable<Catalog> = const { PerTable::new() };
}

/// The catalog, if the tables under its name are the extension's own.
pub fn catalog() -> Result<Catalog> {
    CATALOG_FOUND.with(|found| {
        found.get_or(Oid::INVALID, || {
            Session::open(|session| {
                let rows = CATALOG_SQL.with(|sql| session.run(sql, &[], Reading::Latest, 1))?;
                let Some(row) = rows.first() else {
                    return Err(Error::refuse(
                        State::InsufficientPrivilege,
                        "the catalog in the schema ingest is not the extension's",
                    )
                    .hint("Drop what stands under its name, and create the extension anew."));
                };
                let of = [Arg::Oid(row.oid(3)), Arg::Oid(row.oid(2))];
                let spoilt = || {
                    CATALOG_SPOILT_SQL.with(|sql| session.run(sql, &of, Reading::Latest, 1))
                };
                if row.bool(4) && spoilt()?.count() > 0 {
                    return Err(Error::refuse(
                        State::InsufficientPrivilege,
                        "a catalog table has a trigger that is not the extension's, or a foreign key refers to it",
                    )
                    .hint("Drop it, and REVOKE TRIGGER, REFERENCES on the tables of the schema ingest."));
                }
                Ok(Catalog {
                    relation: row.oid(1),
                    owner: row.oid(2),
                })
            })
        })
    })
}

fn schema_owner(source: &str) -> Result<Oid> {
    Session::open(|session| {
        let name = [Arg::Text(source)];
        let rows = SCHEMA_SQL.with(|sql| session.run(sql, &name, Reading::Latest, 1))?;
        rows.first().map(|row| row.oid(1)).ok_or_else(|| {
            let message = format!("must be owner of the source {source}");
            Error::refuse(State::InsufficientPrivilege, message)
                .hint("Call as the role that owns the schema, or as a member of it.")
        })
    })
}

/// What a table's name leads to, if it is as it was made.
pub fn found(table: &Table) -> Result<Found> {
    // Nothing is looked up by who acts as another already: what he has found is handed to him.
    if is_bound() {
        return Err(Error::Bug("a look-up as another role".into()));
    }
    let found = find(table)?;
    match found.wrong {
        Wrong::Nothing => Ok(found),
        wrong => Err(wrong.refuse(table)),
    }
}

/// The same, to delete all their rows as their owner: what somebody else has put there must not run.
pub fn found_for_purge(table: &Table) -> Result<Found> {
    let found = found(table)?;
    let args = [Arg::Oid(found.relation), Arg::Oid(found.history)];
    let deletes_foreign = Session::open(|session| {
        let rows = cluster::seeing_pieces(|| {
            DELETES_FOREIGN_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 1))
        })?;
        Result::Ok(rows.first().is_none_or(|row| row.bool(1)))
    })?;
    if !deletes_foreign {
        return Ok(found);
    }
    Err(Error::refuse(
        State::InsufficientPrivilege,
        format!(
            "{} has a trigger of DELETE that is not its owner's, or a foreign key that takes rows of another along",
            table.quoted
        ),
    )
    .hint("A purge runs as the owner: such a trigger has no WHEN, and a function of the owner's or of a superuser's; a foreign key with ON DELETE CASCADE or SET is of a table of the owner's own that has no trigger. Disable or drop it."))
}

/// What a table's name leads to, right or wrong.
fn find(table: &Table) -> Result<Found> {
    table.found.get_or(Oid::INVALID, || {
        let history = &table.history_name;
        // The statement says what is wrong, where the glance does not say that nothing is.
        if let Some(plain) = plain(&table.source, &table.name, history, c"seal")? {
            return Ok(Found {
                relation: plain.relation,
                owner: plain.owner,
                history: plain.history,
                partitioned: false,
                wrong: Wrong::Nothing,
                has_code: false,
            });
        }
        Session::open(|session| {
            let args = [
                Arg::Text(&table.source),
                Arg::Text(&table.name),
                Arg::Text(history),
            ];
            let rows = cluster::seeing_pieces(|| {
                GUARDED_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 1))
            })?;
            let Some(row) = rows.first() else {
                return Ok(Found {
                    relation: Oid::INVALID,
                    owner: Oid::INVALID,
                    history: Oid::INVALID,
                    partitioned: false,
                    wrong: Wrong::TableMissing,
                    has_code: false,
                });
            };
            Ok(Found {
                relation: row.oid(1),
                owner: row.oid(2),
                history: row.oid(3),
                partitioned: row.bool(4),
                wrong: Wrong::parse(row.text(5)?)?,
                has_code: row.bool(6),
            })
        })
    })
}

/// Refuses unless the trigger fires on the table that its arguments name, and that table and its
/// history are as they were made.
pub fn check(table: &Table, fired: Oid) -> Result<Found> {
    let found = found(table)?;
    if found.relation != fired {
        return Err(elsewhere(&table.quoted));
    }
    Ok(found)
}

/// The refusal of a trigger of ours that stands on a table that its arguments do not name.
pub fn elsewhere(named: &str) -> Error {
    Error::refuse(
        State::InsufficientPrivilege,
        format!("the trigger is not on the table that it names, {named}"),
    )
    .hint("ingest.guard and ingest.archive belong on the table that their arguments name, with the name and the schema that it was made with: ingest.doctor says how one that was renamed or moved comes back.")
}

fn history(table: &Table, fired: Option<Oid>, usage: Use) -> Result<Found> {
    let mut held = Oid::INVALID;
    loop {
        let found = found(table)?;
        if fired.is_some_and(|fired| fired != found.relation) {
            return Err(elsewhere(&table.quoted));
        }
        // Waiting for the lock may have brought a change: what was found is then found anew.
        if held == found.history {
            return Ok(found);
        }
        lock(found.history, usage)?;
        if found.partitioned {
            lock_partitions(found.history, usage)?;
        }
        held = found.history;
    }
}

/// The table, locked, and still the one that stands under its name.
fn held(table: &Table) -> Result<Found> {
    let mut held = Oid::INVALID;
    loop {
        let found = find(table)?;
        if found.wrong.is_of_table() {
            return Err(found.wrong.refuse(table));
        }
        if held == found.relation {
            return Ok(found);
        }
        lock(found.relation, Use::Hold)?;
        held = found.relation;
    }
}

fn target(table: &Table, referrer: Oid) -> Result<Found> {
    let found = held(table)?;
    if referrer != found.owner && !may_refer(referrer, found.relation)? {
        return Err(Error::refuse(
            State::InsufficientPrivilege,
            format!("the owner of the table may not refer to {}", table.quoted),
        )
        .hint("Grant it SELECT or REFERENCES on the table that is referred to."));
    }
    Ok(found)
}

fn may_refer(referrer: Oid, relation: Oid) -> Result<bool> {
    Session::open(|session| {
        let args = [Arg::Oid(referrer), Arg::Oid(relation)];
        let rows = MAY_REFER_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 1))?;
        Ok(rows.first().is_some_and(|row| row.bool(1)))
    })
}
