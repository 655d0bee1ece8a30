//! Plans that are kept between executions: so many in a backend, and no more. The one that was not
//! used for longest goes first; a statement whose plan has gone makes it anew.

use super::catch::guard;
use super::{ffi, settings};
use pgrx::pg_sys::SPIPlanPtr;
use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::rc::{Rc, Weak};

/// A plan that SPI keeps for us. Who runs it holds it, so that it is never freed under a nested use.
#[derive(Debug)]
pub(super) struct Plan(SPIPlanPtr);

impl Plan {
    /// Takes a plan that `SPI_keepplan` was called for, and that nobody else has.
    pub fn new(plan: SPIPlanPtr) -> Self {
        Self(plan)
    }

    /// The plan, as long as `self` is held.
    pub fn pointer(&self) -> SPIPlanPtr {
        self.0
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        let plan = self.0;
        // SAFETY: the plan was kept by us and is used by nobody else; an ERROR here would only
        // leak it.
        let _ = unsafe { guard(|| ffi::SPI_freeplan(plan)) };
    }
}

/// Where a statement has its plan, if it has one now.
#[derive(Debug, Default)]
pub(super) struct Place {
    plan: RefCell<Option<Rc<Plan>>>,
    used: Cell<u64>,
}

thread_local! {
    // ManuallyDrop: at the exit of a backend there is no PostgreSQL left to free plans with.
    static KEPT: ManuallyDrop<RefCell<Vec<Weak<Place>>>> =
        const { ManuallyDrop::new(RefCell::new(Vec::new())) };
    static CLOCK: Cell<u64> = const { Cell::new(0) };
}

impl Place {
    /// The plan that was kept, to be used now.
    pub fn plan(&self) -> Option<Rc<Plan>> {
        CLOCK.set(CLOCK.get() + 1);
        self.used.set(CLOCK.get());
        self.plan.borrow().clone()
    }

    /// Keeps a new plan; others make room for it.
    pub fn keep(self: &Rc<Self>, plan: Plan) -> Rc<Plan> {
        let plan = Rc::new(plan);
        self.plan.replace(Some(plan.clone()));
        let most = settings::max_statements();
        let evicted = KEPT.with(|kept| {
            let mut kept = kept.borrow_mut();
            kept.retain(|place| place.upgrade().is_some_and(|place| place.is_taken()));
            kept.push(Rc::downgrade(self));
            let mut evicted = Vec::new();
            while kept.len() > most {
                let ages = kept
                    .iter()
                    .map(|place| place.upgrade().map(|at| at.used.get()));
                let oldest = ages.enumerate().min_by_key(|(_, used)| *used);
                let place = oldest.map(|(at, _)| kept.swap_remove(at));
                evicted.extend(place.and_then(|place| place.upgrade()?.plan.take()));
            }
            evicted
        });
        drop(evicted);
        plan
    }

    fn is_taken(&self) -> bool {
        self.plan.borrow().is_some()
    }
}

/// Frees every plan that nobody is using now.
pub(super) fn discard() {
    let kept = KEPT.with(|kept| kept.take());
    for place in kept {
        if let Some(place) = place.upgrade() {
            place.plan.take();
        }
    }
}
