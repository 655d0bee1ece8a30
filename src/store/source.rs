//! Sources: their catalog rows and their schemas.

use super::catalog::Catalog;
use super::name::Name;
use crate::pg::{
    Arg, Error, Oid, Reading, Result, Session, State, Statement, as_owner, current_role, kind,
    may_create_schemas, may_use_schema,
};
use std::mem::ManuallyDrop;

const SCHEMA: &str = "SELECT pg_catalog.pg_has_role(n.nspowner, 'USAGE'), n.nspowner \
     FROM pg_catalog.pg_namespace AS n WHERE n.nspname = $1";
const INSERT: &str = "INSERT INTO ingest.source (source, format, options) VALUES ($1, $2, $3) \
     ON CONFLICT DO NOTHING";
const LOCK: &str = "SELECT format FROM ingest.source WHERE source = $1 FOR UPDATE";
/// Everything that the catalog holds of a source.
const DELETE: &str = "WITH relationships AS (DELETE FROM ingest.relationship WHERE source = $1), \
     properties AS (DELETE FROM ingest.property WHERE source = $1), \
     contained AS (DELETE FROM ingest.contained WHERE source = $1), \
     versions AS (DELETE FROM ingest.profile_version WHERE source = $1), \
     profiles AS (DELETE FROM ingest.profile WHERE source = $1), \
     vocabularies AS (DELETE FROM ingest.vocabulary WHERE source = $1) \
     DELETE FROM ingest.source WHERE source = $1";
const GUARDED: &str = "SELECT profile, kind FROM ingest.profile \
     WHERE source = $1 AND kind = ANY (ARRAY['ROOT', 'RELATIONSHIP']) ORDER BY kind, profile";

thread_local! {
    static SCHEMA_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(SCHEMA, &[kind::TEXT])) };
    static INSERT_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(INSERT, &[kind::TEXT, kind::TEXT, kind::JSONB])) };
    static LOCK_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(LOCK, &[kind::TEXT])) };
    static DELETE_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(DELETE, &[kind::TEXT])) };
    static GUARDED_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(GUARDED, &[kind::TEXT])) };
}

/// Creates the schema as the caller, and the catalog's row. Says whether the name was free.
pub fn create(session: &Session, source: &Name, format: &str, options: &[u8]) -> Result<bool> {
    let catalog = Catalog::open(session)?;
    let name = [Arg::Text(source.as_str())];
    let exists = SCHEMA_SQL
        .with(|sql| session.run(sql, &name, Reading::Fresh, 1))?
        .count()
        > 0;
    if exists || catalog.has_source(session, source.as_str())? {
        return Ok(false);
    }
    session.execute(&format!("CREATE SCHEMA {}", source.quoted()))?;
    as_owner(catalog.owner, || {
        let args = [
            Arg::Text(source.as_str()),
            Arg::Text(format),
            Arg::Jsonb(options),
        ];
        let rows = INSERT_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        Ok(rows.count() > 0)
    })
}

/// What a source that the catalog knows has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its schema is there, and the caller's to define in.
    Owned,
    /// Somebody dropped the schema by hand.
    SchemaGone,
}

/// Makes sure that the source exists and is the caller's to define, and holds its catalog row, so
/// that its definitions change one after the other.
pub fn lock_for_definition(session: &Session, source: &str) -> Result<()> {
    match standing(session, source)? {
        Standing::Owned => Ok(()),
        Standing::SchemaGone => Err(Error::refuse(
            State::NotFound,
            "the schema of the source is gone",
        )
        .hint("ingest.source_drop(source, cascade => true) removes what the catalog still holds.")),
    }
}

/// As [`lock_for_definition`], for who can do with a schema that is gone.
pub fn standing(session: &Session, source: &str) -> Result<Standing> {
    check_usage(source)?;
    let catalog = Catalog::open(session)?;
    let name = [Arg::Text(source)];
    let known = as_owner(catalog.owner, || {
        let rows = LOCK_SQL.with(|sql| session.run(sql, &name, Reading::Fresh, 1))?;
        Ok(rows.count() > 0)
    })?;
    if !known {
        return Err(Error::refuse(State::NotFound, "no such source")
            .hint("Create it with ingest.source_create."));
    }
    let rows = SCHEMA_SQL.with(|sql| session.run(sql, &name, Reading::Fresh, 1))?;
    match rows.first() {
        None => Ok(Standing::SchemaGone),
        Some(row) if row.bool(1) => Ok(Standing::Owned),
        Some(_) => Err(Error::refuse(
            State::InsufficientPrivilege,
            "must be owner of the source to define in it",
        )
        .hint("Call as the role that owns the schema, or as a member of it.")),
    }
}

/// Refuses a caller who may not use the schema of a source: the first thing that every verb does,
/// at each call, so that neither the catalog nor a kept plan tells them anything of it. A source
/// that is not there gets the same words, unless the caller could create it.
pub fn check_usage(source: &str) -> Result<()> {
    check_usage_of(current_role(), source)
}

/// As [`check_usage`], for what acts in the name of another role.
pub fn check_usage_of(role: Oid, source: &str) -> Result<()> {
    Name::check(source, "source")?;
    match may_use_schema(role, source)? {
        Some(true) => return Ok(()),
        // Who looks the source up says that it is not there.
        None if may_create_schemas(role)? => return Ok(()),
        _ => {}
    }
    Err(Error::refuse(
        State::InsufficientPrivilege,
        "permission denied for the source, or there is none",
    )
    .hint("Ask its owner for USAGE on the schema: ingest.source_grant(source, role, 'read')."))
}

/// Runs what makes, changes or drops tables as the owner of the schema, whoever of those that may
/// act as the owner has called: so that all tables of a source have one owner. The caller must have
/// passed [`lock_for_definition`].
pub fn as_schema_owner<T>(
    session: &Session,
    source: &str,
    body: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let name = [Arg::Text(source)];
    let rows = SCHEMA_SQL.with(|sql| session.run(sql, &name, Reading::Fresh, 1))?;
    let owner = rows.first().filter(|row| row.bool(1)).map(|row| row.oid(2));
    match owner {
        Some(owner) => as_owner(owner, body),
        None => Err(Error::refuse(
            State::InsufficientPrivilege,
            "must be owner of the source",
        )),
    }
}

/// The names of what has a table in the source: relationships last, so that tables can be dropped
/// from the end.
pub fn guarded(session: &Session, source: &str) -> Result<Vec<String>> {
    let catalog = Catalog::open(session)?;
    as_owner(catalog.owner, || {
        let args = [Arg::Text(source)];
        let rows = GUARDED_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        let mut names = rows
            .iter()
            .map(|row| Ok((row.text(2)? == Some("RELATIONSHIP"), row.string(1)?)))
            .collect::<Result<Vec<_>>>()?;
        names.sort();
        Ok(names.into_iter().map(|(_, name)| name).collect())
    })
}

/// Drops the schema as the caller, and the catalog's rows.
pub fn drop(session: &Session, source: &Name, cascade: bool) -> Result<()> {
    let behavior = if cascade { "CASCADE" } else { "RESTRICT" };
    if standing(session, source.as_str())? == Standing::Owned {
        let drop = format!("DROP SCHEMA {} {behavior}", source.quoted());
        as_schema_owner(session, source.as_str(), || session.execute(&drop))?;
    }
    let catalog = Catalog::open(session)?;
    as_owner(catalog.owner, || {
        let args = [Arg::Text(source.as_str())];
        DELETE_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        Ok(())
    })
}
