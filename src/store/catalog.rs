//! Reading the catalog: what it holds of a profile, as the engine's compiler takes it.
//!
//! It is read as its owner, so that who writes resources needs no rights on it, and with the
//! newest snapshot, as PostgreSQL reads its own catalogs.

use super::acting::{What, as_owner};
use super::index::Index;
use crate::pg::{Arg, Error, Reading, Result, Row, Session, Statement, kind};
use ingest_engine::description::Format;
use ingest_engine::{Cardinality, Contained, Description, Kind, Property};
use jsonb::Value;

use std::mem::ManuallyDrop;

/// The state of a source's catalog: whatever is defined, changed or dropped gives it another. What
/// is read in two statements belongs together if both saw the same state. (An invalidation comes
/// after the commit that it tells of, so that none has come yet does not say so.)
macro_rules! state {
    () => {
        "(SELECT pg_catalog.concat(pg_catalog.sum(pg_catalog.hashint8extended(\
         o.xmin::pg_catalog.text::pg_catalog.int8, 0)), '/', pg_catalog.count(*)) \
         FROM ingest.profile AS o WHERE o.source = $1), \
         (SELECT pg_catalog.concat(pg_catalog.sum(pg_catalog.hashint8extended(\
         o.xmin::pg_catalog.text::pg_catalog.int8, 0)), '/', pg_catalog.count(*)) \
         FROM ingest.vocabulary AS o WHERE o.source = $1)"
    };
}

/// Everything that is known of a name, in one statement with one snapshot.
const DESCRIBE: &str = concat!(
    "SELECT ",
    state!(),
    ", s.format, p.version, p.kind, p.additional_properties, \
     pg_catalog.jsonb_extract_path(p.definition, 'identities'), \
     pg_catalog.jsonb_extract_path(p.definition, 'indexes'), \
     (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(\
         q.path, q.ordinal, q.type, q.rules::pg_catalog.text) ORDER BY q.ordinal) \
      FROM ingest.property AS q WHERE q.source = $1 AND q.profile = $2), \
     (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(\
         c.key, pg_catalog.to_jsonb(c.types), c.cardinality) ORDER BY c.key) \
      FROM ingest.contained AS c WHERE c.source = $1 AND c.profile = $2), \
     r.from_profile, r.from_cardinality, r.to_profile, r.to_cardinality \
     FROM (SELECT 1) AS one \
     LEFT JOIN ingest.source AS s ON s.source = $1 \
     LEFT JOIN ingest.profile AS p ON p.source = $1 AND p.profile = $2 \
     LEFT JOIN ingest.relationship AS r ON r.source = $1 AND r.relationship = $2"
);
const VOCABULARY: &str = concat!(
    "SELECT ",
    state!(),
    ", (SELECT v.concepts FROM ingest.vocabulary AS v \
        WHERE v.source = $1 AND v.vocabulary = $2)"
);
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
    DESCRIBE_SQL = DESCRIBE, [kind::TEXT, kind::TEXT];
    VOCABULARY_SQL = VOCABULARY, [kind::TEXT, kind::TEXT];
    SOURCE_SQL = SOURCE, [kind::TEXT];
}

pub use super::acting::Catalog;

/// What the catalog of a source was when something was read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogState(String, String);

/// What was found under a name.
#[derive(Debug)]
pub struct Found {
    /// The state in which it was found.
    pub state: CatalogState,
    /// Whether there is such a source.
    pub has_source: bool,
    /// What is defined under the name.
    pub defined: Option<Defined>,
}

/// A profile, type or relationship as the catalog has it.
#[derive(Debug)]
pub struct Defined {
    /// What it is.
    pub description: Description,
    /// The indexes that it declares, identities first.
    pub indexes: Vec<Index>,
    /// The ends, of a relationship.
    pub ends: Option<Ends>,
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

impl Ends {
    /// The id of the link between two resources.
    pub fn id(&self, from: &str, to: &str) -> String {
        format!("{}.{from},{}.{to}", self.from, self.to)
    }
}

impl Catalog {
    /// Finds the catalog.
    pub fn open(_session: &Session) -> Result<Self> {
        super::acting::catalog()
    }

    /// What the catalog holds under a name.
    pub fn describe(&self, session: &Session, source: &str, name: &str) -> Result<Found> {
        as_owner(What::Catalog, || {
            let key = [Arg::Text(source), Arg::Text(name)];
            let rows = DESCRIBE_SQL.with(|sql| session.run(sql, &key, Reading::Latest, 1))?;
            let row = rows.first().ok_or(Error::Bug("no row of one".into()))?;
            let format = row.text(3)?;
            let defined = match (format, row.text(5)?) {
                (Some(format), Some(kind)) => Some(defined(&row, name, format, kind)?),
                _ => None,
            };
            Ok(Found {
                state: state(&row)?,
                has_source: format.is_some(),
                defined,
            })
        })
    }

    /// The concepts of a vocabulary, as JSONB, and the state in which they were read.
    pub fn vocabulary<'s>(
        &self,
        session: &'s Session,
        source: &str,
        name: &str,
    ) -> Result<(CatalogState, Option<&'s [u8]>)> {
        as_owner(What::Catalog, || {
            let key = [Arg::Text(source), Arg::Text(name)];
            let rows = VOCABULARY_SQL.with(|sql| session.run(sql, &key, Reading::Latest, 1))?;
            let row = rows.first().ok_or(Error::Bug("no row of one".into()))?;
            Ok((state(&row)?, row.jsonb(3)?))
        })
    }

    /// Whether there is such a source.
    pub fn has_source(&self, session: &Session, source: &str) -> Result<bool> {
        as_owner(What::Catalog, || {
            let key = [Arg::Text(source)];
            let rows = SOURCE_SQL.with(|sql| session.run(sql, &key, Reading::Latest, 1))?;
            Ok(rows.count() > 0)
        })
    }
}

fn state(row: &Row<'_>) -> Result<CatalogState> {
    Ok(CatalogState(row.string(1)?, row.string(2)?))
}

fn defined(row: &Row<'_>, name: &str, format: &str, kind: &str) -> Result<Defined> {
    let kind =
        Kind::parse(kind).ok_or(Error::Bug("ingest.profile holds an unknown kind".into()))?;
    let properties = items(row.json(9)?, |property| {
        Ok(Property {
            path: string(property.first())?,
            ordinal: match property.get(1) {
                Some(Value::Number(ordinal)) => ordinal
                    .as_i64()
                    .and_then(|ordinal| i32::try_from(ordinal).ok())
                    .ok_or(Error::Corrupt)?,
                _ => return Err(Error::Corrupt),
            },
            kind: string(property.get(2))?,
            rules: string(property.get(3))?,
        })
    })?;
    let contained = items(row.json(10)?, |contained| {
        let types = match contained.get(1) {
            Some(Value::Array(types)) => types
                .iter()
                .map(|name| string(Some(&name?)))
                .collect::<Result<_>>()?,
            _ => return Err(Error::Corrupt),
        };
        Ok(Contained {
            key: string(contained.first())?,
            types,
            cardinality: cardinality(Some(&string(contained.get(2))?))?,
        })
    })?;
    let description = Description {
        name: name.to_owned(),
        version: row.int4(4),
        kind,
        format: match format {
            "fhir" => Format::Fhir,
            _ => Format::Native,
        },
        additional_properties: row.bool(6),
        properties,
        contained,
    };
    let mut indexes = paths(row.json(7)?)?;
    let unique = indexes.len();
    indexes.extend(paths(row.json(8)?)?);
    let indexes = indexes
        .iter()
        .enumerate()
        .map(|(place, paths)| Index::of(&description, paths, place < unique))
        .collect();
    let ends = match row.text(11)? {
        Some(from) => Some(Ends {
            from: from.to_owned(),
            from_cardinality: cardinality(row.text(12)?)?,
            to: row.string(13)?,
            to_cardinality: cardinality(row.text(14)?)?,
        }),
        None => None,
    };
    Ok(Defined {
        description,
        indexes,
        ends,
    })
}

/// What the arrays in an array hold; nothing for NULL.
fn items<T>(all: Option<Value<'_>>, each: impl Fn(&[Value<'_>]) -> Result<T>) -> Result<Vec<T>> {
    let Some(Value::Array(all)) = all else {
        return Ok(Vec::new());
    };
    all.iter()
        .map(|item| match item? {
            Value::Array(item) => each(&item.iter().collect::<std::result::Result<Vec<_>, _>>()?),
            _ => Err(Error::Corrupt),
        })
        .collect()
}

fn string(value: Option<&Value<'_>>) -> Result<String> {
    match value {
        Some(Value::String(bytes)) => std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| Error::Corrupt),
        _ => Err(Error::Corrupt),
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
