//! The archive: the versions that have ended, written by a trigger and by nobody else.

use super::guard::after;
use crate::pg::{Answer, Call, Error, Event, Result, State, Tuple};
use crate::store::find;
use crate::store::history::{self, RowKey};
use crate::store::layout::{Key, Layout};

/// `ingest.archive('source', 'profile')`
pub fn archive(call: &mut Call<'_>) -> Result<Answer> {
    let trigger = call.trigger()?;
    let (Some(source), Some(profile)) = (trigger.argument(0), trigger.argument(1)) else {
        return Err(
            Error::refuse(State::BadRequest, "ingest.archive needs two arguments")
                .hint("EXECUTE FUNCTION ingest.archive('source', 'profile')"),
        );
    };
    if !trigger.is_row() || trigger.is_before() {
        return Err(Error::refuse(
            State::BadRequest,
            "ingest.archive is an AFTER ROW trigger",
        ));
    }
    let guarded = find(source, profile)?;
    let (table, owner) = (guarded.table()?, trigger.owner());
    match trigger.event() {
        Event::Update => {
            let (old, new) = (trigger.old()?, trigger.new_row()?);
            let layout = Layout::of(&old)?;
            if old.int4(layout.version) != new.int4(layout.version) {
                let ended_at = new.instant(layout.updated_at).unwrap_or_default();
                history::archive(table, owner, &old, &layout, ended_at, false)?;
            }
        }
        Event::Delete => {
            let old = trigger.old()?;
            let layout = Layout::of(&old)?;
            let ended_at = after(old.instant(layout.updated_at).unwrap_or_default());
            history::archive(table, owner, &old, &layout, ended_at, true)?;
        }
        Event::Insert => {
            // Between the guard's look at history and the insert, another transaction may have
            // created and deleted the same id: then this version is not the next one. A retry
            // finds that history, so this is a serialization failure and nothing worse.
            let new = trigger.new_row()?;
            let layout = Layout::of(&new)?;
            let last = history::last_archived(table, owner, key_of(&new, &layout)?)?;
            let version = new.int4(layout.version).unwrap_or_default();
            if last.is_some_and(|last| last.version >= version) {
                return Err(Error::refuse(
                    State::SerializationFailure,
                    format!("the id in {profile} was created and deleted by another transaction"),
                )
                .hint("Try again."));
            }
        }
        Event::Truncate => {}
    }
    Ok(Answer::Done)
}

/// `ingest.seal()`, on history tables.
pub fn seal(call: &mut Call<'_>) -> Result<Answer> {
    let trigger = call.trigger()?;
    if history::is_archiving() {
        return Ok(Answer::Done);
    }
    Err(Error::refuse(
        State::InsufficientPrivilege,
        format!("{} is written by the archive only", trigger.table()),
    )
    .hint("History is a record; change the resource, and the archive adds to its history."))
}

fn key_of<'a>(row: &Tuple<'a>, layout: &Layout) -> Result<RowKey<'a>> {
    let text = |column: i32| Ok::<_, Error>(row.text(column)?.unwrap_or_default());
    Ok(match layout.key {
        Key::Id(id) => RowKey::Id(text(id)?),
        Key::Ends(from, to, _) => RowKey::Ends(text(from)?, text(to)?),
    })
}
