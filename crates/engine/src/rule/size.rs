//! `min` and `max`: of a number's value, a string's length in characters, an array's count, an
//! instant.

use super::Subject;
use crate::lexical::Fixed;
use jsonb::{Item, Malformed, Number, Value, write};
use std::cmp::Ordering;

/// A number of a definition, with all its digits.
#[derive(Debug, Clone)]
pub(crate) struct Decimal {
    /// A root container, which a number follows behind its header and its one entry.
    bytes: Box<[u8]>,
    small: Option<i64>,
}

/// Where the number begins.
const DATUM: usize = 8;

impl Decimal {
    pub(crate) fn new(number: Number<'_>) -> Result<Self, Malformed> {
        let bytes = write(&Item::Copy(Value::Number(number))).map_err(|_| Malformed)?;
        Ok(Self {
            bytes: bytes.into(),
            small: number.as_i64(),
        })
    }

    /// How a number of a document, whose floor is known, compares with this one.
    #[inline]
    pub(crate) fn order(
        &self,
        number: &Number<'_>,
        floor: Option<(i64, bool)>,
    ) -> Result<Ordering, Malformed> {
        match (self.small, floor) {
            // What is above its floor is above whatever whole number the floor reaches.
            (Some(right), Some((left, false))) if left == right => Ok(Ordering::Greater),
            (Some(right), Some((left, _))) => Ok(left.cmp(&right)),
            _ => Ok(number.compare(&self.number()?)),
        }
    }

    pub(crate) fn number(&self) -> Result<Number<'_>, Malformed> {
        Number::read(self.bytes.get(DATUM..).ok_or(Malformed)?)
    }

    /// As it is written.
    pub(crate) fn text(&self) -> String {
        self.number()
            .map_or_else(|_| String::new(), |number| number.to_string())
    }
}

/// One end of a range.
#[derive(Debug, Clone)]
pub(crate) enum Bound {
    /// Of a number.
    Value(Decimal),
    /// Of a string's length in characters.
    Length(usize),
    /// Of an array's elements.
    Count(usize),
    /// Of a date or a time.
    Moment(Fixed),
}

impl Bound {
    /// How the subject lies to the bound; `None` where it cannot be told, because partial dates
    /// overlap or the subject is of another kind.
    #[inline]
    pub(crate) fn compare(&self, subject: &Subject<'_>) -> Result<Option<Ordering>, Malformed> {
        Ok(match (self, subject) {
            (Self::Value(bound), Subject::Number(number, floor)) => {
                Some(bound.order(number, *floor)?)
            }
            (Self::Length(bound), Subject::Text(text)) => Some(compare_length(text, *bound)),
            (Self::Count(bound), Subject::Array(_, count)) => Some(count.cmp(bound)),
            (Self::Moment(bound), Subject::Moment(_, moment)) => moment.compare(&bound.moment()),
            _ => None,
        })
    }

    /// The bound in words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Value(bound) => bound.text(),
            Self::Length(1) => "1 character".to_owned(),
            Self::Length(length) => format!("{length} characters"),
            Self::Count(1) => "1 element".to_owned(),
            Self::Count(count) => format!("{count} elements"),
            Self::Moment(bound) => bound.text().to_owned(),
        }
    }
}

/// How the length of `text` in characters compares with `bound`; decodes nothing where the length
/// in bytes settles it.
fn compare_length(text: &[u8], bound: usize) -> Ordering {
    if text.len() < bound {
        return Ordering::Less;
    }
    if text.len().div_ceil(4) > bound {
        return Ordering::Greater;
    }
    let continuation = |byte: &&u8| **byte & 0xC0 == 0x80;
    let length = text.len() - text.iter().filter(continuation).count();
    length.cmp(&bound)
}
