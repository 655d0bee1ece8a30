//! `ingest.fhir_import(source, definitions, types)`

use super::definition::make_tables;
use crate::pg::{Answer, Call, Error, Result, Session, State, check_for_interrupts};
use crate::store::health::Shape;
use crate::store::table::Form;
use crate::store::{Name, import as store, source};
use ingest_engine::{Format, Kind};

/// Imports definitions, and makes tables for resource types.
pub fn import(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let _definitions = call.need_jsonb(1, "definitions")?;
    let types = call.texts(2, "types")?;
    let _sink = call.materialize()?;
    Session::open(|session| {
        let hint =
            "ingest.source_create(source, '{\"format\": \"fhir\"}') makes a source for FHIR.";
        source::lock_of_format(session, source.as_str(), Format::Fhir, hint)?;
        if let Some(types) = &types {
            tables(session, &source, types)?;
        }
        Ok(())
    })?;
    Ok(Answer::Null)
}

/// Makes the tables of these resource types, or puts right what is missing of them.
fn tables(session: &Session, source: &Name, types: &[&str]) -> Result<()> {
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
        let shape = Shape {
            source,
            name: &name,
            form: Form::Fhir,
            ends: None,
            indexes: &[],
        };
        make_tables(session, &shape, *kind != Some(Kind::Root), &[])?;
    }
    Ok(())
}

/// A name of the caller's, for a message: what cannot be a name is not repeated.
fn shown(name: &str) -> &str {
    match Name::check(name, "resource type") {
        Ok(()) => name,
        Err(_) => "what is no name",
    }
}
