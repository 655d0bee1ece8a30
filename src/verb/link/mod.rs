//! The verbs of links.

mod list;
mod read;
pub mod unlink;
pub mod upsert;
pub mod write;

pub use list::list;
pub use read::read;

use super::body::{root, shown_key};
use crate::pg::{Call, Error, Result, State};
use crate::store::catalog::Ends;
use crate::store::links::Pair;
use crate::store::{Guarded, find};
use jsonb::{Item, Value, write as write_jsonb};
use std::borrow::Cow;
use std::rc::Rc;

fn relationship_of(call: &Call<'_>) -> Result<Rc<Guarded>> {
    let (source, name) = (
        call.need_text(0, "source")?,
        call.need_text(1, "relationship")?,
    );
    let guarded = find(source, name)?;
    if !guarded.is_relationship() {
        return Err(
            Error::refuse(State::BadRequest, format!("{name} is a profile"))
                .hint("Its resources are written with ingest.resource_create."),
        );
    }
    Ok(guarded)
}

/// The ends of a relationship.
pub fn ends_of(guarded: &Guarded) -> Result<&Ends> {
    guarded
        .ends
        .as_ref()
        .ok_or(Error::Bug("a relationship without ends".into()))
}

/// `{"from": {"id", "type"}, "to": {"id", "type"}, "data"?}`
pub struct Body<'a> {
    from: End<'a>,
    to: End<'a>,
    data: Cow<'a, [u8]>,
}

/// One end of a link, as a body names it.
#[derive(Clone, Copy)]
struct End<'a> {
    id: &'a str,
    kind: &'a str,
}

fn bad(message: impl Into<String>) -> Error {
    Error::refuse(State::BadRequest, message).hint(
        "A body is {\"from\": {\"id\", \"type\"}, \"to\": {\"id\", \"type\"}, \"data\"?: {...}}.",
    )
}

impl<'a> Body<'a> {
    /// Takes a body apart.
    pub fn read(body: Value<'a>) -> Result<Self> {
        let Value::Object(object) = body else {
            return Err(bad("body is not an object"));
        };
        let (mut from, mut to, mut data) = (None, None, None);
        for member in object.iter() {
            match member? {
                (b"from", end) => from = Some(End::read(end, "from")?),
                (b"to", end) => to = Some(End::read(end, "to")?),
                (b"data", Value::Null) => {}
                (b"data", value) => data = Some(root(value)?),
                (key, _) => {
                    let key = shown_key(key);
                    return Err(bad(format!("body has a key that it does not take: {key}")));
                }
            }
        }
        let data = match data {
            Some(data) => data,
            None => Cow::Owned(
                write_jsonb(&Item::Object(&[])).map_err(|_| Error::Bug("{} is not JSON".into()))?,
            ),
        };
        Ok(Self {
            from: from.ok_or_else(|| bad("body has no from"))?,
            to: to.ok_or_else(|| bad("body has no to"))?,
            data,
        })
    }
}

impl<'a> Body<'a> {
    /// The two ids.
    pub fn pair(&self) -> Pair<'a> {
        Pair {
            from: self.from.id,
            to: self.to.id,
        }
    }
}

impl<'a> End<'a> {
    fn read(end: Value<'a>, at: &str) -> Result<Self> {
        let Value::Object(object) = end else {
            return Err(bad(format!("{at} is not an object")));
        };
        let (mut id, mut kind) = (None, None);
        for member in object.iter() {
            let (key, value) = member?;
            let (b"id" | b"type", Value::String(bytes)) = (key, value) else {
                return Err(bad(format!(
                    "{at} is not {{\"id\", \"type\"}}, both strings"
                )));
            };
            let text = std::str::from_utf8(bytes).map_err(|_| Error::Corrupt)?;
            if key == b"id" {
                id = Some(text)
            } else {
                kind = Some(text)
            }
        }
        match (id, kind) {
            (Some(id), Some(kind)) => Ok(Self { id, kind }),
            _ => Err(bad(format!(
                "{at} is not {{\"id\", \"type\"}}, both strings"
            ))),
        }
    }
}

/// `<from-type>.<from-id>,<to-type>.<to-id>`, taken apart.
pub fn pair_of<'a>(guarded: &Guarded, id: &'a str) -> Result<Pair<'a>> {
    let ends = ends_of(guarded)?;
    let parts = id.split_once(',').and_then(|(from, to)| {
        let from = from.strip_prefix(ends.from.as_str())?.strip_prefix('.')?;
        let to = to.strip_prefix(ends.to.as_str())?.strip_prefix('.')?;
        Some(Pair { from, to })
    });
    parts.ok_or_else(|| {
        Error::refuse(
            State::BadRequest,
            format!("not the id of a link in {}", guarded.name()),
        )
        .hint(format!("It is {}.<from-id>,{}.<to-id>", ends.from, ends.to))
    })
}

/// The link's id, put together.
pub fn id_of(guarded: &Guarded, pair: Pair<'_>) -> Result<String> {
    Ok(ends_of(guarded)?.id(pair.from, pair.to))
}
