//! The boundary to PostgreSQL: the only folder with `unsafe` in it.
//!
//! pgrx gives the bindings, the module magic and the build; its error path is not used (see
//! `docs/design.md`). Errors are values here: [`entry`] is where a SQL function begins and where
//! an [`Error`] is thrown, [`guard`] is how PostgreSQL is called, and between the two there are
//! only `Result`s. The rest are small safe doors to what the store and the verbs need.
#![allow(unsafe_code)]

mod attempt;
mod btree;
mod call;
mod catch;
mod claimed;
mod composite;
mod counters;
mod entry;
mod error;
mod extension;
mod ffi;
mod instant;
mod invalidation;
#[cfg(feature = "testing")]
mod iterate;
mod lock;
mod memory;
mod notice;
mod opened;
mod owner;
mod plain;
mod plan;
mod planner;
mod privilege;
mod probe;
mod qualify;
mod relation;
mod rows;
mod settings;
mod signature;
mod spi;
mod steps;
mod stream;
mod transaction;
mod trigger;
mod utility;
mod varlena;

pub use attempt::{Failure, attempt, attempt_alone, attempt_busy, steadily};
pub use call::Call;
pub use claimed::{CONTEXT, Claimed, claimed, context_changes};
pub use composite::{RowSink, Shape};
#[cfg(feature = "testing")]
pub use counters::fill as fill_counters;
pub use counters::{
    Count, Counters, all as all_counters, attach as attach_counters, counters,
    may_sweep as may_sweep_counters, sweep as sweep_counters,
};
pub use entry::{Answer, V1, entry, load};
pub(crate) use entry::{loaded, sql_function};
pub use error::{Error, Result, State};
pub use extension::has_extension;
pub use instant::{iso, unix_micros, unix_millis, unix_time};
pub use invalidation::{PerTable, accept_invalidations, generation, invalidate, watch};
#[cfg(feature = "testing")]
pub use iterate::walk;
pub use lock::{NamedLock, Use, lock, lock_name, lock_number, lock_partitions};
pub use notice::{notice, warning};
pub use opened::is_bound;
pub use owner::{Acting, as_owner};
pub use pgrx::pg_sys::Oid;
pub use plain::plain;
pub use privilege::{current_role, may_create_schemas, may_use_schema, role_name, session_role};
pub use probe::{KeyIndex, Parts, Subtransaction, subtransaction};
pub use relation::{hold_relation, is_valid_index, relation};
pub use rows::{Row, Rows};
pub use settings::{limits, set_local, setting};
pub(crate) use spi::statements;
pub use spi::{
    About, Arg, Label, Reading, Session, Statement, Whole, decide_plans, is_running, kind,
};
pub use steps::check_for_interrupts;
pub use transaction::{database, next_transaction, notify, server, transaction};
pub use trigger::{Event, TriggerCall, Tuple};
pub use varlena::{datum_of_input, datum_of_jsonb, datum_of_text, datum_of_texts, jsonb_of_text};

use core::ffi::CStr;

/// The version of this library. PostgreSQL 18 shows it in `pg_get_loaded_modules()`.
pub const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };

/// Microseconds since 2000-01-01 00:00 UTC, as a `timestamptz` holds them.
pub type Instant = i64;

/// The wall clock now, as `clock_timestamp()` gives it.
pub fn now() -> Instant {
    // SAFETY: GetCurrentTimestamp only reads the clock; it cannot raise an error.
    unsafe { ffi::GetCurrentTimestamp() }
}

/// When the client's current statement began: the same value for all that runs within it.
pub fn statement_start() -> Instant {
    // SAFETY: returns a backend variable; it cannot raise an error.
    unsafe { ffi::GetCurrentStatementStartTimestamp() }
}

/// How many transactions of the server that have written anything have come to their end.
pub fn completed_transactions() -> u64 {
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    // SAFETY: points into shared memory for as long as the backend lives.
    let variables = unsafe { pgrx::pg_sys::ShmemVariableCache };
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    // SAFETY: as above.
    let variables = unsafe { pgrx::pg_sys::TransamVariables };
    // SAFETY: an aligned word that others only count up; volatile, because they do.
    unsafe { core::ptr::read_volatile(&raw const (*variables).xactCompletionCount) }
}

/// Whether a transaction is this one, or one of its subtransactions.
pub fn is_own_transaction(xid: u32) -> bool {
    // SAFETY: looks into backend memory; it raises nothing.
    unsafe { ffi::TransactionIdIsCurrentTransactionId(xid.into()) }
}

/// What tells a statement that is running from those around it and inside it: the snapshot that it
/// has pushed. 0 if there is none.
pub fn running_statement() -> usize {
    // SAFETY: both only look at the stack of snapshots.
    unsafe {
        match ffi::ActiveSnapshotSet() {
            true => ffi::GetActiveSnapshot().addr(),
            false => 0,
        }
    }
}

/// The same, and the command of the transaction that it is, which tells it from those that come after
/// it, too.
pub fn running_command() -> (usize, u32) {
    // SAFETY: as above; a snapshot that is on the stack is a live one.
    unsafe {
        match ffi::ActiveSnapshotSet() {
            true => {
                let snapshot = ffi::GetActiveSnapshot();
                (snapshot.addr(), (*snapshot).curcid)
            }
            false => (0, 0),
        }
    }
}

/// How deep the subtransactions are nested: 1 is the transaction itself.
pub fn nest_level() -> i32 {
    // SAFETY: reads backend memory; it raises nothing.
    unsafe { ffi::GetCurrentTransactionNestLevel() }
}

/// Whether the transaction is SERIALIZABLE.
pub fn is_serializable() -> bool {
    // SAFETY: a backend variable that is set when the transaction begins.
    unsafe { pgrx::pg_sys::XactIsoLevel == pgrx::pg_sys::XACT_SERIALIZABLE as i32 }
}

/// Whether the transaction keeps one snapshot (REPEATABLE READ, SERIALIZABLE), so that its
/// statements do not see what was committed since.
pub fn snapshot_is_old() -> bool {
    // SAFETY: a backend variable that is set when the transaction begins.
    unsafe { pgrx::pg_sys::XactIsoLevel >= pgrx::pg_sys::XACT_REPEATABLE_READ as i32 }
}
