//! Writing many resources of one profile: what `ingest.resource_load` and bundles have in common.
//!
//! Bodies are checked one by one and written by statements over arrays, in the order of their ids,
//! so that two loads over the same ids cannot wait for each other.

mod call;
mod chunk;

pub use call::{issues_of, load};

use super::body::{Body, root};
use super::{reference, refusal};
use crate::pg::{Error, Reading, Result, State, check_for_interrupts};
use crate::store::resources::Content;
use crate::store::{Guarded, Outcome, id};
use ingest_engine::issue::Code;
use ingest_engine::{Issue, Resource, id_is_valid, operation_outcome};
use std::borrow::Cow;
use std::collections::HashMap;

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
    body: Body<'a>,
    data: Cow<'a, [u8]>,
    contained: Option<Cow<'a, [u8]>>,
}

/// What became of a body.
#[derive(Debug, Clone)]
pub enum Landed {
    /// It is stored.
    Written(Outcome, i32),
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
}

impl Refused {
    fn new(state: State, code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        let outcome = operation_outcome(&[Issue::error(code, "", message.clone())]);
        Self {
            state,
            outcome,
            message,
        }
    }

    /// As an error that names the body; `what` is "body" or "entry".
    pub fn at(self, what: &str, place: usize) -> Error {
        Error::refuse(self.state, format!("{what} {place}: {}", self.message))
            .detail(self.outcome)
            .hint("Nothing was written.")
    }
}

impl<'a> Incoming<'a> {
    /// A body with the id it will have: the one given, its own, or a new one.
    pub fn new(place: usize, body: Body<'a>, given: Option<&'a str>) -> Result<Self> {
        let id = match body.id(given)? {
            Some(id) => Cow::Borrowed(id),
            None => Cow::Owned(id::generate()),
        };
        Ok(Self {
            place,
            id,
            body,
            data: root(body.data)?,
            contained: body.contained.map(root).transpose()?,
        })
    }

    fn content(&self) -> Content<'_> {
        Content {
            data: Some(&self.data),
            contained: self.contained.as_deref(),
        }
    }

    fn resource(&self) -> Resource<'_> {
        Resource {
            id: &self.id,
            data: self.body.data,
            contained: self.body.contained,
        }
    }

    /// What the gate would say, before anything is written.
    fn judge(&self, guarded: &Guarded) -> Result<Option<Refused>> {
        if !id_is_valid(&self.id) {
            return Ok(Some(Refused::new(
                State::BadRequest,
                Code::Invalid,
                "not an id",
            )));
        }
        let (checked, mut report) = guarded.check(&self.resource())?;
        if !report.refuses() {
            reference::look(guarded, &checked, &mut report, Reading::Fresh)?;
        }
        if !report.refuses() {
            return Ok(None);
        }
        Ok(Some(match refusal::of_report(guarded, report) {
            Error::Refused(refusal) => Refused {
                state: refusal.state,
                outcome: refusal.detail.unwrap_or_default(),
                message: refusal.message,
            },
            error => return Err(error),
        }))
    }
}

/// Writes all bodies; the answers stand in the order of the bodies. `what` names a body in errors.
pub fn write_all(
    guarded: &Guarded,
    incoming: &[Incoming<'_>],
    mode: Mode,
    on_error: OnError,
    what: &str,
) -> Result<Vec<Landed>> {
    let mut landed: Vec<Option<Landed>> = vec![None; incoming.len()];
    let mut first: HashMap<&str, usize> = HashMap::with_capacity(incoming.len());
    let mut order = Vec::with_capacity(incoming.len());
    for (at, one) in incoming.iter().enumerate() {
        check_for_interrupts()?;
        let refused = match first.get(one.id.as_ref()) {
            Some(twin) => Some(Refused::new(
                State::BadRequest,
                Code::Duplicate,
                format!(
                    "the same id as {what} {}",
                    incoming.get(*twin).map_or(0, |twin| twin.place)
                ),
            )),
            None => one.judge(guarded)?,
        };
        match refused {
            None => {
                first.insert(&one.id, at);
                order.push(at);
            }
            Some(refused) if on_error == OnError::Abort => return Err(refused.at(what, one.place)),
            Some(refused) => set(&mut landed, at, Landed::Refused(refused)),
        }
    }
    order.sort_by(|a, b| id_at(incoming, *a).cmp(id_at(incoming, *b)));
    for chunk in chunk::split(incoming, &order) {
        chunk::write(guarded, incoming, chunk, mode, on_error, what, &mut landed)?;
    }
    landed
        .into_iter()
        .map(|landed| landed.ok_or(Error::Bug("a body was left out of a load".into())))
        .collect()
}

fn id_at<'i>(incoming: &'i [Incoming<'_>], at: usize) -> &'i str {
    incoming.get(at).map_or("", |one| one.id.as_ref())
}

fn set(landed: &mut [Option<Landed>], at: usize, outcome: Landed) {
    if let Some(place) = landed.get_mut(at) {
        *place = Some(outcome);
    }
}
