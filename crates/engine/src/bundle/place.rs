//! References that only an entry of the same Bundle can answer, and where one stands.

use jsonb::{Malformed, Value, steps};
use std::fmt::Write as _;

/// Whether a reference names what no server has an address for: an entry, by its full URL.
pub fn is_of_bundle(text: &str) -> bool {
    ["urn:uuid:", "urn:oid:"]
        .iter()
        .any(|name| text.starts_with(name))
}

/// Where the first reference of this text stands: `.subject.reference`, `.link[0].other.reference`.
/// What is deeper than so many levels is not looked at.
pub fn place_of_reference(value: Value<'_>, text: &str, levels: usize) -> Option<String> {
    let mut place = String::new();
    matches!(seek(value, text.as_bytes(), levels, &mut place), Ok(true)).then_some(place)
}

fn seek(
    value: Value<'_>,
    text: &[u8],
    levels: usize,
    place: &mut String,
) -> Result<bool, Malformed> {
    steps::take(1)?;
    let (Some(levels), length) = (levels.checked_sub(1), place.len()) else {
        return Ok(false);
    };
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let _ = write!(place, "[{index}]");
                if seek(item?, text, levels, place)? {
                    return Ok(true);
                }
                place.truncate(length);
            }
        }
        Value::Object(object) => {
            for member in object.iter() {
                let (key, value) = member?;
                let _ = write!(place, ".{}", String::from_utf8_lossy(key));
                let is_it = key == b"reference" && matches!(value, Value::String(it) if it == text);
                if is_it || seek(value, text, levels, place)? {
                    return Ok(true);
                }
                place.truncate(length);
            }
        }
        _ => {}
    }
    Ok(false)
}
