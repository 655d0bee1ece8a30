//! The paths of `identities` and `indexes`.

use super::expect::{self, mistake};
use crate::issue::{Code, Report};
use crate::path::{self, Found};
use crate::profile::Profile;
use crate::schema::Schema;
use crate::trail::Trail;
use jsonb::steps;
use jsonb::{Malformed, Value};

/// Reads a list of keys, each a list of paths to primitive properties; `through_arrays` also
/// allows paths that meet an array.
pub(super) fn read_paths(
    value: Value<'_>,
    through_arrays: bool,
    at: &Trail<'_>,
    (schema, profile): (&Schema, &Profile),
    report: &mut Report,
) -> Result<Vec<Vec<Found>>, Malformed> {
    let mut keys = Vec::new();
    if matches!(value, Value::Null) {
        return Ok(keys);
    }
    let Some(array) = expect::array(value, at, report) else {
        return Ok(keys);
    };
    for (index, key) in array.iter().enumerate() {
        let at = at.index(index);
        let Some(paths) = expect::array(key?, &at, report) else {
            continue;
        };
        if paths.is_empty() {
            mistake(
                report,
                Code::Invalid,
                &at,
                "expected at least one property path",
            );
        }
        let mut known: Vec<Found> = Vec::new();
        let mut named: Vec<&str> = Vec::new();
        for (index, path) in paths.iter().enumerate() {
            let at = at.index(index);
            let Some(path) = expect::string(path?, &at, report)? else {
                continue;
            };
            steps::take(named.len())?;
            if named.contains(&path) {
                mistake(report, Code::Duplicate, &at, "expected each path once");
                continue;
            }
            // What a named type is may be defined later.
            let Ok(Ok(found)) = path::find(schema, profile, path) else {
                let expected = "expected the path of a property";
                mistake(report, Code::NotFound, &at, expected);
                continue;
            };
            if !found.is_primitive() {
                let mut expected = "expected the path of a primitive property".to_owned();
                if !found.below().is_empty() {
                    expected = format!("{expected}: {}", found.below().join(", "));
                }
                mistake(report, Code::Invalid, &at, expected);
            } else if found.is_many() && !through_arrays {
                let expected = "expected a path through no array";
                mistake(report, Code::Invalid, &at, expected);
            } else {
                named.push(path);
                known.push(found);
            }
        }
        keys.push(known);
    }
    Ok(keys)
}
