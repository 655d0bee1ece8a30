//! Running the operations of a bundle, in the order of a FHIR transaction (R4, section 3.1.0.11.2).
//!
//! Locks are taken in an order that comes from names, keys and ids alone, so that two bundles do not
//! wait for each other: first those of criteria, by their numbers; then all rows that are known to
//! be written, linked or demanded, by profile and id; then links. What a bundle writes after that it
//! holds already, or it is new, and what is new is made in that order too.
//!
//! What operations say can depend on what criteria find, and so can criteria: they are read anew until
//! nothing more is found.

use super::hold::{Held, hold};
use super::operation::{Content, Operation, Verb, check_distinct, same};
use super::pass;
use super::results::Results;
use crate::pg::{Error, Reading, Result, Session, State, check_for_interrupts};
use crate::store::Outcome;
use crate::store::row::Stored;
use crate::store::{cluster, reference, refusal};
use crate::verb::criteria::{self, Criteria};
use crate::verb::part::Part;
use crate::verb::resource::{create_if, upsert_if};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// What the criteria of operations have led to, by their places: a resource that matches, or none.
pub type Matches = HashMap<usize, Option<Stored>>;

/// One operation's document, a root container: the bundle's own where nothing in it changes.
pub type Document<'b> = Cow<'b, [u8]>;

/// What a bundle asks for.
pub trait Script<'b> {
    /// What its errors name.
    fn part(&self) -> Part;

    /// The places of its operations in the bundle.
    fn places(&self) -> Range<usize>;

    /// Its documents with the ids that are known now.
    fn documents(&self) -> Result<Vec<Document<'b>>>;

    /// Its operations, whose content is in the documents.
    fn operations<'d>(&self, documents: &'d [Document<'_>]) -> Result<Vec<Operation<'d>>>;

    /// Takes what criteria have found; tells whether that changes what it asks for.
    fn learn(&mut self, matches: &Matches) -> Result<bool>;

    /// Whether what an operation writes depends on what the others have written.
    fn is_late(&self, _index: usize) -> bool {
        false
    }

    /// Takes what the others have written, for those that depend on it.
    fn refer(&mut self, _operations: &[&Operation<'_>], _results: &Results) -> Result<()> {
        Ok(())
    }
}

/// Runs all operations.
pub fn run(script: &mut dyn Script<'_>) -> Result<Results> {
    let part = script.part();
    let mut results = Results::new(part, script.places());
    let ((), unmet) = reference::deferred(|| apply(script, &mut results))?;
    match unmet
        .into_iter()
        .min_by_key(|unmet| results.place_of(unmet))
    {
        None => Ok(results),
        Some(unmet) => Err(match results.place_of(&unmet) {
            usize::MAX => unmet.error,
            place => part.name(place, unmet.error),
        }),
    }
}

/// How often criteria can depend on what others have found.
const ROUNDS: usize = 64;

fn apply(script: &mut dyn Script<'_>, results: &mut Results) -> Result<()> {
    let part = script.part();
    let documents = script.documents()?;
    let mut operations = script.operations(&documents)?;
    check_distinct(&operations, false, part)?;
    let mut known = HashSet::new();
    let keys = wait(&operations, &mut known, part)?;
    let gone = seek(&mut operations, part)?;
    if !gone.is_empty() {
        check_distinct(&operations, false, part)?;
    }
    let held = hold(&operations, &keys, part)?;
    for operation in goes(&operations) {
        results.alone(operation)?;
    }
    let mut matches = Matches::new();
    find_all(&operations, &keys, &mut matches, part)?;
    if !script.learn(&matches)? {
        return write(script, operations, &matches, &held, results);
    }
    for _ in 0..ROUNDS {
        let documents = script.documents()?;
        let mut operations = script.operations(&documents)?;
        for operation in &mut operations {
            if let Some(id) = gone.get(&operation.index) {
                operation.id = id.clone().map(Into::into);
            }
        }
        let keys = wait(&operations, &mut known, part)?;
        find_all(&operations, &keys, &mut matches, part)?;
        if keys.is_empty() || !script.learn(&matches)? {
            return write(script, operations, &matches, &held, results);
        }
    }
    Err(Error::refuse(
        State::BadRequest,
        format!("criteria of the {} depend on each other", part.words()),
    ))
}

/// The number of criteria, and the place of their operation among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    number: u64,
    /// The place.
    pub place: usize,
}

/// Waits for callers with the same criteria, in the order of their numbers, and gives those that are
/// not known yet. An identity keeps callers apart by its index, one row at a time; who has several
/// rows at once could then meet another in the opposite order.
fn wait(operations: &[Operation<'_>], known: &mut HashSet<Key>, part: Part) -> Result<Vec<Key>> {
    let mut keys: Vec<Key> = operations
        .iter()
        .enumerate()
        .filter_map(|(place, operation)| {
            let number = operation.awaits()?.lock_number(&operation.guarded);
            Some(number.map(|number| Key { number, place }))
        })
        .collect::<Result<_>>()?;
    keys.sort_unstable();
    for pair in keys.windows(2) {
        if let [one, other] = pair
            && one.number == other.number
            && let (Some(one), Some(other)) =
                (operations.get(one.place), operations.get(other.place))
        {
            return Err(same(one.index, other.index, part));
        }
    }
    keys.retain(|key| known.insert(*key));
    for key in &keys {
        check_for_interrupts()?;
        if let Some(operation) = operations.get(key.place)
            && let Some(criteria) = operation.awaits()
        {
            let table = operation.guarded.table()?;
            cluster::wait_for_criteria(table, key.number, || criteria.canonical())?;
        }
    }
    Ok(keys)
}

/// Finds what criteria say is to go away, before anything does.
fn seek(operations: &mut [Operation<'_>], part: Part) -> Result<HashMap<usize, Option<String>>> {
    let mut gone = HashMap::new();
    let deletes = operations.iter().filter(|one| one.verb == Verb::DeleteIf);
    let mut passed = pass::find(deletes)?;
    for operation in operations {
        if operation.verb != Verb::DeleteIf {
            continue;
        }
        check_for_interrupts()?;
        let Some(criteria) = &operation.criteria else {
            continue;
        };
        let found = find_one(operation, criteria, &mut passed);
        let found = found.map_err(|error| part.name(operation.index, error))?;
        match (&found, operation.expected) {
            (Some(stored), expected) => operation.expected = expected.or(Some(stored.version)),
            (None, Some(expected)) => {
                let error = refusal::stale(&operation.guarded, expected, 0);
                return Err(part.name(operation.index, error));
            }
            (None, None) => {}
        }
        let id = found.map(|stored| stored.id);
        operation.id = id.clone().map(Into::into);
        gone.insert(operation.index, id);
    }
    Ok(gone)
}

/// What goes away: links before the resources that they link.
fn goes<'o, 'a>(operations: &'o [Operation<'a>]) -> Vec<&'o Operation<'a>> {
    let mut gone: Vec<&Operation<'_>> = operations
        .iter()
        .filter(|operation| operation.verb.takes_away())
        .collect();
    gone.sort_by(|one, other| order(one).cmp(&order(other)));
    gone
}

/// By kind, name and id: the same for every bundle.
fn order<'o>(operation: &'o Operation<'_>) -> (bool, &'o str, Option<&'o str>) {
    (
        operation.verb != Verb::Unlink,
        operation.guarded.name(),
        operation.id.as_deref(),
    )
}

/// What the criteria match, when what goes away is gone.
fn find_all(
    operations: &[Operation<'_>],
    keys: &[Key],
    matches: &mut Matches,
    part: Part,
) -> Result<()> {
    let mut passed = pass::find(of_keys(operations, keys))?;
    for key in keys {
        check_for_interrupts()?;
        let Some(operation) = operations.get(key.place) else {
            continue;
        };
        let Some(criteria) = &operation.criteria else {
            continue;
        };
        let found = find_one(operation, criteria, &mut passed);
        let found = found.map_err(|error| part.name(operation.index, error))?;
        matches.insert(operation.index, found);
    }
    Ok(())
}

/// The operations that keys are of.
pub fn of_keys<'o, 'a>(
    operations: &'o [Operation<'a>],
    keys: &'o [Key],
) -> impl Iterator<Item = &'o Operation<'a>> {
    keys.iter().filter_map(|key| operations.get(key.place))
}

/// What the criteria of an operation match, if it is not known from a pass over all resources.
fn find_one(
    operation: &Operation<'_>,
    criteria: &Criteria,
    passed: &mut HashMap<usize, Vec<Stored>>,
) -> Result<Option<Stored>> {
    let guarded = &operation.guarded;
    match passed.remove(&operation.index) {
        Some(found) => create_if::only(guarded, found),
        None => Session::open(|session| create_if::find_one(session, guarded, criteria)),
    }
}

/// Writes what is new, what changes, and the links; what depends on others after them.
fn write(
    script: &mut dyn Script<'_>,
    mut operations: Vec<Operation<'_>>,
    matches: &Matches,
    held: &Held,
    results: &mut Results,
) -> Result<()> {
    let part = script.part();
    settle(&mut operations, matches, part)?;
    // It was checked before, as far as ids were known.
    if operations.iter().any(|one| one.awaits().is_some()) || !matches.is_empty() {
        check_distinct(&operations, true, part)?;
    }
    let writes = operations.iter().filter(|one| !one.verb.takes_away());
    let (late, now): (Vec<_>, Vec<_>) = writes.partition(|one| script.is_late(one.index));
    warn_of_strangers(&now, part, results)?;
    put(now, matches, held, results)?;
    if !late.is_empty() {
        script.refer(&late, results)?;
        let documents = script.documents()?;
        let mut operations = script.operations(&documents)?;
        settle(&mut operations, matches, part)?;
        let writes = operations.iter().filter(|one| !one.verb.takes_away());
        let late: Vec<_> = writes.filter(|one| script.is_late(one.index)).collect();
        warn_of_strangers(&late, part, results)?;
        put(late, matches, held, results)?;
    }
    match part {
        Part::Entry => check_apart(&operations, results, part),
        _ => Ok(()),
    }
}

/// Gives operations the ids that their criteria have found.
fn settle(operations: &mut [Operation<'_>], matches: &Matches, part: Part) -> Result<()> {
    for operation in operations {
        check_for_interrupts()?;
        match matches.get(&operation.index) {
            Some(Some(stored)) => {
                if operation.verb == Verb::UpsertIf {
                    upsert_if::check_id(&operation.guarded, operation.id.as_deref(), stored)
                        .map_err(|error| part.name(operation.index, error))?;
                }
                operation.id = Some(stored.id.clone().into());
                operation.is_new = false;
            }
            // Nothing that is new can be the match of another's criteria, or it is told afterwards:
            // it is made together with the others.
            Some(None) if part == Part::Entry && operation.expected.is_none() => {
                if let Verb::CreateIf | Verb::UpsertIf = operation.verb {
                    operation.verb = Verb::Create;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Warns, by the first, of what is made for criteria and does not meet them: those that are written
/// together are not looked at one by one.
fn warn_of_strangers(
    operations: &[&Operation<'_>],
    part: Part,
    results: &mut Results,
) -> Result<()> {
    let mut is_warned = false;
    for operation in operations {
        check_for_interrupts()?;
        if let (Verb::Create, Some(criteria), Content::Body(body)) =
            (operation.verb, &operation.criteria, &operation.content)
            && !criteria.matches(body.data)?
        {
            results.note_unmet(operation.index);
            if !std::mem::replace(&mut is_warned, true) {
                let name = format!("{} {}: ", part.word(), operation.index);
                criteria::warn(&operation.guarded, &name)?;
            }
        }
    }
    Ok(())
}

fn put(
    mut operations: Vec<&Operation<'_>>,
    matches: &Matches,
    held: &Held,
    results: &mut Results,
) -> Result<()> {
    operations.sort_by_key(|operation| {
        (
            step(operation, matches, held),
            operation.guarded.name(),
            operation.criteria.is_some(),
            operation.id.as_deref(),
        )
    });
    let links = operations.partition_point(|operation| !operation.verb.is_of_links());
    let (resources, links) = operations.split_at(links);
    results.in_turn(resources, matches)?;
    for operation in links {
        results.alone(operation)?;
    }
    Ok(())
}

/// Which come first: what is new, what changes, links.
fn step(operation: &Operation<'_>, matches: &Matches, held: &Held) -> u8 {
    match operation.verb {
        Verb::Create => 0,
        Verb::CreateIf | Verb::UpsertIf => match matches.get(&operation.index) {
            Some(Some(_)) => 1,
            _ => 0,
        },
        Verb::Upsert => {
            let id = operation.id.as_deref().unwrap_or_default();
            u8::from(held.contains(&(operation.guarded.name().to_owned(), id.to_owned())))
        }
        Verb::Patch | Verb::PatchIf => 1,
        _ => 2,
    }
}

/// Refuses what the bundle itself has made or changed to meet the criteria of another: had it been
/// there before, the other would have found it, and which comes first would be a guess.
fn check_apart(operations: &[Operation<'_>], results: &Results, part: Part) -> Result<()> {
    if operations
        .iter()
        .all(|operation| operation.criteria.is_none())
    {
        return Ok(());
    }
    let mut written = pass::Written::new();
    for (index, done) in results.iter() {
        if let Outcome::Created | Outcome::Updated = done.outcome {
            let of = written.entry(done.guarded.name()).or_default();
            of.insert(&done.id, index);
        }
    }
    let mut scanned = Vec::new();
    for operation in operations {
        let Some(criteria) = operation
            .criteria
            .as_ref()
            .filter(|_| operation.verb != Verb::DeleteIf)
        else {
            continue;
        };
        let own = results.id(operation.index);
        let Some(others) = written.get(operation.guarded.name()) else {
            continue;
        };
        let is_alone = others.len() == usize::from(own.is_some_and(|own| others.contains_key(own)));
        if is_alone {
            continue;
        }
        check_for_interrupts()?;
        if pass::is_for_a_pass(criteria) {
            scanned.push(operation);
            continue;
        }
        let table = operation.guarded.table()?;
        let found = Session::open(|session| criteria.search.find(session, table, Reading::Fresh))?;
        for stored in found {
            if Some(stored.id.as_str()) != own
                && let Some(other) = others.get(stored.id.as_str())
            {
                return Err(same(*other, operation.index, part));
            }
        }
    }
    match pass::find_written(scanned.into_iter(), results, &written)? {
        Some((index, other)) => Err(same(other, index, part)),
        None => Ok(()),
    }
}
