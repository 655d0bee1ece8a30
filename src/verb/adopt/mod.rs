//! `ingest.source_catalog(source)`, `ingest.source_adopt(source, catalog)`: a source whose tables were
//! left without their catalog is taken back, with its versions and its history.

mod fhir;

use crate::pg::{Answer, Call, Error, Result, Session, State, datum_of_jsonb};
use crate::store::catalog::Catalog;
use crate::store::definition::Row;
use crate::store::health::{self, Shape};
use crate::store::index::Index;
use crate::store::refusal;
use crate::store::table::Form;
use crate::store::{Name, Options, adopt as store, cache, ddl, definition, source};
use crate::verb::body::{root, shown_key};
use crate::verb::definition::make_tables;
use crate::verb::relationship;
use crate::verb::source::read_options;
use ingest_engine::vocabulary::Vocabulary;
use ingest_engine::{Definition, Format, Kind, Relationship};
use jsonb::{Array, Item, Object, Value, write};
use std::collections::HashSet;

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
struct Adopted<'a> {
    name: Name,
    given: Value<'a>,
    definition: Definition,
    version: i32,
    indexes: Vec<Index>,
    relationship: Option<Relationship>,
}

/// Takes back the tables of a source, as the catalog says that they were.
pub fn adopt(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let catalog = object(call.need_jsonb(1, "catalog")?, "")?;
    check_members(&catalog)?;
    source::check_usage(source.as_str())?;
    Session::open(|session| {
        source::check_owned(session, source.as_str())?;
        let format = take_options(session, &source, &catalog)?.format;
        for (place, vocabulary) in list(&catalog, "vocabularies", "")?.iter().enumerate() {
            let at = format!("vocabularies[{place}]");
            put_vocabulary(session, &source, vocabulary?, &at)?;
        }
        if format == Format::Fhir {
            return fhir::adopt(session, &source, &catalog);
        }
        let mut adopted = Vec::new();
        let mut names = HashSet::new();
        let kinds = [("profiles", false), ("relationships", true)];
        for (key, links) in kinds {
            let definitions = list(&catalog, key, "")?;
            for (place, entry) in definitions.iter().enumerate() {
                let at = format!("{key}[{place}]");
                let read = read(session, &source, entry?, links, &at)?;
                if !names.insert(read.name.as_str().to_owned()) {
                    return Err(malformed(&format!("{at}.name"), "another name each time"));
                }
                adopted.push(read);
            }
        }
        put(session, &source, &adopted)?;
        for (key, _) in kinds {
            let definitions = list(&catalog, key, "")?;
            put_versions(session, &source, definitions, key)?;
        }
        // Now that all of them are there, each is judged among the others.
        for at in &adopted {
            cache::accept(source.as_str(), &at.definition)?;
            if at.relationship.is_some() || at.definition.kind() == Kind::Root {
                let ends = at.relationship.as_ref().map(relationship::ends);
                let shape = Shape {
                    source: &source,
                    name: &at.name,
                    form: Form::of(at.definition.kind(), Format::Native),
                    ends: ends.as_ref(),
                    indexes: &at.indexes,
                    searches: &[],
                };
                take_back(session, &shape, at.version)?;
            }
        }
        Ok(())
    })?;
    Ok(Answer::Null)
}

fn put_versions(session: &Session, source: &Name, definitions: Array<'_>, key: &str) -> Result<()> {
    let put = store::put_versions(session, source.as_str(), definitions.as_bytes());
    put.map_err(
        |error| match error.is_postgres(b"22007") || error.is_postgres(b"22008") {
            true => malformed(key, "an instant as each defined_at"),
            false => error,
        },
    )
}

/// The options of the source: a source that is there takes back what it lacks, and keeps its own.
fn take_options(session: &Session, source: &Name, catalog: &Object<'_>) -> Result<Options> {
    let given = catalog.get(b"options")?;
    let read = given.map(read_options).transpose()?;
    if let Some(known) = Catalog::open(session)?.options(session, source.as_str())? {
        source::lock_in_one_place(session, source.as_str())?;
        return match read {
            Some(read) if read != known => Err(Error::refuse(
                State::Conflict,
                format!("the source {source} has other options than the catalog"),
            )
            .hint("SELECT options FROM ingest.source shows them: they are given once, when it is created.")),
            _ => Ok(known),
        };
    }
    let empty = write(&Item::Object(&[])).map_err(|_| Error::Bug("{} is not JSON".into()))?;
    let options = match given {
        Some(options) => root(options)?,
        None => empty.into(),
    };
    let read = read_options(Value::read(&options)?)?;
    source::register(session, source, read.format, &options)?;
    Ok(read)
}

/// `at` is a path into the catalog.
fn malformed(at: &str, expected: &str) -> Error {
    let whole = if at.is_empty() {
        String::new()
    } else {
        format!(" at {at}")
    };
    Error::refuse(
        State::BadRequest,
        format!("not the catalog of a source: expected {expected}{whole}"),
    )
    .hint(
        "A catalog is what ingest.source_catalog(source) returns: {\"profiles\": [{\"name\", \
         \"version\", \"versions\": [{\"version\", \"defined_at\", \"definition\"}]}], \
         \"relationships\": [...], \"vocabularies\": [{\"name\", \"concepts\"}]}.",
    )
}

fn check_members(catalog: &Object<'_>) -> Result<()> {
    for member in catalog.iter() {
        let (at, expected) = match member? {
            (b"source", Value::String(_)) | (b"format", Value::String(_)) => continue,
            (b"options", Value::Object(_)) => continue,
            (
                b"profiles" | b"relationships" | b"vocabularies" | b"definitions",
                Value::Array(_),
            ) => continue,
            (b"source", _) => ("source", "a string"),
            (b"format", _) => ("format", "a string"),
            (b"options", _) => ("options", "an object"),
            (b"profiles", _) => ("profiles", "an array"),
            (b"relationships", _) => ("relationships", "an array"),
            (b"vocabularies", _) => ("vocabularies", "an array"),
            (b"definitions", _) => ("definitions", "an array"),
            (key, _) => {
                let key = shown_key(key);
                return Err(malformed("", &format!("no member {key}")));
            }
        };
        return Err(malformed(at, expected));
    }
    Ok(())
}

fn list<'a>(object: &Object<'a>, key: &str, within: &str) -> Result<Array<'a>> {
    match object.get(key.as_bytes())? {
        Some(Value::Array(list)) => Ok(list),
        _ => Err(malformed(&format!("{within}{key}"), "an array")),
    }
}

fn object<'a>(value: Value<'a>, at: &str) -> Result<Object<'a>> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(malformed(at, "an object")),
    }
}

fn text<'a>(object: &Object<'a>, key: &str, within: &str) -> Result<&'a str> {
    match object.get(key.as_bytes())? {
        Some(Value::String(bytes)) => std::str::from_utf8(bytes).map_err(|_| Error::Corrupt),
        _ => Err(malformed(&format!("{within}.{key}"), "a string")),
    }
}

fn version(object: &Object<'_>, within: &str) -> Result<i32> {
    let version = match object.get(b"version")? {
        Some(Value::Number(number)) => number.as_i64(),
        _ => None,
    };
    let version = version.and_then(|version| i32::try_from(version).ok());
    version
        .filter(|version| *version > 0)
        .ok_or_else(|| malformed(&format!("{within}.version"), "a number from 1"))
}

/// What the catalog has of a name that is given.
fn there_already(source: &Name, name: &str) -> Error {
    Error::refuse(
        State::Conflict,
        format!("the source {source} has {name} already"),
    )
    .hint("Leave what is there out of the catalog: ingest.source_catalog(source) shows it.")
}

fn put_vocabulary(session: &Session, source: &Name, entry: Value<'_>, at: &str) -> Result<()> {
    let entry = object(entry, at)?;
    let concepts = entry
        .get(b"concepts")?
        .ok_or_else(|| malformed(&format!("{at}.concepts"), "an array"))?;
    Vocabulary::read(concepts)
        .map_err(|issues| refusal::of_definition("the vocabulary", &issues))?;
    let name = text(&entry, "name", at)?;
    let concepts = root(concepts)?;
    match definition::vocabulary(session, source.as_str(), name)? {
        Some(known) if known != *concepts => Err(there_already(source, name)),
        Some(_) => Ok(()),
        None => definition::put_vocabulary(session, source.as_str(), name, &concepts),
    }
}

/// Reads the current version of one definition, which the catalog does not have.
fn read<'a>(
    session: &Session,
    source: &Name,
    entry: Value<'a>,
    links: bool,
    at: &str,
) -> Result<Adopted<'a>> {
    let entry = object(entry, at)?;
    let name = Name::new(text(&entry, "name", at)?, "profile")?;
    if definition::current(session, source.as_str(), name.as_str())?.is_some() {
        return Err(there_already(source, name.as_str()));
    }
    let (current, given) = current(&entry, &name, at)?;
    let (definition, relationship) = match links {
        true => {
            let read = relationship::read(&name, given)?;
            (read.definition.clone(), Some(read))
        }
        false => {
            let read = Definition::read(name.as_str(), given)
                .map_err(|issues| refusal::of_definition(name.as_str(), &issues))?;
            (read, None)
        }
    };
    Ok(Adopted {
        indexes: crate::verb::profile::indexes_of(&definition),
        name,
        given,
        version: current,
        definition,
        relationship,
    })
}

/// The current version of a definition, and what was given for it.
fn current<'a>(entry: &Object<'a>, name: &Name, at: &str) -> Result<(i32, Value<'a>)> {
    let current = version(entry, at)?;
    let mut given = None;
    let versions = list(entry, "versions", &format!("{at}."))?;
    for (place, one) in versions.iter().enumerate() {
        let at = format!("{at}.versions[{place}]");
        let one = object(one?, &at)?;
        text(&one, "defined_at", &at)?;
        let definition = one.get(b"definition")?;
        let definition =
            definition.ok_or_else(|| malformed(&format!("{at}.definition"), "an object"))?;
        match version(&one, &at)? {
            number if number == current => given = Some(definition),
            number if number > current => {
                let expected = format!("at most {current}, the version of {name},");
                return Err(malformed(&format!("{at}.version"), &expected));
            }
            _ => {}
        }
    }
    let given = given.ok_or_else(|| {
        let expected = format!("version {current}, which is current,");
        malformed(&format!("{at}.versions"), &expected)
    })?;
    Ok((current, given))
}

/// Writes what was read into the catalog: all profiles before the ends that name them.
fn put(session: &Session, source: &Name, adopted: &[Adopted<'_>]) -> Result<()> {
    let definitions = adopted.iter().map(|at| root(at.given));
    let definitions = definitions.collect::<Result<Vec<_>>>()?;
    let rows = adopted.iter().zip(&definitions).map(|(at, given)| Row {
        read: &at.definition,
        version: at.version,
        given,
    });
    let rows: Vec<_> = rows.collect();
    definition::put(session, source.as_str(), &rows)?;
    for at in adopted {
        if let Some(read) = &at.relationship {
            relationship::put_ends(session, source, &at.name, read)?;
        }
    }
    Ok(())
}

/// Makes what a table lost with its catalog: triggers, the default of its id, indexes.
fn take_back(session: &Session, shape: &Shape<'_>, version: i32) -> Result<()> {
    let (source, name) = (shape.source, shape.name);
    source::as_schema_owner(session, source.as_str(), || {
        for table in [name.to_string(), format!("{name}_history")] {
            if !ddl::is_there(session, source, &table)? {
                health::check_in_place(session, source.as_str(), Some(name.as_str()))?;
                return Err(Error::refuse(
                    State::Conflict,
                    format!("the table {table} of the catalog is missing"),
                )
                .hint("Restore it first, or leave it out of the catalog."));
            }
        }
        Ok(())
    })?;
    make_tables(session, shape, false, &[])?;
    let newest = source::as_schema_owner(session, source.as_str(), || {
        store::newest_definition(session, source, name)
    })?;
    if newest <= version {
        return Ok(());
    }
    Err(Error::refuse(
        State::Conflict,
        format!(
            "rows of {name} were checked against version {newest}, and the catalog ends with {version}"
        ),
    )
    .hint("Use a catalog that is as new as the rows."))
}
