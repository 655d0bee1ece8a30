//! Putting a row in its place: created, replaced, or found to be the same.

use crate::pg::{Reading, Result, Session, check_for_interrupts, snapshot_is_old};
use crate::store::batch::Hold;
use crate::store::row::{self, Content, RowKey, Stored};
use crate::store::standing::{Standing, is_out_of_reach, standing};
use crate::store::table::Form;
use crate::store::{Guarded, Outcome, refusal};
use crate::verb::clash::Holders;
use ingest_engine::envelope::fhir;
use jsonb::Value;

/// The row, held until the transaction ends, in the version that the caller expects. Who has waited
/// for a delete does not see a row that was made anew meanwhile, and tries again.
pub fn held(
    session: &Session,
    guarded: &Guarded,
    key: RowKey<'_>,
    expected: Option<i32>,
    hold: Hold,
) -> Result<Stored> {
    let table = guarded.table()?;
    let mut seen = None;
    loop {
        check_for_interrupts()?;
        let held = match hold {
            Hold::Delete => row::lock_for_delete(session, table, key)?,
            _ => row::lock(session, table, key)?,
        };
        if let Some(current) = held {
            return match expected {
                Some(expected) if expected != current.version => {
                    Err(refusal::stale(guarded, expected, current.version))
                }
                _ => Ok(current),
            };
        }
        let now = standing(session, table, key, Reading::Fresh)?;
        if let Standing::There(..) = now {
            if seen.replace(now) == Some(now) {
                return Err(refusal::swallowed(guarded));
            }
            continue;
        }
        if snapshot_is_old()
            && let Standing::There(..) = standing(session, table, key, Reading::Latest)?
        {
            return Err(refusal::too_new(guarded));
        }
        return Err(refusal::absent(guarded, expected, now == Standing::Deleted));
    }
}

/// How often a clash without a row is taken for a race before it is asked who has an identity.
const ROUNDS: u32 = 5;
/// The same, where nobody is seen to have one.
const MOST_ROUNDS: u32 = 20;

/// Reads and holds the row; writes what differs. Without a row it inserts one, and where somebody
/// else was faster, begins again: each round ends with a row held or a row made.
pub fn put(
    session: &Session,
    guarded: &Guarded,
    key: RowKey<'_>,
    content: Content<'_>,
    expected: Option<i32>,
) -> Result<(Outcome, Stored)> {
    let table = guarded.table()?;
    let (mut rounds, mut seen) = (0, None);
    loop {
        rounds += 1;
        check_for_interrupts()?;
        let current = match expected {
            Some(version) if version != 0 => {
                Some(held(session, guarded, key, expected, Hold::Write)?)
            }
            _ => row::lock(session, table, key)?,
        };
        let Some(current) = current else {
            let made = row::insert_unless(session, table, key, content);
            if let Some(made) = made.map_err(of_write(guarded))? {
                return Ok((Outcome::Created, made));
            }
            if is_out_of_reach(session, table, key, &mut seen)? {
                return Err(refusal::swallowed(guarded));
            }
            // Gone again: somebody made it and deleted it, and may do so once more.
            if seen.is_some() || rounds < ROUNDS {
                continue;
            }
            // The key is free, as far as the caller can see, so it is an identity that is taken, or a
            // policy or a trigger is in the way; the plain insert says.
            let holders = Holders::look(session, guarded, key, content)?;
            if holders.is_empty() && rounds < MOST_ROUNDS {
                continue;
            }
            let made = row::insert(session, table, key, content).map_err(|error| {
                holders.name(guarded, refusal::of_put(guarded, error), |_| None)
            })?;
            let made = made.ok_or_else(|| refusal::swallowed(guarded))?;
            return Ok((Outcome::Created, made));
        };
        if expected == Some(0) {
            return Err(refusal::stale(guarded, 0, current.version));
        }
        return replace(session, guarded, key, content, &current);
    }
}

/// Writes what differs to a row that is held.
pub fn replace(
    session: &Session,
    guarded: &Guarded,
    key: RowKey<'_>,
    content: Content<'_>,
    current: &Stored,
) -> Result<(Outcome, Stored)> {
    if is_same(guarded, content, current)? {
        return Ok((Outcome::Unchanged, current.clone()));
    }
    let updated = row::update(session, guarded.table()?, key, content)
        .map_err(of_write(guarded))?
        .ok_or_else(|| refusal::swallowed(guarded))?;
    let outcome = match updated.version == current.version {
        true => Outcome::Unchanged,
        false => Outcome::Updated,
    };
    Ok((outcome, updated))
}

fn of_write(guarded: &Guarded) -> impl Fn(crate::pg::Error) -> crate::pg::Error {
    |error| refusal::of_write(guarded, error)
}

/// The same of a FHIR resource: what the server says in it does not count.
fn is_same_resource(
    guarded: &Guarded,
    stored: Option<&[u8]>,
    given: Option<&[u8]>,
) -> Result<bool> {
    let (Some(stored), Some(given)) = (stored, given) else {
        return Ok(false);
    };
    match (Value::read(stored)?, Value::read(given)?) {
        (Value::Object(stored), Value::Object(given)) => {
            Ok(fhir::is_same(stored, given, guarded.options.created)?)
        }
        _ => Ok(false),
    }
}

/// Whether the row holds this content already, and by the definition that holds now, so that nothing
/// needs to be written. Byte for byte: `1.0` and `1.00` differ. The rest is for the gate to judge.
pub fn is_same(guarded: &Guarded, content: Content<'_>, current: &Stored) -> Result<bool> {
    if current.profile_version != guarded.version() {
        return Ok(false);
    }
    let stored = current.content();
    if guarded.form() == Form::Fhir {
        return is_same_resource(guarded, stored.data, content.data);
    }
    if stored.data != content.data {
        return Ok(false);
    }
    if stored.contained == content.contained {
        return Ok(true);
    }
    let (Some(_), Some(old)) = (content.contained, stored.contained) else {
        return Ok(false);
    };
    // Ids that the body leaves out are taken from the stored items that they stand for.
    let resource = content.read(&current.id)?;
    let completed = guarded.judge(&resource, Some(old))?.completed;
    Ok(completed.is_some_and(|completed| completed == old))
}
