//! `ingest.relationship_link(source, relationship, body)`, `ingest.relationship_read(…, id)`,
//! `ingest.relationship_unlink(…, id, if_match)`

use super::body::root;
use super::refusal;
use super::render::{self, Written};
use crate::pg::{Answer, Call, Error, Reading, Result, Session, State, datum_of_jsonb};
use crate::store::catalog::Ends;
use crate::store::links::{self, Pair};
use crate::store::{Guarded, Outcome, find};
use ingest_engine::jsonb::{Item, Value, write};
use ingest_engine::{Issue, issue::Code, operation_outcome};
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

fn ends_of(guarded: &Guarded) -> Result<&Ends> {
    guarded
        .ends
        .as_ref()
        .ok_or(Error::Bug("a relationship without ends".into()))
}

/// `{"from": {"id", "type"}, "to": {"id", "type"}, "data"?}`
struct Body<'a> {
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
    fn read(body: Value<'a>) -> Result<Self> {
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
                _ => return Err(bad("body has a key other than from, to and data")),
            }
        }
        let data = match data {
            Some(data) => data,
            None => Cow::Owned(
                write(&Item::Object(&[])).map_err(|_| Error::Bug("{} is not JSON".into()))?,
            ),
        };
        Ok(Self {
            from: from.ok_or_else(|| bad("body has no from"))?,
            to: to.ok_or_else(|| bad("body has no to"))?,
            data,
        })
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

/// Links two resources.
pub fn link(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = relationship_of(call)?;
    let body = Body::read(call.need_jsonb(2, "body")?)?;
    check_types(&guarded, &body)?;
    let pair = Pair {
        from: body.from.id,
        to: body.to.id,
    };
    let made = Session::open(|session| {
        links::insert(session, guarded.table()?, pair, &body.data)
            .map_err(|error| of_insert(&guarded, error))
    })?;
    let made = made.ok_or_else(|| {
        Error::refuse(
            State::Conflict,
            format!("the two are linked already in {}", guarded.name()),
        )
        .hint("A relationship holds at most one link between the same two resources.")
    })?;
    Written::link(Outcome::Created, &guarded, made)?.answer(call)
}

/// The ends must be of the types that the definition names.
fn check_types(guarded: &Guarded, body: &Body<'_>) -> Result<()> {
    let ends = ends_of(guarded)?;
    let name = guarded.name();
    let mut issues = Vec::new();
    for (end, expected, at) in [(body.from, &ends.from, "from"), (body.to, &ends.to, "to")] {
        if end.kind != expected {
            let expression = format!("{name}.{at}.type");
            issues.push(Issue::error(
                Code::Value,
                expression,
                format!("expected {expected}"),
            ));
        }
    }
    if issues.is_empty() {
        return Ok(());
    }
    Err(Error::refuse(
        State::Unprocessable,
        format!("an end of {name} is of another type"),
    )
    .detail(operation_outcome(&issues))
    .hint(format!("{name} links from {} to {}.", ends.from, ends.to)))
}

/// PostgreSQL's violations on our link table, in our words.
fn of_insert(guarded: &Guarded, error: Error) -> Error {
    let name = guarded.name();
    let Some((constraint, schema, table)) = error.constraint() else {
        return error;
    };
    if schema != guarded.source_name() || table != name {
        return error;
    }
    let side = constraint.strip_prefix(name).unwrap_or_default();
    let Some(ends) = &guarded.ends else {
        return error;
    };
    let missing = |end: &str, kind: &str| {
        Error::refuse(
            State::NotFound,
            format!("the {end} end of {name} does not exist: no such {kind}"),
        )
        .hint("Create the resource first; both ends must exist.")
    };
    let too_many = |end: &str, kind: &str| {
        Error::refuse(
            State::Conflict,
            format!("the {end} end of {name} is linked already"),
        )
        .hint(format!(
            "One {kind} has at most one link in {name}; unlink that first."
        ))
    };
    match side {
        "_from" => missing("from", &ends.from),
        "_to" => missing("to", &ends.to),
        "_from_one" => too_many("from", &ends.from),
        "_to_one" => too_many("to", &ends.to),
        _ => error,
    }
}

/// `<from-type>.<from-id>,<to-type>.<to-id>`, taken apart.
fn pair_of<'a>(guarded: &Guarded, id: &'a str) -> Result<Pair<'a>> {
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

/// A link as it is stored.
pub fn read(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = relationship_of(call)?;
    let pair = pair_of(&guarded, call.need_text(2, "id")?)?;
    let link = Session::open(|session| {
        let table = guarded.table()?;
        match links::read(session, table, pair, Reading::Caller)? {
            Some(link) => Ok(link),
            None if links::tombstone(session, table, pair, Reading::Caller)?.is_some() => {
                Err(refusal::gone(&guarded))
            }
            None => Err(refusal::not_found(&guarded)),
        }
    })?;
    datum_of_jsonb(&render::link(&guarded, &link)?)
}

/// Deletes a link and leaves a tombstone.
pub fn unlink(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = relationship_of(call)?;
    let id = call.need_text(2, "id")?;
    let pair = pair_of(&guarded, id)?;
    let expected = call.int4(3);
    let tombstone = Session::open(|session| {
        let table = guarded.table()?;
        let Some(current) = links::lock(session, table, pair)? else {
            return Err(
                match links::tombstone(session, table, pair, Reading::Fresh)? {
                    Some(_) => refusal::gone(&guarded),
                    None => refusal::not_found(&guarded),
                },
            );
        };
        if let Some(expected) = expected
            && expected != current.version
        {
            return Err(refusal::stale(&guarded, expected, current.version));
        }
        if !links::delete(session, table, pair)? {
            return Err(refusal::swallowed(&guarded));
        }
        Ok(links::tombstone(session, table, pair, Reading::Fresh)?
            .unwrap_or((current.version + 1, current.updated_at)))
    })?;
    Written::deleted(id.to_owned(), tombstone).answer(call)
}
