//! What PostgreSQL lets a role do, asked of PostgreSQL itself: its caches answer in less than the
//! time of a statement, so that it can be asked at each call.

use super::catch::guard;
use super::error::Result;
use super::ffi;
use core::ffi::{CStr, c_char};
use pgrx::pg_sys::{self, Oid};

/// How long a name of PostgreSQL's can be, with its terminator.
const NAME: usize = pg_sys::NAMEDATALEN as usize;

/// The role that the call runs as.
pub fn current_role() -> Oid {
    // SAFETY: returns a backend variable that is set while a function runs.
    unsafe { ffi::GetUserId() }
}

/// The role that logged in, or that a superuser made the session's.
pub fn session_role() -> Oid {
    // SAFETY: returns a backend variable.
    unsafe { ffi::GetSessionUserId() }
}

/// The name of a role, as it is now; of one that is gone, its number.
pub fn role_name(role: Oid) -> Result<String> {
    // SAFETY: the closure holds only the call.
    let name = unsafe { guard(|| ffi::GetUserNameFromId(role, true)) }?;
    if name.is_null() {
        return Ok(format!("unknown (OID={})", role.to_u32()));
    }
    // SAFETY: a C string in the current memory context. Roles are of no database, so that a name
    // can be in another encoding than this one's.
    Ok(unsafe { CStr::from_ptr(name) }
        .to_string_lossy()
        .into_owned())
}

/// Whether a role may use a schema; `None` where there is no schema of that name.
pub fn may_use_schema(role: Oid, schema: &str) -> Result<Option<bool>> {
    let Some(schema) = terminated(schema) else {
        return Ok(None);
    };
    let schema = schema.as_ptr();
    // SAFETY: a C string that lives until after the calls; the closure owns nothing.
    let answer = unsafe {
        guard(|| {
            let schema = ffi::get_namespace_oid(schema, true);
            if schema == Oid::INVALID {
                return None;
            }
            Some(usable(schema, role))
        })
    }?;
    Ok(answer)
}

/// Whether a role may create schemas in this database.
pub fn may_create_schemas(role: Oid) -> Result<bool> {
    // SAFETY: the closure holds only the calls.
    unsafe { guard(|| creatable(pg_sys::MyDatabaseId, role)) }
}

/// The name as a C string; `None` for what PostgreSQL could not have as a name.
pub(super) fn terminated(name: &str) -> Option<[c_char; NAME]> {
    let mut bytes = [0; NAME];
    if name.len() >= NAME || name.contains('\0') {
        return None;
    }
    for (place, byte) in bytes.iter_mut().zip(name.bytes()) {
        *place = byte as c_char;
    }
    Some(bytes)
}

/// # Safety
/// Must be called inside `guard`.
#[cfg(feature = "pg15")]
unsafe fn usable(schema: Oid, role: Oid) -> bool {
    // SAFETY: the caller is inside guard.
    unsafe {
        ffi::pg_namespace_aclcheck(schema, role, pg_sys::ACL_USAGE as pg_sys::AclMode)
            == pg_sys::AclResult::ACLCHECK_OK
    }
}

/// # Safety
/// Must be called inside `guard`.
#[cfg(feature = "pg15")]
unsafe fn creatable(database: Oid, role: Oid) -> bool {
    // SAFETY: the caller is inside guard.
    unsafe {
        ffi::pg_database_aclcheck(database, role, pg_sys::ACL_CREATE as pg_sys::AclMode)
            == pg_sys::AclResult::ACLCHECK_OK
    }
}

/// # Safety
/// Must be called inside `guard`.
#[cfg(not(feature = "pg15"))]
unsafe fn usable(schema: Oid, role: Oid) -> bool {
    // SAFETY: the caller is inside guard.
    unsafe {
        ffi::object_aclcheck(
            pg_sys::NamespaceRelationId,
            schema,
            role,
            pg_sys::ACL_USAGE as pg_sys::AclMode,
        ) == pg_sys::AclResult::ACLCHECK_OK
    }
}

/// # Safety
/// Must be called inside `guard`.
#[cfg(not(feature = "pg15"))]
unsafe fn creatable(database: Oid, role: Oid) -> bool {
    // SAFETY: the caller is inside guard.
    unsafe {
        ffi::object_aclcheck(
            pg_sys::DatabaseRelationId,
            database,
            role,
            pg_sys::ACL_CREATE as pg_sys::AclMode,
        ) == pg_sys::AclResult::ACLCHECK_OK
    }
}
