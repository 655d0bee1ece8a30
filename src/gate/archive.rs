//! The archive: the versions that have ended, written by a trigger and by nobody else.

use super::confirm::{self, Confirmed};
use super::guard::{after, check_place, found};
use super::owed;
use crate::pg::{Answer, Call, Count, Error, Event, PerTable, Result, State, TriggerCall};
use crate::store::author;
use crate::store::history;
use crate::store::layout::{Key, Layout};
use crate::store::reference;
use crate::store::refusal;

thread_local! {
    static PLACE: PerTable<()> = const { PerTable::new() };
}

/// `ingest.archive('source', 'profile')`
pub fn archive(call: &mut Call<'_>) -> Result<Answer> {
    let trigger = call.trigger()?;
    let (Some(source), Some(profile)) = (trigger.argument(0), trigger.argument(1)) else {
        return Err(
            Error::refuse(State::BadRequest, "ingest.archive needs two arguments")
                .hint("EXECUTE FUNCTION ingest.archive('source', 'profile')"),
        );
    };
    if trigger.is_before() || trigger.is_row() == (trigger.event() == Event::Insert) {
        return Err(Error::refuse(
            State::BadRequest,
            "ingest.archive is an AFTER trigger, for each row of UPDATE and DELETE, for each statement of INSERT",
        ));
    }
    if history::is_purging(trigger.relation()) {
        return Ok(Answer::Done);
    }
    PLACE.with(|place| {
        place.get_or(trigger.trigger(), || {
            check_place(&trigger, source, profile)?;
            check_first(&trigger, source)
        })
    })?;
    let guarded = found(&trigger, source, profile)?;
    let (table, relation) = (guarded.table()?, trigger.relation());
    let keeps = guarded.history.keeps();
    match trigger.event() {
        Event::Update => {
            let (old, new) = (trigger.old()?, trigger.new_row()?);
            let layout = Layout::of(trigger.relation(), &old, guarded.form())?;
            if old.int4(layout.version) != new.int4(layout.version) {
                let ended_at = new.instant(layout.updated_at).unwrap_or_default();
                history::archive(table, relation, (&old, &layout), ended_at, keeps, None)?;
                guarded.count(Count::Updated);
            }
        }
        Event::Delete => {
            let old = trigger.old()?;
            let layout = Layout::of(trigger.relation(), &old, guarded.form())?;
            let author = author::of_version(&guarded)?;
            let ended_at = after(old.instant(layout.updated_at).unwrap_or_default());
            let deleted_by = Some(&*author);
            history::archive(
                table,
                relation,
                (&old, &layout),
                ended_at,
                keeps,
                deleted_by,
            )?;
            guarded.count(Count::Deleted);
            if let Key::Id(column) = layout.key {
                reference::leave(&guarded, old.text(column)?.unwrap_or_default())?;
            }
        }
        Event::Insert => match confirm::confirm(table, relation)? {
            Confirmed::Fine => owed::settle(relation)?,
            Confirmed::Foreign => {
                return Err(refusal::about(
                    &guarded,
                    State::SerializationFailure,
                    format!("an id in {profile} was created and deleted by another transaction"),
                )
                .hint("Try again."));
            }
            Confirmed::Own => {
                return Err(refusal::deleted_and_created(source, profile));
            }
        },
        Event::Truncate => {}
    }
    Ok(Answer::Done)
}

/// Refuses a table with a trigger that acts on a change before it is archived: it could create
/// again what was deleted, and history would not know yet that it was there.
fn check_first(trigger: &TriggerCall<'_>, source: &str) -> Result<()> {
    let Some(earlier) = trigger.preceded_by().filter(|_| trigger.is_row()) else {
        return Ok(());
    };
    Err(Error::refuse(
        State::BadRequest,
        format!("a trigger of {} fires before the archive", trigger.table()),
    )
    .of_table(source, trigger.table())
    .hint(format!(
        "Rename the trigger {earlier}, so that its name sorts after the archive's."
    )))
}
