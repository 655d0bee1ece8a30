//! Running the operations of a bundle.

use super::operation::{Content, Operation, Verb};
use super::{Done, at};
use crate::api::link;
use crate::api::load::{Incoming, Landed, Mode, OnError, write_all};
use crate::api::resource::{create_if, delete, patch, upsert};
use crate::pg::{Error, Result, Session, check_for_interrupts};
use crate::store::Outcome;
use ingest_engine::Resource;
use std::collections::{HashMap, HashSet};

/// Runs all operations; the answers stand in the order of the bundle. They are run in an order that
/// is the same for all bundles, resources by profile and id and then links, so that two bundles
/// cannot wait for each other; but a resource whose existence others demand comes before them.
pub fn run(operations: &[Operation<'_>]) -> Result<Vec<Done>> {
    let mut done: Vec<Option<Done>> = operations.iter().map(|_| None).collect();
    let ranks = ranks(operations)?;
    let mut order: Vec<&Operation<'_>> = operations.iter().collect();
    order.sort_by_key(|operation| {
        let name = operation.guarded.name();
        let rank = ranks.get(name).copied().unwrap_or(0);
        // What has no id yet is found by criteria, and comes last.
        (
            operation.verb.is_of_links(),
            rank,
            name,
            operation.id.is_none(),
            operation.id.as_deref(),
        )
    });
    let same = |a: &&Operation<'_>, b: &&Operation<'_>| {
        mode(a).is_some() && mode(a) == mode(b) && a.guarded.name() == b.guarded.name()
    };
    for group in order.chunk_by(same) {
        check_for_interrupts()?;
        match group {
            [operation, ..] if mode(operation).is_some() => together(group, &mut done)?,
            group => {
                for operation in group {
                    let one = Session::open(|session| alone(session, operation));
                    set(
                        &mut done,
                        operation.index,
                        one.map_err(|error| at(operation.index, error))?,
                    );
                }
            }
        }
    }
    done.into_iter()
        .map(|done| done.ok_or(Error::Bug("an operation was left out of a bundle".into())))
        .collect()
}

/// How late each profile comes: after those whose resources it demands by enforced references.
fn ranks(operations: &[Operation<'_>]) -> Result<HashMap<String, usize>> {
    let mut demands: HashMap<String, HashSet<String>> = HashMap::new();
    for operation in operations {
        let Content::Body(body) = &operation.content else {
            continue;
        };
        let id = operation.id.as_deref().unwrap_or_default();
        let resource = Resource {
            id,
            data: body.data,
            contained: body.contained,
        };
        let (checked, _) = operation
            .guarded
            .check(&resource)
            .map_err(|error| at(operation.index, error))?;
        let of = demands
            .entry(operation.guarded.name().to_owned())
            .or_default();
        of.extend(
            checked
                .references
                .into_iter()
                .map(|reference| reference.profile),
        );
    }
    let mut ranks: HashMap<String, usize> = demands.keys().map(|name| (name.clone(), 0)).collect();
    // As many rounds as there are profiles; a circle only ends the counting.
    for _ in 0..demands.len() {
        for (name, wanted) in &demands {
            let ranked = wanted.iter().filter(|wanted| *wanted != name);
            let after = ranked.filter_map(|wanted| ranks.get(wanted)).max();
            if let Some(after) = after.map(|rank| rank + 1) {
                ranks
                    .entry(name.clone())
                    .and_modify(|rank| *rank = (*rank).max(after));
            }
        }
    }
    Ok(ranks)
}

fn set(done: &mut [Option<Done>], index: usize, one: Done) {
    if let Some(place) = done.get_mut(index) {
        *place = Some(one);
    }
}

/// How an operation is written together with others of its kind, if it is.
fn mode(operation: &Operation<'_>) -> Option<Mode> {
    match operation.verb {
        Verb::Create => Some(Mode::Create),
        Verb::Upsert if operation.expected.is_none() => Some(Mode::Upsert),
        _ => None,
    }
}

fn together(group: &[&Operation<'_>], done: &mut [Option<Done>]) -> Result<()> {
    let Some((first, mode)) = group.first().and_then(|first| Some((first, mode(first)?))) else {
        return Ok(());
    };
    let mut incoming = Vec::with_capacity(group.len());
    for operation in group {
        let Content::Body(body) = &operation.content else {
            continue;
        };
        incoming.push(Incoming::new(
            operation.index,
            *body,
            operation.id.as_deref(),
        )?);
    }
    let landed = write_all(&first.guarded, &incoming, mode, OnError::Abort, "operation")?;
    for (one, landed) in incoming.iter().zip(landed) {
        if let Landed::Written(outcome, version) = landed {
            set(
                done,
                one.place,
                Done::new(outcome, one.id.clone().into_owned(), version),
            );
        }
    }
    Ok(())
}

impl Done {
    fn new(outcome: Outcome, id: String, version: i32) -> Self {
        Self {
            outcome: outcome.as_str(),
            id,
            version,
        }
    }
}

fn alone(session: &Session, operation: &Operation<'_>) -> Result<Done> {
    let guarded = &*operation.guarded;
    let id = operation.id.as_deref();
    let needed = id.unwrap_or_default();
    let expected = operation.expected;
    match (&operation.content, operation.verb) {
        (Content::Body(body), _) => {
            let (outcome, stored) = upsert::write(session, guarded, body, needed, expected)?;
            Ok(Done::new(outcome, stored.id, stored.version))
        }
        (Content::Conditional(criteria, body), verb) => {
            let found = match verb {
                Verb::UpsertIf => {
                    crate::api::resource::upsert_if::write(session, guarded, criteria, body, id)?
                }
                _ => create_if::write(session, guarded, criteria, body, id)?,
            };
            Ok(Done::new(found.0, found.1.id, found.1.version))
        }
        (Content::Patch(patch), _) => {
            let (outcome, stored) = patch::write(session, guarded, needed, *patch, expected)?;
            Ok(Done::new(outcome, stored.id, stored.version))
        }
        (Content::Link(body), Verb::Link) => {
            let made = link::write::make(session, guarded, body)?;
            Ok(Done::new(Outcome::Created, made.id, made.version))
        }
        (Content::Link(body), _) => {
            let (outcome, made) = link::upsert::put(session, guarded, body, expected)?;
            Ok(Done::new(outcome, made.id, made.version))
        }
        (Content::Pair(pair), _) => {
            let (version, _) = link::unlink::write(session, guarded, *pair, expected)?;
            let id = link::id_of(guarded, *pair)?;
            Ok(Done::new(Outcome::Deleted, id, version))
        }
        (Content::Nothing, _) => {
            let (version, _) =
                delete::write(session, guarded, needed, expected, operation.cascade)?;
            Ok(Done::new(Outcome::Deleted, needed.to_owned(), version))
        }
    }
}
