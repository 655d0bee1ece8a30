//! Criteria, as a call gives them: `{"address.city": "Toronto", "practiceNumber": [1, 2]}`, or
//! `address.city=Toronto&practiceNumber=1,2`.

pub mod controls;
pub mod fhir;
pub mod place;
mod query;

use crate::pg::{Answer, Call, Error, Result, Session, State, warning};
use crate::store::criteria::{MOST, Search, too_many};
use crate::store::row::Stored;
use crate::store::table::Form;
use crate::store::{Guarded, Name, cluster};
use controls::Controls;
use ingest_engine::criteria::{self, Criterion, FORMS};
use ingest_engine::{Code, Issue, Severity, first_instant};
use jsonb::{Object, Value, from_text};
pub use query::{beside_address, from_query};

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

    /// What JSON that was a text says: a string in it is a query.
    fn inner(value: Value<'a>) -> Result<Self> {
        match value {
            Value::String(query) => Ok(Self::Query(
                std::str::from_utf8(query).map_err(|_| Error::Corrupt)?,
            )),
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

/// `ingest.criteria_hold(source, profile, criteria)`
pub fn hold(call: &mut Call<'_>) -> Result<Answer> {
    let source = Name::new(call.need_text(0, "source")?, "source")?;
    let profile = Name::new(call.need_text(1, "profile")?, "profile")?;
    cluster::hold_criteria(&source, &profile, call.need_text(2, "criteria")?)?;
    Ok(Answer::Null)
}

/// Criteria that were understood: every one must hold.
pub struct Criteria {
    /// As it is searched for.
    pub search: Search,
    /// Why nothing can meet them, if a search may ask nevertheless.
    pub in_vain: Option<String>,
    read: Read,
}

/// What was read.
enum Read {
    Native(Vec<Criterion>),
    Fhir(Vec<search::Criterion>),
}

impl Criteria {
    /// Those that a call gives, which says nothing beside them.
    pub fn of(guarded: &Guarded, given: &Given<'_>) -> Result<Self> {
        let (criteria, controls) = Self::with_controls(guarded, given)?;
        controls.refuse()?;
        match &criteria.in_vain {
            None => Ok(criteria),
            Some(message) => Err(Error::refuse(State::BadRequest, message).hint(NEVER)),
        }
    }

    /// Those that a call gives, and what it says of the search and its answer: `_sort`, `_count`.
    pub fn with_controls(guarded: &Guarded, given: &Given<'_>) -> Result<(Self, Controls)> {
        let parsed = match given {
            Given::Parsed(bytes) => Given::inner(Value::read(bytes)?)?,
            Given::Json(value) => Given::Json(*value),
            Given::Query(query) => Given::Query(query),
        };
        match (parsed, guarded.form()) {
            (Given::Query(query), Form::Fhir) => Self::of_pairs(guarded, query::pairs(query)?),
            (Given::Query(query), _) => {
                let object = query::object(query)?;
                Ok((
                    Self::read(guarded, Value::read(&object)?)?,
                    Controls::default(),
                ))
            }
            (Given::Json(value), Form::Fhir) => {
                let pairs = fhir::pairs(guarded, bounded(value)?)?;
                Self::of_pairs(guarded, pairs)
            }
            (Given::Json(value), _) => Ok((Self::read(guarded, value)?, Controls::default())),
            (Given::Parsed(_), _) => Err(bad(NO_OBJECT)),
        }
    }

    fn of_pairs(guarded: &Guarded, pairs: Vec<(String, String)>) -> Result<(Self, Controls)> {
        let mut controls = Controls::default();
        let mut rest = Vec::new();
        for (key, value) in pairs {
            if !controls.take(&key, &value)? {
                rest.push((key, value));
            }
        }
        let parameters = guarded.parameters()?;
        let read = fhir::read(guarded, parameters, &rest)?;
        let criteria = Self {
            search: Search::of_fhir(guarded, &read)?,
            in_vain: fhir::in_vain(guarded, &read)?,
            read: Read::Fhir(read),
        };
        Ok((criteria, controls))
    }

    /// Those of a query string that is no part of an address.
    pub fn of_query(guarded: &Guarded, query: &str) -> Result<Self> {
        Self::of(guarded, &Given::Query(&beside_address(query)))
    }

    /// Reads criteria, and refuses those that no resource of the profile can meet.
    pub fn read(guarded: &Guarded, given: Value<'_>) -> Result<Self> {
        if guarded.form() == Form::Fhir {
            return Self::of(guarded, &Given::Json(given));
        }
        let object = bounded(given)?;
        if criteria::count(object)? > MOST {
            return Err(too_many());
        }
        let read = guarded.criteria(object)?.map_err(|mistake| {
            let mut keys = object.iter().filter_map(|member| Some(member.ok()?.0));
            let hint = match keys.any(controls::is_one) {
                true => ASIDE.to_owned(),
                false => mistake.hint,
            };
            Error::refuse(State::BadRequest, mistake.message).hint(hint)
        })?;
        Ok(Self {
            search: Search::of(guarded, &read)?,
            in_vain: None,
            read: Read::Native(read),
        })
    }

    /// Refuses criteria that say nothing: for who would write by them.
    pub fn not_empty(self) -> Result<Self> {
        let is_empty = match &self.read {
            Read::Native(read) => read.is_empty(),
            Read::Fhir(read) => read.is_empty(),
        };
        match is_empty {
            true => Err(bad("criteria are empty")),
            false => Ok(self),
        }
    }

    /// Warns of what was written for them and does not meet them: nothing will find it the next time.
    /// Says whether it meets them.
    pub fn warn_unless_met(
        &self,
        session: &Session,
        guarded: &Guarded,
        stored: &Stored,
    ) -> Result<bool> {
        let is_met = match (&self.read, &stored.data) {
            (Read::Fhir(_), Some(data)) => self.matches(Value::read(data)?)?,
            _ => self
                .search
                .is_met_by(session, guarded.table()?, &stored.id)?,
        };
        if !is_met {
            warn(guarded, "")?;
        }
        Ok(is_met)
    }

    /// Whether a resource of FHIR that is not stored meets them; of a native one that is not known.
    pub fn matches(&self, data: Value<'_>) -> Result<bool> {
        match (self.of_fhir(), data) {
            (Some(read), Value::Object(data)) => Ok(search::matches(read, data)?),
            _ => Ok(false),
        }
    }

    /// Those of FHIR, which can be asked of what is not stored.
    pub fn of_fhir(&self) -> Option<&[search::Criterion]> {
        match &self.read {
            Read::Fhir(read) => Some(read),
            Read::Native(_) => None,
        }
    }

    /// Whether they name a declared identity whose unique index is there and keeps writers apart.
    pub fn are_kept_apart(&self, guarded: &Guarded) -> Result<bool> {
        match self.search.identity.and_then(|at| guarded.indexes.get(at)) {
            Some(index) => index.keeps_apart(guarded.table()?),
            None => Ok(false),
        }
    }

    /// As they are written in one way, whoever wrote them.
    pub fn canonical(&self) -> Result<String> {
        Ok(match &self.read {
            Read::Native(read) => criteria::canonical(read)?,
            Read::Fhir(read) => search::canonical(read),
        })
    }

    /// The number of the lock that callers with the same criteria have in common.
    pub fn lock_number(&self, guarded: &Guarded) -> Result<u64> {
        let (source, profile) = (guarded.source_name(), guarded.name());
        Ok(cluster::of_criteria(source, profile, &self.canonical()?))
    }
}

/// Warns of what does not meet the criteria that it was written for; `part` names it among others.
pub fn warn(guarded: &Guarded, part: &str) -> Result<()> {
    let message = format!("{part}{}", unmet(guarded.name()));
    warning(&message, "Let the body say what the criteria ask for.")
}

fn unmet(profile: &str) -> String {
    format!(
        "what was written to {profile} does not meet the criteria: the next call will not find it, and make another"
    )
}

/// The same, as an issue.
pub fn unmet_issue(profile: &str) -> Issue {
    Issue {
        severity: Severity::Warning,
        ..Issue::error(Code::Duplicate, "", unmet(profile))
    }
}

/// How large criteria may be, in bytes, as JSONB.
const LARGEST: usize = 64 << 10;

/// The object that criteria are, before anything is made of it.
fn bounded(given: Value<'_>) -> Result<Object<'_>> {
    match given {
        Value::Object(object) if object.as_bytes().len() > LARGEST => Err(Error::refuse(
            State::TooLarge,
            "the criteria are larger than 64 kB",
        )
        .hint("Ask in plain SQL.")),
        Value::Object(object) => Ok(object),
        _ => Err(bad(NO_OBJECT)),
    }
}

/// What a query of FHIR says beside its criteria is said of a native profile by arguments.
const ASIDE: &str = "Criteria name properties; sort and count are arguments of their own: \
     ingest.resource_search(source, profile, criteria, count => 10, sort => '[\"-born\"]').";

/// What to do about criteria that nothing can meet.
pub const NEVER: &str = "No resource can meet the criteria: ask for a code that there is.";

const NO_OBJECT: &str = "criteria are not an object";

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
