//! Operations whose value is one item or none.

use super::truth::is_truth;
use super::{ON, Run, Scope};
use crate::item::{Item, Text};
use crate::plan::{Arithmetic, Constant, Op};
use crate::refusal::Stop;
use crate::types::System;
use jsonb::{Number, Value};
use std::rc::Rc;

const INTEGER: &str = "one integer";

impl<'v> Run<'_, 'v> {
    /// The item of an operation that never has two; `None` for all others.
    #[allow(clippy::type_complexity)]
    pub(super) fn one(
        &self,
        op: &'v Op,
        scope: Scope<'_, 'v>,
    ) -> Result<Option<Option<Item<'v>>>, Stop> {
        if is_truth(op) {
            return Ok(Some(self.truth(op, scope)?.map(Item::Boolean)));
        }
        Ok(Some(match op {
            Op::Nothing => None,
            Op::This => scope.this.cloned(),
            Op::Index => Some(Item::Integer(scope.index)),
            Op::Context => Some(self.context.clone()),
            Op::Resource => self.environment.resource.map(Item::Node),
            Op::RootResource => self.environment.root.map(Item::Node),
            Op::Constant(constant) => Some(constant_item(constant)?),
            Op::Count(of) => {
                let mut count = 0;
                let _ = self.each(of, scope, &mut |_| {
                    count += 1;
                    ON
                })?;
                Some(Item::Integer(count))
            }
            Op::Plus(left, right) => {
                let Some((left, right)) = self.both(left, right, scope)? else {
                    return Ok(Some(None));
                };
                match (self.integer(&left), self.integer(&right)) {
                    (Some(left), Some(right)) => left.checked_add(right).map(Item::Integer),
                    (None, None) => {
                        let (Some(left), Some(right)) = (self.text(&left)?, self.text(&right)?)
                        else {
                            return Ok(Some(None));
                        };
                        Some(self.made(&[left, right])?)
                    }
                    _ => return Err(Stop::Failed("two integers or two strings to add")),
                }
            }
            Op::Concatenate(left, right) => {
                let left = self.single(left, scope, "one string")?;
                let right = self.single(right, scope, "one string")?;
                let left = self.text_or_none(left.as_ref())?.unwrap_or_default();
                let right = self.text_or_none(right.as_ref())?.unwrap_or_default();
                Some(self.made(&[left, right])?)
            }
            Op::Arithmetic(arithmetic, left, right) => {
                let Some((left, right)) = self.both(left, right, scope)? else {
                    return Ok(Some(None));
                };
                let (left, right) = self
                    .integer(&left)
                    .zip(self.integer(&right))
                    .ok_or(Stop::Failed("two integers"))?;
                let result = match arithmetic {
                    Arithmetic::Minus => left.checked_sub(right),
                    Arithmetic::Times => left.checked_mul(right),
                    Arithmetic::Div => left.checked_div(right),
                    Arithmetic::Mod => left.checked_rem(right),
                };
                result.map(Item::Integer)
            }
            Op::Negative(of) => match self.single(of, scope, INTEGER)? {
                Some(item) => {
                    let value = self.integer(&item).ok_or(Stop::Failed(INTEGER))?;
                    value.checked_neg().map(Item::Integer)
                }
                None => None,
            },
            Op::To(system, of) => match self.single(of, scope, "one item")? {
                Some(item) => self.convert(*system, item)?,
                None => None,
            },
            Op::Text(text, of, given) => self.string_function(*text, of, given, scope)?,
            Op::ReplaceMatches(of, pattern, with) => {
                let Some((of, with)) = self.both(of, with, scope)? else {
                    return Ok(Some(None));
                };
                let (Some(of), Some(with)) = (self.text(&of)?, self.text(&with)?) else {
                    return Ok(Some(None));
                };
                if pattern.source().is_empty() {
                    return self.made(&[of]).map(Some).map(Some);
                }
                let made = pattern.replace(of, with, |count| self.budget.take(count))?;
                Some(Item::String(Text::Made(Rc::new(made))))
            }
            _ => return Ok(None),
        }))
    }

    /// One item of each, or nothing where one is missing.
    #[allow(clippy::type_complexity)]
    pub(super) fn both(
        &self,
        left: &'v Op,
        right: &'v Op,
        scope: Scope<'_, 'v>,
    ) -> Result<Option<(Item<'v>, Item<'v>)>, Stop> {
        let left = self.single(left, scope, "one item")?;
        let right = self.single(right, scope, "one item")?;
        Ok(left.zip(right))
    }

    /// A string made of others.
    pub(super) fn made(&self, parts: &[&[u8]]) -> Result<Item<'v>, Stop> {
        let mut text = Vec::new();
        for part in parts {
            self.budget.take_bytes(part.len())?;
            jsonb::memory::reserve(&mut text, part.len())?;
            text.extend_from_slice(part);
        }
        Ok(Item::String(Text::Made(Rc::new(text))))
    }

    fn convert(&self, system: System, item: Item<'v>) -> Result<Option<Item<'v>>, Stop> {
        Ok(match system {
            System::Integer => {
                let integer = match self.boolean(&item) {
                    Some(truth) => Some(i64::from(truth)),
                    None => match self.integer(&item) {
                        Some(integer) => Some(integer),
                        None => self.string(&item).and_then(read_integer),
                    },
                };
                integer.map(Item::Integer)
            }
            System::Boolean => match self.boolean(&item) {
                Some(truth) => Some(truth),
                None => match self.integer(&item) {
                    Some(1) => Some(true),
                    Some(0) => Some(false),
                    Some(_) => None,
                    None => self.string(&item).and_then(read_boolean),
                },
            }
            .map(Item::Boolean),
            _ => self.printed(item)?,
        })
    }
}

fn read_integer(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn read_boolean(text: &[u8]) -> Option<bool> {
    match text.to_ascii_lowercase().as_slice() {
        b"true" | b"t" | b"yes" | b"y" | b"1" | b"1.0" => Some(true),
        b"false" | b"f" | b"no" | b"n" | b"0" | b"0.0" => Some(false),
        _ => None,
    }
}

fn constant_item(constant: &Constant) -> Result<Item<'_>, Stop> {
    Ok(match constant {
        Constant::Boolean(value) => Item::Boolean(*value),
        Constant::Integer(value) => Item::Integer(*value),
        Constant::String(text) => Item::String(Text::There(text.as_bytes())),
        Constant::Decimal(number) => Item::Decimal(decimal(number)?),
        Constant::Moment(system, text) => Item::Moment(*system, text),
        Constant::Quantity(number, unit) => Item::Quantity(decimal(number)?, unit),
    })
}

fn decimal(bytes: &[u8]) -> Result<Number<'_>, Stop> {
    match Value::read(bytes)? {
        Value::Number(number) => Ok(number),
        _ => Err(Stop::Failed("a number")),
    }
}
