//! Writing many resources of one profile: what `ingest.resource_load` and bundles have in common.
//!
//! Bodies are written by statements over arrays, in the order of their ids, and under new ids in
//! that of their identities, so that two loads of the same cannot wait for each other. They are judged
//! one by one only where a statement was refused, to find the one that is wrong.

mod call;
mod chunk;
mod hand;
mod job;
mod report;

pub use call::{issues_of, load};
pub use report::write_reporting;

use super::body::{Body, Parts};
use super::link;
use super::part::Part;
use crate::pg::{Error, Result, State, check_for_interrupts};
use crate::store::history::Last;
use crate::store::reference::{Coming, telling};
use crate::store::refusal;
use crate::store::row::{Content, RowKey, Stored};
use crate::store::table::Form;
use crate::store::{Guarded, Outcome, id, index};
use hand::Hands;
use ingest_engine::envelope::fhir;
use ingest_engine::issue::Code;
use ingest_engine::{Issue, Resource, id_is_valid, operation_outcome};
use job::{Job, Landings};
use jsonb::to_text;
use std::borrow::Cow;

/// What to do with an id that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is a conflict.
    Create,
    /// It is replaced.
    Upsert,
}

/// What to do with a body that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// Nothing is written, and the error names the body.
    Abort,
    /// It is reported, and the others are written.
    Report,
}

/// A body on its way in.
pub struct Incoming<'a> {
    /// Its place among all, for whoever is told of it.
    pub place: usize,
    /// The id it will have.
    pub id: Cow<'a, str>,
    key: Key<'a>,
    content: Parts<'a>,
}

/// What names the row that a body will be.
enum Key<'a> {
    /// A resource's own id.
    Given,
    /// An id that nobody else can have.
    New,
    /// The ends of a link.
    Ends(&'a str, &'a str),
}

/// What became of a body.
#[derive(Debug, Clone)]
pub enum Landed {
    /// It is stored, in this version.
    Written(Outcome, Last),
    /// It was refused.
    Refused(Refused),
}

/// Why a body was refused.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The SQLSTATE's meaning.
    pub state: State,
    /// The issues, as an OperationOutcome.
    pub outcome: String,
    /// In one line.
    pub message: String,
    /// The constraint that it would violate.
    pub constraint: Option<String>,
}

impl Refused {
    fn new(state: State, code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        let outcome = operation_outcome(&[Issue::error(code, "", message.clone())]);
        Self {
            state,
            outcome,
            message,
            constraint: None,
        }
    }

    /// A refusal, as what became of a body; any other error ends the load.
    fn of(error: Error) -> Result<Self> {
        match error {
            Error::Refused(refusal) => Ok(Self {
                state: refusal.state,
                outcome: refusal.outcome().into_owned(),
                message: refusal.message,
                constraint: refusal.constraint,
            }),
            error => Err(error),
        }
    }

    /// As an error that names the body.
    pub fn at(self, guarded: &Guarded, part: Part, place: usize) -> Error {
        let mut error = refusal::about(guarded, self.state, self.message)
            .detail(self.outcome)
            .hint("Nothing was written.");
        if let Some(constraint) = self.constraint {
            error = error.of_constraint(constraint);
        }
        part.name(place, error)
    }
}

impl<'a> Incoming<'a> {
    /// A body with the id it will have: the one given, its own, or a new one.
    pub fn new(place: usize, body: &Body<'a>, given: Option<&'a str>) -> Result<Self> {
        match body.id(given)? {
            Some(id) => Self::under(place, body, Cow::Borrowed(id), id::is_made(id)),
            None => Self::under(place, body, Cow::Owned(id::generate()), true),
        }
    }

    /// A body under this id, which was made for it, or not.
    pub fn under(place: usize, body: &Body<'a>, id: Cow<'a, str>, is_made: bool) -> Result<Self> {
        let key = match is_made {
            true => Key::New,
            false => Key::Given,
        };
        Ok(Self {
            place,
            id,
            key,
            content: Parts::of(body)?,
        })
    }

    /// A link between resources of the right types.
    pub fn link(place: usize, guarded: &Guarded, body: link::Body<'a>) -> Result<Self> {
        body.check_types(guarded)?;
        let [from, to] = body.key().parts();
        Ok(Self {
            place,
            id: Cow::Owned(link::ends_of(guarded)?.id(from, to)),
            key: Key::Ends(from, to),
            content: body.into_parts(),
        })
    }

    /// A row as it is stored, to be judged once more.
    pub fn stored(place: usize, stored: &'a Stored) -> Result<Self> {
        Ok(Self {
            place,
            id: Cow::Borrowed(&stored.id),
            key: match &stored.ends {
                None => Key::Given,
                Some([from, to]) => Key::Ends(from, to),
            },
            content: Parts::stored(stored.content())?,
        })
    }

    /// What names the row.
    pub fn key(&self) -> RowKey<'_> {
        match self.key {
            Key::Given | Key::New => RowKey::Id(&self.id),
            Key::Ends(from, to) => RowKey::Ends(from, to),
        }
    }

    /// Whether it has an id that was made for it.
    pub fn is_new(&self) -> bool {
        matches!(self.key, Key::New)
    }

    /// What decides when it is written: its id, for which another may wait; or, under a new id, its
    /// identity.
    fn turn(&self, guarded: &Guarded) -> Result<(Option<String>, &str)> {
        let identity = match self.key {
            Key::New => guarded.indexes.iter().find(|index| index.unique),
            Key::Given | Key::Ends(..) => None,
        };
        let Some(identity) = identity else {
            return Ok((None, &self.id));
        };
        let data = self.resource()?.data;
        let mut turn = String::new();
        for path in &identity.paths {
            let value = index::value_at(data, path)?;
            turn.push_str(&value.map(to_text).transpose()?.unwrap_or_default());
            turn.push('\n');
        }
        Ok((Some(turn), &self.id))
    }

    fn content(&self) -> Content<'_> {
        self.content.content()
    }

    fn resource(&self) -> Result<Resource<'_>> {
        let id = match self.key {
            Key::Given | Key::New => self.id.as_ref(),
            Key::Ends(..) => "",
        };
        self.content().read(id)
    }

    /// What is wrong with the body itself: for who has to find the one that was refused. Where its
    /// references lead is for the gate to say ([`chunk::told`]).
    fn judge(&self, guarded: &Guarded) -> Result<Option<Refused>> {
        let is_fhir = guarded.form() == Form::Fhir;
        if is_fhir && let Some(refused) = self.judge_content(guarded)? {
            return Ok(Some(refused));
        }
        let valid = match self.key() {
            RowKey::Id(id) if is_fhir => fhir::id_is_valid(id),
            RowKey::Id(id) => id_is_valid(id),
            RowKey::Ends(from, to) => id_is_valid(from) && id_is_valid(to),
        };
        if !valid {
            return Ok(Some(Refused::new(
                State::BadRequest,
                Code::Invalid,
                "not an id",
            )));
        }
        match is_fhir {
            true => Ok(None),
            false => self.judge_content(guarded),
        }
    }

    fn judge_content(&self, guarded: &Guarded) -> Result<Option<Refused>> {
        let (_, report) = guarded.check(&self.resource()?)?;
        match report.refuses() {
            true => Refused::of(refusal::of_report(guarded, report)).map(Some),
            false => Ok(None),
        }
    }
}

/// Writes all bodies; the answers stand in the order of the bodies.
/// Runs inside of [`reference::deferred`].
pub fn write_all(
    guarded: &Guarded,
    incoming: &[Incoming<'_>],
    mode: Mode,
    on_error: OnError,
    part: Part,
) -> Result<Vec<Landed>> {
    let landed = vec![None; incoming.len()];
    write_others(guarded, incoming, landed, mode, on_error, part)
}

/// Writes those that have not landed yet.
fn write_others(
    guarded: &Guarded,
    incoming: &[Incoming<'_>],
    landed: Vec<Option<Landed>>,
    mode: Mode,
    on_error: OnError,
    part: Part,
) -> Result<Vec<Landed>> {
    let mut job = Job::new(guarded, incoming, mode, on_error, part);
    let mut landed = Landings(landed);
    let mut todo: Vec<usize> = (0..incoming.len())
        .filter(|at| landed.misses(*at))
        .collect();
    while !todo.is_empty() {
        check_for_interrupts()?;
        let (first, twins) = job.take(todo);
        if let (OnError::Abort, Some((at, twin))) = (on_error, twins.first()) {
            telling(|| coming(guarded, incoming), || judge_all(&job, *at))?;
            return Err(job.refuse(*at, same_id(&job, *twin)));
        }
        let mut hands = Hands::default();
        let order = in_turn(&job, first)?;
        for chunk in chunk::split(incoming, &order) {
            check_for_interrupts()?;
            chunk::write(&job, chunk, &mut landed, &mut hands)?;
            if !hands.is_empty() {
                telling(
                    || coming(guarded, incoming),
                    || chunk::hand_on(&job, chunk, &mut landed, &mut hands),
                )?;
            }
        }
        chunk::refuse_rest(&job, &mut landed, &mut hands)?;
        // The twin of one that was refused is the first of its id.
        todo = Vec::new();
        for (at, twin) in twins {
            match landed.0.get(twin) {
                Some(Some(Landed::Written(..))) => {
                    landed.set(&job, at, Landed::Refused(same_id(&job, twin)))?;
                }
                _ => todo.push(at),
            }
        }
    }
    let landed = landed.0.into_iter();
    landed
        .map(|landed| landed.ok_or(Error::Bug("a body was left out of a load".into())))
        .collect()
}

/// The order in which bodies are written.
fn in_turn(job: &Job<'_, '_>, places: Vec<usize>) -> Result<Vec<usize>> {
    let mut turns = Vec::with_capacity(places.len());
    for at in places {
        check_for_interrupts()?;
        if let Some(one) = job.incoming.get(at) {
            turns.push((one.turn(job.guarded)?, at));
        }
    }
    turns.sort();
    Ok(turns.into_iter().map(|(_, at)| at).collect())
}

/// Refuses the first of so many bodies that the gate would refuse, as the gate does.
fn judge_all(job: &Job<'_, '_>, count: usize) -> Result<()> {
    for (at, one) in job.incoming.iter().take(count).enumerate() {
        check_for_interrupts()?;
        if let Some(refused) = one.judge(job.guarded)? {
            let told = chunk::told(job, one)?;
            return Err(job.refuse(at, told.unwrap_or(refused)));
        }
    }
    Ok(())
}

/// What the bodies will be, for who may refer to them.
fn coming(guarded: &Guarded, incoming: &[Incoming<'_>]) -> Coming {
    let name = |one: &Incoming<'_>| (guarded.name().to_owned(), one.id.as_ref().to_owned());
    incoming.iter().map(name).collect()
}

fn same_id(job: &Job<'_, '_>, twin: usize) -> Refused {
    Refused::new(
        State::BadRequest,
        Code::Duplicate,
        format!("the same id as {} {}", job.part.word(), job.number(twin)),
    )
}

fn set(landed: &mut [Option<Landed>], at: usize, outcome: Landed) {
    if let Some(place) = landed.get_mut(at) {
        *place = Some(outcome);
    }
}
