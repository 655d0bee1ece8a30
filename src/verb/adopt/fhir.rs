//! A source of FHIR is taken back: its types, and what it keeps beside them.

use super::{current, list, malformed, object, put_versions, take_back, text, there_already};
use crate::pg::{Result, Session, check_for_interrupts};
use crate::store::health::Shape;
use crate::store::refusal;
use crate::store::search_index::{self, Index};
use crate::store::{Name, definition, find, import as store};
use crate::verb::body::root;
use crate::verb::search::index::index_over;
use ingest_engine::definition::fhir::{self, Described, NotDescribed, Reduced};
use ingest_engine::{Description, History, Kind};
use jsonb::{Array, Malformed, Object, Value};

/// Writes what a catalog has of a source of FHIR, and makes again what its tables have lost.
pub fn adopt(session: &Session, source: &Name, catalog: &Object<'_>) -> Result<()> {
    if catalog.get(b"definitions")?.is_some() {
        keep(session, source, catalog)?;
    }
    let (mut types, mut given) = (Vec::new(), Vec::new());
    let profiles = list(catalog, "profiles", "")?;
    for (place, entry) in profiles.iter().enumerate() {
        check_for_interrupts()?;
        let at = format!("profiles[{place}]");
        let (description, content) = read(session, source, entry?, &at)?;
        if types
            .iter()
            .any(|known: &Description| known.name == description.name)
        {
            return Err(malformed(&format!("{at}.name"), "another name each time"));
        }
        types.push(description);
        given.push(root(content)?);
    }
    let described: Vec<_> = types.iter().zip(given.iter().map(|at| &**at)).collect();
    definition::put_types(session, source.as_str(), &described)?;
    put_versions(session, source, profiles, "profiles")?;
    bind(session, source, &types, profiles)?;
    keep_histories(session, source, &types, profiles)?;
    for (place, (description, entry)) in types.iter().zip(profiles.iter()).enumerate() {
        check_for_interrupts()?;
        if description.kind != Kind::Root {
            continue;
        }
        let at = format!("profiles[{place}]");
        let name = Name::new(&description.name, "resource type")?;
        let searches = searches(source, &name, &object(entry?, &at)?, &at)?;
        let shape = Shape::of_type(source, &name, &searches);
        take_back(session, &shape, description.version)?;
        search_index::put(session, source, &name, &searches)?;
    }
    Ok(())
}

/// The indexes over search parameters that a type had.
fn searches(source: &Name, name: &Name, entry: &Object<'_>, at: &str) -> Result<Vec<Index>> {
    if entry.get(b"search_indexes")?.is_none() {
        return Ok(Vec::new());
    }
    let guarded = find(source.as_str(), name.as_str())?;
    let mut searches = Vec::new();
    for code in list(entry, "search_indexes", &format!("{at}."))?.iter() {
        let Value::String(code) = code? else {
            return Err(malformed(
                &format!("{at}.search_indexes"),
                "an array of codes",
            ));
        };
        let code = std::str::from_utf8(code).map_err(|_| Malformed)?;
        searches.push(index_over(&guarded, code)?);
    }
    Ok(searches)
}

/// Binds the tables to the profiles that they were bound to.
fn bind(
    session: &Session,
    source: &Name,
    types: &[Description],
    profiles: Array<'_>,
) -> Result<()> {
    for (place, (description, entry)) in types.iter().zip(profiles.iter()).enumerate() {
        let at = format!("profiles[{place}]");
        let entry = object(entry?, &at)?;
        if entry.get(b"profiles")?.is_none() {
            continue;
        }
        let mut urls = Vec::new();
        for url in list(&entry, "profiles", &at)?.iter() {
            match url? {
                Value::String(url) => urls.push(std::str::from_utf8(url).map_err(|_| Malformed)?),
                _ => return Err(malformed(&format!("{at}.profiles"), "an array of URLs")),
            }
        }
        definition::keep_profiles(session, source.as_str(), &description.name, &urls)?;
    }
    Ok(())
}

/// Lets the tables keep the old versions that they kept.
fn keep_histories(
    session: &Session,
    source: &Name,
    types: &[Description],
    profiles: Array<'_>,
) -> Result<()> {
    let mut histories = Vec::new();
    for (place, (description, entry)) in types.iter().zip(profiles.iter()).enumerate() {
        let entry = object(entry?, &format!("profiles[{place}]"))?;
        if let Some(history) = entry.get(b"history")? {
            let read = History::read(history)
                .map_err(|issues| refusal::of_definition(&description.name, &issues))?;
            histories.push((description.name.as_str(), read));
        }
    }
    let histories = histories.iter().map(|(name, history)| (*name, history));
    definition::set_history(session, source.as_str(), histories).map(drop)
}

/// Keeps the definitions that are no types.
fn keep(session: &Session, source: &Name, catalog: &Object<'_>) -> Result<()> {
    let mut kept = Vec::new();
    for (place, entry) in list(catalog, "definitions", "")?.iter().enumerate() {
        check_for_interrupts()?;
        let at = format!("definitions[{place}]");
        let reduced = Reduced::read(object(entry?, &at)?)
            .map_err(|issues| refusal::of_definition(&at, &issues))?
            .ok_or_else(|| malformed(&at, "a definition of FHIR"))?;
        let of = reduced.kind.as_str();
        match store::kept(session, source.as_str(), of, &reduced.url)? {
            None => kept.push(reduced),
            Some(known) if known == reduced.content => {}
            Some(_) => return Err(there_already(source, &reduced.name)),
        }
    }
    let kept: Vec<&Reduced> = kept.iter().collect();
    store::keep(session, source.as_str(), &kept)
}

/// Reads the current version of one type, which the catalog does not have.
fn read<'a>(
    session: &Session,
    source: &Name,
    entry: Value<'a>,
    at: &str,
) -> Result<(Description, Value<'a>)> {
    let entry = object(entry, at)?;
    let name = Name::new(text(&entry, "name", at)?, "type")?;
    if definition::current(session, source.as_str(), name.as_str())?.is_some() {
        return Err(there_already(source, name.as_str()));
    }
    let kind = text(&entry, "kind", at)?;
    let (version, given) = current(&entry, &name, at)?;
    match fhir::describe(given, version) {
        Ok(Described { description, .. }) if description.name == name.as_str() => {
            let kind = match (description.kind, Kind::parse(kind)) {
                (Kind::Root, Some(Kind::Root)) => Kind::Root,
                (Kind::Root, _) => Kind::Contained,
                (kind, _) => kind,
            };
            let description = Description {
                kind,
                ..description
            };
            Ok((description, given))
        }
        Err(NotDescribed::Wrong(issues)) => Err(refusal::of_definition(name.as_str(), &issues)),
        _ => Err(malformed(at, "a type of FHIR, under its name")),
    }
}
