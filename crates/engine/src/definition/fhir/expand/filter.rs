//! Filters of a code system: ValueSet.compose.include.filter.

use super::system::System;
use super::{NotExpanded, objects, text};
use jsonb::{Malformed, Number, Object, Value, steps};
use text::{Dialect, Pattern};

/// How a concept's property is compared.
enum Test<'a> {
    Equal(&'a str),
    In(Vec<&'a str>),
    NotIn(Vec<&'a str>),
    Exists(bool),
    Regex(Box<Pattern>),
}

impl System<'_> {
    /// Which concepts a filter lets through.
    pub(super) fn filter(&self, filter: Object<'_>, url: &str) -> Result<Vec<bool>, NotExpanded> {
        let property = text(filter, "property", url)?.unwrap_or_default();
        let op = text(filter, "op", url)?.unwrap_or_default();
        let value = text(filter, "value", url)?.unwrap_or_default();
        let unanswered = |why: String| NotExpanded::Filter {
            system: super::short(url),
            why: super::short(&why),
        };
        let is_code = matches!(property, "concept" | "code");
        if matches!(op, "is-a" | "descendent-of" | "is-not-a") {
            if !is_code {
                return Err(unanswered(format!("expected {op} on concept")));
            }
            if !self.is_a {
                let why = format!("expected a hierarchy of kinds for {op}");
                return Err(unanswered(why));
            }
            let Some(below) = self.below(value)? else {
                return Err(unanswered(format!("there is no code {value}")));
            };
            let codes = self.iter().map(|(code, _)| code);
            return Ok(codes
                .zip(below)
                .map(|(code, below)| match op {
                    "is-a" => below,
                    "descendent-of" => below && code != value,
                    _ => !below,
                })
                .collect());
        }
        if !is_code && !self.properties.contains(&property) {
            return Err(unanswered(format!("there is no property {property}")));
        }
        let list = || value.split(',').map(str::trim).collect();
        let test = match op {
            "=" => Test::Equal(value),
            "in" => Test::In(list()),
            "not-in" => Test::NotIn(list()),
            "exists" => match value {
                "true" => Test::Exists(true),
                "false" => Test::Exists(false),
                _ => return Err(unanswered("expected true or false for exists".to_owned())),
            },
            // It is about the whole value.
            "regex" => match Pattern::new(&format!("^(?:{value})$"), Dialect::EcmaScript) {
                Ok(pattern) => Test::Regex(Box::new(pattern)),
                Err(why) => return Err(unanswered(why)),
            },
            _ => return Err(unanswered(format!("the operation {op} is not supported"))),
        };
        let mut passed = Vec::with_capacity(self.len());
        for (code, concept) in self.iter() {
            steps::take(1)?;
            let passes = match is_code {
                true => test.accepts([code].into_iter())?,
                false => {
                    let values = values(concept, property, url)?;
                    test.accepts(values.iter().map(String::as_str))?
                }
            };
            passed.push(passes);
        }
        Ok(passed)
    }
}

impl Test<'_> {
    /// Whether a concept that has these values passes.
    fn accepts<'v>(&self, mut values: impl Iterator<Item = &'v str>) -> Result<bool, Malformed> {
        Ok(match self {
            Self::Equal(wanted) => values.any(|value| value == *wanted),
            Self::In(wanted) => values.any(|value| wanted.contains(&value)),
            Self::NotIn(wanted) => values.all(|value| !wanted.contains(&value)),
            Self::Exists(wanted) => values.next().is_some() == *wanted,
            Self::Regex(pattern) => {
                for value in values {
                    if pattern.matches(value.as_bytes())? {
                        return Ok(true);
                    }
                }
                false
            }
        })
    }
}

/// The values of a concept's property, as texts.
fn values(concept: Object<'_>, name: &str, url: &str) -> Result<Vec<String>, NotExpanded> {
    let mut values = Vec::new();
    for property in objects(concept, "property", url)? {
        let property = property?;
        if text(property, "code", url)? != Some(name) {
            continue;
        }
        for member in property.iter() {
            let (key, value) = member?;
            let value = match (key, value) {
                (b"valueCoding", Value::Object(coding)) => coding.get(b"code")?,
                _ if key.starts_with(b"value") => Some(value),
                _ => None,
            };
            match value {
                Some(Value::String(text)) => {
                    values.push(String::from_utf8_lossy(text).into_owned());
                }
                Some(Value::Bool(flag)) => values.push(flag.to_string()),
                Some(Value::Number(number)) => values.extend(short(number)),
                _ => {}
            }
        }
    }
    Ok(values)
}

/// A number as text, if it is not one that takes pages.
fn short(number: Number<'_>) -> Option<String> {
    (number.text_len() <= crate::limits::LONGEST_NUMBER).then(|| number.to_string())
}
