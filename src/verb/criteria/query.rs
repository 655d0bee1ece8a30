//! Query strings: `identifier=urn:mrn|7&name=Bob`.

use super::bad;
use crate::pg::{Answer, Call, Error, Result, State, datum_of_jsonb};
use jsonb::{Item, write};
use std::borrow::Cow;
use text::percent;

/// How long a query may be, in bytes, and how many keys it may have.
const LONGEST_QUERY: usize = 64 << 10;
pub const MOST_KEYS: usize = 64;

/// `ingest.criteria(query)`: `name=Bob&no=1,2` as the object `{"name": "Bob", "no": ["1", "2"]}`;
/// of a key that is there twice, both must hold, as in FHIR: `tag=x&tag=y` is `{"tag": [["x"], ["y"]]}`.
pub fn from_query(call: &mut Call<'_>) -> Result<Answer> {
    datum_of_jsonb(&object(call.need_text(0, "query")?)?)
}

/// The keys of a query and their values, decoded, in their order.
pub fn pairs(query: &str) -> Result<Vec<(String, String)>> {
    if query.len() > LONGEST_QUERY {
        return Err(too_long("the query is longer than 64 kB"));
    }
    let query = query.strip_prefix('?').unwrap_or(query);
    let mut all = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decoded(key)?, decoded(value)?);
        if key.is_empty() {
            return Err(bad("the query has a value without a key"));
        }
        if all.len() == MOST_KEYS {
            return Err(too_long("the query has more than 64 keys"));
        }
        all.push((key, value));
    }
    Ok(all)
}

/// A query that is no part of an address, but text of a header or a Bundle, where `+` is no blank: a
/// client that has not encoded it means it.
pub fn beside_address(query: &str) -> Cow<'_, str> {
    match query.contains('+') {
        true => Cow::Owned(query.replace('+', "%2B")),
        false => Cow::Borrowed(query),
    }
}

/// The object that a query says, a root container.
pub fn object(query: &str) -> Result<Vec<u8>> {
    let mut members: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    for (key, value) in pairs(query)? {
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

pub fn too_long(message: &str) -> Error {
    Error::refuse(State::TooLarge, message).hint("Ask in several calls.")
}

/// A key or a value of a query, which must be UTF-8.
fn decoded(text: &str) -> Result<String> {
    percent::decoded(text, true).ok_or_else(|| bad("the query is not UTF-8"))
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
