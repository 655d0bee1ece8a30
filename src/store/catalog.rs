//! Reading the catalog: what it holds of a profile, as the engine's compiler takes it.
//!
//! It is read as its owner, so that who writes resources needs no rights on it, and with the
//! newest snapshot, as PostgreSQL reads its own catalogs.

use super::index::Index;
use crate::pg::{Arg, Error, Oid, Reading, Result, Session, Statement, as_owner, kind};
use ingest_engine::description::Format;
use ingest_engine::jsonb::Value;
use ingest_engine::{Cardinality, Contained, Description, Kind, Property};

use std::mem::ManuallyDrop;

const OWNER: &str = "SELECT c.relowner, c.oid FROM pg_catalog.pg_class AS c \
     WHERE c.oid = 'ingest.profile'::pg_catalog.regclass";
const PROFILE: &str = "SELECT p.version, p.kind, p.additional_properties, s.format, \
     pg_catalog.jsonb_extract_path(p.definition, 'identities'), \
     pg_catalog.jsonb_extract_path(p.definition, 'indexes') \
     FROM ingest.profile AS p JOIN ingest.source AS s ON s.source = p.source \
     WHERE p.source = $1 AND p.profile = $2";
const PROPERTIES: &str = "SELECT path, ordinal, type, rules::pg_catalog.text FROM ingest.property \
     WHERE source = $1 AND profile = $2 ORDER BY ordinal";
const CONTAINED: &str = "SELECT key, pg_catalog.array_to_string(types, ','), cardinality \
     FROM ingest.contained WHERE source = $1 AND profile = $2 ORDER BY key";
const ENDS: &str = "SELECT from_profile, from_cardinality, to_profile, to_cardinality \
     FROM ingest.relationship WHERE source = $1 AND relationship = $2";
const VOCABULARY: &str =
    "SELECT concepts FROM ingest.vocabulary WHERE source = $1 AND vocabulary = $2";
const SOURCE: &str = "SELECT format FROM ingest.source WHERE source = $1";

macro_rules! statements {
    ($($name:ident = $sql:expr, $types:expr;)*) => {
        thread_local! {$(
            static $name: ManuallyDrop<Statement> =
                const { ManuallyDrop::new(Statement::keyed($sql, &$types)) };
        )*}
    };
}

statements! {
    OWNER_SQL = OWNER, [];
    PROFILE_SQL = PROFILE, [kind::TEXT, kind::TEXT];
    PROPERTIES_SQL = PROPERTIES, [kind::TEXT, kind::TEXT];
    CONTAINED_SQL = CONTAINED, [kind::TEXT, kind::TEXT];
    ENDS_SQL = ENDS, [kind::TEXT, kind::TEXT];
    VOCABULARY_SQL = VOCABULARY, [kind::TEXT, kind::TEXT];
    SOURCE_SQL = SOURCE, [kind::TEXT];
}

/// Who owns the catalog, and the table whose invalidations tell of its changes.
#[derive(Debug, Clone, Copy)]
pub struct Catalog {
    /// The owner.
    pub owner: Oid,
    /// The OID of `ingest.profile`.
    pub relation: Oid,
}

/// The two ends of a relationship.
#[derive(Debug, Clone)]
pub struct Ends {
    /// The profile that a link goes from.
    pub from: String,
    /// How many links one resource at the from end may have.
    pub from_cardinality: Cardinality,
    /// The profile that a link goes to.
    pub to: String,
    /// How many links one resource at the to end may have.
    pub to_cardinality: Cardinality,
}

impl Catalog {
    /// Finds the catalog.
    pub fn open(session: &Session) -> Result<Self> {
        let rows = OWNER_SQL.with(|sql| session.run(sql, &[], Reading::Latest, 1))?;
        let row = rows
            .first()
            .ok_or(Error::Bug("ingest.profile is missing".into()))?;
        Ok(Self {
            owner: row.oid(1),
            relation: row.oid(2),
        })
    }

    /// What the catalog holds of a profile, type or relationship.
    pub fn describe(
        &self,
        session: &Session,
        source: &str,
        name: &str,
    ) -> Result<Option<(Description, Vec<Index>)>> {
        as_owner(self.owner, || {
            let key = [Arg::Text(source), Arg::Text(name)];
            let rows = PROFILE_SQL.with(|sql| session.run(sql, &key, Reading::Latest, 1))?;
            let Some(row) = rows.first() else {
                return Ok(None);
            };
            let kind = Kind::parse(row.text(2)?.unwrap_or_default())
                .ok_or(Error::Bug("ingest.profile holds an unknown kind".into()))?;
            let (version, additional_properties) = (row.int4(1), row.bool(3));
            let (identities, others) = (row.json(5)?, row.json(6)?);
            let format = match row.text(4)? {
                Some("fhir") => Format::Fhir,
                _ => Format::Native,
            };
            let rows = PROPERTIES_SQL.with(|sql| session.run(sql, &key, Reading::Latest, 0))?;
            let properties = rows
                .iter()
                .map(|row| {
                    Ok(Property {
                        path: row.string(1)?,
                        ordinal: row.int4(2),
                        kind: row.string(3)?,
                        rules: row.string(4)?,
                    })
                })
                .collect::<Result<Vec<_>>>()?;
            let rows = CONTAINED_SQL.with(|sql| session.run(sql, &key, Reading::Latest, 0))?;
            let contained = rows
                .iter()
                .map(|row| {
                    Ok(Contained {
                        key: row.string(1)?,
                        types: row.string(2)?.split(',').map(str::to_owned).collect(),
                        cardinality: cardinality(row.text(3)?)?,
                    })
                })
                .collect::<Result<Vec<_>>>()?;
            let description = Description {
                name: name.to_owned(),
                version,
                kind,
                format,
                additional_properties,
                properties,
                contained,
            };
            let mut indexes = paths(identities)?;
            let unique = indexes.len();
            indexes.extend(paths(others)?);
            let indexes = indexes
                .iter()
                .enumerate()
                .map(|(place, paths)| Index::of(&description, paths, place < unique))
                .collect();
            Ok(Some((description, indexes)))
        })
    }

    /// The ends of a relationship.
    pub fn ends(&self, session: &Session, source: &str, name: &str) -> Result<Option<Ends>> {
        as_owner(self.owner, || {
            let key = [Arg::Text(source), Arg::Text(name)];
            let rows = ENDS_SQL.with(|sql| session.run(sql, &key, Reading::Latest, 1))?;
            let Some(row) = rows.first() else {
                return Ok(None);
            };
            Ok(Some(Ends {
                from: row.string(1)?,
                from_cardinality: cardinality(row.text(2)?)?,
                to: row.string(3)?,
                to_cardinality: cardinality(row.text(4)?)?,
            }))
        })
    }

    /// The concepts of a vocabulary, as JSONB.
    pub fn vocabulary<'s>(
        &self,
        session: &'s Session,
        source: &str,
        name: &str,
    ) -> Result<Option<&'s [u8]>> {
        as_owner(self.owner, || {
            let key = [Arg::Text(source), Arg::Text(name)];
            let rows = VOCABULARY_SQL.with(|sql| session.run(sql, &key, Reading::Latest, 1))?;
            rows.first().map_or(Ok(None), |row| row.jsonb(1))
        })
    }

    /// Whether there is such a source.
    pub fn has_source(&self, session: &Session, source: &str) -> Result<bool> {
        as_owner(self.owner, || {
            let key = [Arg::Text(source)];
            let rows = SOURCE_SQL.with(|sql| session.run(sql, &key, Reading::Latest, 1))?;
            Ok(rows.count() > 0)
        })
    }
}

fn cardinality(text: Option<&str>) -> Result<Cardinality> {
    text.and_then(Cardinality::parse).ok_or(Error::Bug(
        "the catalog holds an unknown cardinality".into(),
    ))
}

/// The paths of `identities` or `indexes`, as the definition gives them.
fn paths(keys: Option<Value<'_>>) -> Result<Vec<Vec<String>>> {
    let Some(Value::Array(keys)) = keys else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for key in keys.iter() {
        let Value::Array(paths) = key? else { continue };
        let mut one = Vec::new();
        for path in paths.iter() {
            if let Value::String(path) = path? {
                one.push(String::from_utf8_lossy(path).into_owned());
            }
        }
        all.push(one);
    }
    Ok(all)
}
