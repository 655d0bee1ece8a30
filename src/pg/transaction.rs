//! Transactions by their numbers, which no other of this server gets, and the server by its own.

use super::catch::guard;
use super::error::Result;
use super::ffi;
use core::ffi::CStr;
use pgrx::pg_sys;
use std::ffi::CString;

/// The number of this transaction, which has one from now on: as `pg_current_xact_id()` gives it.
pub fn transaction() -> Result<i64> {
    // SAFETY: the closure holds only the call.
    let number = unsafe { guard(|| ffi::GetTopFullTransactionId()) }?;
    Ok(as_bigint(number.value))
}

/// A number that no transaction has had yet; none on a server that follows another, which is ahead.
pub fn next_transaction() -> Result<Option<i64>> {
    // SAFETY: looks into shared memory; it raises nothing.
    if unsafe { ffi::RecoveryInProgress() } {
        return Ok(None);
    }
    // SAFETY: the closure holds only the call.
    let number = unsafe { guard(|| ffi::ReadNextFullTransactionId()) }?;
    Ok(Some(as_bigint(number.value)))
}

/// What tells the server from all others, as `pg_control_system()` gives it.
pub fn server() -> i64 {
    // SAFETY: reads what is in memory since the server began; it raises nothing.
    let identifier = unsafe { ffi::GetSystemIdentifier() };
    i64::from_ne_bytes(identifier.to_ne_bytes())
}

/// The OID of the database, as a number.
pub fn database() -> u32 {
    // SAFETY: a backend variable that is set when a session begins.
    unsafe { pg_sys::MyDatabaseId }.into()
}

/// Notifies a channel when this transaction commits; once, however often it is said.
pub fn notify(channel: &CStr, payload: &str) -> Result<()> {
    let Ok(payload) = CString::new(payload) else {
        return Ok(());
    };
    let (channel, payload) = (channel.as_ptr(), payload.as_ptr());
    // SAFETY: both are C strings that live until after the call, which copies them.
    unsafe { guard(|| ffi::Async_Notify(channel, payload)) }
}

/// No server comes to transactions beyond this.
fn as_bigint(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
