//! Evaluation: items are handed on one by one, so that no collection is made where none is needed.

mod atom;
mod children;
mod each;
mod equal;
mod one;
mod set;
mod string;
mod truth;

use crate::budget::Budget;
use crate::item::{Item, Node};
use crate::plan::{Op, Plan};
use crate::refusal::Stop;
use crate::types::Types;
use std::ops::ControlFlow;

/// What an expression can see beside its focus.
#[derive(Clone, Copy)]
pub struct Environment<'v> {
    /// The types, the same as the plan was made with.
    pub types: &'v dyn Types,
    /// `%resource`: the nearest resource around the focus, or the focus itself.
    pub resource: Option<Node<'v>>,
    /// `%rootResource`: around a contained resource the one that contains it.
    pub root: Option<Node<'v>>,
}

/// Whether to go on.
type Flow = Result<ControlFlow<()>, Stop>;

/// Who takes the items of a collection, and can end it.
type Sink<'s, 'v> = &'s mut dyn FnMut(Item<'v>) -> Flow;

const ON: Flow = Ok(ControlFlow::Continue(()));
const OFF: Flow = Ok(ControlFlow::Break(()));

impl Plan {
    /// Whether the value is exactly `true`: what it is for an invariant to hold. What FHIRPath calls
    /// an error is not `true`.
    pub fn holds<'v>(
        &'v self,
        environment: &Environment<'v>,
        focus: Node<'v>,
        budget: &Budget,
    ) -> Result<bool, Stop> {
        let focus = Item::Node(focus);
        let run = Run {
            types: environment.types,
            environment,
            context: &focus,
            budget,
        };
        match run.truth(&self.root, Scope::new(&focus)) {
            Ok(truth) => Ok(truth == Some(true) && run.is_boolean(&self.root, &focus)?),
            Err(Stop::Failed(_)) => Ok(false),
            Err(stop) => Err(stop),
        }
    }

    /// The items of the value, in order.
    pub fn evaluate<'v>(
        &'v self,
        environment: &Environment<'v>,
        focus: Node<'v>,
        budget: &Budget,
    ) -> Result<Vec<Item<'v>>, Stop> {
        let focus = Item::Node(focus);
        let run = Run {
            types: environment.types,
            environment,
            context: &focus,
            budget,
        };
        let mut items = Vec::new();
        run.all(&self.root, Scope::new(&focus), &mut items)?;
        Ok(items)
    }
}

/// One evaluation.
struct Run<'r, 'v> {
    types: &'v dyn Types,
    environment: &'r Environment<'v>,
    /// `%context`
    context: &'r Item<'v>,
    budget: &'r Budget,
}

/// What `$this` and `$index` are.
#[derive(Clone, Copy)]
struct Scope<'s, 'v> {
    this: Option<&'s Item<'v>>,
    index: i64,
}

impl<'s, 'v> Scope<'s, 'v> {
    fn new(this: &'s Item<'v>) -> Self {
        Self {
            this: Some(this),
            index: 0,
        }
    }
}

impl<'v> Run<'_, 'v> {
    /// All items, in a list.
    fn all(&self, op: &'v Op, scope: Scope<'_, 'v>, items: &mut Vec<Item<'v>>) -> Result<(), Stop> {
        let _ = self.each(op, scope, &mut |item| {
            jsonb::memory::reserve(items, 1)?;
            items.push(item);
            ON
        })?;
        Ok(())
    }

    /// The one item, or none.
    fn single(
        &self,
        op: &'v Op,
        scope: Scope<'_, 'v>,
        expected: &'static str,
    ) -> Result<Option<Item<'v>>, Stop> {
        if let Some(item) = self.one(op, scope)? {
            return Ok(item);
        }
        let mut found = None;
        let _ = self.each(op, scope, &mut |item| {
            if found.is_some() {
                return Err(Stop::Failed(expected));
            }
            found = Some(item);
            ON
        })?;
        Ok(found)
    }
}
