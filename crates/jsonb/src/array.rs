//! A JSON array, and the walk over its elements.

use super::read::{ENTRY, HEADER, Malformed, NOWHERE, Value, count_of, end_of};
use crate::steps;

/// A JSON array.
#[derive(Debug, Clone, Copy)]
pub struct Array<'a> {
    /// The container, which is long enough for its header and all its entries.
    bytes: &'a [u8],
}

impl<'a> Array<'a> {
    /// An array of `count` elements, as its header has it.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], count: usize) -> Result<Self, Malformed> {
        if bytes.len() < HEADER + count * ENTRY {
            Err(Malformed)
        } else {
            Ok(Self { bytes })
        }
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        count_of(self.bytes)
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements, in order.
    #[inline]
    pub fn iter(&self) -> ArrayIter<'a> {
        let len = self.len();
        let (head, data) = self.bytes.split_at(HEADER + len * ENTRY);
        ArrayIter {
            entries: head[HEADER..].as_chunks().0,
            data,
            offset: match steps::take(1 + len) {
                Ok(()) => 0,
                Err(Malformed) => NOWHERE,
            },
        }
    }

    /// The container's own bytes: what a writer copies to hold this array as it is.
    #[inline]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> IntoIterator for Array<'a> {
    type Item = Result<Value<'a>, Malformed>;
    type IntoIter = ArrayIter<'a>;

    #[inline]
    fn into_iter(self) -> ArrayIter<'a> {
        self.iter()
    }
}

/// The elements of an [`Array`]. After an error there are no more.
#[derive(Debug, Clone)]
pub struct ArrayIter<'a> {
    entries: &'a [[u8; ENTRY]],
    data: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for ArrayIter<'a> {
    type Item = Result<Value<'a>, Malformed>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let (entry, rest) = self.entries.split_first()?;
        let entry = u32::from_ne_bytes(*entry);
        let start = self.offset;
        let end = end_of(entry, start);
        if let Ok(value) = Value::child(entry, self.data, start, end) {
            (self.entries, self.offset) = (rest, end);
            return Some(Ok(value));
        }
        self.entries = &[];
        Some(Err(Malformed))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.entries.len()))
    }
}
