//! Links: `POST relationships/worksAt`, `PUT relationships/worksAt/provider.a,office.b`, and those
//! of a resource: `GET provider/a/relationships`.

use super::request::Request;
use super::resource::{answer, expected, no_criteria};
use super::response::Response;
use crate::pg::{Error, Result, Session, State};
use crate::verb::link::{self, Body, each_of, ends_of, key_of, put};
use crate::verb::render::Written;
use ::rest::query::Query;
use ::rest::route::Kind;
use jsonb::{Item, Value, write};

/// `POST relationships/[name]`
pub fn create(request: &Request<'_>, name: &str, query: Query) -> Result<Response> {
    request.headers.refuse_all()?;
    no_criteria(&query)?;
    let guarded = request.guarded(Kind::Link(name))?;
    let body = request.json()?;
    let key = request.headers.key()?;
    let written = link::create(&guarded, Value::read(&body)?, key.as_deref())?;
    answer(request, &guarded, &written, &query.answer)
}

/// `PUT relationships/[name]/[id]`: the ends can be left out, as the path names them.
pub fn update(request: &Request<'_>, name: &str, id: &str, query: &Query) -> Result<Response> {
    no_criteria(query)?;
    let guarded = request.guarded(Kind::Link(name))?;
    let ends = ends_of(&guarded)?;
    let [from, to] = key_of(&guarded, ends, id)?.parts();
    let given = request.json()?;
    let Value::Object(object) = Value::read(&given)? else {
        return Err(Error::refuse(
            State::BadRequest,
            "the body is not an object",
        ));
    };
    let mut members = Vec::new();
    for member in object.iter() {
        let (key, value) = member?;
        members.push((key, Item::Copy(value)));
    }
    let of_path = [
        (&b"id"[..], Item::Text(id)),
        (b"from", end(from, &ends.from)),
        (b"to", end(to, &ends.to)),
    ];
    for (key, value) in of_path {
        if object.get(key)?.is_none() {
            members.push((key, value));
        }
    }
    let body = write(&Item::Members(members))
        .map_err(|_| Error::refuse(State::TooLarge, "the body is too large"))?;
    let body = Body::read(&guarded, Value::read(&body)?)?;
    if body.key().parts() != [from, to] {
        return Err(Error::refuse(
            State::BadRequest,
            "the ends in the body are not those of the path",
        )
        .hint("Leave from and to out, or address the link that they name."));
    }
    let expected = expected(request)?;
    let (outcome, link) = Session::open(|session| put(session, &guarded, &body, expected))?;
    let written = Written::stored(outcome, &guarded, link)?;
    answer(request, &guarded, &written, &query.answer)
}

fn end<'a>(id: &'a str, kind: &'a str) -> Item<'a> {
    Item::Members(vec![(b"id", Item::Text(id)), (b"type", Item::Text(kind))])
}

/// `GET [profile]/[id]/relationships`, and of one: `GET [profile]/[id]/relationships/[name]`
pub fn list(
    request: &Request<'_>,
    name: &str,
    (id, only): (&str, Option<&str>),
    query: &Query,
) -> Result<Response> {
    request.headers.refuse_all()?;
    no_criteria(query)?;
    let guarded = request.guarded(Kind::Resource(name))?;
    let mut links = Vec::new();
    each_of(&guarded, id, only, |_, _, link| {
        links.push(jsonb::memory::copy(link)?);
        Ok(())
    })?;
    let resources = links
        .iter()
        .map(|link| Ok(Item::Copy(Value::read(link)?)))
        .collect::<Result<Vec<_>>>()?;
    let total = i64::try_from(resources.len()).unwrap_or(i64::MAX);
    let list = write(&Item::Members(vec![
        (b"total", Item::Int(total)),
        (b"resources", Item::Items(resources)),
    ]))
    .map_err(|_| Error::refuse(State::TooLarge, "the answer is too large"))?;
    Ok(Response::new(200).body(list))
}
