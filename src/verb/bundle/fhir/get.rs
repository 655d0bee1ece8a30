//! What an entry reads, when all is written.

use super::answer::{Response, tag};
use super::entry::Planned;
use super::script::Entries;
use crate::pg::{Error, Instant, Reading, Result, Session, State, unix_micros};
use crate::store::Guarded;
use crate::store::history::Last;
use crate::store::row::{RowKey, Stored};
use crate::verb::bundle::View;
use crate::verb::criteria::place;
use crate::verb::elements::wanted;
use crate::verb::row;
use crate::verb::search::searchset::{self, Addresses};
use ::rest::query::{Asked, Query};
use ingest_engine::bundle::{Action, Unless};
use ingest_engine::first_instant;

/// Answers an entry that reads.
pub fn get(entries: &Entries<'_>, planned: &Planned<'_>, view: View<'_>) -> Result<Response> {
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
            read(planned, &stored, (unless, whole), view)
        }
        Action::Search { query, whole } => {
            let query = Query::read(&entries.query(query)?, Asked::Search)?;
            let found = Session::open(|session| {
                session.anew(|| found_set(session, guarded, &query, view))
            })?;
            let mut response = Response::new("200 OK");
            if whole {
                response.resource = Some(found);
            }
            Ok(response)
        }
        _ => Err(Error::Bug("an entry that reads nothing".into())),
    }
}

fn read(
    planned: &Planned<'_>,
    stored: &Stored,
    (unless, whole): (Unless<'_>, bool),
    view: View<'_>,
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
        response.resource = Some((view.shown)(&planned.guarded, stored)?);
    }
    Ok(response)
}

/// Whether nothing has changed since an instant.
fn is_since(since: Option<&str>, changed: Instant) -> Result<bool> {
    let Some(since) = since else {
        return Ok(false);
    };
    let (seconds, nanoseconds) = first_instant(since.as_bytes()).ok_or_else(|| {
        Error::refuse(State::BadRequest, "ifModifiedSince is not an instant")
            .hint("An instant is written 2026-01-31T12:00:00Z.")
    })?;
    let micros = i128::from(seconds) * 1_000_000 + i128::from(nanoseconds / 1_000);
    Ok(unix_micros(changed) <= micros)
}

/// A Bundle of type searchset, with addresses where it is known what they begin with.
fn found_set(
    session: &Session,
    guarded: &Guarded,
    query: &Query,
    view: View<'_>,
) -> Result<Vec<u8>> {
    let base = place::address(guarded.parameters()?);
    let base = base.as_deref().map(|base| base.trim_end_matches('/'));
    let name = guarded.name();
    let addresses = Addresses {
        search: base.map_or(name.to_owned(), |base| format!("{base}/{name}")),
        resource: &|of, id| base.map(|base| format!("{base}/{}/{id}", of.name())),
    };
    searchset::answer(session, guarded, query, &addresses, &mut |of, stored| {
        wanted(&(view.shown)(of, stored)?, &query.answer, Some(&of.profile))
    })
}
