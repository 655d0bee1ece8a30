//! `ingest.source_catalog(source)`, `ingest.source_adopt(source, catalog)`: a source whose tables were
//! left without their catalog is taken back, with its versions and its history.

use super::body::root;
use super::definition::make_tables;
use super::relationship;
use super::source::format_of;
use crate::pg::{Answer, Call, Error, Result, Session, State, datum_of_jsonb};
use crate::store::catalog::Ends;
use crate::store::health::Shape;
use crate::store::index::Index;
use crate::store::refusal;
use crate::store::{Name, adopt as store, cache, ddl, definition, source};
use ingest_engine::vocabulary::Vocabulary;
use ingest_engine::{Definition, Issue, Kind};
use jsonb::{Array, Item, Object, Value, write};

/// All that the catalog holds of a source.
pub fn catalog(call: &mut Call<'_>) -> Result<Answer> {
    let source = call.need_text(0, "source")?;
    source::check_there(source)?;
    match Session::open(|session| store::catalog(session, source))? {
        Some(catalog) => datum_of_jsonb(&catalog),
        None => Err(Error::Bug("a source is there and not there".into())),
    }
}

/// One definition of a catalog.
struct Adopted {
    name: Name,
    version: i32,
    definition: Definition,
    indexes: Vec<Index>,
    ends: Option<Ends>,
}

/// Takes back the tables of a source, as the catalog says that they were.
pub fn adopt(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let Value::Object(catalog) = call.need_jsonb(1, "catalog")? else {
        return Err(malformed());
    };
    check_members(&catalog)?;
    source::check_usage(source.as_str())?;
    Session::open(|session| {
        source::check_owned(session, source.as_str())?;
        let empty = write(&Item::Object(&[])).map_err(|_| Error::Bug("{} is not JSON".into()))?;
        let options = match catalog.get(b"options")? {
            Some(options) => root(options)?.into_owned(),
            None => empty,
        };
        let format = format_of(Value::read(&options)?)?;
        source::register(session, &source, &format, &options)?;
        for vocabulary in list(&catalog, b"vocabularies")?.iter() {
            put_vocabulary(session, &source, vocabulary?)?;
        }
        let (profiles, relationships) = (
            list(&catalog, b"profiles")?,
            list(&catalog, b"relationships")?,
        );
        let mut adopted = Vec::new();
        for (definitions, links) in [(&profiles, false), (&relationships, true)] {
            for entry in definitions.iter() {
                adopted.push(read(session, &source, entry?, links)?);
            }
            store::put_versions(session, source.as_str(), definitions.as_bytes())?;
        }
        // Now that all of them are there, each is judged among the others.
        for at in &adopted {
            let issues = cache::judge(source.as_str(), &at.definition)?;
            if issues.iter().any(|issue: &Issue| issue.severity.refuses()) {
                return Err(refusal::of_definition(at.name.as_str(), &issues));
            }
            if at.ends.is_some() || at.definition.kind() == Kind::Root {
                take_back(session, &source, at)?;
            }
        }
        Ok(())
    })?;
    Ok(Answer::Null)
}

fn malformed() -> Error {
    Error::refuse(State::BadRequest, "not the catalog of a source")
        .hint("A catalog is what ingest.source_catalog(source) returns.")
}

fn check_members(catalog: &Object<'_>) -> Result<()> {
    for member in catalog.iter() {
        match member? {
            (b"source" | b"format", Value::String(_)) => {}
            (b"options", Value::Object(_)) => {}
            (b"profiles" | b"relationships" | b"vocabularies", Value::Array(_)) => {}
            _ => return Err(malformed()),
        }
    }
    Ok(())
}

fn list<'a>(catalog: &Object<'a>, key: &[u8]) -> Result<Array<'a>> {
    match catalog.get(key)? {
        Some(Value::Array(list)) => Ok(list),
        _ => Err(malformed()),
    }
}

fn text<'a>(object: &Object<'a>, key: &[u8]) -> Result<&'a str> {
    match object.get(key)? {
        Some(Value::String(bytes)) => std::str::from_utf8(bytes).map_err(|_| Error::Corrupt),
        _ => Err(malformed()),
    }
}

fn version(object: &Object<'_>) -> Result<i32> {
    let version = match object.get(b"version")? {
        Some(Value::Number(number)) => number.as_i64(),
        _ => None,
    };
    let version = version.and_then(|version| i32::try_from(version).ok());
    version.filter(|version| *version > 0).ok_or_else(malformed)
}

fn put_vocabulary(session: &Session, source: &Name, entry: Value<'_>) -> Result<()> {
    let Value::Object(entry) = entry else {
        return Err(malformed());
    };
    let concepts = entry.get(b"concepts")?.ok_or_else(malformed)?;
    Vocabulary::read(concepts)
        .map_err(|issues| refusal::of_definition("the vocabulary", &issues))?;
    let name = text(&entry, b"name")?;
    definition::put_vocabulary(session, source.as_str(), name, &root(concepts)?)
}

/// Reads the current version of one definition, and writes it into the catalog.
fn read(session: &Session, source: &Name, entry: Value<'_>, links: bool) -> Result<Adopted> {
    let Value::Object(entry) = entry else {
        return Err(malformed());
    };
    let name = Name::new(text(&entry, b"name")?, "profile")?;
    let current = version(&entry)?;
    let mut given = None;
    for one in list(&entry, b"versions")?.iter() {
        let Value::Object(one) = one? else {
            return Err(malformed());
        };
        text(&one, b"defined_at")?;
        let definition = one.get(b"definition")?.ok_or_else(malformed)?;
        match version(&one)? {
            number if number == current => given = Some(definition),
            number if number > current => return Err(malformed()),
            _ => {}
        }
    }
    let given = given.ok_or_else(malformed)?;
    let bytes = root(given)?.into_owned();
    let (definition, ends) = match links {
        true => {
            let (definition, ends) = relationship::read(&name, given)?;
            (definition, Some(ends))
        }
        false => {
            let read = Definition::read(name.as_str(), given)
                .map_err(|issues| refusal::of_definition(name.as_str(), &issues))?;
            (read, None)
        }
    };
    let description = definition.describe(current);
    definition::put(session, source.as_str(), &description, &bytes)?;
    if links {
        relationship::put_ends(session, source, &name, given)?;
    }
    Ok(Adopted {
        indexes: super::profile::indexes_of(&definition),
        name,
        version: current,
        definition,
        ends,
    })
}

/// Makes what a table lost with its catalog: triggers, the default of its id, indexes.
fn take_back(session: &Session, source: &Name, at: &Adopted) -> Result<()> {
    let name = &at.name;
    source::as_schema_owner(session, source.as_str(), || {
        for table in [name.to_string(), format!("{name}_history")] {
            if !ddl::is_there(session, source, &table)? {
                return Err(Error::refuse(
                    State::Conflict,
                    format!("the table {table} of the catalog is missing"),
                )
                .hint("Restore it first, or leave it out of the catalog."));
            }
        }
        Ok(())
    })?;
    let shape = Shape {
        source,
        name,
        ends: at.ends.as_ref(),
        indexes: &at.indexes,
    };
    make_tables(session, &shape, false, &[])?;
    let newest = source::as_schema_owner(session, source.as_str(), || {
        store::newest_definition(session, source, name)
    })?;
    if newest <= at.version {
        return Ok(());
    }
    Err(Error::refuse(
        State::Conflict,
        format!(
            "rows of {name} were checked against version {newest}, and the catalog ends with {}",
            at.version
        ),
    )
    .hint("Use a catalog that is as new as the rows."))
}
