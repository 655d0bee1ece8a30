//! The verbs of links, as far as they are not those of every row: their ends, types and ids.

mod ends;
mod list;
mod validate;
mod write;

pub use ends::hold_ends;
pub use list::{each as each_of, list};
pub use validate::{check, validate};
pub use write::{create, link, make, put, upsert};

use super::body::{Parts, check_type, shown_key};
use crate::pg::{Error, Result, State};
use crate::store::Guarded;
use crate::store::catalog::Ends;
use crate::store::row::{Content, RowKey};
use ingest_engine::{Issue, issue::Code, operation_outcome};
use jsonb::Value;

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
    data: Parts<'a>,
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
    /// Takes a body for this relationship apart. What was read can be written back: `type` and `id`
    /// must be those of the link, and `meta` is the server's to say.
    pub fn read(guarded: &Guarded, body: Value<'a>) -> Result<Self> {
        let Value::Object(object) = body else {
            return Err(bad("body is not an object"));
        };
        let (mut from, mut to, mut data, mut id) = (None, None, None, None);
        for member in object.iter() {
            match member? {
                (b"from", end) => from = Some(End::read(end, "from")?),
                (b"to", end) => to = Some(End::read(end, "to")?),
                (b"data" | b"id" | b"type", Value::Null) | (b"meta", _) => {}
                (b"type", given) => check_type(guarded.name(), given)?,
                (b"id", Value::String(bytes)) => id = Some(bytes),
                (b"id", _) => return Err(bad("id in the body is not a string")),
                (b"data", value) => data = Some(Parts::data(value)?),
                (key, _) => {
                    let key = shown_key(key);
                    return Err(bad(format!("body has a key that it does not take: {key}")));
                }
            }
        }
        let body = Self {
            from: from.ok_or_else(|| bad("body has no from"))?,
            to: to.ok_or_else(|| bad("body has no to"))?,
            data: data.map_or_else(Parts::empty, Ok)?,
        };
        let own = ends_of(guarded)?.id(body.from.id, body.to.id);
        match id {
            Some(id) if id != own.as_bytes() => Err(bad(format!(
                "the id in the body is {}, and that of its ends {}",
                shown_key(id),
                shown_key(own.as_bytes())
            ))),
            _ => Ok(body),
        }
    }
}

impl<'a> Body<'a> {
    /// What names the link.
    pub fn key(&self) -> RowKey<'a> {
        RowKey::Ends(self.from.id, self.to.id)
    }

    /// What it holds.
    pub fn content(&self) -> Content<'_> {
        self.data.content()
    }

    /// The same, for itself.
    pub fn into_parts(self) -> Parts<'a> {
        self.data
    }

    /// Which ends are of another type than the definition names.
    pub fn type_issues(&self, guarded: &Guarded) -> Result<Vec<Issue>> {
        let ends = ends_of(guarded)?;
        let name = guarded.name();
        let both = [(self.from, &ends.from, "from"), (self.to, &ends.to, "to")];
        let wrong = both
            .into_iter()
            .filter(|(end, expected, _)| end.kind != *expected)
            .map(|(_, expected, at)| {
                let expression = format!("{name}.{at}.type");
                Issue::error(Code::Value, expression, format!("expected {expected}"))
            });
        Ok(wrong.collect())
    }

    /// Refuses ends of other types.
    pub fn check_types(&self, guarded: &Guarded) -> Result<()> {
        let issues = self.type_issues(guarded)?;
        if issues.is_empty() {
            return Ok(());
        }
        let (ends, name) = (ends_of(guarded)?, guarded.name());
        Err(Error::refuse(
            State::Unprocessable,
            format!("an end of {name} is of another type"),
        )
        .detail(operation_outcome(&issues))
        .hint(format!("{name} links from {} to {}.", ends.from, ends.to)))
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
pub fn key_of<'a>(guarded: &Guarded, ends: &Ends, id: &'a str) -> Result<RowKey<'a>> {
    let parts = id.split_once(',').and_then(|(from, to)| {
        let from = from.strip_prefix(ends.from.as_str())?.strip_prefix('.')?;
        let to = to.strip_prefix(ends.to.as_str())?.strip_prefix('.')?;
        Some(RowKey::Ends(from, to))
    });
    parts.ok_or_else(|| {
        Error::refuse(
            State::BadRequest,
            format!("not the id of a link in {}", guarded.name()),
        )
        .hint(format!("It is {}.<from-id>,{}.<to-id>", ends.from, ends.to))
    })
}
