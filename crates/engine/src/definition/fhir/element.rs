//! One element of a snapshot, read: FHIR R4, ElementDefinition.

use super::keep::{FHIR_TYPE, REGEX};
use crate::definition::expect::{self, mistake};
use crate::issue::{Code, Report};
use crate::trail::Trail;
use jsonb::{Malformed, Object, Value, memory};

/// How many types an element can have. R4 has 50.
const MOST_TYPES: usize = 200;

/// How many profiles a type can have, or its targets. R4 has up to 146.
const MOST_PROFILES: usize = 500;

/// How many may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Occurs {
    pub(super) min: usize,
    /// `None` for any number.
    pub(super) max: Option<usize>,
    /// Whether they stand in an array: the base decides, whatever is left of it.
    pub(super) many: bool,
}

/// One type that an element can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Type<'a> {
    pub(super) code: &'a str,
    /// The R4 name of one that is FHIRPath's.
    pub(super) fhir: Option<&'a str>,
    pub(super) profiles: Vec<&'a str>,
    pub(super) targets: Vec<&'a str>,
    /// Whether it comes with a regular expression.
    pub(super) regex: bool,
}

/// An element, as far as all of them are alike.
#[derive(Debug)]
pub(super) struct Element<'a> {
    pub(super) object: Object<'a>,
    pub(super) path: &'a str,
    /// Its id; its path if it has none.
    pub(super) id: &'a str,
    pub(super) occurs: Occurs,
    pub(super) types: Vec<Type<'a>>,
    /// The element whose content it has.
    pub(super) content: Option<&'a str>,
}

/// Reads an element; `None` if it was reported.
pub(super) fn read<'a>(
    object: Object<'a>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<Element<'a>>, Malformed> {
    let Some(path) = text(object, "path", at, report)? else {
        let expected = "expected the path of an element";
        mistake(report, Code::Required, &at.name(b"path"), expected);
        return Ok(None);
    };
    let id = text(object, "id", at, report)?.unwrap_or(path);
    let content = text(object, "contentReference", at, report)?;
    let Some(occurs) = occurs(object, at, report)? else {
        return Ok(None);
    };
    let types = types(object, at, report)?;
    Ok(Some(Element {
        object,
        path,
        id,
        occurs,
        types,
        content,
    }))
}

/// A string, if it is there.
pub(super) fn text<'a>(
    object: Object<'a>,
    name: &str,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<&'a str>, Malformed> {
    match object.get(name.as_bytes())? {
        None | Some(Value::Null) => Ok(None),
        Some(value) => expect::string(value, &at.name(name.as_bytes()), report),
    }
}

/// Strings in an array, if it is there.
fn texts<'a>(
    object: Object<'a>,
    name: &str,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Vec<&'a str>, Malformed> {
    let mut texts = Vec::new();
    let at = at.name(name.as_bytes());
    let array = match object.get(name.as_bytes())? {
        None | Some(Value::Null) => return Ok(texts),
        Some(value) => expect::array(value, &at, report),
    };
    if array.is_some_and(|array| array.len() > MOST_PROFILES) {
        let expected = format!("expected at most {MOST_PROFILES} profiles");
        mistake(report, Code::TooCostly, &at, expected);
        return Ok(texts);
    }
    for (index, item) in array.iter().flat_map(|array| array.iter()).enumerate() {
        if let Some(text) = expect::string(item?, &at.index(index), report)? {
            memory::reserve(&mut texts, 1)?;
            texts.push(text);
        }
    }
    Ok(texts)
}

fn occurs(
    object: Object<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<Occurs>, Malformed> {
    let min = match object.get(b"min")? {
        Some(value) => expect::size(value, &at.name(b"min"), report),
        None => {
            let expected = "expected min and max: a snapshot has both";
            mistake(report, Code::Required, &at.name(b"min"), expected);
            None
        }
    };
    let Some(max) = text(object, "max", at, report)? else {
        let expected = "expected min and max: a snapshot has both";
        mistake(report, Code::Required, &at.name(b"max"), expected);
        return Ok(None);
    };
    let base = match object.get(b"base")? {
        Some(Value::Object(base)) => text(base, "max", &at.name(b"base"), report)?,
        _ => None,
    };
    let bound = |max: &str, at: &Trail<'_>, report: &mut Report| match max {
        "*" => Some(None),
        digits => {
            let known = digits.parse::<usize>().ok().map(Some);
            if known.is_none() {
                mistake(report, Code::Invalid, at, "expected a whole number or *");
            }
            known
        }
    };
    let own = bound(max, &at.name(b"max"), report);
    let base = match base {
        Some(base) => bound(base, &at.name(b"base").name(b"max"), report),
        None => own,
    };
    let (Some(min), Some(max), Some(base)) = (min, own, base) else {
        return Ok(None);
    };
    if max.is_some_and(|max| max > 0 && max < min) {
        mistake(
            report,
            Code::Invalid,
            &at.name(b"max"),
            "expected at least min",
        );
        return Ok(None);
    }
    let is_many = |max: Option<usize>| max.is_none_or(|max| max > 1);
    Ok(Some(Occurs {
        min,
        max,
        many: is_many(base) || is_many(max),
    }))
}

fn types<'a>(
    object: Object<'a>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Vec<Type<'a>>, Malformed> {
    let mut types = Vec::new();
    let at = at.name(b"type");
    let array = match object.get(b"type")? {
        None | Some(Value::Null) => return Ok(types),
        Some(value) => expect::array(value, &at, report),
    };
    let Some(array) = array else {
        return Ok(types);
    };
    if array.len() > MOST_TYPES {
        let expected = format!("expected at most {MOST_TYPES} types");
        mistake(report, Code::TooCostly, &at, expected);
        return Ok(types);
    }
    for (index, item) in array.iter().enumerate() {
        let at = at.index(index);
        let Some(object) = expect::object(item?, &at, report) else {
            continue;
        };
        let Some(code) = text(object, "code", &at, report)? else {
            let expected = "expected the name of a type";
            mistake(report, Code::Required, &at.name(b"code"), expected);
            continue;
        };
        let (fhir, regex) = extensions(object)?;
        types.push(Type {
            code,
            fhir,
            profiles: texts(object, "profile", &at, report)?,
            targets: texts(object, "targetProfile", &at, report)?,
            regex,
        });
    }
    Ok(types)
}

/// What the extensions of a type say: its name in R4, and whether it has a regular expression.
fn extensions(object: Object<'_>) -> Result<(Option<&str>, bool), Malformed> {
    let (mut fhir, mut regex) = (None, false);
    let Some(Value::Array(extensions)) = object.get(b"extension")? else {
        return Ok((fhir, regex));
    };
    for extension in extensions.iter() {
        let Value::Object(extension) = extension? else {
            continue;
        };
        let Some(Value::String(url)) = extension.get(b"url")? else {
            continue;
        };
        if url == FHIR_TYPE.as_bytes()
            && let Some(Value::String(name)) = extension.get(b"valueUrl")?
        {
            fhir = std::str::from_utf8(name).ok();
        }
        regex |= url == REGEX.as_bytes();
    }
    Ok((fhir, regex))
}
