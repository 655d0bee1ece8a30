//! References whose targets must exist (`"enforce": true`).
//!
//! A write outside of a call asks for its targets at once, as a foreign key does. A call that writes
//! many ([`deferred`]) asks when all of it is there, as a deferred constraint does, so that what one
//! call makes may refer to each other in any direction.

use super::refusal::{self, Which};
use crate::pg::{self, Error, Failure, Oid, Reading, Result, Session, State, nest_level};
use crate::store::acting::on_referrer;
use crate::store::criteria::Search;
use crate::store::history::{self, Target};
use crate::store::id;
use crate::store::row::{self, RowKey};
use crate::store::{Guarded, find_for_gate};
use ingest_engine::criteria::{Criterion, Test};
use ingest_engine::{Checked, Issue, Reference, Report, id_is_valid, issue::Code};
use jsonb::{Item, write};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::mem;
use std::rc::Rc;

/// A row that was deleted, and must not be missed.
struct Gone {
    guarded: Rc<Guarded>,
    id: String,
}

/// A row as the gate writes it.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// What names it; a column of the user's own has nothing.
    pub key: RowKey<'a>,
    /// Its place among those that its statement inserts, from 1.
    pub place: Option<u32>,
}

impl Written<'_> {
    /// Its id.
    fn id(&self, guarded: &Guarded) -> String {
        match (self.key, &guarded.ends) {
            (RowKey::Ends(from, to), Some(ends)) => ends.id(from, to),
            (RowKey::Ends(..), None) => String::new(),
            (RowKey::Id(id), _) => id.to_owned(),
        }
    }

    /// Whether nobody else tells it from the others of its statement: a call of ours names the bodies
    /// that it was given.
    fn is_nameless(&self, guarded: &Guarded) -> bool {
        self.key != RowKey::Id("") && !pg::is_running(guarded.source_name(), guarded.name())
    }

    /// How a refusal tells it from the others of its statement.
    pub fn which(&self, guarded: &Guarded) -> Which {
        // What is no id can be anything, and is not repeated.
        if let (RowKey::Id(id), Some(place)) = (self.key, self.place)
            && !id_is_valid(id)
            && self.is_nameless(guarded)
        {
            return Which::Place(place);
        }
        which(self.is_nameless(guarded), &self.id(guarded), self.place)
    }
}

fn which(nameless: bool, id: &str, place: Option<u32>) -> Which {
    match place {
        _ if !nameless => Which::Any,
        Some(place) if id::is_new(id) => Which::Place(place),
        _ => Which::Id(id.to_owned()),
    }
}

/// What a row that was written demands.
struct Owed {
    source: String,
    profile: String,
    id: String,
    nameless: bool,
    place: Option<u32>,
    owner: Oid,
    /// What else is said of it.
    report: Report,
    references: Vec<Reference>,
}

impl Owed {
    fn which(&self) -> Which {
        which(self.nameless, &self.id, self.place)
    }
}

/// A row that was written, and what it refers to is not there.
pub struct Unmet {
    /// Its profile.
    pub profile: String,
    /// Its id; of a column of the user's own, nothing.
    pub id: String,
    /// Its refusal.
    pub error: Error,
}

/// What is owed, and the depth of subtransactions in which it may be: a deeper one is not ours, and
/// may be undone without our knowledge.
struct Scope {
    level: i32,
    owed: Vec<Owed>,
    gone: Vec<Gone>,
    /// What is still to be written, where that is known.
    coming: Option<Coming>,
}

/// Rows that a call is to write, by profile and id.
pub type Coming = HashSet<(String, String)>;

thread_local! {
    static SCOPE: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

/// Puts back what was there before, whatever happens.
struct Outer(Option<Scope>);

impl Drop for Outer {
    fn drop(&mut self) {
        SCOPE.with(|scope| mem::swap(&mut *scope.borrow_mut(), &mut self.0));
    }
}

/// Runs `body`, and then asks for the targets of all that it wrote, and keeps them until the
/// transaction ends. Gives those rows whose targets are missing: the caller must undo them.
pub fn deferred<T>(body: impl FnOnce() -> Result<T>) -> Result<(T, Vec<Unmet>)> {
    let scope = Scope {
        level: nest_level(),
        owed: Vec::new(),
        gone: Vec::new(),
        coming: None,
    };
    let outer = Outer(SCOPE.with(|inner| inner.replace(Some(scope))));
    let done = body()?;
    let scope = SCOPE.with(|scope| scope.take());
    drop(outer);
    let Some(scope) = scope else {
        return Ok((done, Vec::new()));
    };
    for gone in &scope.gone {
        check_unmissed(gone)?;
    }
    Ok((done, settle(scope.owed)?))
}

/// Runs `body`, inside of [`deferred`], so that what is refused is told whole: with its references
/// that lead to nothing that is there or `coming`. What a call around this has said of that holds.
/// A first try, which writes many rows and may well succeed, does without: what is to come is asked
/// for only after it has failed.
pub fn telling<T>(coming: impl FnOnce() -> Coming, body: impl FnOnce() -> T) -> T {
    let known = |scope: &mut Option<Scope>| scope.as_ref().is_none_or(|at| at.coming.is_some());
    if SCOPE.with_borrow_mut(known) {
        return body();
    }
    let set = |coming| {
        SCOPE.with_borrow_mut(|scope| {
            if let Some(scope) = scope {
                scope.coming = coming;
            }
        });
    };
    set(Some(coming()));
    let done = body();
    set(None);
    done
}

/// As [`pg::attempt`], for work inside of [`deferred`]: what is undone owes nothing.
pub fn attempt<T>(body: impl FnOnce() -> Result<T>) -> Result<std::result::Result<T, Failure>> {
    let before = SCOPE.with(|scope| {
        let mut scope = scope.borrow_mut();
        scope.as_mut().map_or((0, 0), |scope| {
            scope.level += 1;
            (scope.owed.len(), scope.gone.len())
        })
    });
    let done = pg::attempt(body);
    SCOPE.with(|scope| {
        if let Some(scope) = scope.borrow_mut().as_mut() {
            scope.level -= 1;
            if !matches!(done, Ok(Ok(_))) {
                scope.owed.truncate(before.0);
                scope.gone.truncate(before.1);
            }
        }
    });
    done
}

/// Targets are held in one order for all, and each is asked for once.
fn settle(mut owed: Vec<Owed>) -> Result<Vec<Unmet>> {
    let mut targets: BTreeMap<(&str, &str, &str), (Oid, bool)> = BTreeMap::new();
    for row in &owed {
        for reference in &row.references {
            let target = (row.source.as_str(), &*reference.profile, &*reference.id);
            targets.entry(target).or_insert((row.owner, false));
        }
    }
    for ((source, profile, id), (owner, there)) in &mut targets {
        pg::check_for_interrupts()?;
        *there = is_there(source, profile, id, *owner)?;
    }
    let mut reports = Vec::with_capacity(owed.len());
    for row in &owed {
        let mut report = row.report.clone();
        list(&mut report, &row.references, |reference| {
            let target = (row.source.as_str(), &*reference.profile, &*reference.id);
            Ok(targets.get(&target).is_some_and(|(_, there)| *there))
        })?;
        reports.push(report);
    }
    let refused = owed.drain(..).zip(reports);
    let refused = refused.filter(|(_, report)| report.refuses());
    let unmet = refused.map(|(row, report)| {
        let guarded = find_for_gate(&row.source, &row.profile)?;
        Ok(Unmet {
            error: refusal::of_row(&guarded, &row.which(), report),
            profile: row.profile,
            id: row.id,
        })
    });
    unmet.collect()
}

/// Makes sure, for the gate, that the targets are there, and keeps them until the transaction ends.
/// What the report refuses is refused at once, with those that are missing; but of a call that
/// writes many the targets may be still to come, and are looked for only by who is [`telling`].
pub fn hold(
    guarded: &Guarded,
    written: Written<'_>,
    report: Report,
    references: Vec<Reference>,
    owner: Oid,
) -> Result<()> {
    if references.is_empty() {
        return match report.refuses() {
            true => Err(refusal::of_row(guarded, &written.which(guarded), report)),
            false => Ok(()),
        };
    }
    let mut owed = Owed {
        source: guarded.source_name().to_owned(),
        profile: guarded.name().to_owned(),
        id: written.id(guarded),
        nameless: written.is_nameless(guarded),
        place: written.place,
        owner,
        report,
        references,
    };
    let now = SCOPE.with(|scope| match scope.borrow_mut().as_mut() {
        Some(scope) if scope.level == nest_level() => {
            match (&scope.coming, owed.report.refuses()) {
                (None, true) => Err(refusal::of_row(guarded, &owed.which(), owed.report)),
                (Some(coming), true) => {
                    let comes =
                        |at: &Reference| coming.contains(&(at.profile.clone(), at.id.clone()));
                    owed.references.retain(|reference| !comes(reference));
                    Ok(Some(owed))
                }
                (_, false) => {
                    scope.owed.push(owed);
                    Ok(None)
                }
            }
        }
        _ => Ok(Some(owed)),
    })?;
    let unmet = now.map_or_else(|| Ok(Vec::new()), |owed| settle(vec![owed]))?;
    unmet
        .into_iter()
        .next()
        .map_or(Ok(()), |unmet| Err(unmet.error))
}

/// The refusal of a row whose report refuses it.
pub fn refuse(
    guarded: &Guarded,
    written: Written<'_>,
    report: Report,
    references: Vec<Reference>,
    owner: Oid,
) -> Error {
    match hold(guarded, written, report, references, owner) {
        Err(error) => error,
        Ok(()) => Error::Bug("a row that is refused was held".into()),
    }
}

/// Refuses, for the gate, to delete a row that references still need, at the end of the call that
/// deletes it.
pub fn leave(guarded: &Rc<Guarded>, id: &str) -> Result<()> {
    if guarded.referrers()?.is_empty() {
        return Ok(());
    }
    let gone = Gone {
        guarded: guarded.clone(),
        id: id.to_owned(),
    };
    let now = SCOPE.with(|scope| match scope.borrow_mut().as_mut() {
        Some(scope) if scope.level == nest_level() => {
            scope.gone.push(gone);
            None
        }
        _ => Some(gone),
    });
    now.map_or(Ok(()), |gone| check_unmissed(&gone))
}

/// Looks for references to a row that was deleted. Who wrote one held the row, and has ended since:
/// it is seen, whatever the snapshot.
fn check_unmissed(Gone { guarded, id }: &Gone) -> Result<()> {
    for name in guarded.referrers()? {
        pg::check_for_interrupts()?;
        let Some(referrer) = target(guarded.source_name(), name)? else {
            continue;
        };
        if referrer.table.is_none() {
            continue;
        }
        let named = format!("{}/{id}", guarded.name());
        if let Some(path) = refers(&referrer, guarded.name(), &named)? {
            return Err(refusal::still_needed(guarded, &referrer, &path, &named));
        }
    }
    Ok(())
}

/// The path at which some row of a profile refers to the one that is named.
fn refers(referrer: &Guarded, profile: &str, named: &str) -> Result<Option<String>> {
    let table = referrer.table()?;
    let places = referrer.restricting()?;
    for place in places.paths.iter().filter(|place| place.takes(profile)) {
        let Ok(found) = referrer.find(&place.path)? else {
            return Err(Error::Bug("a place of references is lost".into()));
        };
        let named = write(&Item::Text(named)).map_err(|_| Error::Bug("no name".into()))?;
        let tests = vec![Test::Any(vec![named])];
        let search = Search::of(referrer, &[Criterion { found, tests }])?;
        let is_met = || Session::open(|session| search.is_met(session, table));
        if on_referrer(table, is_met)? {
            return Ok(Some(place.path.clone()));
        }
    }
    if !places.anywhere {
        return Ok(None);
    }
    let mut path = None;
    let found = on_referrer(table, || {
        Session::open(|session| row::naming(session, table, named))
    })?;
    for stored in found {
        let (checked, _) = referrer.check(&stored.content().read(&stored.id)?)?;
        let needs = |reference: &&Reference| {
            !reference.keep && format!("{}/{}", reference.profile, reference.id) == named
        };
        path = checked
            .references
            .iter()
            .find(needs)
            .map(|at| at.expression.clone());
        if path.is_some() {
            break;
        }
    }
    Ok(path)
}

fn is_there(source: &str, profile: &str, id: &str, owner: Oid) -> Result<bool> {
    let Some(target) = target(source, profile)? else {
        return Ok(false);
    };
    match history::hold_target(target.table()?, owner, id)? {
        Target::Held => Ok(true),
        Target::Missing => Ok(false),
        Target::Unseen => Err(refusal::too_new(&target)),
    }
}

/// The profile of a target, if there is one when who drops it has been waited for.
fn target(source: &str, profile: &str) -> Result<Option<Rc<Guarded>>> {
    pg::hold_relation(source, profile)?;
    match find_for_gate(source, profile) {
        Ok(target) => Ok(Some(target)),
        Err(Error::Refused(refusal)) if refusal.state == State::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Adds to a report what is missing, in the order of the document.
fn list(
    report: &mut Report,
    references: &[Reference],
    mut is_there: impl FnMut(&Reference) -> Result<bool>,
) -> Result<()> {
    let mut missing = Vec::new();
    for reference in references {
        pg::check_for_interrupts()?;
        if !is_there(reference)? {
            missing.push((reference.place, issue(reference)));
        }
    }
    report.insert(missing);
    Ok(())
}

/// Adds to a report, for who only asks, what is missing as the caller sees it.
pub fn look(
    guarded: &Guarded,
    checked: &Checked,
    report: &mut Report,
    reading: Reading,
) -> Result<()> {
    list(report, &checked.references, |reference| {
        let Some(target) = target(guarded.source_name(), &reference.profile)? else {
            return Ok(false);
        };
        let key = RowKey::Id(&reference.id);
        let found = Session::open(|session| row::read(session, target.table()?, key, reading))?;
        Ok(found.is_some())
    })
}

/// What is said of a reference that leads nowhere.
pub fn issue(reference: &Reference) -> Issue {
    let target = &reference.profile;
    Issue::error(
        Code::NotFound,
        reference.expression.clone(),
        format!("expected a {target} that exists"),
    )
}
