//! Running the operations of a bundle, in the order of a FHIR transaction (R4, section 3.1.0.11.2).
//!
//! Locks are taken in an order that comes from names, keys and ids alone, so that two bundles do not
//! wait for each other: first those of criteria, by their numbers; then all rows that are known to
//! be written, linked or demanded, by profile and id; then links. What a bundle writes after that it
//! holds already, or it is new, and what is new is made in that order too.

use super::operation::{Content, Operation, Verb, check_distinct, same};
use super::placeholder::Placeholders;
use super::{Done, answer, at, read, resolve};
use crate::pg::{
    Error, NamedLock, Reading, Result, Session, State, check_for_interrupts, lock_name,
    snapshot_is_old,
};
use crate::store::batch::{self, Hold};
use crate::store::reference::{self, Coming, Unmet, telling};
use crate::store::refusal;
use crate::store::row::{RowKey, Stored};
use crate::store::{Guarded, Outcome, find};
use crate::verb::body::{Body, Parts};
use crate::verb::criteria::Criteria;
use crate::verb::link;
use crate::verb::load::{Incoming, Landed, Mode, OnError, write_all};
use crate::verb::resource::{create_if, patch, upsert_if};
use crate::verb::row::{delete_row, put};
use ingest_engine::Resource;
use jsonb::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

/// What the criteria of operations have led to, by their places: a resource that matches, or none.
type Matches = HashMap<usize, Option<Stored>>;

/// Runs all operations; the answer has them in the order of the bundle.
pub fn run(source: &str, given: &[Value<'_>], placeholders: &mut Placeholders) -> Result<Vec<u8>> {
    let resolved = resolve(given, placeholders)?;
    let operations = read(source, &resolved)?;
    check_distinct(&operations, false)?;
    let mut done = Results(operations.iter().map(|_| None).collect());
    let (answer, unmet) = reference::deferred(|| {
        let keys = wait(&operations)?;
        let held = hold(&operations, &keys)?;
        for operation in goes(&operations) {
            done.alone(operation)?;
        }
        let matches = matches(&operations, &keys)?;
        let mut again = false;
        for (index, found) in &matches {
            if let Some(stored) = found {
                again |= placeholders.matched(*index, &stored.id);
            }
        }
        if again {
            let resolved = resolve(given, placeholders)?;
            let mut operations = read(source, &resolved)?;
            write(&mut operations, &matches, &held, &mut done)
        } else {
            let mut operations = operations;
            write(&mut operations, &matches, &held, &mut done)
        }
    })?;
    match unmet.into_iter().min_by_key(|unmet| done.place_of(unmet)) {
        None => Ok(answer),
        Some(unmet) => Err(match done.place_of(&unmet) {
            usize::MAX => unmet.error,
            place => at(place, unmet.error),
        }),
    }
}

/// Criteria by their numbers, each with the place of its operation.
type Keys = Vec<(u64, usize)>;

/// Waits for callers with the same criteria, in the order of their numbers. An identity keeps
/// callers apart by its index, one row at a time; who has several rows at once could then meet
/// another in the opposite order.
fn wait(operations: &[Operation<'_>]) -> Result<Keys> {
    let mut keys: Keys = operations
        .iter()
        .filter_map(|operation| match &operation.content {
            Content::Conditional(criteria, _) => {
                let number = criteria.lock_number(&operation.guarded);
                Some(number.map(|number| (number, operation.index)))
            }
            _ => None,
        })
        .collect::<Result<_>>()?;
    keys.sort_unstable();
    for pair in keys.windows(2) {
        if let [(one, first), (other, second)] = pair
            && one == other
        {
            return Err(same(*first, *second));
        }
    }
    for (number, _) in &keys {
        check_for_interrupts()?;
        lock_name(NamedLock::Criteria, *number)?;
    }
    Ok(keys)
}

/// The rows that were there and are held now, by profile and id.
type Held = HashSet<(String, String)>;

/// Holds the rows that are there already.
fn hold(operations: &[Operation<'_>], keys: &[(u64, usize)]) -> Result<Held> {
    let mut rows = Rows::new();
    let mut want = |guarded: &Rc<Guarded>, id: &str, hold: Hold| {
        let key = (guarded.name().to_owned(), id.to_owned());
        let held = rows.entry(key).or_insert((guarded.clone(), hold));
        held.1 = held.1.max(hold);
    };
    let deletes: HashMap<(&str, &str), usize> = operations
        .iter()
        .filter(|operation| operation.verb == Verb::Delete)
        .filter_map(|one| Some(((one.guarded.name(), one.id.as_deref()?), one.index)))
        .collect();
    for operation in operations {
        check_for_interrupts()?;
        let guarded = &operation.guarded;
        match (&operation.content, operation.id.as_deref()) {
            (Content::Nothing, Some(id)) => want(guarded, id, Hold::Delete),
            (Content::Patch(_), Some(id)) => want(guarded, id, Hold::Write),
            // One that is to be new, too: another may be about to delete it.
            (Content::Body(_) | Content::Conditional(..), Some(id)) => {
                want(guarded, id, Hold::Write);
            }
            _ => {}
        }
        if let Some(key) = key_of(operation) {
            let ends = link::ends_of(guarded)?;
            let [from, to] = key.parts();
            for (profile, id, many) in [
                (&ends.from, from, ends.from_cardinality.many),
                (&ends.to, to, ends.to_cardinality.many),
            ] {
                // Who may have one link gives it up in one bundle and gets it in another.
                let strength = if many { Hold::Target } else { Hold::Write };
                want(&find(guarded.source_name(), profile)?, id, strength);
            }
        }
        // Two that delete what the other refers to would meet in the end.
        if let (false, Content::Body(body)) = (deletes.is_empty(), &operation.content) {
            let resource = Resource {
                id: operation.id.as_deref().unwrap_or_default(),
                data: body.data,
                contained: body.contained,
            };
            for target in guarded.check(&resource)?.0.references {
                if let Ok(profile) = find(guarded.source_name(), &target.profile) {
                    want(&profile, &target.id, Hold::Target);
                }
            }
        }
    }
    Session::open(|session| {
        for (_, index) in keys {
            if let Some(operation) = operations.get(*index)
                && let Content::Conditional(criteria, _) = &operation.content
                && operation.verb == Verb::UpsertIf
            {
                let guarded = &operation.guarded;
                let found = criteria
                    .search
                    .find(session, guarded.table()?, Reading::Fresh)?;
                for Stored { id, .. } in found {
                    if let Some(delete) = deletes.get(&(guarded.name(), id.as_str())) {
                        return Err(same(*delete, *index));
                    }
                    want(guarded, &id, Hold::Write);
                }
            }
        }
        Ok(())
    })?;
    let held = hold_rows(rows)?;
    hold_links(operations)?;
    Ok(held)
}

/// Rows by profile and id, and how strongly each is held.
type Rows = BTreeMap<(String, String), (Rc<Guarded>, Hold)>;

type Row = (String, Rc<Guarded>, Hold);

/// How often a row that came in between is waited for in its turn.
const ROUNDS: u32 = 5;

/// Holds rows in their order. If one has come while another was waited for, all are let go, and held
/// anew: who waited for it later would not be in that order.
fn hold_rows(rows: Rows) -> Result<Held> {
    let rows: Vec<Row> = rows
        .into_iter()
        .map(|((_, id), (guarded, hold))| (id, guarded, hold))
        .collect();
    let alike = |one: &Row, other: &Row| one.1.name() == other.1.name() && one.2 == other.2;
    let groups: Vec<_> = rows.chunk_by(alike).collect();
    if !snapshot_is_old() {
        for _ in 0..ROUNDS {
            let tried = reference::attempt(|| {
                let held = hold_groups(&groups)?;
                match has_come(&groups, &held)? {
                    true => Err(Error::refuse(State::Conflict, "a row has come in between")),
                    false => Ok(held),
                }
            })?;
            if let Ok(held) = tried {
                return Ok(held);
            }
        }
    }
    // Or the caller sees it and may not write it.
    hold_groups(&groups)
}

/// Whether a row that was not held is there now.
fn has_come(groups: &[&[Row]], held: &Held) -> Result<bool> {
    for group in groups {
        check_for_interrupts()?;
        let Some((_, guarded, _)) = group.first() else {
            continue;
        };
        let missing = group
            .iter()
            .filter(|(id, ..)| !held.contains(&(guarded.name().to_owned(), id.clone())))
            .map(|(id, ..)| RowKey::Id(id))
            .collect();
        if Session::open(|session| batch::has_any(session, guarded.table()?, &missing))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn hold_groups(groups: &[&[Row]]) -> Result<Held> {
    let mut held = Held::new();
    for group in groups {
        check_for_interrupts()?;
        let Some((_, guarded, strength)) = group.first() else {
            continue;
        };
        // In a transaction with one snapshot a target may have changed since it was taken: that it
        // is there is asked with the newest one.
        if *strength == Hold::Target && snapshot_is_old() {
            continue;
        }
        let keys = group.iter().map(|(id, ..)| RowKey::Id(id)).collect();
        let found =
            Session::open(|session| batch::hold(session, guarded.table()?, &keys, *strength))?;
        held.extend(found.into_iter().map(|id| (guarded.name().to_owned(), id)));
    }
    Ok(held)
}

fn hold_links(operations: &[Operation<'_>]) -> Result<()> {
    let mut rows: Vec<(&str, RowKey<'_>, &Operation<'_>)> = operations
        .iter()
        .filter_map(|operation| Some((operation.guarded.name(), key_of(operation)?, operation)))
        .collect();
    rows.sort_by_key(|(name, key, _)| (*name, *key));
    for (_, key, operation) in rows {
        let strength = match operation.verb {
            Verb::Unlink => Hold::Delete,
            Verb::LinkUpsert => Hold::Write,
            _ => Hold::Target,
        };
        let keys = [key].into_iter().collect();
        let table = operation.guarded.table()?;
        Session::open(|session| batch::hold(session, table, &keys, strength))?;
    }
    Ok(())
}

/// What names the link that an operation is about.
fn key_of<'o>(operation: &'o Operation<'_>) -> Option<RowKey<'o>> {
    match &operation.content {
        Content::Link(body) => Some(body.key()),
        Content::Ends(key) => Some(*key),
        _ => None,
    }
}

/// What goes away: links before the resources that they link.
fn goes<'o, 'a>(operations: &'o [Operation<'a>]) -> Vec<&'o Operation<'a>> {
    let mut gone: Vec<&Operation<'_>> = operations
        .iter()
        .filter(|operation| matches!(operation.verb, Verb::Unlink | Verb::Delete))
        .collect();
    gone.sort_by(|one, other| order(one).cmp(&order(other)));
    gone
}

/// By kind, name and id: the same for every bundle.
fn order<'o>(operation: &'o Operation<'_>) -> (bool, &'o str, Option<&'o str>) {
    (
        operation.verb == Verb::Delete,
        operation.guarded.name(),
        operation.id.as_deref(),
    )
}

/// What the criteria match, when what goes away is gone.
fn matches(operations: &[Operation<'_>], keys: &[(u64, usize)]) -> Result<Matches> {
    let mut matches = Matches::new();
    for (_, index) in keys {
        check_for_interrupts()?;
        let Some(operation) = operations.get(*index) else {
            continue;
        };
        let Content::Conditional(criteria, _) = &operation.content else {
            continue;
        };
        let found =
            Session::open(|session| create_if::find_one(session, &operation.guarded, criteria));
        let found = found.map_err(|error| at(*index, error))?;
        matches.insert(*index, found);
    }
    Ok(matches)
}

/// Writes what is new, what changes, and the links.
fn write(
    operations: &mut [Operation<'_>],
    matches: &Matches,
    held: &Held,
    done: &mut Results,
) -> Result<Vec<u8>> {
    for operation in operations.iter_mut() {
        check_for_interrupts()?;
        if let Some(Some(stored)) = matches.get(&operation.index) {
            if operation.verb == Verb::UpsertIf {
                upsert_if::check_id(&operation.guarded, operation.id.as_deref(), stored)
                    .map_err(|error| at(operation.index, error))?;
            }
            operation.id = Some(stored.id.clone().into());
        }
    }
    check_distinct(operations, true)?;
    let mut rest: Vec<&Operation<'_>> = operations
        .iter()
        .filter(|operation| !matches!(operation.verb, Verb::Unlink | Verb::Delete))
        .collect();
    rest.sort_by_key(|operation| {
        (
            step(operation, matches, held),
            operation.guarded.name(),
            operation.is_conditional(),
            operation.id.as_deref(),
        )
    });
    let links = rest.partition_point(|operation| !operation.verb.is_of_links());
    let (resources, links) = rest.split_at(links);
    done.in_turn(resources, matches)?;
    for operation in links {
        done.alone(operation)?;
    }
    done.answer(operations)
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
        Verb::Patch => 1,
        _ => 2,
    }
}

/// Whether an operation may give an identity away: what is new has none to give.
fn may_give(operation: &&Operation<'_>) -> bool {
    !matches!(operation.verb, Verb::Create | Verb::CreateIf)
}

/// What is to be written, for what may refer to it.
fn coming(order: &[&Operation<'_>]) -> Coming {
    let name = |operation: &&Operation<'_>| {
        let id = operation.id.as_deref()?;
        Some((operation.guarded.name().to_owned(), id.to_owned()))
    };
    order.iter().filter_map(name).collect()
}

/// How an operation is written together with others of its kind, if it is.
fn mode(operation: &Operation<'_>) -> Option<Mode> {
    match operation.verb {
        Verb::Create => Some(Mode::Create),
        Verb::Upsert if operation.expected.is_none() => Some(Mode::Upsert),
        _ => None,
    }
}

/// Does what criteria have decided, unless another operation has made a match of what is to be new.
fn conditional(
    operation: &Operation<'_>,
    criteria: &Criteria,
    body: &Body<'_>,
    matches: &Matches,
    overlaps: impl Fn(&str) -> Option<usize>,
) -> Result<std::result::Result<Done, usize>> {
    let guarded = &*operation.guarded;
    Session::open(|session| {
        let Some(Some(stored)) = matches.get(&operation.index) else {
            if let Some(expected) = operation.expected.filter(|expected| *expected != 0) {
                return Err(refusal::stale(guarded, expected, 0));
            }
            let id = operation.id.as_deref();
            let made = create_if::make(session, guarded, criteria, body, id, overlaps)?;
            return Ok(made.map(|made| Done::new(Outcome::Created, made.id, made.version)));
        };
        if operation.verb == Verb::CreateIf {
            return Ok(Ok(Done::new(
                Outcome::Matched,
                stored.id.clone(),
                stored.version,
            )));
        }
        let expected = operation.expected.unwrap_or(stored.version);
        let (key, parts) = (RowKey::Id(&stored.id), Parts::of(body)?);
        let (outcome, stored) = put(session, guarded, key, parts.content(), Some(expected))?;
        Ok(Ok(Done::new(outcome, stored.id, stored.version)))
    })
}

/// What has become of the operations, by their places.
struct Results(Vec<Option<(String, Done)>>);

impl Results {
    fn put(&mut self, operation: &Operation<'_>, done: Done) {
        let profile = operation.guarded.name().to_owned();
        if let Some(place) = self.0.get_mut(operation.index) {
            *place = Some((profile, done));
        }
    }

    fn set(&mut self, operation: &Operation<'_>, done: Result<Done>) -> Result<()> {
        let done = done.map_err(|error| at(operation.index, error))?;
        self.put(operation, done);
        Ok(())
    }

    /// Writes in this order; but what takes an identity that a later one gives away waits for it.
    fn in_turn(&mut self, order: &[&Operation<'_>], matches: &Matches) -> Result<()> {
        let coming = || coming(order);
        if order.len() < 2 {
            return telling(coming, || self.groups(order, matches));
        }
        match reference::attempt(|| self.groups(order, matches))? {
            Ok(()) => return Ok(()),
            Err(failure) if refusal::is_of_identity(&failure) && order.iter().any(may_give) => {}
            // It fails again, and this time it is told whole.
            Err(_) => return telling(coming, || self.groups(order, matches)),
        }
        // What came in between is held too, in the order of all.
        let rows = order.iter().filter_map(|one| {
            let key = (one.guarded.name().to_owned(), one.id.as_deref()?.to_owned());
            Some((key, (one.guarded.clone(), Hold::Write)))
        });
        hold_rows(rows.collect())?;
        let mut rest = order.to_vec();
        while !rest.is_empty() {
            let before = rest.len();
            let mut later = Vec::new();
            for operation in rest {
                check_for_interrupts()?;
                match reference::attempt(|| self.groups(&[operation], matches))? {
                    Ok(()) => {}
                    Err(failure) if refusal::is_of_identity(&failure) => later.push(operation),
                    Err(_) => telling(coming, || self.groups(&[operation], matches))?,
                }
            }
            if later.len() == before {
                self.groups(&later, matches)?;
                return Ok(());
            }
            // A chain is as often in the one direction as in the other.
            later.reverse();
            rest = later;
        }
        Ok(())
    }

    fn groups(&mut self, order: &[&Operation<'_>], matches: &Matches) -> Result<()> {
        let alike = |one: &&Operation<'_>, other: &&Operation<'_>| {
            mode(one).is_some()
                && mode(one) == mode(other)
                && one.guarded.name() == other.guarded.name()
        };
        for group in order.chunk_by(alike) {
            check_for_interrupts()?;
            match group {
                [operation, ..] if mode(operation).is_some() => self.together(group)?,
                group => {
                    for operation in group {
                        match &operation.content {
                            Content::Conditional(criteria, body) => {
                                self.conditional(operation, criteria, body, matches)?;
                            }
                            _ => self.alone(operation)?,
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn alone(&mut self, operation: &Operation<'_>) -> Result<()> {
        check_for_interrupts()?;
        let done = Session::open(|session| alone(session, operation));
        self.set(operation, done)
    }

    fn conditional(
        &mut self,
        operation: &Operation<'_>,
        criteria: &Criteria,
        body: &Body<'_>,
        matches: &Matches,
    ) -> Result<()> {
        let guarded = &operation.guarded;
        let overlaps = |id: &str| self.place(guarded.name(), id);
        match conditional(operation, criteria, body, matches, overlaps) {
            Ok(Ok(done)) => self.set(operation, Ok(done)),
            Ok(Err(other)) => Err(same(other, operation.index)),
            Err(error) => self.set(operation, Err(error)),
        }
    }

    fn together(&mut self, group: &[&Operation<'_>]) -> Result<()> {
        let Some((first, mode)) = group.first().and_then(|first| Some((first, mode(first)?)))
        else {
            return Ok(());
        };
        let mut incoming = Vec::with_capacity(group.len());
        for operation in group {
            check_for_interrupts()?;
            let Content::Body(body) = &operation.content else {
                continue;
            };
            let one = match &operation.id {
                Some(id) => Incoming::under(operation.index, body, id.clone()),
                None => Incoming::new(operation.index, body, None),
            };
            incoming.push(one.map_err(|error| at(operation.index, error))?);
        }
        let landed = write_all(&first.guarded, &incoming, mode, OnError::Abort, "operation")?;
        for ((operation, one), landed) in group.iter().zip(&incoming).zip(landed) {
            if let Landed::Written(outcome, version) = landed {
                let done = Done::new(outcome, one.id.clone().into_owned(), version);
                self.put(operation, done);
            }
        }
        Ok(())
    }

    /// The operation that wrote a row.
    fn place(&self, profile: &str, id: &str) -> Option<usize> {
        self.0.iter().position(|done| {
            done.as_ref()
                .is_some_and(|(of, done)| of == profile && done.id == id)
        })
    }

    /// The same, of a row whose targets are missing.
    fn place_of(&self, unmet: &Unmet) -> usize {
        self.place(&unmet.profile, &unmet.id).unwrap_or(usize::MAX)
    }

    fn answer(&mut self, operations: &[Operation<'_>]) -> Result<Vec<u8>> {
        let done: Option<Vec<&Done>> = self
            .0
            .iter()
            .map(|done| done.as_ref().map(|(_, done)| done))
            .collect();
        let done = done.ok_or(Error::Bug("an operation was left out of a bundle".into()))?;
        answer(operations, &done)
    }
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
    let needed = operation.id.as_deref().unwrap_or_default();
    let expected = operation.expected;
    match (&operation.content, operation.verb) {
        (Content::Body(body), _) => {
            let (key, parts) = (RowKey::Id(needed), Parts::of(body)?);
            let (outcome, stored) = put(session, guarded, key, parts.content(), expected)?;
            Ok(Done::new(outcome, stored.id, stored.version))
        }
        (Content::Patch(patch), _) => {
            let (outcome, stored) = patch::write(session, guarded, needed, *patch, expected)?;
            Ok(Done::new(outcome, stored.id, stored.version))
        }
        (Content::Link(body), Verb::Link) => {
            let made = link::make(session, guarded, body)?;
            Ok(Done::new(Outcome::Created, made.id, made.version))
        }
        (Content::Link(body), _) => {
            let (outcome, made) = link::put(session, guarded, body, expected)?;
            Ok(Done::new(outcome, made.id, made.version))
        }
        (Content::Ends(key), _) => {
            let gone = delete_row(session, guarded, *key, expected, false)?;
            let [from, to] = key.parts();
            let id = link::ends_of(guarded)?.id(from, to);
            Ok(Done::new(Outcome::Deleted, id, gone.version))
        }
        (Content::Nothing, _) => {
            let (key, cascade) = (RowKey::Id(needed), operation.cascade);
            let gone = delete_row(session, guarded, key, expected, cascade)?;
            Ok(Done::new(Outcome::Deleted, needed.to_owned(), gone.version))
        }
        (Content::Conditional(..), _) => Err(Error::refuse(
            State::BadRequest,
            "the criteria were not resolved",
        )),
    }
}
