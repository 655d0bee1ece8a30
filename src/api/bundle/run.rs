//! Running the operations of a bundle.

use super::operation::{Content, Operation, Verb};
use super::{Done, at};
use crate::api::link;
use crate::api::load::{Incoming, Landed, Mode, OnError, write_all};
use crate::api::resource::{create_if, delete, patch, upsert};
use crate::pg::{Error, Result, Session, check_for_interrupts};
use crate::store::{Outcome, resources};

/// Runs all operations; the answers stand in the order of the bundle. They are run in an order that
/// is the same for all bundles, so that two bundles cannot wait for each other.
pub fn run(operations: &[Operation<'_>]) -> Result<Vec<Done>> {
    let mut done: Vec<Option<Done>> = operations.iter().map(|_| None).collect();
    hold(operations)?;
    for (mode, group) in groups(operations) {
        together(mode, &group, &mut done)?;
    }
    let mut rest: Vec<_> = operations
        .iter()
        .filter(|operation| !is_grouped(operation))
        .collect();
    rest.sort_by_key(|operation| (operation.verb.is_of_links(), key(operation)));
    for operation in rest {
        check_for_interrupts()?;
        let one = Session::open(|session| alone(session, operation));
        set(
            &mut done,
            operation.index,
            one.map_err(|error| at(operation.index, error))?,
        );
    }
    done.into_iter()
        .map(|done| done.ok_or(Error::Bug("an operation was left out of a bundle".into())))
        .collect()
}

fn key<'o>(operation: &'o Operation<'_>) -> (&'o str, Option<&'o str>) {
    (operation.guarded.name(), operation.id.as_deref())
}

/// Holds every resource that is to be changed, by profile and id, before anything is written.
fn hold(operations: &[Operation<'_>]) -> Result<()> {
    let mut held: Vec<_> = operations
        .iter()
        .filter(|operation| !operation.verb.is_of_links() && operation.verb != Verb::Create)
        .filter(|operation| operation.id.is_some())
        .collect();
    held.sort_by_key(|operation| key(operation));
    Session::open(|session| {
        for operation in held {
            let (table, id) = (operation.guarded.table()?, operation.id.as_deref());
            let id = id.unwrap_or_default();
            match operation.verb {
                Verb::Delete => resources::lock_for_delete(session, table, id)?,
                _ => resources::lock(session, table, id)?,
            };
        }
        Ok(())
    })
}

fn set(done: &mut [Option<Done>], index: usize, one: Done) {
    if let Some(place) = done.get_mut(index) {
        *place = Some(one);
    }
}

/// Whether an operation is written together with others of its kind.
fn is_grouped(operation: &Operation<'_>) -> bool {
    match operation.verb {
        Verb::Create => true,
        Verb::Upsert => operation.expected.is_none(),
        _ => false,
    }
}

type Group<'o, 'a> = (Mode, Vec<&'o Operation<'a>>);

/// The creates and upserts, by profile.
fn groups<'o, 'a>(operations: &'o [Operation<'a>]) -> Vec<Group<'o, 'a>> {
    let mut groups: Vec<Group<'o, 'a>> = Vec::new();
    for operation in operations.iter().filter(|operation| is_grouped(operation)) {
        let mode = match operation.verb {
            Verb::Create => Mode::Create,
            _ => Mode::Upsert,
        };
        let same = groups.iter_mut().find(|(known, group)| {
            *known == mode
                && group
                    .first()
                    .is_some_and(|first| first.guarded.name() == operation.guarded.name())
        });
        match same {
            Some((_, group)) => group.push(operation),
            None => groups.push((mode, vec![operation])),
        }
    }
    groups.sort_by_key(|(mode, group)| {
        (
            group.first().map(|first| first.guarded.name()),
            *mode == Mode::Upsert,
        )
    });
    groups
}

fn together(mode: Mode, group: &[&Operation<'_>], done: &mut [Option<Done>]) -> Result<()> {
    let Some(first) = group.first() else {
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
