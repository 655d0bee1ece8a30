//! Criteria: `{"name.family": "Doe", "born": {"ge": "1980"}}`, read against a profile. Every
//! criterion must hold. What can hold for no resource of the profile is refused.

mod apart;
mod kept;

use crate::base::Base;
use crate::lexical::Lexical;
use crate::path::{self, Found, Kept, shown};
use crate::profile::Profile;
use crate::resource::Stop;
use crate::schema::Schema;
use jsonb::{Array, Item, Malformed, Object, Value, from_text, write};
use std::fmt::Write as _;

/// One property, and what it must be: every test must hold.
#[derive(Debug, Clone)]
pub struct Criterion {
    /// The property.
    pub found: Found,
    /// At least one test, each there once, in their canonical order.
    pub tests: Vec<Test>,
}

/// What a property must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// One of these: JSONB root containers, each there once, in their canonical order.
    Any(Vec<Vec<u8>>),
    /// On this side of a value, a JSONB root container.
    Bound(Side, Vec<u8>),
    /// A text that begins so.
    Prefix(String),
    /// Not there, or null; or there.
    Missing(bool),
}

/// The side of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It, or greater.
    Ge,
    /// Greater.
    Gt,
    /// It, or less.
    Le,
    /// Less.
    Lt,
}

impl Side {
    /// As SQL writes it.
    pub fn operator(self) -> &'static str {
        match self {
            Self::Ge => ">=",
            Self::Gt => ">",
            Self::Le => "<=",
            Self::Lt => "<",
        }
    }
}

/// Why criteria are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong; holds no value.
    pub message: String,
    /// What would do.
    pub hint: String,
}

enum Fault {
    Stop(Box<Stop>),
    Mistake(Mistake),
}

impl From<Malformed> for Fault {
    fn from(_: Malformed) -> Self {
        Self::Stop(Box::new(Stop::Malformed))
    }
}

/// Reads criteria. A named type that the schema has not been given yet is asked for.
pub fn read(
    schema: &Schema,
    profile: &Profile,
    criteria: Object<'_>,
) -> Result<Result<Vec<Criterion>, Mistake>, Stop> {
    let read = criteria.iter().map(|member| {
        let (key, value) = member?;
        let key = std::str::from_utf8(key).map_err(|_| Malformed)?;
        let found = path::find_kept(schema, profile, key).map_err(Fault::Stop)?;
        let (found, kept) = found.map_err(|lost| {
            Fault::Mistake(Mistake {
                message: lost.message(),
                hint: FORMS.to_owned(),
            })
        })?;
        criterion(schema, found, kept, key, value)
    });
    match read.collect() {
        Ok(read) => Ok(Ok(read)),
        Err(Fault::Mistake(mistake)) => Ok(Err(mistake)),
        Err(Fault::Stop(stop)) => Err(*stop),
    }
}

/// What is expected at a path instead of a code; `None` if something there can be this code, or nothing is
/// there.
pub fn not_a_code(
    schema: &Schema,
    profile: &Profile,
    path: &str,
    code: &str,
) -> Result<Option<String>, Stop> {
    let found = path::find_kept(schema, profile, path).map_err(|stop| *stop)?;
    let Ok((found, kept)) = found else {
        return Ok(None);
    };
    match kept::wrong(schema, &found, kept, Value::String(code.as_bytes())) {
        Ok(expected) => Ok(expected),
        Err(Fault::Mistake(_)) => Ok(None),
        Err(Fault::Stop(stop)) => Err(*stop),
    }
}

/// How many values criteria hold, however they are nested.
pub fn count(criteria: Object<'_>) -> Result<usize, Malformed> {
    let mut count = 0;
    for member in criteria.iter() {
        count += match member?.1 {
            Value::Array(items) => items.iter().try_fold(0, |count, item| {
                Ok::<_, Malformed>(match item? {
                    Value::Array(items) => count + items.len(),
                    _ => count + 1,
                })
            })?,
            Value::Object(tests) => tests.iter().count(),
            _ => 1,
        };
    }
    Ok(count)
}

/// A text that is the same for criteria that mean the same.
pub fn canonical(criteria: &[Criterion]) -> Result<String, Malformed> {
    let mut text = String::new();
    for criterion in criteria {
        text.push_str(&criterion.found.path);
        for test in &criterion.tests {
            text.push('\n');
            text.push_str(&test.canonical()?);
        }
        text.push_str("\n&\n");
    }
    Ok(text)
}

impl Test {
    fn canonical(&self) -> Result<String, Malformed> {
        Ok(match self {
            Self::Any(values) => {
                let mut text = String::from("=");
                for value in values {
                    write!(text, " {}", canonical_value(value)?).map_err(|_| Malformed)?;
                }
                text
            }
            Self::Bound(side, value) => format!("{} {}", side.operator(), canonical_value(value)?),
            Self::Prefix(prefix) => format!("prefix {prefix:?}"),
            Self::Missing(missing) => format!("missing {missing}"),
        })
    }
}

/// A value's text, the same for all spellings of a number.
fn canonical_value(value: &[u8]) -> Result<String, Malformed> {
    Ok(match Value::read(value)? {
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.canonical(),
        Value::String(bytes) => format!("{:?}", std::str::from_utf8(bytes).map_err(|_| Malformed)?),
        Value::Null | Value::Array(_) | Value::Object(_) => return Err(Malformed),
    })
}

fn criterion(
    schema: &Schema,
    found: Found,
    kept: Kept<'_>,
    key: &str,
    value: Value<'_>,
) -> Result<Criterion, Fault> {
    let property = Property {
        schema,
        found: &found,
        kept,
        key,
    };
    property.check_comparable()?;
    let mut tests = match value {
        Value::Object(tests) => property.tests(tests)?,
        Value::Array(items) => property.alternatives(items)?,
        single => vec![Test::Any(vec![property.value(single)?])],
    };
    if tests.len() > 1 {
        let mut keyed = tests
            .drain(..)
            .map(|test| Ok((test.canonical()?, test)))
            .collect::<Result<Vec<_>, Malformed>>()?;
        keyed.sort_by(|a, b| a.0.cmp(&b.0));
        keyed.dedup_by(|a, b| a.0 == b.0);
        tests = keyed.into_iter().map(|(_, test)| test).collect();
    }
    if let Some(wrong) = apart::wrong(&found, &tests)? {
        return Err(property.refuse(wrong));
    }
    Ok(Criterion { found, tests })
}

/// The property of a criterion, under the name that it was given.
struct Property<'c> {
    schema: &'c Schema,
    found: &'c Found,
    kept: Kept<'c>,
    key: &'c str,
}

impl Property<'_> {
    fn refuse(&self, what: &str) -> Fault {
        Fault::Mistake(Mistake {
            message: format!("{} is {}{what}", shown(self.key), self.found.kind()),
            hint: FORMS.to_owned(),
        })
    }

    /// Refuses an object: no value of a criterion equals one.
    fn check_comparable(&self) -> Result<(), Fault> {
        if self.found.base != Base::Object {
            return Ok(());
        }
        Err(Fault::Mistake(Mistake {
            message: self.found.unfit(self.key),
            hint: FORMS.to_owned(),
        }))
    }

    /// `[1, 2]`: any of them. `[[1, 2], [3]]`: one of each.
    fn alternatives(&self, items: Array<'_>) -> Result<Vec<Test>, Fault> {
        let items = items.iter().collect::<Result<Vec<_>, _>>()?;
        if items.iter().any(|item| matches!(item, Value::Array(_))) {
            return items
                .into_iter()
                .map(|item| match item {
                    Value::Array(items) => self.any(&items.iter().collect::<Result<Vec<_>, _>>()?),
                    _ => Err(self.refuse("; use arrays only in its array, or none")),
                })
                .collect();
        }
        Ok(vec![self.any(&items)?])
    }

    fn any(&self, values: &[Value<'_>]) -> Result<Test, Fault> {
        if values.is_empty() {
            return Err(self.refuse("; use at least one value"));
        }
        let mut keyed = values
            .iter()
            .map(|value| {
                let value = self.value(*value)?;
                Ok((canonical_value(&value)?, value))
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        keyed.sort_by(|a, b| a.0.cmp(&b.0));
        keyed.dedup_by(|a, b| a.0 == b.0);
        Ok(Test::Any(
            keyed.into_iter().map(|(_, value)| value).collect(),
        ))
    }

    /// `{"ge": 1, "lt": 5}`, `{"prefix": "Do"}`, `{"missing": true}`
    fn tests(&self, object: Object<'_>) -> Result<Vec<Test>, Fault> {
        let mut tests = Vec::new();
        for member in object.iter() {
            let (name, value) = member?;
            let side = match name {
                b"ge" => Side::Ge,
                b"gt" => Side::Gt,
                b"le" => Side::Le,
                b"lt" => Side::Lt,
                b"prefix" => {
                    tests.push(self.prefix(value)?);
                    continue;
                }
                b"missing" => {
                    tests.push(self.missing(value)?);
                    continue;
                }
                _ => return Err(self.refuse(&format!("; use {}", self.tests_named()))),
            };
            if !self.is_ordered() {
                return Err(self.refuse(", and has no order; use values"));
            }
            tests.push(Test::Bound(side, self.typed(value)?));
        }
        if tests.is_empty() {
            return Err(self.refuse(&format!("; use {}", self.tests_named())));
        }
        Ok(tests)
    }

    fn is_ordered(&self) -> bool {
        matches!(
            self.found.base,
            Base::Integer(_) | Base::Decimal | Base::Text(_)
        )
    }

    fn has_prefixes(&self) -> bool {
        matches!(&self.found.base, Base::Text(lexical) if !lexical.is_temporal())
    }

    fn tests_named(&self) -> &'static str {
        match (self.is_ordered(), self.has_prefixes()) {
            (true, true) => "a value, ge, gt, le, lt, prefix or missing",
            (true, false) => "a value, ge, gt, le, lt or missing",
            _ => "a value or missing",
        }
    }

    fn prefix(&self, value: Value<'_>) -> Result<Test, Fault> {
        if !self.has_prefixes() {
            return Err(self.refuse(&format!("; use {}", self.tests_named())));
        }
        match value {
            // What begins a text of these types is one.
            Value::String(bytes)
                if matches!(
                    &self.found.base,
                    Base::Text(lexical @ (Lexical::Symbol | Lexical::Markdown)) if !lexical.accepts(bytes)
                ) =>
            {
                Err(self.refuse("; use a prefix of at least one character, without controls"))
            }
            Value::String(bytes) if !bytes.is_empty() => {
                let text = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
                Ok(Test::Prefix(text.to_owned()))
            }
            _ => Err(self.refuse("; use a prefix of at least one character")),
        }
    }

    fn missing(&self, value: Value<'_>) -> Result<Test, Fault> {
        match value {
            Value::Bool(missing) => Ok(Test::Missing(missing)),
            // Query strings hold nothing but texts.
            Value::String(b"true") => Ok(Test::Missing(true)),
            Value::String(b"false") => Ok(Test::Missing(false)),
            _ => Err(self.refuse("; missing is true or false")),
        }
    }

    /// A value that the property can have, as a root container.
    fn value(&self, value: Value<'_>) -> Result<Vec<u8>, Fault> {
        let bytes = self.typed(value)?;
        match kept::wrong(self.schema, self.found, self.kept, Value::read(&bytes)?)? {
            None => Ok(bytes),
            Some(expected) => Err(self.refuse(&format!("; {expected}"))),
        }
    }

    /// A value of the property's type, as a root container. A string for a property of numbers or
    /// booleans is taken as that: query strings hold nothing else.
    fn typed(&self, value: Value<'_>) -> Result<Vec<u8>, Fault> {
        if let Value::Null = value {
            return Err(self.refuse("; use {\"missing\": true} for null"));
        }
        let spelled = match (&self.found.base, value) {
            (Base::Integer(_) | Base::Decimal | Base::Boolean, Value::String(bytes)) => {
                let text = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
                from_text(text).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let value = match spelled.is_empty() {
            true => value,
            false => Value::read(&spelled)?,
        };
        match (&self.found.base, value) {
            (Base::Boolean, Value::Bool(_)) | (Base::Decimal, Value::Number(_)) => {}
            (Base::Boolean, _) => return Err(self.refuse("; use true or false")),
            (Base::Decimal, _) => return Err(self.refuse("; use a number")),
            (Base::Integer(width), Value::Number(number)) => {
                let (low, high) = width.bounds();
                let whole = number.as_i64();
                if !whole.is_some_and(|whole| (low..=high).contains(&whole)) {
                    return Err(self.refuse("; use a whole number that it can hold"));
                }
            }
            (Base::Integer(_), _) => return Err(self.refuse("; use a whole number")),
            (Base::Text(lexical), Value::String(text)) if lexical.accepts(text) => {}
            (Base::Text(lexical), Value::String(_)) => {
                return Err(self.refuse(&format!("; {}", lexical.expected())));
            }
            (Base::Text(_), _) => return Err(self.refuse("; use a string")),
            (_, Value::Array(_) | Value::Object(_)) => {
                return Err(self.refuse("; use a string, number or boolean"));
            }
            _ => {}
        }
        Ok(write(&Item::Copy(value)).map_err(|_| Malformed)?)
    }
}

/// What criteria look like.
pub const FORMS: &str =
    "Criteria are {\"property.path\": value}; an array of values means any of them.";
