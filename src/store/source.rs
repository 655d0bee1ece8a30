//! Sources: their catalog rows and their schemas.

use super::acting::{What, as_owner};
use super::catalog::Catalog;
use super::name::Name;
use super::{cluster, ddl, health};
use crate::pg::{
    Arg, Error, NamedLock, Oid, Reading, Result, Session, State, Statement, current_role, kind,
    lock_name, lock_number, may_create_schemas, may_use_schema,
};
use ingest_engine::Format;
use std::mem::ManuallyDrop;
use std::thread::LocalKey;

const SCHEMA: &str = "SELECT pg_catalog.pg_has_role(n.nspowner, 'USAGE') \
     FROM pg_catalog.pg_namespace AS n WHERE n.nspname = $1";
const INSERT: &str = "INSERT INTO ingest.source (source, format, options) VALUES ($1, $2, $3) \
     ON CONFLICT DO NOTHING";
const SOURCE: &str = "SELECT FROM ingest.source WHERE source = $1";
const LOCK: &str = "SELECT format FROM ingest.source WHERE source = $1 FOR UPDATE";
/// Everything that the catalog holds of a source.
const DELETE: &str = "WITH relationships AS (DELETE FROM ingest.relationship WHERE source = $1), \
     properties AS (DELETE FROM ingest.property WHERE source = $1), \
     contained AS (DELETE FROM ingest.contained WHERE source = $1), \
     indexes AS (DELETE FROM ingest.index WHERE source = $1), \
     search_indexes AS (DELETE FROM ingest.search_index WHERE source = $1), \
     versions AS (DELETE FROM ingest.profile_version WHERE source = $1), \
     profiles AS (DELETE FROM ingest.profile WHERE source = $1), \
     vocabularies AS (DELETE FROM ingest.vocabulary WHERE source = $1), \
     others AS (DELETE FROM ingest.definition WHERE source = $1), \
     requests AS (DELETE FROM ingest.request WHERE source = $1), \
     feeds AS (DELETE FROM ingest.feed WHERE source = $1), \
     losses AS (DELETE FROM ingest.feed_loss WHERE source = $1), \
     consumers AS (DELETE FROM ingest.feed_consumer WHERE source = $1) \
     DELETE FROM ingest.source WHERE source = $1";
/// Self-exclusive, and in the way of neither readers and writers of the catalog nor of definitions.
pub(super) const LOCK_ALL: &str = "LOCK TABLE ingest.source IN SHARE UPDATE EXCLUSIVE MODE";
/// Whether the caller may do anything that takes that lock.
const HOLDS_ALL: &str = "SELECT pg_catalog.bool_or(pg_catalog.has_function_privilege(p.oid, 'EXECUTE')) \
     FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace \
     WHERE n.nspname = 'ingest' AND p.proname = ANY (ARRAY['source_access', 'api_create', 'api_drop']::pg_catalog.name[])";
/// What is to be the same in the transaction's snapshot and now.
const DEFINED: &str = "SELECT pg_catalog.string_agg(pg_catalog.concat(profile, ' ', version), ',' ORDER BY profile) \
     FROM ingest.profile WHERE source = $1";
const GUARDED: &str = "SELECT profile, kind FROM ingest.profile \
     WHERE source = $1 AND kind = ANY (ARRAY['ROOT', 'RELATIONSHIP']) ORDER BY kind, profile";

thread_local! {
    static SCHEMA_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(SCHEMA, &[kind::TEXT])) };
    static INSERT_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(INSERT, &[kind::TEXT, kind::TEXT, kind::JSONB])) };
    static SOURCE_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(SOURCE, &[kind::TEXT])) };
    static LOCK_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(LOCK, &[kind::TEXT])) };
    static DELETE_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(DELETE, &[kind::TEXT])) };
    static HOLDS_ALL_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(HOLDS_ALL, &[])) };
    static DEFINED_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(DEFINED, &[kind::TEXT])) };
    static GUARDED_SQL: ManuallyDrop<Statement> =
        const { ManuallyDrop::new(Statement::keyed(GUARDED, &[kind::TEXT])) };
}

/// Creates the schema as the caller, and the catalog's row.
pub fn create(session: &Session, source: &Name, format: Format, options: &[u8]) -> Result<()> {
    let catalog = Catalog::open(session)?;
    cluster::check_new_source(session)?;
    let name = [Arg::Text(source.as_str())];
    let exists = SCHEMA_SQL
        .with(|sql| session.run(sql, &name, Reading::Fresh, 1))?
        .count()
        > 0;
    if exists || catalog.has_source(session, source.as_str())? {
        return Err(exists_already(session, source)?);
    }
    session
        .execute(&format!("CREATE SCHEMA {}", source.quoted()))
        .map_err(|error| {
            // Somebody else created it at the same time.
            match error.is_postgres(b"42P06") || error.is_postgres(b"23505") {
                true => schema_taken(source),
                false => error,
            }
        })?;
    register(session, source, format, options)
}

/// Writes the catalog's row of a source whose schema is there.
pub fn register(session: &Session, source: &Name, format: Format, options: &[u8]) -> Result<()> {
    let args = [
        Arg::Text(source.as_str()),
        Arg::Text(word(format)),
        Arg::Jsonb(options),
    ];
    let written = as_owner(What::Catalog, || {
        let rows = INSERT_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        Ok(rows.count() > 0)
    })?;
    match written {
        true => Ok(()),
        false => Err(exists_already(session, source)?),
    }
}

/// Whether the catalog knows the source.
fn is_known(session: &Session, source: &str) -> Result<bool> {
    Catalog::open(session)?.has_source(session, source)
}

fn schema_taken(source: &Name) -> Error {
    Error::refuse(
        State::Conflict,
        format!("the schema {source} exists, and is not a source"),
    )
    .hint("Choose another name: SELECT nspname FROM pg_namespace lists the schemas.")
}

/// Why a source cannot be made: it is there, or half of it is, or its schema is something else.
fn exists_already(session: &Session, source: &Name) -> Result<Error> {
    let name = source.as_str();
    let standing = match may_use_schema(current_role(), name)? {
        None => Standing::SchemaGone,
        Some(true) => Standing::Owned,
        // Who may not use it learns what everybody can see, and nothing of the catalog.
        Some(false) => return Ok(schema_taken(source).hint("Choose another name.")),
    };
    let known = Catalog::open(session)?.has_source(session, name)?;
    if known && standing == Standing::SchemaGone {
        return gone(session, name);
    }
    if known {
        return Ok(
            Error::refuse(State::Conflict, format!("the source {source} exists")).hint(
                "Define in it; ingest.doctor(source) shows whether something of it is missing.",
            ),
        );
    }
    Ok(match lost(session, name)? {
        None => schema_taken(source),
        Some(hint) => schema_taken(source).hint(hint),
    })
}

/// The refusal of a source whose schema is not there.
pub fn gone(session: &Session, source: &str) -> Result<Error> {
    Ok(Error::refuse(
        State::NotFound,
        format!("the schema of the source {source} is gone"),
    )
    .hint(health::schema_gone(session, source)?))
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
        Standing::Owned => cluster::check_node(session),
        Standing::SchemaGone => Err(gone(session, source)?),
    }
}

/// The same, for what cannot be done in a source that is distributed.
pub fn lock_in_one_place(session: &Session, source: &str) -> Result<()> {
    lock_for_definition(session, source)?;
    cluster::check_in_one_place(session, source)
}

/// Whose types and whose JSON a source speaks of, if it is there.
pub fn format(source: &str) -> Result<Option<Format>> {
    Session::open(|session| Catalog::open(session)?.format(session, source))
}

/// As [`lock_for_definition`], and tells the format of the source.
pub fn lock_and_format(session: &Session, source: &str) -> Result<Option<Format>> {
    lock_for_definition(session, source)?;
    Catalog::open(session)?.format(session, source)
}

/// As [`lock_for_definition`], for a verb of sources of one format; `hint` says what does it in the
/// other.
pub fn lock_of_format(session: &Session, source: &str, format: Format, hint: &str) -> Result<()> {
    let (is, of) = match lock_and_format(session, source)? {
        Some(is) if is != format => (is, format),
        _ => return Ok(()),
    };
    Err(Error::refuse(
        State::BadRequest,
        format!(
            "the source {source} has the format {}, and this is for {}",
            word(is),
            word(of)
        ),
    )
    .hint(hint))
}

/// The name of a format.
fn word(format: Format) -> &'static str {
    match format {
        Format::Fhir => "fhir",
        Format::Native => "native",
    }
}

/// As [`lock_for_definition`], for who can do with a schema that is gone.
pub fn standing(session: &Session, source: &str) -> Result<Standing> {
    check_usage(source)?;
    if !as_owner(What::Catalog, || lock(session, source))? {
        return Err(none_there(source)?);
    }
    ownership(session, source, Reading::Latest)
}

/// Refuses who may not define in a source, without holding anything of it.
pub fn check_definer(source: &str) -> Result<()> {
    Session::open(|session| ownership(session, source, Reading::Caller).map(|_| ()))
}

/// Whether the caller may define in a source.
pub fn may_define(source: &str) -> Result<bool> {
    Session::open(|session| {
        let name = [Arg::Text(source)];
        let rows = SCHEMA_SQL.with(|sql| session.run(sql, &name, Reading::Caller, 1))?;
        Ok(rows.first().is_some_and(|row| row.bool(1)))
    })
}

/// The refusal of a source that is not there, though its schema may be.
pub fn none_there(source: &str) -> Result<Error> {
    // Input can be anything: what cannot be a name is not repeated.
    let Ok(name) = Name::new(source, "source") else {
        return Ok(Error::refuse(State::NotFound, "no such source").hint(NONE_THERE));
    };
    let hint = match may_use_schema(current_role(), source)? {
        Some(true) => Session::open(|session| lost(session, source))?,
        _ => None,
    };
    Ok(
        Error::refuse(State::NotFound, format!("no such source: {name}"))
            .hint(hint.unwrap_or_else(|| NONE_THERE.to_owned())),
    )
}

const NONE_THERE: &str =
    "SELECT source FROM ingest.source lists those you may use; ingest.source_create makes one.";

/// What helps where a schema that is no source has tables of ours.
fn lost(session: &Session, schema: &str) -> Result<Option<String>> {
    let strays = health::strays(session, Some(schema))?;
    Ok(strays.into_iter().next().map(|stray| stray.hint))
}

/// Holds the row of a source, as it is now: whatever is defined changes it, also after the snapshot
/// of this transaction. `false` if there is none.
fn lock(session: &Session, source: &str) -> Result<bool> {
    // Who waits for a row goes on when its transaction is over, before that has told others what it
    // changed, and a GRANT then meets PostgreSQL's "tuple concurrently updated". A lock is let go after.
    lock_name(NamedLock::Source, lock_number(source))?;
    let name = [Arg::Text(source)];
    let count = |sql: &'static LocalKey<ManuallyDrop<Statement>>, reading| {
        let rows = sql.with(|sql| session.run(sql, &name, reading, 1));
        rows.map(|rows| rows.count())
    };
    match count(&LOCK_SQL, Reading::LatestWriting) {
        Ok(0) => Ok(false),
        // What the snapshot does not show could not be changed.
        Ok(_) if count(&SOURCE_SQL, Reading::Fresh)? == 0 => Err(newer_than_snapshot()),
        Ok(_) => Ok(true),
        Err(error) if error.is_postgres(b"40001") => Err(newer_than_snapshot()),
        Err(error) => Err(error),
    }
}

/// Refuses who may not use a source, and tells who may create it that it is not there.
pub fn check_there(source: &str) -> Result<()> {
    check_usage(source)?;
    match Session::open(|session| Catalog::open(session)?.has_source(session, source))? {
        true => Ok(()),
        false => Err(none_there(source)?),
    }
}

/// Refuses unless a schema of this name is there, and the caller's to define in. Those of
/// PostgreSQL and of the extension are nobody's.
pub fn check_owned(session: &Session, source: &str) -> Result<()> {
    if source.starts_with("pg_") || ["information_schema", "ingest"].contains(&source) {
        return Err(Error::refuse(
            State::BadRequest,
            format!("{source} is not a name for a source"),
        )
        .hint("The schemas of PostgreSQL and of the extension cannot be sources."));
    }
    match ownership(session, source, Reading::Latest)? {
        Standing::Owned => Ok(()),
        Standing::SchemaGone if Catalog::open(session)?.has_source(session, source)? => {
            Err(gone(session, source)?)
        }
        Standing::SchemaGone => Err(Error::refuse(
            State::NotFound,
            format!("no such schema: {source}"),
        )
        .hint("Restore the tables of the source first.")),
    }
}

fn ownership(session: &Session, source: &str, reading: Reading) -> Result<Standing> {
    let rows = SCHEMA_SQL.with(|sql| session.run(sql, &[Arg::Text(source)], reading, 1))?;
    match rows.first() {
        None => Ok(Standing::SchemaGone),
        Some(row) if row.bool(1) => Ok(Standing::Owned),
        Some(_) => Err(Error::refuse(
            State::InsufficientPrivilege,
            format!("must be owner of the source {source} to define in it"),
        )
        .hint("Call as the role that owns the schema, or as a member of it.")),
    }
}

/// Holds the catalog row of a source that is the caller's, as [`lock_for_definition`] does, so that
/// who says what roles may do and who defines wait for each other. A source of another is left to
/// the caller's own refusals. In a transaction whose snapshot is older than the source's definitions,
/// what the caller would go on to look at is not what is there.
pub fn hold(session: &Session, source: &str) -> Result<()> {
    let name = [Arg::Text(source)];
    let owned = SCHEMA_SQL.with(|sql| session.run(sql, &name, Reading::Latest, 1))?;
    match owned.first() {
        // Who may make the schema is told what has become of it, as where a definition is refused.
        None if may_create_schemas(current_role())? && is_known(session, source)? => {
            return Err(gone(session, source)?);
        }
        Some(row) if row.bool(1) => {}
        _ => return Ok(()),
    }
    cluster::check_node(session)?;
    if !as_owner(What::Catalog, || lock(session, source))? {
        return Err(none_there(source)?);
    }
    let current = as_owner(What::Catalog, || {
        let defined = |reading| {
            let rows = DEFINED_SQL.with(|sql| session.run(sql, &name, reading, 1))?;
            let names = rows.first().map(|row| row.text(1)).transpose()?;
            Ok::<_, Error>(names.flatten().map(str::to_owned))
        };
        Ok(defined(Reading::Fresh)? == defined(Reading::Latest)?)
    })?;
    match current {
        true => Ok(()),
        false => Err(newer_than_snapshot()),
    }
}

/// Holds what belongs to no source and is changed by few: what roles may call, the schemas of the
/// api. Who comes second waits for the end of the first one's transaction; who is none of the few
/// keeps nobody waiting.
pub fn hold_all(session: &Session) -> Result<()> {
    let may = HOLDS_ALL_SQL.with(|sql| session.run(sql, &[], Reading::Latest, 1))?;
    if !may.first().is_some_and(|row| row.bool(1)) {
        return Ok(());
    }
    as_owner(What::Catalog, || session.execute(LOCK_ALL))
}

/// What a transaction has to change was made after its snapshot.
pub fn newer_than_snapshot() -> Error {
    Error::refuse(
        State::SerializationFailure,
        "the source was changed after the snapshot of this transaction",
    )
    .hint("Run the transaction again.")
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
/// passed [`lock_for_definition`]. What the owner has put there may run, so it is confined as in
/// VACUUM and REINDEX: it leaves nothing behind in the caller's session.
pub fn as_schema_owner<T>(
    _session: &Session,
    source: &str,
    body: impl FnOnce() -> Result<T>,
) -> Result<T> {
    as_owner(What::Schema(source), body)
}

/// What has a table in the source: whether it is a relationship, and its name.
pub fn guarded(session: &Session, source: &str) -> Result<Vec<(bool, String)>> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source)];
        let rows = GUARDED_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
        rows.iter()
            .map(|row| Ok((row.text(2)? == Some("RELATIONSHIP"), row.string(1)?)))
            .collect()
    })
}

/// Drops the schema, whose guarded tables are gone, and the catalog's rows. What else stands in the
/// schema is not the source's, and keeps it.
pub fn drop(session: &Session, source: &Name) -> Result<()> {
    if standing(session, source.as_str())? == Standing::Owned {
        let drop = format!("DROP SCHEMA {} RESTRICT", source.quoted());
        as_schema_owner(session, source.as_str(), || session.execute(&drop))
            .map_err(|error| ddl::in_the_way(source, error))?;
    }
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source.as_str())];
        DELETE_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        let left = GUARDED_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 1))?;
        match left.count() {
            0 => Ok(()),
            _ => Err(newer_than_snapshot()),
        }
    })
}
