//! The complex types that every native definition knows: FHIR R4, "Data Types", without their
//! extensions; `geopoint` is `{"lat", "lng"}` in degrees.
//!
//! They are data (`types.json`), in the language of the definitions, and are compiled as any other
//! description is.

use crate::definition::read_type;
use crate::description::Description;
use jsonb::{Value, from_json};
use std::collections::BTreeMap;
use std::sync::OnceLock;

const TYPES: &str = include_str!("types.json");

/// The description of a built-in type.
pub(crate) fn describe(name: &str) -> Option<&'static Description> {
    descriptions().get(name)
}

/// The names of the built-in types, in order.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    descriptions().keys().map(String::as_str)
}

fn descriptions() -> &'static BTreeMap<String, Description> {
    static DESCRIPTIONS: OnceLock<BTreeMap<String, Description>> = OnceLock::new();
    DESCRIPTIONS.get_or_init(read)
}

fn read() -> BTreeMap<String, Description> {
    let types: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(TYPES).unwrap_or_default();
    types
        .into_iter()
        .filter_map(|(name, definition)| {
            let bytes = from_json(&definition).ok()?;
            let description = read_type(&name, Value::read(&bytes).ok()?).ok()?;
            Some((name, description))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn types_as_data_are_all_read() {
        // No type of the file is dropped for a mistake in it.
        let types: BTreeMap<String, serde_json::Value> = serde_json::from_str(TYPES).unwrap();
        assert_eq!(types.len(), 11);
        for name in types.keys() {
            assert!(describe(name).is_some(), "{name}");
        }
    }
}
