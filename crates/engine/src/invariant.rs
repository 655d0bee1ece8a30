//! Invariants: what must hold between the members of one object.

use crate::definition::expect::{self, mistake};
use crate::issue::{Code, Report};
use crate::lexical;
use crate::trail::Trail;
use jsonb::{Malformed, Object, Value};

/// An invariant of a compiled object, whose members have numbers.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) invariant: Invariant,
    /// Its members among the first 64; `None` where some are not.
    members: Option<(u64, u64)>,
}

impl Relation {
    /// `number` gives a member's place in its object.
    pub(crate) fn new(invariant: Invariant, number: impl Fn(&str) -> Option<usize>) -> Self {
        let bit = |name: &str| number(name).filter(|at| *at < 64).map(|at| 1_u64 << at);
        let members = match &invariant {
            Invariant::Ordered(first, second) | Invariant::Requires(first, second) => {
                bit(first).zip(bit(second))
            }
            Invariant::Some(names) => {
                let bits: Option<Vec<u64>> = names.iter().map(|name| bit(name)).collect();
                bits.map(|bits| (bits.into_iter().fold(0, |all, bit| all | bit), 0))
            }
        };
        Self { invariant, members }
    }

    /// Whether it holds for an object of which the first 64 members that are there are known.
    #[inline]
    pub(crate) fn holds(&self, object: Object<'_>, there: u64) -> Result<bool, Malformed> {
        match (&self.invariant, self.members) {
            (Invariant::Requires(..), Some((first, second))) => {
                Ok(there & first == 0 || there & second != 0)
            }
            (Invariant::Some(_), Some((any, _))) => Ok(there & any != 0),
            (Invariant::Ordered(..), Some((first, second)))
                if there & first == 0 || there & second == 0 =>
            {
                Ok(true)
            }
            _ => self.invariant.holds(object),
        }
    }
}

/// A relation between members, by their names.
#[derive(Debug, Clone)]
pub(crate) enum Invariant {
    /// The first is not after the second, as far as their precision tells.
    Ordered(Box<str>, Box<str>),
    /// The first only stands beside the second.
    Requires(Box<str>, Box<str>),
    /// At least one stands.
    Some(Box<[Box<str>]>),
}

impl Invariant {
    fn holds(&self, object: Object<'_>) -> Result<bool, Malformed> {
        let has = |name: &str| -> Result<bool, Malformed> {
            Ok(!matches!(
                object.get(name.as_bytes())?,
                None | Some(Value::Null)
            ))
        };
        match self {
            Self::Ordered(first, second) => {
                let (first, second) = (
                    object.get(first.as_bytes())?,
                    object.get(second.as_bytes())?,
                );
                let (Some(Value::String(first)), Some(Value::String(second))) = (first, second)
                else {
                    return Ok(true);
                };
                let moments = (lexical::datetime(first), lexical::datetime(second));
                Ok(match moments {
                    (Some(first), Some(second)) => {
                        first.compare(&second) != Some(std::cmp::Ordering::Greater)
                    }
                    _ => true,
                })
            }
            Self::Requires(first, second) => Ok(!has(first)? || has(second)?),
            Self::Some(names) => {
                for name in names {
                    if has(name)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Ordered(first, second) => format!("expected {first} not after {second}"),
            Self::Requires(first, second) => format!("expected {second} beside {first}"),
            Self::Some(names) => format!("expected at least one of {}", names.join(", ")),
        }
    }
}

/// An invariant of FHIR, stated by an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(dead_code)]
pub(crate) struct Stated {
    pub(crate) key: Box<str>,
    /// Whether it refuses.
    pub(crate) is_error: bool,
    /// What it means, for people.
    pub(crate) human: Box<str>,
    /// As the definition has it.
    pub(crate) expression: Box<str>,
}

/// How long the key of an invariant is at most, in bytes.
pub(crate) const LONGEST_KEY: usize = 64;
/// How long the words for an invariant are at most, in bytes.
pub(crate) const LONGEST_HUMAN: usize = 1_000;

/// Reads `[{"ordered": [a, b]}, {"requires": [a, b]}, {"some": [a, …]}]`, and those that are stated
/// by an expression, as they are in FHIR.
pub(crate) fn read_invariants(
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<(Vec<Invariant>, Vec<Stated>), Malformed> {
    let (mut invariants, mut stated) = (Vec::new(), Vec::new());
    let Some(array) = expect::array(value, at, report) else {
        return Ok((invariants, stated));
    };
    for (index, item) in array.iter().enumerate() {
        let at = at.index(index);
        let Some(object) = expect::object(item?, &at, report) else {
            continue;
        };
        if object.get(b"expression")?.is_some() {
            stated.extend(read_stated(object, &at, report)?);
            continue;
        }
        for member in object.iter() {
            let (key, value) = member?;
            let at = at.name(key);
            let names = read_names(value, &at, report)?;
            match (key, &*names) {
                (b"ordered", [first, second]) => {
                    invariants.push(Invariant::Ordered(first.clone(), second.clone()));
                }
                (b"requires", [first, second]) => {
                    invariants.push(Invariant::Requires(first.clone(), second.clone()));
                }
                (b"some", [_, ..]) => invariants.push(Invariant::Some(names.into())),
                _ => mistake(
                    report,
                    Code::Structure,
                    &at,
                    "expected ordered, requires or some",
                ),
            }
        }
    }
    Ok((invariants, stated))
}

/// Reads `{"key", "severity", "human"?, "expression"}`.
fn read_stated(
    object: Object<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<Stated>, Malformed> {
    let (mut key, mut severity, mut human, mut expression) = (None, None, None, None);
    for member in object.iter() {
        let (name, value) = member?;
        let at = at.name(name);
        let (place, longest) = match name {
            b"key" => (&mut key, LONGEST_KEY),
            b"severity" => (&mut severity, LONGEST_KEY),
            b"human" => (&mut human, LONGEST_HUMAN),
            b"expression" => (&mut expression, fhirpath::LONGEST),
            _ => {
                let members = ["key", "severity", "human", "expression"];
                expect::unknown(report, &at, name, &members);
                continue;
            }
        };
        *place = match value {
            // Words may be missing.
            Value::String(b"") if name == b"human" => None,
            _ => expect::string(value, &at, report)?,
        };
        if place.is_some_and(|text| text.len() > longest) {
            let expected = format!("expected at most {longest} bytes");
            mistake(report, Code::TooCostly, &at, expected);
            return Ok(None);
        }
    }
    let is_error = match severity {
        Some("error") => true,
        Some("warning") => false,
        _ => {
            let expected = "expected error or warning";
            mistake(report, Code::Value, &at.name(b"severity"), expected);
            return Ok(None);
        }
    };
    let (Some(key), Some(expression)) = (key, expression) else {
        mistake(
            report,
            Code::Required,
            at,
            "expected a key and an expression",
        );
        return Ok(None);
    };
    Ok(Some(Stated {
        key: key.into(),
        is_error,
        human: human.unwrap_or_default().into(),
        expression: expression.into(),
    }))
}

fn read_names(
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Vec<Box<str>>, Malformed> {
    let mut names = Vec::new();
    for (index, name) in expect::array(value, at, report)
        .iter()
        .flat_map(|array| array.iter().enumerate())
    {
        if let Some(name) = expect::string(name?, &at.index(index), report)? {
            names.push(name.into());
        }
    }
    Ok(names)
}
