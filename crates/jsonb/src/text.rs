//! JSON text to JSONB bytes and back, as `jsonb_in` and `jsonb_out` do it.
//!
//! The way in is serde_json's parser with its own limit of 128 levels: a deeper text is refused.
//! One text is misread: an object whose first key is `$serde_json::private::Number`, which is how
//! serde_json spells a number to itself.

use super::write::{Item, Unwritable, write};
use super::{ArrayIter, Malformed, ObjectIter, Value};
use crate::memory::reserve_text;
use std::fmt::Write as _;
use thiserror::Error;

/// A text that has no JSONB form.
#[derive(Debug, Error)]
pub enum TextError {
    /// It is not JSON, or nested too deep.
    #[error(transparent)]
    Syntax(#[from] serde_json::Error),
    /// It is JSON, but not what PostgreSQL can hold.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
}

/// The JSONB bytes (a root container, without varlena header) of a JSON text.
pub fn from_text(text: &str) -> Result<Vec<u8>, TextError> {
    Ok(from_json(&serde_json::from_str(text)?)?)
}

/// The JSONB bytes (a root container, without varlena header) of a parsed JSON value.
pub fn from_json(value: &serde_json::Value) -> Result<Vec<u8>, Unwritable> {
    write(&Item::Json(value))
}

/// The longest text of PostgreSQL (`MaxAllocSize`). A number of 12 bytes can print as 131072 digits.
const LONGEST_TEXT: usize = 0x3FFF_FFFF;

/// The text that `jsonb_out` prints: a space after each colon and comma. A text that would be
/// longer than 1 GB, which PostgreSQL cannot print either, is refused as well.
pub fn to_text(value: Value<'_>) -> Result<String, Malformed> {
    let mut out = String::new();
    // Containers that are open. A stack of our own: a value may be nested deeper than the thread's
    // stack could follow.
    let mut open = Vec::new();
    put(&mut out, &mut open, value)?;
    while let Some(level) = open.last_mut() {
        if out.len() > LONGEST_TEXT {
            return Err(Malformed);
        }
        reserve_text(&mut out, PUNCTUATION)?;
        let (next, first) = match level {
            Level::Array(items, first) => (items.next().transpose()?, std::mem::take(first)),
            Level::Object(members, first) => match members.next().transpose()? {
                Some((key, value)) => {
                    if !std::mem::take(first) {
                        out.push_str(", ");
                    }
                    put_string(&mut out, key)?;
                    out.push_str(": ");
                    (Some(value), true)
                }
                None => (None, true),
            },
        };
        match next {
            Some(value) => {
                if !first {
                    out.push_str(", ");
                }
                put(&mut out, &mut open, value)?;
            }
            None => {
                out.push(if matches!(level, Level::Array(..)) {
                    ']'
                } else {
                    '}'
                });
                open.pop();
            }
        }
    }
    Ok(out)
}

/// An open container, and whether its first child is still to come.
enum Level<'a> {
    Array(ArrayIter<'a>, bool),
    Object(ObjectIter<'a>, bool),
}

/// Writes a scalar, or opens a container.
fn put<'a>(out: &mut String, open: &mut Vec<Level<'a>>, value: Value<'a>) -> Result<(), Malformed> {
    reserve_text(out, PUNCTUATION)?;
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(false) => out.push_str("false"),
        Value::Bool(true) => out.push_str("true"),
        Value::Number(number) => {
            reserve_text(out, number.text_len())?;
            write!(out, "{number}").map_err(|_| Malformed)?;
        }
        Value::String(bytes) => put_string(out, bytes)?,
        Value::Array(array) => {
            out.push('[');
            open.push(Level::Array(array.iter(), true));
        }
        Value::Object(object) => {
            out.push('{');
            open.push(Level::Object(object.iter(), true));
        }
    }
    Ok(())
}

/// More than what stands around a value, and more than the shortest values take.
const PUNCTUATION: usize = 16;

fn is_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// Writes a string as `escape_json` does: only quotes, backslashes and controls are escaped.
fn put_string(out: &mut String, bytes: &[u8]) -> Result<(), Malformed> {
    let mut rest = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
    // A control becomes six characters.
    let escapes = bytes.iter().filter(|byte| is_escaped(**byte)).count();
    reserve_text(out, bytes.len() + 5 * escapes + PUNCTUATION)?;
    out.push('"');
    while let Some(at) = rest.bytes().position(is_escaped) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            0x0C => out.push_str("\\f"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => write!(out, "\\u{control:04x}").map_err(|_| Malformed)?,
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
    Ok(())
}
