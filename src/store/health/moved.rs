//! Tables of ours that stand elsewhere than they were made, and those that no definition names.
//!
//! A renamed table keeps its triggers, and their arguments say which it is; without triggers, its
//! primary key keeps the name that it was made with. As long as such a table stands where a missing
//! one may be, nothing is made in the place of that: it would be empty, and the other forgotten.

use super::{Finding, shown};
use crate::pg::{Arg, Error, Reading, Result, Session, State, Statement, kind};
use crate::store::cluster;
use std::mem::ManuallyDrop;

/// What the caller may see of what is guarded.
const GUARDED: &str = "SELECT p.source, p.profile FROM ingest.profile AS p \
     JOIN pg_catalog.pg_namespace AS n ON n.nspname = p.source \
     WHERE p.kind = ANY (ARRAY['ROOT', 'RELATIONSHIP']) AND ($1 IS NULL OR p.source = $1) \
     AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') ORDER BY p.source, p.kind, p.profile";
/// Tables that look like guarded ones, or have our triggers, and stand in no definition.
const STRAYS: &str = "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text \
     FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE c.relkind = ANY (ARRAY['r', 'p']::pg_catalog.\"char\"[]) AND NOT c.relispartition \
     AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND ($1 IS NULL OR n.nspname = $1) \
     AND NOT EXISTS (SELECT FROM ingest.profile AS p WHERE p.source = n.nspname \
         AND p.kind = ANY (ARRAY['ROOT', 'RELATIONSHIP']) \
         AND c.relname = ANY (ARRAY[p.profile, (p.profile || '_history')])) \
     AND (EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = c.oid \
             AND t.tgfoid = ANY (ARRAY['ingest.guard()'::pg_catalog.regprocedure, \
                 'ingest.seal()'::pg_catalog.regprocedure]::pg_catalog.oid[])) \
         OR (EXISTS (SELECT FROM pg_catalog.pg_class AS h WHERE h.relnamespace = n.oid \
                 AND h.relname = (c.relname::pg_catalog.text || '_history')) \
             AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute AS a \
                 WHERE a.attrelid = c.oid AND a.attname = ANY (ARRAY['version', 'created_at', \
                     'updated_at', 'profile_version', 'data'])) = 5)) ORDER BY 1, 2";
/// Tables that have triggers of ours, or the primary key of one of ours, and stand elsewhere. That
/// of another owner in another schema is somebody else's doing.
const MOVED: &str = "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, \
         pg_catalog.quote_ident(n.nspname::pg_catalog.text), \
         pg_catalog.quote_ident(c.relname::pg_catalog.text), s.source, s.profile, s.history, \
         pg_catalog.quote_ident(s.source), pg_catalog.quote_ident(s.made_as), \
         EXISTS (SELECT FROM pg_catalog.pg_namespace AS home WHERE home.nspname = s.source), \
         EXISTS (SELECT FROM ingest.source AS other WHERE other.source = n.nspname), \
         EXISTS (SELECT FROM pg_catalog.pg_class AS other \
             JOIN pg_catalog.pg_namespace AS home ON home.oid = other.relnamespace \
             WHERE home.nspname = s.source AND other.relname = s.made_as) \
     FROM (SELECT DISTINCT k.relation, k.source, k.profile, k.history, \
             CASE WHEN k.history THEN (k.profile || '_history') ELSE k.profile END AS made_as \
         FROM (SELECT t.tgrelid AS relation, \
                 pg_catalog.split_part(a.arguments, (pg_catalog.chr(92) || '000'), 1) AS source, \
                 pg_catalog.split_part(a.arguments, (pg_catalog.chr(92) || '000'), 2) AS profile, \
                 t.tgfoid = 'ingest.seal()'::pg_catalog.regprocedure AS history \
             FROM pg_catalog.pg_trigger AS t, \
                 LATERAL (SELECT pg_catalog.encode(t.tgargs, 'escape') AS arguments) AS a \
             WHERE t.tgfoid = ANY (ARRAY['ingest.guard()'::pg_catalog.regprocedure, \
                 'ingest.archive()'::pg_catalog.regprocedure, \
                 'ingest.seal()'::pg_catalog.regprocedure]::pg_catalog.oid[]) \
             UNION ALL \
             SELECT k.conrelid, $1, $2, k.conname = ($2 || '_history_pkey') \
             FROM pg_catalog.pg_constraint AS k \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = k.connamespace \
             WHERE n.nspname = $1 AND k.contype = 'p' \
             AND k.conname = ANY (ARRAY[($2 || '_pkey'), ($2 || '_history_pkey')]) \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = k.conrelid \
                 AND t.tgname = ANY (ARRAY['~ingest_guard', '~ingest_seal'])) \
             AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute AS a \
                 WHERE a.attrelid = k.conrelid AND a.attname = ANY (ARRAY['version', 'created_at', \
                     'updated_at', 'profile_version', 'data'])) = 5) AS k) AS s \
     JOIN pg_catalog.pg_class AS c ON c.oid = s.relation \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE c.relkind = ANY (ARRAY['r', 'p']::pg_catalog.\"char\"[]) AND NOT c.relispartition \
     AND ($1 IS NULL OR s.source = $1) AND ($2 IS NULL OR s.profile = $2) \
     AND NOT (n.nspname = s.source AND c.relname = s.made_as) \
     AND (n.nspname = s.source OR NOT EXISTS (SELECT FROM pg_catalog.pg_namespace AS home \
         WHERE home.nspname = s.source AND home.nspowner <> c.relowner)) ORDER BY 1, 2";
/// What somebody has written into the catalog by hand.
const CHANGED: &str = "SELECT p.source, p.profile FROM ingest.profile AS p \
     LEFT JOIN ingest.profile_version AS v ON v.source = p.source \
         AND v.profile = p.profile AND v.version = p.version \
     WHERE ($1 IS NULL OR p.source = $1) \
     AND NOT COALESCE(v.definition = p.definition, false) ORDER BY 1, 2";
const GONE: &str = "SELECT s.source FROM ingest.source AS s WHERE ($1 IS NULL OR s.source = $1) \
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_namespace AS n WHERE n.nspname = s.source) ORDER BY 1";
/// What to do with tables of ours that no catalog knows.
const LOST_CATALOG: &str = "Tables that have lost their catalog are taken back with their rows and \
     history by ingest.source_adopt(source, catalog); a catalog that was not saved can be written by hand.";

thread_local! {
    static GUARDED_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(GUARDED, &[kind::TEXT])) };
    static STRAYS_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(STRAYS, &[kind::TEXT])) };
    static MOVED_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(MOVED, &[kind::TEXT, kind::TEXT])) };
    static CHANGED_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(CHANGED, &[kind::TEXT])) };
    static GONE_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(GONE, &[kind::TEXT])) };
}

/// A table of ours that stands elsewhere than it was made.
#[derive(Debug)]
pub struct Moved {
    schema: String,
    table: String,
    /// Whether it is the history of what it was made for.
    pub history: bool,
    source: String,
    profile: String,
    /// What brings it back.
    statements: String,
    /// Whether another stands in its place.
    replaced: bool,
    /// Whether it seems that its whole schema was renamed.
    with_schema: bool,
}

impl Moved {
    /// What it looks like, and how it comes back.
    pub fn hint(&self) -> String {
        let history = if self.history { "the history of " } else { "" };
        let (schema, table) = (shown(&self.schema), shown(&self.table));
        let made_as = format!("{}.{}", shown(&self.source), shown(&self.profile));
        match self.replaced {
            false => format!(
                "{schema}.{table} looks like {history}{made_as}: {}",
                self.statements
            ),
            true => format!(
                "{schema}.{table} has the triggers of {history}{made_as}, in whose place another table \
                 is: keep what it holds, and drop its triggers if it is meant to stand there."
            ),
        }
    }

    /// The same, of the source as a whole.
    fn hint_of_source(&self) -> String {
        match self.with_schema {
            true => format!(
                "{} looks like the schema of {}: {}",
                shown(&self.schema),
                shown(&self.source),
                // The schema first; what else was renamed is found when it is back.
                self.statements.split("; ").next().unwrap_or_default()
            ),
            false => self.hint(),
        }
    }
}

/// The tables that were made for this name, or for all of a source or of all sources, and that
/// stand elsewhere now.
pub fn moved(session: &Session, source: Option<&str>, name: Option<&str>) -> Result<Vec<Moved>> {
    let args = [Arg::text(source), Arg::text(name)];
    let rows = MOVED_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
    let mut found = Vec::new();
    for row in rows.iter() {
        let (schema, table) = (row.string(1)?, row.string(2)?);
        if cluster::is_piece(session, &schema, &table)? {
            continue;
        }
        let (mut at, quoted) = (row.string(3)?, row.string(4)?);
        let (home, made_as) = (row.string(8)?, row.string(9)?);
        let (has_home, of_another, replaced) = (row.bool(10), row.bool(11), row.bool(12));
        let mut statements = Vec::new();
        let away = at != home;
        let with_schema = away && !has_home && !of_another && schema != "public";
        if with_schema {
            statements.push(format!("ALTER SCHEMA {at} RENAME TO {home}"));
            at.clone_from(&home);
        } else if away {
            if !has_home {
                statements.push(format!("CREATE SCHEMA {home}"));
            }
            statements.push(format!("ALTER TABLE {at}.{quoted} SET SCHEMA {home}"));
            at.clone_from(&home);
        }
        if quoted != made_as {
            statements.push(format!("ALTER TABLE {at}.{quoted} RENAME TO {made_as}"));
        }
        found.push(Moved {
            schema,
            table,
            history: row.bool(7),
            source: row.string(5)?,
            profile: row.string(6)?,
            statements: statements.join("; "),
            replaced,
            with_schema,
        });
    }
    Ok(found)
}

/// What helps where a source has lost its schema.
pub fn schema_gone(session: &Session, source: &str) -> Result<String> {
    let moved = moved(session, Some(source), None)?;
    Ok(match moved.first() {
        Some(moved) => moved.hint_of_source(),
        None => format!(
            "Restore it from a dump; or ingest.source_drop('{source}', cascade => true) removes what the catalog still holds."
        ),
    })
}

/// Refuses to forget what tables that stand elsewhere were made for.
pub fn check_in_place(session: &Session, source: &str, name: Option<&str>) -> Result<()> {
    let moved = moved(session, Some(source), name)?;
    match moved.iter().find(|moved| !moved.replaced) {
        None => Ok(()),
        Some(moved) => Err(Error::refuse(
            State::Conflict,
            format!("a table of {source} stands elsewhere"),
        )
        .hint(match name {
            Some(_) => moved.hint(),
            None => moved.hint_of_source(),
        })),
    }
}

/// The names of what has a table, source by source, as far as the caller may use them.
pub fn guarded(session: &Session, source: Option<&str>) -> Result<Vec<(String, String)>> {
    let args = [Arg::text(source)];
    let rows = GUARDED_SQL.with(|sql| session.run(sql, &args, Reading::Caller, 0))?;
    rows.iter()
        .map(|row| Ok((row.string(1)?, row.string(2)?)))
        .collect()
}

/// Sources without a schema, definitions that were changed by hand, and tables that no definition
/// names.
pub fn strays(session: &Session, source: Option<&str>) -> Result<Vec<Finding>> {
    let args = [Arg::text(source)];
    let mut findings = Vec::new();
    let rows = GONE_SQL.with(|sql| session.run(sql, &args, Reading::Caller, 0))?;
    for row in rows.iter() {
        let source = row.string(1)?;
        findings.push(Finding::severe(
            &shown(&source),
            "the schema of the source is gone",
            schema_gone(session, &source)?,
        ));
    }
    let rows = CHANGED_SQL.with(|sql| session.run(sql, &args, Reading::Caller, 0))?;
    for row in rows.iter() {
        findings.push(Finding::severe(
            &format!("{}.{}", shown(&row.string(1)?), shown(&row.string(2)?)),
            "its definition in ingest.profile is not that of its version in ingest.profile_version",
            "The catalog was written by hand: define it again, with the definition that is meant.",
        ));
    }
    let rows = STRAYS_SQL.with(|sql| session.run(sql, &args, Reading::Caller, 0))?;
    let moved = match rows.count() {
        0 => Vec::new(),
        _ => moved(session, None, None)?,
    };
    for row in rows.iter() {
        let (schema, table) = (row.string(1)?, row.string(2)?);
        if cluster::is_piece(session, &schema, &table)? {
            continue;
        }
        let elsewhere = moved
            .iter()
            .find(|at| (&at.schema, &at.table) == (&schema, &table));
        findings.push(Finding::severe(
            &format!("{}.{}", shown(&schema), shown(&table)),
            "no definition names the table",
            match elsewhere {
                Some(moved) => moved.hint(),
                None => LOST_CATALOG.to_owned(),
            },
        ));
    }
    Ok(findings)
}
