//! Settings: our own, `ingest.max_depth`, `ingest.max_issues`, `ingest.max_statements` and
//! `ingest.notify`, and those of others by name.

use super::catch::guard;
use super::error::{Error, Result, State};
use super::{ffi, varlena};
use core::ffi::{CStr, c_char, c_int};
use ingest_engine::limits::Limits;
use pgrx::pg_sys;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

static MAX_DEPTH: AtomicI32 = AtomicI32::new(64);
static MAX_ISSUES: AtomicI32 = AtomicI32::new(100);
static MAX_STATEMENTS: AtomicI32 = AtomicI32::new(120);
/// Read in `sql/postgrest.sql`.
static NOTIFY: AtomicBool = AtomicBool::new(true);

/// How long a setting of others may be, in bytes.
const LONGEST: usize = 64 << 10;

/// The limits in force now.
pub fn limits() -> Limits {
    let of = |setting: &AtomicI32| usize::try_from(setting.load(Ordering::Relaxed)).unwrap_or(1);
    Limits {
        max_depth: of(&MAX_DEPTH),
        max_issues: of(&MAX_ISSUES),
        ..Limits::default()
    }
}

/// How many plans a backend keeps.
pub(super) fn max_statements() -> usize {
    usize::try_from(MAX_STATEMENTS.load(Ordering::Relaxed)).unwrap_or(1)
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
    define(
        c"ingest.max_statements",
        c"How many plans of its own statements a session keeps, at some 25 kB each.",
        &MAX_STATEMENTS,
        (120, 1, 1_000_000),
    );
    // SAFETY: an AtomicBool is laid out as a bool, is never moved, and is written by this backend's
    // one thread; the strings are static.
    unsafe {
        ffi::DefineCustomBoolVariable(
            c"ingest.notify".as_ptr(),
            c"Whether a definition tells PostgREST, by NOTIFY, to read the schema again; off in a transaction that is to be prepared."
                .as_ptr(),
            core::ptr::null(),
            NOTIFY.as_ptr(),
            true,
            pg_sys::GucContext::PGC_USERSET,
            0,
            core::ptr::null(),
            core::ptr::null(),
            core::ptr::null(),
        );
    }
    // SAFETY: as here.
    unsafe { super::claimed::register() };
    // SAFETY: a static C string.
    unsafe { ffi::MarkGUCPrefixReserved(c"ingest".as_ptr()) };
}

/// What a setting says now; `None` if there is no such setting.
pub fn setting(name: &CStr) -> Result<Option<String>> {
    let pointer = name.as_ptr();
    // SAFETY: the closure holds only the call.
    let value = unsafe { guard(|| ffi::GetConfigOption(pointer, true, false)) }?;
    if value.is_null() {
        return Ok(None);
    }
    // SAFETY: a C string that lives until the setting changes, which nothing does here.
    let value = unsafe { CStr::from_ptr(value) };
    if value.count_bytes() > LONGEST {
        let name = name.to_string_lossy();
        return Err(Error::refuse(
            State::TooLarge,
            format!("the setting {name} is longer than 64 kB"),
        )
        .hint("The headers of a request, and a context, are much shorter."));
    }
    value
        .to_str()
        .map(|value| Some(value.to_owned()))
        .map_err(|_| Error::Corrupt)
}

/// A level of settings, all of which are set back when it is left; after an ERROR of PostgreSQL's, the
/// abort leaves it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level(c_int);

/// Enters a level of settings.
pub(super) fn enter_level() -> Result<Level> {
    // SAFETY: the closure holds only the call.
    unsafe { guard(|| ffi::NewGUCNestLevel()) }.map(Level)
}

/// Sets back what was set in this level.
pub(super) fn leave_level(level: Level) -> Result<()> {
    // SAFETY: the closure holds only the call.
    unsafe { guard(|| ffi::AtEOXact_GUC(false, level.0)) }
}

/// Enters a level of settings in which nothing is found by the caller's search_path.
pub(super) fn own_path() -> Result<Level> {
    let level = enter_level()?;
    set_for_level(c"search_path", c"pg_catalog, pg_temp")?;
    Ok(level)
}

/// Sets a setting that anybody may set, until the innermost level of settings ends.
fn set_for_level(name: &'static CStr, value: &'static CStr) -> Result<()> {
    let (name, value) = (name.as_ptr(), value.as_ptr());
    set(name, value, pg_sys::GucAction::GUC_ACTION_SAVE)
}

/// Sets a setting that anybody may set, until the transaction ends.
pub fn set_local(name: &CStr, value: &str) -> Result<()> {
    let value = varlena::c_string(Some(value))?;
    set(name.as_ptr(), value, pg_sys::GucAction::GUC_ACTION_LOCAL)
}

fn set(name: *const c_char, value: *const c_char, action: pg_sys::GucAction::Type) -> Result<()> {
    // SAFETY: what a function with `SET name = value`, or `set_config`, does; both are C strings of
    // the callers above, and the closure holds only the call.
    unsafe {
        guard(|| {
            ffi::set_config_option(
                name,
                value,
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_SESSION,
                action,
                true,
                0,
                false,
            )
        })
    }
    .map(drop)
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
