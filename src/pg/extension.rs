//! Which extensions the database has.

use super::catch::guard;
use super::error::Result;
use super::ffi;
use core::ffi::CStr;
use pgrx::pg_sys::Oid;

/// Whether the database has an extension of this name.
pub fn has_extension(name: &CStr) -> Result<bool> {
    // SAFETY: the closure holds only the call, which looks the name up; the text ends with a NUL.
    let found = unsafe { guard(|| ffi::get_extension_oid(name.as_ptr(), true)) }?;
    Ok(found != Oid::INVALID)
}
