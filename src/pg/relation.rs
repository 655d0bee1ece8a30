//! Relations by name, as PostgreSQL's own caches know them.

use super::catch::guard;
use super::error::Result;
use super::lock::{Use, lock};
use super::{ffi, privilege};
use pgrx::pg_sys::Oid;

/// The relation of this name; `None` where there is none.
pub fn relation(schema: &str, name: &str) -> Result<Option<Oid>> {
    let (Some(schema), Some(name)) = (privilege::terminated(schema), privilege::terminated(name))
    else {
        return Ok(None);
    };
    let (schema, name) = (schema.as_ptr(), name.as_ptr());
    // SAFETY: two C strings that live until after the calls; the closure owns nothing.
    let found = unsafe {
        guard(|| {
            let schema = ffi::get_namespace_oid(schema, true);
            match schema {
                Oid::INVALID => Oid::INVALID,
                schema => ffi::get_relname_relid(name, schema),
            }
        })
    }?;
    Ok((found != Oid::INVALID).then_some(found))
}

/// Whether the index of this name is there, and its build went well.
pub fn is_valid_index(schema: &str, name: &str) -> Result<bool> {
    let Some(found) = relation(schema, name)? else {
        return Ok(false);
    };
    // SAFETY: the closure holds only the call; of what is no index it says no.
    unsafe { guard(|| ffi::get_index_isvalid(found)) }
}

/// Keeps the relation of this name from being dropped or changed until the transaction ends, after
/// a wait for who does that now; says whether it is there.
pub fn hold_relation(schema: &str, name: &str) -> Result<bool> {
    while let Some(found) = relation(schema, name)? {
        lock(found, Use::Read)?;
        // The wait may have brought another under the same name, or none.
        if relation(schema, name)? == Some(found) {
            return Ok(true);
        }
    }
    Ok(false)
}
