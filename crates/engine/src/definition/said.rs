//! What a definition says in words: the descriptions of itself, of its properties and of what it
//! contains, for people and for the tools that they use.

use jsonb::{Malformed, Object, Value, steps};
use std::collections::HashMap;

/// The descriptions of a definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Of the whole.
    pub root: Option<String>,
    /// Of properties, each with its path (`name[].given`), in the order of the definition.
    pub properties: Vec<(String, String)>,
    /// Of the keys of what it contains.
    pub contained: Vec<(String, String)>,
}

impl Said {
    /// Reads the descriptions of a definition that was accepted.
    pub fn read(definition: Value<'_>) -> Result<Self, Malformed> {
        let mut said = Self::default();
        let Value::Object(root) = definition else {
            return Ok(said);
        };
        said.root = text(root)?;
        said.members(root, "")?;
        if let Some(Value::Object(keys)) = root.get(b"contained")? {
            for member in keys.iter() {
                let (key, value) = member?;
                if let Value::Object(one) = value
                    && let Some(text) = text(one)?
                {
                    said.contained.push((name(key), text));
                }
            }
        }
        Ok(said)
    }

    /// The properties and the items of an object or an array at `path`.
    fn members(&mut self, property: Object<'_>, path: &str) -> Result<(), Malformed> {
        if let Some(Value::Object(properties)) = property.get(b"properties")? {
            for member in properties.iter() {
                let (key, value) = member?;
                let path = match path {
                    "" => name(key),
                    _ => format!("{path}.{}", name(key)),
                };
                self.property(value, path)?;
            }
        }
        match property.get(b"items")? {
            Some(items) => self.property(items, format!("{path}[]")),
            None => Ok(()),
        }
    }

    fn property(&mut self, value: Value<'_>, path: String) -> Result<(), Malformed> {
        let Value::Object(property) = value else {
            return Ok(());
        };
        steps::take(1)?;
        if let Some(text) = text(property)? {
            self.properties.push((path.clone(), text));
        }
        self.members(property, &path)
    }

    /// The descriptions of properties, by path.
    pub(crate) fn by_path(&self) -> HashMap<&str, &str> {
        let all = self.properties.iter();
        all.map(|(path, text)| (path.as_str(), text.as_str()))
            .collect()
    }
}

fn text(property: Object<'_>) -> Result<Option<String>, Malformed> {
    Ok(match property.get(b"description")? {
        Some(Value::String(text)) if !text.is_empty() => Some(name(text)),
        _ => None,
    })
}

fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
