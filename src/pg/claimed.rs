//! What the client claims for a transaction: `ingest.context`, and what PostgREST sets of a request.
//!
//! A pooler in transaction mode hands the session on after each transaction. So a claim counts only
//! if it goes when the transaction does: set by `SET LOCAL`, `set_config(…, true)` or the SET of a
//! function. PostgreSQL tells that of no setting by SQL; its own record of the setting does.

use super::catch::guard;
use super::error::Result;
use super::ffi;
use super::settings::setting;
use core::ffi::{CStr, c_char, c_void};
use core::ptr;
use pgrx::pg_sys::{GucContext, GucStackState, config_generic};
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// The setting in which a client says who acts, and why.
pub const CONTEXT: &CStr = c"ingest.context";

static VALUE: AtomicPtr<c_char> = AtomicPtr::new(ptr::null_mut());
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// A setting that claims something.
#[derive(Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It is not set.
    Nothing,
    /// It is set, and stays when the transaction is over.
    OfSession,
    /// It is this, until the transaction is over.
    OfTransaction(String),
}

/// Whether a name that a statement gives is that of the context.
pub(super) fn is_context(name: &CStr) -> bool {
    name.to_bytes().eq_ignore_ascii_case(CONTEXT.to_bytes())
}

/// How often the context was set, or set back, in this backend.
#[inline]
pub fn context_changes() -> u64 {
    CHANGES.load(Ordering::Relaxed)
}

/// What a setting claims now.
pub fn claimed(name: &CStr) -> Result<Claimed> {
    let Some(value) = setting(name)?.filter(|value| !value.is_empty()) else {
        return Ok(Claimed::Nothing);
    };
    // SAFETY: the closure holds only the call, which looks into backend memory.
    let record = unsafe { guard(|| find(name)) }?;
    // SAFETY: a record that was found lives as long as the setting; nothing sets one in between.
    let state = unsafe {
        record
            .as_ref()
            .and_then(|record| record.stack.as_ref())
            .map(|top| top.state)
    };
    Ok(match state {
        Some(GucStackState::GUC_LOCAL | GucStackState::GUC_SET_LOCAL | GucStackState::GUC_SAVE) => {
            Claimed::OfTransaction(value)
        }
        _ => Claimed::OfSession,
    })
}

/// PostgreSQL's record of a setting whose name has no capitals; null if there is none.
///
/// # Safety
/// Must be called inside `guard`.
#[cfg(not(feature = "pg15"))]
unsafe fn find(name: &CStr) -> *mut config_generic {
    // SAFETY: a C string; the caller is inside guard.
    unsafe { ffi::find_option(name.as_ptr(), false, true, 0) }
}

/// # Safety
/// As above.
#[cfg(feature = "pg15")]
unsafe fn find(name: &CStr) -> *mut config_generic {
    // SAFETY: the array has so many records, each with a name.
    unsafe {
        let count = usize::try_from(ffi::GetNumConfigOptions()).unwrap_or(0);
        let all = std::slice::from_raw_parts(ffi::get_guc_variables(), count);
        let named = |record: &&*mut config_generic| {
            let found = CStr::from_ptr((***record).name).to_bytes();
            found.eq_ignore_ascii_case(name.to_bytes())
        };
        all.iter().find(named).copied().unwrap_or(ptr::null_mut())
    }
}

unsafe extern "C-unwind" fn on_assign(_value: *const c_char, _extra: *mut c_void) {
    CHANGES.fetch_add(1, Ordering::Relaxed);
}

/// Defines the setting.
///
/// # Safety
/// To be called from `_PG_init` only, from frames that own nothing: it may raise an ERROR.
pub(super) unsafe fn register() {
    // SAFETY: an AtomicPtr is laid out as a pointer, is never moved, and is written by this
    // backend's one thread; the strings are static.
    unsafe {
        ffi::DefineCustomStringVariable(
            CONTEXT.as_ptr(),
            c"Who acts and why, as JSON, for the versions that this transaction makes: SET LOCAL only."
                .as_ptr(),
            ptr::null(),
            VALUE.as_ptr(),
            ptr::null(),
            GucContext::PGC_USERSET,
            0,
            None,
            Some(on_assign),
            None,
        );
    }
}
