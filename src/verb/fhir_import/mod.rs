//! `ingest.fhir_import(source, definitions, types, search_indexes)`
//!
//! * [`read`]: what each definition is, without the catalog.
//! * [`put`]: what of that is new goes into the catalog.
//! * [`vocabulary`]: value sets that types are bound to are expanded.
//! * [`table`]: resource types get tables.

mod put;
mod read;
mod table;
mod vocabulary;

use crate::pg::{Answer, Arg, Call, Error, Result, Session, State};
use crate::store::parameters::Given as Parameter;
use crate::store::{Name, cache, definition, import as store, source};
use ingest_engine::definition::fhir;
use ingest_engine::{Format, operation_outcome};
use read::Given;
use std::collections::HashSet;
use table::Asked;

/// What became of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Created,
    Updated,
    Unchanged,
    Skipped,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
        }
    }
}

/// What is told of a definition.
#[derive(Debug)]
struct Told {
    kind: String,
    url: String,
    name: String,
    outcome: Outcome,
    /// What it asks for and is not checked, or why it is skipped.
    issues: Vec<String>,
}

/// Imports definitions, and makes tables for resource types.
pub fn import(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let given = fhir::definitions(call.need_jsonb(1, "definitions")?);
    let given = given.map_err(|issues| {
        Error::refuse(State::Unprocessable, "these are not definitions of FHIR")
            .detail(operation_outcome(&issues))
            .hint("Give a StructureDefinition, ValueSet, CodeSystem or SearchParameter, an array of them, or a Bundle.")
    })?;
    let types = call.texts(2, "types")?;
    let asked = call.texts(3, "search_indexes")?.unwrap_or_default();
    let asked: Vec<Asked<'_>> = asked.into_iter().map(Asked::read).collect();
    let sink = call.materialize()?;
    let told = Session::open(|session| {
        let hint =
            "ingest.source_create(source, '{\"format\": \"fhir\"}') makes a source for FHIR.";
        source::lock_of_format(session, source.as_str(), Format::Fhir, hint)?;
        let profiles = store::types_of_profiles(session, source.as_str())?;
        let given = read::all(&given, profiles)?;
        let wanted = types.unwrap_or_else(|| resource_types(&given));
        let (mut told, changes) = put::put(session, source.as_str(), &given)?;
        let bound = vocabulary::expand(session, source.as_str(), changes.terminology)?;
        told.extend(bound.told);
        renew(session, source.as_str(), &changes, &bound.changed)?;
        let parameters = read::parameters(&given)?;
        tell_in_vain(session, source.as_str(), &parameters, &mut told)?;
        table::make(session, &source, &wanted)?;
        table::index(session, &source, &asked)?;
        Ok(told)
    })?;
    for one in &told {
        let mut issues = one.issues.iter().map(|issue| Arg::Text(issue)).peekable();
        let first = issues.next().unwrap_or(Arg::Null);
        for issue in std::iter::once(first).chain(issues) {
            sink.push(&[
                Arg::Text(&one.kind),
                Arg::Text(&one.url),
                Arg::Text(&one.name),
                Arg::Text(one.outcome.as_str()),
                issue,
            ])?;
        }
    }
    Ok(Answer::Null)
}

/// The resource types among what is given.
fn resource_types(given: &[Given]) -> Vec<&str> {
    given.iter().filter_map(Given::resource_type).collect()
}

/// The type of what stands beside primitives: without it nothing may stand there, which is told of
/// the resource.
const COMPANION: &str = "Element";

/// Tells what types and profiles ask for and is not checked: of all types, in every call, as of value
/// sets without codes; of profiles when they are given.
fn tell_in_vain(
    session: &Session,
    source: &str,
    parameters: &[Parameter],
    told: &mut Vec<Told>,
) -> Result<()> {
    let types = store::types(session, source)?;
    let kind = fhir::Kind::StructureDefinition.as_str();
    let given = told
        .iter()
        .filter(|at| at.kind == kind && at.outcome != Outcome::Skipped);
    let urls: HashSet<&str> = given.map(|at| at.url.as_str()).collect();
    let profiles = urls
        .iter()
        .filter(|url| !types.iter().any(|(_, known)| known == *url));
    let mut names: Vec<String> = types.iter().map(|(name, _)| name.clone()).collect();
    names.extend(profiles.map(|url| (*url).to_owned()));
    let in_vain = cache::in_vain(source, &names, parameters)?;
    // Many are for types of which a source needs a few.
    let is_there = |base: &String| types.iter().any(|(known, _)| known == base);
    let baseless = parameters
        .iter()
        .filter(|at| !at.bases.iter().any(is_there));
    let baseless = baseless.map(|at| {
        let why = format!("for what is not there yet: {}", at.bases.join(", "));
        (at.url.clone(), why)
    });
    for (url, why) in in_vain.searches.into_iter().chain(baseless) {
        let kind = fhir::Kind::SearchParameter.as_str();
        let mut told = told.iter_mut();
        if let Some(told) = told.find(|at| at.url == url && at.kind == kind) {
            told.issues.push(why);
        }
    }
    for (name, in_vain) in in_vain.checks {
        let known = types.iter().find(|(known, _)| *known == name);
        let url = known.map_or(&name, |(_, url)| url).clone();
        let place = told.iter().position(|at| at.url == url && at.kind == kind);
        let mut issues = Vec::new();
        // Definitions can come in any order; what is not there is told of those that are given.
        let absent = in_vain.absent.iter().map(String::as_str);
        let absent: Vec<&str> = absent.filter(|name| *name != COMPANION).collect();
        if place.is_some() && !absent.is_empty() {
            let absent = absent.join(", ");
            issues.push(format!("made of what is not there yet: {absent}"));
        }
        let untold = in_vain.untold.iter();
        issues.extend(
            untold.map(|path| format!("{path} is not checked: nothing tells it from other items")),
        );
        if absent.is_empty() {
            let each = in_vain.unplanned.iter();
            issues.extend(each.map(|(key, why)| format!("{key} is not checked: {why}")));
        }
        match place.and_then(|place| told.get_mut(place)) {
            Some(told) => told.issues.extend(issues),
            None if issues.is_empty() => {}
            None => told.push(Told {
                kind: kind.to_owned(),
                url,
                name,
                outcome: Outcome::Unchanged,
                issues,
            }),
        }
    }
    Ok(())
}

/// Gives another version to what is made of types that have changed, or is bound to vocabularies
/// that have: its rows were checked against something else. What has a new version by this call
/// needs no other.
fn renew(
    session: &Session,
    source: &str,
    changes: &put::Changes,
    vocabularies: &[String],
) -> Result<()> {
    let own: Vec<&str> = changes.defined.iter().map(String::as_str).collect();
    let vocabularies: Vec<&str> = vocabularies.iter().map(String::as_str).collect();
    let binders = store::binders(session, source, &vocabularies)?;
    let binders = binders.iter().map(String::as_str);
    let mut changed: Vec<&str> = changes.updated.iter().map(String::as_str).collect();
    changed.extend(binders.filter(|name| !own.contains(name)));
    definition::renew(session, source, &changed, &own)
}
