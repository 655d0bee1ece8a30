//! A JSON object, the walk over its members, and the search for one.

use super::layout::{ENTRY_HAS_OFFSET, ENTRY_OFFLEN, ENTRY_TYPE, STRING};
use super::read::{ENTRY, HEADER, Malformed, NOWHERE, Value, count_of, end_of};
use crate::steps;
use std::cmp::Ordering;

/// Up to so many keys a scan is faster than halving.
const SCANNED: usize = 16;

/// A JSON object.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    /// The container, which is long enough for its header and all its entries.
    bytes: &'a [u8],
}

impl<'a> Object<'a> {
    /// An object of `count` members, as its header has it.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], count: usize) -> Result<Self, Malformed> {
        if bytes.len() < HEADER + 2 * count * ENTRY {
            Err(Malformed)
        } else {
            Ok(Self { bytes })
        }
    }

    /// The number of members.
    #[inline]
    pub fn len(&self) -> usize {
        count_of(self.bytes)
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries, those of the keys before those of the values, and the bytes of both.
    #[inline]
    fn parts(&self) -> (&'a [[u8; ENTRY]], &'a [u8]) {
        let (head, data) = self.bytes.split_at(HEADER + 2 * self.len() * ENTRY);
        (head[HEADER..].as_chunks().0, data)
    }

    /// The members, in stored order: by key length, then by the key's bytes.
    #[inline]
    pub fn iter(&self) -> ObjectIter<'a> {
        let (entries, data) = self.parts();
        let (keys, values) = entries.split_at(self.len());
        ObjectIter {
            keys,
            values,
            data,
            key_offset: match steps::take(1 + keys.len()) {
                Ok(()) => 0,
                Err(Malformed) => NOWHERE,
            },
            value_offset: end_of_all(keys),
        }
    }

    /// The value of `key`, or `None`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Value<'a>>, Malformed> {
        let (entries, data) = self.parts();
        let keys = &entries[..self.len()];
        let place = if keys.len() <= SCANNED {
            scan(keys, data, key)?
        } else {
            search(keys, data, key)?
        };
        let Some(place) = place else { return Ok(None) };
        let (before, rest) = entries.split_at(keys.len() + place);
        let entry = rest.first().map_or(0, |word| u32::from_ne_bytes(*word));
        let start = end_of_all(before);
        Value::child(entry, data, start, end_of(entry, start)).map(Some)
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
    keys: &'a [[u8; ENTRY]],
    values: &'a [[u8; ENTRY]],
    data: &'a [u8],
    key_offset: usize,
    value_offset: usize,
}

impl<'a> Iterator for ObjectIter<'a> {
    type Item = Result<(&'a [u8], Value<'a>), Malformed>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let (key_entry, keys) = self.keys.split_first()?;
        let (value_entry, values) = self.values.split_first()?;
        let (key_entry, value_entry) = (
            u32::from_ne_bytes(*key_entry),
            u32::from_ne_bytes(*value_entry),
        );
        let (key_start, value_start) = (self.key_offset, self.value_offset);
        let key_end = end_of(key_entry, key_start);
        let value_end = end_of(value_entry, value_start);
        if key_entry & ENTRY_TYPE == STRING
            && let Some(key) = self.data.get(key_start..key_end)
            && let Ok(value) = Value::child(value_entry, self.data, value_start, value_end)
        {
            (self.keys, self.values) = (keys, values);
            (self.key_offset, self.value_offset) = (key_end, value_end);
            return Some(Ok((key, value)));
        }
        self.values = &[];
        Some(Err(Malformed))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.values.len()))
    }
}

/// Where the last child that `entries` describe ends: their lengths, added up back to the nearest
/// one that holds an offset.
#[inline]
fn end_of_all(entries: &[[u8; ENTRY]]) -> usize {
    let mut end = 0_usize;
    for word in entries.iter().rev() {
        let entry = u32::from_ne_bytes(*word);
        end = end.wrapping_add((entry & ENTRY_OFFLEN) as usize);
        if entry & ENTRY_HAS_OFFSET != 0 {
            break;
        }
    }
    end
}

/// The place of `key`, by going through the keys: most are told apart by their lengths.
#[inline]
fn scan(keys: &[[u8; ENTRY]], data: &[u8], key: &[u8]) -> Result<Option<usize>, Malformed> {
    let mut start = 0;
    for (place, word) in keys.iter().enumerate() {
        let end = end_of(u32::from_ne_bytes(*word), start);
        let len = end.wrapping_sub(start);
        if len > key.len() {
            break;
        }
        if len == key.len() && data.get(start..end).ok_or(Malformed)? == key {
            return Ok(Some(place));
        }
        start = end;
    }
    Ok(None)
}

/// The place of `key`, by halving.
fn search(keys: &[[u8; ENTRY]], data: &[u8], key: &[u8]) -> Result<Option<usize>, Malformed> {
    let (mut low, mut high) = (0, keys.len());
    while low < high {
        let place = low.midpoint(high);
        let start = end_of_all(&keys[..place]);
        let end = end_of(u32::from_ne_bytes(keys[place]), start);
        let found = data.get(start..end).ok_or(Malformed)?;
        match (found.len(), found).cmp(&(key.len(), key)) {
            Ordering::Equal => return Ok(Some(place)),
            Ordering::Less => low = place + 1,
            Ordering::Greater => high = place,
        }
    }
    Ok(None)
}
