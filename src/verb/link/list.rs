//! `ingest.relationship_list(source, profile, id, relationship)`

use crate::pg::{Answer, Arg, Call, Error, Reading, Result, Session, State, hold_relation};
use crate::store::row::{self, RowKey, Stored};
use crate::store::{Guarded, find, find_if_there, history, links, refusal};
use crate::verb::render;
use crate::verb::resource::profile_of;

/// The links of a resource, at either end, by relationship and id.
pub fn list(call: &mut Call<'_>) -> Result<Answer> {
    let guarded = profile_of(call)?;
    let id = call.need_text(2, "id")?;
    let only = call.text(3)?;
    let sink = call.materialize()?;
    each(&guarded, id, only, |relationship, link, resource| {
        sink.push(&[
            Arg::Text(relationship.name()),
            Arg::Text(&link.id),
            Arg::Int4(link.version),
            Arg::Instant(link.updated_at),
            Arg::Jsonb(resource),
        ])
    })?;
    Ok(Answer::Null)
}

/// The same of a profile that was found: each link with its relationship, and as it is returned.
pub fn each(
    guarded: &Guarded,
    id: &str,
    only: Option<&str>,
    mut each: impl FnMut(&Guarded, &Stored, &[u8]) -> Result<()>,
) -> Result<()> {
    let source = guarded.source_name().to_owned();
    Session::open(|session| {
        let mut touching = links::touching(session, &source, guarded.name())?;
        if let Some(only) = only {
            touching.retain(|at| at.relationship == only);
            if touching.is_empty() {
                find(&source, only)?;
                return Err(Error::refuse(
                    State::NotFound,
                    format!("{} takes no part in the relationship", guarded.name()),
                )
                .hint("SELECT * FROM ingest.relationship lists the ends of each."));
            }
        }
        let mut listed = false;
        for at in touching {
            // One that is dropped meanwhile has no links; who drops it is waited for.
            let held = hold_relation(&source, &at.relationship)?;
            let relationship = match only {
                Some(_) => find(&source, &at.relationship)?,
                None => match find_if_there(&source, &at.relationship)?.filter(|_| held) {
                    Some(relationship) => relationship,
                    None => continue,
                },
            };
            links::list(session, relationship.table()?, &at, id, |link| {
                listed = true;
                let resource = render::stored(&relationship, &link)?;
                each(&relationship, &link, &resource)
            })?;
        }
        if listed {
            return Ok(());
        }
        // Who may read resources is told that there is none, as by resource_read.
        let (table, key) = (guarded.table()?, RowKey::Id(id));
        if !history::rights(session, table, Reading::Caller)?.read
            || row::read(session, table, key, Reading::Caller)?.is_some()
        {
            return Ok(());
        }
        match history::is_deleted(session, table, key, Reading::Caller)? {
            true => Err(refusal::gone(guarded)),
            false => Err(refusal::not_found(guarded)),
        }
    })
}
