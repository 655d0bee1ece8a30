//! Rows handed on one by one: what a query finds is never held all at once.

use super::catch::guard;
use super::error::{Error, Result};
use super::rows::{Row, Rows};
use super::spi::{Arg, Session, Statement};
use super::{check_for_interrupts, ffi, opened};
use core::ffi::{c_char, c_long};
use pgrx::pg_sys::{self, Datum};

/// How many rows are fetched at a time, as they are stored: their large values are fetched and
/// decompressed one row after the other.
const FETCH: c_long = 32;

impl Session {
    /// Runs a statement that reads, with the caller's snapshot, and calls `each` for each row.
    pub fn each(
        &self,
        statement: &Statement,
        arguments: &[Arg<'_>],
        mut each: impl FnMut(Row<'_>) -> Result<()>,
    ) -> Result<()> {
        opened::refuse_bound()?;
        let plan = statement.plan_for(arguments)?;
        let pointer = plan.pointer();
        let mut values = [Datum::null(); Statement::MOST];
        let mut nulls = [b' ' as c_char; Statement::MOST];
        let (values, nulls) = (&mut values, &mut nulls);
        // SAFETY: the closure owns nothing; the arrays are longer than the argument list; the
        // context is a child of the session's, and goes with it at the latest.
        let (portal, scratch) = opened::statement(|| unsafe {
            guard(|| {
                for (place, argument) in arguments.iter().enumerate() {
                    match argument.datum() {
                        Some(datum) => values[place] = datum,
                        None => nulls[place] = b'n' as c_char,
                    }
                }
                let (values, nulls) = (values.as_mut_ptr(), nulls.as_ptr());
                let portal = ffi::SPI_cursor_open(core::ptr::null(), pointer, values, nulls, true);
                let scratch = ffi::AllocSetContextCreateInternal(
                    ffi::CurrentMemoryContext,
                    c"ingest row".as_ptr(),
                    pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                    pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                    pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
                );
                (portal, scratch)
            })
        })
        .map_err(|error| statement.explain(error))?;
        if portal.is_null() {
            return Err(Error::Bug("a cursor could not be opened".into()));
        }
        loop {
            check_for_interrupts()?;
            // SAFETY: the portal is open: only the end of this function closes it.
            unsafe { guard(|| ffi::SPI_cursor_fetch(portal, true, FETCH)) }?;
            let rows = Rows::taken(self);
            if rows.count() == 0 {
                break;
            }
            for row in rows.iter() {
                // SAFETY: swapping a pointer variable; `guard` puts it back if an ERROR is raised.
                let before = unsafe { (&raw mut ffi::CurrentMemoryContext).replace(scratch) };
                let done = each(row);
                // SAFETY: as above.
                unsafe { ffi::CurrentMemoryContext = before };
                // An error has its data in there, until it is thrown.
                done?;
                // SAFETY: what `each` was lent has gone with its call.
                unsafe { guard(|| ffi::MemoryContextReset(scratch)) }?;
            }
            let table = rows.table();
            // SAFETY: the table is that of the fetch, and its rows are not used any more.
            unsafe { guard(|| ffi::SPI_freetuptable(table)) }?;
        }
        // SAFETY: both were made above.
        unsafe {
            guard(|| {
                ffi::SPI_cursor_close(portal);
                ffi::MemoryContextDelete(scratch);
            })
        }
    }
}
