//! The engine's steps, which PostgreSQL ends: by a cancel, a timeout, a terminate, or because there
//! is no memory.
//!
//! While Rust runs, nobody answers an interrupt. So the engine asks here, every few thousand steps
//! (`jsonb::steps`). What PostgreSQL raises is kept until the call has come back to its
//! entry, which throws it, whatever else came out of the call.

use super::catch::guard;
use super::error::{Caught, Error, Result};
use super::ffi;
use jsonb::steps::{self, Stopped};
use pgrx::pg_sys::{InterruptPending, TopTransactionContext};
use std::cell::Cell;

thread_local! {
    static RAISED: Cell<Option<Caught>> = const { Cell::new(None) };
}

/// Makes PostgreSQL what the engine asks.
pub(super) fn register() {
    steps::ask(is_interrupted);
}

/// Answers a pending cancel or terminate; call it in every loop that may run long.
pub fn check_for_interrupts() -> Result<()> {
    // SAFETY: a volatile flag that a signal handler sets; any value is a valid bool-like int.
    let pending = unsafe { core::ptr::read_volatile(&raw const InterruptPending) };
    if pending == 0 {
        return Ok(());
    }
    // SAFETY: the closure holds only the call.
    unsafe { guard(|| ffi::ProcessInterrupts()) }
}

fn is_interrupted() -> bool {
    // SAFETY: swapping a pointer variable. The transaction's memory outlives the call, so that the
    // error does, too; no session of SPI that ends takes it along.
    let before = unsafe { (&raw mut ffi::CurrentMemoryContext).replace(TopTransactionContext) };
    let answer = check_for_interrupts();
    // SAFETY: as above.
    unsafe { ffi::CurrentMemoryContext = before };
    match answer {
        Err(Error::Postgres(raised)) => {
            RAISED.set(Some(raised));
            true
        }
        _ => false,
    }
}

/// Whether the steps have ended, so that what comes out of the call counts for nothing.
pub(super) fn ended() -> bool {
    steps::stopped().is_some()
}

/// Gives steps again, and tells what ended them.
pub(super) fn resume() -> Option<Error> {
    let raised = RAISED.take();
    match steps::resume()? {
        Stopped::Asked => raised.map(Error::Postgres),
        Stopped::Memory => Some(Error::OutOfMemory),
    }
}
