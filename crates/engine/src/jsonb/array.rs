//! A JSON array, and the walk over its elements.

use super::read::{Malformed, Value, end_of, take_word};

const HEADER: usize = 4;
const ENTRY: usize = 4;

/// A JSON array.
#[derive(Debug, Clone, Copy)]
pub struct Array<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Array<'a> {
    /// An array of `count` elements, whose entries begin `rest`, what follows the header.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], count: usize, rest: &'a [u8]) -> Result<Self, Malformed> {
        if rest.len() / ENTRY < count {
            Err(Malformed)
        } else {
            Ok(Self { bytes, count })
        }
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The elements, in order.
    #[inline]
    pub fn iter(&self) -> ArrayIter<'a> {
        let (head, data) = self.bytes.split_at(HEADER + self.count * ENTRY);
        ArrayIter {
            entries: &head[HEADER..],
            data,
            offset: 0,
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
    entries: &'a [u8],
    data: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for ArrayIter<'a> {
    type Item = Result<Value<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (entry, rest) = take_word(self.entries)?;
        let start = self.offset;
        let end = end_of(entry, start);
        let value = Value::child(entry, self.data, start, end);
        self.offset = end;
        self.entries = if value.is_ok() { rest } else { &[] };
        Some(value)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.entries.len() / ENTRY))
    }
}
