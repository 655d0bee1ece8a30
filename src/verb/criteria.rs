//! Criteria, as a call gives them: `{"address.city": "Toronto", "practiceNumber": [1, 2]}`.

use crate::pg::{Answer, Call, Error, Result, State, datum_of_jsonb, lock_number};
use crate::store::Guarded;
use crate::store::criteria::{MOST, Search, too_many};
use ingest_engine::criteria::{self, Criterion, FORMS};
use ingest_engine::first_instant;
use jsonb::{Item, Object, Value, write};

/// Criteria that were understood: every one must hold.
pub struct Criteria {
    /// As it is searched for.
    pub search: Search,
    read: Vec<Criterion>,
}

impl Criteria {
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

    /// Reads criteria as a query says them: `name=Bob&no=1,2`.
    pub fn of_query(guarded: &Guarded, query: &str) -> Result<Self> {
        Self::read(guarded, Value::read(&object_of(query)?)?)
    }

    /// Whether a resource that is not stored yet meets them.
    // Until criteria of FHIR have a predicate of their own, nothing is known to.
    pub fn matches(&self, _data: Value<'_>) -> Result<bool> {
        Ok(false)
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

/// How long a query may be, in bytes, and how many keys it may have.
const LONGEST_QUERY: usize = 8 << 10;
const MOST_KEYS: usize = 64;

/// `ingest.criteria(query)`: `name=Bob&no=1,2` as the object `{"name": "Bob", "no": ["1", "2"]}`;
/// of a key that is there twice, both must hold, as in FHIR: `tag=x&tag=y` is `{"tag": [["x"], ["y"]]}`.
pub fn from_query(call: &mut Call<'_>) -> Result<Answer> {
    datum_of_jsonb(&object_of(call.need_text(0, "query")?)?)
}

/// The criteria that a query says, as a root container.
fn object_of(query: &str) -> Result<Vec<u8>> {
    if query.len() > LONGEST_QUERY {
        return Err(too_long("the query is longer than 8 kB"));
    }
    let query = query.strip_prefix('?').unwrap_or(query);
    let mut members: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    for (count, pair) in pairs.enumerate() {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decoded(key)?, decoded(value)?);
        if key.is_empty() {
            return Err(bad("the query has a value without a key"));
        }
        if count == MOST_KEYS {
            return Err(too_long("the query has more than 64 keys"));
        }
        let value = alternatives(&value);
        match members.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => members.push((key, vec![value])),
        }
    }
    let members: Vec<_> = members
        .iter()
        .map(|(key, values)| {
            let item = match values.as_slice() {
                [one] => match one.as_slice() {
                    [value] => Item::Text(value),
                    many => texts(many),
                },
                all => Item::Items(all.iter().map(|values| texts(values)).collect()),
            };
            (key.as_bytes(), item)
        })
        .collect();
    write(&Item::Members(members)).map_err(|_| bad("the query holds a NUL"))
}

fn texts(values: &[String]) -> Item<'_> {
    Item::Items(values.iter().map(|value| Item::Text(value)).collect())
}

fn too_long(message: &str) -> Error {
    Error::refuse(State::TooLarge, message).hint("Criteria can be given as an object, too.")
}

/// A key or a value of a query (`application/x-www-form-urlencoded`, WHATWG URL, section 5.1),
/// which must be UTF-8.
fn decoded(text: &str) -> Result<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        decoded.push(match (first, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) => match (hexadecimal(*high), hexadecimal(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high * 16 + low
                }
                _ => b'%',
            },
            _ => *first,
        });
    }
    String::from_utf8(decoded).map_err(|_| bad("the query is not UTF-8"))
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}

/// FHIR R4, section 3.1.1.4.18: a comma means any of them; section 3.1.1.4.0.1: behind a backslash
/// a comma, `|`, `$` and a backslash stand for themselves.
fn alternatives(value: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let mut characters = value.chars().peekable();
    while let Some(character) = characters.next() {
        let literal = match character {
            '\\' => characters
                .next_if(|next| matches!(next, ',' | '|' | '$' | '\\'))
                .unwrap_or(character),
            ',' => {
                values.push(String::new());
                continue;
            }
            _ => character,
        };
        if let Some(last) = values.last_mut() {
            last.push(literal);
        }
    }
    values
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
