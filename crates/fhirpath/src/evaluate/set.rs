//! Items of which each is there once.

use super::atom::Atom;
use super::{Flow, OFF, ON, Run, Scope, Sink};
use crate::item::Item;
use crate::plan::Op;
use crate::refusal::Stop;
use jsonb::Value;
use jsonb::memory::reserve;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A hash table of items. Each comparison takes a step, so that items made to collide end it.
pub(super) struct Set<'v> {
    items: Vec<Item<'v>>,
    /// For each hash, by its last bits, one more than the place of an item; the next place is tried
    /// if it is taken.
    places: Vec<u32>,
}

/// Up to so many items are only gone through.
const LISTED: usize = 8;

impl<'v> Set<'v> {
    pub(super) fn new() -> Self {
        Self {
            items: Vec::new(),
            places: Vec::new(),
        }
    }

    pub(super) fn contains(&self, run: &Run<'_, 'v>, item: &Item<'v>) -> Result<bool, Stop> {
        if self.places.is_empty() {
            for other in &self.items {
                if run.equal(item, other)? == Some(true) {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let mask = self.places.len() - 1;
        let mut at = run.hash(item)? as usize & mask;
        while let Some(place) = self.places[at].checked_sub(1) {
            let other = self.items.get(place as usize);
            if let Some(other) = other
                && run.equal(item, other)? == Some(true)
            {
                return Ok(true);
            }
            at = (at + 1) & mask;
        }
        Ok(false)
    }

    /// Adds an item, unless it is there; whether it was not.
    pub(super) fn insert(&mut self, run: &Run<'_, 'v>, item: &Item<'v>) -> Result<bool, Stop> {
        if self.contains(run, item)? {
            return Ok(false);
        }
        reserve(&mut self.items, 1)?;
        self.items.push(item.clone());
        if self.items.len() > LISTED && self.items.len() * 2 > self.places.len() {
            let size = (self.items.len() * 4).next_power_of_two();
            let mut places = Vec::new();
            reserve(&mut places, size)?;
            places.resize(size, 0);
            self.places = places;
            for index in 0..self.items.len() {
                self.place(run, index)?;
            }
        } else if !self.places.is_empty() {
            self.place(run, self.items.len() - 1)?;
        }
        Ok(true)
    }

    fn place(&mut self, run: &Run<'_, 'v>, index: usize) -> Result<(), Stop> {
        let mask = self.places.len() - 1;
        let mut at = run.hash(&self.items[index])? as usize & mask;
        while self.places[at] != 0 {
            run.budget.take(1)?;
            at = (at + 1) & mask;
        }
        self.places[at] = index as u32 + 1;
        Ok(())
    }
}

impl<'v> Run<'_, 'v> {
    /// Hands on an item that was not seen before.
    pub(super) fn once(&self, seen: &mut Set<'v>, item: Item<'v>, sink: Sink<'_, 'v>) -> Flow {
        if seen.insert(self, &item)? {
            return sink(item);
        }
        ON
    }

    pub(super) fn set(&self, op: &'v Op, scope: Scope<'_, 'v>) -> Result<Set<'v>, Stop> {
        let mut set = Set::new();
        let _ = self.each_of_any(op, scope, &mut |item| {
            set.insert(self, &item)?;
            ON
        })?;
        Ok(set)
    }

    pub(super) fn is_distinct(&self, of: &'v Op, scope: Scope<'_, 'v>) -> Result<bool, Stop> {
        let mut seen = Set::new();
        let flow = self.each(of, scope, &mut |item| {
            if seen.insert(self, &item)? { ON } else { OFF }
        })?;
        Ok(flow.is_continue())
    }

    pub(super) fn is_subset(
        &self,
        of: &'v Op,
        other: &'v Op,
        scope: Scope<'_, 'v>,
    ) -> Result<bool, Stop> {
        let others = self.set(other, scope)?;
        let flow = self.each_of_any(of, scope, &mut |item| {
            if others.contains(self, &item)? {
                ON
            } else {
                OFF
            }
        })?;
        Ok(flow.is_continue())
    }

    /// The same for equal items.
    fn hash(&self, item: &Item<'v>) -> Result<u64, Stop> {
        let mut hasher = DefaultHasher::new();
        match (self.atom(item), item) {
            (Some(Atom::Boolean(value)), _) => value.hash(&mut hasher),
            (Some(Atom::Integer(value)), _) => value.hash(&mut hasher),
            (Some(Atom::Number(number)), _) => number.floor().map(|it| it.0).hash(&mut hasher),
            (Some(Atom::String(text)), _) => {
                self.budget.take_bytes(text.len())?;
                text.hash(&mut hasher);
            }
            (None, Item::Node(node)) => {
                // Some of what is directly in it tells most things apart.
                if let Some(Value::Object(object)) = node.value {
                    for member in object {
                        self.budget.take(1)?;
                        if let (key, Value::String(text)) = member? {
                            key.hash(&mut hasher);
                            self.budget.take_bytes(text.len())?;
                            text.hash(&mut hasher);
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(hasher.finish())
    }
}
