//! Equality, equivalence and order.

use super::atom::Atom;
use super::{OFF, ON, Run, Scope};
use crate::item::Item;
use crate::plan::Op;
use crate::refusal::Stop;
use jsonb::{Number, Value};
use std::cmp::Ordering;

/// How deep values are compared.
const DEEPEST: usize = 512;

impl<'v> Run<'_, 'v> {
    /// `=`: item by item, in order; neither if one side is empty.
    pub(super) fn equal_collections(
        &self,
        left: &'v Op,
        right: &'v Op,
        scope: Scope<'_, 'v>,
    ) -> Result<Option<bool>, Stop> {
        for (one, others) in [(right, left), (left, right)] {
            if let Some(item) = self.one(one, scope)? {
                return match item {
                    Some(item) => self.equal_to_one(others, &item, scope),
                    None => Ok(None),
                };
            }
        }
        let left = self.listed(left, scope)?;
        let right = self.listed(right, scope)?;
        let ((Some(one), others), (Some(other), more)) = (&left, &right) else {
            return Ok(None);
        };
        if others.len() != more.len() {
            return Ok(Some(false));
        }
        let mut equal = self.equal(one, other)?;
        for (one, other) in others.iter().zip(more) {
            match (equal, self.equal(one, other)?) {
                (Some(false), _) | (_, Some(false)) => return Ok(Some(false)),
                (None, _) | (_, None) => equal = None,
                _ => {}
            }
        }
        Ok(equal)
    }

    /// The same where one side is one item.
    fn equal_to_one(
        &self,
        op: &'v Op,
        item: &Item<'v>,
        scope: Scope<'_, 'v>,
    ) -> Result<Option<bool>, Stop> {
        let mut count = 0;
        let mut equal = None;
        let _ = self.each(op, scope, &mut |other| {
            count += 1;
            if count > 1 {
                equal = Some(false);
                return OFF;
            }
            equal = self.equal(&other, item)?;
            ON
        })?;
        Ok(equal)
    }

    /// The first item, and the others, for which alone there must be memory.
    #[allow(clippy::type_complexity)]
    fn listed(
        &self,
        op: &'v Op,
        scope: Scope<'_, 'v>,
    ) -> Result<(Option<Item<'v>>, Vec<Item<'v>>), Stop> {
        let (mut first, mut others) = (None, Vec::new());
        let _ = self.each(op, scope, &mut |item| {
            if first.is_none() {
                first = Some(item);
            } else {
                jsonb::memory::reserve(&mut others, 1)?;
                others.push(item);
            }
            ON
        })?;
        Ok((first, others))
    }

    /// Whether two items are equal; neither where precision does not tell.
    pub(super) fn equal(&self, left: &Item<'v>, right: &Item<'v>) -> Result<Option<bool>, Stop> {
        self.budget.take(1)?;
        Ok(match (self.atom(left), self.atom(right)) {
            (Some(Atom::Boolean(left)), Some(Atom::Boolean(right))) => Some(left == right),
            (Some(Atom::String(left)), Some(Atom::String(right))) => {
                if left.len() == right.len() {
                    self.budget.take(left.len() / 64)?;
                }
                Some(left == right)
            }
            (Some(Atom::Date(left)), Some(Atom::Date(right)))
            | (Some(Atom::Time(left)), Some(Atom::Time(right))) => {
                left.order(&right).map(Ordering::is_eq)
            }
            (Some(Atom::Quantity(left, unit)), Some(Atom::Quantity(right, other))) => {
                (unit == other).then_some(left == right)
            }
            (Some(left), Some(right)) => match numbers(&left, &right) {
                Some(order) => Some(order.is_eq()),
                None => Some(false),
            },
            (None, None) => match (left, right) {
                (Item::Node(left), Item::Node(right)) => match (left.value, right.value) {
                    (Some(left), Some(right)) => Some(self.same(left, right, DEEPEST)?),
                    (None, None) => {
                        let (left, right) = (self.companion(left)?, self.companion(right)?);
                        Some(match left.zip(right) {
                            Some((left, right)) => {
                                self.same(Value::Object(left), Value::Object(right), DEEPEST)?
                            }
                            None => false,
                        })
                    }
                    _ => Some(false),
                },
                _ => Some(false),
            },
            // What has no value is not told from one.
            _ if is_valueless(left) || is_valueless(right) => None,
            _ => Some(false),
        })
    }

    /// Whether two values are the same JSON, with numbers compared by value.
    fn same(&self, left: Value<'_>, right: Value<'_>, depth: usize) -> Result<bool, Stop> {
        self.budget.take(1)?;
        if depth == 0 {
            return Err(Stop::Failed("less nesting"));
        }
        Ok(match (left, right) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(left), Value::Bool(right)) => left == right,
            (Value::Number(left), Value::Number(right)) => left == right,
            (Value::String(left), Value::String(right)) => {
                self.budget.take(left.len() / 64)?;
                left == right
            }
            (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
                for (left, right) in left.iter().zip(right.iter()) {
                    if !self.same(left?, right?, depth - 1)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Value::Object(left), Value::Object(right)) if left.len() == right.len() => {
                for (left, right) in left.iter().zip(right.iter()) {
                    let ((key, left), (other, right)) = (left?, right?);
                    if key != other || !self.same(left, right, depth - 1)? {
                        return Ok(false);
                    }
                }
                true
            }
            _ => false,
        })
    }

    /// `~`: in any order, strings whatever their case and blanks; two empty sides are equivalent.
    pub(super) fn equivalent_collections(
        &self,
        left: &'v Op,
        right: &'v Op,
        scope: Scope<'_, 'v>,
    ) -> Result<bool, Stop> {
        let (mut ones, mut others) = (Vec::new(), Vec::new());
        self.all(left, scope, &mut ones)?;
        self.all(right, scope, &mut others)?;
        if ones.len() != others.len() {
            return Ok(false);
        }
        for one in &ones {
            let mut place = None;
            for (index, other) in others.iter().enumerate() {
                if self.equivalent(one, other)? {
                    place = Some(index);
                    break;
                }
            }
            match place {
                Some(index) => others.swap_remove(index),
                None => return Ok(false),
            };
        }
        Ok(true)
    }

    fn equivalent(&self, left: &Item<'v>, right: &Item<'v>) -> Result<bool, Stop> {
        if let (Some(Atom::String(left)), Some(Atom::String(right))) =
            (self.atom(left), self.atom(right))
        {
            self.budget.take_bytes(left.len() + right.len())?;
            return Ok(folded(left).eq(folded(right)));
        }
        Ok(self.equal(left, right)? == Some(true))
    }

    /// How two items lie to each other; `None` where precision or unit does not tell.
    pub(super) fn order(
        &self,
        left: &Item<'v>,
        right: &Item<'v>,
    ) -> Result<Option<Ordering>, Stop> {
        self.budget.take(1)?;
        let (Some(left), Some(right)) = (self.atom(left), self.atom(right)) else {
            if is_valueless(left) || is_valueless(right) {
                return Ok(None);
            }
            return Err(Stop::Failed("values that have an order"));
        };
        Ok(match (left, right) {
            (Atom::String(left), Atom::String(right)) => {
                self.budget.take(left.len().min(right.len()) / 64)?;
                Some(left.cmp(right))
            }
            (Atom::Date(left), Atom::Date(right)) | (Atom::Time(left), Atom::Time(right)) => {
                left.order(&right)
            }
            (Atom::Quantity(left, unit), Atom::Quantity(right, other)) => {
                (unit == other).then(|| left.compare(&right))
            }
            (left, right) => {
                let order = numbers(&left, &right);
                Some(order.ok_or(Stop::Failed("values of one type to compare"))?)
            }
        })
    }
}

/// Whether it is an element that has nothing but a companion.
fn is_valueless(item: &Item<'_>) -> bool {
    matches!(item, Item::Node(node) if node.value.is_none())
}

/// A string without regard to case, each run of blanks one.
fn folded(text: &[u8]) -> impl Iterator<Item = char> {
    let text = String::from_utf8_lossy(text).to_lowercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().collect::<Vec<_>>().into_iter()
}

fn numbers(left: &Atom<'_>, right: &Atom<'_>) -> Option<Ordering> {
    Some(match (left, right) {
        (Atom::Integer(left), Atom::Integer(right)) => left.cmp(right),
        (Atom::Number(left), Atom::Number(right)) => left.compare(right),
        (Atom::Integer(left), Atom::Number(right)) => beside(*left, right),
        (Atom::Number(left), Atom::Integer(right)) => beside(*right, left).reverse(),
        _ => return None,
    })
}

fn beside(integer: i64, number: &Number<'_>) -> Ordering {
    match number.floor() {
        Some((floor, exact)) => match integer.cmp(&floor) {
            Ordering::Equal if !exact => Ordering::Less,
            order => order,
        },
        None if number.is_negative() => Ordering::Greater,
        None => Ordering::Less,
    }
}
