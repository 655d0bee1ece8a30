//! `ingest.resource_read(source, profile, id, version)`, `ingest.resource_history(source, profile, id)`

use super::profile_of;
use crate::pg::{
    Answer, Arg, Call, Error, Instant, Reading, Result, Session, State, datum_of_jsonb,
};
use crate::store::refusal;
use crate::store::{Outcome, resources};
use crate::verb::render;

/// The resource as it is, or as it was in a version.
pub fn read(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let id = call.need_text(2, "id")?;
    let version = call.int4(3);
    let stored = Session::open(|session| {
        let table = guarded.table()?;
        let current = resources::read(session, table, id, Reading::Caller)?;
        let Some(version) = version else {
            return match current {
                Some(current) => Ok(current),
                None if resources::is_deleted(session, table, id, Reading::Caller)? => {
                    Err(refusal::gone(&guarded))
                }
                None => Err(refusal::not_found(&guarded)),
            };
        };
        if let Some(current) = current
            && current.version == version
        {
            return Ok(current);
        }
        let archived = resources::read_archived(session, table, id, version)?;
        let archived = archived.ok_or_else(|| refusal::no_version(&guarded))?;
        if archived.data.is_none() {
            return Err(refusal::gone(&guarded));
        }
        Ok(archived)
    })?;
    datum_of_jsonb(&render::resource(&guarded, &stored)?)
}

/// The resource as it was at an instant.
pub fn read_at(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let id = call.need_text(2, "id")?;
    let instant = call
        .instant(3)
        .ok_or_else(|| Error::refuse(State::BadRequest, "instant must not be null"))?;
    let stored =
        Session::open(|session| resources::read_at(session, guarded.table()?, id, instant))?;
    match stored {
        None => Err(refusal::not_found(&guarded)),
        Some(stored) if stored.data.is_none() => Err(refusal::gone(&guarded)),
        Some(stored) => datum_of_jsonb(&render::resource(&guarded, &stored)?),
    }
}

/// Whether there is such a resource now.
pub fn exists(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let id = call.need_text(2, "id")?;
    let exists = Session::open(|session| {
        Ok(resources::read(session, guarded.table()?, id, Reading::Caller)?.is_some())
    })?;
    Ok(Answer::bool(exists))
}

/// All versions, newest first.
pub fn history(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let id = call.need_text(2, "id")?;
    let [created, updated, deleted] = [
        Outcome::Created.value(call)?,
        Outcome::Updated.value(call)?,
        Outcome::Deleted.value(call)?,
    ];
    let sink = call.materialize()?;
    let push = |revision: &Revision, follows_another: bool| {
        sink.push(&[
            Arg::Oid(match (&revision.resource, follows_another) {
                (None, _) => deleted,
                (Some(_), true) => updated,
                (Some(_), false) => created,
            }),
            Arg::Int4(revision.version),
            Arg::Instant(revision.updated_at),
            revision.ended_at.map_or(Arg::Null, Arg::Instant),
            Arg::jsonb(revision.resource.as_deref()),
        ])
    };
    // What a version did depends on the one before it, which comes after it.
    let mut newer: Option<Revision> = None;
    Session::open(|session| {
        resources::versions(session, guarded.table()?, id, |stored, ended_at| {
            if let Some(newer) = newer.take() {
                push(&newer, stored.data.is_some())?;
            }
            newer = Some(Revision {
                version: stored.version,
                updated_at: stored.updated_at,
                ended_at,
                resource: match stored.data {
                    Some(_) => Some(render::resource(&guarded, &stored)?),
                    None => None,
                },
            });
            Ok(())
        })
    })?;
    let first = newer.ok_or_else(|| refusal::not_found(&guarded))?;
    push(&first, false)?;
    Ok(Answer::Null)
}

/// A version on its way into the answer.
struct Revision {
    version: i32,
    updated_at: Instant,
    ended_at: Option<Instant>,
    resource: Option<Vec<u8>>,
}
