//! Criteria, as a call gives them: `{"address.city": "Toronto", "practiceNumber": [1, 2]}`, or
//! `address.city=Toronto&practiceNumber=1,2`.

mod query;

use crate::pg::{Answer, Call, Error, Result, State, lock_number};
use crate::store::Guarded;
use crate::store::criteria::{MOST, Search, too_many};
use ingest_engine::criteria::{self, Criterion, FORMS};
use ingest_engine::first_instant;
use jsonb::{Object, Value, from_text};
pub use query::from_query;

/// Criteria as a call gives them.
#[derive(Debug)]
pub enum Given<'a> {
    /// JSON, which should be an object.
    Json(Value<'a>),
    /// The same, made of a text.
    Parsed(Vec<u8>),
    /// A query string.
    Query(&'a str),
}

impl<'a> Given<'a> {
    /// Those of an argument: `criteria jsonb`, or `criteria text`, which is a query string unless it
    /// begins as JSON does that is more than a word.
    pub fn of(call: &Call<'a>, place: usize) -> Result<Self> {
        const NAME: &str = "criteria";
        if !call.is_text(place) {
            return Self::read(call.need_jsonb(place, NAME)?);
        }
        Self::text(call.need_text(place, NAME)?)
    }

    /// A string is what a text is.
    pub fn read(value: Value<'a>) -> Result<Self> {
        match value {
            Value::String(text) => {
                Self::text(std::str::from_utf8(text).map_err(|_| Error::Corrupt)?)
            }
            value => Ok(Self::Json(value)),
        }
    }

    fn text(text: &'a str) -> Result<Self> {
        match text.trim_start().starts_with(['{', '[', '"']) {
            false => Ok(Self::Query(text)),
            true => match from_text(text) {
                Ok(parsed) => Ok(Self::Parsed(parsed)),
                Err(_) => Err(bad("criteria are not well-formed JSON")),
            },
        }
    }
}

/// Criteria that were understood: every one must hold.
pub struct Criteria {
    /// As it is searched for.
    pub search: Search,
    read: Vec<Criterion>,
}

impl Criteria {
    /// Those that a call gives.
    pub fn of(guarded: &Guarded, given: &Given<'_>) -> Result<Self> {
        match given {
            Given::Json(value) => Self::read(guarded, *value),
            Given::Parsed(bytes) => match Value::read(bytes)? {
                Value::String(query) => {
                    let query = std::str::from_utf8(query).map_err(|_| Error::Corrupt)?;
                    Self::of_query(guarded, query)
                }
                value => Self::read(guarded, value),
            },
            Given::Query(query) => Self::of_query(guarded, query),
        }
    }

    /// Those of a query string.
    pub fn of_query(guarded: &Guarded, query: &str) -> Result<Self> {
        Self::read(guarded, Value::read(&query::object(query)?)?)
    }

    /// Reads criteria, and refuses those that no resource of the profile can meet.
    pub fn read(guarded: &Guarded, given: Value<'_>) -> Result<Self> {
        let Value::Object(object) = given else {
            return Err(bad("criteria are not an object"));
        };
        bounded(object)?;
        let read = guarded.criteria(object)?.map_err(|mistake| {
            Error::refuse(State::BadRequest, mistake.message).hint(mistake.hint)
        })?;
        Ok(Self {
            search: Search::of(guarded, &read)?,
            read,
        })
    }

    /// Refuses criteria that say nothing: for who would write by them.
    pub fn not_empty(self) -> Result<Self> {
        if self.read.is_empty() {
            return Err(bad("criteria are empty"));
        }
        Ok(self)
    }

    /// Whether they name a declared identity whose unique index is there and keeps writers apart.
    pub fn are_kept_apart(&self, guarded: &Guarded) -> Result<bool> {
        match self.search.identity.and_then(|at| guarded.indexes.get(at)) {
            Some(index) => index.keeps_apart(guarded.table()?),
            None => Ok(false),
        }
    }

    /// The number of the lock that callers with the same criteria have in common.
    pub fn lock_number(&self, guarded: &Guarded) -> Result<u64> {
        let canonical = criteria::canonical(&self.read)?;
        Ok(lock_number(&format!(
            "{}\n{}\n{canonical}",
            guarded.source_name(),
            guarded.name(),
        )))
    }
}

/// How large criteria may be, in bytes, as JSONB.
const LARGEST: usize = 64 << 10;

/// Refuses criteria that are more than a search takes, before anything is made of them.
fn bounded(object: Object<'_>) -> Result<()> {
    if object.as_bytes().len() > LARGEST {
        return Err(
            Error::refuse(State::TooLarge, "the criteria are larger than 64 kB")
                .hint("Ask in plain SQL."),
        );
    }
    match criteria::count(object)? > MOST {
        true => Err(too_many()),
        false => Ok(()),
    }
}

fn bad(message: &str) -> Error {
    Error::refuse(State::BadRequest, message).hint(FORMS)
}

/// `ingest.moment(text)`: when a datetime is, NULL if it is none.
pub fn moment(call: &mut Call<'_>) -> Result<Answer> {
    // PostgreSQL counts microseconds from 2000-01-01T00:00:00Z.
    const EPOCH: i64 = 946_684_800;
    let text = call.need_text(0, "text")?;
    let Some((seconds, nanoseconds)) = first_instant(text.as_bytes()) else {
        return Ok(Answer::Null);
    };
    let microseconds = (seconds - EPOCH) * 1_000_000 + i64::from(nanoseconds / 1_000);
    Ok(Answer::instant(microseconds))
}
