//! `when`: the condition of a rule, a question to other properties of the same resource.
//!
//! `{"eq": {path: value}, "lt": {…}, "gt": {…}}`; all must hold. A path begins at the root, or with
//! `[current]` at the object that holds the property; where it meets an array, any element will do.

use super::Decimal;
use crate::base::Base;
use crate::definition::expect::{self, mistake};
use crate::description::Description;
use crate::issue::{Code, Report};
use crate::jsonb::{Malformed, Object, Value};
use crate::lexical::{Lexical, Moment, moment};
use crate::limits::DEEPEST;
use crate::trail::Trail;
use std::borrow::Cow;
use std::cell::RefCell;
use std::cmp::Ordering;

/// What conditions are asked of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// The root of the data.
    pub(crate) root: Value<'a>,
    /// The object that holds the property.
    pub(crate) current: Option<&'a Object<'a>>,
    /// What was answered before.
    pub(crate) answers: &'a Answers,
}

/// The last answer to each condition, and of which object it was asked: an array of a million
/// elements asks the same a million times.
#[derive(Debug, Default)]
pub(crate) struct Answers(RefCell<Vec<Option<Answer>>>);

/// Where an object lies, and what it answered.
type Answer = (usize, bool);

impl Answers {
    fn get(&self, number: usize, asked: usize) -> Option<bool> {
        match self.0.borrow().get(number) {
            Some(Some((known, answer))) if *known == asked => Some(*answer),
            _ => None,
        }
    }

    fn set(&self, number: usize, asked: usize, answer: bool) {
        let mut answers = self.0.borrow_mut();
        if answers.len() <= number {
            answers.resize(number + 1, None);
        }
        answers[number] = Some((asked, answer));
    }
}

/// The condition of a rule.
#[derive(Debug)]
pub(crate) struct When {
    /// Its own number in its profile.
    pub(crate) number: usize,
    pub(crate) conditions: Box<[Condition]>,
}

/// One question.
#[derive(Debug)]
pub(crate) struct Condition {
    /// From the current object, and not from the root.
    pub(crate) current: bool,
    pub(crate) path: Box<[Box<str>]>,
    pub(crate) test: Test,
}

/// What a value is asked.
#[derive(Debug)]
pub(crate) enum Test {
    /// Is it there?
    Present,
    Flag(bool),
    /// Is it this text? The parts between the asterisks; with `fold` in lower case.
    Text {
        parts: Box<[Box<str>]>,
        fold: bool,
    },
    /// Is it on this side of a number, or the number?
    Number(Ordering, Decimal),
    /// Is it on this side of an instant, or the instant?
    Moment(Ordering, Lexical, Moment),
}

impl When {
    pub(crate) fn holds(&self, scope: &Scope<'_>) -> Result<bool, Malformed> {
        // The root is the same for all that is asked.
        let local = self.conditions.iter().any(|condition| condition.current);
        let asked = match scope.current {
            Some(object) if local => object.as_bytes().as_ptr() as usize,
            _ => 0,
        };
        if let Some(answer) = scope.answers.get(self.number, asked) {
            return Ok(answer);
        }
        let answer = self.ask(scope)?;
        scope.answers.set(self.number, asked, answer);
        Ok(answer)
    }

    fn ask(&self, scope: &Scope<'_>) -> Result<bool, Malformed> {
        for condition in &self.conditions {
            let start = match (condition.current, scope.current) {
                (true, Some(object)) => Value::Object(*object),
                (true, None) => return Ok(false),
                (false, _) => scope.root,
            };
            if !any(start, &condition.path, &condition.test, 0)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether any value at the path passes the test. Past [`DEEPEST`] levels there is none.
fn any(value: Value<'_>, path: &[Box<str>], test: &Test, depth: usize) -> Result<bool, Malformed> {
    if depth > DEEPEST {
        return Ok(false);
    }
    match (value, path) {
        (Value::Array(array), _) => {
            for item in array.iter() {
                if any(item?, path, test, depth + 1)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        (_, []) => test.accepts(value),
        (Value::Object(object), [name, rest @ ..]) => match object.get(name.as_bytes())? {
            Some(value) => any(value, rest, test, depth + 1),
            None => Ok(false),
        },
        _ => Ok(false),
    }
}

impl Test {
    fn accepts(&self, value: Value<'_>) -> Result<bool, Malformed> {
        Ok(match (self, value) {
            (_, Value::Null) => false,
            (Self::Present, _) => true,
            (Self::Flag(flag), Value::Bool(value)) => *flag == value,
            (Self::Text { parts, fold }, Value::String(text)) => {
                let text = std::str::from_utf8(text).map_err(|_| Malformed)?;
                glob(parts, &if *fold { lower(text) } else { text.into() })
            }
            (Self::Number(side, bound), Value::Number(number)) => {
                let order = bound.order(&number)?;
                order == *side || order.is_eq()
            }
            (Self::Moment(side, lexical, bound), Value::String(text)) => moment(*lexical, text)
                .is_some_and(|moment| match moment.compare(bound) {
                    Some(order) => order == *side,
                    None => *side != Ordering::Equal || moment == *bound,
                }),
            _ => false,
        })
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    if text
        .bytes()
        .any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii())
    {
        Cow::Owned(text.to_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether the text is the parts, in order, with anything between two of them.
fn glob(parts: &[Box<str>], text: &str) -> bool {
    let [first, rest @ ..] = parts else {
        return false;
    };
    let Some(mut text) = text.strip_prefix(&**first) else {
        return false;
    };
    let [middle @ .., last] = rest else {
        return text.is_empty();
    };
    for part in middle {
        match text.find(&**part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(&**last)
}

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
pub(super) fn read_when(
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
    /// Looks up its path in the description of the property at `owner`, and fits its value to the
    /// type that stands there.
    pub(crate) fn resolve(
        self,
        owner: &str,
        description: &Description,
        report: &mut Report,
    ) -> Option<Condition> {
        let at = Trail::root(&self.at);
        let (current, path) = match self.path.split_once("[current]") {
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
            (true, Some((above, _))) => format!("{}.{path}", above.replace("[]", "")),
            _ => path.to_owned(),
        };
        let Some(found) = description.find(&whole) else {
            mistake(
                report,
                Code::NotFound,
                &at,
                "expected the path of a property",
            );
            return None;
        };
        let base = Base::parse(description.format, found.kind);
        match test(self.side, self.value, &base) {
            Ok(test) => Some(Condition {
                current,
                path: path.split('.').map(Into::into).collect(),
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
                Some(bound) => Ok(Test::Moment(side, *lexical, bound)),
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
