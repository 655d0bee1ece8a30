//! A JSON object, the walk over its members, and the search for one.

use super::layout::{ENTRY_HAS_OFFSET, ENTRY_OFFLEN, ENTRY_TYPE, STRING};
use super::read::{Malformed, Value, end_of, take_word};

const HEADER: usize = 4;
const ENTRY: usize = 4;

/// A JSON object.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Object<'a> {
    /// An object of `count` members, whose entries begin `rest`, what follows the header.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], count: usize, rest: &'a [u8]) -> Result<Self, Malformed> {
        if rest.len() / (2 * ENTRY) < count {
            Err(Malformed)
        } else {
            Ok(Self { bytes, count })
        }
    }

    /// The number of members.
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Key entries, value entries, and the bytes of both.
    #[inline]
    fn parts(&self) -> (&'a [u8], &'a [u8], &'a [u8]) {
        let (head, data) = self.bytes.split_at(HEADER + 2 * self.count * ENTRY);
        let (keys, values) = head[HEADER..].split_at(self.count * ENTRY);
        (keys, values, data)
    }

    /// The members, in stored order: by key length, then by the key's bytes.
    #[inline]
    pub fn iter(&self) -> ObjectIter<'a> {
        let (keys, values, data) = self.parts();
        ObjectIter {
            keys,
            values,
            data,
            key_offset: 0,
            value_offset: last_end(keys),
        }
    }

    /// The value of `key`, or `None`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Value<'a>>, Malformed> {
        for member in self.iter() {
            let (name, value) = member?;
            if name == key {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The container's own bytes: what a writer copies to hold this object as it is.
    #[inline]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> IntoIterator for Object<'a> {
    type Item = Result<(&'a [u8], Value<'a>), Malformed>;
    type IntoIter = ObjectIter<'a>;

    #[inline]
    fn into_iter(self) -> ObjectIter<'a> {
        self.iter()
    }
}

/// The members of an [`Object`]. After an error there are no more.
#[derive(Debug, Clone)]
pub struct ObjectIter<'a> {
    keys: &'a [u8],
    values: &'a [u8],
    data: &'a [u8],
    key_offset: usize,
    value_offset: usize,
}

impl<'a> ObjectIter<'a> {
    #[inline]
    fn member(
        &mut self,
        key_entry: u32,
        value_entry: u32,
    ) -> Result<(&'a [u8], Value<'a>), Malformed> {
        let (key_start, value_start) = (self.key_offset, self.value_offset);
        self.key_offset = end_of(key_entry, key_start);
        self.value_offset = end_of(value_entry, value_start);
        let key = self.data.get(key_start..self.key_offset).ok_or(Malformed)?;
        if key_entry & ENTRY_TYPE != STRING {
            return Err(Malformed);
        }
        let value = Value::child(value_entry, self.data, value_start, self.value_offset)?;
        Ok((key, value))
    }
}

impl<'a> Iterator for ObjectIter<'a> {
    type Item = Result<(&'a [u8], Value<'a>), Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (key_entry, keys) = take_word(self.keys)?;
        let (value_entry, values) = take_word(self.values)?;
        let member = self.member(key_entry, value_entry);
        self.keys = keys;
        self.values = if member.is_ok() { values } else { &[] };
        Some(member)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.values.len() / ENTRY))
    }
}

/// Where the last child that `entries` describe ends: their lengths, added up back to the nearest
/// one that holds an offset.
#[inline]
fn last_end(entries: &[u8]) -> usize {
    let mut end = 0_usize;
    for word in entries.as_chunks::<ENTRY>().0.iter().rev() {
        let entry = u32::from_ne_bytes(*word);
        end = end.saturating_add((entry & ENTRY_OFFLEN) as usize);
        if entry & ENTRY_HAS_OFFSET != 0 {
            break;
        }
    }
    end
}
