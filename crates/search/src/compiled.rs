//! Criteria that are asked of many resources.

use crate::criterion::Criterion;
use jsonb::{Malformed, Object, Value};

/// Criteria, read from what [`literal`](crate::literal) made of them.
#[derive(Debug)]
pub struct Compiled(Vec<Criterion>);

/// How many criteria there can be.
const MOST: usize = 1_000;

impl Compiled {
    /// Reads them.
    pub fn read(literal: Value<'_>) -> Result<Self, Malformed> {
        let Value::Array(items) = literal else {
            return Err(Malformed);
        };
        if items.len() > MOST {
            return Err(Malformed);
        }
        let criteria = items.iter().map(|item| match item? {
            Value::Object(object) => Criterion::of(object),
            _ => Err(Malformed),
        });
        criteria.collect::<Result<_, _>>().map(Self)
    }

    /// Whether a resource meets all of them.
    pub fn matches(&self, data: Object<'_>) -> Result<bool, Malformed> {
        matches(&self.0, data)
    }
}

/// Whether a resource meets all criteria.
pub fn matches(criteria: &[Criterion], data: Object<'_>) -> Result<bool, Malformed> {
    for criterion in criteria {
        if !criterion.is_met(data)? {
            return Ok(false);
        }
    }
    Ok(true)
}
