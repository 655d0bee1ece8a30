//! `binding`: the vocabulary that a code, a coding or a codeable concept must be from.

use crate::jsonb::{Malformed, Value};
use crate::vocabulary::Vocabulary;

/// A binding as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BindingSetting {
    pub(crate) vocabulary: String,
    pub(crate) preferred: bool,
}

/// A compiled binding.
#[derive(Debug)]
pub(crate) struct Binding {
    /// The number of the vocabulary in its schema.
    pub(crate) vocabulary: u32,
    pub(crate) preferred: bool,
}

/// Whether a value is from a vocabulary: a string by itself, a coding (or a quantity) by its code
/// and system, a codeable concept by any of its codings.
pub(crate) fn is_from(vocabulary: &Vocabulary, value: Value<'_>) -> Result<bool, Malformed> {
    let object = match value {
        Value::String(code) => return Ok(vocabulary.holds(None, code)),
        Value::Object(object) => object,
        _ => return Ok(false),
    };
    if let Some(Value::Array(codings)) = object.get(b"coding")? {
        for coding in codings.iter() {
            if let Value::Object(coding) = coding?
                && is_from_coding(vocabulary, coding)?
            {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    is_from_coding(vocabulary, object)
}

fn is_from_coding(
    vocabulary: &Vocabulary,
    coding: crate::jsonb::Object<'_>,
) -> Result<bool, Malformed> {
    let system = match coding.get(b"system")? {
        Some(Value::String(system)) => Some(system),
        _ => None,
    };
    Ok(match coding.get(b"code")? {
        Some(Value::String(code)) => vocabulary.holds(system, code),
        _ => false,
    })
}
