//! Acting as another role, as the triggers of foreign keys do. What may be acted on is decided in
//! `store::acting`, the only caller.

use super::catch::caught;
use super::error::Result;
use super::opened::{self, Named};
use super::{ffi, settings};
use pgrx::pg_sys::{self, Oid};

/// How to act as another role.
#[derive(Debug, Clone, Copy)]
pub struct Acting {
    /// The role.
    pub owner: Oid,
    /// The caller may be more powerful than the role, whose code may run within: as VACUUM and
    /// REINDEX confine it, it leaves nothing behind in the session.
    pub confined: bool,
    /// The role may be more powerful than the caller, and code of its own may run within: it finds
    /// nothing by the caller's search_path.
    pub own_path: bool,
    /// The tables that the statements may name, if these are known.
    pub named: Option<Named>,
}

/// Runs `body` as the owner, with row-level security not forced, and goes back to the caller's role.
pub fn as_owner<T>(acting: Acting, body: impl FnOnce() -> Result<T>) -> Result<T> {
    let Acting {
        owner,
        confined,
        own_path,
        named,
    } = acting;
    let mut flags = pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_NOFORCE_RLS;
    if confined {
        flags |= pg_sys::SECURITY_RESTRICTED_OPERATION;
    }
    let level = match (own_path, confined) {
        (true, _) => Some(settings::own_path()?),
        (false, true) => Some(settings::enter_level()?),
        (false, false) => None,
    };
    let before = caught();
    let mut user = Oid::INVALID;
    let mut context = 0;
    // SAFETY: both only read and set backend variables; neither raises.
    unsafe {
        ffi::GetUserIdAndSecContext(&raw mut user, &raw mut context);
        ffi::SetUserIdAndSecContext(owner, context | flags as i32);
    }
    let mut result = opened::bound(named, body);
    if let Some(level) = level
        && caught() == before
    {
        result = settings::leave_level(level).and(result);
    }
    // SAFETY: the values are those that were in force before.
    unsafe { ffi::SetUserIdAndSecContext(user, context) };
    result
}
