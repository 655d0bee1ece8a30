//! What is true, false or neither.

use super::{OFF, ON, Run, Scope};
use crate::item::Item;
use crate::plan::Op;
use crate::refusal::Stop;

type Truth = Result<Option<bool>, Stop>;

impl<'v> Run<'_, 'v> {
    /// The value as a truth: nothing is neither, and one item that is no Boolean is true, as
    /// FHIRPath's "singleton evaluation of collections" has it.
    pub(super) fn truth(&self, op: &'v Op, scope: Scope<'_, 'v>) -> Truth {
        self.budget.take(1)?;
        Ok(Some(match op {
            Op::And(left, right) => return self.and(left, right, scope),
            Op::Or(left, right) => return self.or(left, right, scope),
            Op::Xor(left, right) => {
                let left = self.truth(left, scope)?;
                return Ok(left.zip(self.truth(right, scope)?).map(|(a, b)| a != b));
            }
            Op::Implies(left, right) => {
                return Ok(match self.truth(left, scope)? {
                    Some(false) => Some(true),
                    Some(true) => self.truth(right, scope)?,
                    None => self.truth(right, scope)?.filter(|truth| *truth),
                });
            }
            Op::Not(of) => return Ok(self.truth(of, scope)?.map(|truth| !truth)),
            Op::Exists(of) => self.exists(of, scope)?,
            Op::Empty(of) => !self.exists(of, scope)?,
            Op::All { of, this } => {
                let mut all = true;
                let mut index = 0;
                let _ = self.each(of, scope, &mut |item| {
                    let within = Scope {
                        this: Some(&item),
                        index,
                    };
                    index += 1;
                    all = self.truth(this, within)? == Some(true);
                    if all { ON } else { OFF }
                })?;
                all
            }
            Op::Truths { of, all, truth } => {
                let mut every = *all;
                let _ = self.each(of, scope, &mut |item| {
                    let found = self.boolean(&item).ok_or(Stop::Failed("only Booleans"))?;
                    every = found == *truth;
                    if every == *all { ON } else { OFF }
                })?;
                every
            }
            Op::HasValue(of) => {
                let mut count = 0;
                let mut has = false;
                let _ = self.each(of, scope, &mut |item| {
                    count += 1;
                    has = self.has_value(&item);
                    if count == 1 { ON } else { OFF }
                })?;
                count == 1 && has
            }
            Op::Equal { left, right, equal } => {
                return Ok(self
                    .equal_collections(left, right, scope)?
                    .map(|it| it == *equal));
            }
            Op::Equivalent { left, right, equal } => {
                self.equivalent_collections(left, right, scope)? == *equal
            }
            Op::Compare(left, right, wanted) => {
                const EXPECTED: &str = "one item to compare";
                let (Some(left), Some(right)) = (
                    self.single(left, scope, EXPECTED)?,
                    self.single(right, scope, EXPECTED)?,
                ) else {
                    return Ok(None);
                };
                let order = self.order(&left, &right)?;
                return Ok(order.map(|order| wanted.contains(&order)));
            }
            Op::In(item, of) => {
                let Some(item) = self.single(item, scope, "one item")? else {
                    return Ok(None);
                };
                self.holds_item(of, &item, scope)?
            }
            Op::Is(of, kind) => match self.single(of, scope, "one item")? {
                Some(item) => self.is(&item, *kind),
                None => return Ok(None),
            },
            Op::IsDistinct(of) => self.is_distinct(of, scope)?,
            Op::SubsetOf(of, other) => self.is_subset(of, other, scope)?,
            Op::Matches(of, pattern) => {
                let Some(item) = self.single(of, scope, "one string")? else {
                    return Ok(None);
                };
                let Some(text) = self.text(&item)? else {
                    return Ok(None);
                };
                self.budget.take_bytes(text.len())?;
                pattern.matches(text)?
            }
            _ => {
                let Some(item) = self.single(op, scope, "one item")? else {
                    return Ok(None);
                };
                self.boolean(&item).unwrap_or(true)
            }
        }))
    }

    fn and(&self, left: &'v Op, right: &'v Op, scope: Scope<'_, 'v>) -> Truth {
        match self.truth(left, scope)? {
            Some(false) => Ok(Some(false)),
            Some(true) => self.truth(right, scope),
            None => Ok(self.truth(right, scope)?.filter(|truth| !truth)),
        }
    }

    fn or(&self, left: &'v Op, right: &'v Op, scope: Scope<'_, 'v>) -> Truth {
        match self.truth(left, scope)? {
            Some(true) => Ok(Some(true)),
            Some(false) => self.truth(right, scope),
            None => Ok(self.truth(right, scope)?.filter(|truth| *truth)),
        }
    }

    fn exists(&self, of: &'v Op, scope: Scope<'_, 'v>) -> Result<bool, Stop> {
        let flow = self.each_of_any(of, scope, &mut |_| OFF)?;
        Ok(flow.is_break())
    }

    /// Whether a truth is one because the value is a Boolean.
    pub(super) fn is_boolean(&self, op: &'v Op, focus: &Item<'v>) -> Result<bool, Stop> {
        if is_truth(op) {
            return Ok(true);
        }
        let item = self.single(op, Scope::new(focus), "one item")?;
        Ok(item.is_some_and(|item| self.boolean(&item).is_some()))
    }
}

/// Whether [`Run::truth`] knows it without its items.
pub(super) fn is_truth(op: &Op) -> bool {
    matches!(
        op,
        Op::And(..)
            | Op::Or(..)
            | Op::Xor(..)
            | Op::Implies(..)
            | Op::Not(_)
            | Op::Exists(_)
            | Op::Empty(_)
            | Op::All { .. }
            | Op::Truths { .. }
            | Op::HasValue(_)
            | Op::Equal { .. }
            | Op::Equivalent { .. }
            | Op::Compare(..)
            | Op::In(..)
            | Op::Is(..)
            | Op::IsDistinct(_)
            | Op::SubsetOf(..)
            | Op::Matches(..)
    )
}
