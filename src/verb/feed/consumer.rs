//! `ingest.consumer_create(source, consumer, after, profiles)`,
//! `ingest.consumer_next(source, consumer, count)`, `ingest.consumer_done(source, consumer, cursor)`,
//! `ingest.consumer_drop(source, consumer)`

use super::{count, give};
use crate::pg::{Answer, Call, Error, Result, Session, State, current_role, role_name};
use crate::store::feed::consumer::{self, Consumer};
use crate::store::feed::{self, Cursor, Position};
use crate::store::{Name, source};

/// Makes a named reader.
pub fn create(call: &mut Call<'_>) -> Result<Answer> {
    let (source, name) = named(call)?;
    let after = call.text(2)?;
    let profiles = call.texts(3, "profiles")?;
    Session::open(|session| {
        let begun = feed::begin(session, source, profiles.as_deref())?;
        let cursor = match after {
            Some(_) => Some(Cursor::of(session, &begun, after)?.text(&begun)),
            None => None,
        };
        // Who may not read it is told so now.
        begun.keys(session, &Position::start(), 1)?;
        // Not as they were given, which may be any number of times.
        let profiles = begun.profiles();
        let made = (current_role(), cursor.as_deref(), profiles.as_deref());
        match consumer::put(session, source, name.as_str(), made)? {
            true => Ok(()),
            false => Err(Error::refuse(
                State::Conflict,
                format!("there is a consumer {name} already"),
            )
            .hint("Go on with it, or drop it with ingest.consumer_drop.")),
        }
    })?;
    Ok(Answer::Null)
}

/// Gives what comes after the position of a consumer, which is held.
pub fn next(call: &mut Call<'_>) -> Result<Answer> {
    let (source, name) = named(call)?;
    let count = count(call, 2)?;
    Session::open(|session| {
        let held = hold(session, source, &name)?;
        let profiles = held.names();
        // Who has waited sees what the one before has seen.
        session.anew(|| {
            let after = (held.cursor.as_deref(), count);
            give(session, call, source, after, profiles.as_deref())
        })
    })
}

/// Moves a consumer to a cursor.
pub fn done(call: &mut Call<'_>) -> Result<Answer> {
    let (source, name) = named(call)?;
    let cursor = call.need_text(2, "cursor")?;
    Session::open(|session| {
        let held = hold(session, source, &name)?;
        let begun = feed::begin(session, source, held.names().as_deref())?;
        let read = Cursor::read(cursor, &begun)?;
        if let Some(before) = &held.cursor
            && Cursor::read(before, &begun)?.position > read.position
        {
            return Err(Error::refuse(
                State::Conflict,
                format!("the consumer {name} has come further than this cursor"),
            )
            .hint("Another process works with it. To read anew, drop it and create it after a cursor."));
        }
        consumer::go_on(session, source, name.as_str(), cursor)
    })?;
    Ok(Answer::Null)
}

/// Forgets a consumer.
pub fn drop(call: &mut Call<'_>) -> Result<Answer> {
    let (source, name) = named(call)?;
    Session::open(|session| {
        source::check_there(source)?;
        let Some(held) = consumer::hold(session, source, name.as_str())? else {
            return Err(none(&name));
        };
        if !source::may_define(source)? {
            check_own(&name, &held)?;
        }
        consumer::remove(session, source, name.as_str())
    })?;
    Ok(Answer::Null)
}

fn named<'a>(call: &Call<'a>) -> Result<(&'a str, Name)> {
    let source = call.need_text(0, "source")?;
    let name = Name::new(call.need_text(1, "consumer")?, "consumer")?;
    Ok((source, name))
}

/// A consumer of the caller's, which nobody else has until the transaction ends.
fn hold(session: &Session, source: &str, name: &Name) -> Result<Consumer> {
    source::check_there(source)?;
    let Some(held) = consumer::hold(session, source, name.as_str())? else {
        return Err(none(name));
    };
    check_own(name, &held)?;
    Ok(held)
}

fn none(name: &Name) -> Error {
    Error::refuse(State::NotFound, format!("no such consumer: {name}"))
        .hint("ingest.feed_consumer lists them; ingest.consumer_create makes one.")
}

fn check_own(name: &Name, held: &Consumer) -> Result<()> {
    match held.role == role_name(current_role())? {
        true => Ok(()),
        false => Err(Error::refuse(
            State::InsufficientPrivilege,
            format!("the consumer {name} belongs to another role"),
        )
        .hint("Go on as the role that made it, or make one of your own.")),
    }
}
