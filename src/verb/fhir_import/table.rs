//! The tables of resource types.

use crate::pg::{Error, Result, Session, State, check_for_interrupts};
use crate::store::health::Shape;
use crate::store::{Name, find, import as store, search_index, source};
use crate::verb::definition::make_tables;
use crate::verb::search::index::{self as search, index_over};
use ingest_engine::Kind;

/// An index that is asked for: over a parameter of one type, or of all that have it.
#[derive(Debug)]
pub struct Asked<'a> {
    of: Option<&'a str>,
    parameter: &'a str,
}

impl<'a> Asked<'a> {
    /// Reads `Patient.birthdate`, or `identifier`.
    pub fn read(text: &'a str) -> Self {
        match text.split_once('.') {
            Some((of, parameter)) => Self {
                of: Some(of),
                parameter,
            },
            None => Self {
                of: None,
                parameter: text,
            },
        }
    }
}

/// Makes indexes over search parameters.
pub fn index(session: &Session, source: &Name, asked: &[Asked<'_>]) -> Result<()> {
    if asked.is_empty() {
        return Ok(());
    }
    let mut served = vec![false; asked.len()];
    for (_, name) in source::guarded(session, source.as_str())? {
        check_for_interrupts()?;
        let guarded = find(source.as_str(), &name)?;
        let mut new = Vec::new();
        for (asked, served) in asked.iter().zip(&mut served) {
            let code = search_index::sorted(asked.parameter).map(|(code, _)| code);
            let code = code.unwrap_or(asked.parameter);
            let is_there = || Ok::<_, Error>(guarded.parameters()?.find(code).is_some());
            if match asked.of {
                Some(of) => of == name,
                None => is_there()?,
            } {
                *served = true;
                new.push(index_over(&guarded, asked.parameter)?);
            }
        }
        if !new.is_empty() {
            let profile = Name::new(&name, "resource type")?;
            search::make(session, source, &profile, &guarded, new).map_err(too_many)?;
        }
    }
    let missing = asked.iter().zip(&served).find(|(_, served)| !**served);
    let Some((missing, _)) = missing else {
        return Ok(());
    };
    Err(match missing.of {
        Some(of) => Error::refuse(
            State::NotFound,
            format!("no table in {source} for a search index: {}", shown(of)),
        )
        .hint("Name the type in types, too, so that it gets one."),
        None => Error::refuse(
            State::BadRequest,
            format!("no type with a table in {source} has one of the search parameters"),
        )
        .hint("Import its SearchParameter first, or in the same call."),
    })
}

/// Makes the tables of these resource types, or puts right what is missing of them.
pub fn make(session: &Session, source: &Name, types: &[&str]) -> Result<()> {
    let mut types = types.to_vec();
    types.sort_unstable();
    types.dedup();
    let known = store::kinds(session, source.as_str(), &types)?;
    let is_resource = |kind: &Option<Kind>| matches!(kind, Some(Kind::Root | Kind::Contained));
    let unknown: Vec<&str> = known
        .iter()
        .filter(|(_, kind)| !is_resource(kind))
        .map(|(name, _)| shown(name))
        .collect();
    if !unknown.is_empty() {
        return Err(Error::refuse(
            State::NotFound,
            format!("no such resource type in {source}: {}", unknown.join(", ")),
        )
        .hint("Import its StructureDefinition first, or in the same call."));
    }
    let new = known.iter().filter(|(_, kind)| *kind != Some(Kind::Root));
    let new: Vec<&str> = new.map(|(name, _)| name.as_str()).collect();
    store::give_tables(session, source.as_str(), &new)?;
    for (name, kind) in &known {
        check_for_interrupts()?;
        let name = Name::new(name, "resource type")?;
        let searches = match kind {
            Some(Kind::Root) => find(source.as_str(), name.as_str())?.search_indexes()?,
            _ => Vec::new(),
        };
        let shape = Shape::of_type(source, &name, &searches);
        make_tables(session, &shape, *kind != Some(Kind::Root), &[]).map_err(too_many)?;
        search_index::put(session, source, &name, &searches)?;
    }
    Ok(())
}

/// A transaction that makes many tables needs locks for each, and there is room for so many only.
fn too_many(error: Error) -> Error {
    if !error.is_postgres(b"53200") {
        return error;
    }
    Error::refuse(
        State::TooLarge,
        "there are more tables than one transaction can lock",
    )
    .hint("Import with types => '{}', and make the tables a few at a time; or raise max_locks_per_transaction.")
}

/// A name of the caller's, for a message: what cannot be a name is not repeated.
fn shown(name: &str) -> &str {
    match Name::check(name, "resource type") {
        Ok(()) => name,
        Err(_) => "what is no name",
    }
}
