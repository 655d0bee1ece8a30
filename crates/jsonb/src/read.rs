//! The reader: one value, borrowed from the container that it stands in.
//!
//! A child is accepted only inside its parent and not before its elder sibling's end, so that no
//! byte is reached twice: walking a value takes time in proportion to its bytes, whatever they
//! are. Not checked, because nothing depends on it: that keys are sorted and distinct, that
//! strings are UTF-8, that paddings are zero.

use super::layout::{
    ARRAY, CONTAINER, COUNT, ENTRY_HAS_OFFSET, ENTRY_OFFLEN, ENTRY_TYPE, FALSE, NULL, NUMERIC,
    OBJECT, SCALAR, STRING, TRUE,
};
use super::{Array, Item, Number, Object, write};
use std::borrow::Cow;
use thiserror::Error;

pub(super) const HEADER: usize = 4;
pub(super) const ENTRY: usize = 4;

/// Where no child of any container begins: an iterator that gets no more steps stands there, and
/// finds every child malformed.
pub(super) const NOWHERE: usize = usize::MAX;

/// The bytes are not what PostgreSQL writes: a damaged page, or not JSONB at all. Also what a
/// reader meets that gets no more [steps](crate::steps).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed jsonb")]
pub struct Malformed;

/// One JSON value, borrowed from the bytes it stands in.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number with all its digits and its scale.
    Number(Number<'a>),
    /// A string, in the database's encoding (UTF-8), unescaped.
    String(&'a [u8]),
    /// An array.
    Array(Array<'a>),
    /// An object, its keys sorted by length and then by bytes.
    Object(Object<'a>),
}

impl<'a> Value<'a> {
    /// Reads a root container: what stands behind the varlena header of a `jsonb` datum.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (flags, count) = header(bytes)?;
        if flags != SCALAR | ARRAY {
            return Self::container(bytes);
        }
        match Array::new(bytes, count)?.iter().next() {
            Some(Ok(Value::Array(_) | Value::Object(_))) | None => Err(Malformed),
            Some(_) if count != 1 => Err(Malformed),
            Some(scalar) => scalar,
        }
    }

    #[inline(always)]
    fn container(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (flags, count) = header(bytes)?;
        match flags {
            OBJECT => Object::new(bytes, count).map(Value::Object),
            ARRAY => Array::new(bytes, count).map(Value::Array),
            _ => Err(Malformed),
        }
    }

    /// The child that an entry describes, in `data` from `start` to `end`.
    #[inline(always)]
    pub(super) fn child(
        entry: u32,
        data: &'a [u8],
        start: usize,
        end: usize,
    ) -> Result<Self, Malformed> {
        // This is also what refuses an end that lies before its start.
        let bytes = data.get(start..end).ok_or(Malformed)?;
        match entry & ENTRY_TYPE {
            STRING => Ok(Value::String(bytes)),
            NUMERIC => Number::read(unpadded(bytes, start)?).map(Value::Number),
            FALSE => Ok(Value::Bool(false)),
            TRUE => Ok(Value::Bool(true)),
            NULL => Ok(Value::Null),
            CONTAINER => Self::container(unpadded(bytes, start)?),
            _ => Err(Malformed),
        }
    }

    /// The value as a `jsonb` of its own, without varlena header. A container's own bytes serve as
    /// they are; a scalar is wrapped as PostgreSQL wraps it.
    pub fn to_root(&self) -> Cow<'a, [u8]> {
        match self {
            Value::Array(array) => Cow::Borrowed(array.as_bytes()),
            Value::Object(object) => Cow::Borrowed(object.as_bytes()),
            // Only what is larger than an entry can say is refused, and this stood in one.
            scalar => Cow::Owned(write(&Item::Copy(*scalar)).unwrap_or_default()),
        }
    }
}

/// A container's flags and count.
#[inline]
fn header(bytes: &[u8]) -> Result<(u32, usize), Malformed> {
    let header = u32::from_ne_bytes(*bytes.first_chunk().ok_or(Malformed)?);
    Ok((header & !COUNT, (header & COUNT) as usize))
}

/// The number of children of a container.
#[inline]
pub(super) fn count_of(bytes: &[u8]) -> usize {
    header(bytes).map_or(0, |(_, count)| count)
}

/// Numbers and containers are padded in front to a multiple of four, within the parent's data.
#[inline]
fn unpadded(bytes: &[u8], start: usize) -> Result<&[u8], Malformed> {
    bytes.get(start.wrapping_neg() & 3..).ok_or(Malformed)
}

/// Where a child that starts at `start` ends: its entry holds either that end or a length.
/// Wherever a wrong one leads, [`Value::child`] finds it outside the data or before its start.
#[inline]
pub(super) fn end_of(entry: u32, start: usize) -> usize {
    let offlen = (entry & ENTRY_OFFLEN) as usize;
    if entry & ENTRY_HAS_OFFSET != 0 {
        offlen
    } else {
        start.wrapping_add(offlen)
    }
}
