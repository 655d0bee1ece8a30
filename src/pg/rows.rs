//! The rows that a statement returned, read in place.

use super::error::{Error, Result};
use super::spi::Session;
use super::{Instant, ffi, varlena};
use jsonb::Value;
use jsonb::memory::copy;
use pgrx::pg_sys::{self, Datum, HeapTuple, Oid, SPI_processed, SPI_tuptable, SPITupleTable};
use std::cell::OnceCell;
use std::marker::PhantomData;

/// The rows of one execution. They live as long as their session.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'s> {
    table: *mut SPITupleTable,
    processed: u64,
    session: PhantomData<&'s Session>,
}

impl<'s> Rows<'s> {
    /// Takes what the execution that has just ended left in SPI's variables.
    pub(super) fn taken(_session: &'s Session) -> Self {
        // SAFETY: set by the execution; nothing ran since.
        let (table, processed) = unsafe { (SPI_tuptable, SPI_processed) };
        Self {
            table,
            processed,
            session: PhantomData,
        }
    }

    /// The rows affected, or the rows returned.
    pub fn count(&self) -> u64 {
        self.processed
    }

    /// Where the rows are, until their session ends or somebody frees them.
    pub(super) fn table(&self) -> *mut SPITupleTable {
        self.table
    }

    /// The first row, if there is one.
    pub fn first(&self) -> Option<Row<'s>> {
        self.iter().next()
    }

    /// The rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = Row<'s>> + use<'s> {
        let rows = *self;
        (0..self.len()).filter_map(move |place| rows.get(place))
    }

    /// The row at a place, from 0.
    pub fn get(&self, place: usize) -> Option<Row<'s>> {
        if place >= self.len() {
            return None;
        }
        let table = self.table;
        // SAFETY: `vals` has `numvals` entries.
        let tuple = unsafe { *(*table).vals.add(place) };
        Some(Row {
            table,
            tuple,
            apart: OnceCell::new(),
            session: PhantomData,
        })
    }

    /// How many rows were returned.
    fn len(&self) -> usize {
        match self.table.is_null() {
            true => 0,
            // SAFETY: a non-null tuple table lives until its session ends.
            false => unsafe { (*self.table).numvals as usize },
        }
    }
}

/// One row; columns count from 1.
#[derive(Debug, Clone)]
pub struct Row<'s> {
    table: *mut SPITupleTable,
    tuple: HeapTuple,
    /// Its columns, once it was taken apart.
    apart: OnceCell<Apart>,
    session: PhantomData<&'s Session>,
}

/// The columns of a row, and which of them are NULL.
type Apart = ([Datum; MOST], [bool; MOST]);

/// How many columns a row can have that is taken apart.
const MOST: usize = 14;

impl<'s> Row<'s> {
    /// The column's datum, or `None` for NULL. By reference types live as long as the session.
    pub fn datum(&self, column: i32) -> Option<Datum> {
        if let (Some((values, nulls)), Ok(column)) = (self.apart.get(), usize::try_from(column)) {
            let place = column.checked_sub(1)?;
            return match nulls.get(place) {
                Some(false) => values.get(place).copied(),
                _ => None,
            };
        }
        let mut is_null = true;
        // SAFETY: tuple and shape belong together; SPI_getbinval raises nothing (a wrong column
        // number only sets SPI_result and answers null).
        let datum = unsafe {
            ffi::SPI_getbinval(self.tuple, (*self.table).tupdesc, column, &raw mut is_null)
        };
        (!is_null).then_some(datum)
    }

    /// Takes the row apart, for who reads most of it: else each column behind a text is looked for from
    /// the first on. A row of more columns than ours have stays as it is.
    pub fn take_apart(&self) {
        // SAFETY: the shape of a tuple table lives as long as it does.
        let shape = unsafe { (*self.table).tupdesc };
        // SAFETY: as above.
        if unsafe { (*shape).natts } as usize > MOST {
            return;
        }
        self.apart.get_or_init(|| {
            let mut columns = ([Datum::null(); MOST], [true; MOST]);
            let (values, nulls) = (columns.0.as_mut_ptr(), columns.1.as_mut_ptr());
            // SAFETY: tuple and shape belong together, the arrays have room for its columns; it raises
            // nothing.
            unsafe { ffi::heap_deform_tuple(self.tuple, shape, values, nulls) };
            columns
        });
    }

    /// Refuses a row whose first columns are not of these types. The tables are the user's: a column
    /// can have become another, or a view can stand in the place of a table.
    pub fn expect(&self, types: &[Oid]) -> Result<()> {
        (1..)
            .zip(types)
            .try_for_each(|(column, of)| self.expect_one(column, *of))
    }

    fn is_of(&self, column: i32, of: Oid) -> bool {
        // SAFETY: a plain look-up that answers InvalidOid for a wrong number.
        let found = unsafe { ffi::SPI_gettypeid((*self.table).tupdesc, column) };
        found == of
    }

    fn expect_one(&self, column: i32, of: Oid) -> Result<()> {
        if self.is_of(column, of) {
            return Ok(());
        }
        Err(Error::of_another_type())
    }

    /// The datum of a column of this type: a number must not be read as a pointer.
    fn datum_of(&self, column: i32, of: Oid) -> Result<Option<Datum>> {
        let Some(datum) = self.datum(column) else {
            return Ok(None);
        };
        self.expect_one(column, of)?;
        Ok(Some(datum))
    }

    /// A text column.
    pub fn text(&self, column: i32) -> Result<Option<&'s str>> {
        // SAFETY: the column is of type text; the session's memory outlives `'s`.
        self.datum_of(column, pg_sys::TEXTOID)?
            .map(|datum| unsafe { varlena::text(datum) })
            .transpose()
    }

    /// A text column that is NOT NULL; empty if it is null all the same.
    pub fn string(&self, column: i32) -> Result<String> {
        Ok(self.text(column)?.unwrap_or_default().to_owned())
    }

    /// A column of type `text[]`, without what is NULL in it.
    pub fn texts(&self, column: i32) -> Result<Option<Vec<String>>> {
        // SAFETY: the column is of type text[]; what is read of it is copied.
        let texts = self
            .datum_of(column, pg_sys::TEXTARRAYOID)?
            .map(|datum| unsafe { varlena::texts(datum) })
            .transpose()?;
        Ok(texts.map(|texts| texts.into_iter().flatten().map(str::to_owned).collect()))
    }

    /// The root container of a jsonb column.
    pub fn jsonb(&self, column: i32) -> Result<Option<&'s [u8]>> {
        // SAFETY: the column is of type jsonb; the session's memory outlives `'s`.
        self.datum_of(column, pg_sys::JSONBOID)?
            .map(|datum| unsafe { varlena::bytes(datum) })
            .transpose()
    }

    /// A copy of the root container of a jsonb column.
    pub fn jsonb_copy(&self, column: i32) -> Result<Option<Vec<u8>>> {
        self.jsonb(column)?
            .map(|bytes| copy(bytes).map_err(Into::into))
            .transpose()
    }

    /// A jsonb column, read.
    pub fn json(&self, column: i32) -> Result<Option<Value<'s>>> {
        self.jsonb(column)?
            .map(|bytes| Value::read(bytes).map_err(Into::into))
            .transpose()
    }

    /// The datum of a column of this type; `None`, too, for a column of another: what is read of
    /// the user's tables is held against its types by [`Row::expect`] before.
    fn value_of(&self, column: i32, of: Oid) -> Option<usize> {
        let datum = self.datum(column)?;
        self.is_of(column, of).then(|| datum.value())
    }

    /// An int4 column; 0 for NULL.
    pub fn int4(&self, column: i32) -> i32 {
        self.value_of(column, pg_sys::INT4OID)
            .map_or(0, |value| value as i32)
    }

    /// An xid column; 0 for NULL.
    pub fn xid(&self, column: i32) -> u32 {
        self.value_of(column, pg_sys::XIDOID)
            .map_or(0, |value| value as u32)
    }

    /// An int8 column; 0 for NULL.
    pub fn int8(&self, column: i32) -> i64 {
        self.value_of(column, pg_sys::INT8OID)
            .map_or(0, |value| value as i64)
    }

    /// A boolean column; false for NULL.
    pub fn bool(&self, column: i32) -> bool {
        self.value_of(column, pg_sys::BOOLOID)
            .is_some_and(|value| value & 1 == 1)
    }

    /// A timestamptz column; `None` for NULL.
    pub fn instant(&self, column: i32) -> Option<Instant> {
        self.value_of(column, pg_sys::TIMESTAMPTZOID)
            .map(|value| value as i64)
    }

    /// An oid column.
    pub fn oid(&self, column: i32) -> Oid {
        self.value_of(column, pg_sys::OIDOID)
            .map_or(Oid::INVALID, |value| Oid::from(value as u32))
    }
}
