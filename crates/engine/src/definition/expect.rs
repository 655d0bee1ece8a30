//! Reading a definition's values: each function gives the value of the kind that is expected, or
//! reports that it is not.

use crate::issue::{Code, Issue, Report};
use crate::trail::Trail;
use jsonb::{Array, Malformed, Object, Value};
use text::near::meant;

/// Reports a mistake in a definition.
pub(crate) fn mistake(
    report: &mut Report,
    code: Code,
    at: &Trail<'_>,
    expected: impl Into<String>,
) {
    report.push(Issue::error(code, at.render(), expected));
}

/// Reports a member that is none of `members`.
pub(crate) fn unknown(report: &mut Report, at: &Trail<'_>, key: &[u8], members: &[&str]) {
    // Of what is told no more, nothing is looked for.
    let expected = match (report.is_complete(), members) {
        (false, [others @ .., last]) if !others.is_empty() => {
            let all = format!("expected {} or {last}", others.join(", "));
            meant(&all, key, members.iter().copied())
        }
        _ => "expected another member".to_owned(),
    };
    mistake(report, Code::Structure, at, expected);
}

pub(crate) fn object<'a>(
    value: Value<'a>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Option<Object<'a>> {
    if let Value::Object(object) = value {
        return Some(object);
    }
    mistake(report, Code::Structure, at, "expected object");
    None
}

pub(crate) fn array<'a>(
    value: Value<'a>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Option<Array<'a>> {
    if let Value::Array(array) = value {
        return Some(array);
    }
    mistake(report, Code::Structure, at, "expected array");
    None
}

pub(crate) fn boolean(value: Value<'_>, at: &Trail<'_>, report: &mut Report) -> Option<bool> {
    if let Value::Bool(flag) = value {
        return Some(flag);
    }
    mistake(report, Code::Structure, at, "expected boolean");
    None
}

/// A string that is not empty.
pub(crate) fn string<'a>(
    value: Value<'a>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<&'a str>, Malformed> {
    let Value::String(bytes) = value else {
        mistake(report, Code::Structure, at, "expected string");
        return Ok(None);
    };
    if bytes.is_empty() {
        mistake(report, Code::Invalid, at, "expected at least one character");
        return Ok(None);
    }
    std::str::from_utf8(bytes).map(Some).map_err(|_| Malformed)
}

/// A whole number that is not negative.
pub(crate) fn size(value: Value<'_>, at: &Trail<'_>, report: &mut Report) -> Option<usize> {
    let Value::Number(number) = value else {
        mistake(report, Code::Structure, at, "expected integer");
        return None;
    };
    let size = number.as_i64().and_then(|size| usize::try_from(size).ok());
    if size.is_none() {
        mistake(
            report,
            Code::Invalid,
            at,
            "expected a whole number, at least 0",
        );
    }
    size
}
