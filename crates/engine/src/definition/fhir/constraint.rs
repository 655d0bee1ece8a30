//! The constraints of an element, as invariants of a row.

use super::element::{Element, text};
use super::unchecked::{Told, shortened};
use crate::definition::expect::{self, mistake};
use crate::invariant::{LONGEST_HUMAN, LONGEST_KEY};
use crate::issue::{Code, Report};
use crate::trail::Trail;
use fhirpath::errata::repaired;
use jsonb::{Item, Malformed, Value, memory, steps};

/// How many constraints an element can have.
const MOST_CONSTRAINTS: usize = 200;

/// Reads `constraint`. What cannot be an invariant is told.
pub(super) fn read<'a>(
    element: &Element<'a>,
    unchecked: &mut Told,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Vec<Item<'a>>, Malformed> {
    let mut invariants = Vec::new();
    let at = at.name(b"constraint");
    let constraints = match element.object.get(b"constraint")? {
        None | Some(Value::Null) => return Ok(invariants),
        Some(value) => expect::array(value, &at, report),
    };
    if constraints.is_some_and(|array| array.len() > MOST_CONSTRAINTS) {
        let expected = format!("expected at most {MOST_CONSTRAINTS} constraints");
        mistake(report, Code::TooCostly, &at, expected);
        return Ok(invariants);
    }
    let constraints = constraints.iter().flat_map(|array| array.iter());
    for (index, constraint) in constraints.enumerate() {
        steps::take(1)?;
        let at = at.index(index);
        let Some(constraint) = expect::object(constraint?, &at, report) else {
            continue;
        };
        let key = text(constraint, "key", &at, report)?.unwrap_or_default();
        let severity = text(constraint, "severity", &at, report)?.unwrap_or_default();
        let human = text(constraint, "human", &at, report)?.unwrap_or_default();
        let expression = text(constraint, "expression", &at, report)?;
        match wrong(key, severity, expression) {
            Some(why) => {
                let reason = format!("{}: {why}", shortened(key, LONGEST_KEY));
                unchecked.tell(element, "constraint", &reason);
            }
            None => {
                memory::reserve(&mut invariants, 1)?;
                invariants.push(Item::Members(vec![
                    (b"key", Item::Text(key)),
                    (b"severity", Item::Text(severity)),
                    (b"human", Item::Text(shortened(human, LONGEST_HUMAN))),
                    (b"expression", Item::Text(expression.unwrap_or_default())),
                ]));
            }
        }
    }
    Ok(invariants)
}

/// Why a constraint cannot be an invariant.
fn wrong(key: &str, severity: &str, expression: Option<&str>) -> Option<String> {
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Some(format!("expected a key of 1 to {LONGEST_KEY} bytes"));
    }
    if !matches!(severity, "error" | "warning") {
        return Some("expected severity error or warning".to_owned());
    }
    let Some(expression) = expression else {
        return Some("no expression".to_owned());
    };
    let refused = fhirpath::parse(repaired(key, expression)).err();
    refused.map(|refused| refused.to_string())
}
