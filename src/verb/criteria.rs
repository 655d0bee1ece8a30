//! Criteria: `{"address.city": "Toronto", "practiceNumber": [1, 2]}`, as conditions on data.

use crate::pg::{Answer, Call, Error, Result, State, datum_of_jsonb, lock_number};
use crate::store::Guarded;
use crate::store::criteria::{Condition, MOST, too_many};
use crate::store::index::full_path;
use ingest_engine::Property;
use jsonb::{Item, Object, Value, from_text, write};

/// Criteria that were understood: every one must hold.
pub struct Criteria {
    /// One condition for each criterion.
    pub conditions: Vec<Condition>,
    canonical: String,
    identity: Option<usize>,
}

impl Criteria {
    /// Reads criteria: a key is a property path of the profile, a value is one that the property
    /// can have, or an array of such of which any will do.
    pub fn read(guarded: &Guarded, criteria: Value<'_>) -> Result<Self> {
        let Value::Object(object) = criteria else {
            return Err(bad("criteria are not an object"));
        };
        bounded(object)?;
        let mut conditions = Vec::new();
        let mut canonical = String::new();
        for member in object.iter() {
            let (key, value) = member?;
            let property = property_of(guarded, key)?;
            let path = property.path.as_str();
            let given = match value {
                Value::Array(items) => items.iter().collect::<std::result::Result<Vec<_>, _>>()?,
                single => vec![single],
            };
            // The store outlives the values that are read from it.
            let typed = given
                .iter()
                .map(|value| typed(property, *value))
                .collect::<Result<Vec<Option<Vec<u8>>>>>()?;
            let mut values = given
                .iter()
                .zip(&typed)
                .map(|(value, typed)| {
                    let value = match typed {
                        Some(typed) => Value::read(typed)?,
                        None => *value,
                    };
                    Ok((canonical_text(value)?, value))
                })
                .collect::<Result<Vec<_>>>()?;
            if values.is_empty() {
                return Err(bad("a criterion has an empty array of values"));
            }
            // Sorted, so that criteria that mean the same have the same form and the same lock.
            values.sort_by(|a, b| a.0.cmp(&b.0));
            values.dedup_by(|a, b| a.0 == b.0);
            canonical.push_str(path);
            for (text, _) in &values {
                canonical.push('\n');
                canonical.push_str(text);
            }
            canonical.push_str("\n&\n");
            let values: Vec<Value<'_>> = values.into_iter().map(|(_, value)| value).collect();
            conditions.push(Condition::new(guarded, path, &values)?);
        }
        let single = conditions.iter().all(|condition| condition.any.len() == 1);
        let identity = guarded.indexes.iter().position(|index| {
            single
                && index.unique
                && index.paths.len() == conditions.len()
                && conditions.iter().all(|at| index.paths.contains(&at.path))
        });
        Ok(Self {
            conditions,
            canonical,
            identity,
        })
    }

    /// Refuses criteria that say nothing: for who would write by them.
    pub fn not_empty(self) -> Result<Self> {
        if self.conditions.is_empty() {
            return Err(bad("criteria are empty"));
        }
        Ok(self)
    }

    /// Whether they name a declared identity whose unique index is there and keeps writers apart.
    pub fn are_kept_apart(&self, guarded: &Guarded) -> Result<bool> {
        match self.identity.and_then(|at| guarded.indexes.get(at)) {
            Some(index) => index.keeps_apart(guarded.table()?),
            None => Ok(false),
        }
    }

    /// The number of the lock that callers with the same criteria have in common.
    pub fn lock_number(&self, guarded: &Guarded) -> u64 {
        lock_number(&format!(
            "{}\n{}\n{}",
            guarded.source_name(),
            guarded.name(),
            self.canonical
        ))
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
    let mut count = 0;
    for member in object.iter() {
        count += match member?.1 {
            Value::Array(items) => items.len(),
            _ => 1,
        };
    }
    match count > MOST {
        true => Err(too_many()),
        false => Ok(()),
    }
}

/// A value's text, the same for all spellings of a number.
fn canonical_text(value: Value<'_>) -> Result<String> {
    Ok(match value {
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.canonical(),
        Value::String(bytes) => {
            format!(
                "{:?}",
                std::str::from_utf8(bytes).map_err(|_| Error::Corrupt)?
            )
        }
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(bad(
                "a criterion's value is not a string, number or boolean",
            ));
        }
    })
}

/// The property that a criterion names (`name.given`).
fn property_of<'g>(guarded: &'g Guarded, key: &[u8]) -> Result<&'g Property> {
    let key = std::str::from_utf8(key).map_err(|_| Error::Corrupt)?;
    let description = &guarded.description;
    full_path(description, key)
        .and_then(|path| {
            description
                .properties
                .iter()
                .rfind(|property| property.path == path)
        })
        .ok_or_else(|| bad("a criterion names a property that the profile does not have"))
}

/// A string for a property of numbers or booleans, as that: query strings hold nothing else.
fn typed(property: &Property, value: Value<'_>) -> Result<Option<Vec<u8>>> {
    let Value::String(bytes) = value else {
        return Ok(None);
    };
    if !matches!(property.kind.as_str(), "integer" | "decimal" | "boolean") {
        return Ok(None);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Error::Corrupt)?;
    let typed = from_text(text).ok().filter(|typed| {
        let number = property.kind != "boolean";
        match Value::read(typed) {
            Ok(Value::Number(_)) => number,
            Ok(Value::Bool(_)) => !number,
            _ => false,
        }
    });
    typed
        .map(Some)
        .ok_or_else(|| bad("a criterion's value is not of the property's type"))
}

fn bad(message: &str) -> Error {
    Error::refuse(State::BadRequest, message)
        .hint("Criteria are {\"property.path\": value}; an array of values means any of them.")
}

/// How long a query may be, in bytes, and how many keys it may have.
const LONGEST_QUERY: usize = 8 << 10;
const MOST_KEYS: usize = 64;

/// `ingest.criteria(query)`: `name=Bob&no=1,2` as the object `{"name": "Bob", "no": ["1", "2"]}`.
pub fn from_query(call: &mut Call<'_>) -> Result<Answer> {
    let query = call.need_text(0, "query")?;
    if query.len() > LONGEST_QUERY {
        return Err(too_long("the query is longer than 8 kB"));
    }
    let query = query.strip_prefix('?').unwrap_or(query);
    let mut members: Vec<(String, Vec<String>)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decoded(key)?, decoded(value)?);
        if key.is_empty() {
            return Err(bad("the query has a value without a key"));
        }
        if members.iter().any(|(known, _)| *known == key) {
            return Err(bad("the query has the same key twice"));
        }
        if members.len() == MOST_KEYS {
            return Err(too_long("the query has more than 64 keys"));
        }
        members.push((key, alternatives(&value)));
    }
    let members: Vec<_> = members
        .iter()
        .map(|(key, values)| {
            let item = match values.as_slice() {
                [one] => Item::Text(one),
                many => Item::Items(many.iter().map(|value| Item::Text(value)).collect()),
            };
            (key.as_bytes(), item)
        })
        .collect();
    let criteria = write(&Item::Members(members)).map_err(|_| bad("the query holds a NUL"))?;
    datum_of_jsonb(&criteria)
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
