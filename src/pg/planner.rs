//! How statements that go by a key are planned: by the key, whatever the statistics say.
//!
//! A plan is kept, and may have been made while the table was empty: a sequential scan is then the
//! cheapest way, and stays it for a million rows. PostgreSQL plans anew when it sees fit, in the
//! middle of an execution too, so the planner itself is told, by an option that the statement
//! carries. What runs inside the statement, a trigger say, plans as ever.

use super::catch::guard;
use super::entry;
use super::error::Result;
use super::ffi;
use super::opened::{self, OURS};
use super::settings;
use core::ffi::{c_char, c_int};
use pgrx::pg_sys::{self, ParamListInfo, PlannedStmt, Query};
use std::cell::Cell;

/// The cursor option of a statement by key. PostgreSQL hands the options of a prepared statement on
/// to its planner and looks only at those it knows, which are the lowest twelve.
pub(super) const BY_KEY: c_int = 1 << 30;

thread_local! {
    static NEXT: Cell<pg_sys::planner_hook_type> = const { Cell::new(None) };
}

/// Called once, when the library is loaded.
pub(super) fn register() {
    // SAFETY: a variable for just this, read and written while the library is loaded.
    unsafe {
        NEXT.set(pg_sys::planner_hook);
        pg_sys::planner_hook = Some(plan);
    }
}

unsafe extern "C-unwind" fn plan(
    query: *mut Query,
    sql: *const c_char,
    options: c_int,
    parameters: ParamListInfo,
) -> *mut PlannedStmt {
    if options & BY_KEY == 0 {
        // SAFETY: what PostgreSQL handed in goes on as it is; this frame owns nothing.
        return unsafe { next(query, sql, options, parameters) };
    }
    // SAFETY: what PostgreSQL handed in goes on as it is.
    match unsafe { by_key(query, sql, options, parameters) } {
        Ok(planned) => {
            // A scan that cannot be helped has a price so high that it would be worth compiling.
            // SAFETY: the planner's answer, not shared yet.
            unsafe { (*planned).jitFlags = OURS };
            planned
        }
        // SAFETY: PostgreSQL called, and this frame owns nothing that is left to drop.
        Err(error) => unsafe { entry::raise(error) },
    }
}

/// # Safety
/// The arguments are those of a planner hook.
unsafe fn by_key(
    query: *mut Query,
    sql: *const c_char,
    options: c_int,
    parameters: ParamListInfo,
) -> Result<*mut PlannedStmt> {
    // Code of the owner's may run while there is planned as the owner: an immutable function of
    // constants, in a constraint or an index.
    let mut nest = None;
    if opened::is_expected() {
        // SAFETY: the closure holds only the call; the query is about to be planned.
        if !unsafe { guard(|| opened::may_plan(query)) }? {
            return Err(opened::renamed());
        }
        nest = Some(settings::own_path()?);
    }
    // SAFETY: a setting's variable, set back before anything else runs, after an error too; the
    // closure holds only the call.
    let planned = unsafe {
        let before = pg_sys::enable_seqscan;
        pg_sys::enable_seqscan = false;
        let planned = guard(|| next(query, sql, options, parameters));
        pg_sys::enable_seqscan = before;
        planned
    }?;
    if let Some(nest) = nest {
        settings::leave_level(nest)?;
    }
    Ok(planned)
}

/// # Safety
/// The arguments are those of a planner hook; an ERROR leaves it by `longjmp`.
unsafe fn next(
    query: *mut Query,
    sql: *const c_char,
    options: c_int,
    parameters: ParamListInfo,
) -> *mut PlannedStmt {
    // SAFETY: the caller's promise is handed on.
    unsafe {
        match NEXT.get() {
            Some(next) => next(query, sql, options, parameters),
            None => ffi::standard_planner(query, sql, options, parameters),
        }
    }
}
