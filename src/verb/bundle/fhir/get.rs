//! What an entry reads, when all is written.

use super::answer::{Response, tag};
use super::entry::Planned;
use super::script::Entries;
use crate::pg::{Error, Instant, Reading, Result, Session, State, check_for_interrupts, unix_time};
use crate::store::history::Last;
use crate::store::row::{RowKey, Stored};
use crate::verb::render;
use crate::verb::row;
use ingest_engine::bundle::{Action, Unless};
use jsonb::{Item, Value, write};

/// How many resources a search answers with.
const COUNT: i32 = 100;

/// Answers an entry that reads.
pub fn get(entries: &Entries<'_>, planned: &Planned<'_>) -> Result<Response> {
    let guarded = &planned.guarded;
    match *planned.action {
        Action::Read {
            id,
            version,
            unless,
            whole,
        } => {
            let key = RowKey::Id(id);
            let stored = Session::open(|session| {
                row::stored(session, guarded, key, version, Reading::Fresh)
            })?;
            read(planned, &stored, unless, whole)
        }
        Action::Search { query, whole } => {
            let criteria = entries.search(planned, query)?;
            let found = Session::open(|session| {
                let (table, page) = (guarded.table()?, ("", COUNT));
                criteria.search.page(session, table, page, Reading::Fresh)
            })?;
            let mut response = Response::new("200 OK");
            if whole {
                response.resource = Some(found_set(planned, &found)?);
            }
            Ok(response)
        }
        _ => Err(Error::Bug("an entry that reads nothing".into())),
    }
}

fn read(
    planned: &Planned<'_>,
    stored: &Stored,
    unless: Unless<'_>,
    whole: bool,
) -> Result<Response> {
    let is_same = unless.version == Some(stored.version)
        || is_since(unless.modified_since, stored.updated_at)?;
    let mut response = Response::new(if is_same {
        "304 Not Modified"
    } else {
        "200 OK"
    });
    tag(&mut response, Last::of(stored))?;
    if whole && !is_same {
        response.resource = Some(render::stored(&planned.guarded, stored)?);
    }
    Ok(response)
}

/// Whether nothing has changed since an instant, to the second, as headers of HTTP have it.
fn is_since(since: Option<&str>, changed: Instant) -> Result<bool> {
    let Some(since) = since else {
        return Ok(false);
    };
    let since = ingest_engine::unix_time(since.as_bytes()).ok_or_else(|| {
        Error::refuse(State::BadRequest, "ifModifiedSince is not an instant")
            .hint("An instant is written 2026-01-31T12:00:00Z.")
    })?;
    Ok(unix_time(changed) <= since)
}

/// A Bundle of type searchset.
fn found_set(planned: &Planned<'_>, found: &[Stored]) -> Result<Vec<u8>> {
    let mut resources = Vec::with_capacity(found.len());
    for stored in found {
        check_for_interrupts()?;
        resources.push(render::stored(&planned.guarded, stored)?);
    }
    let mut entries = Vec::with_capacity(resources.len());
    for resource in &resources {
        let search = Item::Members(vec![(&b"mode"[..], Item::Text("match"))]);
        entries.push(Item::Members(vec![
            (&b"resource"[..], Item::Copy(Value::read(resource)?)),
            (b"search", search),
        ]));
    }
    let mut members = vec![
        (&b"resourceType"[..], Item::Text("Bundle")),
        (b"type", Item::Text("searchset")),
    ];
    if !entries.is_empty() {
        members.push((b"entry", Item::Items(entries)));
    }
    write(&Item::Members(members))
        .map_err(|_| Error::refuse(State::TooLarge, "what was found is too large"))
}
