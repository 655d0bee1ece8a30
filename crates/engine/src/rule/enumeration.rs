//! `enum`: the values that are allowed, strings or numbers.

use super::{Decimal, Subject};
use crate::jsonb::Value;

/// How many characters of its values an issue lists.
const LIST_LIMIT: usize = 200;

/// The allowed values.
#[derive(Debug)]
pub(crate) enum Enumeration {
    /// Strings, sorted by length and then by bytes.
    Strings(Box<[Box<str>]>),
    /// Numbers, compared by value.
    Numbers(Box<[Decimal]>),
}

impl Enumeration {
    pub(crate) fn strings(mut values: Vec<Box<str>>) -> Self {
        values.sort_unstable_by(|a, b| (a.len(), &a[..]).cmp(&(b.len(), &b[..])));
        Self::Strings(values.into())
    }

    /// Whether the subject is one of the values; what is neither string nor number is none.
    pub(crate) fn accepts(&self, subject: Subject<'_>) -> bool {
        match (self, subject) {
            (Self::Strings(values), Subject::Value(Value::String(text)))
            | (Self::Strings(values), Subject::Moment(text, _)) => values
                .binary_search_by(|value| (value.len(), value.as_bytes()).cmp(&(text.len(), text)))
                .is_ok(),
            (Self::Numbers(values), Subject::Value(Value::Number(number))) => values
                .iter()
                .any(|value| value.order(&number).is_ok_and(|order| order.is_eq())),
            _ => false,
        }
    }

    /// What is expected, with as many of the values as a line holds.
    pub(crate) fn expected(&self) -> String {
        let values: Vec<String> = match self {
            Self::Strings(values) => values.iter().map(|value| format!("\"{value}\"")).collect(),
            Self::Numbers(values) => values.iter().map(Decimal::text).collect(),
        };
        let list = values.join(", ");
        if list.len() > LIST_LIMIT {
            format!("expected one of {} values", values.len())
        } else {
            format!("expected one of {list}")
        }
    }
}
