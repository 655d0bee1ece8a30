//! A verb that writes is done where its table is: on another node it is carried there whole, so that what
//! it looks at, waits for and refuses is the same as in one place.
//!
//! Under the key of a request it stays where it is called, because what is kept under a key is kept there:
//! its statements go to the table one by one.

use super::bundle;
use crate::pg::{Answer, Arg, Call, Oid, Result, Rows, Session, Shape, datum_of_jsonb};
use crate::store::Outcome;
use crate::store::site::{self, Size};

/// A verb, and where in its arguments the key of a request stands, if it takes one.
pub type Verb = (&'static str, Option<usize>);

/// One that answers `ingest.written`.
pub fn written(
    call: &mut Call<'_>,
    verb: Verb,
    here: fn(&mut Call<'_>) -> Result<Answer>,
) -> Result<Answer> {
    let columns =
        "done.outcome::pg_catalog.text, done.id, done.version, done.updated_at, done.resource";
    let told = Session::open(|session| {
        let Some(rows) = carried(session, call, verb, call.text(1)?, (columns, Size::Few))? else {
            return Ok(None);
        };
        let Some(row) = rows.first() else {
            return Ok(Some(Answer::Null));
        };
        let resource = row.jsonb_copy(5)?;
        let outcome = row.text(1)?.and_then(Outcome::parse);
        let id = row.string(2)?;
        let (version, updated_at) = (row.int4(3), row.instant(4));
        Ok(Some(Shape::of(call)?.row(&[
            match outcome {
                Some(outcome) => Arg::Label(outcome.value(call)?),
                None => Arg::Null,
            },
            Arg::Text(&id),
            Arg::Int4(version),
            updated_at.map_or(Arg::Null, Arg::Instant),
            Arg::jsonb(resource.as_deref()),
        ])?))
    })?;
    told.map_or_else(|| site::many(|| here(call)), Ok)
}

/// One that answers what became of each of many.
pub fn rows(
    call: &mut Call<'_>,
    verb: Verb,
    here: impl FnOnce(&mut Call<'_>) -> Result<Answer>,
) -> Result<Answer> {
    let columns = "done.ordinal, done.outcome::pg_catalog.text, done.id, done.version, done.issue";
    let told = Session::open(|session| {
        let Some(rows) = carried(session, call, verb, call.text(1)?, (columns, Size::Many))? else {
            return Ok(None);
        };
        let sink = call.materialize()?;
        for row in rows.iter() {
            let outcome = match row.text(2)?.and_then(Outcome::parse) {
                Some(outcome) => Arg::Label(outcome.value(call)?),
                None => Arg::Null,
            };
            let issue = row.jsonb_copy(5)?;
            sink.push(&[
                Arg::Int4(row.int4(1)),
                outcome,
                Arg::text(row.text(3)?),
                match row.int4(4) {
                    0 => Arg::Null,
                    version => Arg::Int4(version),
                },
                Arg::jsonb(issue.as_deref()),
            ])?;
        }
        Ok(Some(Answer::Null))
    })?;
    told.map_or_else(|| site::many(|| here(call)), Ok)
}

/// That of a bundle, which goes where the table of its first operation is.
pub fn bundle(
    call: &mut Call<'_>,
    verb: Verb,
    here: fn(&mut Call<'_>) -> Result<Answer>,
) -> Result<Answer> {
    let told = Session::open(|session| {
        if !site::may_be_elsewhere()? {
            return Ok(None);
        }
        let name = bundle::first_name(call.need_jsonb(1, "bundle")?)?;
        match carried(session, call, verb, name, ("done", Size::Many))? {
            Some(rows) => rows.first().map_or(Ok(None), |row| row.jsonb_copy(1)),
            None => Ok(None),
        }
    })?;
    match told {
        Some(told) => datum_of_jsonb(&told),
        None => site::many(|| here(call)),
    }
}

/// What became of a call where the table of this name is, if that is elsewhere.
fn carried<'s>(
    session: &'s Session,
    call: &Call<'_>,
    (function, key): Verb,
    name: Option<&str>,
    (columns, size): (&str, Size),
) -> Result<Option<Rows<'s>>> {
    if !site::may_be_elsewhere()? {
        return Ok(None);
    }
    let (Some(source), Some(name)) = (call.text(0)?, name) else {
        return Ok(None);
    };
    if let Some(place) = key
        && call.text(place)?.is_some()
    {
        return Ok(None);
    }
    let (args, types): (Vec<Arg<'_>>, Vec<Oid>) = call.given()?.into_iter().unzip();
    site::carried(
        session,
        (source, name),
        (function, columns, size),
        &args,
        &types,
    )
}
