//! Operations whose value can be many items.

use super::set::Set;
use super::{Flow, OFF, ON, Run, Scope, Sink};
use crate::item::Item;
use crate::plan::{Op, Step};
use crate::refusal::Stop;

impl<'v> Run<'_, 'v> {
    /// Hands on each item of the value.
    pub(super) fn each(&self, op: &'v Op, scope: Scope<'_, 'v>, sink: Sink<'_, 'v>) -> Flow {
        self.budget.take(1)?;
        match op {
            Op::Step(of, step) => self.each(of, scope, &mut |item| self.step(&item, step, sink)),
            Op::Named(of, name) => self.each(of, scope, &mut |item| self.named(&item, name, sink)),
            Op::Children(of) => self.each(of, scope, &mut |item| self.children(&item, sink)),
            Op::Descendants(of) => self.each(of, scope, &mut |item| self.descendants(&item, sink)),
            Op::Extension(of, url) => {
                let Some(url) = self.single(url, scope, "one url")? else {
                    return ON;
                };
                self.each(of, scope, &mut |item| self.extension(&item, &url, sink))
            }
            Op::OfType(of, kind) => self.each(of, scope, &mut |item| {
                if self.is(&item, *kind) {
                    return sink(self.retyped(item));
                }
                ON
            }),
            Op::As(of, kind) => match self.single(of, scope, "one item for as")? {
                Some(item) if self.is(&item, *kind) => sink(self.retyped(item)),
                _ => ON,
            },
            Op::Where { of, this } => {
                let mut index = 0;
                self.each(of, scope, &mut |item| {
                    let within = Scope {
                        this: Some(&item),
                        index,
                    };
                    index += 1;
                    if self.truth(this, within)? == Some(true) {
                        return sink(item);
                    }
                    ON
                })
            }
            Op::Select { of, this } => {
                let mut index = 0;
                self.each(of, scope, &mut |item| {
                    let within = Scope {
                        this: Some(&item),
                        index,
                    };
                    index += 1;
                    self.each(this, within, sink)
                })
            }
            Op::Repeat { of, this } => {
                let mut seen = Set::new();
                let mut open = Vec::new();
                self.all(of, scope, &mut open)?;
                open.reverse();
                while let Some(item) = open.pop() {
                    let mut found = Vec::new();
                    self.all(this, Scope::new(&item), &mut found)?;
                    for item in found {
                        if seen.insert(self, &item)? {
                            jsonb::memory::reserve(&mut open, 1)?;
                            open.insert(0, item.clone());
                            if sink(item)?.is_break() {
                                return OFF;
                            }
                        }
                    }
                }
                ON
            }
            Op::Iif { of, this } => {
                let item = self.single(of, scope, "one item for iif")?;
                let within = Scope {
                    this: item.as_ref(),
                    index: scope.index,
                };
                let [criterion, then, otherwise] = &**this;
                let holds = match self.single(criterion, within, "one criterion")? {
                    Some(it) => self
                        .boolean(&it)
                        .ok_or(Stop::Failed("a Boolean criterion"))?,
                    None => false,
                };
                self.each(if holds { then } else { otherwise }, within, sink)
            }
            Op::Slice { of, from, count } => self.slice(of, from, count.as_deref(), scope, sink),
            Op::Last(of) => {
                let mut last = None;
                let _ = self.each(of, scope, &mut |item| {
                    last = Some(item);
                    ON
                })?;
                last.map_or(ON, sink)
            }
            Op::Single(of) => self.single(of, scope, "one item")?.map_or(ON, sink),
            Op::Combine(left, right) => {
                if self.each(left, scope, sink)?.is_break() {
                    return OFF;
                }
                self.each(right, scope, sink)
            }
            Op::Distinct(of) => {
                let mut seen = Set::new();
                self.each(of, scope, &mut |item| self.once(&mut seen, item, sink))
            }
            Op::Union(left, right) => {
                let mut seen = Set::new();
                let flow = self.each(left, scope, &mut |item| self.once(&mut seen, item, sink))?;
                if flow.is_break() {
                    return OFF;
                }
                self.each(right, scope, &mut |item| self.once(&mut seen, item, sink))
            }
            Op::Intersect(left, right) => {
                let others = self.set(right, scope)?;
                let mut seen = Set::new();
                self.each(left, scope, &mut |item| {
                    if others.contains(self, &item)? {
                        return self.once(&mut seen, item, sink);
                    }
                    ON
                })
            }
            Op::Exclude(left, right) => {
                let others = self.set(right, scope)?;
                self.each(left, scope, &mut |item| {
                    if others.contains(self, &item)? {
                        return ON;
                    }
                    sink(item)
                })
            }
            _ => match self.one(op, scope)? {
                Some(Some(item)) => sink(item),
                _ => ON,
            },
        }
    }

    /// The same where it does not matter how often an item is there, or in which order: sides of a
    /// union are then not compared.
    pub(super) fn each_of_any(&self, op: &'v Op, scope: Scope<'_, 'v>, sink: Sink<'_, 'v>) -> Flow {
        match op {
            Op::Union(left, right) | Op::Combine(left, right) => {
                if self.each_of_any(left, scope, sink)?.is_break() {
                    return OFF;
                }
                self.each_of_any(right, scope, sink)
            }
            Op::Distinct(of) => self.each_of_any(of, scope, sink),
            _ => self.each(op, scope, sink),
        }
    }

    /// `in`
    pub(super) fn holds_item(
        &self,
        of: &'v Op,
        item: &Item<'v>,
        scope: Scope<'_, 'v>,
    ) -> Result<bool, Stop> {
        let flow = self.each_of_any(of, scope, &mut |other| match self.equal(item, &other)? {
            Some(true) => OFF,
            _ => ON,
        })?;
        Ok(flow.is_break())
    }

    fn step(&self, item: &Item<'v>, step: &'v Step, sink: Sink<'_, 'v>) -> Flow {
        let Item::Node(node) = item else { return ON };
        let branches = match &*step.types {
            [(_, branches)] => branches,
            types => {
                let exact = types.iter().find(|(kind, _)| *kind == node.kind);
                let any = || {
                    types
                        .iter()
                        .find(|(kind, _)| self.types.is(node.kind, *kind))
                };
                match exact.or_else(any) {
                    Some((_, branches)) => branches,
                    None => return ON,
                }
            }
        };
        for branch in branches {
            let companion = branch.companion.as_deref();
            let flow = self.child(node, &branch.key, companion, branch.kind, sink)?;
            if flow.is_break() {
                return OFF;
            }
        }
        ON
    }

    fn slice(
        &self,
        of: &'v Op,
        from: &'v Op,
        count: Option<&'v Op>,
        scope: Scope<'_, 'v>,
        sink: Sink<'_, 'v>,
    ) -> Flow {
        const EXPECTED: &str = "one integer";
        let place = |op| match self.single(op, scope, EXPECTED)? {
            Some(item) => self.integer(&item).ok_or(Stop::Failed(EXPECTED)).map(Some),
            None => Ok(None),
        };
        let Some(from) = place(from)? else { return ON };
        let count = match count.map(place).transpose()? {
            None => i64::MAX,
            Some(Some(count)) => count,
            Some(None) => return ON,
        };
        if count <= 0 {
            return ON;
        }
        let mut index = 0;
        let mut left = count;
        let mut flow = ON;
        let _ = self.each(of, scope, &mut |item| {
            let wanted = index >= from;
            index += 1;
            if !wanted {
                return ON;
            }
            left -= 1;
            flow = Ok(sink(item)?);
            match flow {
                Ok(it) if it.is_continue() && left > 0 => ON,
                _ => OFF,
            }
        })?;
        flow
    }
}
