//! Notices to the client.

use super::catch::guard;
use super::error::Result;
use super::{ffi, varlena};
use core::ffi::c_int;
use pgrx::pg_sys::elog::PgLogLevel;

/// Sends a NOTICE. Like an error, it never holds a payload value.
pub fn notice(message: &str, hint: &str) -> Result<()> {
    send(PgLogLevel::NOTICE, message, hint)
}

/// Sends a WARNING, which is in the server's log too, as that of a door has no other reader.
pub fn warning(message: &str, hint: &str) -> Result<()> {
    send(PgLogLevel::WARNING, message, hint)
}

fn send(level: PgLogLevel, message: &str, hint: &str) -> Result<()> {
    let message = varlena::c_string(Some(message))?;
    let hint = varlena::c_string(Some(hint))?;
    // SAFETY: ereport(level, …) written out; both are C strings in PostgreSQL's memory.
    unsafe {
        guard(|| {
            if ffi::errstart(level as c_int, core::ptr::null()) {
                ffi::errmsg_internal(c"%s".as_ptr(), message);
                ffi::errhint(c"%s".as_ptr(), hint);
                ffi::errfinish(c"ingest_ext".as_ptr(), 0, c"notice".as_ptr());
            }
        })
    }
}
