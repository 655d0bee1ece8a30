//! References whose targets must exist (`"enforce": true`).
//!
//! They are asked for as a foreign key asks: what a row refers to may come later in its statement,
//! or be the row itself. A call that writes many ([`deferred`]) asks when all of it is there, as a
//! deferred constraint does, so that what one call makes may refer to each other in any direction.

use super::refusal;
use super::written::{Written, which};
use crate::pg::{self, Error, Failure, Oid, Reading, Result, Session, State, nest_level};
use crate::store::acting::on_referrer;
use crate::store::criteria::Search;
use crate::store::history::{self, Target};
use crate::store::row::{self, RowKey};
use crate::store::{Guarded, find_for_gate, piece_if_here};
use ingest_engine::criteria::{Criterion, Test};
use ingest_engine::{Checked, Issue, Reference, Report, issue::Code};
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

/// What a row that was written demands.
pub struct Owed {
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
    /// How many targets are missing.
    pub fn count(&self) -> usize {
        self.references.len()
    }

    fn target<'a>(&'a self, reference: &'a Reference) -> (&'a str, &'a str, &'a str) {
        (&self.source, &reference.profile, &reference.id)
    }

    /// The refusal of the row, whose targets are missing.
    fn refusal(&self) -> Result<Error> {
        let guarded = find_for_gate(&self.source, &self.profile)?;
        let mut report = self.report.clone();
        list(&mut report, &self.references, |_| Ok(false))?;
        let which = which(self.nameless, &self.id, self.place);
        Ok(refusal::of_row(&guarded, &which, report))
    }
}

/// A row that was written, and what it refers to is not there; or that was deleted, and is needed.
pub struct Unmet {
    /// Its profile.
    pub profile: String,
    /// Its id; of a column of the user's own, nothing.
    pub id: String,
    /// Its refusal.
    pub error: Error,
}

impl Unmet {
    /// A row that was deleted, and why it cannot be; what is no refusal ends the call.
    fn gone(Gone { guarded, id }: Gone, error: Error) -> Result<Self> {
        match error {
            Error::Refused(_) => Ok(Self {
                profile: guarded.name().to_owned(),
                id,
                error,
            }),
            error => Err(error),
        }
    }
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
/// transaction ends, and for what needs what it deleted. Gives the rows that cannot be so: the caller
/// must undo them.
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
    let mut unmet = Vec::new();
    for gone in scope.gone {
        if let Err(error) = check_unmissed(&gone) {
            unmet.push(Unmet::gone(gone, error)?);
        }
    }
    unmet.extend(settle(scope.owed)?);
    Ok((done, unmet))
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

/// Keeps the targets that are there until the transaction ends, and leaves the rows to which some are
/// missing, with those. Targets are held in one order for all, and each is asked for once.
pub fn hold_what_is_there(owed: &mut Vec<Owed>) -> Result<()> {
    let mut targets: BTreeMap<_, (Oid, bool)> = BTreeMap::new();
    for row in owed.iter() {
        for reference in &row.references {
            let target = targets.entry(row.target(reference));
            target.or_insert((row.owner, false));
        }
    }
    for ((source, profile, id), (owner, there)) in &mut targets {
        pg::check_for_interrupts()?;
        *there = is_there(source, profile, id, *owner)?;
    }
    let is_missing = |row: &Owed, at| targets.get(&row.target(at)).is_none_or(|(_, there)| !there);
    let missing: Vec<Vec<bool>> = owed
        .iter()
        .map(|row| {
            row.references
                .iter()
                .map(|at| is_missing(row, at))
                .collect()
        })
        .collect();
    for (row, missing) in owed.iter_mut().zip(missing) {
        let mut missing = missing.into_iter();
        row.references.retain(|_| missing.next() == Some(true));
    }
    owed.retain(|row| !row.references.is_empty());
    Ok(())
}

/// The rows whose targets are missing.
fn settle(mut owed: Vec<Owed>) -> Result<Vec<Unmet>> {
    hold_what_is_there(&mut owed)?;
    let unmet = owed.into_iter().map(|row| {
        Ok(Unmet {
            error: row.refusal()?,
            profile: row.profile,
            id: row.id,
        })
    });
    unmet.collect()
}

/// Refuses the first row whose targets are missing.
pub fn demand(owed: Vec<Owed>) -> Result<()> {
    let first = settle(owed)?.into_iter().next();
    first.map_or(Ok(()), |unmet| Err(unmet.error))
}

/// Keeps, for the gate, the targets that are there until the transaction ends, and gives back the row
/// if others are missing: they may be there when the statement has come to its end. The row itself
/// is. What the report refuses is refused at once, with those that are missing; but of a call that
/// writes many the targets may be still to come, and are looked for only by who is [`telling`].
pub fn hold(
    guarded: &Guarded,
    written: Written<'_>,
    report: Report,
    mut references: Vec<Reference>,
    owner: Oid,
) -> Result<Option<Owed>> {
    if let RowKey::Id(id) = written.key {
        references.retain(|at| !is_itself(guarded, id, at));
    }
    if references.is_empty() {
        return match report.refuses() {
            true => Err(refusal::of_row(guarded, &written.which(guarded), report)),
            false => Ok(None),
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
                (None, true) => {
                    let which = written.which(guarded);
                    Err(refusal::of_row(guarded, &which, owed.report))
                }
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
    let Some(owed) = now else {
        return Ok(None);
    };
    let refused = owed.report.refuses().then(|| owed.report.clone());
    let mut missing = vec![owed];
    hold_what_is_there(&mut missing)?;
    match (missing.pop(), refused) {
        (Some(owed), Some(_)) => Err(owed.refusal()?),
        (None, Some(report)) => Err(refusal::of_row(guarded, &written.which(guarded), report)),
        (missing, None) => Ok(missing),
    }
}

/// Whether a reference of a row is to the row itself, which is there when it is written.
fn is_itself(guarded: &Guarded, id: &str, reference: &Reference) -> bool {
    reference.id == id && reference.profile == guarded.name()
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
        Ok(_) => Error::Bug("a row that is refused was held".into()),
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
    match find_for_gate(source, profile).and_then(piece_if_here) {
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

/// Adds to a report, for who only asks, what is missing as the caller sees it beside the row itself.
pub fn look(
    guarded: &Guarded,
    id: &str,
    checked: &Checked,
    report: &mut Report,
    reading: Reading,
) -> Result<()> {
    list(report, &checked.references, |reference| {
        if is_itself(guarded, id, reference) {
            return Ok(true);
        }
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
