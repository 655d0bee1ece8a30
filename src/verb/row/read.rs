//! `ingest.resource_read(source, profile, id, version)`, `ingest.resource_read_at`,
//! `ingest.resource_exists`, `ingest.resource_history(source, profile, id)`, and the same of links

use super::{Noun, key_of, named};
use crate::pg::{
    Answer, Arg, Call, Error, Instant, Reading, Result, Session, State, datum_of_jsonb,
};
use crate::store::row::{RowKey, Stored};
use crate::store::{Guarded, Outcome, history, refusal, row};
use crate::verb::render;

/// A row as it is, or as it was in a version.
pub fn read(call: &mut Call<'_>, noun: Noun) -> Result<Answer> {
    let guarded = named(call, noun)?;
    let key = key_of(&guarded, call.need_text(2, "id")?)?;
    let version = call.int4(3)?;
    let stored = Session::open(|session| stored(session, &guarded, key, version, Reading::Caller))?;
    datum_of_jsonb(&render::stored(&guarded, &stored)?)
}

/// A row as it is, or as it was in a version.
pub fn stored(
    session: &Session,
    guarded: &Guarded,
    key: RowKey<'_>,
    version: Option<i32>,
    reading: Reading,
) -> Result<Stored> {
    let table = guarded.table()?;
    let current = row::read(session, table, key, reading)?;
    let Some(version) = version else {
        return match current {
            Some(current) => Ok(current),
            None if history::is_deleted(session, table, key, reading)? => {
                Err(refusal::gone(guarded))
            }
            None => Err(refusal::not_found(guarded)),
        };
    };
    if let Some(current) = current
        && current.version == version
    {
        return Ok(current);
    }
    let archived = row::read_archived(session, table, key, version, reading)?;
    let archived = archived.ok_or_else(|| refusal::no_version(guarded))?;
    if archived.is_tombstone() {
        return Err(refusal::gone(guarded));
    }
    Ok(archived)
}

/// A row as it was at an instant.
pub fn read_at(call: &mut Call<'_>, noun: Noun) -> Result<Answer> {
    let guarded = named(call, noun)?;
    let key = key_of(&guarded, call.need_text(2, "id")?)?;
    let instant = call
        .instant(3)?
        .ok_or_else(|| Error::refuse(State::BadRequest, "instant must not be null"))?;
    let stored = Session::open(|session| row::read_at(session, guarded.table()?, key, instant))?;
    match stored {
        None => Err(refusal::not_found(&guarded)),
        Some(stored) if stored.is_tombstone() => Err(refusal::gone(&guarded)),
        Some(stored) => datum_of_jsonb(&render::stored(&guarded, &stored)?),
    }
}

/// Whether there is such a row now.
pub fn exists(call: &mut Call<'_>, noun: Noun) -> Result<Answer> {
    let guarded = named(call, noun)?;
    let key = key_of(&guarded, call.need_text(2, "id")?)?;
    let exists = Session::open(|session| {
        Ok(row::read(session, guarded.table()?, key, Reading::Caller)?.is_some())
    })?;
    Ok(Answer::bool(exists))
}

/// All versions, newest first.
pub fn history(call: &mut Call<'_>, noun: Noun) -> Result<Answer> {
    let guarded = named(call, noun)?;
    let key = key_of(&guarded, call.need_text(2, "id")?)?;
    let [created, updated, deleted] = [
        Outcome::Created.value(call)?,
        Outcome::Updated.value(call)?,
        Outcome::Deleted.value(call)?,
    ];
    let sink = call.materialize()?;
    let push = |revision: &Revision, follows_another: bool| {
        sink.push(&[
            Arg::Label(match (&revision.resource, follows_another) {
                (None, _) => deleted,
                (Some(_), true) => updated,
                (Some(_), false) => created,
            }),
            Arg::Int4(revision.version),
            Arg::Instant(revision.updated_at),
            revision.ended_at.map_or(Arg::Null, Arg::Instant),
            Arg::jsonb(revision.resource.as_deref()),
            Arg::Text(&revision.updated_by),
            Arg::text(revision.updated_by_login.as_deref()),
            Arg::jsonb(revision.context.as_deref()),
        ])
    };
    // What a version did depends on the one before it, which comes after it.
    let mut newer: Option<Revision> = None;
    Session::open(|session| {
        row::versions(session, guarded.table()?, key, |stored, ended_at| {
            if let Some(newer) = newer.take() {
                push(&newer, !stored.is_tombstone())?;
            }
            newer = Some(Revision {
                version: stored.version,
                updated_at: stored.updated_at,
                ended_at,
                resource: match stored.is_tombstone() {
                    false => Some(render::stored(&guarded, &stored)?),
                    true => None,
                },
                updated_by: stored.updated_by,
                updated_by_login: stored.updated_by_login,
                context: stored.context,
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
    updated_by: String,
    updated_by_login: Option<String>,
    context: Option<Vec<u8>>,
}
