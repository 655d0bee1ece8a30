//! A verb that writes is done where its table is: on another node it is carried there whole, so that what
//! it looks at, waits for and refuses is the same as in one place.
//!
//! Under the key of a request it stays where it is called, because what is kept under a key is kept there:
//! its statements go to the table one by one.

use super::bundle;
use crate::pg::{
    Answer, Arg, Call, Error, Instant, Oid, Result, Rows, Session, Shape, datum_of_jsonb,
};
use crate::store::site::{self, Size};
use crate::store::{Outcome, cluster};

/// `ingest.carried(context, role)`
pub fn told(call: &mut Call<'_>) -> Result<Answer> {
    cluster::carried(call.text(0)?, call.text(1)?)?;
    Ok(Answer::bool(true))
}

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
    let told = elsewhere(call, |session, call| {
        let name = call.text(1)?;
        let Some(rows) = carried(session, call, verb, name, (columns, Size::Few))? else {
            return Ok(None);
        };
        let row = rows.first().ok_or(Error::Bug("no row of a verb".into()))?;
        Ok(Some(Told {
            outcome: row.text(1)?.and_then(Outcome::parse),
            id: row.string(2)?,
            version: row.int4(3),
            updated_at: row.instant(4),
            resource: row.jsonb_copy(5)?,
        }))
    })?;
    // Its memory is that of the call, and not of the session that is over.
    match told {
        Some(told) => told.answer(call),
        None => site::here(|| here(call)),
    }
}

/// What was told of a verb that was carried.
struct Told {
    outcome: Option<Outcome>,
    id: String,
    version: i32,
    updated_at: Option<Instant>,
    resource: Option<Vec<u8>>,
}

impl Told {
    fn answer(&self, call: &mut Call<'_>) -> Result<Answer> {
        let outcome = label(call, self.outcome)?;
        Shape::of(call)?.row(&[
            outcome,
            Arg::Text(&self.id),
            Arg::Int4(self.version),
            self.updated_at.map_or(Arg::Null, Arg::Instant),
            Arg::jsonb(self.resource.as_deref()),
        ])
    }
}

/// One that answers what became of each of many.
pub fn rows(
    call: &mut Call<'_>,
    verb: Verb,
    here: impl FnOnce(&mut Call<'_>) -> Result<Answer>,
) -> Result<Answer> {
    let columns = "done.ordinal, done.outcome::pg_catalog.text, done.id, done.version, done.issue";
    let told = elsewhere(call, |session, call| {
        let name = call.text(1)?;
        let Some(rows) = carried(session, call, verb, name, (columns, Size::Many))? else {
            return Ok(None);
        };
        let sink = call.materialize()?;
        for row in rows.iter() {
            let issue = row.jsonb_copy(5)?;
            sink.push(&[
                Arg::Int4(row.int4(1)),
                label(call, row.text(2)?.and_then(Outcome::parse))?,
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
    told.map_or_else(|| site::here(|| here(call)), Ok)
}

/// That of a bundle, which goes where the table of its first operation is.
pub fn bundle(
    call: &mut Call<'_>,
    verb: Verb,
    here: fn(&mut Call<'_>) -> Result<Answer>,
) -> Result<Answer> {
    let told = elsewhere(call, |session, call| {
        let name = bundle::first_name(call.need_jsonb(1, "bundle")?)?;
        match carried(session, call, verb, name, ("done", Size::Many))? {
            Some(rows) => rows.first().map_or(Ok(None), |row| row.jsonb_copy(1)),
            None => Ok(None),
        }
    })?;
    match told {
        Some(told) => datum_of_jsonb(&told),
        None => site::here(|| here(call)),
    }
}

/// What is told of a call that may be one for another place; nothing where there is no other.
fn elsewhere<'a, T>(
    call: &mut Call<'a>,
    body: impl FnOnce(&Session, &mut Call<'a>) -> Result<Option<T>>,
) -> Result<Option<T>> {
    match site::may_be_elsewhere()? {
        false => Ok(None),
        true => Session::open(|session| body(session, call)),
    }
}

fn label<'a>(call: &Call<'_>, outcome: Option<Outcome>) -> Result<Arg<'a>> {
    outcome.map_or(Ok(Arg::Null), |outcome| outcome.value(call).map(Arg::Label))
}

/// What became of a call where the table of this name is, if that is elsewhere.
fn carried<'s>(
    session: &'s Session,
    call: &Call<'_>,
    (function, key): Verb,
    name: Option<&str>,
    (columns, size): (&str, Size),
) -> Result<Option<Rows<'s>>> {
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
