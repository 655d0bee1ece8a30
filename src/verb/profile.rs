//! `ingest.profile_define(source, profile, definition)`, `ingest.profile_drop(source, profile, cascade)`

use super::definition::{Defined, describe_tables, drop_tables, make_tables, said_before};
use super::{fhir_profiles, resource, row};
use crate::pg::{Answer, Arg, Call, Error, Reading, Result, Session, State, datum_of_jsonb, kind};
use crate::store::ddl::Lock;
use crate::store::health::{self, IndexState, Shape};
use crate::store::index::{Index, declared};
use crate::store::refusal;
use crate::store::site::{self, Site};
use crate::store::table::Form;
use crate::store::{
    Guarded, Name, cache, ddl, definition, find, history, import, links, search_index, source,
};
use ingest_engine::{Definition, Format, Kind, Said, Style};
use jsonb::{Value, from_text};

/// Defines a profile: the first version makes its table, the next ones only new rules.
pub fn define(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let profile = Name::new(call.need_text(1, "profile")?, "profile")?;
    let given = call.need_jsonb(2, "definition")?;
    let (defined, version) =
        Session::open(
            |session| match source::lock_and_format(session, source.as_str())? {
                Some(Format::Fhir) => fhir_profiles::bind(session, &source, &profile, given),
                _ => put(session, &source, &profile, given),
            },
        )?;
    defined.answer(source.as_str(), "profile", profile.as_str(), version)
}

/// What defines in a source of FHIR.
const DEFINED_BY_IMPORT: &str =
    "ingest.fhir_import(source, definitions) defines types of FHIR and makes their tables.";

fn put(
    session: &Session,
    source: &Name,
    profile: &Name,
    given: Value<'_>,
) -> Result<(Defined, i32)> {
    let bytes = super::body::root(given)?;
    let current = definition::current(session, source.as_str(), profile.as_str())?;
    if let Some(current) = &current
        && current.definition == *bytes
    {
        let said = Said::read(given)?;
        let repaired = current.kind == Kind::Root && {
            let known = find(source.as_str(), profile.as_str())?;
            let shape = Shape {
                source,
                name: profile,
                form: known.form(),
                ends: None,
                indexes: &known.indexes,
                searches: &[],
            };
            let repaired = make_tables(session, &shape, false, &[])?;
            if repaired && said != Said::default() {
                describe_tables(session, &shape, &said)?;
            }
            repaired
        };
        return Ok((Defined::again(repaired), current.version));
    }
    let read = Definition::read(profile.as_str(), given)
        .map_err(|issues| refusal::of_definition(profile.as_str(), &issues))?;
    cache::accept(source.as_str(), &read)?;
    if let Some(current) = &current
        && current.kind != read.kind()
    {
        return Err(kind_changes(profile, current.kind));
    }
    let version = current.as_ref().map_or(0, |current| current.version) + 1;
    if read.kind() == Kind::Root {
        let before = match &current {
            Some(_) => find(source.as_str(), profile.as_str())?.indexes.clone(),
            None => Vec::new(),
        };
        let after = indexes_of(&read);
        let dropped = before.iter().filter(|index| !after.contains(index));
        let dropped: Vec<Index> = dropped.cloned().collect();
        let shape = Shape {
            source,
            name: profile,
            form: Form::Native,
            ends: None,
            indexes: &after,
            searches: &[],
        };
        if current.is_some() {
            check_builds(session, &shape, &before)?;
        }
        make_tables(session, &shape, current.is_none(), &dropped)?;
        let (before, said) = (said_before(current.as_ref())?, Said::read(given)?);
        if before != said {
            describe_tables(session, &shape, &said)?;
        }
    }
    let row = definition::Row {
        read: &read,
        version,
        given: &bytes,
    };
    definition::put(session, source.as_str(), &[row])?;
    if current.is_some() && read.kind() != Kind::Root {
        definition::renew_users(session, source.as_str(), profile.as_str())?;
    }
    let defined = if version == 1 {
        Defined::Created
    } else {
        Defined::Updated
    };
    Ok((defined, version))
}

/// Refuses a definition whose new index is being built by hand, or could not be: it would be made
/// here while all writers wait, which who builds it so wants to spare them.
fn check_builds(session: &Session, shape: &Shape<'_>, before: &[Index]) -> Result<()> {
    let states = health::index_states(session, shape)?;
    for (index, (name, state)) in shape.indexes.iter().zip(states) {
        if state == IndexState::Invalid && !before.contains(index) {
            let (schema, profile) = (shape.source, shape.name);
            return Err(Error::refuse(
                State::Conflict,
                format!("the index {name} of {profile} is not valid"),
            )
            .hint(format!(
                "Wait while CREATE INDEX CONCURRENTLY runs; if it has failed, DROP INDEX {}.\"{name}\".",
                schema.quoted()
            )));
        }
    }
    Ok(())
}

/// `ingest.profile_indexes(source, profile, definition)`: the indexes that are declared, or would be.
pub fn indexes(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = resource::profile_of(call)?;
    let source = Name::new(guarded.source_name(), "source")?;
    let name = Name::new(guarded.name(), "profile")?;
    let declared = match call.jsonb(2)? {
        None => guarded.indexes.clone(),
        Some(given) => {
            check_native(&guarded)?;
            let read = Definition::read(guarded.name(), Value::read(given)?)
                .map_err(|issues| refusal::of_definition(guarded.name(), &issues))?;
            cache::accept(source.as_str(), &read)?;
            indexes_of(&read)
        }
    };
    let shape = Shape {
        source: &source,
        name: &name,
        form: guarded.form(),
        ends: None,
        indexes: &declared,
        searches: &[],
    };
    let sink = call.materialize()?;
    let states = Session::open(|session| health::index_states(session, &shape))?;
    for (index, (index_name, state)) in declared.iter().zip(states) {
        let statement = index.create(&source, &name, "CONCURRENTLY ");
        sink.push(&[
            Arg::Text(&index_name),
            Arg::Text(&statement),
            Arg::Text(state.as_str()),
        ])?;
    }
    Ok(Answer::Null)
}

/// Refuses what is no profile of native definitions, where one is given for it.
pub fn check_native(guarded: &Guarded) -> Result<()> {
    match guarded.form() {
        Form::Fhir => Err(Error::refuse(
            State::BadRequest,
            format!("{} is a type of FHIR", guarded.name()),
        )
        .hint(DEFINED_BY_IMPORT)),
        Form::Native | Form::Link => Ok(()),
    }
}

/// The indexes that a definition declares.
pub fn indexes_of(definition: &Definition) -> Vec<Index> {
    declared(definition.identities(), definition.indexes())
}

/// The refusal to make something else of what is defined.
pub fn kind_changes(profile: &Name, kind: Kind) -> Error {
    match kind {
        Kind::Relationship => {
            Error::refuse(State::Conflict, format!("{profile} is a relationship"))
                .hint("A profile and a relationship cannot share a name: both name a table.")
        }
        kind => Error::refuse(
            State::Conflict,
            format!("{profile} is defined with type {}", kind.as_str()),
        )
        .hint("The type of a profile cannot change; drop it first, or choose another name."),
    }
}

/// `ingest.profile_json_schema(source, profile, part, strict)`: what the data of a profile must be,
/// or the whole resource, for others.
pub fn json_schema(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = find(call.need_text(0, "source")?, call.need_text(1, "profile")?)?;
    let whole = match call.text(2)? {
        None | Some("data") => false,
        Some("resource") => true,
        Some(_) => {
            let message = "part is not data or resource";
            return Err(Error::refuse(State::BadRequest, message).hint(
                "'data': what data must be; 'resource': the whole resource, with what it contains.",
            ));
        }
    };
    let strict = call.bool(3)?;
    let schema = from_text(&guarded.json_schema(Style { whole, strict })?)
        .map_err(|_| Error::Bug("a JSON Schema is not JSON".into()))?;
    datum_of_jsonb(&schema)
}

/// `ingest.profile_purge(source, profile, cascade)`: deletes rows and history for ever.
pub fn purge(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let profile = call.need_text(1, "profile")?;
    let cascade = call.bool(2)?;
    let purge_at = |session: &Session, site: Site| {
        let guarded = find(source.as_str(), profile)?;
        guarded.table()?;
        if site == Site::Elsewhere {
            let args = [
                Arg::Text(source.as_str()),
                Arg::Text(profile),
                Arg::Bool(cascade),
            ];
            let call = ("profile_purge", "done");
            let types = &[kind::TEXT, kind::TEXT, kind::BOOL];
            let rows = site::carry(session, &guarded, call, &args, types)?
                .ok_or_else(|| row::may_not(&guarded))?;
            return Ok(rows.first().map_or(0, |row| row.int8(1)));
        }
        let touching = match guarded.is_relationship() {
            true => Vec::new(),
            false => links::touching(session, source.as_str(), profile)?,
        };
        let relationships = touching
            .iter()
            .map(|at| find(source.as_str(), &at.relationship))
            .collect::<Result<Vec<_>>>()?;
        let touched = site::tables(relationships.iter().chain([&guarded]))?;
        let purged = source::as_schema_owner(session, source.as_str(), || {
            ddl::lock_tables(session, &source, &touched, Lock::Writers)?;
            let mut linked = Vec::new();
            for relationship in &relationships {
                let table = relationship.table()?;
                if cascade {
                    purge_one(session, &source, relationship)?;
                } else if ddl::table_holds_rows(session, &source, table, Reading::Latest)? {
                    let count = ddl::count_rows(session, &source, &table.name)?;
                    let noun = if count == 1 { "link" } else { "links" };
                    linked.push(format!("{} ({count} {noun})", relationship.name()));
                }
            }
            if !linked.is_empty() {
                return Err(links_stay(profile, &linked.join(", ")));
            }
            purge_one(session, &source, &guarded)
        })?;
        Ok(i64::try_from(purged).unwrap_or(i64::MAX))
    };
    let purged =
        Session::open(|session| site::at(session, &source, |site| purge_at(session, site)))?;
    Ok(Answer::int8(purged))
}

/// The refusal to purge what relationships hold links or history of.
fn links_stay(profile: &str, by: &str) -> Error {
    Error::refuse(
        State::Conflict,
        format!("rows of {profile} have links, or had them: {by}"),
    )
    .hint("cascade => true purges those relationships too, their links and history, for ever; they stay defined.")
}

/// Purges one table that the caller has locked. What is left of it then was kept by a trigger or a
/// rule, or is newer than the snapshot of the transaction.
fn purge_one(session: &Session, source: &Name, guarded: &Guarded) -> Result<u64> {
    let purged = history::purge(session, guarded.table()?).map_err(|error| {
        if !error.is_postgres(b"23503") {
            return error;
        }
        let by = error.constraint().map_or("", |(_, _, table)| table);
        refusal::referred_to(guarded, by)
    })?;
    let holds = |reading| ddl::table_holds_rows(session, source, guarded.table()?, reading);
    if !holds(Reading::Latest)? {
        return Ok(purged);
    }
    match holds(Reading::Fresh)? {
        true => Err(refusal::swallowed(guarded)),
        false => Err(source::newer_than_snapshot()),
    }
}

/// Drops a profile; while it holds rows or is used, only with cascade. Of a type of FHIR only the
/// table goes: it may stand in other resources.
pub fn drop(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let profile = call.need_text(1, "profile")?;
    let cascade = call.bool(2)?;
    Session::open(|session| {
        source::lock_for_definition(session, source.as_str())?;
        let guarded = find(source.as_str(), profile)?;
        if guarded.is_relationship() {
            return Err(
                Error::refuse(State::BadRequest, format!("{profile} is a relationship"))
                    .hint("Drop it with ingest.relationship_drop."),
            );
        }
        if guarded.form() == Form::Fhir {
            guarded.table()?;
            drop_tables(session, &source, &[guarded], cascade, holds_rows)?;
            search_index::remove(session, source.as_str(), profile)?;
            return import::take_table(session, source.as_str(), profile);
        }
        let mut users = definition::containers(session, source.as_str(), profile)?;
        users.extend(definition::referrers(session, source.as_str(), profile)?);
        if !users.is_empty() {
            users.sort();
            users.dedup();
            return Err(in_use(profile, &users.join(", ")));
        }
        let relationships = links::touching(session, source.as_str(), profile)?;
        if !relationships.is_empty() && !cascade {
            let names: Vec<_> = relationships
                .iter()
                .map(|at| at.relationship.as_str())
                .collect();
            return Err(in_use(profile, &names.join(", ")));
        }
        let mut doomed = relationships
            .iter()
            .map(|at| find(source.as_str(), &at.relationship))
            .collect::<Result<Vec<_>>>()?;
        if guarded.table.is_some() {
            doomed.push(guarded.clone());
        }
        drop_tables(session, &source, &doomed, cascade, holds_rows)?;
        for at in &relationships {
            definition::remove(session, source.as_str(), &at.relationship)?;
        }
        definition::remove(session, source.as_str(), profile)
    })?;
    Ok(Answer::Null)
}

fn in_use(profile: &str, by: &str) -> Error {
    Error::refuse(
        State::Conflict,
        format!("the profile {profile} is used by {by}"),
    )
    .hint("Change or drop those first; cascade => true drops relationships with their links.")
}

/// The refusal to drop what holds rows.
pub fn holds_rows(name: &str) -> Error {
    Error::refuse(State::Conflict, format!("{name} holds rows or history"))
        .hint("cascade => true drops them for ever.")
}
