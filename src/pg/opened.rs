//! What a statement of ours opens while it acts as the owner of a table.
//!
//! The table is looked up, checked and locked, but a statement goes by its name, and is parsed
//! after that: a schema can be given another name at any time, and no lock keeps that out. So before
//! the statement is planned, and when it begins, what it names is compared with what was checked.
//! (The planner runs functions too: those that are immutable, of constants.) It is told from the
//! statements that run within it, in a trigger of the owner's say, by a mark that only the planner
//! hook of ours can give.

use super::entry;
use super::error::{Error, Result, State};
use super::ffi;
use core::ffi::c_int;
use pgrx::pg_sys::{self, ExecutorStart_hook_type, List, Oid, PlannedStmt, Query, QueryDesc};
use std::cell::Cell;
use std::thread::LocalKey;

/// The mark of a plan of ours: a bit of its JIT flags, of which PostgreSQL uses the lowest five.
pub(super) const OURS: c_int = 1 << 30;

/// The tables that may be named: two, and a piece of each.
pub type Named = [Oid; 4];

#[derive(Debug, Clone, Copy)]
struct Expected {
    named: Named,
    seen: bool,
}

thread_local! {
    static NEXT: Cell<ExecutorStart_hook_type> = const { Cell::new(None) };
    /// What statements may name from now on.
    static ACTING: Cell<Option<Named>> = const { Cell::new(None) };
    /// What the statement that runs now may name.
    static EXPECTED: Cell<Option<Expected>> = const { Cell::new(None) };
}

/// Called once, when the library is loaded.
pub(super) fn register() {
    // SAFETY: a variable for just this, read and written while the library is loaded.
    unsafe {
        NEXT.set(pg_sys::ExecutorStart_hook);
        pg_sys::ExecutorStart_hook = Some(start);
    }
}

/// Whether statements may name some tables only.
pub fn is_bound() -> bool {
    ACTING.get().is_some()
}

/// For what cannot be looked at when it begins: it must not run while statements are bound.
pub(super) fn refuse_bound() -> Result<()> {
    match is_bound() {
        false => Ok(()),
        true => Err(Error::Bug("a statement that is not looked at".into())),
    }
}

/// Runs `body`, whose statements may name these tables only; those that run within them may name
/// what they like.
pub(super) fn bound<T>(named: Option<Named>, body: impl FnOnce() -> Result<T>) -> Result<T> {
    let _outer = Restore(&ACTING, ACTING.replace(named));
    body()
}

/// Runs one statement, bound to what it may name.
pub(super) fn statement<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    let named = ACTING.take();
    let _acting = Restore(&ACTING, named);
    let expected = named.map(|named| Expected { named, seen: false });
    let _outer = Restore(&EXPECTED, EXPECTED.replace(expected));
    let result = run()?;
    match EXPECTED.get() {
        Some(Expected { seen: false, .. }) => {
            Err(Error::Bug("a statement was not looked at".into()))
        }
        _ => Ok(result),
    }
}

/// Puts back what was there, after a panic too: nothing may be left bound in the session.
struct Restore<T: Copy + 'static>(&'static LocalKey<Cell<T>>, T);

impl<T: Copy> Drop for Restore<T> {
    fn drop(&mut self) {
        // A thread that ends has nothing to put back to.
        let Restore(place, outer) = *self;
        let _ = place.try_with(|place| place.set(outer));
    }
}

/// Whether the statement that is planned now is bound to what it may name.
pub(super) fn is_expected() -> bool {
    EXPECTED.get().is_some()
}

/// Refuses a statement before it is planned, if it names more than it may.
///
/// # Safety
/// Must be called inside `guard`; the query must be one that is ready to be planned.
pub(super) unsafe fn may_plan(query: *mut Query) -> bool {
    let Some(expected) = EXPECTED.get() else {
        return true;
    };
    let (mut relations, mut others, mut policies) =
        (core::ptr::null_mut(), core::ptr::null_mut(), false);
    // SAFETY: the caller's promise; what is found is put into lists of OIDs.
    unsafe {
        let (relations, others) = (&raw mut relations, &raw mut others);
        ffi::extract_query_dependencies(query.cast(), relations, others, &raw mut policies);
        cells(*relations)
            .iter()
            .all(|cell| expected.named.contains(&cell.oid_value))
    }
}

unsafe extern "C-unwind" fn start(query: *mut QueryDesc, flags: c_int) {
    if let Some(expected) = EXPECTED.get() {
        // SAFETY: PostgreSQL hands in a query with its plan.
        let plan = unsafe { &*(*query).plannedstmt };
        if plan.jitFlags & OURS != 0 {
            EXPECTED.set(Some(Expected {
                seen: true,
                ..expected
            }));
            // SAFETY: a finished plan.
            if !unsafe { names_only(plan, expected.named) } {
                // SAFETY: PostgreSQL called, and this frame owns nothing that is left to drop.
                unsafe { entry::raise(renamed()) }
            }
        }
    }
    // SAFETY: the arguments go on as they came; this frame owns nothing.
    unsafe {
        match NEXT.get() {
            Some(next) => next(query, flags),
            None => ffi::standard_ExecutorStart(query, flags),
        }
    }
}

pub(super) fn renamed() -> Error {
    Error::refuse(
        State::SerializationFailure,
        "a table got another name while a statement began",
    )
    .hint("Try again.")
}

/// Whether all tables and views that a statement names are among these. What is asked for rights is
/// what was named; partitions are not.
///
/// # Safety
/// The plan must be a finished one.
unsafe fn names_only(plan: &PlannedStmt, named: Named) -> bool {
    #[cfg(feature = "pg15")]
    // SAFETY: the list of a plan's range table holds its entries.
    unsafe {
        items::<pg_sys::RangeTblEntry>(plan.rtable).all(|entry| {
            (*entry).requiredPerms == 0
                || (*entry).rtekind != pg_sys::RTEKind::RTE_RELATION
                || named.contains(&(*entry).relid)
        })
    }
    #[cfg(not(feature = "pg15"))]
    // SAFETY: the list of what rights are asked of holds such records.
    unsafe {
        items::<pg_sys::RTEPermissionInfo>(plan.permInfos)
            .all(|asked| named.contains(&(*asked).relid))
    }
}

/// # Safety
/// The list must be null, or hold pointers of this type.
unsafe fn items<T>(list: *mut List) -> impl Iterator<Item = *const T> {
    // SAFETY: the caller says what the cells hold.
    unsafe { cells(list) }
        .iter()
        .map(|cell| unsafe { cell.ptr_value }.cast_const().cast())
}

/// # Safety
/// The list must be null, or a list that lives as long as what is returned.
unsafe fn cells<'a>(list: *mut List) -> &'a [pg_sys::ListCell] {
    if list.is_null() {
        return &[];
    }
    // SAFETY: a list that is not null has `length` cells.
    unsafe {
        let length = usize::try_from((*list).length).unwrap_or(0);
        std::slice::from_raw_parts((*list).elements, length)
    }
}
