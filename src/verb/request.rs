//! Requests with a key: what was done under it once is not done again, but answered again.
//!
//! Who comes with a key waits for who has come with it before, and then looks what came of that.
//! What is kept, in the transaction of the call, is a digest of what it said and the ids and
//! versions that it has made; what these are is read from history. A call that is refused, or that
//! has written nothing, keeps nothing. `ingest.request_prune(older, limit)` forgets.

use super::body::root;
use super::render::Written;
use super::row::{key_of, stored};
use crate::pg::{
    Answer, Call, Error, Reading, Result, Session, State, check_for_interrupts, current_role,
};
use crate::store::history::Last;
use crate::store::request::{self, Known};
use crate::store::{Guarded, Outcome, cluster};
use jsonb::{Item, Value, write};

/// How long a key may be, in bytes.
const LONGEST: usize = 255;

/// How many keys are forgotten at once, unless the caller says it.
const BATCH: i32 = 10_000;

/// A call that is made for the first time, with or without a key.
#[must_use]
pub struct Request<'a>(Option<(request::Key<'a>, String)>);

/// What a call is.
pub enum Turn<'a> {
    /// The first under its key, or one without a key.
    First(Request<'a>),
    /// One that was made before.
    Again(Made),
}

/// What came of one part of a call.
#[derive(Debug, Clone, Copy)]
pub enum Effect<'a> {
    /// Something was done to a row.
    Done {
        /// What.
        outcome: Outcome,
        /// The profile or relationship, where the call does not name it.
        profile: &'a str,
        /// The id of the resource or link.
        id: &'a str,
        /// Its version then; none where there was nothing to tell of.
        now: Option<Last>,
    },
    /// It was refused, and the others were not.
    Refused {
        /// The SQLSTATE's meaning.
        state: State,
        /// The id that it was given.
        id: Option<&'a str>,
        /// The issues: an OperationOutcome as JSON.
        outcome: &'a str,
    },
    /// It reads.
    Read,
}

/// What came of a call that was made before.
pub struct Made(Vec<u8>);

/// Whether a call is to be made; `said` are its verb and its arguments. Who has the key at the moment
/// is waited for.
pub fn turn<'a>(
    source: &'a str,
    key: Option<&'a str>,
    said: &[Item<'_>],
    body: Value<'_>,
) -> Result<Turn<'a>> {
    let Some(name) = key else {
        return Ok(Turn::First(Request(None)));
    };
    check(name)?;
    let role = current_role();
    let key = request::Key { source, name, role };
    let said = write(&Item::Array(said)).map_err(|_| too_large())?;
    let body = root(body)?;
    Ok(
        match Session::open(|session| request::seek(session, key, &said, &body))? {
            Known::Nothing(digest) => Turn::First(Request(Some((key, digest)))),
            Known::Made(answer) => Turn::Again(Made(answer)),
            Known::OfAnother => return Err(of_another()),
            Known::ForAnother => return Err(for_another()),
            Known::TooNew => return Err(too_new()),
        },
    )
}

/// Refuses what cannot be a key.
pub fn check(key: &str) -> Result<()> {
    match key.len() {
        1..=LONGEST => Ok(()),
        _ => Err(Error::refuse(
            State::BadRequest,
            format!("request_key is not a text of 1 to {LONGEST} bytes"),
        )
        .hint("A UUID will do: one for each request, the same for its retries.")),
    }
}

impl Request<'_> {
    /// Keeps what came of the call, if it has a key and has written anything: who only reads leaves
    /// nothing behind.
    pub fn keep<'e>(self, effects: impl Iterator<Item = Effect<'e>>) -> Result<()> {
        let Some((key, digest)) = self.0 else {
            return Ok(());
        };
        let mut parts = Vec::new();
        let mut has_written = false;
        for effect in effects {
            check_for_interrupts()?;
            has_written |= effect.is_write();
            parts.push(effect.item());
        }
        if !has_written {
            return Ok(());
        }
        let answer = write(&Item::Items(parts)).map_err(|_| too_large())?;
        match Session::open(|session| request::keep(session, key, &digest, &answer))? {
            true => Ok(()),
            // Who waits for a key waits on his node.
            false if cluster::is_here()? => Err(Error::refuse(
                State::SerializationFailure,
                "another call under this request_key was made meanwhile",
            )
            .hint("Try again: what it did is told then.")),
            false => Err(Error::refuse(
                State::Conflict,
                "the call has itself made a call under its request_key",
            )
            .hint("A trigger that makes calls gives them keys of their own, or none.")),
        }
    }
}

impl<'a> Effect<'a> {
    /// What was done to a row.
    pub fn done(outcome: Outcome, profile: &'a str, id: &'a str, now: Last) -> Self {
        let now = Some(now);
        Self::Done {
            outcome,
            profile,
            id,
            now,
        }
    }

    fn is_write(&self) -> bool {
        matches!(self, Self::Done { outcome, .. } if *outcome != Outcome::Matched)
    }

    fn item(&self) -> Item<'a> {
        match *self {
            Self::Done {
                outcome,
                profile,
                id,
                now,
            } => {
                let mut item = vec![outcome.as_str().into(), profile.into(), id.into()];
                if let Some(now) = now {
                    item.push(Item::Int(now.version.into()));
                    item.push(Item::Int(now.updated_at));
                }
                Item::Items(item)
            }
            Self::Refused { state, id, outcome } => Item::Items(vec![
                Item::Text(std::str::from_utf8(state.sqlstate()).unwrap_or_default()),
                Item::Null,
                id.map_or(Item::Null, Item::Text),
                Item::Text(outcome),
            ]),
            Self::Read => Item::Null,
        }
    }

    fn read(item: Value<'a>) -> Result<Self> {
        let Value::Array(item) = item else {
            return Ok(Self::Read);
        };
        let item: Vec<Value<'a>> = item.iter().collect::<std::result::Result<_, _>>()?;
        let text = |place: usize| match item.get(place) {
            Some(Value::String(bytes)) => std::str::from_utf8(bytes).ok(),
            _ => None,
        };
        let number = |place: usize| match item.get(place) {
            Some(Value::Number(number)) => number.as_i64(),
            _ => None,
        };
        let what = text(0).ok_or(Error::Corrupt)?;
        if let Some(outcome) = Outcome::parse(what) {
            let now = number(3).zip(number(4)).map(|(version, updated_at)| Last {
                version: i32::try_from(version).unwrap_or_default(),
                updated_at,
            });
            return Ok(Self::Done {
                outcome,
                profile: text(1).ok_or(Error::Corrupt)?,
                id: text(2).ok_or(Error::Corrupt)?,
                now,
            });
        }
        Ok(Self::Refused {
            state: State::of_refusal(what).ok_or(Error::Corrupt)?,
            id: text(2),
            outcome: text(3).ok_or(Error::Corrupt)?,
        })
    }
}

impl Made {
    /// What came of each part.
    pub fn effects(&self) -> Result<Vec<Effect<'_>>> {
        let Value::Array(parts) = Value::read(&self.0)? else {
            return Err(Error::Corrupt);
        };
        parts.iter().map(|part| Effect::read(part?)).collect()
    }

    /// The answer of a call of one row: the row in the version that the call has made.
    pub fn row(&self, guarded: &Guarded) -> Result<Written> {
        let effects = self.effects()?;
        let Some(Effect::Done {
            id, now: Some(now), ..
        }) = effects.first()
        else {
            return Err(Error::Corrupt);
        };
        let found = Session::open(|session| {
            let (key, version) = (key_of(guarded, id)?, Some(now.version));
            stored(session, guarded, key, version, Reading::Fresh)
        });
        match found {
            // What was purged can be made anew, under the same id and with the same versions.
            Ok(stored) if stored.updated_at == now.updated_at => {
                Written::stored(Outcome::Replayed, guarded, stored)
            }
            Ok(_) => Err(gone(guarded)),
            Err(Error::Refused(refusal))
                if matches!(refusal.state, State::NotFound | State::Gone) =>
            {
                Err(gone(guarded))
            }
            Err(error) => Err(error),
        }
    }
}

/// Forgets old keys.
pub fn prune(call: &mut Call<'_>) -> Result<Answer> {
    let older = call
        .age(0, "older")?
        .ok_or_else(|| Error::refuse(State::BadRequest, "older must not be null"))?;
    let limit = call.int4(1)?.unwrap_or(BATCH);
    if limit < 1 {
        return Err(Error::refuse(State::BadRequest, "limit is less than 1"));
    }
    let role = current_role();
    let count = Session::open(|session| request::prune(session, role, older, limit))?;
    Ok(Answer::int8(i64::try_from(count).unwrap_or(i64::MAX)))
}

fn of_another() -> Error {
    Error::refuse(State::Conflict, "the request_key is another's")
        .hint("Use another key: a random UUID is nobody's.")
}

fn for_another() -> Error {
    Error::refuse(
        State::Unprocessable,
        "the request_key was used for another request",
    )
    .hint("A retry says what the first request said: the same call, arguments and body. What is new has a new key.")
}

fn too_new() -> Error {
    Error::refuse(
        State::SerializationFailure,
        "the request was made after the snapshot of this transaction",
    )
    .hint("Run the transaction again.")
}

/// What was made was erased or purged, or the caller does not see it any more.
fn gone(guarded: &Guarded) -> Error {
    let message = format!("what the request made in {} is gone", guarded.name());
    Error::refuse(State::Gone, message)
        .of_table(guarded.source_name(), guarded.name())
        .hint("It was erased, pruned, purged or hidden since, or never kept; the request is not made again.")
}

fn too_large() -> Error {
    Error::refuse(
        State::TooLarge,
        "the request has too many parts to keep what came of them",
    )
    .hint("Make several requests of it, each with a key of its own.")
}
