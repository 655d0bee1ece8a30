//! How deep a value nests.

use jsonb::{Malformed, Value};

/// Whether `value`, whose own container would be at `depth`, nests beyond `limit`. Recursion ends
/// at the limit.
pub(crate) fn exceeds(value: Value<'_>, depth: usize, limit: usize) -> Result<bool, Malformed> {
    match value {
        Value::Array(_) | Value::Object(_) if depth > limit => Ok(true),
        Value::Array(array) => {
            for item in array.iter() {
                if exceeds(item?, depth + 1, limit)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Object(object) => {
            for member in object.iter() {
                if exceeds(member?.1, depth + 1, limit)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => Ok(false),
    }
}
