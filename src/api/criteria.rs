//! Criteria: `{"address.city": "Toronto", "practiceNumber": [1, 2]}`, as conditions on data.

use crate::pg::{Error, Result, State};
use crate::store::Guarded;
use crate::store::criteria::Condition;
use crate::store::index::full_path;
use ingest_engine::jsonb::Value;

/// Criteria that were understood: every one must hold.
pub struct Criteria {
    /// One condition for each criterion.
    pub conditions: Vec<Condition>,
    canonical: String,
    is_identity: bool,
}

impl Criteria {
    /// Reads criteria: a key is a property path of the profile, a value is one that the property
    /// can have, or an array of such of which any will do.
    pub fn read(guarded: &Guarded, criteria: Value<'_>) -> Result<Self> {
        let Value::Object(object) = criteria else {
            return Err(bad("criteria are not an object"));
        };
        let mut conditions = Vec::new();
        let mut canonical = String::new();
        for member in object.iter() {
            let (key, value) = member?;
            let path = path_of(guarded, key)?;
            let mut values = match value {
                Value::Array(items) => items
                    .iter()
                    .map(|item| Ok((canonical_text(item?)?, item?)))
                    .collect::<Result<Vec<_>>>()?,
                single => vec![(canonical_text(single)?, single)],
            };
            if values.is_empty() {
                return Err(bad("a criterion has an empty array of values"));
            }
            // Sorted, so that criteria that mean the same have the same form and the same lock.
            values.sort_by(|a, b| a.0.cmp(&b.0));
            values.dedup_by(|a, b| a.0 == b.0);
            canonical.push_str(path);
            for (text, _) in &values {
                canonical.push('\n');
                canonical.push_str(text);
            }
            canonical.push_str("\n&\n");
            let values: Vec<Value<'_>> = values.into_iter().map(|(_, value)| value).collect();
            conditions.push(Condition::new(guarded, path, &values)?);
        }
        let is_identity = conditions.iter().all(|condition| condition.any.len() == 1)
            && guarded.indexes.iter().any(|index| {
                index.unique
                    && index.paths.len() == conditions.len()
                    && conditions.iter().all(|at| index.paths.contains(&at.path))
            });
        Ok(Self {
            conditions,
            canonical,
            is_identity,
        })
    }

    /// Refuses criteria that say nothing: for who would write by them.
    pub fn not_empty(self) -> Result<Self> {
        if self.conditions.is_empty() {
            return Err(bad("criteria are empty"));
        }
        Ok(self)
    }

    /// Whether they name a declared identity, so that its unique index keeps writers apart.
    pub fn is_identity(&self) -> bool {
        self.is_identity
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

/// A value's text, the same for all spellings of a number.
fn canonical_text(value: Value<'_>) -> Result<String> {
    Ok(match value {
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
    })
}

/// The full path (`name[].given[]`) of the property that a criterion names (`name.given`).
fn path_of<'g>(guarded: &'g Guarded, key: &[u8]) -> Result<&'g str> {
    let key = std::str::from_utf8(key).map_err(|_| Error::Corrupt)?;
    full_path(&guarded.description, key)
        .ok_or_else(|| bad("a criterion names a property that the profile does not have"))
}

fn bad(message: &str) -> Error {
    Error::refuse(State::BadRequest, message)
        .hint("Criteria are {\"property.path\": value}; an array of values means any of them.")
}
