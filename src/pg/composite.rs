//! Rows as values: those that we return, one or many through a tuple store, and one that we are given.

use super::call::Call;
use super::catch::guard;
use super::entry::Answer;
use super::error::{Error, Result};
use super::spi::Arg;
use super::{Instant, check_for_interrupts, ffi, varlena};
use pgrx::pg_sys::{self, Datum, HeapTupleHeader, Oid, ReturnSetInfo, TupleDesc};
use std::cell::RefCell;
use std::collections::HashMap;
use std::marker::PhantomData;

/// One column of a row that we return.
pub type Cell<'a> = Arg<'a>;

/// The most columns that a row of ours has.
const MOST: usize = 12;

/// The row type that a function returns.
#[derive(Debug, Clone, Copy)]
pub struct Shape(TupleDesc);

thread_local! {
    /// Row types by the function that returns them: a function that is created anew has a new OID.
    static SHAPES: RefCell<HashMap<Oid, Shape>> = RefCell::new(HashMap::new());
}

impl Shape {
    /// The row type of the function that is called.
    pub fn of(call: &mut Call<'_>) -> Result<Self> {
        let function = call.function();
        if let Some(shape) = SHAPES.with_borrow(|shapes| shapes.get(&function).copied()) {
            return Ok(shape);
        }
        let info: *mut pg_sys::FunctionCallInfoBaseData = call.info();
        // SAFETY: the closure holds only calls; the copy is made in TopMemoryContext, so that it
        // lives as long as the backend, which is what keeping it in SHAPES needs.
        let shape = unsafe {
            guard(|| {
                let mut shape: TupleDesc = core::ptr::null_mut();
                ffi::get_call_result_type(info, core::ptr::null_mut(), &raw mut shape);
                if shape.is_null() {
                    return shape;
                }
                let before = ffi::CurrentMemoryContext;
                ffi::CurrentMemoryContext = pg_sys::TopMemoryContext;
                let kept = ffi::BlessTupleDesc(ffi::CreateTupleDescCopy(shape));
                ffi::CurrentMemoryContext = before;
                kept
            })
        }?;
        if shape.is_null() {
            return Err(Error::Bug("the function's row type is unknown".into()));
        }
        SHAPES.with_borrow_mut(|shapes| shapes.insert(function, Shape(shape)));
        Ok(Shape(shape))
    }

    /// One row as a composite value, in the current memory context.
    pub fn row(self, cells: &[Cell<'_>]) -> Result<Answer> {
        let shape = self.0;
        with_cells(cells, |values, nulls| {
            // SAFETY: `with_cells` calls this inside guard, with arrays as long as the row type.
            unsafe {
                let tuple = ffi::heap_form_tuple(shape, values, nulls);
                ffi::HeapTupleHeaderGetDatum((*tuple).t_data)
            }
        })
        .map(Answer::Value)
    }
}

/// Where the rows of a set-returning function go.
#[derive(Debug, Clone, Copy)]
pub struct RowSink(*mut ReturnSetInfo);

impl RowSink {
    pub(super) fn new(call: &mut Call<'_>) -> Result<Self> {
        let info = call.info().resultinfo.cast::<ReturnSetInfo>();
        if info.is_null() {
            return Err(Error::Bug(
                "a set was asked for without a place for it".into(),
            ));
        }
        Ok(Self(info))
    }

    /// Adds a row.
    pub fn push(&self, cells: &[Cell<'_>]) -> Result<()> {
        check_for_interrupts()?;
        let info = self.0;
        with_cells(cells, |values, nulls| {
            // SAFETY: called inside guard; InitMaterializedSRF has set both, for this call.
            unsafe { ffi::tuplestore_putvalues((*info).setResult, (*info).setDesc, values, nulls) }
        })
    }
}

/// The columns of a row that is an argument; all are NULL in a row that is NULL. They count from 0.
#[derive(Debug)]
pub struct Record<'a> {
    columns: [Option<Datum>; MOST],
    call: PhantomData<&'a ()>,
}

impl<'a> Record<'a> {
    /// Takes a row of `width` columns apart.
    ///
    /// # Safety
    /// `row` must be a composite value of at least so many columns, which lives for `'a`.
    pub(super) unsafe fn read(row: Option<Datum>, width: usize) -> Result<Self> {
        let mut columns = [None; MOST];
        if let Some(row) = row {
            let found = &mut columns;
            // SAFETY: the closure owns nothing; the caller vouches for the value and its width.
            unsafe {
                guard(|| {
                    let row: HeapTupleHeader = ffi::pg_detoast_datum(row.cast_mut_ptr()).cast();
                    for (place, column) in found.iter_mut().enumerate().take(width) {
                        let mut is_null = true;
                        let datum = ffi::GetAttributeByNum(row, place as i16 + 1, &raw mut is_null);
                        *column = (!is_null).then_some(datum);
                    }
                })
            }?;
        }
        let call = PhantomData;
        Ok(Self { columns, call })
    }

    /// A column, whatever its type.
    pub fn datum(&self, column: usize) -> Option<Datum> {
        self.columns.get(column).copied().flatten()
    }

    /// A text column.
    pub fn text(&self, column: usize) -> Result<Option<&'a str>> {
        // SAFETY: asked for text columns of a row that lives for `'a`.
        self.datum(column)
            .map(|datum| unsafe { varlena::text(datum) })
            .transpose()
    }

    /// An int4 column.
    pub fn int4(&self, column: usize) -> Option<i32> {
        self.datum(column).map(|datum| datum.value() as i32)
    }

    /// A timestamptz column.
    pub fn instant(&self, column: usize) -> Option<Instant> {
        self.datum(column).map(|datum| datum.value() as i64)
    }

    /// A column of an enum, or an oid.
    pub fn oid(&self, column: usize) -> Option<Oid> {
        self.datum(column)
            .map(|datum| Oid::from(datum.value() as u32))
    }
}

/// Turns cells into the arrays that PostgreSQL takes, and calls `make` with them, inside `guard`.
fn with_cells<T>(cells: &[Cell<'_>], make: impl FnOnce(*mut Datum, *mut bool) -> T) -> Result<T> {
    if cells.len() > MOST {
        return Err(Error::Bug("a row has too many columns".into()));
    }
    cells.iter().try_for_each(Arg::fits)?;
    let mut values = [Datum::null(); MOST];
    let mut nulls = [true; MOST];
    let (values, nulls) = (&mut values, &mut nulls);
    // SAFETY: the closure owns nothing; the arrays are longer than the row.
    unsafe {
        guard(|| {
            for (place, cell) in cells.iter().enumerate() {
                if let Some(datum) = cell.datum() {
                    values[place] = datum;
                    nulls[place] = false;
                }
            }
            make(values.as_mut_ptr(), nulls.as_mut_ptr())
        })
    }
}
