//! What is given at a time: one definition, an array of them, or a Bundle.

use crate::definition::expect::{self, mistake};
use crate::definition::finish;
use crate::issue::{Code, Issue, Report};
use crate::trail::Trail;
use jsonb::{Malformed, Object, Value, memory, steps};

/// How many definitions can be given at a time.
pub const MOST_DEFINITIONS: usize = 100_000;

/// The definitions that are given: a resource by itself, those of an array, or those of a Bundle.
/// Neither stands inside another.
pub fn definitions(given: Value<'_>) -> Result<Vec<Object<'_>>, Vec<Issue>> {
    finish(|report| {
        let root = Trail::root("");
        let mut found = Vec::new();
        match given {
            Value::Array(array) => {
                for (index, item) in array.iter().enumerate() {
                    take(item?, &mut found, &root.index(index), report)?;
                }
            }
            Value::Object(object) if is_bundle(object)? => {
                entries(object, &mut found, &root, report)?;
            }
            Value::Object(_) => take(given, &mut found, &root, report)?,
            _ => mistake(report, Code::Structure, &root, EXPECTED),
        }
        Ok(found)
    })
}

const EXPECTED: &str = "expected a resource, an array of resources or a Bundle";

fn is_bundle(object: Object<'_>) -> Result<bool, Malformed> {
    Ok(matches!(
        object.get(b"resourceType")?,
        Some(Value::String(b"Bundle"))
    ))
}

/// The resources of a Bundle's entries.
fn entries<'a>(
    bundle: Object<'a>,
    found: &mut Vec<Object<'a>>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<(), Malformed> {
    let at = at.name(b"entry");
    let Some(entries) = bundle.get(b"entry")? else {
        return Ok(());
    };
    let Some(entries) = expect::array(entries, &at, report) else {
        return Ok(());
    };
    for (index, entry) in entries.iter().enumerate() {
        let at = at.index(index);
        let Some(entry) = expect::object(entry?, &at, report) else {
            continue;
        };
        let at = at.name(b"resource");
        match entry.get(b"resource")? {
            Some(resource) => take(resource, found, &at, report)?,
            None => mistake(report, Code::Required, &at, "expected a resource"),
        }
    }
    Ok(())
}

fn take<'a>(
    value: Value<'a>,
    found: &mut Vec<Object<'a>>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<(), Malformed> {
    steps::take(1)?;
    let Some(object) = expect::object(value, at, report) else {
        return Ok(());
    };
    match object.get(b"resourceType")? {
        Some(Value::String(b"Bundle")) => {
            let expected = "expected a definition: a Bundle stands by itself only";
            mistake(report, Code::Structure, at, expected);
        }
        Some(Value::String(_)) if found.len() >= MOST_DEFINITIONS => {
            let expected = format!("expected at most {MOST_DEFINITIONS} definitions at a time");
            mistake(report, Code::TooCostly, at, expected);
        }
        Some(Value::String(_)) => {
            memory::reserve(found, 1)?;
            found.push(object);
        }
        _ => mistake(
            report,
            Code::Required,
            &at.name(b"resourceType"),
            "expected the type of a resource",
        ),
    }
    Ok(())
}
