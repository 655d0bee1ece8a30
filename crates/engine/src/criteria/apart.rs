//! Tests of one property that no value passes together.

use super::{Side, Test};
use crate::lexical::first_instant;
use crate::path::{Form, Found};
use jsonb::{Malformed, Value, steps};
use std::cmp::Ordering;

/// Why no value passes all of the tests, and what would do; `None` where one might.
pub(super) fn wrong(found: &Found, tests: &[Test]) -> Result<Option<&'static str>, Malformed> {
    if tests.len() > 1 && tests.contains(&Test::Missing(true)) {
        return Ok(Some("; use missing: true alone"));
    }
    if found.is_primitive() && !found.is_many() && !share_a_value(tests)? {
        return Ok(Some(
            ", which has one value; use one array, which means any of its values",
        ));
    }
    Ok(match is_empty_range(found.form(), tests)? {
        true => Some("; use bounds that have something between them"),
        false => None,
    })
}

/// Whether some value is in all that ask for one of several.
fn share_a_value(tests: &[Test]) -> Result<bool, Malformed> {
    let mut all = tests.iter().filter_map(|test| match test {
        Test::Any(values) => Some(values),
        _ => None,
    });
    let Some(first) = all.next() else {
        return Ok(true);
    };
    let rest: Vec<_> = all.collect();
    for value in first {
        let mut in_all = true;
        for values in &rest {
            steps::take(values.len())?;
            let mut found = false;
            for other in *values {
                found |= super::canonical_value(value)? == super::canonical_value(other)?;
            }
            in_all &= found;
        }
        if in_all {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_empty_range(form: Form, tests: &[Test]) -> Result<bool, Malformed> {
    for (at, one) in tests.iter().enumerate() {
        let Test::Bound(low @ (Side::Ge | Side::Gt), from) = one else {
            continue;
        };
        for other in tests.iter().skip(at + 1).chain(tests.iter().take(at)) {
            let Test::Bound(high @ (Side::Le | Side::Lt), to) = other else {
                continue;
            };
            let holds_both = (*low, *high) == (Side::Ge, Side::Le);
            match order(form, Value::read(from)?, Value::read(to)?) {
                Some(Ordering::Greater) => return Ok(true),
                Some(Ordering::Equal) if !holds_both => return Ok(true),
                _ => {}
            }
        }
    }
    Ok(false)
}

/// The order of two values, as a search has it.
fn order(form: Form, one: Value<'_>, other: Value<'_>) -> Option<Ordering> {
    match (form, one, other) {
        (Form::Number, Value::Number(one), Value::Number(other)) => Some(one.compare(&other)),
        (Form::Instant, Value::String(one), Value::String(other)) => {
            Some(first_instant(one)?.cmp(&first_instant(other)?))
        }
        (Form::Text | Form::Calendar, Value::String(one), Value::String(other)) => {
            Some(one.cmp(other))
        }
        _ => None,
    }
}
