//! The writes of a bundle, and what came of each.

use super::hold::hold_rows;
use super::operation::{Content, Operation, Verb, same};
use super::run::Matches;
use crate::pg::{Error, Result, Session, State, check_for_interrupts};
use crate::store::batch::Hold;
use crate::store::history::Last;
use crate::store::reference::{self, Coming, Unmet, telling};
use crate::store::refusal;
use crate::store::row::{RowKey, Stored};
use crate::store::{Guarded, Outcome};
use crate::verb::body::Parts;
use crate::verb::criteria::Criteria;
use crate::verb::link;
use crate::verb::load::{Incoming, Landed, Mode, OnError, write_all};
use crate::verb::part::Part;
use crate::verb::request::Effect;
use crate::verb::resource::{create_if, patch};
use crate::verb::row::{delete_row, put};
use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::rc::Rc;

/// What an operation did, to which id, and the version of that now.
type Did = (Outcome, String, Option<Last>);

fn did(outcome: Outcome, stored: Stored) -> Did {
    let now = Last::of(&stored);
    (outcome, stored.id, Some(now))
}

/// What an operation did.
#[derive(Debug, Clone)]
pub struct Done {
    /// How.
    pub verb: Verb,
    /// To what.
    pub guarded: Rc<Guarded>,
    /// What came of it.
    pub outcome: Outcome,
    /// The id of the resource or link.
    pub id: String,
    /// Its version now; none where there is nothing to tell of.
    pub now: Option<Last>,
}

impl Done {
    /// What is kept of it under the key of a request.
    pub fn effect(&self) -> Effect<'_> {
        Effect::Done {
            outcome: self.outcome,
            profile: self.guarded.name(),
            id: &self.id,
            now: self.now,
        }
    }
}

/// What has become of the operations, by their places in the bundle.
pub struct Results {
    part: Part,
    /// The place of the first.
    first: usize,
    done: Vec<Option<Done>>,
    /// Who wrote for criteria what does not meet them.
    unmet: HashSet<usize>,
}

impl Results {
    /// Of nothing yet, for the operations of these places.
    pub fn new(part: Part, places: Range<usize>) -> Self {
        Self {
            part,
            first: places.start,
            done: places.map(|_| None).collect(),
            unmet: HashSet::new(),
        }
    }

    /// Notes that an operation writes for criteria what does not meet them.
    pub fn note_unmet(&mut self, index: usize) {
        self.unmet.insert(index);
    }

    /// Whether it does.
    pub fn is_unmet(&self, index: usize) -> bool {
        self.unmet.contains(&index)
    }

    /// What an operation did.
    pub fn get(&self, index: usize) -> Option<&Done> {
        self.done.get(index.checked_sub(self.first)?)?.as_ref()
    }

    /// The same, which is not asked for again.
    pub fn take(&mut self, index: usize) -> Option<Done> {
        let place = index.checked_sub(self.first)?;
        self.done.get_mut(place)?.take()
    }

    /// The id of what an operation is about.
    pub fn id(&self, index: usize) -> Option<&str> {
        self.get(index).map(|done| done.id.as_str())
    }

    /// All that was done, each with its place.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Done)> {
        let done = (self.first..).zip(&self.done);
        done.filter_map(|(index, done)| Some((index, done.as_ref()?)))
    }

    fn put(&mut self, operation: &Operation<'_>, (outcome, id, now): Did) {
        let done = Done {
            verb: operation.verb,
            guarded: operation.guarded.clone(),
            outcome,
            id,
            now,
        };
        let place = operation.index.checked_sub(self.first);
        if let Some(place) = place.and_then(|place| self.done.get_mut(place)) {
            *place = Some(done);
        }
    }

    fn set(&mut self, operation: &Operation<'_>, done: Result<Did>) -> Result<()> {
        let done = done.map_err(|error| self.part.name(operation.index, error))?;
        self.put(operation, done);
        Ok(())
    }

    /// Writes in this order; but what takes an identity that a later one gives away waits for it.
    pub fn in_turn(&mut self, order: &[&Operation<'_>], matches: &Matches) -> Result<()> {
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
                let stuck = self.groups(&later, matches);
                return stuck.map_err(|error| match later.len() {
                    1 => error,
                    _ => refusal::exchanged(error),
                });
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
                        match &operation.criteria {
                            Some(criteria) => self.conditional(operation, criteria, matches)?,
                            None => self.alone(operation)?,
                        }
                    }
                }
            }
        }
        Ok(())
    }

    pub fn alone(&mut self, operation: &Operation<'_>) -> Result<()> {
        check_for_interrupts()?;
        let done = Session::open(|session| alone(session, operation));
        self.set(operation, done)
    }

    fn conditional(
        &mut self,
        operation: &Operation<'_>,
        criteria: &Criteria,
        matches: &Matches,
    ) -> Result<()> {
        let guarded = &operation.guarded;
        let overlaps = |id: &str| self.place(guarded.name(), id);
        match conditional(operation, criteria, matches, overlaps) {
            Ok(Ok((done, is_met))) => {
                if !is_met {
                    self.note_unmet(operation.index);
                }
                self.set(operation, Ok(done))
            }
            Ok(Err(other)) => Err(same(other, operation.index, self.part)),
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
            let (index, is_new) = (operation.index, operation.is_new);
            let one = match operation.id.as_deref() {
                Some(id) => Incoming::under(index, body, Cow::Borrowed(id), is_new),
                None => Incoming::new(index, body, None),
            };
            incoming.push(one.map_err(|error| self.part.name(operation.index, error))?);
        }
        let landed = write_all(&first.guarded, &incoming, mode, OnError::Abort, self.part)
            .map_err(|error| match error.lacks_a_right() {
                true => self.part.name(first.index, error),
                false => error,
            })?;
        for ((operation, one), landed) in group.iter().zip(incoming).zip(landed) {
            if let Landed::Written(outcome, now) = landed {
                self.put(operation, (outcome, one.id.into_owned(), Some(now)));
            }
        }
        Ok(())
    }

    /// The operation that wrote a row.
    fn place(&self, profile: &str, id: &str) -> Option<usize> {
        let of = |done: &Done| done.guarded.name() == profile && done.id == id;
        self.iter()
            .find(|(_, done)| of(done))
            .map(|(index, _)| index)
    }

    /// The same, of a row whose targets are missing.
    pub fn place_of(&self, unmet: &Unmet) -> usize {
        self.place(&unmet.profile, &unmet.id).unwrap_or(usize::MAX)
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

/// Does what criteria have decided, unless another operation has made a match of what is to be new;
/// says whether what was written meets them.
fn conditional(
    operation: &Operation<'_>,
    criteria: &Criteria,
    matches: &Matches,
    overlaps: impl Fn(&str) -> Option<usize>,
) -> Result<std::result::Result<(Did, bool), usize>> {
    let guarded = &*operation.guarded;
    Session::open(|session| {
        let Some(Some(stored)) = matches.get(&operation.index) else {
            if let Some(expected) = operation.expected.filter(|expected| *expected != 0) {
                return Err(refusal::stale(guarded, expected, 0));
            }
            let Content::Body(body) = &operation.content else {
                return Err(create_if::none_meets(guarded));
            };
            let id = operation.id.as_deref();
            let made = create_if::make(session, guarded, criteria, body, id, overlaps)?;
            return Ok(made.map(|(made, is_met)| (did(Outcome::Created, made), is_met)));
        };
        if operation.verb == Verb::CreateIf {
            return Ok(Ok((did(Outcome::Matched, stored.clone()), true)));
        }
        let expected = Some(operation.expected.unwrap_or(stored.version));
        let ((outcome, stored), is_met) = match &operation.content {
            Content::Patch(given) => {
                let written = patch::write(session, guarded, &stored.id, (*given, None), expected)?;
                (written, true)
            }
            Content::Body(body) => {
                let (key, parts) = (RowKey::Id(&stored.id), Parts::of(body)?);
                let written = put(session, guarded, key, parts.content(), expected)?;
                let is_met = criteria.warn_unless_met(session, guarded, &written.1)?;
                (written, is_met)
            }
            _ => return Err(Error::Bug("criteria without what to write".into())),
        };
        Ok(Ok((did(outcome, stored), is_met)))
    })
}

fn alone(session: &Session, operation: &Operation<'_>) -> Result<Did> {
    let guarded = &*operation.guarded;
    let needed = operation.id.as_deref().unwrap_or_default();
    let expected = operation.expected;
    match (&operation.content, operation.verb) {
        (Content::Body(body), _) => {
            let (key, parts) = (RowKey::Id(needed), Parts::of(body)?);
            let (outcome, stored) = put(session, guarded, key, parts.content(), expected)?;
            Ok(did(outcome, stored))
        }
        (Content::Patch(patch), _) => {
            let (outcome, stored) =
                patch::write(session, guarded, needed, (*patch, None), expected)?;
            Ok(did(outcome, stored))
        }
        (Content::Link(body), Verb::Link) => {
            let made = link::make(session, guarded, body)?;
            Ok(did(Outcome::Created, made))
        }
        (Content::Link(body), _) => {
            let (outcome, made) = link::put(session, guarded, body, expected)?;
            Ok(did(outcome, made))
        }
        (Content::Ends(key), _) => {
            let gone = delete_row(session, guarded, *key, expected, false)?;
            let [from, to] = key.parts();
            let id = link::ends_of(guarded)?.id(from, to);
            Ok((Outcome::Deleted, id, Some(gone)))
        }
        (Content::Nothing, _) => {
            let (key, cascade) = (RowKey::Id(needed), operation.cascade);
            let gone = match operation.id {
                Some(_) => delete_row(session, guarded, key, expected, cascade).map(Some),
                // Criteria found nothing.
                None => Ok(None),
            };
            let gone = match gone {
                Err(Error::Refused(refusal))
                    if operation.may_be_absent
                        && matches!(refusal.state, State::NotFound | State::Gone) =>
                {
                    None
                }
                gone => gone?,
            };
            Ok((Outcome::Deleted, needed.to_owned(), gone))
        }
    }
}
