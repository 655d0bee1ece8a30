//! Probing the index of a key: is anything there that anybody may see?
//!
//! The answer "no" is certain: whatever any transaction has stored there, committed or not, deleted
//! or not, has an entry and a row as long as anybody may see it. "Yes" may be of a row that this
//! statement does not see; another statement decides then. None is run here, and nothing of the
//! user's. What a purge has left dead is passed over, and marked as dead for those who come after.

use super::btree::{self, Look, Place};
use super::catch::guard;
use super::error::Result;
use super::relation::relation;
use super::{ffi, invalidation, varlena};
use core::ffi::{CStr, c_int};
use pgrx::pg_sys::{self, Oid, ScanKeyData, SnapshotData};
use std::cell::Cell;

/// The key of a row: one text, or two; of one, the second is empty and not looked at.
pub type Parts<'a> = [&'a str; 2];

/// The index of a table's primary key, found by names, and found again when anything has changed.
#[derive(Debug)]
pub struct KeyIndex {
    schema: String,
    table: String,
    columns: &'static [&'static CStr],
    found: Cell<Option<Found>>,
    /// Where both relations were locked; they are, as long as it is not left.
    locked: Cell<Option<Subtransaction>>,
    place: Cell<Place>,
}

/// A transaction of this backend, and a subtransaction of it. No other gets the same numbers, so
/// that what was locked within is locked while they are the current ones.
pub type Subtransaction = (u32, u32);

pub fn subtransaction() -> Subtransaction {
    // SAFETY: both read what only this backend writes.
    unsafe {
        let own = pg_sys::MyProc;
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        let transaction = (&raw const (*own).lxid).read();
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        let transaction = (&raw const (*own).vxid.lxid).read();
        (transaction, ffi::GetCurrentSubTransactionId())
    }
}

#[derive(Debug, Clone, Copy)]
struct Found {
    changes: u64,
    table: Oid,
    /// `None` where the key is not of the shape that is known here.
    index: Option<Oid>,
}

const LOCK: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
const NO_LOCK: pg_sys::LOCKMODE = pg_sys::NoLock as pg_sys::LOCKMODE;

impl KeyIndex {
    /// Of the table of this name, whose primary key begins with these columns, of type text.
    pub fn new(schema: &str, table: &str, columns: &'static [&'static CStr]) -> Self {
        Self {
            schema: schema.to_owned(),
            table: table.to_owned(),
            columns,
            found: Cell::new(None),
            locked: Cell::new(None),
            place: Cell::default(),
        }
    }

    /// Whether there may be anything under this key.
    pub fn may_have(&self, key: Parts<'_>) -> Result<bool> {
        let mut answer = [true];
        self.probe(&[key], 0, &mut answer)?;
        Ok(answer[0])
    }

    /// Whether there may be anything under this key but the one row that is known.
    pub fn may_have_another(&self, key: Parts<'_>) -> Result<bool> {
        let mut answer = [true];
        self.probe(&[key], 1, &mut answer)?;
        Ok(answer[0])
    }

    /// Whether there may be anything under each of these keys, in the same order.
    pub fn may_have_each(&self, keys: &[Parts<'_>]) -> Result<Vec<bool>> {
        let mut answers = vec![true; keys.len()];
        self.probe(keys, 0, &mut answers)?;
        Ok(answers)
    }

    /// Clears the answer of each key that no more is under than is known; leaves all, where it
    /// cannot say.
    fn probe(&self, keys: &[Parts<'_>], known: usize, answers: &mut [bool]) -> Result<()> {
        keys.iter()
            .flatten()
            .try_for_each(|part| varlena::fits(part.as_bytes()))?;
        loop {
            let found = self.find()?;
            let Some(index) = found.index else {
                return Ok(());
            };
            let (width, now) = (self.columns.len(), subtransaction());
            let locked = self.locked.get() == Some(now);
            let mut place = self.place.get();
            let (seen, rest) = (&mut place, &mut *answers);
            // SAFETY: the closure owns nothing; the table and the index are locked before they are
            // opened, and are what they were found to be unless a change was heard of since.
            let current = unsafe {
                guard(|| {
                    if !locked {
                        ffi::LockRelationOid(found.table, LOCK);
                        if found.changes != invalidation::changes() {
                            return false;
                        }
                        ffi::LockRelationOid(index, LOCK);
                        if found.changes != invalidation::changes() {
                            return false;
                        }
                    }
                    if look(index, width, keys, rest, seen) {
                        scan(found.table, index, (width, known), keys, rest);
                    }
                    true
                })
            }?;
            if current {
                self.locked.set(Some(now));
                self.place.set(place);
                return Ok(());
            }
        }
    }

    /// The index, as of now.
    fn find(&self) -> Result<Found> {
        // Taken before the look: what is heard of while it lasts may be about what it finds.
        let changes = invalidation::changes();
        if let Some(found) = self.found.get()
            && found.changes == changes
        {
            return Ok(found);
        }
        let (table, columns) = (relation(&self.schema, &self.table)?, self.columns);
        let index = match table {
            None => None,
            // SAFETY: the closure owns nothing; the relation is closed where it was opened.
            Some(table) => unsafe {
                guard(|| {
                    let relation = ffi::try_table_open(table, LOCK);
                    if relation.is_null() {
                        return None;
                    }
                    let index = index_of(relation, columns);
                    ffi::table_close(relation, NO_LOCK);
                    index
                })
            }?,
        };
        let found = Found {
            changes,
            table: table.unwrap_or(Oid::INVALID),
            index,
        };
        self.found.set(Some(found));
        self.locked.set(None);
        self.place.set(Place::default());
        Ok(found)
    }
}

/// The index of the primary key, if it is an ordinary one of an ordinary table with no others below
/// it, and begins with these columns as they were made.
///
/// # Safety
/// Must be called inside `guard`; the relation is open.
unsafe fn index_of(relation: pg_sys::Relation, columns: &[&CStr]) -> Option<Oid> {
    // SAFETY: an open relation has its row of pg_class.
    let row = unsafe { &*(*relation).rd_rel };
    if row.relkind as u8 != pg_sys::RELKIND_RELATION || row.relhassubclass {
        return None;
    }
    // SAFETY: the relation is open, and locked, so its index cannot go.
    let oid = unsafe {
        ffi::RelationGetPrimaryKeyIndex(
            relation,
            #[cfg(feature = "pg18")]
            true,
        )
    };
    if oid == Oid::INVALID {
        return None;
    }
    // SAFETY: an index's relation has its row of pg_index, and `indnkeyatts` entries in each of its
    // arrays; the table's descriptor is open as well.
    unsafe {
        let index = ffi::index_open(oid, LOCK);
        let described = &*(*index).rd_index;
        let width = usize::try_from(described.indnkeyatts).unwrap_or(0);
        let fits = described.indisvalid
            && (*(*index).rd_rel).relam == pg_sys::BTREE_AM_OID
            && columns.len() <= width
            && columns.iter().enumerate().all(|(place, name)| {
                let column = c_int::from(described.indkey.values.as_slice(width)[place]);
                let shape = (*relation).rd_att;
                column > 0
                    && ffi::SPI_fnumber(shape, name.as_ptr()) == column
                    && ffi::SPI_gettypeid(shape, column) == pg_sys::TEXTOID
                    && *(*index).rd_opfamily.add(place) == pg_sys::TEXT_BTREE_FAM_OID
                    && *(*index).rd_indcollation.add(place) == pg_sys::C_COLLATION_OID
            });
        ffi::index_close(index, NO_LOCK);
        fits.then_some(oid)
    }
}

/// Clears the answers that a look into the pages can clear; says whether others are left.
///
/// # Safety
/// As for [`scan`]; `place` is of this index as it is now.
unsafe fn look(
    index: Oid,
    width: usize,
    keys: &[Parts<'_>],
    answers: &mut [bool],
    place: &mut Place,
) -> bool {
    // SAFETY: opened and closed here; the rest is the caller's promise.
    unsafe {
        let index = ffi::index_open(index, NO_LOCK);
        for (key, answer) in keys.iter().zip(&mut *answers) {
            let [first, second] = key.map(str::as_bytes);
            match btree::look(index, [first, second].get(..width).unwrap_or(&[]), place) {
                Look::Empty => {
                    answers.fill(false);
                    break;
                }
                Look::Absent => *answer = false,
                Look::Unclear => {}
            }
        }
        ffi::index_close(index, NO_LOCK);
    }
    answers.contains(&true)
}

/// # Safety
/// Must be called inside `guard`; both are locked, the index is a btree of its own whose first
/// `width` columns are texts in the order of their bytes; `answers` is as long as `keys`.
unsafe fn scan(
    table: Oid,
    index: Oid,
    (width, known): (usize, usize),
    keys: &[Parts<'_>],
    answers: &mut [bool],
) {
    let mut scan_keys = [ScanKeyData::default(); 2];
    let (count, scan_keys) = (width as c_int, scan_keys.as_mut_ptr());
    // SAFETY: opened and closed here; there is room for two scan keys, which a rescan copies; the
    // snapshot lives as long as the scan.
    unsafe {
        let table = ffi::table_open(table, NO_LOCK);
        let index = ffi::index_open(index, NO_LOCK);
        let mut whoever_sees_it = SnapshotData {
            snapshot_type: pg_sys::SnapshotType::SNAPSHOT_NON_VACUUMABLE,
            vistest: ffi::GlobalVisTestFor(table),
            ..SnapshotData::default()
        };
        let slot = ffi::table_slot_create(table, core::ptr::null_mut());
        let scan = ffi::index_beginscan(
            table,
            index,
            &raw mut whoever_sees_it,
            #[cfg(feature = "pg18")]
            core::ptr::null_mut(),
            count,
            0,
        );
        for (key, answer) in keys.iter().zip(answers).filter(|(_, answer)| **answer) {
            for (place, part) in key.iter().take(width).enumerate() {
                ffi::ScanKeyInit(
                    scan_keys.add(place),
                    place as i16 + 1,
                    pg_sys::BTEqualStrategyNumber as u16,
                    Oid::from(pg_sys::F_TEXTEQ),
                    varlena::put(part.as_bytes()),
                );
            }
            ffi::index_rescan(scan, scan_keys, count, core::ptr::null_mut(), 0);
            let forward = pg_sys::ScanDirection::ForwardScanDirection;
            // The row itself is one of them, where it is known.
            let mut left = known + 1;
            *answer = loop {
                if ffi::index_getnext_tid(scan, forward).is_null() {
                    break false;
                }
                if ffi::index_fetch_heap(scan, slot) {
                    left -= 1;
                    if left == 0 {
                        break true;
                    }
                }
            };
        }
        ffi::index_endscan(scan);
        ffi::ExecDropSingleTupleTableSlot(slot);
        ffi::index_close(index, NO_LOCK);
        ffi::table_close(table, NO_LOCK);
    }
}
