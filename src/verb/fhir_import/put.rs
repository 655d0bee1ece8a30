//! What is new goes into the catalog; what is there already stays as it is.

use super::read::{Given, Part};
use super::{Outcome, Told};
use crate::pg::{Result, Session, check_for_interrupts};
use crate::store::{definition, import as store};
use ingest_engine::definition::fhir::{self, Reduced};
use ingest_engine::{Description, Kind};
use jsonb::Value;
use std::collections::HashMap;

/// What has changed in the catalog.
#[derive(Debug, Default)]
pub struct Changes {
    /// Types that have a new definition, their first or another.
    pub defined: Vec<String>,
    /// Those of them that had one before.
    pub updated: Vec<String>,
    /// Whether a value set or a code system has come or changed.
    pub terminology: bool,
}

/// Writes what differs from what the catalog has.
pub fn put(session: &Session, source: &str, given: &[Given]) -> Result<(Vec<Told>, Changes)> {
    let names = given.iter().filter_map(|at| match &at.part {
        Part::Type(description, _) => Some(description.name.as_str()),
        _ => None,
    });
    let names: Vec<&str> = names.collect();
    let current = store::current(session, source, &names)?;
    let current: HashMap<&str, &store::Current> =
        current.iter().map(|at| (at.name.as_str(), at)).collect();
    let rows = store::described(session, source, &names)?;
    let rows: HashMap<&str, &Description> = rows.iter().map(|at| (at.name.as_str(), at)).collect();
    let mut changes = Changes::default();
    let (mut types, mut kept, mut told) = (Vec::new(), Vec::new(), Vec::new());
    for one in given {
        check_for_interrupts()?;
        let mut issues = one.issues.clone();
        let outcome = match &one.part {
            Part::Nothing => Outcome::Skipped,
            Part::Type(description, content) => {
                let before = current.get(description.name.as_str()).copied();
                let known = rows.get(description.name.as_str()).copied();
                if let Some(other) = taken(before, &one.url)? {
                    issues = vec![format!("{} is defined by {other}", description.name)];
                    Outcome::Skipped
                } else {
                    let (outcome, next) = next(description, content, before, known);
                    if let Some(next) = next {
                        changes.defined.push(next.name.clone());
                        if outcome == Outcome::Updated {
                            changes.updated.push(next.name.clone());
                        }
                        types.push((next, content.as_slice()));
                    }
                    outcome
                }
            }
            Part::Kept(reduced)
                if is_of_another_type(
                    store::kept(session, source, reduced.kind.as_str(), &reduced.url)?.as_deref(),
                    reduced,
                )? =>
            {
                issues = vec!["there is a profile of this URL, of another type".to_owned()];
                Outcome::Skipped
            }
            Part::Kept(reduced) => {
                let before = store::kept(session, source, reduced.kind.as_str(), &reduced.url)?;
                let outcome = match before {
                    None => Outcome::Created,
                    Some(before) if before == reduced.content => Outcome::Unchanged,
                    Some(_) => Outcome::Updated,
                };
                if outcome != Outcome::Unchanged {
                    let of_terminology = [fhir::Kind::ValueSet, fhir::Kind::CodeSystem];
                    changes.terminology |= of_terminology.contains(&reduced.kind);
                    // What rows claim says something else now, or something at all.
                    changes.updated.extend(type_of(&reduced.content)?);
                    kept.push(reduced);
                }
                outcome
            }
        };
        told.push(Told {
            kind: one.kind.clone(),
            url: one.url.clone(),
            name: one.name.clone(),
            outcome,
            issues,
        });
    }
    let described: Vec<_> = types.iter().map(|(at, content)| (at, *content)).collect();
    definition::put_types(session, source, &described)?;
    store::keep(session, source, &kept)?;
    Ok((told, changes))
}

/// The type that a profile is of, by its content; of what is no profile, none.
fn type_of(content: &[u8]) -> Result<Option<String>> {
    let Value::Object(content) = Value::read(content)? else {
        return Ok(None);
    };
    let is_structure = matches!(content.get(b"resourceType")?,
        Some(Value::String(kind)) if kind == b"StructureDefinition");
    Ok(match content.get(b"type")? {
        Some(Value::String(name)) if is_structure => {
            Some(String::from_utf8_lossy(name).into_owned())
        }
        _ => None,
    })
}

/// Whether a profile would take the place of one of another type, which tables can be bound to.
fn is_of_another_type(before: Option<&[u8]>, profile: &Reduced) -> Result<bool> {
    let before = before.map(type_of).transpose()?.flatten();
    Ok(before.is_some() && before != type_of(&profile.content)?)
}

/// The canonical of another definition that has the name of a type.
fn taken(before: Option<&store::Current>, url: &str) -> Result<Option<String>> {
    let Some(before) = before else {
        return Ok(None);
    };
    let known = match Value::read(&before.definition)? {
        Value::Object(definition) => definition.get(b"url")?,
        _ => None,
    };
    Ok(match known {
        Some(Value::String(known)) if known != url.as_bytes() => {
            Some(String::from_utf8_lossy(known).into_owned())
        }
        _ => None,
    })
}

/// What becomes of a type, and its description in the version that it has then. A resource type
/// without a table is one that stands in others alone.
fn next(
    description: &Description,
    content: &[u8],
    before: Option<&store::Current>,
    rows: Option<&Description>,
) -> (Outcome, Option<Description>) {
    // The same definition can have other rows, since a later version of the extension reads it.
    let same = rows.is_some_and(|rows| {
        rows.base == description.base && rows.properties == description.properties
    });
    let version = match before {
        Some(before) if same && before.definition == content => return (Outcome::Unchanged, None),
        Some(before) => before.version + 1,
        None => 1,
    };
    let has_table = before.is_some_and(|before| before.kind == Kind::Root);
    let kind = match description.kind {
        Kind::Root if !has_table => Kind::Contained,
        kind => kind,
    };
    let outcome = match version {
        1 => Outcome::Created,
        _ => Outcome::Updated,
    };
    let next = Description {
        version,
        kind,
        ..description.clone()
    };
    (outcome, Some(next))
}
