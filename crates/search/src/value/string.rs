//! Strings: FHIR R4, section 3.1.1.4.8.

use super::{Expected, Test, text, text_of};
use crate::escape::{escaped, plain};
use crate::leaf::Leaf;
use crate::normal::normal;
use jsonb::{Malformed, Value};

/// How many characters at the beginning of a string an index holds.
pub(crate) const INDEXED: usize = 8;

/// A text, as it is compared: as it is for `:exact`, else without case, accents and repeated space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted(pub(crate) String);

impl Wanted {
    pub(crate) fn read(raw: &str, test: Test) -> Result<Self, Expected> {
        let given = plain(raw).ok_or(ESCAPES)?;
        let wanted = match test {
            Test::Exact => given,
            _ => normal(&given).unwrap_or_default(),
        };
        match wanted.is_empty() {
            true => Err("a text"),
            false => Ok(Self(wanted)),
        }
    }

    pub(crate) fn spelled(&self) -> String {
        escaped(&self.0)
    }

    pub(crate) fn is_met(
        &self,
        leaf: Leaf,
        value: Value<'_>,
        test: Test,
    ) -> Result<bool, Malformed> {
        let mut met = false;
        each(leaf, value, &mut |part| {
            met = met
                || match test {
                    Test::Exact => part == self.0,
                    Test::Contains => normal(part)?.contains(&self.0),
                    _ => normal(part)?.starts_with(&self.0),
                };
            Ok(())
        })?;
        Ok(met)
    }

    /// The beginning that an index finds it by.
    pub(crate) fn indexed(&self) -> Option<String> {
        let normal = normal(&self.0).ok()?;
        let beginning: String = normal.chars().take(INDEXED).collect();
        (!beginning.is_empty()).then_some(beginning)
    }
}

/// What a wrong escape is told.
pub(crate) const ESCAPES: Expected = "\\ only before , | $ or \\";

const NAME: [&[u8]; 5] = [b"text", b"family", b"given", b"prefix", b"suffix"];
const ADDRESS: [&[u8]; 7] = [
    b"text",
    b"line",
    b"city",
    b"district",
    b"state",
    b"postalCode",
    b"country",
];

/// Tells every string of a value.
pub(crate) fn each<'v>(
    leaf: Leaf,
    value: Value<'v>,
    told: &mut dyn FnMut(&'v str) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let parts: &[&[u8]] = match leaf {
        Leaf::HumanName => &NAME,
        Leaf::Address => &ADDRESS,
        _ => return text(value).map_or(Ok(()), told),
    };
    let Value::Object(object) = value else {
        return Ok(());
    };
    for part in parts {
        match object.get(part)? {
            Some(Value::Array(items)) => {
                for item in items {
                    text(item?).map_or(Ok(()), &mut *told)?;
                }
            }
            Some(_) => text_of(object, part)?.map_or(Ok(()), &mut *told)?,
            None => {}
        }
    }
    Ok(())
}
