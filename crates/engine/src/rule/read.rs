//! Reading the entries of `rules`.

use super::when::read_when;
use super::{Asked, Bound, Decimal, Enumeration, Rule, Settings};
use crate::base::Base;
use crate::definition::expect::{self, mistake};
use crate::description::Cardinality;
use crate::issue::{Code, Report};
use crate::lexical::{Fixed, moment};
use crate::trail::Trail;
use jsonb::{Malformed, Object, Value};
use std::cmp::Ordering;
use text::{Dialect, Pattern};

/// Reads `rules` into the settings of a property of type `base`.
pub(crate) fn read_rules(
    settings: &mut Settings,
    base: &Base,
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<(), Malformed> {
    let mut entries = Vec::new();
    let Some(array) = expect::array(value, at, report) else {
        return Ok(());
    };
    for (index, entry) in array.iter().enumerate() {
        let at = at.index(index);
        if let Some(object) = expect::object(entry?, &at, report) {
            let (rule, asked) = read_rule(base, object, &at, report)?;
            if !asked.is_empty() {
                settings.asked.push((entries.len(), asked));
            }
            entries.push(rule);
        }
    }
    settings.rules.entries = entries.into();
    Ok(())
}

fn read_rule(
    base: &Base,
    object: Object<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<(Rule, Vec<Asked>), Malformed> {
    let mut rule = Rule::default();
    let mut asked = Vec::new();
    for member in object.iter() {
        let (key, value) = member?;
        let at = at.name(key);
        match (key, value) {
            (_, Value::Null) => {}
            (b"required", _) => {
                rule.required |= expect::boolean(value, &at, report).unwrap_or_default();
            }
            (b"cardinality", _) => read_cardinality(&mut rule, base, value, &at, report)?,
            (b"min", _) => rule.min = read_bound(base, value, &at, report)?.or(rule.min),
            (b"max", _) => rule.max = read_bound(base, value, &at, report)?.or(rule.max),
            (b"enum", _) => rule.enumeration = read_enumeration(base, value, &at, report)?,
            (b"pattern", _) => rule.pattern = read_pattern(base, value, &at, report)?,
            (b"when", _) => asked = read_when(value, &at, report)?,
            _ => mistake(
                report,
                Code::Structure,
                &at,
                "expected required, min, max, enum, pattern, when or cardinality",
            ),
        }
    }
    check_order(&rule, at, report)?;
    Ok((rule, asked))
}

/// `0:1 1:1 0:* 1:*`; on an array it counts elements.
fn read_cardinality(
    rule: &mut Rule,
    base: &Base,
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<(), Malformed> {
    let Some(cardinality) = cardinality(value, at, report)? else {
        return Ok(());
    };
    rule.required |= cardinality.required;
    if *base == Base::Array {
        if cardinality.required {
            rule.min = rule.min.take().or(Some(Bound::Count(1)));
        }
        if !cardinality.many {
            rule.max = rule.max.take().or(Some(Bound::Count(1)));
        }
    } else if cardinality.many {
        mistake(
            report,
            Code::Invalid,
            at,
            "expected 0:1 or 1:1, or an array",
        );
    }
    Ok(())
}

/// Reads `0:1 1:1 0:* 1:*`.
pub(crate) fn cardinality(
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<Cardinality>, Malformed> {
    let Some(text) = expect::string(value, at, report)? else {
        return Ok(None);
    };
    let cardinality = Cardinality::parse(text);
    if cardinality.is_none() {
        mistake(report, Code::Invalid, at, "expected 0:1, 1:1, 0:* or 1:*");
    }
    Ok(cardinality)
}

fn read_bound(
    base: &Base,
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<Bound>, Malformed> {
    Ok(match base {
        Base::Integer(..) | Base::Decimal => match value {
            Value::Number(number) => Some(Bound::Value(Decimal::new(number)?)),
            _ => {
                mistake(report, Code::Structure, at, "expected number");
                None
            }
        },
        Base::Text(lexical) if lexical.is_temporal() => {
            let Some(text) = expect::string(value, at, report)? else {
                return Ok(None);
            };
            let moment = moment(*lexical, text.as_bytes());
            if moment.is_none() {
                mistake(report, Code::Invalid, at, lexical.expected());
            }
            moment.map(|moment| Bound::Moment(Fixed::new(moment, text)))
        }
        Base::Text(_) => expect::size(value, at, report).map(Bound::Length),
        Base::Array => expect::size(value, at, report).map(Bound::Count),
        _ => {
            mistake(
                report,
                Code::Invalid,
                at,
                "expected on a number, a string or an array",
            );
            None
        }
    })
}

fn read_enumeration(
    base: &Base,
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<Enumeration>, Malformed> {
    if !matches!(base, Base::Integer(..) | Base::Decimal | Base::Text(_)) {
        mistake(
            report,
            Code::Invalid,
            at,
            "expected on a number or a string",
        );
        return Ok(None);
    }
    let Some(array) = expect::array(value, at, report) else {
        return Ok(None);
    };
    if array.is_empty() {
        mistake(report, Code::Invalid, at, "expected at least one value");
        return Ok(None);
    }
    let (mut strings, mut numbers) = (Vec::new(), Vec::new());
    for (index, item) in array.iter().enumerate() {
        let at = at.index(index);
        match (base, item?) {
            (Base::Integer(width), Value::Number(number)) if width.accepts(&number) => {
                numbers.push(Decimal::new(number)?);
            }
            (Base::Integer(width), Value::Number(_)) => {
                mistake(report, Code::Invalid, &at, width.expected());
            }
            (Base::Decimal, Value::Number(number)) => numbers.push(Decimal::new(number)?),
            (Base::Text(lexical), Value::String(text)) if lexical.accepts(text) => {
                strings.push(std::str::from_utf8(text).map_err(|_| Malformed)?.into());
            }
            (Base::Text(lexical), Value::String(_)) => {
                mistake(report, Code::Invalid, &at, lexical.expected());
            }
            (Base::Text(_), _) => mistake(report, Code::Structure, &at, "expected string"),
            _ => mistake(report, Code::Structure, &at, "expected number"),
        }
    }
    Ok(Some(if matches!(base, Base::Text(_)) {
        Enumeration::strings(strings)
    } else {
        Enumeration::Numbers(numbers.into())
    }))
}

fn read_pattern(
    base: &Base,
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<Pattern>, Malformed> {
    if !matches!(base, Base::Text(_)) {
        mistake(report, Code::Invalid, at, "expected on a string");
        return Ok(None);
    }
    let Some(source) = expect::string(value, at, report)? else {
        return Ok(None);
    };
    Ok(match Pattern::new(source, Dialect::EcmaScript) {
        Ok(pattern) if report.has_room(pattern.size()) => Some(pattern),
        Ok(_) => {
            mistake(
                report,
                Code::TooCostly,
                at,
                "expected smaller patterns, or fewer",
            );
            None
        }
        Err(expected) => {
            mistake(report, Code::Invalid, at, expected);
            None
        }
    })
}

/// Refuses a `min` above its `max`.
fn check_order(rule: &Rule, at: &Trail<'_>, report: &mut Report) -> Result<(), Malformed> {
    let crossed = match (&rule.min, &rule.max) {
        (Some(Bound::Value(min)), Some(Bound::Value(max))) => min.number()? > max.number()?,
        (Some(Bound::Length(min)), Some(Bound::Length(max)))
        | (Some(Bound::Count(min)), Some(Bound::Count(max))) => min > max,
        (Some(Bound::Moment(min)), Some(Bound::Moment(max))) => {
            min.moment().compare(&max.moment()) == Some(Ordering::Greater)
        }
        _ => false,
    };
    if crossed {
        mistake(
            report,
            Code::Invalid,
            &at.name(b"max"),
            "expected at least min",
        );
    }
    Ok(())
}
