//! `ingest.feed_create(source, notify)`, `ingest.feed_drop(source)`,
//! `ingest.feed_read(source, after, count, profiles)`, `ingest.feed_end(source, profiles)`

pub mod consumer;

use super::definition::{repair, too_many_tables};
use super::{render, row};
use crate::pg::{Answer, Arg, Call, Error, Result, Session, State, datum_of_jsonb, datum_of_text};
use crate::store::ddl::Named;
use crate::store::feed::{self, Cursor, Position, Standing};
use crate::store::{Guarded, Name, Outcome, find, source};
use jsonb::{Item, write};
use std::collections::HashMap;
use std::rc::Rc;

/// How many versions are given, if the caller does not say.
const PAGE: i32 = 1_000;
/// How many versions are given at most.
const LARGEST_PAGE: i32 = 10_000;

/// Gives a source a feed, or puts right what is missing of it.
pub fn create(call: &mut Call<'_>) -> Result<Answer> {
    let name = Name::new(call.need_text(0, "source")?, "source")?;
    let notify = call.bool_or(1, true)?;
    let outcome = Session::open(|session| {
        source::lock_in_one_place(session, name.as_str())?;
        let mut guarded = source::guarded(session, name.as_str())?;
        // What links lead to comes first, so that all is there when they are repaired.
        guarded.sort();
        let tables = named(&guarded);
        let standing = feed::standing(session, name.as_str())?;
        let begins = !matches!(standing, Standing::Here(_));
        if begins {
            feed::put(session, &name, notify, &tables)?;
        }
        let mut repaired = false;
        for table in &tables {
            repaired |= repair(session, &name, table.name, begins)?;
        }
        if begins {
            feed::go_on(session, &name, &tables)?;
            return Ok("created");
        }
        if standing != Standing::Here(notify) {
            feed::set_notify(session, name.as_str(), notify)?;
            return Ok("updated");
        }
        Ok(if repaired { "repaired" } else { "unchanged" })
    })
    .map_err(too_many_tables)?;
    let members: [(&[u8], Item<'_>); 2] = [
        (b"outcome", Item::Text(outcome)),
        (b"source", Item::Text(name.as_str())),
    ];
    let answer = write(&Item::Object(&members))
        .map_err(|_| Error::Bug("an answer could not be written".into()))?;
    datum_of_jsonb(&answer)
}

fn named(guarded: &[(bool, String)]) -> Vec<Named<'_>> {
    let named = guarded.iter().map(|(links, name)| Named {
        links: *links,
        name,
    });
    named.collect()
}

/// Takes the feed of a source away.
pub fn drop(call: &mut Call<'_>) -> Result<Answer> {
    let name = Name::new(call.need_text(0, "source")?, "source")?;
    Session::open(|session| {
        source::lock_in_one_place(session, name.as_str())?;
        if feed::standing(session, name.as_str())? == Standing::None {
            return Err(feed::none(name.as_str()));
        }
        let guarded = source::guarded(session, name.as_str())?;
        feed::remove(session, &name, &named(&guarded))
    })
    .map_err(too_many_tables)?;
    Ok(Answer::Null)
}

/// The versions after a cursor.
pub fn read(call: &mut Call<'_>) -> Result<Answer> {
    let source = call.need_text(0, "source")?;
    let (after, count) = (call.text(1)?, count(call, 2)?);
    let profiles = call.texts(3, "profiles")?;
    Session::open(|session| give(session, call, source, (after, count), profiles.as_deref()))
}

/// Gives the versions after a cursor as the rows of the call.
fn give(
    session: &Session,
    call: &mut Call<'_>,
    source: &str,
    (after, count): (Option<&str>, i32),
    profiles: Option<&[&str]>,
) -> Result<Answer> {
    let begun = feed::begin(session, source, profiles)?;
    let after = Cursor::of(session, &begun, after)?;
    let [created, updated, deleted, erased] = [
        Outcome::Created.value(call)?,
        Outcome::Updated.value(call)?,
        Outcome::Deleted.value(call)?,
        Outcome::Erased.value(call)?,
    ];
    let sink = call.materialize()?;
    let keys = begun.keys(session, &after.position, count)?;
    let mut known: HashMap<String, Rc<Guarded>> = HashMap::new();
    for key in &keys {
        let profile = &key.position.profile;
        if !known.contains_key(profile) {
            let guarded = find(source, profile)?;
            known.insert(profile.clone(), guarded);
        }
    }
    begun.rows(session, &keys, |position, stored, erasure| {
        let guarded = known
            .get(&position.profile)
            .ok_or(Error::Bug("a version of no profile".into()))?;
        let resource = match stored.is_tombstone() {
            false => Some(render::stored(guarded, &stored)?),
            true => None,
        };
        let outcome = match row::outcome(&stored, erasure.as_deref()) {
            Outcome::Created => created,
            Outcome::Deleted => deleted,
            Outcome::Erased => erased,
            _ => updated,
        };
        let cursor = Cursor {
            position,
            losses: begun.losses,
        };
        sink.push(&[
            Arg::Text(&cursor.text(&begun)),
            Arg::Text(guarded.name()),
            Arg::Text(&stored.id),
            Arg::Int4(stored.version),
            Arg::Label(outcome),
            Arg::Instant(stored.updated_at),
            Arg::Text(&stored.updated_by),
            Arg::text(stored.updated_by_login.as_deref()),
            Arg::jsonb(stored.context.as_deref()),
            Arg::jsonb(erasure.as_deref()),
            Arg::jsonb(resource.as_deref()),
        ])
    })?;
    Ok(Answer::Null)
}

fn count(call: &Call<'_>, at: usize) -> Result<i32> {
    let count = call.int4(at)?.unwrap_or(PAGE);
    match (1..=LARGEST_PAGE).contains(&count) {
        true => Ok(count),
        false => Err(Error::refuse(
            State::BadRequest,
            format!("count is not between 1 and {LARGEST_PAGE}"),
        )
        .hint("Go on from the last cursor for more.")),
    }
}

/// The cursor after all that can be read now.
pub fn end(call: &mut Call<'_>) -> Result<Answer> {
    let source = call.need_text(0, "source")?;
    let profiles = call.texts(1, "profiles")?;
    let cursor = Session::open(|session| {
        let begun = feed::begin(session, source, profiles.as_deref())?;
        let cursor = Cursor {
            position: Position::before(begun.horizon),
            losses: begun.losses,
        };
        Ok(cursor.text(&begun))
    })?;
    datum_of_text(&cursor)
}
