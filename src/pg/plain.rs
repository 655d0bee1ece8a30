//! Whether a table and its history are as plain as they were made: by what PostgreSQL's cache of
//! relations holds, which whoever writes to them needs anyway. Planning a statement that asks the
//! catalogs takes a new session as long as all the rest of its first write.

use super::catch::guard;
use super::error::Result;
use super::relation::relation;
use super::{ffi, invalidation};
use core::ffi::{CStr, c_int};
use pgrx::pg_sys::{self, Datum, Oid, Relation, SysCacheIdentifier};

/// A table and its history, of one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain {
    /// The table.
    pub relation: Oid,
    /// Who owns both.
    pub owner: Oid,
    /// The history.
    pub history: Oid,
}

const LOCK: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
/// The schema of the extension.
const SCHEMA: &CStr = c"ingest";
/// What PostgreSQL's own files make below this number is in `pg_catalog`.
const FIRST_GENERATED: u32 = pg_sys::FirstGenbkiObjectId;

/// A table of this schema and its history, if nothing is on them that could be wrong or could run: no
/// parent and no child, and on the history no rule, no trigger but the `seal`, no check, no default, no
/// index on an expression or of a part, no type of somebody's. `None` says nothing.
pub fn plain(schema: &str, table: &str, history: &str, seal: &CStr) -> Result<Option<Plain>> {
    // A statement would see what is committed by now.
    invalidation::accept_invalidations()?;
    let (Some(relation), Some(history)) = (relation(schema, table)?, relation(schema, history)?)
    else {
        return Ok(None);
    };
    let Some(seal) = function_of_ours(seal)? else {
        return Ok(None);
    };
    let owner = |of: Oid, seal: Option<Oid>| {
        // SAFETY: the closure owns nothing; the relation is closed where it was opened, and its lock
        // let go: who goes on to write locks it more strongly, and must hold nothing then.
        unsafe {
            guard(|| {
                if ffi::get_rel_relkind(of) as u8 != pg_sys::RELKIND_RELATION {
                    return None;
                }
                let opened = ffi::try_table_open(of, LOCK);
                if opened.is_null() {
                    return None;
                }
                let is_plain =
                    stands_alone(opened) && seal.is_none_or(|seal| runs_nothing(opened, seal));
                let owner = (*(*opened).rd_rel).relowner;
                ffi::table_close(opened, LOCK);
                is_plain.then_some(owner)
            })
        }
    };
    let owners = (owner(relation, None)?, owner(history, Some(seal))?);
    Ok(match owners {
        (Some(owner), Some(same)) if owner == same => Some(Plain {
            relation,
            owner,
            history,
        }),
        _ => None,
    })
}

/// A function of the extension without parameters.
fn function_of_ours(name: &CStr) -> Result<Option<Oid>> {
    let name = name.as_ptr();
    // SAFETY: C strings that live until after the calls; the closure owns nothing.
    let found = unsafe {
        guard(|| {
            let schema = ffi::get_namespace_oid(SCHEMA.as_ptr(), true);
            ffi::GetSysCacheOid(
                SysCacheIdentifier::PROCNAMEARGSNSP as c_int,
                pg_sys::Anum_pg_proc_oid as i16,
                Datum::from(name),
                Datum::from(ffi::buildoidvector(core::ptr::null(), 0)),
                Datum::from(schema),
                Datum::null(),
            )
        })
    }?;
    Ok((found != Oid::INVALID).then_some(found))
}

/// # Safety
/// Must be called inside `guard`; the relation is open.
unsafe fn stands_alone(opened: Relation) -> bool {
    // SAFETY: an open relation has its row of pg_class.
    let row = unsafe { &*(*opened).rd_rel };
    // SAFETY: a look at a catalog.
    !row.relispartition && !row.relhassubclass && !unsafe { ffi::has_superclass((*opened).rd_id) }
}

/// # Safety
/// Must be called inside `guard`; the relation is open.
unsafe fn runs_nothing(opened: Relation, seal: Oid) -> bool {
    // SAFETY: an open relation has its row of pg_class and its descriptor; of triggers, constraints and
    // indexes it has those that are counted.
    unsafe {
        let row = &*(*opened).rd_rel;
        let shape = (*opened).rd_att;
        let constraints = (*shape).constr;
        if row.relhasrules
            || row.relchecks > 0
            || !constraints.is_null()
                && ((*constraints).num_defval > 0 || (*constraints).num_check > 0)
        {
            return false;
        }
        let triggers = (*opened).trigdesc;
        let count = match triggers.is_null() {
            true => 0,
            false => usize::try_from((*triggers).numtriggers).unwrap_or(0),
        };
        for place in 0..count {
            let trigger = &*(*triggers).triggers.add(place);
            if !trigger.tgisinternal
                && (trigger.tgfoid != seal || trigger.tgdeferrable || !trigger.tgqual.is_null())
            {
                return false;
            }
        }
        if (1..=(*shape).natts)
            .any(|column| ffi::SPI_gettypeid(shape, column).to_u32() >= FIRST_GENERATED)
        {
            return false;
        }
        let indexes = ffi::RelationGetIndexList(opened);
        let count = match indexes.is_null() {
            true => 0,
            false => usize::try_from((*indexes).length).unwrap_or(0),
        };
        (0..count).all(|place| {
            let index = ffi::index_open((*(*indexes).elements.add(place)).oid_value, LOCK);
            let is_plain = ffi::RelationGetIndexExpressions(index).is_null()
                && ffi::RelationGetIndexPredicate(index).is_null();
            ffi::index_close(index, LOCK);
            is_plain
        })
    }
}
