//! Locks: on relations, by OID, so that what was checked of one holds while it is locked; and on
//! names, among callers of ours.

use super::catch::guard;
use super::error::Result;
use super::ffi;
use core::ffi::c_int;
use pgrx::pg_sys::{self, LOCKTAG, Oid};

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

/// What an advisory lock of ours is for, as `pg_locks.objsubid` shows it. PostgreSQL's own functions
/// use 1 and 2, so no SQL can take one, no application waits for one, and it is told whose it is.
/// Who chooses criteria so that their number is that of a source waits for no source.
#[derive(Debug, Clone, Copy)]
#[repr(u16)]
pub enum NamedLock {
    Criteria = 3,
    Source = 4,
    Request = 5,
    Consumer = 6,
}

/// `DEFAULT_LOCKMETHOD` is 1, that of advisory locks is 2.
const USER_LOCKMETHOD: u8 = 2;

/// Waits until nobody else holds the advisory lock of this name, and holds it until the transaction
/// ends.
pub fn lock_name(of: NamedLock, name: u64) -> Result<()> {
    let tag = LOCKTAG {
        // SAFETY: a backend variable that is set when a session begins.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.into(),
        locktag_field2: (name >> 32) as u32,
        locktag_field3: name as u32,
        locktag_field4: of as u16,
        locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
        locktag_lockmethodid: USER_LOCKMETHOD,
    };
    let mode = pg_sys::ExclusiveLock as c_int;
    // SAFETY: the tag lives until after the call, and PostgreSQL copies it.
    unsafe { guard(|| ffi::LockAcquire(&raw const tag, mode, false, false)) }.map(drop)
}

/// The name of a lock as a number, by FNV-1a: the same in every build; two texts of one number only
/// wait for each other.
pub fn lock_number(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
