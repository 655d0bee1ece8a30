//! Reading conditions, and looking up what they ask about.

use super::{Condition, Test};
use crate::base::Base;
use crate::definition::expect::{self, mistake};
use crate::issue::{Code, Report};
use crate::lexical::{Fixed, Lexical, moment};
use crate::path;
use crate::profile::Profile;
use crate::rule::Decimal;
use crate::schema::Schema;
use crate::trail::Trail;
use jsonb::{Malformed, Value};
use std::cmp::Ordering;

/// A condition as it was read, its path not looked up yet.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Where in the definition it stands.
    at: String,
    side: Ordering,
    path: String,
    value: Operand,
}

#[derive(Debug)]
enum Operand {
    Text(String),
    Number(Decimal),
    Flag(bool),
}

/// Reads `when`.
pub(crate) fn read_when(
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Vec<Asked>, Malformed> {
    let mut asked = Vec::new();
    let Some(operators) = expect::object(value, at, report) else {
        return Ok(asked);
    };
    if operators.is_empty() {
        mistake(report, Code::Invalid, at, "expected eq, lt or gt");
    }
    for member in operators.iter() {
        let (operator, paths) = member?;
        let at = at.name(operator);
        let side = match operator {
            b"eq" => Ordering::Equal,
            b"lt" => Ordering::Less,
            b"gt" => Ordering::Greater,
            _ => {
                mistake(report, Code::Structure, &at, "expected eq, lt or gt");
                continue;
            }
        };
        let Some(paths) = expect::object(paths, &at, report) else {
            continue;
        };
        for member in paths.iter() {
            let (path, value) = member?;
            let at = at.name(path);
            let value = match value {
                Value::String(text) => Operand::Text(String::from_utf8_lossy(text).into_owned()),
                Value::Number(number) => Operand::Number(Decimal::new(number)?),
                Value::Bool(flag) => Operand::Flag(flag),
                _ => {
                    mistake(
                        report,
                        Code::Structure,
                        &at,
                        "expected string, number or boolean",
                    );
                    continue;
                }
            };
            asked.push(Asked {
                at: at.render(),
                side,
                path: String::from_utf8_lossy(path).into_owned(),
                value,
            });
        }
    }
    Ok(asked)
}

impl Asked {
    /// Looks up its path in the profile of the property at `owner`, and fits its value to the type
    /// that stands there.
    pub(crate) fn resolve(
        self,
        owner: &str,
        schema: &Schema,
        profile: &Profile,
        report: &mut Report,
    ) -> Option<Condition> {
        let at = Trail::root(&self.at);
        let (current, asked) = match self.path.split_once("[current]") {
            None => (false, self.path.as_str()),
            Some((before, after)) => {
                let above = owner.rsplit_once('.').map_or("", |(above, _)| above);
                let before = before.trim_end_matches('.').replace("[]", "");
                if !before.is_empty() && before != above.replace("[]", "") {
                    let expected = "expected [current] to be the object that holds the property";
                    mistake(report, Code::Invalid, &at, expected);
                    return None;
                }
                (true, after.trim_start_matches('.'))
            }
        };
        let whole = match (current, owner.rsplit_once('.')) {
            (true, Some((above, _))) => format!("{}.{asked}", above.replace("[]", "")),
            _ => asked.to_owned(),
        };
        // A named type cannot be asked for here: what it is may be defined later.
        let Ok(Ok(found)) = path::find(schema, profile, &whole) else {
            let expected = "expected the path of a property";
            mistake(report, Code::NotFound, &at, expected);
            return None;
        };
        match test(self.side, self.value, &found.base) {
            Ok(test) => Some(Condition {
                current,
                path: asked.split('.').map(Into::into).collect(),
                test,
            }),
            Err(expected) => {
                mistake(report, Code::Invalid, &at, expected);
                None
            }
        }
    }
}

/// The question that a value puts to a type, or what is expected in its place.
fn test(side: Ordering, value: Operand, base: &Base) -> Result<Test, &'static str> {
    if let (Ordering::Equal, Operand::Text(text)) = (side, &value)
        && text == "*"
    {
        return Ok(Test::Present);
    }
    match (base, value) {
        (Base::Integer(..) | Base::Decimal, Operand::Number(bound)) => {
            Ok(Test::Number(side, bound))
        }
        (Base::Integer(..) | Base::Decimal, _) => Err("expected number"),
        (Base::Text(lexical), Operand::Text(text)) if lexical.is_temporal() => {
            match moment(*lexical, text.as_bytes()) {
                Some(bound) => Ok(Test::Moment(side, *lexical, Fixed::new(bound, &text))),
                None => Err(lexical.expected()),
            }
        }
        (_, _) if side.is_ne() => Err("expected on a number, a date or a time"),
        (Base::Text(lexical), Operand::Text(text)) => {
            let fold = *lexical == Lexical::Symbol;
            let text = if fold { text.to_lowercase() } else { text };
            Ok(Test::Text {
                parts: text.split('*').map(Into::into).collect(),
                fold,
            })
        }
        (Base::Text(_), _) => Err("expected string"),
        (Base::Boolean, Operand::Flag(flag)) => Ok(Test::Flag(flag)),
        (Base::Boolean, _) => Err("expected boolean"),
        _ => Err("expected \"*\""),
    }
}
