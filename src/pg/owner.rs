//! Acting as another role, as the triggers of foreign keys do. What may be acted on is decided in
//! `store::acting`, the only caller.

use super::catch::guard;
use super::error::Result;
use super::ffi;
use pgrx::pg_sys::{self, Oid};

/// Runs `body` as `owner`, with row-level security not forced, and goes back to the caller's role.
///
/// Where the caller may be more powerful than `owner`, whose code may run within, the body is also
/// `confined`, as VACUUM and REINDEX confine it: it leaves nothing behind in the session.
pub fn as_owner<T>(owner: Oid, confined: bool, body: impl FnOnce() -> Result<T>) -> Result<T> {
    let mut flags = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_NOFORCE_RLS;
    let mut nest = 0;
    if confined {
        flags |= pg_sys::SECURITY_RESTRICTED_OPERATION;
        // SAFETY: the closure holds only the call.
        nest = unsafe { guard(|| ffi::NewGUCNestLevel()) }?;
    }
    let mut user = Oid::INVALID;
    let mut context = 0;
    // SAFETY: both only read and set backend variables; neither raises.
    unsafe {
        ffi::GetUserIdAndSecContext(&raw mut user, &raw mut context);
        ffi::SetUserIdAndSecContext(owner, context | flags as i32);
    }
    let mut result = body();
    if confined && result.is_ok() {
        // SAFETY: the closure holds only the call. After an error the abort does the same.
        let left = unsafe { guard(|| ffi::AtEOXact_GUC(false, nest)) };
        result = left.and(result);
    }
    // SAFETY: the values are those that were in force before.
    unsafe { ffi::SetUserIdAndSecContext(user, context) };
    result
}
