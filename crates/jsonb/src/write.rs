//! The writer: one JSONB container, in one pass, from scalars and from values that already stand
//! in another container.
//!
//! What is copied is copied as bytes ([`Item::Copy`]), never taken apart; what is new is described
//! by a borrowed tree of [`Item`]s. The writer sorts keys, pads, and sets lengths and offsets as
//! `JsonbValueToJsonb` does, byte for byte; of members with the same key the last one stands.
//! It refuses what PostgreSQL cannot hold ([`Unwritable`]).

use super::encode::Encoder;
use super::{Malformed, Value};
use crate::memory;
use thiserror::Error;

/// PostgreSQL has no JSONB form for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unwritable {
    /// A container, a string or a number of members beyond 2²⁸ - 1.
    #[error("too large for jsonb")]
    TooLarge,
    /// Items inside items, beyond [`DEPTH_LIMIT`].
    #[error("nested too deep")]
    TooDeep,
    /// A number beyond `numeric`: 131072 digits before the point, 16383 after it.
    #[error("number overflows numeric")]
    Overflow,
    /// The text of an [`Item::Decimal`] is not a JSON number.
    #[error("not a number")]
    NotANumber,
    /// U+0000, which PostgreSQL's text cannot hold.
    #[error("string holds U+0000")]
    Nul,
    /// There is no memory for it, or writing was stopped: see [`steps`](crate::steps).
    #[error("no more steps")]
    Stopped,
}

impl From<Malformed> for Unwritable {
    /// Where bytes are written, none are read that could be malformed.
    fn from(_: Malformed) -> Self {
        Unwritable::Stopped
    }
}

/// How deep items may stand inside items; what is copied counts as one, however deep it is.
pub const DEPTH_LIMIT: usize = 1_000;

/// What to write.
#[derive(Debug, Clone)]
pub enum Item<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number in JSON's spelling, with all its digits and its scale.
    Decimal(&'a str),
    /// A string, unescaped.
    Text(&'a str),
    /// A value of another container, copied as it stands there.
    Copy(Value<'a>),
    /// A parsed JSON value.
    Json(&'a serde_json::Value),
    /// An array, its elements borrowed.
    Array(&'a [Item<'a>]),
    /// An array, its elements owned.
    Items(Vec<Item<'a>>),
    /// An object, its members borrowed, in any order.
    Object(&'a [Member<'a>]),
    /// An object, its members owned, in any order.
    Members(Vec<Member<'a>>),
}

/// A key and what to write for it.
pub type Member<'a> = (&'a [u8], Item<'a>);

impl<'a> From<Value<'a>> for Item<'a> {
    fn from(value: Value<'a>) -> Self {
        Item::Copy(value)
    }
}

impl<'a> From<&'a str> for Item<'a> {
    fn from(text: &'a str) -> Self {
        Item::Text(text)
    }
}

impl From<i64> for Item<'_> {
    fn from(value: i64) -> Self {
        Item::Int(value)
    }
}

impl From<bool> for Item<'_> {
    fn from(value: bool) -> Self {
        Item::Bool(value)
    }
}

impl Item<'_> {
    pub(super) fn is_container(&self) -> bool {
        match self {
            Item::Copy(value) => matches!(value, Value::Array(_) | Value::Object(_)),
            Item::Json(value) => value.is_array() || value.is_object(),
            Item::Array(_) | Item::Items(_) | Item::Object(_) | Item::Members(_) => true,
            Item::Null | Item::Bool(_) | Item::Int(_) | Item::Decimal(_) | Item::Text(_) => false,
        }
    }

    /// About how many bytes it takes: enough to allocate once, in the common case.
    fn size(&self) -> usize {
        const SCALAR: usize = 16;
        let members = |members: &[Member<'_>]| {
            members
                .iter()
                .map(|(key, item)| key.len() + SCALAR + item.size())
                .sum()
        };
        match self {
            Item::Null | Item::Bool(_) | Item::Int(_) => SCALAR,
            Item::Decimal(text) | Item::Text(text) => SCALAR + text.len(),
            Item::Copy(Value::String(bytes)) => SCALAR + bytes.len(),
            Item::Copy(Value::Number(number)) => SCALAR + number.body().len(),
            Item::Copy(Value::Array(array)) => SCALAR + array.as_bytes().len(),
            Item::Copy(Value::Object(object)) => SCALAR + object.as_bytes().len(),
            Item::Copy(_) => SCALAR,
            // Counting would mean walking it twice.
            Item::Json(_) => SCALAR,
            Item::Array(items) => items.iter().map(Item::size).sum(),
            Item::Items(items) => items.iter().map(Item::size).sum(),
            Item::Object(given) => members(given),
            Item::Members(given) => members(given),
        }
    }
}

/// The root container of `item`, without varlena header.
///
/// ```
/// use jsonb::{Item, Value, from_text, to_text, write};
///
/// let stored = from_text(r#"{"name": "Ada"}"#)?;
/// let resource = write(&Item::Object(&[
///     (b"id", Item::Text("p1")),
///     (b"data", Item::Copy(Value::read(&stored)?)),
///     (b"meta", Item::Object(&[(b"versionId", Item::Int(3))])),
/// ]))?;
/// assert_eq!(
///     to_text(Value::read(&resource)?)?,
///     r#"{"id": "p1", "data": {"name": "Ada"}, "meta": {"versionId": 3}}"#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write(item: &Item<'_>) -> Result<Vec<u8>, Unwritable> {
    let mut out = Vec::new();
    write_into(&mut out, item)?;
    Ok(out)
}

/// Appends the root container of `item` to `out`, which may begin with anything (room for a
/// varlena header): the container's own alignment counts from where it starts.
/// After a refusal `out` holds a torn part of it.
pub fn write_into(out: &mut Vec<u8>, item: &Item<'_>) -> Result<(), Unwritable> {
    memory::reserve(out, item.size())?;
    Encoder::new(out).root(item)
}
