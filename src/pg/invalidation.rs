//! Knowing that the catalog of profiles has changed, here or in another backend.
//!
//! A change of the catalog sends a relcache invalidation of one catalog table; PostgreSQL delivers
//! it to every backend at commit, to this one at the next command, and to this one again when the
//! change is rolled back. The callback only counts; whoever keeps something compares the count.

use super::catch::guard;
use super::error::Result;
use super::ffi;
use core::ffi::c_int;
use pgrx::pg_sys::{Datum, Oid, SysCacheIdentifier};
use std::cell::Cell;

/// What is remembered of one table, until PostgreSQL says that a table, a schema or a function has
/// changed: its name can lead elsewhere then, or its triggers run something else.
#[derive(Debug)]
pub struct PerTable<T: Copy>(Cell<Option<(Oid, u64, T)>>);

impl<T: Copy> PerTable<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self(Cell::new(None))
    }

    /// What is remembered of the table that was asked for last, or what `find` finds.
    #[inline]
    pub fn get_or(&self, table: Oid, find: impl FnOnce() -> Result<T>) -> Result<T> {
        let now = TABLES.get();
        match self.0.get() {
            Some((known, then, value)) if known == table && then == now => Ok(value),
            _ => {
                let value = find()?;
                self.0.set(Some((table, now, value)));
                Ok(value)
            }
        }
    }
}

thread_local! {
    /// The number of changes of any table, schema or function that this backend has heard of.
    static TABLES: Cell<u64> = const { Cell::new(1) };
    static GENERATION: Cell<u64> = const { Cell::new(1) };
    static WATCHED: Cell<Oid> = const { Cell::new(Oid::INVALID) };
}

/// The number of changes of any table that this backend has heard of.
pub(super) fn changes() -> u64 {
    TABLES.get()
}

/// The number of catalog changes this backend has heard of.
pub fn generation() -> u64 {
    GENERATION.get()
}

/// Says which table's invalidations count: the catalog table that the catalog triggers name.
pub fn watch(relation: Oid) {
    WATCHED.set(relation);
}

/// Tells every backend that the catalog has changed, once this transaction commits.
pub fn invalidate(relation: Oid) -> Result<()> {
    // SAFETY: the closure holds only the call.
    unsafe { guard(|| ffi::CacheInvalidateRelcacheByRelid(relation)) }
}

/// Lets all who keep something of the catalog forget it at their next use.
pub(super) fn forget() {
    GENERATION.set(GENERATION.get() + 1);
}

/// Hears of what other backends have committed by now.
pub fn accept_invalidations() -> Result<()> {
    // SAFETY: the closure holds only the call.
    unsafe { guard(|| ffi::AcceptInvalidationMessages()) }
}

unsafe extern "C-unwind" fn on_invalidation(_argument: Datum, relation: Oid) {
    TABLES.set(TABLES.get() + 1);
    // InvalidOid is a reset: everything may have changed.
    if relation == Oid::INVALID || WATCHED.get() == Oid::INVALID || relation == WATCHED.get() {
        GENERATION.set(GENERATION.get() + 1);
    }
}

unsafe extern "C-unwind" fn on_name(_argument: Datum, _cache: c_int, _hash: u32) {
    TABLES.set(TABLES.get() + 1);
}

/// Called once, when the library is loaded: PostgreSQL has room for a fixed number of callbacks.
pub(super) fn register() {
    // SAFETY: called from _PG_init, whose frames own nothing, so an ERROR may pass.
    unsafe { ffi::CacheRegisterRelcacheCallback(Some(on_invalidation), Datum::null()) };
    for cache in [
        SysCacheIdentifier::NAMESPACEOID,
        SysCacheIdentifier::PROCOID,
    ] {
        // SAFETY: as above.
        unsafe { ffi::CacheRegisterSyscacheCallback(cache as c_int, Some(on_name), Datum::null()) };
    }
}
