//! Holding the rows that a bundle is about, in the order of names and ids.

use super::operation::{Content, Operation, Verb, same};
use super::pass;
use super::run::{Key, of_keys};
use crate::pg::{Error, Reading, Result, Session, State, check_for_interrupts, snapshot_is_old};
use crate::store::batch::{self, Hold};
use crate::store::reference;
use crate::store::row::{RowKey, Stored};
use crate::store::table::Form;
use crate::store::{Guarded, find, find_if_there};
use crate::verb::link;
use crate::verb::part::Part;
use ingest_engine::Resource;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

/// The rows that were there and are held now, by profile and id.
pub type Held = HashSet<(String, String)>;

/// Holds the rows that are there already.
pub fn hold(operations: &[Operation<'_>], keys: &[Key], part: Part) -> Result<Held> {
    let mut rows = Rows::new();
    let mut want = |guarded: &Rc<Guarded>, id: &str, hold: Hold| {
        let key = (guarded.name().to_owned(), id.to_owned());
        let held = rows.entry(key).or_insert((guarded.clone(), hold));
        held.1 = held.1.max(hold);
    };
    let deletes: HashMap<(&str, &str), usize> = operations
        .iter()
        .filter(|operation| matches!(operation.verb, Verb::Delete | Verb::DeleteIf))
        .filter_map(|one| Some(((one.guarded.name(), one.id.as_deref()?), one.index)))
        .collect();
    for operation in operations {
        check_for_interrupts()?;
        let guarded = &operation.guarded;
        match (&operation.content, operation.id.as_deref()) {
            (Content::Nothing, Some(id)) => want(guarded, id, Hold::Delete),
            (Content::Patch(_), Some(id)) => want(guarded, id, Hold::Write),
            // One that is to be new, too: another may be about to delete it; but not one that was made
            // for it.
            (Content::Body(_), Some(id)) if !operation.is_new => want(guarded, id, Hold::Write),
            _ => {}
        }
        if let Some(key) = key_of(operation) {
            let ends = link::ends_of(guarded)?;
            let [from, to] = key.parts();
            for (profile, id, many) in [
                (&ends.from, from, ends.from_cardinality.many),
                (&ends.to, to, ends.to_cardinality.many),
            ] {
                // Who may have one link gives it up in one bundle and gets it in another.
                let strength = if many { Hold::Target } else { Hold::Write };
                want(&find(guarded.source_name(), profile)?, id, strength);
            }
        }
        // Two that delete what the other refers to would meet in the end. What FHIR refers to need not
        // be there.
        if let (false, None, Content::Body(body)) =
            (deletes.is_empty(), &operation.criteria, &operation.content)
            && guarded.form() != Form::Fhir
        {
            let resource = Resource {
                id: operation.id.as_deref().unwrap_or_default(),
                data: body.data,
                contained: body.contained,
            };
            for target in guarded.check(&resource)?.0.references {
                let profile = find_if_there(guarded.source_name(), &target.profile)?;
                if let Some(profile) = profile {
                    want(&profile, &target.id, Hold::Target);
                }
            }
        }
    }
    let is_to_change = |one: &&Operation<'_>| one.verb != Verb::CreateIf;
    let mut passed = pass::find(of_keys(operations, keys).filter(is_to_change))?;
    Session::open(|session| {
        for operation in of_keys(operations, keys).filter(is_to_change) {
            check_for_interrupts()?;
            if let Some(criteria) = &operation.criteria {
                let guarded = &operation.guarded;
                let found = match passed.remove(&operation.index) {
                    Some(found) => found,
                    None => criteria
                        .search
                        .find(session, guarded.table()?, Reading::Fresh)?,
                };
                for Stored { id, .. } in found {
                    if let Some(delete) = deletes.get(&(guarded.name(), id.as_str())) {
                        return Err(same(*delete, operation.index, part));
                    }
                    want(guarded, &id, Hold::Write);
                }
            }
        }
        Ok(())
    })?;
    let held = hold_rows(rows)?;
    hold_links(operations)?;
    Ok(held)
}

/// Rows by profile and id, and how strongly each is held.
pub type Rows = BTreeMap<(String, String), (Rc<Guarded>, Hold)>;

type Row = (String, Rc<Guarded>, Hold);

/// How often a row that came in between is waited for in its turn.
const ROUNDS: u32 = 5;

/// Holds rows in their order. If one has come while another was waited for, all are let go, and held
/// anew: who waited for it later would not be in that order.
pub fn hold_rows(rows: Rows) -> Result<Held> {
    let rows: Vec<Row> = rows
        .into_iter()
        .map(|((_, id), (guarded, hold))| (id, guarded, hold))
        .collect();
    let alike = |one: &Row, other: &Row| one.1.name() == other.1.name() && one.2 == other.2;
    let groups: Vec<_> = rows.chunk_by(alike).collect();
    if !snapshot_is_old() {
        for _ in 0..ROUNDS {
            let tried = reference::attempt(|| {
                let held = hold_groups(&groups)?;
                match has_come(&groups, &held)? {
                    true => Err(Error::refuse(State::Conflict, "a row has come in between")),
                    false => Ok(held),
                }
            })?;
            if let Ok(held) = tried {
                return Ok(held);
            }
        }
    }
    // Or the caller sees it and may not write it.
    hold_groups(&groups)
}

/// Whether a row that was not held is there now.
fn has_come(groups: &[&[Row]], held: &Held) -> Result<bool> {
    for group in groups {
        check_for_interrupts()?;
        let Some((_, guarded, _)) = group.first() else {
            continue;
        };
        let missing = group
            .iter()
            .filter(|(id, ..)| !held.contains(&(guarded.name().to_owned(), id.clone())))
            .map(|(id, ..)| RowKey::Id(id))
            .collect();
        if Session::open(|session| batch::has_any(session, guarded.table()?, &missing))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn hold_groups(groups: &[&[Row]]) -> Result<Held> {
    let mut held = Held::new();
    for group in groups {
        check_for_interrupts()?;
        let Some((_, guarded, strength)) = group.first() else {
            continue;
        };
        // In a transaction with one snapshot a target may have changed since it was taken: that it
        // is there is asked with the newest one.
        if *strength == Hold::Target && snapshot_is_old() {
            continue;
        }
        let keys = group.iter().map(|(id, ..)| RowKey::Id(id)).collect();
        let found =
            Session::open(|session| batch::hold(session, guarded.table()?, &keys, *strength))?;
        held.extend(found.into_iter().map(|id| (guarded.name().to_owned(), id)));
    }
    Ok(held)
}

fn hold_links(operations: &[Operation<'_>]) -> Result<()> {
    let mut rows: Vec<(&str, RowKey<'_>, &Operation<'_>)> = operations
        .iter()
        .filter_map(|operation| Some((operation.guarded.name(), key_of(operation)?, operation)))
        .collect();
    rows.sort_by_key(|(name, key, _)| (*name, *key));
    for (_, key, operation) in rows {
        let strength = match operation.verb {
            Verb::Unlink => Hold::Delete,
            Verb::LinkUpsert => Hold::Write,
            _ => Hold::Target,
        };
        let keys = [key].into_iter().collect();
        let table = operation.guarded.table()?;
        Session::open(|session| batch::hold(session, table, &keys, strength))?;
    }
    Ok(())
}

/// What names the link that an operation is about.
fn key_of<'o>(operation: &'o Operation<'_>) -> Option<RowKey<'o>> {
    match &operation.content {
        Content::Link(body) => Some(body.key()),
        Content::Ends(key) => Some(*key),
        _ => None,
    }
}
