//! `ingest.resource_load(source, profile, bodies, mode, on_error, request_key)`,
//! `ingest.relationship_load(source, relationship, bodies, mode, on_error, request_key)`

use super::{Incoming, Landed, Mode, OnError, Refused, write_all, write_reporting};
use crate::pg::{Answer, Arg, Call, Count, Error, Result, Session, State, check_for_interrupts};
use crate::store::reference::{self, Unmet};
use crate::store::{Guarded, Outcome};
use crate::verb::body::Body;
use crate::verb::link::{self, hold_ends};
use crate::verb::part::Part;
use crate::verb::request::{Effect, Made, Turn, turn};
use crate::verb::row::{Noun, named};
use jsonb::{Item, Value, from_text};
use std::collections::HashMap;

/// Writes an array of bodies; answers one row for each, in its order.
pub fn load(call: &mut Call<'_>, noun: Noun) -> Result<Answer> {
    let guarded = named(call, noun)?;
    guarded.table()?;
    let given = call.need_jsonb(2, "bodies")?;
    let Value::Array(bodies) = given else {
        return Err(Error::refuse(State::BadRequest, "bodies is not an array")
            .hint(match noun {
                Noun::Resource => "[{\"data\": {...}, \"id\"?: \"...\"}, ...]",
                Noun::Link => "[{\"from\": {\"id\", \"type\"}, \"to\": {\"id\", \"type\"}, \"data\"?: {...}}, ...]",
            }));
    };
    let mode = match call.text(3)? {
        None | Some("create") => Mode::Create,
        Some("upsert") => Mode::Upsert,
        Some(_) => return Err(bad("mode is not create or upsert")),
    };
    let on_error = match call.text(4)? {
        None | Some("abort") => OnError::Abort,
        Some("report") => OnError::Report,
        Some(_) => return Err(bad("on_error is not abort or report")),
    };
    let said = [
        noun.load(),
        guarded.name(),
        match mode {
            Mode::Create => "create",
            Mode::Upsert => "upsert",
        },
        match on_error {
            OnError::Abort => "abort",
            OnError::Report => "report",
        },
    ];
    let (source, key) = (guarded.source_name(), call.text(5)?);
    let request = match turn(source, key, &said.map(Item::Text), given)? {
        Turn::Again(made) => return again(call, &made),
        Turn::First(request) => request,
    };
    let mut incoming = Vec::with_capacity(bodies.len());
    let mut malformed = Vec::new();
    for (index, body) in bodies.iter().enumerate() {
        check_for_interrupts()?;
        let place = index + 1;
        match read(&guarded, place, body?) {
            Ok(one) => incoming.push(one),
            Err(Error::Refused(refusal)) => {
                let refused = Refused::of(Error::Refused(refusal))?;
                if on_error == OnError::Abort {
                    return Err(refused.at(&guarded, Part::Body, place));
                }
                malformed.push((place, Landed::Refused(refused)));
            }
            Err(error) => return Err(error),
        }
    }
    if noun == Noun::Link {
        let keys = incoming.iter().map(Incoming::key);
        Session::open(|session| hold_ends(session, &guarded, keys))?;
    }
    let landed = match on_error {
        OnError::Report => write_reporting(&guarded, &incoming, mode)?,
        OnError::Abort => {
            let write = || write_all(&guarded, &incoming, mode, on_error, Part::Body);
            let (landed, unmet) = reference::deferred(write)?;
            match first_of(&guarded, unmet, &incoming) {
                Some(error) => return Err(error),
                None => landed,
            }
        }
    };
    let ids = incoming
        .iter()
        .map(|one| (one.place, Some(one.id.as_ref()), one.is_new()));
    let mut rows: Vec<_> = ids
        .zip(landed)
        .map(|((place, id, made), landed)| (place, id, made, landed))
        .collect();
    rows.extend(
        malformed
            .into_iter()
            .map(|(place, landed)| (place, None, false, landed)),
    );
    rows.sort_by_key(|(place, ..)| *place);
    let effects = rows.iter().map(|(_, id, made, landed)| match landed {
        Landed::Written(outcome, now) => Effect::done(*outcome, "", id.unwrap_or_default(), *now),
        Landed::Refused(refused) => Effect::Refused {
            state: refused.state,
            // One that was made for what was not stored says nothing to anybody.
            id: id.filter(|_| !made),
            outcome: &refused.outcome,
        },
    });
    let effects: Vec<_> = effects.collect();
    for effect in &effects {
        if let Effect::Refused { state, .. } = effect {
            guarded.count(Count::Refused(*state));
        }
    }
    request.keep(effects.iter().copied())?;
    answer(call, &effects, |outcome| outcome)
}

/// Answers a load that was made before.
fn again(call: &mut Call<'_>, made: &Made) -> Result<Answer> {
    answer(call, &made.effects()?, |_| Outcome::Replayed)
}

/// One row for each body, in their order.
fn answer(
    call: &mut Call<'_>,
    effects: &[Effect<'_>],
    told: impl Fn(Outcome) -> Outcome,
) -> Result<Answer> {
    let sink = call.materialize()?;
    for (ordinal, effect) in (1..).zip(effects) {
        let ordinal = Arg::Int4(ordinal);
        match *effect {
            Effect::Done {
                outcome, id, now, ..
            } => sink.push(&[
                ordinal,
                Arg::Label(told(outcome).value(call)?),
                Arg::Text(id),
                now.map_or(Arg::Null, |now| Arg::Int4(now.version)),
                Arg::Null,
            ])?,
            Effect::Refused { id, outcome, .. } => {
                let issues = issues_of(outcome)?;
                sink.push(&[
                    ordinal,
                    Arg::Null,
                    Arg::text(id),
                    Arg::Null,
                    Arg::jsonb(issues.as_deref()),
                ])?;
            }
            Effect::Read => return Err(Error::Bug("a body that reads".into())),
        }
    }
    Ok(Answer::Null)
}

fn read<'a>(guarded: &Guarded, place: usize, body: Value<'a>) -> Result<Incoming<'a>> {
    match guarded.is_relationship() {
        true => Incoming::link(place, guarded, link::Body::read(guarded, body)?),
        false => Incoming::new(place, &Body::read(guarded, body)?, None),
    }
}

/// The refusal of the first body whose targets are missing.
fn first_of(guarded: &Guarded, unmet: Vec<Unmet>, incoming: &[Incoming<'_>]) -> Option<Error> {
    let places: HashMap<&str, usize> = match unmet.is_empty() {
        true => return None,
        false => incoming.iter().map(|one| (&*one.id, one.place)).collect(),
    };
    let place = |unmet: &Unmet| places.get(unmet.id.as_str()).copied();
    let unmet = unmet
        .into_iter()
        .min_by_key(|unmet| place(unmet).unwrap_or(usize::MAX))?;
    Some(
        match place(&unmet).filter(|_| unmet.profile == guarded.name()) {
            None => unmet.error,
            Some(place) => match Refused::of(unmet.error) {
                Ok(refused) => refused.at(guarded, Part::Body, place),
                Err(error) => error,
            },
        },
    )
}

/// The issues of an OperationOutcome, as an array.
pub fn issues_of(outcome: &str) -> Result<Option<Vec<u8>>> {
    let outcome =
        from_text(outcome).map_err(|_| Error::Bug("an OperationOutcome is not JSON".into()))?;
    let Value::Object(outcome) = Value::read(&outcome)? else {
        return Ok(None);
    };
    match outcome.get(b"issue")? {
        Some(Value::Array(issues)) => Ok(Some(issues.as_bytes().to_vec())),
        _ => Ok(None),
    }
}

fn bad(message: &str) -> Error {
    Error::refuse(State::BadRequest, message)
        .hint("mode is 'create' or 'upsert'; on_error is 'abort' or 'report'.")
}
