//! `ingest.resource_delete(source, profile, id, if_match, cascade)`,
//! `ingest.relationship_unlink(source, relationship, id, if_match)`

use super::{Noun, held, key_of, named};
use crate::pg::{Answer, Call, Error, Result, Session, State};
use crate::store::batch::Hold;
use crate::store::history::{self, Last};
use crate::store::row::{self, RowKey};
use crate::store::{Guarded, find, links, refusal};
use crate::verb::render::Written;

/// Deletes the row and leaves a tombstone.
pub fn delete(call: &mut Call<'_>, noun: Noun) -> Result<Answer> {
    let guarded = named(call, noun)?;
    let id = call.need_text(2, "id")?;
    let key = key_of(&guarded, id)?;
    let (expected, cascade) = (call.int4(3)?, call.bool(4)?);
    let tombstone = Session::open(|session| write(session, &guarded, key, expected, cascade))?;
    Written::deleted(id.to_owned(), tombstone).answer(call)
}

/// Deletes a row that it holds; gives the tombstone.
pub fn write(
    session: &Session,
    guarded: &Guarded,
    key: RowKey<'_>,
    expected: Option<i32>,
    cascade: bool,
) -> Result<Last> {
    let table = guarded.table()?;
    let current = held(session, guarded, key, expected, Hold::Delete)?;
    let relationships = match key {
        RowKey::Id(id) => unlink(session, guarded, id, cascade)?,
        RowKey::Ends(..) => Vec::new(),
    };
    let deleted = row::delete(session, table, key)
        .map_err(|error| referred_to(guarded, &relationships, error))?;
    if !deleted {
        return Err(refusal::swallowed(guarded));
    }
    Ok(history::tombstone(session, table, key)?.unwrap_or(Last {
        version: current.version + 1,
        updated_at: current.updated_at,
    }))
}

/// Deletes the links of the resource, or refuses because there are some; gives the relationships
/// that it may have links of.
fn unlink(session: &Session, guarded: &Guarded, id: &str, cascade: bool) -> Result<Vec<String>> {
    let (mut linked, mut relationships) = (Vec::new(), Vec::new());
    for touching in links::touching(session, guarded.source_name(), guarded.name())? {
        let relationship = find(guarded.source_name(), &touching.relationship)?;
        let table = relationship.table()?;
        relationships.push(relationship.name().to_owned());
        if cascade {
            links::delete_all(session, table, &touching, id)?;
            continue;
        }
        let count = links::count(session, table, &touching, id)?;
        if count > 0 {
            linked.push(format!("{} ({count})", touching.relationship));
        }
    }
    if linked.is_empty() {
        return Ok(relationships);
    }
    Err(still_linked(guarded, &linked.join(", ")))
}

pub(super) fn still_linked(guarded: &Guarded, relationships: &str) -> Error {
    let name = guarded.name();
    let message = format!("the resource in {name} is still linked: {relationships}");
    refusal::about(guarded, State::Conflict, message)
        .hint("Unlink it first, or delete it with cascade => true.")
}

/// A link that was made between the look and the delete, or that the caller cannot see, is a
/// foreign-key violation on one of our link tables; another table of the source may be the user's
/// own, which no cascade of ours changes.
fn referred_to(guarded: &Guarded, relationships: &[String], error: Error) -> Error {
    if !error.is_postgres(b"23503") {
        return error;
    }
    match error.constraint() {
        Some((_, schema, table)) if schema == guarded.source_name() => {
            match relationships.iter().any(|name| name == table) {
                true => still_linked(guarded, table),
                false => refusal::referred_to(guarded, table),
            }
        }
        _ => error,
    }
}
