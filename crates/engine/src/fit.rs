//! Whether the values at the paths of a key fit into a B-tree. PostgreSQL refuses longer ones when it
//! writes the index, and says neither which they are nor where.

use crate::issue::{Code, Issue, Report};
use crate::trail::Trail;
use jsonb::{Malformed, Value, steps};

/// What a tuple of a B-tree can hold in bytes: PostgreSQL's `BTMaxItemSize` for pages of 8 kB, which
/// is 2,704, less the tuple's own header. What compression would make of a value does not count: it
/// is nothing that a caller could foresee.
const TUPLE: usize = 2_688;
/// What each value takes beside its bytes: a header, and what aligns it.
const VALUE: usize = 8;
/// What a number takes beside its digits when it stands alone, as JSONB.
const NUMBER: usize = 12;
/// How many bytes of a document hold no value that is too long, for as many paths as an index has.
const SHORT: usize = 2_000;

/// Reports the keys whose values in `data` are longer together than an index over them can hold.
/// Their paths lead through no array; the longest value is where the issue is. It is called before
/// the document is checked, with the same report: the check puts each issue in its place.
pub fn check<'k>(
    profile: &str,
    keys: impl Iterator<Item = &'k [String]>,
    data: Value<'_>,
    report: &mut Report,
) -> Result<(), Malformed> {
    let Value::Object(object) = data else {
        return Ok(());
    };
    if object.as_bytes().len() <= SHORT {
        return Ok(());
    }
    for paths in keys {
        let room = TUPLE.saturating_sub(VALUE * paths.len());
        let (mut size, mut longest) = (0, (0, ""));
        for path in paths {
            steps::take(1)?;
            let length = length(data, path)?;
            size += length;
            longest = longest.max((length, path));
        }
        if size > room {
            let (_, path) = longest;
            let together = if paths.len() > 1 { " together" } else { "" };
            let issue = Issue::error(
                Code::Value,
                expression(&Trail::root(profile), path),
                format!(
                    "expected at most {room} bytes{together}, as much as the index over {} holds",
                    paths.join(", ")
                ),
            );
            report.foresee(path, issue);
        }
    }
    Ok(())
}

/// How many bytes an index holds of what stands at a path.
fn length(data: Value<'_>, path: &str) -> Result<usize, Malformed> {
    let mut value = data;
    for name in path.split('.') {
        value = match value {
            Value::Object(object) => match object.get(name.as_bytes())? {
                Some(value) => value,
                None => return Ok(0),
            },
            _ => return Ok(0),
        };
    }
    Ok(match value {
        Value::String(text) => text.len(),
        Value::Number(number) => NUMBER + number.body().len(),
        // No others are long that a profile lets pass.
        _ => 0,
    })
}

fn expression(at: &Trail<'_>, path: &str) -> String {
    match path.split_once('.') {
        Some((name, rest)) => expression(&at.name(name.as_bytes()), rest),
        None => at.name(path.as_bytes()).render(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::limits::Limits;
    use jsonb::from_text;

    fn told(paths: &[&str], data: &str) -> Vec<(String, String)> {
        let bytes = from_text(data).unwrap();
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let mut report = Report::new(Limits::default());
        let keys = std::iter::once(paths.as_slice());
        check("pt", keys, Value::read(&bytes).unwrap(), &mut report).unwrap();
        report.come_to_end();
        let issues = report.into_issues().into_iter();
        issues
            .map(|issue| (issue.expression, issue.diagnostics))
            .collect()
    }

    #[test]
    fn values_are_too_long_alone_or_together() {
        let x = |count| "x".repeat(count);
        assert_eq!(told(&["a"], &format!(r#"{{"a": "{}"}}"#, x(2_680))), []);
        let told_of = told(&["a"], &format!(r#"{{"a": "{}"}}"#, x(2_681)));
        let expected = "expected at most 2680 bytes, as much as the index over a holds";
        assert_eq!(told_of, [("pt.a".to_owned(), expected.to_owned())]);
        // Bytes, and not characters.
        let umlauts = "\u{e4}".repeat(1_341);
        assert_eq!(told(&["a"], &format!(r#"{{"a": "{umlauts}"}}"#)).len(), 1);
        let both = |a, b| format!(r#"{{"a": "{}", "o": {{"b": "{}"}}}}"#, x(a), x(b));
        assert_eq!(told(&["a", "o.b"], &both(1_300, 1_372)), []);
        let told_of = told(&["a", "o.b"], &both(1_300, 1_373));
        let expected =
            "expected at most 2672 bytes together, as much as the index over a, o.b holds";
        assert_eq!(told_of, [("pt.o.b".to_owned(), expected.to_owned())]);
    }

    #[test]
    fn numbers_are_too_long_by_their_digits() {
        // Four decimal digits take two bytes.
        let number = |digits| format!(r#"{{"a": {}}}"#, "7".repeat(digits));
        assert_eq!(told(&["a"], &number(5_000)), []);
        assert_eq!(told(&["a"], &number(6_000)).len(), 1);
    }

    #[test]
    fn what_no_index_holds_may_be_long() {
        let long = "x".repeat(9_000);
        for data in [
            format!(r#"{{"b": "{long}"}}"#),
            format!(r#"{{"b": "{long}", "a": null}}"#),
            format!(r#"{{"b": "{long}", "a": {{"c": 1}}}}"#),
            format!(r#"["{long}"]"#),
        ] {
            assert_eq!(told(&["a", "a.b", "d"], &data), []);
        }
    }
}
