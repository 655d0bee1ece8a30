//! Definitions: the catalog rows that they become, and the tables that they make.

use super::acting::{What, as_owner};
use super::name::Name;
use super::source::newer_than_snapshot;
use crate::pg::{Arg, Reading, Result, Session, Statement, kind};
use ingest_engine::{Description, Kind};
use std::mem::ManuallyDrop;

const CURRENT: &str = "SELECT version, kind, definition FROM ingest.profile \
     WHERE source = $1 AND profile = $2";
const PUT: &str = "INSERT INTO ingest.profile \
     (source, profile, version, kind, additional_properties, definition) \
     VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (source, profile) DO UPDATE SET version=excluded.version, \
     kind=excluded.kind, additional_properties=excluded.additional_properties, \
     definition=excluded.definition, defined_at=excluded.defined_at";
const PUT_VERSION: &str = "INSERT INTO ingest.profile_version (source, profile, version, definition) \
     VALUES ($1, $2, $3, $4)";
const CLEAR_PROPERTIES: &str = "DELETE FROM ingest.property WHERE source = $1 AND profile = $2";
const CLEAR_CONTAINED: &str = "DELETE FROM ingest.contained WHERE source = $1 AND profile = $2";
const PUT_PROPERTY: &str = "INSERT INTO ingest.property (source, profile, ordinal, path, type, rules) \
     VALUES ($1, $2, $3, $4, $5, $6::pg_catalog.jsonb)";
const PUT_CONTAINED: &str = "INSERT INTO ingest.contained (source, profile, key, types, cardinality) \
     VALUES ($1, $2, $3, $4, $5)";
const PUT_ENDS: &str = "INSERT INTO ingest.relationship (source, relationship, from_profile, \
     from_key, from_cardinality, to_profile, to_key, to_cardinality, description) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (source, relationship) DO UPDATE SET \
     from_key=excluded.from_key, to_key=excluded.to_key, description=excluded.description";
/// Everything that stands under a name.
const REMOVE: &str = "WITH properties AS (\
         DELETE FROM ingest.property WHERE source = $1 AND profile = $2), \
     contained AS (DELETE FROM ingest.contained WHERE source = $1 AND profile = $2), \
     versions AS (DELETE FROM ingest.profile_version WHERE source = $1 AND profile = $2) \
     DELETE FROM ingest.profile WHERE source = $1 AND profile = $2";
const REMOVE_ENDS: &str = "DELETE FROM ingest.relationship WHERE source = $1 AND relationship = $2";
const CONTAINERS: &str = "SELECT DISTINCT profile FROM ingest.contained \
     WHERE source = $1 AND $2 = ANY (types) AND profile <> $2 ORDER BY profile";

const VOCABULARY: &str = "SELECT concepts FROM ingest.vocabulary \
     WHERE source = $1 AND vocabulary = $2";
const PUT_VOCABULARY: &str = "INSERT INTO ingest.vocabulary (source, vocabulary, concepts) \
     VALUES ($1, $2, $3) ON CONFLICT (source, vocabulary) DO UPDATE SET \
     concepts=excluded.concepts, defined_at=excluded.defined_at";

macro_rules! statements {
    ($($name:ident = $sql:expr, $types:expr;)*) => {
        thread_local! {$(
            static $name: ManuallyDrop<Statement> =
                const { ManuallyDrop::new(Statement::keyed($sql, &$types)) };
        )*}
    };
}

statements! {
    CURRENT_SQL = CURRENT, [kind::TEXT, kind::TEXT];
    PUT_SQL = PUT, [kind::TEXT, kind::TEXT, kind::INT4, kind::TEXT, kind::BOOL, kind::JSONB];
    PUT_VERSION_SQL = PUT_VERSION, [kind::TEXT, kind::TEXT, kind::INT4, kind::JSONB];
    CLEAR_PROPERTIES_SQL = CLEAR_PROPERTIES, [kind::TEXT, kind::TEXT];
    CLEAR_CONTAINED_SQL = CLEAR_CONTAINED, [kind::TEXT, kind::TEXT];
    PUT_PROPERTY_SQL = PUT_PROPERTY,
        [kind::TEXT, kind::TEXT, kind::INT4, kind::TEXT, kind::TEXT, kind::TEXT];
    PUT_CONTAINED_SQL = PUT_CONTAINED, [kind::TEXT, kind::TEXT, kind::TEXT, kind::TEXTS, kind::TEXT];
    PUT_ENDS_SQL = PUT_ENDS, [kind::TEXT, kind::TEXT, kind::TEXT, kind::TEXT, kind::TEXT,
        kind::TEXT, kind::TEXT, kind::TEXT, kind::TEXT];
    REMOVE_SQL = REMOVE, [kind::TEXT, kind::TEXT];
    REMOVE_ENDS_SQL = REMOVE_ENDS, [kind::TEXT, kind::TEXT];
    CONTAINERS_SQL = CONTAINERS, [kind::TEXT, kind::TEXT];
    VOCABULARY_SQL = VOCABULARY, [kind::TEXT, kind::TEXT];
    PUT_VOCABULARY_SQL = PUT_VOCABULARY, [kind::TEXT, kind::TEXT, kind::JSONB];
}

/// What is defined under a name now.
#[derive(Debug)]
pub struct Current {
    /// The version of the definition.
    pub version: i32,
    /// What it is.
    pub kind: Kind,
    /// The definition as it was given, a root container.
    pub definition: Vec<u8>,
}

/// What is defined under a name now.
pub fn current(session: &Session, source: &str, name: &str) -> Result<Option<Current>> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Text(name)];
        let rows = CURRENT_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 1))?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(Current {
            version: row.int4(1),
            kind: Kind::parse(row.text(2)?.unwrap_or_default()).unwrap_or(Kind::Type),
            definition: row.jsonb_copy(3)?.unwrap_or_default(),
        }))
    })
}

/// Writes a definition as the current version of its name.
pub fn put(
    session: &Session,
    source: &str,
    description: &Description,
    definition: &[u8],
) -> Result<()> {
    as_owner(What::Catalog, || {
        let (source, name) = (Arg::Text(source), Arg::Text(&description.name));
        let version = Arg::Int4(description.version);
        let args = [
            source,
            name,
            version,
            Arg::Text(description.kind.as_str()),
            Arg::Bool(description.additional_properties),
            Arg::Jsonb(definition),
        ];
        PUT_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        let args = [source, name, version, Arg::Jsonb(definition)];
        PUT_VERSION_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        CLEAR_PROPERTIES_SQL.with(|sql| session.run(sql, &[source, name], Reading::Fresh, 0))?;
        for property in &description.properties {
            let args = [
                source,
                name,
                Arg::Int4(property.ordinal),
                Arg::Text(&property.path),
                Arg::Text(&property.kind),
                Arg::Text(&property.rules),
            ];
            PUT_PROPERTY_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        }
        CLEAR_CONTAINED_SQL.with(|sql| session.run(sql, &[source, name], Reading::Fresh, 0))?;
        for contained in &description.contained {
            let types: Vec<&str> = contained.types.iter().map(String::as_str).collect();
            let cardinality = contained.cardinality.to_string();
            let args = [
                source,
                name,
                Arg::Text(&contained.key),
                Arg::Texts(&types),
                Arg::Text(&cardinality),
            ];
            PUT_CONTAINED_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        }
        Ok(())
    })
}

/// One end of a relationship, as a definition gives it.
#[derive(Debug, Clone)]
pub struct End {
    /// The profile.
    pub profile: Name,
    /// The key under which links are shown at this end.
    pub key: Option<String>,
    /// How many links one resource at this end may have.
    pub cardinality: ingest_engine::Cardinality,
}

/// Writes the ends of a relationship.
pub fn put_ends(
    session: &Session,
    source: &str,
    relationship: &str,
    (from, to): (&End, &End),
    description: Option<&str>,
) -> Result<()> {
    let (from_cardinality, to_cardinality) =
        (from.cardinality.to_string(), to.cardinality.to_string());
    as_owner(What::Catalog, || {
        let args = [
            Arg::Text(source),
            Arg::Text(relationship),
            Arg::Text(from.profile.as_str()),
            Arg::text(from.key.as_deref()),
            Arg::Text(&from_cardinality),
            Arg::Text(to.profile.as_str()),
            Arg::text(to.key.as_deref()),
            Arg::Text(&to_cardinality),
            Arg::text(description),
        ];
        PUT_ENDS_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        Ok(())
    })
}

/// Removes what the catalog holds of a name.
pub fn remove(session: &Session, source: &str, name: &str) -> Result<()> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Text(name)];
        REMOVE_ENDS_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        let removed = REMOVE_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        match removed.count() {
            0 => Err(newer_than_snapshot()),
            _ => Ok(()),
        }
    })
}

/// The profiles that may contain resources of this one.
pub fn containers(session: &Session, source: &str, profile: &str) -> Result<Vec<String>> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Text(profile)];
        let rows = CONTAINERS_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
        rows.iter().map(|row| row.string(1)).collect()
    })
}

/// The concepts of a vocabulary as they were given, a root container.
pub fn vocabulary(session: &Session, source: &str, name: &str) -> Result<Option<Vec<u8>>> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Text(name)];
        let rows = VOCABULARY_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 1))?;
        rows.first().map_or(Ok(None), |row| row.jsonb_copy(1))
    })
}

/// Writes the concepts of a vocabulary.
pub fn put_vocabulary(session: &Session, source: &str, name: &str, concepts: &[u8]) -> Result<()> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Text(name), Arg::Jsonb(concepts)];
        PUT_VOCABULARY_SQL
            .with(|sql| session.run(sql, &args, Reading::Fresh, 0))
            .map(drop)
    })
}
