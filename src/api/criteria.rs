//! Criteria: `{"address.city": "Toronto", "practiceNumber": [1, 2]}`, as conditions on data.

use crate::pg::{Error, Result, State};
use crate::store::Guarded;
use crate::store::criteria::{Condition, document};
use ingest_engine::jsonb::{Item, Value};

/// Criteria that were understood: every one must hold.
pub struct Criteria {
    /// One condition for each criterion.
    pub conditions: Vec<Condition>,
    canonical: String,
}

impl Criteria {
    /// Reads criteria: a key is a property path of the profile, a value is one that the property
    /// can have, or an array of such of which any will do.
    pub fn read(guarded: &Guarded, criteria: Value<'_>) -> Result<Self> {
        let Value::Object(object) = criteria else {
            return Err(bad("criteria are not an object"));
        };
        if object.is_empty() {
            return Err(bad("criteria are empty"));
        }
        let mut conditions = Vec::new();
        let mut canonical = String::new();
        for member in object.iter() {
            let (key, value) = member?;
            let path = path_of(guarded, key)?;
            let mut alternatives = match value {
                Value::Array(items) => items
                    .iter()
                    .map(|item| alternative(path, item?))
                    .collect::<Result<Vec<_>>>()?,
                single => vec![alternative(path, single)?],
            };
            if alternatives.is_empty() {
                return Err(bad("a criterion has an empty array of values"));
            }
            // Sorted, so that criteria that mean the same have the same form and the same lock.
            alternatives.sort();
            alternatives.dedup_by(|a, b| a.0 == b.0);
            for (text, _) in &alternatives {
                canonical.push_str(path);
                canonical.push('=');
                canonical.push_str(text);
                canonical.push('\n');
            }
            canonical.push('&');
            let any = alternatives
                .into_iter()
                .map(|(_, document)| document)
                .collect();
            conditions.push(Condition { any });
        }
        Ok(Self {
            conditions,
            canonical,
        })
    }

    /// What callers with the same criteria have in common.
    pub fn lock_key(&self, guarded: &Guarded) -> String {
        format!(
            "ingest\n{}\n{}\n{}",
            guarded.source_name(),
            guarded.name(),
            self.canonical
        )
    }
}

/// The value's canonical text (numbers without trailing zeros), and the document that holds it.
fn alternative(path: &str, value: Value<'_>) -> Result<(String, Vec<u8>)> {
    let text = match value {
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => {
            let text = number.to_string();
            match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                false => text,
            }
        }
        Value::String(bytes) => {
            format!(
                "{:?}",
                std::str::from_utf8(bytes).map_err(|_| Error::Corrupt)?
            )
        }
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(bad(
                "a criterion's value is not a string, number or boolean",
            ));
        }
    };
    Ok((text, document(path, Item::Copy(value))?))
}

/// The full path (`name[].given[]`) of the property that a criterion names (`name.given`).
fn path_of<'g>(guarded: &'g Guarded, key: &[u8]) -> Result<&'g str> {
    let mut found = None;
    for property in &guarded.description.properties {
        if property
            .path
            .bytes()
            .filter(|byte| !matches!(byte, b'[' | b']'))
            .eq(key.iter().copied())
        {
            found = Some(property);
        }
    }
    match found {
        Some(property) if property.kind == "object" => Err(bad(
            "a criterion names an object; name one of its properties",
        )),
        Some(property) => Ok(&property.path),
        None => Err(bad(
            "a criterion names a property that the profile does not have",
        )),
    }
}

fn bad(message: &str) -> Error {
    Error::refuse(State::BadRequest, message)
        .hint("Criteria are {\"property.path\": value}; an array of values means any of them.")
}
