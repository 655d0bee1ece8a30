//! Criteria of FHIR: search parameters and their values, `birthdate=ge1980` or
//! `{"birthdate": {"ge": "1980"}}`.

use super::place;
use super::query::{MOST_KEYS, too_long};
use crate::pg::{Error, Result, State};
use crate::store::Guarded;
use crate::store::parameters::Parameters;
use jsonb::{Object, Value};
use search::{Criterion, FORMS, Kind, Mistake};

/// Reads keys and values, as a query has them.
pub fn read(
    guarded: &Guarded,
    parameters: &Parameters,
    pairs: &[(String, String)],
) -> Result<Vec<Criterion>> {
    let base = place::base(parameters);
    let read = pairs.iter().map(|(key, value)| {
        let code = key.split(':').next().unwrap_or_default();
        if let Some(why) = parameters.why_not(code) {
            let message = format!(
                "the search parameter {code} of {} is not taken: {why}",
                guarded.name()
            );
            return Err(Error::refuse(State::BadRequest, message)
                .hint(format!("There are {}.", parameters.known().join(", "))));
        }
        Criterion::read(
            &|code| parameters.find(code),
            &|| parameters.known(),
            base.as_deref(),
            (key, value),
        )
        .map_err(refused)
    });
    read.collect()
}

/// What is wrong with criteria that nothing can meet: a code that its element cannot have, or what is
/// no boolean, or no id, where there is nothing else.
pub fn in_vain(guarded: &Guarded, criteria: &[Criterion]) -> Result<Option<String>> {
    for criterion in criteria {
        if let Some(expected) = criterion.misfit() {
            let (code, kind) = (criterion.code(), criterion.kind().as_str());
            return Ok(Some(format!(
                "{code} is a parameter of type {kind}; expected {expected}"
            )));
        }
        let Some((paths, codes)) = criterion.codes() else {
            continue;
        };
        for code in codes {
            if let Some(expected) = guarded.not_a_code(&paths, code)? {
                let (code, kind) = (criterion.code(), criterion.kind().as_str());
                return Ok(Some(format!(
                    "{code} is a parameter of type {kind}; {expected}"
                )));
            }
        }
    }
    Ok(None)
}

fn refused(mistake: Mistake) -> Error {
    Error::refuse(State::BadRequest, mistake.message).hint(mistake.hint)
}

fn bad(message: String) -> Error {
    Error::refuse(State::BadRequest, message).hint(FORMS)
}

/// The comparisons that a value can begin with: FHIR R4, section 3.1.1.4.5.
const PREFIXES: [&str; 9] = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];

/// The keys and values of an object: an array means any of its values, an array of arrays all of
/// them, `{"ge": …}` a comparison, `{"missing": true}` a modifier.
pub fn pairs(guarded: &Guarded, object: Object<'_>) -> Result<Vec<(String, String)>> {
    let mut pairs = Pairs(Vec::new());
    for member in object.iter() {
        let (key, value) = member?;
        let key = std::str::from_utf8(key).map_err(|_| Error::Corrupt)?;
        match value {
            Value::Object(tests) => {
                let mut none = true;
                for test in tests.iter() {
                    let (name, value) = test?;
                    let name = std::str::from_utf8(name).map_err(|_| Error::Corrupt)?;
                    none = false;
                    if PREFIXES.contains(&name) {
                        check_ordered(guarded, key)?;
                        pairs.push(key.to_owned(), format!("{name}{}", scalar(value)?))?;
                    } else {
                        pairs.push(format!("{key}:{name}"), any(value)?)?;
                    }
                }
                if none {
                    return Err(no_value());
                }
            }
            Value::Array(items) => {
                let all = items.iter().collect::<std::result::Result<Vec<_>, _>>()?;
                match all.iter().any(|item| matches!(item, Value::Array(_))) {
                    true => {
                        for item in all {
                            pairs.push(key.to_owned(), any(item)?)?;
                        }
                    }
                    false => pairs.push(key.to_owned(), any(value)?)?,
                }
            }
            value => pairs.push(key.to_owned(), scalar(value)?)?,
        }
    }
    Ok(pairs.0)
}

struct Pairs(Vec<(String, String)>);

impl Pairs {
    fn push(&mut self, key: String, value: String) -> Result<()> {
        if self.0.len() == MOST_KEYS {
            return Err(too_long("the criteria have more than 64 keys"));
        }
        self.0.push((key, value));
        Ok(())
    }
}

/// A comparison of what has no order would be taken for a part of the value.
fn check_ordered(guarded: &Guarded, key: &str) -> Result<()> {
    let parameter = guarded.parameters()?.find(key);
    match parameter.map(|at| at.kind) {
        Some(Kind::Date | Kind::Number | Kind::Quantity) | None => Ok(()),
        Some(kind) => Err(bad(format!(
            "{key} is a parameter of type {}, which has no order",
            kind.as_str()
        ))),
    }
}

/// One value, or any of an array.
fn any(value: Value<'_>) -> Result<String> {
    let Value::Array(items) = value else {
        return scalar(value);
    };
    let values = items.iter().map(|item| scalar(item?));
    let values = values.collect::<Result<Vec<_>>>()?;
    match values.is_empty() {
        true => Err(no_value()),
        false => Ok(values.join(",")),
    }
}

/// A value as a query has it: a comma is none that separates.
fn scalar(value: Value<'_>) -> Result<String> {
    Ok(match value {
        Value::String(text) => {
            let text = std::str::from_utf8(text).map_err(|_| Error::Corrupt)?;
            let mut escaped = String::with_capacity(text.len());
            let mut is_escaped = false;
            for character in text.chars() {
                if character == ',' && !is_escaped {
                    escaped.push('\\');
                }
                is_escaped = character == '\\' && !is_escaped;
                escaped.push(character);
            }
            escaped
        }
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return Err(no_value()),
    })
}

fn no_value() -> Error {
    bad("a criterion is no string, number or boolean, and no array of them".to_owned())
}
