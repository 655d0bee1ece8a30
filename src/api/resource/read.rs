//! `ingest.resource_read(source, profile, id, version)`, `ingest.resource_history(source, profile, id)`

use super::profile_of;
use crate::api::refusal;
use crate::api::render;
use crate::pg::{Answer, Arg, Call, Error, Reading, Result, Session, State, datum_of_jsonb};
use crate::store::{Outcome, resources};

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
    let mut versions = Vec::new();
    Session::open(|session| {
        resources::versions(session, guarded.table()?, id, |stored, ended_at| {
            versions.push((stored, ended_at));
            Ok(())
        })
    })?;
    if versions.is_empty() {
        return Err(refusal::not_found(&guarded));
    }
    let [created, updated, deleted] = [
        Outcome::Created.value(call)?,
        Outcome::Updated.value(call)?,
        Outcome::Deleted.value(call)?,
    ];
    let sink = call.materialize()?;
    for (place, (stored, ended_at)) in versions.iter().enumerate() {
        let older = versions.get(place + 1);
        let outcome = match (&stored.data, older) {
            (None, _) => deleted,
            (Some(_), Some((older, _))) if older.data.is_some() => updated,
            (Some(_), _) => created,
        };
        let resource = match stored.data {
            Some(_) => Some(render::resource(&guarded, stored)?),
            None => None,
        };
        sink.push(&[
            Arg::Oid(outcome),
            Arg::Int4(stored.version),
            Arg::Instant(stored.updated_at),
            ended_at.map_or(Arg::Null, Arg::Instant),
            Arg::jsonb(resource.as_deref()),
        ])?;
    }
    Ok(Answer::Null)
}
