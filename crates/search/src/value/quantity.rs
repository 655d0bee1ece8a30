//! Quantities: FHIR R4, section 3.1.1.4.11. Units are compared, not converted.

use super::number::{self, Between, number_of};
use super::string::ESCAPES;
use super::{Expected, text_of};
use crate::escape::{escaped, plain, split};
use crate::leaf::Leaf;
use jsonb::{Malformed, Object, Value};

/// A number, and what is said of its unit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) number: number::Wanted,
    system: Option<String>,
    unit: Option<String>,
}

/// The system of the currencies of Money.
const CURRENCIES: &str = "urn:iso:std:iso:4217";

const FORMS: Expected =
    "number, number|system|code or number||unit: 5.4|http://unitsofmeasure.org|mg, gt100||mg";

impl Wanted {
    pub(crate) fn read(raw: &str) -> Result<Self, Expected> {
        let parts = split(raw, b'|')
            .into_iter()
            .map(|part| plain(part).ok_or(ESCAPES))
            .collect::<Result<Vec<_>, _>>()?;
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        let (number, system, unit) = match parts.as_slice() {
            [number] => (number, None, None),
            [number, system, unit] => (number, given(system), given(unit)),
            _ => return Err(FORMS),
        };
        Ok(Self {
            number: number::Wanted::read(number).map_err(|_| FORMS)?,
            system,
            unit,
        })
    }

    pub(crate) fn spelled(&self) -> String {
        let number = self.number.spelled();
        if self.system.is_none() && self.unit.is_none() {
            return number;
        }
        let part = |text: &Option<String>| text.as_deref().map(escaped).unwrap_or_default();
        format!("{number}|{}|{}", part(&self.system), part(&self.unit))
    }

    pub(crate) fn is_met(&self, leaf: Leaf, value: Value<'_>) -> Result<bool, Malformed> {
        let Value::Object(object) = value else {
            return Ok(false);
        };
        let there = between(leaf, object)?;
        match there {
            Some(there) if self.is_unit_of(leaf, object)? => self.number.holds(&there),
            _ => Ok(false),
        }
    }

    fn is_unit_of(&self, leaf: Leaf, object: Object<'_>) -> Result<bool, Malformed> {
        let quantity = match leaf {
            Leaf::Range => match (object.get(b"low")?, object.get(b"high")?) {
                (Some(Value::Object(end)), _) | (_, Some(Value::Object(end))) => end,
                _ => return Ok(false),
            },
            _ => object,
        };
        let (system, code, unit) = match leaf {
            Leaf::Money => (Some(CURRENCIES), text_of(quantity, b"currency")?, None),
            _ => (
                text_of(quantity, b"system")?,
                text_of(quantity, b"code")?,
                text_of(quantity, b"unit")?,
            ),
        };
        Ok(match (&self.system, &self.unit) {
            (None, None) => true,
            (None, Some(wanted)) => [code, unit].contains(&Some(wanted)),
            (Some(wanted), None) => system == Some(wanted),
            (Some(wanted), Some(code_wanted)) => {
                system == Some(wanted) && code == Some(code_wanted)
            }
        })
    }
}

/// From where to where a quantity is: one with a comparator lies on one side of its value.
pub(crate) fn between<'v>(
    leaf: Leaf,
    object: Object<'v>,
) -> Result<Option<Between<'v>>, Malformed> {
    if leaf == Leaf::Range {
        return Between::of_range(object);
    }
    let Some(number) = number_of(object)? else {
        return Ok(None);
    };
    let (low, high) = match text_of(object, b"comparator")? {
        Some("<" | "<=") => (None, Some(number)),
        Some(">" | ">=") => (Some(number), None),
        _ => (Some(number), Some(number)),
    };
    Ok(Some(Between {
        low,
        high,
        is_whole: false,
    }))
}
