//! The REST door: plain paths, `POST /fhir/Patient`, behind PostgREST and a proxy that hands method,
//! path and query over in headers. `ingest.rest_read(door)`, `ingest.rest_ask(door, body)`,
//! `ingest.rest_write(door, body)`
//!
//! A refusal is not thrown: what the request has written is undone, and its OperationOutcome is the
//! body of the answer. What the role may not do is thrown, for PostgREST knows who is anonymous; so
//! is what PostgREST is to try once more.
//!
//! * [`door`]: which source, and where it is
//! * [`request`]: the request, read
//! * [`response`]: the answer, sent
//! * [`outcome`][]: OperationOutcomes
//! * [`view`]: how a resource looks in an answer
//! * [`local`]: a Bundle, as the source takes it
//! * [`resource`], [`link`], [`search`], [`history`], [`validate`], [`metadata`]: what is done

mod door;
mod history;
mod link;
mod local;
mod metadata;
mod outcome;
mod request;
mod resource;
mod response;
mod search;
mod validate;
mod view;

use super::request::{Headers, headers};
use crate::pg::{Answer, Call, Error, Result, attempt_busy};
use crate::verb::bundle::{self, View};
use crate::verb::criteria::place::at_door;
use ::rest::query::Query;
use ::rest::route::{Kind, Missing, Route};
use door::Door;
use jsonb::Value;
use request::Request;
use response::Response;
use view::shown;

/// Answers a request without a body, in a transaction that only reads.
pub fn read(call: &mut Call<'_>) -> Result<Answer> {
    serve(call, &[])
}

/// Answers a request with a body.
pub fn write(call: &mut Call<'_>) -> Result<Answer> {
    let body = call.bytea(1)?.unwrap_or_default();
    serve(call, body)
}

fn serve(call: &Call<'_>, body: &[u8]) -> Result<Answer> {
    let door = Door::read(call.need_jsonb(0, "door")?)?;
    let text = headers()?;
    let headers = Headers::read(text.as_deref())?;
    let request = Request::new(door, &headers, body);
    let respond = || at_door(request.base(), || respond(&request).map_err(Error::settled));
    let response = match attempt_busy(respond)? {
        Ok(response) => response,
        Err(failure) => {
            failure.count();
            outcome::of_failure(&request, failure)?
        }
    };
    response.send(&request)
}

fn respond(request: &Request<'_>) -> Result<Response> {
    let Some(target) = request.target()? else {
        return Ok(outcome::refusal(
            404,
            "not-found",
            "nothing is at this path",
        ));
    };
    let segments: Vec<&str> = target.segments.iter().map(String::as_str).collect();
    let route = match ::rest::route::route(request.method(), &segments, request.door.fhir) {
        Ok(route) => route,
        Err(missing) => return missing_response(missing),
    };
    let query = request.query(target.query, route)?;
    if request.media(query.answer.format.as_deref()).is_none() {
        let message = "the answer is JSON, and the request takes none";
        return Ok(outcome::refusal(406, "not-supported", message));
    }
    if let Err(taken) = request.takes_body(route) {
        let message = format!("the body is of a type that is not taken here: it is {taken}");
        return Ok(outcome::refusal(415, "not-supported", &message));
    }
    if let Route::Update(..)
    | Route::UpdateIf(_)
    | Route::Patch(..)
    | Route::PatchIf(_)
    | Route::Delete(..)
    | Route::DeleteIf(_) = route
    {
        request.headers.refuse_key()?;
    }
    if !matches!(route, Route::Create(Kind::Resource(_))) {
        request.headers.refuse_criteria()?;
    }
    match route {
        Route::Metadata => metadata::statement(request),
        Route::Bundle => apply(request, &query),
        Route::Search(kind) => search::search(request, kind, &query),
        Route::Create(Kind::Resource(name)) => resource::create(request, name, query),
        Route::Create(Kind::Link(name)) => link::create(request, name, query),
        Route::UpdateIf(name) => resource::update_if(request, name, query),
        Route::PatchIf(name) => resource::patch_if(request, name, query),
        Route::DeleteIf(name) => resource::delete_if(request, name, query),
        Route::HistoryOfAll(name) => history::of_all(request, name, &query),
        Route::Validate(kind, id) => validate::validate(request, kind, id, &query),
        Route::Read(kind, id) => resource::read(request, kind, (id, None), &query),
        Route::ReadVersion(kind, id, version) => {
            resource::read(request, kind, (id, Some(version)), &query)
        }
        Route::History(kind, id) => history::of_one(request, kind, id, &query),
        Route::Update(Kind::Resource(name), id) => resource::update(request, name, id, &query),
        Route::Update(Kind::Link(name), id) => link::update(request, name, id, &query),
        Route::Patch(name, id) => resource::patch(request, name, id, &query),
        Route::Delete(kind, id) => resource::delete(request, kind, id, &query),
        Route::Links(name, id, only) => link::list(request, name, (id, only), &query),
    }
}

fn missing_response(missing: Missing) -> Result<Response> {
    match missing {
        Missing::Path => Ok(outcome::refusal(
            404,
            "not-found",
            "nothing is at this path",
        )),
        Missing::Unsupported(what) => Ok(outcome::refusal(
            404,
            "not-supported",
            &format!("{what}: not supported here"),
        )),
        Missing::Method(allowed) => {
            let message = format!("the path takes {allowed}");
            outcome::refusal(405, "not-supported", &message).with("Allow", allowed)
        }
    }
}

/// `POST [base]`: a bundle.
fn apply(request: &Request<'_>, query: &Query) -> Result<Response> {
    request.headers.refuse_all()?;
    resource::no_criteria(query)?;
    let body = request.json()?;
    let key = request.headers.key()?;
    let own = local::bundle(request, Value::read(&body)?)?;
    let body = Value::read(own.as_deref().unwrap_or(&body))?;
    // An outcome is there where there is something to say.
    let applied = request.preferred().1;
    let preferred = applied.filter(|it| request.door.fhir && *it != "return=OperationOutcome");
    let view = View {
        shown: &|of, stored| shown(request, of, stored, &Default::default()),
        whole: preferred == Some("return=representation"),
    };
    let answer = bundle::answer_of(request.door.source, body, key.as_deref(), view)?;
    let response = Response::new(200).body(answer);
    match preferred {
        Some(applied) => response.with("Preference-Applied", applied),
        None => Ok(response),
    }
}
