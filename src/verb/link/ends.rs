//! The ends of links that are about to be written.

use super::ends_of;
use crate::pg::{Result, Session, check_for_interrupts, snapshot_is_old};
use crate::store::batch::{self, Hold, Keys};
use crate::store::row::{self, RowKey};
use crate::store::{Guarded, find, refusal};
use std::collections::{BTreeMap, BTreeSet};

/// Keeps the ends of all these links before any of them is written, in an order that is the same
/// for all, so that who waits for an end does not hold a link. An end that is out of the caller's
/// reach is kept by the foreign key alone.
///
/// Of many links, those that may be the only one of their end hold it as for a write: who has taken
/// one such place and waits for another would else meet who has them the other way round.
pub fn hold_ends<'k>(
    session: &Session,
    guarded: &Guarded,
    keys: impl IntoIterator<Item = RowKey<'k>>,
) -> Result<()> {
    let ends = ends_of(guarded)?;
    let mut profiles: BTreeMap<&str, (BTreeSet<&str>, bool)> = BTreeMap::new();
    let mut count = 0;
    for key in keys {
        let [from, to] = key.parts();
        count += 1;
        for (profile, id, many) in [
            (&ends.from, from, ends.from_cardinality.many),
            (&ends.to, to, ends.to_cardinality.many),
        ] {
            let (ids, only_many) = profiles.entry(profile).or_insert((BTreeSet::new(), true));
            ids.insert(id);
            *only_many &= many;
        }
    }
    for (profile, (ids, only_many)) in profiles {
        let end = find(guarded.source_name(), profile)?;
        let table = end.table()?;
        let keys = || ids.iter().map(|id| RowKey::Id(id));
        if snapshot_is_old() {
            // The check of a foreign key reads with the old snapshot, too.
            for key in keys() {
                check_for_interrupts()?;
                if row::is_unseen(session, table, key)? {
                    return Err(refusal::too_new(&end));
                }
            }
            continue;
        }
        let strength = match only_many || count == 1 {
            true => Hold::Target,
            false => Hold::Write,
        };
        let keys: Keys<'_> = keys().collect();
        // Who has waited for a delete does not see a row that the same transaction has made again.
        for _ in 0..2 {
            if batch::hold(session, table, &keys, strength)?.len() == keys.len() {
                break;
            }
        }
    }
    Ok(())
}
