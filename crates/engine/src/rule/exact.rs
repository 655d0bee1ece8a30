//! Fixed and pattern values: FHIR R4, ElementDefinition.fixed[x] and .pattern[x].

use crate::limits::DEEPEST;
use jsonb::{Malformed, Value, to_text};

/// How long a value an issue shows, in bytes.
const SHOWN: usize = 200;

/// A value that an element must be, or must hold.
#[derive(Debug, Clone)]
pub(crate) struct Exact {
    /// A root container.
    bytes: Box<[u8]>,
    /// The element may hold more: members of objects, elements of arrays.
    open: bool,
}

impl Exact {
    pub(crate) fn new(bytes: Vec<u8>, open: bool) -> Self {
        Self {
            bytes: bytes.into(),
            open,
        }
    }

    /// What is expected, with the value if it is a short scalar.
    pub(crate) fn expected(&self) -> Result<String, Malformed> {
        let (value, _) = self.value()?;
        Ok(match value {
            Value::Array(_) | Value::Object(_) if self.open => {
                "expected what the pattern holds".to_owned()
            }
            Value::Array(_) | Value::Object(_) => "expected the fixed value".to_owned(),
            Value::Number(number) if number.text_len() > SHOWN => {
                "expected the fixed value".to_owned()
            }
            scalar => {
                let text = to_text(scalar)?;
                if text.len() > SHOWN {
                    "expected the fixed value".to_owned()
                } else {
                    format!("expected {text}")
                }
            }
        })
    }

    /// The value, and whether the element may hold more.
    pub(crate) fn value(&self) -> Result<(Value<'_>, bool), Malformed> {
        Ok((Value::read(&self.bytes)?, self.open))
    }

    pub(crate) fn accepts(&self, value: Value<'_>) -> Result<bool, Malformed> {
        matches(Value::read(&self.bytes)?, value, self.open, 0)
    }
}

/// Whether two values are the same, numbers by value.
pub(crate) fn equal(left: Value<'_>, right: Value<'_>) -> Result<bool, Malformed> {
    matches(left, right, false, 0)
}

/// Whether `value` is `model`, or with `open` holds it. Numbers are compared by value; past
/// [`DEEPEST`] levels nothing matches.
fn matches(
    model: Value<'_>,
    value: Value<'_>,
    open: bool,
    depth: usize,
) -> Result<bool, Malformed> {
    if depth > DEEPEST {
        return Ok(false);
    }
    match (model, value) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        (Value::Number(left), Value::Number(right)) => Ok(left == right),
        (Value::String(left), Value::String(right)) => Ok(left == right),
        (Value::Array(model), Value::Array(array)) if open => {
            for wanted in model.iter() {
                let wanted = wanted?;
                let mut found = false;
                for item in array.iter() {
                    found = found || matches(wanted, item?, open, depth + 1)?;
                }
                if !found {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Array(model), Value::Array(array)) => {
            if model.len() != array.len() {
                return Ok(false);
            }
            for (wanted, item) in model.iter().zip(array.iter()) {
                if !matches(wanted?, item?, open, depth + 1)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Object(model), Value::Object(object)) => {
            if !open && model.len() != object.len() {
                return Ok(false);
            }
            for member in model.iter() {
                let (name, wanted) = member?;
                let found = match object.get(name)? {
                    Some(value) => matches(wanted, value, open, depth + 1)?,
                    None => false,
                };
                if !found {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}
