//! Invariants of R4 that are asked so often, or cost so much as FHIRPath, that they are known by
//! what they mean. What is not seen to hold here is evaluated like any other.

use super::constraints::Around;
use crate::constraint::{Constraint, Known};
use crate::lexical::datetime;
use jsonb::{Malformed, Object, Value};

/// How many contained resources are looked for in one pass.
const MOST: usize = 64;

/// Whether an invariant is seen to hold for an object.
#[inline]
pub(super) fn is_seen_to_hold<'w>(
    constraint: &Constraint,
    object: Object<'w>,
    around: &mut Around<'w>,
) -> Result<bool, Malformed> {
    match constraint.known {
        None => Ok(false),
        Some(Known::LocalReference) => leads_somewhere(object, around),
        Some(Known::Period) => is_in_order(object),
        Some(Known::Contained) => all_are_referred_to(object, around),
    }
}

/// `ref-1` holds for a reference that is not to something contained, or to something that is.
fn leads_somewhere<'w>(reference: Object<'w>, around: &mut Around<'w>) -> Result<bool, Malformed> {
    Ok(match reference.get(b"reference")? {
        Some(Value::String(b"#")) => true,
        Some(Value::String([b'#', id @ ..])) => {
            around.refer(id);
            around.contained(id)?.is_some()
        }
        Some(Value::String(_)) => true,
        _ => false,
    })
}

/// `per-1` holds where both ends are written alike, in the same zone: then their texts are in the
/// order of what they mean, to the same precision.
fn is_in_order(period: Object<'_>) -> Result<bool, Malformed> {
    let (Some(Value::String(start)), Some(Value::String(end))) =
        (period.get(b"start")?, period.get(b"end")?)
    else {
        return Ok(false);
    };
    let zone = |text: &[u8]| match text {
        [.., b'Z'] => [b'Z'; 6],
        [.., a, b, c, d, e, f] => [*a, *b, *c, *d, *e, *f],
        _ => [0; 6],
    };
    Ok(start.len() == end.len()
        && (start.len() <= DATE || zone(start) == zone(end))
        && start <= end
        && datetime(start).is_some()
        && datetime(end).is_some())
}

/// How long a date is, which has no zone.
const DATE: usize = 10;

/// `dom-3` holds where a `reference` leads to everything that is contained.
fn all_are_referred_to(resource: Object<'_>, around: &Around<'_>) -> Result<bool, Malformed> {
    let Some(Value::Array(contained)) = resource.get(b"contained")? else {
        return Ok(false);
    };
    let mut ids: Vec<&[u8]> = Vec::new();
    for contained in contained.iter() {
        let Value::Object(contained) = contained? else {
            return Ok(false);
        };
        match contained.get(b"id")? {
            // The walk has come by what refers to most of them.
            Some(Value::String(id)) if around.refers(id) => {}
            Some(Value::String(id)) if ids.len() < MOST => ids.push(id),
            _ => return Ok(false),
        }
    }
    if ids.is_empty() {
        return Ok(true);
    }
    strike_out(Value::Object(resource), &mut ids)?;
    Ok(ids.is_empty())
}

/// Takes out the ids that a `reference` leads to. (The walk has measured the depth.)
fn strike_out(value: Value<'_>, ids: &mut Vec<&[u8]>) -> Result<(), Malformed> {
    match value {
        Value::Array(array) => {
            for item in array.iter() {
                strike_out(item?, ids)?;
            }
        }
        Value::Object(object) => {
            for member in object.iter() {
                match member? {
                    (b"reference", Value::String([b'#', id @ ..])) => {
                        ids.retain(|known| known != &id);
                    }
                    (_, value) => strike_out(value, ids)?,
                }
                if ids.is_empty() {
                    break;
                }
            }
        }
        _ => {}
    }
    Ok(())
}
