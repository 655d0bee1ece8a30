//! One resource, or one link: created, read, replaced, patched, deleted; by id or by criteria.

use super::door::Ways;
use super::outcome;
use super::request::Request;
use super::response::Response;
use super::view::{shown, view};
use crate::pg::{Error, Reading, Result, Session, State, unix_time};
use crate::store::options::CreateId;
use crate::store::{Guarded, Outcome};
use crate::verb::body::{too_large, without_creation};
use crate::verb::criteria::{Given, beside_address, unmet_issue};
use crate::verb::http::request::Expected;
use crate::verb::render::Written;
use crate::verb::resource as verb;
use crate::verb::row::{delete_row, key_of, stored};
use ::rest::media::Body;
use ::rest::preference::Return;
use ::rest::query::{Answer, Query};
use ::rest::route::Kind;
use jsonb::{Item, Value, write};
use std::borrow::Cow;

/// `POST [type]`, with criteria a conditional create.
pub fn create(request: &Request<'_>, name: &str, query: Query) -> Result<Response> {
    request.headers.refuse_all()?;
    let guarded = request.guarded(Kind::Resource(name))?;
    let body = request.json()?;
    let body = taken(request, &guarded, Value::read(&body)?, false)?;
    let body = Value::read(&body)?;
    let criteria = match (request.headers.if_none_exist(), query.criteria.as_str()) {
        (Some(_), given) if !given.is_empty() => {
            return Err(bad("criteria are in the query and in If-None-Exist")
                .hint("Leave one of the two out."));
        }
        // Some send the type, too.
        (Some(header), _) => {
            let of = header.split_once('?').filter(|(of, _)| *of == name);
            let query = of.map_or(header, |(_, query)| query);
            beside_address(query.trim_start_matches('?'))
        }
        (None, query) => Cow::Borrowed(query),
    };
    let written = match &*criteria {
        "" if request.headers.if_none_exist().is_none() => {
            let key = request.headers.key()?;
            verb::create::run(&guarded, body, None, key.as_deref())?
        }
        criteria => {
            request.headers.refuse_key()?;
            verb::create_if::run(&guarded, &Given::Query(criteria), body, None)?
        }
    };
    answer(request, &guarded, &written, &query.answer)
}

/// A body, as the verbs take it. In FHIR the path says of which type it is, if the body does not;
/// and who creates gives no id, whatever the body says, unless the source or the door takes it.
pub fn taken(
    request: &Request<'_>,
    guarded: &Guarded,
    body: Value<'_>,
    with_id: bool,
) -> Result<Vec<u8>> {
    let Value::Object(object) = body else {
        return Err(bad("the body is not an object").hint("Send the resource as JSON."));
    };
    if !request.door.fhir {
        return Ok(jsonb::memory::copy(object.as_bytes())?);
    }
    let takes_id = match request.door.ways {
        Some(ways) => ways == Ways::Aidbox,
        None => guarded.options.create_id == CreateId::Body,
    };
    let mut members = Vec::new();
    jsonb::memory::reserve(&mut members, object.len() + 1)?;
    for member in object.iter() {
        let (key, value) = member?;
        if key != b"id" || with_id || takes_id {
            members.push((key, Item::Copy(value)));
        }
    }
    if object.get(b"resourceType")?.is_none() {
        members.push((b"resourceType", Item::Text(guarded.name())));
    }
    let body = write(&Item::Object(&members)).map_err(|_| too_large())?;
    // What the door says of the creation is the server's, too.
    match (request.door.ways.map(Ways::created), Value::read(&body)?) {
        (Some(said), Value::Object(object)) if said != guarded.options.created => {
            without_creation(object, said)
        }
        _ => Ok(body),
    }
}

/// `GET [type]/[id]`, and of a version `GET [type]/[id]/_history/[vid]`
pub fn read(
    request: &Request<'_>,
    kind: Kind<'_>,
    (id, version): (&str, Option<&str>),
    query: &Query,
) -> Result<Response> {
    no_criteria(query)?;
    let guarded = request.guarded(kind)?;
    let version = match version.map(|text| (text, text.parse())) {
        None => None,
        Some((text, Ok(version @ 1..))) if !text.starts_with(['+', '0']) => Some(version),
        Some(_) => {
            return Err(Error::refuse(State::NotFound, "there is no such version")
                .hint("Versions are numbers from 1."));
        }
    };
    let key = key_of(&guarded, id)?;
    let read = |session: &_| stored(session, &guarded, key, version, Reading::Caller);
    let stored = Session::open(read)?;
    let (tag, second) = (stored.version.to_string(), unix_time(stored.updated_at));
    if request.headers.know(&tag, second)? {
        return Ok(Response::new(304).about(stored.version, second));
    }
    let resource = shown(request, &guarded, &stored, &query.answer)?;
    let response = Response::new(200).about(stored.version, second);
    Ok(response.body(resource))
}

/// `PUT [type]/[id]`
pub fn update(request: &Request<'_>, name: &str, id: &str, query: &Query) -> Result<Response> {
    no_criteria(query)?;
    let guarded = request.guarded(Kind::Resource(name))?;
    let body = request.json()?;
    let body = taken(request, &guarded, Value::read(&body)?, true)?;
    let written = verb::upsert::run(&guarded, id, Value::read(&body)?, expected(request)?)?;
    answer(request, &guarded, &written, &query.answer)
}

/// `PUT [type]?criteria`
pub fn update_if(request: &Request<'_>, name: &str, query: Query) -> Result<Response> {
    let criteria = criteria(&query)?;
    let guarded = request.guarded(Kind::Resource(name))?;
    let body = request.json()?;
    let body = taken(request, &guarded, Value::read(&body)?, true)?;
    let body = Value::read(&body)?;
    let written = verb::upsert_if::run(&guarded, &criteria, body, None, expected(request)?)?;
    answer(request, &guarded, &written, &query.answer)
}

/// `PATCH [type]/[id]`
pub fn patch(request: &Request<'_>, name: &str, id: &str, query: &Query) -> Result<Response> {
    no_criteria(query)?;
    let guarded = request.guarded(Kind::Resource(name))?;
    let body = request.json()?;
    let patch = patch_of(request, Value::read(&body)?)?;
    let patch = (patch, request.door.ways.map(Ways::created));
    let patched = verb::patch::run(&guarded, id, patch, expected(request)?);
    let written = patched.map_err(|error| unmet(request, error))?;
    answer(request, &guarded, &written, &query.answer)
}

/// `PATCH [type]?criteria`
pub fn patch_if(request: &Request<'_>, name: &str, query: Query) -> Result<Response> {
    let criteria = criteria(&query)?;
    let guarded = request.guarded(Kind::Resource(name))?;
    let body = request.json()?;
    let patch = patch_of(request, Value::read(&body)?)?;
    let patch = (patch, request.door.ways.map(Ways::created));
    let patched = verb::patch::run_if(&guarded, &criteria, patch, expected(request)?);
    let written = patched.map_err(|error| unmet(request, error))?;
    answer(request, &guarded, &written, &query.answer)
}

/// The patch, if it is of the kind that the request says it is.
fn patch_of<'a>(request: &Request<'_>, patch: Value<'a>) -> Result<Value<'a>> {
    match (request.kind(), patch) {
        (Body::JsonPatch, Value::Array(_)) | (Body::MergePatch, Value::Object(_)) => Ok(patch),
        (Body::Json, Value::Object(object)) => match object.get(b"resourceType")? {
            Some(Value::String(b"Parameters")) if request.door.fhir => {
                Err(bad("FHIRPath Patch is not supported")
                    .hint("Send a JSON Patch (RFC 6902) or a merge patch (RFC 7396)."))
            }
            _ => Ok(patch),
        },
        (Body::Json, Value::Array(_)) => Ok(patch),
        _ => Err(bad("the body is not a patch of the type that is said")
            .hint("A JSON Patch (RFC 6902) is an array, a merge patch (RFC 7396) an object.")),
    }
}

/// `DELETE [type]/[id]`. In FHIR, what is not there is deleted already.
pub fn delete(request: &Request<'_>, kind: Kind<'_>, id: &str, query: &Query) -> Result<Response> {
    no_criteria(query)?;
    let guarded = request.guarded(kind)?;
    let (key, expected) = (key_of(&guarded, id)?, expected(request)?);
    let cascade = query.answer.cascade;
    let deleted = Session::open(|session| delete_row(session, &guarded, key, expected, cascade));
    match deleted {
        Ok(tombstone) => {
            let written = Written::deleted(id.to_owned(), tombstone);
            answer(request, &guarded, &written, &query.answer)
        }
        Err(error) => without(request, error),
    }
}

/// `DELETE [type]?criteria`
pub fn delete_if(request: &Request<'_>, name: &str, query: Query) -> Result<Response> {
    let criteria = criteria(&query)?;
    let guarded = request.guarded(Kind::Resource(name))?;
    let (expected, cascade) = (expected(request)?, query.answer.cascade);
    match verb::delete_if::run(&guarded, &criteria, expected, cascade) {
        Ok(written) => answer(request, &guarded, &written, &query.answer),
        Err(error) => without(request, error),
    }
}

/// What to answer where there is nothing to delete: FHIR asks for it to be a success, unless a
/// version is expected.
fn without(request: &Request<'_>, error: Error) -> Result<Response> {
    match unmet(request, error) {
        error if request.door.fhir && is_nothing(&error) => Ok(Response::new(204)),
        error => Err(error),
    }
}

/// Where a version is expected of what is not there, the precondition is not met.
fn unmet(request: &Request<'_>, error: Error) -> Error {
    match request.headers.expected() {
        Ok(Some(expected)) if is_nothing(&error) && expected != Expected::Version(0) => {
            expected.unmet()
        }
        _ => error,
    }
}

fn is_nothing(error: &Error) -> bool {
    matches!(error, Error::Refused(refusal) if matches!(refusal.state, State::NotFound | State::Gone))
}

/// The version that a write expects; that there is one at all is asked when it was written.
pub fn expected(request: &Request<'_>) -> Result<Option<i32>> {
    Ok(match request.headers.expected()? {
        Some(Expected::Version(version)) => Some(version),
        Some(Expected::Any) | None => None,
    })
}

/// The criteria of a query, which must be there.
fn criteria(query: &Query) -> Result<Given<'_>> {
    match query.criteria.as_str() {
        "" => Err(bad("the path names no resource, and the query no criteria")
            .hint("Name it: [type]/[id], or [type]?identifier=...")),
        criteria => Ok(Given::Query(criteria)),
    }
}

/// Refuses criteria where none are taken: to ignore them would be to do something else.
pub fn no_criteria(query: &Query) -> Result<()> {
    match query.criteria.is_empty() {
        true => Ok(()),
        false => {
            Err(bad("the path takes no criteria, and the query has some").hint("Leave them out."))
        }
    }
}

/// Answers a write.
pub fn answer(
    request: &Request<'_>,
    guarded: &Guarded,
    written: &Written,
    answer: &Answer,
) -> Result<Response> {
    if written.outcome == Outcome::Created && request.headers.expected()? == Some(Expected::Any) {
        return Err(Expected::Any.unmet());
    }
    let (preferred, applied) = request.preferred();
    let status = match (written.outcome, preferred) {
        (Outcome::Created | Outcome::Replayed, _) => 201,
        (Outcome::Deleted, Return::Outcome) => 200,
        (Outcome::Deleted, _) | (_, Return::Minimal) => 204,
        _ => 200,
    };
    let second = unix_time(written.updated_at);
    let mut response = Response::new(status).about(written.version, second);
    let address = request.address(guarded, &written.id);
    if written.outcome != Outcome::Deleted {
        let location = format!("{address}/_history/{}", written.version);
        response = response.with("Location", location)?;
    }
    if let Some(applied) = applied {
        response = response.with("Preference-Applied", applied)?;
    }
    match (preferred, &written.resource) {
        (Return::Outcome, _) => {
            let (done, name) = (written.outcome.as_str(), guarded.name());
            let message = format!("{done}: {name}/{}, version {}", written.id, written.version);
            let warning = (!written.is_met).then(|| unmet_issue(name));
            Ok(response.body(outcome::of_success(&message, warning)))
        }
        (Return::Representation, Some(resource)) => {
            let resource = (resource.as_slice(), written.created_at);
            Ok(response.body(view(request, guarded, resource, answer)?))
        }
        _ => Ok(response),
    }
}

fn bad(message: &str) -> Error {
    Error::refuse(State::BadRequest, message)
}
