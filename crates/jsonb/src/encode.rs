//! The encoder behind the writer: entries, paddings and offsets, laid out as
//! `convertToJsonb` (`src/backend/utils/adt/jsonb_util.c`) lays them out.

use super::Value;
use super::decimal::put_decimal;
use super::layout::{
    ARRAY, CONTAINER, ENTRY_HAS_OFFSET, ENTRY_OFFLEN, ENTRY_TYPE, FALSE, NULL, NUMERIC, OBJECT,
    OFFSET_STRIDE, SCALAR, STRING, TRUE,
};
use super::numeric::{put_int, put_numeric};
use super::write::{DEPTH_LIMIT, Item, Member, Unwritable};
use crate::{memory, steps};

/// What the datum of a number takes beside its digits, and more than an integer takes.
const ROOM: usize = 32;

/// The entries of a container that is being written.
struct Entries {
    at: usize,
    index: u32,
    total: usize,
}

pub(super) struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    base: usize,
    depth: usize,
}

impl<'o> Encoder<'o> {
    /// An encoder that appends to `out`, and aligns from there.
    pub(super) fn new(out: &'o mut Vec<u8>) -> Self {
        let base = out.len();
        Self {
            out,
            base,
            depth: 0,
        }
    }

    /// Writes a whole value: a container, or a scalar in the array that PostgreSQL wraps it in.
    pub(super) fn root(&mut self, item: &Item<'_>) -> Result<(), Unwritable> {
        if item.is_container() {
            return self.child(item).map(drop);
        }
        let mut entries = self.begin(SCALAR | ARRAY, 1, 1)?;
        let entry = self.child(item)?;
        self.enter(&mut entries, entry)
    }

    /// Writes one value and gives its entry: type and length, padding included.
    fn child(&mut self, item: &Item<'_>) -> Result<u32, Unwritable> {
        let start = self.out.len();
        steps::take(1)?;
        self.reserve(ROOM)?;
        let kind = match item {
            Item::Null => NULL,
            Item::Bool(false) => FALSE,
            Item::Bool(true) => TRUE,
            Item::Int(value) => {
                self.pad();
                put_int(self.out, *value);
                NUMERIC
            }
            Item::Decimal(text) => {
                self.pad();
                self.reserve(ROOM + text.len())?;
                put_decimal(self.out, text)?;
                NUMERIC
            }
            Item::Text(text) => self.text(text.as_bytes())?,
            Item::Copy(value) => self.copy(*value)?,
            Item::Json(value) => self.json(value)?,
            Item::Array(items) => self.array(items, Self::child)?,
            Item::Items(items) => self.array(items, Self::child)?,
            Item::Object(members) => self.members(members)?,
            Item::Members(members) => self.members(members)?,
        };
        entry(kind, self.out.len() - start)
    }

    #[inline]
    fn text(&mut self, bytes: &[u8]) -> Result<u32, Unwritable> {
        if bytes.contains(&0) {
            return Err(Unwritable::Nul);
        }
        self.put(bytes)?;
        Ok(STRING)
    }

    fn copy(&mut self, value: Value<'_>) -> Result<u32, Unwritable> {
        let bytes = match value {
            Value::Null => return Ok(NULL),
            Value::Bool(false) => return Ok(FALSE),
            Value::Bool(true) => return Ok(TRUE),
            Value::String(bytes) => {
                self.put(bytes)?;
                return Ok(STRING);
            }
            Value::Number(number) => {
                self.pad();
                self.reserve(ROOM + number.body().len())?;
                put_numeric(self.out, &number);
                return Ok(NUMERIC);
            }
            Value::Array(array) => array.as_bytes(),
            Value::Object(object) => object.as_bytes(),
        };
        self.pad();
        self.put(bytes)?;
        Ok(CONTAINER)
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), Unwritable> {
        self.reserve(bytes.len())?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Makes room for so many bytes and for what a padding may take.
    #[inline]
    fn reserve(&mut self, more: usize) -> Result<(), Unwritable> {
        Ok(memory::reserve(self.out, more + 8)?)
    }

    fn json(&mut self, value: &serde_json::Value) -> Result<u32, Unwritable> {
        use serde_json::Value as Json;
        Ok(match value {
            Json::Null => NULL,
            Json::Bool(false) => FALSE,
            Json::Bool(true) => TRUE,
            Json::Number(number) => {
                self.pad();
                match number.as_i64() {
                    Some(value) => put_int(self.out, value),
                    None => {
                        self.reserve(ROOM + number.as_str().len())?;
                        put_decimal(self.out, number.as_str())?;
                    }
                }
                NUMERIC
            }
            Json::String(text) => self.text(text.as_bytes())?,
            Json::Array(items) => {
                self.array(items, |encoder, item| encoder.child(&Item::Json(item)))?
            }
            Json::Object(map) => {
                let mut members: Vec<_> = map
                    .iter()
                    .map(|(key, value)| (key.as_bytes(), value))
                    .collect();
                members.sort_unstable_by_key(|(key, _)| (key.len(), *key));
                self.object(&members, |encoder, item| encoder.child(&Item::Json(item)))?
            }
        })
    }

    fn array<T>(
        &mut self,
        items: &[T],
        child: impl Fn(&mut Self, &T) -> Result<u32, Unwritable>,
    ) -> Result<u32, Unwritable> {
        let mut entries = self.begin(ARRAY, items.len(), items.len())?;
        for item in items {
            let entry = child(self, item)?;
            self.enter(&mut entries, entry)?;
        }
        self.depth -= 1;
        Ok(CONTAINER)
    }

    fn members(&mut self, members: &[Member<'_>]) -> Result<u32, Unwritable> {
        if members.is_sorted_by(|(a, _), (b, _)| key_before(a, b)) {
            return self.object(members, Self::child);
        }
        let mut order: Vec<_> = members.iter().map(|(key, item)| (*key, item)).collect();
        // The sort is stable: of equal keys the last one given stays last, and is the one kept.
        order.sort_by_key(|(key, _)| (key.len(), *key));
        let mut kept = 0;
        for next in 0..order.len() {
            if order
                .get(next + 1)
                .is_none_or(|after| after.0 != order[next].0)
            {
                order[kept] = order[next];
                kept += 1;
            }
        }
        self.object(&order[..kept], |encoder, item| encoder.child(item))
    }

    /// Writes an object of members that are sorted and distinct.
    fn object<T>(
        &mut self,
        members: &[(&[u8], T)],
        child: impl Fn(&mut Self, &T) -> Result<u32, Unwritable>,
    ) -> Result<u32, Unwritable> {
        let mut entries = self.begin(OBJECT, members.len(), members.len() * 2)?;
        self.reserve(members.iter().map(|(key, _)| key.len()).sum())?;
        let start = self.out.len();
        for (key, _) in members {
            self.out.extend_from_slice(key);
            self.enter(&mut entries, entry(STRING, key.len())?)?;
        }
        // Keys are short, and stand together.
        if self.out.get(start..).is_some_and(|keys| keys.contains(&0)) {
            return Err(Unwritable::Nul);
        }
        for (_, item) in members {
            let entry = child(self, item)?;
            self.enter(&mut entries, entry)?;
        }
        self.depth -= 1;
        Ok(CONTAINER)
    }

    /// Writes a container's header and room for its entries.
    fn begin(&mut self, flags: u32, count: usize, entries: usize) -> Result<Entries, Unwritable> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(Unwritable::TooDeep);
        }
        let header = entry(flags, count)?;
        self.reserve(4 + entries * 4)?;
        self.pad();
        self.out.extend_from_slice(&header.to_ne_bytes());
        let at = self.out.len();
        self.out.resize(at + entries * 4, 0);
        Ok(Entries {
            at,
            index: 0,
            total: 0,
        })
    }

    /// Sets the next entry: a length, but every 32nd holds the end's offset, so that a search
    /// need not add up all that stands before.
    #[inline]
    fn enter(&mut self, entries: &mut Entries, mut word: u32) -> Result<(), Unwritable> {
        entries.total += (word & ENTRY_OFFLEN) as usize;
        let kind = word & ENTRY_TYPE;
        let end = entry(kind, entries.total)?;
        if entries.index.is_multiple_of(OFFSET_STRIDE) {
            word = end | ENTRY_HAS_OFFSET;
        }
        if let Some(slot) = self.out.get_mut(entries.at..entries.at + 4) {
            slot.copy_from_slice(&word.to_ne_bytes());
        }
        entries.at += 4;
        entries.index += 1;
        Ok(())
    }

    fn pad(&mut self) {
        let beyond = (self.out.len() - self.base) % 4;
        if beyond != 0 {
            self.out.extend_from_slice(&[0; 3][..4 - beyond]);
        }
    }
}

fn key_before(a: &[u8], b: &[u8]) -> bool {
    (a.len(), a) < (b.len(), b)
}

/// Flags and a count, a length or an offset, in one word.
fn entry(flags: u32, number: usize) -> Result<u32, Unwritable> {
    match u32::try_from(number) {
        Ok(number) if number <= ENTRY_OFFLEN => Ok(flags | number),
        _ => Err(Unwritable::TooLarge),
    }
}
