//! `enum`: the values that are allowed, strings or numbers.

use super::{Decimal, Subject};
use crate::profile::{Mark, stored_order};
use jsonb::steps;

/// How many characters of its values an issue lists.
pub(crate) const LIST_LIMIT: usize = 200;

/// Up to so many values a scan is faster than halving.
const FEW: usize = 12;

/// The allowed values, in the order of the definition.
#[derive(Debug)]
pub(crate) enum Enumeration {
    /// Strings, with their marks, and their places sorted by length and then by bytes.
    Strings {
        values: Box<[Box<str>]>,
        marks: Box<[Mark]>,
        sorted: Box<[usize]>,
    },
    /// Numbers, compared by value.
    Numbers(Box<[Decimal]>),
}

impl Enumeration {
    pub(crate) fn strings(values: Vec<Box<str>>) -> Self {
        let mut sorted: Vec<usize> = (0..values.len()).collect();
        sorted.sort_by_key(|at| (values[*at].len(), values[*at].as_bytes()));
        let marks = values.iter().map(|value| Mark::new(value.as_bytes()));
        Self::Strings {
            marks: marks.collect(),
            sorted: sorted.into(),
            values: values.into(),
        }
    }

    /// Whether the subject is one of the values; what is neither string nor number is none.
    #[inline]
    pub(crate) fn accepts(&self, subject: &Subject<'_>) -> bool {
        match (self, subject) {
            (
                Self::Strings {
                    values,
                    marks,
                    sorted,
                },
                Subject::Text(text) | Subject::Moment(text, _),
            ) => {
                if values.len() > FEW {
                    return search(values, sorted, text);
                }
                let mark = Mark::new(text);
                let mut known = marks.iter().zip(values);
                known.any(|(known, value)| known.is_of(value.as_bytes(), &mark, text))
            }
            (Self::Numbers(values), Subject::Number(number, floor)) => {
                steps::take(values.len()).is_ok()
                    && values
                        .iter()
                        .any(|value| value.order(number, *floor).is_ok_and(|order| order.is_eq()))
            }
            _ => false,
        }
    }

    /// Its strings.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let texts = match self {
            Self::Strings { values, .. } => &**values,
            Self::Numbers(_) => &[],
        };
        texts.iter().map(|text| &**text)
    }

    /// What is expected, with as many of the values as a line holds.
    pub(crate) fn expected(&self) -> String {
        let values: Vec<String> = match self {
            Self::Strings { values, .. } => {
                values.iter().map(|value| format!("\"{value}\"")).collect()
            }
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

/// Whether the text is a value, by halving.
fn search(values: &[Box<str>], sorted: &[usize], text: &[u8]) -> bool {
    let order = |at: &usize| {
        let value = values.get(*at).map_or(&b""[..], |value| value.as_bytes());
        stored_order(value, text)
    };
    sorted.binary_search_by(order).is_ok()
}
