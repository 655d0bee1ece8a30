//! `GET [type]/[id]/_history`, `GET [type]/_history`: versions, newest first, as a Bundle of type
//! history, or of a native source `{"versions": [...], "next"?}`. What was erased is told as a deletion
//! is, with its own status, and without the reason, which may be for others.

use super::outcome as told;
use super::request::Request;
use super::response::Response;
use super::view::shown;
use crate::pg::{Error, Instant, Result, Session, State, iso};
use crate::store::row::{self, Place, Stored};
use crate::store::{Guarded, Outcome, refusal};
use crate::verb::elements::written;
use crate::verb::paged::{LARGEST_PAGE, PAGE, Paged, address_of};
use crate::verb::row::{key_of, outcome};
use ::rest::query::Query;
use ::rest::route::Kind;
use ingest_engine::first_instant;
use jsonb::{Item, Value};

/// All versions of one.
pub fn of_one(request: &Request<'_>, kind: Kind<'_>, id: &str, query: &Query) -> Result<Response> {
    request.headers.refuse_all()?;
    super::resource::no_criteria(query)?;
    let guarded = request.guarded(kind)?;
    let key = key_of(&guarded, id)?;
    let since = since(query)?;
    let before = query.answer.after.as_deref().map(|after| {
        let version = after.parse::<i32>();
        version.map_err(|_| bad("_after is not the version that a page ends with"))
    });
    let before = before.transpose()?.unwrap_or(i32::MAX);
    let most = size(query);
    let (mut found, mut total) = (Vec::new(), 0);
    Session::open(|session| {
        row::versions(session, guarded.table()?, key, |stored, _, erasure| {
            total += 1;
            let wanted = stored.version < before && since.is_none_or(|it| stored.updated_at >= it);
            if wanted && found.len() <= most {
                let outcome = outcome(&stored, erasure.as_deref());
                found.push((stored, outcome));
            }
            Ok(())
        })
    })?;
    if total == 0 {
        return Err(refusal::not_found(&guarded));
    }
    let is_more = found.len() > most;
    found.truncate(most);
    let address = format!("{}/_history", request.address(&guarded, id));
    let last = found.last().filter(|_| is_more);
    let next = last.map(|(last, _)| address_of(&address, query, Some(&last.version.to_string())));
    let total = since.is_none().then_some(total);
    let own = address_of(&address, query, query.answer.after.as_deref());
    answer(request, &guarded, &found, (own, next, total), query)
}

/// Versions of all of a type.
pub fn of_all(request: &Request<'_>, name: &str, query: &Query) -> Result<Response> {
    request.headers.refuse_all()?;
    super::resource::no_criteria(query)?;
    let guarded = request.guarded(Kind::Resource(name))?;
    let since = since(query)?;
    let before = query.answer.after.as_deref().map(place).transpose()?;
    let most = size(query);
    let count = i32::try_from(most).unwrap_or(i32::MAX - 1) + 1;
    let mut found = Vec::new();
    Session::open(|session| {
        let table = guarded.table()?;
        let before = before.as_ref();
        row::changes(session, table, since, before, count, |stored, erasure| {
            let outcome = outcome(&stored, erasure.as_deref());
            found.push((stored, outcome));
            Ok(())
        })
    })?;
    let is_more = found.len() > most;
    found.truncate(most);
    let address = format!("{}/_history", request.collection(&guarded));
    let last = found.last().filter(|_| is_more);
    let next = last.map(|(last, _)| {
        let after = format!("{},{},{}", last.updated_at, last.version, last.id);
        address_of(&address, query, Some(&after))
    });
    let own = address_of(&address, query, query.answer.after.as_deref());
    answer(request, &guarded, &found, (own, next, None), query)
}

/// The place that `_after` names: an instant, a version, an id.
fn place(after: &str) -> Result<Place> {
    let mut parts = after.splitn(3, ',');
    let read = (|| {
        let updated_at = parts.next()?.parse().ok()?;
        let version = parts.next()?.parse().ok()?;
        let id = parts.next()?.to_owned();
        Some(Place {
            updated_at,
            id,
            version,
        })
    })();
    read.ok_or_else(|| bad("_after is not the place that a page ends with"))
}

/// The instant that `_since` names.
fn since(query: &Query) -> Result<Option<Instant>> {
    // PostgreSQL counts microseconds from 2000-01-01T00:00:00Z.
    const EPOCH: i64 = 946_684_800;
    let Some(since) = &query.answer.since else {
        return Ok(None);
    };
    // In a query, the plus of a zone is a blank.
    let since = since.trim().replace(' ', "+");
    match first_instant(since.as_bytes()) {
        Some((seconds, nanoseconds)) => {
            let micros = i64::from(nanoseconds / 1_000);
            Ok(Some((seconds - EPOCH) * 1_000_000 + micros))
        }
        None => Err(bad("_since is not an instant").hint("2024-02-29T23:59:59Z")),
    }
}

fn size(query: &Query) -> usize {
    let size = query.answer.count.unwrap_or(PAGE).clamp(0, LARGEST_PAGE);
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// Versions, and of each whether it was erased, with the address of the page, that of the next, and how many there are.
fn answer(
    request: &Request<'_>,
    guarded: &Guarded,
    found: &[(Stored, Outcome)],
    (own, next, total): (String, Option<String>, Option<i64>),
    query: &Query,
) -> Result<Response> {
    let mut versions = Vec::new();
    for (stored, outcome) in found {
        let resource = match stored.is_tombstone() {
            true => None,
            false => Some(shown(request, guarded, stored, &query.answer)?),
        };
        versions.push(Version {
            address: request.address(guarded, &stored.id),
            url: format!("{}/{}", guarded.name(), stored.id),
            etag: format!("W/\"{}\"", stored.version),
            updated_at: iso(stored.updated_at)?,
            version: stored.version,
            outcome: *outcome,
            resource,
        });
    }
    let page = Paged {
        own: &own,
        next: next.as_deref(),
        total,
    };
    let body = match request.door.fhir {
        true => bundle(&page, &versions)?,
        false => list(&page, &versions)?,
    };
    Ok(Response::new(200).body(body))
}

struct Version {
    address: String,
    /// `Patient/7`
    url: String,
    etag: String,
    updated_at: String,
    version: i32,
    outcome: Outcome,
    resource: Option<Vec<u8>>,
}

impl Version {
    fn resource(&self) -> Result<Option<Value<'_>>> {
        let resource = self.resource.as_deref();
        Ok(resource.map(Value::read).transpose()?)
    }
}

/// <https://hl7.org/fhir/R4/bundle.html#history>. The first version was created by whichever method;
/// that it was a POST is told of it. What was created again has the id that it had, as a PUT has it. An
/// entry of a PUT or a POST has its resource, so that one which was erased is a DELETE.
fn bundle(page: &Paged<'_>, versions: &[Version]) -> Result<Vec<u8>> {
    let erased = told::of_success("What this version held was erased.", None);
    let mut entries = Vec::new();
    for version in versions {
        let resource = version.resource()?;
        let url = version.url.as_str();
        let (method, status, url) = match version.outcome {
            Outcome::Erased => ("DELETE", "410", url),
            Outcome::Deleted => ("DELETE", "204", url),
            Outcome::Created if version.version == 1 => {
                ("POST", "201", url.split('/').next().unwrap_or_default())
            }
            Outcome::Created => ("PUT", "201", url),
            _ => ("PUT", "200", url),
        };
        let mut response = vec![
            (&b"status"[..], Item::Text(status)),
            (b"etag", Item::Text(&version.etag)),
            (b"lastModified", Item::Text(&version.updated_at)),
        ];
        if version.outcome == Outcome::Erased {
            response.push((b"outcome", Item::Copy(Value::read(&erased)?)));
        }
        let mut entry = vec![
            (&b"fullUrl"[..], Item::Text(&version.address)),
            (
                b"request",
                Item::Members(vec![
                    (b"method", Item::Text(method)),
                    (b"url", Item::Text(url)),
                ]),
            ),
            (b"response", Item::Members(response)),
        ];
        entry.extend(resource.map(|resource| (&b"resource"[..], Item::Copy(resource))));
        entries.push(Item::Members(entry));
    }
    page.bundle("history", entries)
}

fn list(page: &Paged<'_>, versions: &[Version]) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for version in versions {
        let resource = version.resource()?;
        all.push(Item::Members(vec![
            (b"version", Item::Int(i64::from(version.version))),
            (b"outcome", Item::Text(version.outcome.as_str())),
            (b"updatedAt", Item::Text(&version.updated_at)),
            (b"resource", resource.map_or(Item::Null, Item::Copy)),
        ]));
    }
    let mut list = vec![(&b"versions"[..], Item::Items(all))];
    list.extend(page.next.map(|next| (&b"next"[..], Item::Text(next))));
    written(list)
}

fn bad(message: &str) -> Error {
    Error::refuse(State::BadRequest, message)
}
