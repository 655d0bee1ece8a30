//! What is done beside statements that are no queries.
//!
//! `DISCARD PLANS` and `DISCARD ALL` free what this extension keeps, as they free what PostgreSQL
//! does: a pooler sends them between two clients. `SET ingest.context` is refused unless it is LOCAL:
//! what a session keeps would be said of the next client's writes.

use super::error::{Error, State};
use super::{claimed, entry, ffi, invalidation, plan};
use core::ffi::{CStr, c_char};
use pgrx::pg_sys::{
    self, DestReceiver, DiscardStmt, NodeTag, ParamListInfo, PlannedStmt, ProcessUtility_hook,
    ProcessUtility_hook_type, ProcessUtilityContext, QueryCompletion, QueryEnvironment,
    VariableSetKind, VariableSetStmt,
};
use std::cell::Cell;

thread_local! {
    static NEXT: Cell<ProcessUtility_hook_type> = const { Cell::new(None) };
}

/// Called once, when the library is loaded.
pub(super) fn register() {
    // SAFETY: called from _PG_init; the hook is a backend variable that only libraries set, each
    // of which calls the one before.
    unsafe {
        NEXT.set(ProcessUtility_hook);
        ProcessUtility_hook = Some(on_utility);
    }
}

unsafe extern "C-unwind" fn on_utility(
    planned: *mut PlannedStmt,
    query: *const c_char,
    read_only_tree: bool,
    context: ProcessUtilityContext::Type,
    params: ParamListInfo,
    environment: *mut QueryEnvironment,
    receiver: *mut DestReceiver,
    completion: *mut QueryCompletion,
) {
    // SAFETY: PostgreSQL hands a planned utility statement.
    let (discards, keeps) = unsafe { (discards(planned), keeps_a_claim(planned)) };
    if keeps {
        let refusal = Error::refuse(
            State::BadRequest,
            "ingest.context is of a transaction, and not of a session",
        )
        .hint("SET LOCAL ingest.context = '{\"actor\": \"...\", \"reason\": \"...\"}', in the transaction that writes.");
        // SAFETY: PostgreSQL called, and this frame owns nothing that is left to drop.
        unsafe { entry::raise(refusal) }
    }
    // SAFETY: the arguments go on as they came; an ERROR passes this frame, which owns nothing.
    unsafe {
        let next = NEXT.get().unwrap_or(ffi::standard_ProcessUtility);
        next(
            planned,
            query,
            read_only_tree,
            context,
            params,
            environment,
            receiver,
            completion,
        );
    }
    if discards {
        plan::discard();
        invalidation::forget();
    }
}

/// # Safety
/// `planned` must be a planned utility statement.
unsafe fn discards(planned: *mut PlannedStmt) -> bool {
    // SAFETY: a utility statement is a node, and its tag says of which kind.
    unsafe {
        let statement = (*planned).utilityStmt;
        if (*statement).type_ != NodeTag::T_DiscardStmt {
            return false;
        }
        let target = (*statement.cast::<DiscardStmt>()).target;
        target == pg_sys::DiscardMode::DISCARD_ALL || target == pg_sys::DiscardMode::DISCARD_PLANS
    }
}

/// Whether it is a SET of the context that outlives the transaction.
///
/// # Safety
/// `planned` must be a planned utility statement.
unsafe fn keeps_a_claim(planned: *mut PlannedStmt) -> bool {
    // SAFETY: as above; the name of a SET of one variable is a C string.
    unsafe {
        let statement = (*planned).utilityStmt;
        if (*statement).type_ != NodeTag::T_VariableSetStmt {
            return false;
        }
        let set = statement.cast::<VariableSetStmt>();
        let sets = (*set).kind == VariableSetKind::VAR_SET_VALUE
            || (*set).kind == VariableSetKind::VAR_SET_CURRENT;
        sets && !(*set).is_local
            && !(*set).name.is_null()
            && claimed::is_context(CStr::from_ptr((*set).name))
    }
}
