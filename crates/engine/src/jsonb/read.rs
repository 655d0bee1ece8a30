//! The reader: a borrowed view of a JSONB container.

use super::layout::{
    ARRAY, CONTAINER, COUNT, ENTRY_HAS_OFFSET, ENTRY_OFFLEN, ENTRY_TYPE, FALSE, NULL, NUMERIC,
    OBJECT, SCALAR, STRING, TRUE,
};
use super::number::Number;
use thiserror::Error;

/// The bytes are not what PostgreSQL writes: a damaged page, or not JSONB at all.
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
        let header = word(bytes, 0)?;
        if header & SCALAR != 0 {
            let array = Array::read(bytes)?;
            let mut items = array.iter();
            let value = items.next().ok_or(Malformed)??;
            return match value {
                Value::Array(_) | Value::Object(_) => Err(Malformed),
                scalar => Ok(scalar),
            };
        }
        Self::container(bytes)
    }

    #[inline]
    fn container(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let header = word(bytes, 0)?;
        if header & OBJECT != 0 {
            Object::read(bytes).map(Value::Object)
        } else {
            Array::read(bytes).map(Value::Array)
        }
    }

    #[inline]
    fn child(entry: u32, data: &'a [u8], start: usize, end: usize) -> Result<Self, Malformed> {
        match entry & ENTRY_TYPE {
            STRING => data.get(start..end).map(Value::String).ok_or(Malformed),
            NUMERIC => {
                let bytes = data.get(align(start)..end).ok_or(Malformed)?;
                Number::read(bytes).map(Value::Number)
            }
            FALSE => Ok(Value::Bool(false)),
            TRUE => Ok(Value::Bool(true)),
            NULL => Ok(Value::Null),
            CONTAINER => Self::container(data.get(align(start)..end).ok_or(Malformed)?),
            _ => Err(Malformed),
        }
    }
}

/// A JSON array.
#[derive(Debug, Clone, Copy)]
pub struct Array<'a> {
    bytes: &'a [u8],
    entries: &'a [u8],
    data: &'a [u8],
}

impl<'a> Array<'a> {
    #[inline]
    fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let header = word(bytes, 0)?;
        if header & ARRAY == 0 {
            return Err(Malformed);
        }
        let count = (header & COUNT) as usize;
        let (entries, data) = bytes[4..].split_at_checked(count * 4).ok_or(Malformed)?;
        Ok(Self {
            bytes,
            entries,
            data,
        })
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.entries.len() / 4
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The elements, in order.
    #[inline]
    pub fn iter(&self) -> ArrayIter<'a> {
        ArrayIter {
            entries: self.entries,
            data: self.data,
            offset: 0,
        }
    }

    /// The container's own bytes: what a writer copies to hold this array as it is.
    #[inline]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// The elements of an [`Array`].
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
        self.entries = rest;
        let start = self.offset;
        let end = end_of(entry, start);
        self.offset = end;
        Some(Value::child(entry, self.data, start, end))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.entries.len() / 4;
        (len, Some(len))
    }
}

/// A JSON object.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    bytes: &'a [u8],
    keys: &'a [u8],
    values: &'a [u8],
    data: &'a [u8],
}

impl<'a> Object<'a> {
    #[inline]
    fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let header = word(bytes, 0)?;
        let count = (header & COUNT) as usize;
        let (keys, rest) = bytes[4..].split_at_checked(count * 4).ok_or(Malformed)?;
        let (values, data) = rest.split_at_checked(count * 4).ok_or(Malformed)?;
        Ok(Self {
            bytes,
            keys,
            values,
            data,
        })
    }

    /// The number of members.
    #[inline]
    pub fn len(&self) -> usize {
        self.keys.len() / 4
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The members, in stored order: by key length, then by the key's bytes.
    #[inline]
    pub fn iter(&self) -> ObjectIter<'a> {
        let mut value_start = 0;
        let mut rest = self.keys;
        while let Some((entry, tail)) = take_word(rest) {
            value_start = end_of(entry, value_start);
            rest = tail;
        }
        ObjectIter {
            keys: self.keys,
            values: self.values,
            data: self.data,
            key_offset: 0,
            value_offset: value_start,
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

/// The members of an [`Object`].
#[derive(Debug, Clone)]
pub struct ObjectIter<'a> {
    keys: &'a [u8],
    values: &'a [u8],
    data: &'a [u8],
    key_offset: usize,
    value_offset: usize,
}

impl<'a> Iterator for ObjectIter<'a> {
    type Item = Result<(&'a [u8], Value<'a>), Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (key_entry, keys) = take_word(self.keys)?;
        let (value_entry, values) = take_word(self.values)?;
        self.keys = keys;
        self.values = values;
        let (key_start, value_start) = (self.key_offset, self.value_offset);
        self.key_offset = end_of(key_entry, key_start);
        self.value_offset = end_of(value_entry, value_start);
        let Some(key) = self.data.get(key_start..self.key_offset) else {
            return Some(Err(Malformed));
        };
        if key_entry & ENTRY_TYPE != STRING {
            return Some(Err(Malformed));
        }
        Some(
            Value::child(value_entry, self.data, value_start, self.value_offset)
                .map(|value| (key, value)),
        )
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.keys.len() / 4;
        (len, Some(len))
    }
}

/// Where a child that starts at `start` ends: its entry holds either that end or a length.
#[inline]
fn end_of(entry: u32, start: usize) -> usize {
    let offlen = (entry & ENTRY_OFFLEN) as usize;
    if entry & ENTRY_HAS_OFFSET != 0 {
        offlen
    } else {
        start.saturating_add(offlen)
    }
}

#[inline]
fn align(offset: usize) -> usize {
    offset.saturating_add(3) & !3
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Result<u32, Malformed> {
    let word = bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk::<4>)
        .ok_or(Malformed)?;
    Ok(u32::from_ne_bytes(*word))
}

#[inline]
fn take_word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_ne_bytes(*word), rest))
}
