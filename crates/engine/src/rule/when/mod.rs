//! `when`: the condition of a rule, a question to other properties of the same resource.
//!
//! `{"eq": {path: value}, "lt": {…}, "gt": {…}}`; all must hold. A path begins at the root, or with
//! `[current]` at the object that holds the property; where it meets an array, any element will do.

mod answers;
mod ask;

pub(crate) use answers::Answers;
pub(crate) use ask::Asked;
pub(super) use ask::read_when;

use super::Decimal;
use crate::lexical::{Fixed, Lexical, moment};
use crate::limits::DEEPEST;
use jsonb::steps;
use jsonb::{Malformed, Object, Value};
use std::borrow::Cow;
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
    Moment(Ordering, Lexical, Fixed),
}

impl When {
    pub(crate) fn holds(&self, scope: &Scope<'_>) -> Result<bool, Malformed> {
        steps::take(self.conditions.len())?;
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
                let order = bound.order(&number, number.floor())?;
                order == *side || order.is_eq()
            }
            (Self::Moment(side, lexical, bound), Value::String(text)) => moment(*lexical, text)
                .is_some_and(|moment| match moment.compare(&bound.moment()) {
                    Some(order) => order == *side,
                    None => *side != Ordering::Equal || moment == bound.moment(),
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
