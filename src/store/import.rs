//! What `ingest.fhir_import` reads of the catalog and writes into it: one statement for each table,
//! however many rows it takes.

use super::acting::{What, as_owner};
use super::catalog::Catalog;
use super::definition::recordset;
use super::source::newer_than_snapshot;
use crate::pg::{Arg, Error, Reading, Result, Session, kind, statements, uncount};
use ingest_engine::definition::fhir::Reduced;
use ingest_engine::{Description, Kind};
use jsonb::{Item, Value};
use std::collections::HashMap;

const CURRENT: &str = "SELECT p.profile, p.version, p.kind, p.definition FROM ingest.profile AS p \
     WHERE p.source = $1 AND p.profile = ANY ($2)";
const KINDS: &str = "SELECT n.name, p.kind FROM pg_catalog.unnest($2) AS n (name) \
     LEFT JOIN ingest.profile AS p ON p.source = $1 AND p.profile = n.name ORDER BY n.name";
const GIVE_TABLES: &str = "UPDATE ingest.profile SET kind='ROOT' \
     WHERE source = $1 AND profile = ANY ($2) AND kind = 'CONTAINED'";
const TAKE_TABLE: &str = "UPDATE ingest.profile SET kind='CONTAINED' \
     WHERE source = $1 AND profile = $2 AND kind = 'ROOT'";
const KEPT: &str = "SELECT content FROM ingest.definition \
     WHERE source = $1 AND kind = $2 AND url = $3";
const KEEP: &str = "INSERT INTO ingest.definition (source, kind, url, version, name, content) \
     SELECT $1, r.* FROM pg_catalog.jsonb_to_recordset($2) AS r (kind pg_catalog.text, \
         url pg_catalog.text, version pg_catalog.text, name pg_catalog.text, \
         content pg_catalog.jsonb) \
     ON CONFLICT (source, kind, url) DO UPDATE SET version=excluded.version, \
     name=excluded.name, content=excluded.content, defined_at=excluded.defined_at";
/// The vocabularies that types are bound to, and whether each is there.
const BOUND: &str = "SELECT b.vocabulary, EXISTS (SELECT FROM ingest.vocabulary AS v \
         WHERE v.source = $1 AND v.vocabulary = b.vocabulary) \
     FROM (SELECT DISTINCT p.settings #>> '{binding,vocabulary}' AS vocabulary \
         FROM ingest.property AS p WHERE p.source = $1) AS b \
     WHERE b.vocabulary IS NOT NULL ORDER BY b.vocabulary";
/// The types of a source of FHIR.
const NAMES: &str = "SELECT p.profile, p.definition ->> 'url' FROM ingest.profile AS p \
     WHERE p.source = $1 ORDER BY p.profile";
/// The types that profiles are of.
const TYPES: &str = "SELECT d.url, d.content ->> 'type' FROM ingest.definition AS d \
     WHERE d.source = $1 AND d.kind = 'StructureDefinition'";
const BINDERS: &str = "SELECT DISTINCT profile FROM ingest.property \
     WHERE source = $1 AND settings #>> '{binding,vocabulary}' = ANY ($2) ORDER BY profile";
const PUT_VOCABULARIES: &str = "INSERT INTO ingest.vocabulary (source, vocabulary, concepts) \
     SELECT $1, r.* FROM pg_catalog.jsonb_to_recordset($2) AS r (vocabulary pg_catalog.text, \
         concepts pg_catalog.jsonb) \
     ON CONFLICT (source, vocabulary) DO UPDATE SET concepts=excluded.concepts, \
     defined_at=excluded.defined_at";

statements! {
    CURRENT_SQL = CURRENT, [kind::TEXT, kind::TEXTS];
    KINDS_SQL = KINDS, [kind::TEXT, kind::TEXTS];
    GIVE_TABLES_SQL = GIVE_TABLES, [kind::TEXT, kind::TEXTS];
    TAKE_TABLE_SQL = TAKE_TABLE, [kind::TEXT, kind::TEXT];
    KEPT_SQL = KEPT, [kind::TEXT, kind::TEXT, kind::TEXT];
    KEEP_SQL = KEEP, [kind::TEXT, kind::JSONB];
    BOUND_SQL = BOUND, [kind::TEXT];
    NAMES_SQL = NAMES, [kind::TEXT];
    TYPES_SQL = TYPES, [kind::TEXT];
    BINDERS_SQL = BINDERS, [kind::TEXT, kind::TEXTS];
    PUT_VOCABULARIES_SQL = PUT_VOCABULARIES, [kind::TEXT, kind::JSONB];
}

/// A type as it is defined now.
#[derive(Debug)]
pub struct Current {
    /// Its name.
    pub name: String,
    /// The version of its definition.
    pub version: i32,
    /// What it is.
    pub kind: Kind,
    /// The definition, a root container.
    pub definition: Vec<u8>,
}

fn kind_of(text: &str) -> Result<Kind> {
    Kind::parse(text).ok_or(Error::Bug("ingest.profile holds an unknown kind".into()))
}

/// The types of these names that are defined, in no order.
pub fn current(session: &Session, source: &str, names: &[&str]) -> Result<Vec<Current>> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Texts(names)];
        let rows = CURRENT_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
        rows.iter()
            .map(|row| {
                Ok(Current {
                    name: row.string(1)?,
                    version: row.int4(2),
                    kind: kind_of(row.text(3)?.unwrap_or_default())?,
                    definition: row.jsonb_copy(4)?.unwrap_or_default(),
                })
            })
            .collect()
    })
}

/// What the catalog's rows say of these types.
pub fn described(session: &Session, source: &str, names: &[&str]) -> Result<Vec<Description>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let found = Catalog::open(session)?.describe(session, source, names)?;
    let defined = found.into_iter().filter_map(|found| found.defined);
    Ok(defined.map(|defined| defined.description).collect())
}

/// What is defined under these names, in the order of names; `None` for nothing.
pub fn kinds(
    session: &Session,
    source: &str,
    names: &[&str],
) -> Result<Vec<(String, Option<Kind>)>> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Texts(names)];
        let rows = KINDS_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
        rows.iter()
            .map(|row| Ok((row.string(1)?, row.text(2)?.map(kind_of).transpose()?)))
            .collect()
    })
}

/// Says of resource types that they have tables of their own now.
pub fn give_tables(session: &Session, source: &str, names: &[&str]) -> Result<()> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Texts(names)];
        GIVE_TABLES_SQL
            .with(|sql| session.run(sql, &args, Reading::Fresh, 0))
            .map(drop)
    })
}

/// Says of a resource type that it has no table any more, and stands in others alone.
pub fn take_table(session: &Session, source: &str, name: &str) -> Result<()> {
    uncount(source, Some(name))?;
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Text(name)];
        let taken = TAKE_TABLE_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        match taken.count() {
            0 => Err(newer_than_snapshot()),
            _ => Ok(()),
        }
    })
}

/// The content of a definition that is kept, a root container.
pub fn kept(session: &Session, source: &str, of: &str, url: &str) -> Result<Option<Vec<u8>>> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Text(of), Arg::Text(url)];
        let rows = KEPT_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 1))?;
        rows.first().map_or(Ok(None), |row| row.jsonb_copy(1))
    })
}

/// The names of all types of a source, and their canonicals.
pub fn types(session: &Session, source: &str) -> Result<Vec<(String, String)>> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source)];
        let rows = NAMES_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        let types = rows.iter().map(|row| {
            let url = row.text(2)?.unwrap_or_default().to_owned();
            Ok((row.string(1)?, url))
        });
        types.collect()
    })
}

/// The types that profiles are of, by their canonicals.
pub fn types_of_profiles(session: &Session, source: &str) -> Result<HashMap<String, String>> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source)];
        let rows = TYPES_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
        let types = rows.iter().map(|row| {
            let name = row.text(2)?.unwrap_or_default().to_owned();
            Ok((row.string(1)?, name))
        });
        types.collect()
    })
}

/// Keeps definitions, each in the place of the one of its kind and canonical.
pub fn keep(session: &Session, source: &str, definitions: &[&Reduced]) -> Result<()> {
    if definitions.is_empty() {
        return Ok(());
    }
    let rows = recordset(definitions.iter().map(|at| {
        let version = at.version.as_deref();
        Ok(Item::Members(vec![
            (b"kind", Item::Text(at.kind.as_str())),
            (b"url", Item::Text(&at.url)),
            (b"version", version.map_or(Item::Null, Item::Text)),
            (b"name", Item::Text(&at.name)),
            (b"content", Item::Copy(Value::read(&at.content)?)),
        ]))
    }))?;
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Jsonb(&rows)];
        KEEP_SQL
            .with(|sql| session.run(sql, &args, Reading::Fresh, 0))
            .map(drop)
    })
}

/// The vocabularies that types of the source are bound to, and whether each has concepts.
pub fn bound(session: &Session, source: &str) -> Result<Vec<(String, bool)>> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source)];
        let rows = BOUND_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        rows.iter()
            .map(|row| Ok((row.string(1)?, row.bool(2))))
            .collect()
    })
}

/// The types that are bound to these vocabularies.
pub fn binders(session: &Session, source: &str, vocabularies: &[&str]) -> Result<Vec<String>> {
    if vocabularies.is_empty() {
        return Ok(Vec::new());
    }
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Texts(vocabularies)];
        let rows = BINDERS_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        rows.iter().map(|row| row.string(1)).collect()
    })
}

/// Writes the concepts of vocabularies.
pub fn put_vocabularies(
    session: &Session,
    source: &str,
    vocabularies: &[(String, Vec<u8>)],
) -> Result<()> {
    if vocabularies.is_empty() {
        return Ok(());
    }
    let rows = recordset(vocabularies.iter().map(|(name, concepts)| {
        Ok(Item::Members(vec![
            (b"vocabulary", Item::Text(name)),
            (b"concepts", Item::Copy(Value::read(concepts)?)),
        ]))
    }))?;
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Jsonb(&rows)];
        PUT_VOCABULARIES_SQL
            .with(|sql| session.run(sql, &args, Reading::Fresh, 0))
            .map(drop)
    })
}
