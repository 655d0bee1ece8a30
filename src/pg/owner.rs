//! Acting as the owner of a table, as the triggers of foreign keys do.

use super::error::Result;
use super::ffi;
use pgrx::pg_sys::{self, Oid};

/// Runs `body` as `owner`, with row-level security not forced, and goes back to the caller's role.
/// Used for two things only: the history of a table, and the reading of the catalog.
pub fn as_owner<T>(owner: Oid, body: impl FnOnce() -> Result<T>) -> Result<T> {
    let mut user = Oid::INVALID;
    let mut context = 0;
    let local = (pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_NOFORCE_RLS) as i32;
    // SAFETY: both only read and set backend variables; neither raises.
    unsafe {
        ffi::GetUserIdAndSecContext(&raw mut user, &raw mut context);
        ffi::SetUserIdAndSecContext(owner, context | local);
    }
    let result = body();
    // SAFETY: the values are those that were in force before.
    unsafe { ffi::SetUserIdAndSecContext(user, context) };
    result
}
