//! `GET [type]?criteria`, `POST [type]/_search`: a page of what meets criteria.

use super::request::Request;
use super::response::Response;
use super::view::shown;
use crate::pg::{Result, Session};
use crate::verb::search::searchset::{self, Addresses};
use ::rest::query::Query;
use ::rest::route::Kind;

/// Answers a search.
pub fn search(request: &Request<'_>, kind: Kind<'_>, query: &Query) -> Result<Response> {
    request.headers.refuse_all()?;
    let guarded = request.guarded(kind)?;
    let addresses = Addresses {
        search: request.collection(&guarded),
        resource: &|of, id| Some(request.address(of, id)),
    };
    let body = Session::open(|session| {
        searchset::answer(session, &guarded, query, &addresses, &mut |of, stored| {
            shown(request, of, stored, &query.answer)
        })
    })?;
    Ok(Response::new(200).body(body))
}
