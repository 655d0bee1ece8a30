//! Reading the catalog: what it holds of a profile, as the engine's compiler takes it.
//!
//! It is read as its owner, so that who writes resources needs no rights on it, and with the
//! newest snapshot, as PostgreSQL reads its own catalogs.

use super::acting::{What, as_owner};
use super::feed::Feed;
use super::options::Options;
use crate::pg::{Arg, Error, Reading, Result, Row, Session, kind, statements};
use ingest_engine::description::Format;
use ingest_engine::{Cardinality, Contained, Description, History, Kind, Property};
use jsonb::Value;
use std::collections::HashMap;

/// Everything that is known of some names, in one statement with one snapshot.
const DESCRIBE: &str = "SELECT s.revision::pg_catalog.text, s.format, p.version, p.kind, p.additional_properties, \
     (SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(i.paths) ORDER BY i.ordinal) \
      FROM ingest.index AS i WHERE i.source = $1 AND i.profile = n.name AND i.is_unique), \
     (SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(i.paths) ORDER BY i.ordinal) \
      FROM ingest.index AS i WHERE i.source = $1 AND i.profile = n.name AND NOT i.is_unique), \
     (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(\
         q.path, q.ordinal, q.type, q.settings) ORDER BY q.ordinal) \
      FROM ingest.property AS q WHERE q.source = $1 AND q.profile = n.name), \
     (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(\
         c.key, pg_catalog.to_jsonb(c.types), c.cardinality) ORDER BY c.key) \
      FROM ingest.contained AS c WHERE c.source = $1 AND c.profile = n.name), \
     r.from_profile, r.from_cardinality, r.to_profile, r.to_cardinality, n.name, p.base, \
     pg_catalog.to_jsonb(p.profiles), s.options, p.history, f.shift, f.notify, f.source IS NOT NULL \
     FROM pg_catalog.unnest($2) AS n (name) \
     LEFT JOIN ingest.source AS s ON s.source = $1 \
     LEFT JOIN ingest.feed AS f ON f.source = $1 \
     LEFT JOIN ingest.profile AS p ON p.source = $1 AND p.profile = n.name \
     LEFT JOIN ingest.relationship AS r ON r.source = $1 AND r.relationship = n.name";
const VOCABULARIES: &str = "SELECT s.revision::pg_catalog.text, v.concepts, n.name \
     FROM pg_catalog.unnest($2) AS n (name) \
     LEFT JOIN ingest.source AS s ON s.source = $1 \
     LEFT JOIN ingest.vocabulary AS v ON v.source = $1 AND v.vocabulary = n.name";
/// What says of a table what may be pruned of its history.
const PRUNED: &str = "SELECT profile FROM ingest.profile WHERE source = $1 \
     AND history <> 'true' AND kind = ANY (ARRAY['ROOT', 'RELATIONSHIP']) ORDER BY kind, profile";
const SOURCE: &str = "SELECT format, options FROM ingest.source WHERE source = $1";
const REVISIONS: &str = "SELECT source, revision::pg_catalog.text FROM ingest.source \
     WHERE source = ANY ($1)";

statements! {
    DESCRIBE_SQL = DESCRIBE, [kind::TEXT, kind::TEXTS];
    VOCABULARIES_SQL = VOCABULARIES, [kind::TEXT, kind::TEXTS];
    PRUNED_SQL = PRUNED, [kind::TEXT];
    SOURCE_SQL = SOURCE, [kind::TEXT];
    REVISIONS_SQL = REVISIONS, [kind::TEXTS];
}

pub use super::acting::Catalog;

/// The revision of a source: whatever is defined, changed or dropped gives it another, and a source
/// that is not there has none. What is read in two statements belongs together if both saw the same
/// one. (An invalidation comes after the commit that it tells of, so that none has come yet does not
/// say so.)
pub type Revision = Option<String>;

/// What was found under a name.
#[derive(Debug)]
pub struct Found<T> {
    /// The name.
    pub name: String,
    /// The revision in which it was found.
    pub revision: Revision,
    /// What is defined under the name.
    pub defined: Option<T>,
}

/// A profile, type or relationship as the catalog has it.
#[derive(Debug)]
pub struct Defined {
    /// What it is.
    pub description: Description,
    /// The paths of each identity that it declares.
    pub identities: Vec<Vec<String>>,
    /// The paths of each index that it declares.
    pub indexes: Vec<Vec<String>>,
    /// The ends, of a relationship.
    pub ends: Option<Ends>,
    /// Which old versions its table keeps.
    pub history: History,
    /// The options of its source.
    pub options: Options,
    /// The feed of its source, if it has one.
    pub feed: Option<Feed>,
}

/// The two ends of a relationship.
#[derive(Debug, Clone, PartialEq, Eq)]
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

    /// What the catalog holds under these names, in no order.
    pub fn describe(
        &self,
        session: &Session,
        source: &str,
        names: &[&str],
    ) -> Result<Vec<Found<Defined>>> {
        as_owner(What::Catalog, || {
            let key = [Arg::Text(source), Arg::Texts(names)];
            let rows = DESCRIBE_SQL.with(|sql| session.run(sql, &key, Reading::Latest, 0))?;
            rows.iter()
                .map(|row| {
                    let name = row.string(14)?;
                    let defined = match (row.text(2)?, row.text(4)?) {
                        (Some(format), Some(kind)) => Some(defined(&row, &name, format, kind)?),
                        _ => None,
                    };
                    Ok(Found {
                        name,
                        revision: row.text(1)?.map(str::to_owned),
                        defined,
                    })
                })
                .collect()
        })
    }

    /// The concepts of these vocabularies, as JSONB, in no order.
    pub fn vocabularies(
        &self,
        session: &Session,
        source: &str,
        names: &[&str],
    ) -> Result<Vec<Found<Vec<u8>>>> {
        as_owner(What::Catalog, || {
            let key = [Arg::Text(source), Arg::Texts(names)];
            let rows = VOCABULARIES_SQL.with(|sql| session.run(sql, &key, Reading::Latest, 0))?;
            rows.iter()
                .map(|row| {
                    Ok(Found {
                        name: row.string(3)?,
                        revision: row.text(1)?.map(str::to_owned),
                        defined: row.jsonb_copy(2)?,
                    })
                })
                .collect()
        })
    }

    /// Whose types and whose JSON a source speaks of, if it is there.
    pub fn format(&self, session: &Session, source: &str) -> Result<Option<Format>> {
        as_owner(What::Catalog, || {
            let key = [Arg::Text(source)];
            let rows = SOURCE_SQL.with(|sql| session.run(sql, &key, Reading::Latest, 1))?;
            let format = rows.first().map(|row| row.text(1).map(format_of));
            format.transpose()
        })
    }

    /// The options of a source, if it is there.
    pub fn options(&self, session: &Session, source: &str) -> Result<Option<Options>> {
        as_owner(What::Catalog, || {
            let key = [Arg::Text(source)];
            let rows = SOURCE_SQL.with(|sql| session.run(sql, &key, Reading::Latest, 1))?;
            let options = rows.first().map(|row| options_of(row.json(2)?));
            options.transpose()
        })
    }

    /// The profiles and relationships that say what may be pruned of their histories.
    pub fn pruned(&self, session: &Session, source: &str) -> Result<Vec<String>> {
        as_owner(What::Catalog, || {
            let key = [Arg::Text(source)];
            let rows = PRUNED_SQL.with(|sql| session.run(sql, &key, Reading::Latest, 0))?;
            rows.iter().map(|row| row.string(1)).collect()
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

    /// The revisions of these sources, of those that are there.
    pub fn revisions(
        &self,
        session: &Session,
        sources: &[&str],
    ) -> Result<HashMap<String, Revision>> {
        as_owner(What::Catalog, || {
            let key = [Arg::Texts(sources)];
            let rows = REVISIONS_SQL.with(|sql| session.run(sql, &key, Reading::Latest, 0))?;
            rows.iter()
                .map(|row| Ok((row.string(1)?, row.text(2)?.map(str::to_owned))))
                .collect()
        })
    }
}

fn format_of(text: Option<&str>) -> Format {
    match text {
        Some("fhir") => Format::Fhir,
        _ => Format::Native,
    }
}

fn options_of(value: Option<Value<'_>>) -> Result<Options> {
    let read = value.map(Options::read).transpose()?;
    match read {
        Some(Ok(options)) => Ok(options),
        _ => Err(Error::Bug(
            "ingest.source holds options that are not known".into(),
        )),
    }
}

fn defined(row: &Row<'_>, name: &str, format: &str, kind: &str) -> Result<Defined> {
    let kind =
        Kind::parse(kind).ok_or(Error::Bug("ingest.profile holds an unknown kind".into()))?;
    let properties = items(row.json(8)?, |property| {
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
            settings: match property.get(3) {
                Some(Value::Object(settings)) => settings.as_bytes().to_vec(),
                _ => return Err(Error::Corrupt),
            },
        })
    })?;
    let contained = items(row.json(9)?, |contained| {
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
    let options = options_of(row.json(17)?)?;
    let mut description = Description {
        name: name.to_owned(),
        version: row.int4(3),
        kind,
        format: format_of(Some(format)),
        base: row.text(15)?.map(str::to_owned),
        profiles: match row.json(16)? {
            Some(Value::Array(urls)) => urls
                .iter()
                .map(|url| string(Some(&url?)))
                .collect::<Result<_>>()?,
            _ => Vec::new(),
        },
        additional_properties: row.bool(5),
        properties,
        contained,
    };
    options.created.admit(&mut description)?;
    let ends = match row.text(10)? {
        Some(from) => Some(Ends {
            from: from.to_owned(),
            from_cardinality: cardinality(row.text(11)?)?,
            to: row.string(12)?,
            to_cardinality: cardinality(row.text(13)?)?,
        }),
        None => None,
    };
    Ok(Defined {
        description,
        identities: items(row.json(6)?, paths)?,
        indexes: items(row.json(7)?, paths)?,
        ends,
        history: history_of(row.json(18)?)?,
        options,
        feed: row.bool(21).then(|| Feed {
            shift: row.int8(19),
            notify: row.bool(20),
        }),
    })
}

/// What a row says of the history of its table.
fn history_of(value: Option<Value<'_>>) -> Result<History> {
    History::read(value.unwrap_or(Value::Bool(true)))
        .map_err(|_| Error::Bug("ingest.profile holds a history that is not known".into()))
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

fn paths(paths: &[Value<'_>]) -> Result<Vec<String>> {
    paths.iter().map(|path| string(Some(path))).collect()
}
