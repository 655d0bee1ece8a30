//! Definitions: the catalog rows that they become, and the tables that they make.

use super::acting::{What, as_owner};
use super::index;
use super::name::Name;
use super::source::newer_than_snapshot;
use crate::pg::{Arg, Error, Reading, Result, Session, State, Statement, kind, statements};
use ingest_engine::{Definition, Description, History, Kind, Relationship, Said};
use jsonb::{Item, Value, write};
use std::collections::{BTreeSet, HashMap};
use std::iter;
use std::mem::ManuallyDrop;
use std::thread::LocalKey;

const CURRENT: &str = "SELECT version, kind, definition FROM ingest.profile \
     WHERE source = $1 AND profile = $2";
const SAID: &str = "SELECT profile, definition FROM ingest.profile \
     WHERE source = $1 AND profile = ANY ($2)";
const PUT: &str = "INSERT INTO ingest.profile \
     (source, profile, version, kind, base, additional_properties, definition) SELECT $1, r.* \
     FROM pg_catalog.jsonb_to_recordset($2) AS r (profile pg_catalog.text, version pg_catalog.int4, \
         kind pg_catalog.text, base pg_catalog.text, additional_properties pg_catalog.bool, \
         definition pg_catalog.jsonb) \
     ON CONFLICT (source, profile) DO UPDATE SET version=excluded.version, \
     kind=excluded.kind, base=excluded.base, additional_properties=excluded.additional_properties, \
     definition=excluded.definition, defined_at=excluded.defined_at";
const PUT_VERSIONS: &str = "INSERT INTO ingest.profile_version (source, profile, version, definition) \
     SELECT $1, r.* FROM pg_catalog.jsonb_to_recordset($2) AS r (profile pg_catalog.text, \
         version pg_catalog.int4, definition pg_catalog.jsonb)";
const CLEAR_PROPERTIES: &str =
    "DELETE FROM ingest.property WHERE source = $1 AND profile = ANY ($2)";
const CLEAR_CONTAINED: &str =
    "DELETE FROM ingest.contained WHERE source = $1 AND profile = ANY ($2)";
const PUT_PROPERTIES: &str = "INSERT INTO ingest.property \
     (source, profile, ordinal, path, type, settings) SELECT $1, r.* \
     FROM pg_catalog.jsonb_to_recordset($2) AS r (profile pg_catalog.text, ordinal pg_catalog.int4, \
         path pg_catalog.text, type pg_catalog.text, settings pg_catalog.jsonb)";
const PUT_CONTAINED: &str = "INSERT INTO ingest.contained \
     (source, profile, key, types, cardinality) SELECT $1, r.* \
     FROM pg_catalog.jsonb_to_recordset($2) AS r (profile pg_catalog.text, key pg_catalog.text, \
         types pg_catalog.text[], cardinality pg_catalog.text)";
const CLEAR_INDEXES: &str = "DELETE FROM ingest.index WHERE source = $1 AND profile = ANY ($2)";
const PUT_INDEXES: &str = "INSERT INTO ingest.index \
     (source, profile, ordinal, name, paths, is_unique) SELECT $1, r.* \
     FROM pg_catalog.jsonb_to_recordset($2) AS r (profile pg_catalog.text, ordinal pg_catalog.int4, \
         name pg_catalog.text, paths pg_catalog.text[], is_unique pg_catalog.bool)";
const PUT_ENDS: &str = "INSERT INTO ingest.relationship (source, relationship, from_profile, \
     from_key, from_cardinality, to_profile, to_key, to_cardinality, description) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (source, relationship) DO UPDATE SET \
     from_key=excluded.from_key, to_key=excluded.to_key, \
     from_cardinality=excluded.from_cardinality, to_cardinality=excluded.to_cardinality, \
     description=excluded.description";
/// Everything that stands under a name.
const REMOVE: &str = "WITH properties AS (\
         DELETE FROM ingest.property WHERE source = $1 AND profile = $2), \
     contained AS (DELETE FROM ingest.contained WHERE source = $1 AND profile = $2), \
     indexes AS (DELETE FROM ingest.index WHERE source = $1 AND profile = $2), \
     versions AS (DELETE FROM ingest.profile_version WHERE source = $1 AND profile = $2) \
     DELETE FROM ingest.profile WHERE source = $1 AND profile = $2";
const REMOVE_ENDS: &str = "DELETE FROM ingest.relationship WHERE source = $1 AND relationship = $2";
const CONTAINERS: &str = "SELECT DISTINCT profile FROM ingest.contained \
     WHERE source = $1 AND $2 = ANY (types) AND profile <> $2 ORDER BY profile";

const REMOVE_VOCABULARY: &str =
    "DELETE FROM ingest.vocabulary WHERE source = $1 AND vocabulary = $2";
const BINDERS: &str = "SELECT DISTINCT profile FROM ingest.property \
     WHERE source = $1 AND settings #>> '{binding,vocabulary}' = $2 ORDER BY profile";

/// All that is made of the names `$2`, and those themselves.
macro_rules! touched {
    ($then:literal) => {
        concat!(
            "WITH RECURSIVE touched AS (\
                SELECT n.profile COLLATE pg_catalog.\"C\" FROM pg_catalog.unnest($2) AS n (profile) \
                UNION SELECT u.profile FROM touched AS t JOIN (\
                    SELECT p.profile, p.type AS name FROM ingest.property AS p WHERE p.source = $1 \
                    UNION ALL SELECT c.profile, pg_catalog.unnest(c.types) FROM ingest.contained AS c \
                    WHERE c.source = $1) AS u ON u.name = t.profile) ",
            $then
        )
    };
}

/// What is made of these.
const USERS: &str = touched!("SELECT t.profile FROM touched AS t ORDER BY t.profile");

/// Says which profiles all rows of a type's table conform to, and gives the type another version if
/// they are others than before; tells whether they are.
pub fn set_profiles(session: &Session, source: &str, name: &str, urls: &[&str]) -> Result<bool> {
    let changed = keep_profiles(session, source, name, urls)?;
    if changed {
        renew(session, source, &[name], &[])?;
    }
    Ok(changed)
}

/// The same, in the version that the type has.
pub fn keep_profiles(session: &Session, source: &str, name: &str, urls: &[&str]) -> Result<bool> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Text(name), Arg::Texts(urls)];
        let rows = SET_PROFILES_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        Ok(rows.count() > 0)
    })
}

/// Says which old versions the tables of these keep; tells whether any keeps others than before.
pub fn set_history<'a>(
    session: &Session,
    source: &str,
    histories: impl Iterator<Item = (&'a str, &'a History)>,
) -> Result<bool> {
    let rows = recordset(histories.map(|(name, history)| {
        Ok(Item::Members(vec![
            (b"profile", Item::Text(name)),
            (b"history", history.item()),
        ]))
    }))?;
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Jsonb(&rows)];
        let rows = SET_HISTORY_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        Ok(rows.count() > 0)
    })
}

/// Gives another version to all that is made of these, and to themselves, but for some.
const RENEW: &str = touched!(
    ", \
     renewed AS (UPDATE ingest.profile AS q SET version=(q.version + 1), defined_at=DEFAULT \
         FROM touched AS t WHERE q.source = $1 AND q.profile = t.profile AND q.profile <> ALL ($3) \
         RETURNING q.profile, q.version, q.definition) \
     INSERT INTO ingest.profile_version (source, profile, version, definition) \
     SELECT $1, r.profile, r.version, r.definition FROM renewed AS r"
);
/// What may itself hold a reference that keeps its target from being deleted.
const HOLDERS: &str = "SELECT DISTINCT p.profile FROM ingest.property AS p WHERE p.source = $1 \
     AND p.settings @> '{\"enforce\": true}'::pg_catalog.jsonb \
     AND NOT p.settings @> '{\"on_delete\": \"keep\"}'::pg_catalog.jsonb \
     AND COALESCE(p.settings -> 'target' @> pg_catalog.to_jsonb($2), true)";
const REFERRERS: &str = "SELECT DISTINCT profile FROM ingest.property \
     WHERE source = $1 AND settings -> 'target' @> pg_catalog.to_jsonb($2) AND profile <> $2 \
     ORDER BY profile";

const VOCABULARY: &str = "SELECT concepts FROM ingest.vocabulary \
     WHERE source = $1 AND vocabulary = $2";
const PUT_VOCABULARY: &str = "INSERT INTO ingest.vocabulary (source, vocabulary, concepts) \
     VALUES ($1, $2, $3) ON CONFLICT (source, vocabulary) DO UPDATE SET \
     concepts=excluded.concepts, defined_at=excluded.defined_at";

const SET_HISTORY: &str = "UPDATE ingest.profile AS p SET history=r.history \
     FROM pg_catalog.jsonb_to_recordset($2) AS r (profile pg_catalog.text, history pg_catalog.jsonb) \
     WHERE p.source = $1 AND p.profile = r.profile AND p.history <> r.history";
const SET_PROFILES: &str = "UPDATE ingest.profile SET profiles=$3 \
     WHERE source = $1 AND profile = $2 AND profiles <> $3";

statements! {
    SET_HISTORY_SQL = SET_HISTORY, [kind::TEXT, kind::JSONB];
    SET_PROFILES_SQL = SET_PROFILES, [kind::TEXT, kind::TEXT, kind::TEXTS];
    CURRENT_SQL = CURRENT, [kind::TEXT, kind::TEXT];
    SAID_SQL = SAID, [kind::TEXT, kind::TEXTS];
    PUT_SQL = PUT, [kind::TEXT, kind::JSONB];
    PUT_VERSIONS_SQL = PUT_VERSIONS, [kind::TEXT, kind::JSONB];
    CLEAR_PROPERTIES_SQL = CLEAR_PROPERTIES, [kind::TEXT, kind::TEXTS];
    CLEAR_CONTAINED_SQL = CLEAR_CONTAINED, [kind::TEXT, kind::TEXTS];
    PUT_PROPERTIES_SQL = PUT_PROPERTIES, [kind::TEXT, kind::JSONB];
    PUT_CONTAINED_SQL = PUT_CONTAINED, [kind::TEXT, kind::JSONB];
    CLEAR_INDEXES_SQL = CLEAR_INDEXES, [kind::TEXT, kind::TEXTS];
    PUT_INDEXES_SQL = PUT_INDEXES, [kind::TEXT, kind::JSONB];
    PUT_ENDS_SQL = PUT_ENDS, [kind::TEXT, kind::TEXT, kind::TEXT, kind::TEXT, kind::TEXT,
        kind::TEXT, kind::TEXT, kind::TEXT, kind::TEXT];
    REMOVE_SQL = REMOVE, [kind::TEXT, kind::TEXT];
    REMOVE_ENDS_SQL = REMOVE_ENDS, [kind::TEXT, kind::TEXT];
    CONTAINERS_SQL = CONTAINERS, [kind::TEXT, kind::TEXT];
    REMOVE_VOCABULARY_SQL = REMOVE_VOCABULARY, [kind::TEXT, kind::TEXT];
    BINDERS_SQL = BINDERS, [kind::TEXT, kind::TEXT];
    RENEW_SQL = RENEW, [kind::TEXT, kind::TEXTS, kind::TEXTS];
    USERS_SQL = USERS, [kind::TEXT, kind::TEXTS];
    HOLDERS_SQL = HOLDERS, [kind::TEXT, kind::TEXT];
    REFERRERS_SQL = REFERRERS, [kind::TEXT, kind::TEXT];
    VOCABULARY_SQL = VOCABULARY, [kind::TEXT, kind::TEXT];
    PUT_VOCABULARY_SQL = PUT_VOCABULARY, [kind::TEXT, kind::TEXT, kind::JSONB];
}

/// What the definitions of these profiles say in words, by name.
pub fn said(
    session: &Session,
    source: &str,
    names: &BTreeSet<String>,
) -> Result<HashMap<String, Said>> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Texts(&names)];
        let rows = SAID_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
        rows.iter()
            .map(|row| {
                let definition = row.json(2)?.unwrap_or(Value::Null);
                Ok((row.string(1)?, Said::read(definition)?))
            })
            .collect()
    })
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

/// A definition on its way into the catalog.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// What was read of it.
    pub read: &'a Definition,
    /// The version that it becomes.
    pub version: i32,
    /// The definition as it was given, a root container.
    pub given: &'a [u8],
}

/// Writes definitions, each as the current version of its name: one statement for each table,
/// however many rows it takes.
pub fn put(session: &Session, source: &str, rows: &[Row<'_>]) -> Result<()> {
    let described = rows.iter().map(|row| row.read.describe(row.version));
    let described: Vec<_> = described.collect();
    let given: Vec<_> = described
        .iter()
        .zip(rows)
        .map(|(at, row)| (at, row.given))
        .collect();
    put_described(session, source, &given, &indexes(rows)?)?;
    let histories = rows.iter().map(|row| (row.read.name(), row.read.history()));
    set_history(session, source, histories).map(drop)
}

/// The same of types of FHIR, which declare no keys.
pub fn put_types(
    session: &Session,
    source: &str,
    described: &[(&Description, &[u8])],
) -> Result<()> {
    match described.is_empty() {
        true => Ok(()),
        false => put_described(session, source, described, &recordset(iter::empty())?),
    }
}

/// The same of descriptions, each with the definition that was given; `indexes` are the rows of
/// their keys.
fn put_described(
    session: &Session,
    source: &str,
    described: &[(&Description, &[u8])],
    indexes: &[u8],
) -> Result<()> {
    let names = described.iter().map(|(at, _)| at.name.as_str());
    let names: Vec<&str> = names.collect();
    let profiles = profiles(described)?;
    let properties = properties(described)?;
    let contained = contained(described)?;
    as_owner(What::Catalog, || {
        let run = |sql: &'static Kept, last| {
            let args = [Arg::Text(source), last];
            sql.with(|sql| session.run(sql, &args, Reading::Fresh, 0))
                .map(drop)
        };
        run(&PUT_SQL, Arg::Jsonb(&profiles))?;
        run(&PUT_VERSIONS_SQL, Arg::Jsonb(&profiles))?;
        run(&CLEAR_PROPERTIES_SQL, Arg::Texts(&names))?;
        run(&PUT_PROPERTIES_SQL, Arg::Jsonb(&properties))?;
        run(&CLEAR_CONTAINED_SQL, Arg::Texts(&names))?;
        run(&PUT_CONTAINED_SQL, Arg::Jsonb(&contained))?;
        run(&CLEAR_INDEXES_SQL, Arg::Texts(&names))?;
        run(&PUT_INDEXES_SQL, Arg::Jsonb(indexes))
    })
}

fn profiles(described: &[(&Description, &[u8])]) -> Result<Vec<u8>> {
    recordset(described.iter().map(|(at, given)| {
        let base = at.base.as_deref();
        Ok(Item::Members(vec![
            (b"profile", Item::Text(&at.name)),
            (b"version", Item::Int(at.version.into())),
            (b"kind", Item::Text(at.kind.as_str())),
            (b"base", base.map_or(Item::Null, Item::Text)),
            (
                b"additional_properties",
                Item::Bool(at.additional_properties),
            ),
            (b"definition", Item::Copy(Value::read(given)?)),
        ]))
    }))
}

fn properties(described: &[(&Description, &[u8])]) -> Result<Vec<u8>> {
    let all = described.iter().flat_map(|(at, _)| {
        let properties = at.properties.iter();
        properties.map(|property| (at.name.as_str(), property))
    });
    recordset(all.map(|(profile, property)| {
        Ok(Item::Members(vec![
            (b"profile", Item::Text(profile)),
            (b"ordinal", Item::Int(property.ordinal.into())),
            (b"path", Item::Text(&property.path)),
            (b"type", Item::Text(&property.kind)),
            (b"settings", Item::Copy(Value::read(&property.settings)?)),
        ]))
    }))
}

fn contained(described: &[(&Description, &[u8])]) -> Result<Vec<u8>> {
    let keys = described.iter().flat_map(|(at, _)| {
        let contained = at.contained.iter();
        contained.map(|key| (at.name.as_str(), key, key.cardinality.to_string()))
    });
    let keys: Vec<_> = keys.collect();
    recordset(keys.iter().map(|(profile, key, cardinality)| {
        let types = key.types.iter().map(|name| Item::Text(name));
        Ok(Item::Members(vec![
            (b"profile", Item::Text(profile)),
            (b"key", Item::Text(&key.key)),
            (b"types", Item::Items(types.collect())),
            (b"cardinality", Item::Text(cardinality)),
        ]))
    }))
}

/// The keys of those that have a table.
fn indexes(rows: &[Row<'_>]) -> Result<Vec<u8>> {
    let mut keys = Vec::new();
    for row in rows.iter().filter(|row| row.read.kind() == Kind::Root) {
        let name = Name::new(row.read.name(), "profile")?;
        for (ordinal, key) in index::keys(row.read).into_iter().enumerate() {
            let ordinal = i64::try_from(ordinal).unwrap_or(i64::MAX);
            keys.push((row.read.name(), ordinal, key.index.name(&name), key));
        }
    }
    recordset(keys.iter().map(|(profile, ordinal, name, key)| {
        let paths = key.paths.iter().map(|path| Item::Text(path));
        Ok(Item::Members(vec![
            (b"profile", Item::Text(profile)),
            (b"ordinal", Item::Int(*ordinal)),
            (b"name", Item::Text(name)),
            (b"paths", Item::Items(paths.collect())),
            (b"is_unique", Item::Bool(key.unique)),
        ]))
    }))
}

type Kept = LocalKey<ManuallyDrop<Statement>>;

/// Rows as `jsonb_to_recordset` takes them.
pub(super) fn recordset<'a>(rows: impl Iterator<Item = Result<Item<'a>>>) -> Result<Vec<u8>> {
    write(&Item::Items(rows.collect::<Result<_>>()?)).map_err(|_| {
        Error::refuse(State::TooLarge, "too many properties for one call")
            .hint("Define fewer profiles at once, or smaller ones.")
    })
}

/// Writes the ends of a relationship.
pub fn put_ends(
    session: &Session,
    source: &str,
    relationship: &str,
    read: &Relationship,
) -> Result<()> {
    let (from, to) = (&read.from, &read.to);
    let (from_cardinality, to_cardinality) =
        (from.cardinality.to_string(), to.cardinality.to_string());
    as_owner(What::Catalog, || {
        let args = [
            Arg::Text(source),
            Arg::Text(relationship),
            Arg::Text(&from.profile),
            Arg::text(from.key.as_deref()),
            Arg::Text(&from_cardinality),
            Arg::Text(&to.profile),
            Arg::text(to.key.as_deref()),
            Arg::Text(&to_cardinality),
            Arg::text(read.description.as_deref()),
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

/// The names that a statement finds for one.
fn names(sql: &'static Kept, session: &Session, source: &str, name: &str) -> Result<Vec<String>> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Text(name)];
        let rows = sql.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
        rows.iter().map(|row| row.string(1)).collect()
    })
}

/// The profiles that may contain resources of this one.
pub fn containers(session: &Session, source: &str, profile: &str) -> Result<Vec<String>> {
    names(&CONTAINERS_SQL, session, source, profile)
}

/// Types or profiles, and all that is made of them.
pub fn users(session: &Session, source: &str, names: &[&str]) -> Result<Vec<String>> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Texts(names)];
        let rows = USERS_SQL.with(|sql| session.run(sql, &args, Reading::Latest, 0))?;
        rows.iter().map(|row| row.string(1)).collect()
    })
}

/// Gives another version to all profiles that are made of this type or contained profile, which has
/// changed: their rows were checked against something else.
pub fn renew_users(session: &Session, source: &str, name: &str) -> Result<()> {
    renew(session, source, &[name], &[name])
}

/// The same, for the profiles that a vocabulary is bound to, and those that are made of them.
pub fn renew_bound(session: &Session, source: &str, vocabulary: &str) -> Result<()> {
    let bound = bound(session, source, vocabulary)?;
    let bound: Vec<&str> = bound.iter().map(String::as_str).collect();
    renew(session, source, &bound, &[])
}

/// The profiles that a vocabulary is bound to.
pub fn bound(session: &Session, source: &str, vocabulary: &str) -> Result<Vec<String>> {
    names(&BINDERS_SQL, session, source, vocabulary)
}

/// Removes a vocabulary.
pub fn remove_vocabulary(session: &Session, source: &str, vocabulary: &str) -> Result<()> {
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Text(vocabulary)];
        let removed =
            REMOVE_VOCABULARY_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        match removed.count() {
            0 => Err(newer_than_snapshot()),
            _ => Ok(()),
        }
    })
}

/// Gives another version to all that is made of these, and to themselves, but for those that have
/// theirs.
pub fn renew(session: &Session, source: &str, changed: &[&str], but: &[&str]) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    as_owner(What::Catalog, || {
        let args = [Arg::Text(source), Arg::Texts(changed), Arg::Texts(but)];
        RENEW_SQL.with(|sql| session.run(sql, &args, Reading::Fresh, 0))?;
        Ok(())
    })
}

/// What may hold a reference that keeps resources of this profile from being deleted: by itself, by a
/// type that it uses, or by what it contains.
pub fn holders(session: &Session, source: &str, profile: &str) -> Result<Vec<String>> {
    let holders = names(&HOLDERS_SQL, session, source, profile)?;
    let holders: Vec<&str> = holders.iter().map(String::as_str).collect();
    users(session, source, &holders)
}

/// The profiles whose references name this one as their target.
pub fn referrers(session: &Session, source: &str, profile: &str) -> Result<Vec<String>> {
    names(&REFERRERS_SQL, session, source, profile)
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
