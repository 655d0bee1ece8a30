//! `ingest.resource_read(source, profile, id, version)`, `ingest.resource_read_at`,
//! `ingest.resource_exists`, `ingest.resource_history(source, profile, id)`, and the same of links

use super::{Noun, key_of, named};
use crate::pg::{Answer, Arg, Call, Error, Reading, Result, Session, State, datum_of_jsonb};
use crate::store::history::Sought;
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
    let Some(archived) = row::read_archived(session, table, key, version, reading)? else {
        let sought = Sought::Version(version);
        return Err(
            match history::after_lost(session, table, key, sought, reading)? {
                Some(next) => refusal::not_kept(guarded, next),
                None => refusal::no_version(guarded),
            },
        );
    };
    if archived.is_tombstone() {
        return Err(refusal::holds_nothing(guarded, version));
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
    let stored = Session::open(|session| {
        let table = guarded.table()?;
        let stored = row::read_at(session, table, key, instant)?;
        if stored.is_some() {
            return Ok(stored);
        }
        // Nothing was there yet, or is kept any more.
        let sought = Sought::At(instant);
        match history::after_lost(session, table, key, sought, Reading::Caller)? {
            Some(next) => Err(refusal::not_kept(&guarded, next)),
            None => Ok(None),
        }
    })?;
    match stored {
        None => Err(refusal::not_found(&guarded)),
        Some(stored) if stored.is_tombstone() => {
            Err(refusal::holds_nothing(&guarded, stored.version))
        }
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

/// What made a version, of which this is said of its erasure.
pub fn outcome(stored: &Stored, erasure: Option<&[u8]>) -> Outcome {
    match erasure {
        Some(_) => Outcome::Erased,
        None if stored.is_tombstone() => Outcome::Deleted,
        // What is created has one instant, what is updated keeps that of its creation.
        None if stored.created_at == stored.updated_at => Outcome::Created,
        None => Outcome::Updated,
    }
}

/// All versions, newest first.
pub fn history(call: &mut Call<'_>, noun: Noun) -> Result<Answer> {
    let guarded = named(call, noun)?;
    let key = key_of(&guarded, call.need_text(2, "id")?)?;
    let [created, updated, deleted, erased] = [
        Outcome::Created.value(call)?,
        Outcome::Updated.value(call)?,
        Outcome::Deleted.value(call)?,
        Outcome::Erased.value(call)?,
    ];
    let sink = call.materialize()?;
    let mut is_empty = true;
    Session::open(|session| {
        row::versions(
            session,
            guarded.table()?,
            key,
            |stored, ended_at, erasure| {
                is_empty = false;
                let resource = match stored.is_tombstone() {
                    false => Some(render::stored(&guarded, &stored)?),
                    true => None,
                };
                let outcome = match outcome(&stored, erasure.as_deref()) {
                    Outcome::Created => created,
                    Outcome::Deleted => deleted,
                    Outcome::Erased => erased,
                    _ => updated,
                };
                sink.push(&[
                    Arg::Label(outcome),
                    Arg::Int4(stored.version),
                    Arg::Instant(stored.updated_at),
                    ended_at.map_or(Arg::Null, Arg::Instant),
                    Arg::jsonb(resource.as_deref()),
                    Arg::Text(&stored.updated_by),
                    Arg::text(stored.updated_by_login.as_deref()),
                    Arg::jsonb(stored.context.as_deref()),
                    Arg::jsonb(erasure.as_deref()),
                ])
            },
        )
    })?;
    match is_empty {
        true => Err(refusal::not_found(&guarded)),
        false => Ok(Answer::Null),
    }
}
