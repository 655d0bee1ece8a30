//! `ingest.search_matches(data, criteria)`, which decides whether a resource meets criteria, and what
//! indexes hold of resources: `ingest.search_tokens(data, paths)` and its like. All of them depend on
//! their arguments alone.

use crate::pg::{
    Answer, Call, Error, Result, State, datum_of_input, datum_of_text, datum_of_texts, kind,
};
use jsonb::{Object, Value};
use search::{Compiled, Kind, Paths};
use std::cell::RefCell;
use std::rc::Rc;
use std::thread::LocalKey;

/// What was read of an argument, by its bytes: an index or a query gives the same for every row.
struct Kept<T>(RefCell<Vec<(Vec<u8>, Rc<T>)>>);

/// How many are kept, each no longer than this.
const MOST: usize = 32;
const LONGEST: usize = 64 << 10;

/// How large criteria may be, in bytes.
const LARGEST: usize = 4 << 20;

thread_local! {
    static CRITERIA: Kept<Compiled> = const { Kept(RefCell::new(Vec::new())) };
    static PATHS: Kept<Paths> = const { Kept(RefCell::new(Vec::new())) };
}

impl<T> Kept<T> {
    /// What is kept under these bytes, or is read now. The one used last comes first.
    fn get(
        kept: &'static LocalKey<Self>,
        bytes: &[u8],
        read: impl FnOnce() -> Result<T>,
    ) -> Result<Rc<T>> {
        let known = kept.with(|kept| {
            let mut kept = kept.0.borrow_mut();
            let at = kept.iter().position(|(known, _)| known == bytes)?;
            kept.swap(0, at);
            kept.first().map(|(_, known)| known.clone())
        });
        if let Some(known) = known {
            return Ok(known);
        }
        let new = Rc::new(read()?);
        if bytes.len() <= LONGEST {
            kept.with(|kept| {
                let mut kept = kept.0.borrow_mut();
                kept.truncate(MOST - 1);
                kept.push((bytes.to_vec(), new.clone()));
                let last = kept.len() - 1;
                kept.swap(0, last);
            });
        }
        Ok(new)
    }
}

/// Whether a resource meets criteria.
pub fn matches(call: &mut Call<'_>) -> Result<Answer> {
    let data = call.need_jsonb(0, "data")?;
    let criteria = call.need_jsonb(1, "criteria")?;
    let (Value::Array(array), Value::Object(data)) = (criteria, data) else {
        return match criteria {
            Value::Array(_) => Ok(Answer::bool(false)),
            _ => Err(no_criteria()),
        };
    };
    if array.as_bytes().len() > LARGEST {
        return Err(Error::refuse(
            State::TooLarge,
            "the criteria are larger than 4 MB",
        ));
    }
    let compiled = Kept::get(&CRITERIA, array.as_bytes(), || {
        Compiled::read(criteria).map_err(|_| no_criteria())
    })?;
    Ok(Answer::bool(compiled.matches(data)?))
}

/// The tokens of a resource at paths.
pub fn tokens(call: &mut Call<'_>) -> Result<Answer> {
    keys(call, Kind::Token)
}

/// The references of a resource at paths.
pub fn references(call: &mut Call<'_>) -> Result<Answer> {
    keys(call, Kind::Reference)
}

/// The URIs of a resource at paths.
pub fn uris(call: &mut Call<'_>) -> Result<Answer> {
    keys(call, Kind::Uri)
}

/// The beginnings of the strings of a resource at paths.
pub fn prefixes(call: &mut Call<'_>) -> Result<Answer> {
    keys(call, Kind::String)
}

/// The spans of time of a resource at paths.
pub fn spans(call: &mut Call<'_>) -> Result<Answer> {
    let ranges = match resource(call, 1)? {
        Some((data, paths)) => search::ranges(Kind::Date, data, &paths)?,
        None => NOTHING.to_owned(),
    };
    datum_of_input(kind::TSTZMULTIRANGE, &ranges)
}

/// The spans of numbers and quantities of a resource at paths.
pub fn numbers(call: &mut Call<'_>) -> Result<Answer> {
    let ranges = match resource(call, 1)? {
        Some((data, paths)) => search::ranges(Kind::Number, data, &paths)?,
        None => NOTHING.to_owned(),
    };
    datum_of_input(kind::NUMMULTIRANGE, &ranges)
}

/// By what a resource stands in an order, as a text; NULL where nothing stands at the paths.
pub fn order(call: &mut Call<'_>) -> Result<Answer> {
    let kind = Kind::parse(call.need_text(1, "kind")?).ok_or_else(|| {
        Error::refuse(State::BadRequest, "not a type of search parameters")
            .hint("The types are date, number, quantity, reference, string, token and uri.")
    })?;
    let key = match resource(call, 2)? {
        Some((data, paths)) => search::order(kind, data, &paths)?,
        None => None,
    };
    key.map_or(Ok(Answer::Null), |key| datum_of_text(&key))
}

/// The empty multirange.
const NOTHING: &str = "{}";

fn keys(call: &Call<'_>, kind: Kind) -> Result<Answer> {
    let keys = match resource(call, 1)? {
        Some((data, paths)) => search::keys(kind, data, &paths)?,
        None => Vec::new(),
    };
    datum_of_texts(&keys.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The resource, and the paths that the argument at this place names; nothing of what is no object.
fn resource<'a>(call: &Call<'a>, place: usize) -> Result<Option<(Object<'a>, Rc<Paths>)>> {
    let data = call.need_jsonb(0, "data")?;
    let text = call.need_text(place, "paths")?;
    let paths = Kept::get(&PATHS, text.as_bytes(), || {
        Paths::read(text).ok_or_else(no_paths)
    })?;
    Ok(match data {
        Value::Object(data) => Some((data, paths)),
        _ => None,
    })
}

fn no_criteria() -> Error {
    Error::refuse(
        State::BadRequest,
        "these are not criteria as ingest writes them",
    )
    .hint("ingest.resource_search(source, profile, criteria) writes them; call that.")
}

fn no_paths() -> Error {
    Error::refuse(
        State::BadRequest,
        "these are not paths as ingest writes them",
    )
    .hint("ingest.search_index(source, profile, parameter) makes an index, with its paths.")
}
