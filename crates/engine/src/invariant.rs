//! Invariants: what must hold between the members of one object.

use crate::jsonb::{Malformed, Object, Value};
use crate::lexical;

/// A relation between members, by their names.
#[derive(Debug, Clone)]
pub(crate) enum Invariant {
    /// The first is not after the second, as far as their precision tells.
    Ordered(Box<str>, Box<str>),
    /// The first only stands beside the second.
    Requires(Box<str>, Box<str>),
    /// At least one stands.
    Some(Box<[Box<str>]>),
}

impl Invariant {
    pub(crate) fn holds(&self, object: Object<'_>) -> Result<bool, Malformed> {
        let has = |name: &str| -> Result<bool, Malformed> {
            Ok(!matches!(
                object.get(name.as_bytes())?,
                None | Some(Value::Null)
            ))
        };
        match self {
            Self::Ordered(first, second) => {
                let (first, second) = (
                    object.get(first.as_bytes())?,
                    object.get(second.as_bytes())?,
                );
                let (Some(Value::String(first)), Some(Value::String(second))) = (first, second)
                else {
                    return Ok(true);
                };
                let moments = (lexical::datetime(first), lexical::datetime(second));
                Ok(match moments {
                    (Some(first), Some(second)) => {
                        first.compare(&second) != Some(std::cmp::Ordering::Greater)
                    }
                    _ => true,
                })
            }
            Self::Requires(first, second) => Ok(!has(first)? || has(second)?),
            Self::Some(names) => {
                for name in names {
                    if has(name)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Ordered(first, second) => format!("expected {first} not after {second}"),
            Self::Requires(first, second) => format!("expected {second} beside {first}"),
            Self::Some(names) => format!("expected at least one of {}", names.join(", ")),
        }
    }
}
