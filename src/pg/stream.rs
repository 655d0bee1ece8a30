//! Rows handed on one by one: what a query finds is never held all at once.

use super::catch::guard;
use super::error::{Error, Result};
use super::rows::{Row, Rows};
use super::spi::{Arg, Reading, Session, Statement, bind};
use super::{check_for_interrupts, ffi, opened};
use core::ffi::{c_char, c_long};
use pgrx::pg_sys::{self, Datum, MemoryContext};

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
        // SAFETY: the closure owns nothing; the arrays are longer than the argument list.
        let portal = opened::statement(|| unsafe {
            guard(|| {
                bind(arguments, values, nulls);
                let (values, nulls) = (values.as_mut_ptr(), nulls.as_ptr());
                ffi::SPI_cursor_open(core::ptr::null(), pointer, values, nulls, true)
            })
        })
        .map_err(|error| statement.explain(error))?;
        if portal.is_null() {
            return Err(Error::Bug("a cursor could not be opened".into()));
        }
        let scratch = Scratch::new()?;
        loop {
            check_for_interrupts()?;
            // SAFETY: the portal is open: only the end of this function closes it.
            unsafe { guard(|| ffi::SPI_cursor_fetch(portal, true, FETCH)) }?;
            let rows = Rows::taken(self);
            if rows.count() == 0 {
                break;
            }
            for row in rows.iter() {
                scratch.lend(row, &mut each)?;
            }
            let table = rows.table();
            // SAFETY: the table is that of the fetch, and its rows are not used any more.
            unsafe { guard(|| ffi::SPI_freetuptable(table)) }?;
        }
        // SAFETY: it was opened above.
        unsafe { guard(|| ffi::SPI_cursor_close(portal)) }?;
        scratch.end()
    }

    /// As [`Session::each`], for a statement that finds few rows and gives them in any order: they
    /// are handed on in that of the texts of their first column, byte by byte. `false`, and nothing
    /// is handed on, if there are more than so many.
    pub fn each_of_few(
        &self,
        statement: &Statement,
        arguments: &[Arg<'_>],
        most: u32,
        mut each: impl FnMut(Row<'_>) -> Result<()>,
    ) -> Result<bool> {
        let rows = self.run(
            statement,
            arguments,
            Reading::Caller,
            c_long::from(most) + 1,
        )?;
        if rows.count() > u64::from(most) {
            return Ok(false);
        }
        let scratch = Scratch::new()?;
        let keyed = rows.iter().map(|row| Ok((row.string(1)?, row)));
        let mut keyed = keyed.collect::<Result<Vec<_>>>()?;
        keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (_, row) in keyed {
            scratch.lend(row, &mut each)?;
        }
        scratch.end()?;
        Ok(true)
    }
}

/// Where the large values of one row are, until the next.
struct Scratch(MemoryContext);

impl Scratch {
    fn new() -> Result<Self> {
        // SAFETY: the context is a child of the session's, and goes with it at the latest.
        let context = unsafe {
            guard(|| {
                ffi::AllocSetContextCreateInternal(
                    ffi::CurrentMemoryContext,
                    c"ingest row".as_ptr(),
                    pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                    pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                    pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
                )
            })
        }?;
        Ok(Self(context))
    }

    fn lend(&self, row: Row<'_>, each: &mut impl FnMut(Row<'_>) -> Result<()>) -> Result<()> {
        // SAFETY: swapping a pointer variable; `guard` puts it back if an ERROR is raised.
        let before = unsafe { (&raw mut ffi::CurrentMemoryContext).replace(self.0) };
        let done = each(row);
        // SAFETY: as above.
        unsafe { ffi::CurrentMemoryContext = before };
        // An error has its data in there, until it is thrown.
        done?;
        // SAFETY: what `each` was lent has gone with its call.
        unsafe { guard(|| ffi::MemoryContextReset(self.0)) }
    }

    fn end(self) -> Result<()> {
        // SAFETY: it was made by `new`, and nothing in it is used any more.
        unsafe { guard(|| ffi::MemoryContextDelete(self.0)) }
    }
}
