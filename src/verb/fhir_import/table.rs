//! The tables of resource types.

use crate::pg::{Error, Result, Session, State, check_for_interrupts};
use crate::store::health::Shape;
use crate::store::table::Form;
use crate::store::{Name, import as store};
use crate::verb::definition::make_tables;
use ingest_engine::Kind;

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
        let shape = Shape {
            source,
            name: &name,
            form: Form::Fhir,
            ends: None,
            indexes: &[],
        };
        make_tables(session, &shape, *kind != Some(Kind::Root), &[]).map_err(too_many)?;
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
