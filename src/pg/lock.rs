//! Locks on relations, by OID: what was checked of a relation holds while it is locked.

use super::catch::guard;
use super::error::Result;
use super::ffi;
use core::ffi::c_int;
use pgrx::pg_sys::{self, Oid};

/// How a statement is going to use a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It reads.
    Read,
    /// It holds rows.
    Hold,
    /// It writes.
    Write,
}

impl Use {
    fn mode(self) -> c_int {
        (match self {
            Use::Read => pg_sys::AccessShareLock,
            Use::Hold => pg_sys::RowShareLock,
            Use::Write => pg_sys::RowExclusiveLock,
        }) as c_int
    }
}

/// Locks the relation until the transaction ends, as the statement would. Who has waited has also
/// heard of what changed meanwhile.
pub fn lock(relation: Oid, usage: Use) -> Result<()> {
    // SAFETY: the closure holds only the call.
    unsafe { guard(|| ffi::LockRelationOid(relation, usage.mode())) }
}

/// The same for its partitions.
pub fn lock_partitions(relation: Oid, usage: Use) -> Result<()> {
    // SAFETY: the closure holds only the call, whose list lives in the caller's memory context.
    unsafe { guard(|| ffi::find_all_inheritors(relation, usage.mode(), core::ptr::null_mut())) }
        .map(drop)
}
