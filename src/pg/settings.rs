//! The settings `ingest.max_depth` and `ingest.max_issues`.

use super::ffi;
use core::ffi::{CStr, c_int};
use ingest_engine::limits::Limits;
use pgrx::pg_sys;
use std::sync::atomic::{AtomicI32, Ordering};

static MAX_DEPTH: AtomicI32 = AtomicI32::new(64);
static MAX_ISSUES: AtomicI32 = AtomicI32::new(100);

/// The limits in force now.
pub fn limits() -> Limits {
    let of = |setting: &AtomicI32| usize::try_from(setting.load(Ordering::Relaxed)).unwrap_or(1);
    Limits {
        max_depth: of(&MAX_DEPTH),
        max_issues: of(&MAX_ISSUES),
    }
}

/// Defines the settings.
///
/// # Safety
/// To be called from `_PG_init` only, from frames that own nothing: it may raise an ERROR.
pub unsafe fn register() {
    define(
        c"ingest.max_depth",
        c"How deep a resource may nest; a deeper one is refused with PT413.",
        &MAX_DEPTH,
        (64, 1, 512),
    );
    define(
        c"ingest.max_issues",
        c"How many issues an error lists before it says that there are more.",
        &MAX_ISSUES,
        (100, 1, 10_000),
    );
}

fn define(
    name: &'static CStr,
    description: &'static CStr,
    value: &'static AtomicI32,
    (boot, min, max): (c_int, c_int, c_int),
) {
    // SAFETY: an AtomicI32 is laid out as an int, is never moved, and is written by this backend's
    // one thread; the strings are static.
    unsafe {
        ffi::DefineCustomIntVariable(
            name.as_ptr(),
            description.as_ptr(),
            core::ptr::null(),
            value.as_ptr(),
            boot,
            min,
            max,
            pg_sys::GucContext::PGC_USERSET,
            0,
            core::ptr::null(),
            core::ptr::null(),
            core::ptr::null(),
        );
    }
}
