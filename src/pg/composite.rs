//! Rows as values: those that we return, one or many through a tuple store, and one that we are given.

use super::call::Call;
use super::catch::guard;
use super::entry::Answer;
use super::error::{Error, Result, State};
use super::signature::wrong_result;
use super::spi::{Arg, Label};
use super::{Instant, check_for_interrupts, ffi, invalidation, kind, varlena};
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
pub struct Shape {
    columns: TupleDesc,
    of: Oid,
}

thread_local! {
    /// Row types by the function that returns them, with the number of changes that had been heard
    /// of. What was found lives as long as the backend.
    static SHAPES: RefCell<HashMap<Oid, (u64, TupleDesc)>> = RefCell::new(HashMap::new());
}

impl Shape {
    /// The row type of the function that is called.
    pub fn of(call: &mut Call<'_>) -> Result<Self> {
        let result = call.signature().result;
        if !result.is_row {
            return Err(wrong_result("a row"));
        }
        let of = result.of;
        let (function, now) = (call.function(), invalidation::changes());
        let known = SHAPES.with_borrow(|shapes| shapes.get(&function).copied());
        if let Some((then, columns)) = known
            && then == now
        {
            return Ok(Self { columns, of });
        }
        let known = known.map(|(_, columns)| columns);
        let info: *mut pg_sys::FunctionCallInfoBaseData = call.info();
        // SAFETY: the closure holds only calls; the copy is made in TopMemoryContext, so that it
        // lives as long as the backend, which is what keeping it in SHAPES needs.
        let columns = unsafe {
            guard(|| {
                let mut columns: TupleDesc = core::ptr::null_mut();
                ffi::get_call_result_type(info, core::ptr::null_mut(), &raw mut columns);
                if columns.is_null() {
                    return columns;
                }
                if let Some(known) = known.filter(|known| ffi::equalTupleDescs(*known, columns)) {
                    return known;
                }
                let before = ffi::CurrentMemoryContext;
                ffi::CurrentMemoryContext = pg_sys::TopMemoryContext;
                let kept = ffi::BlessTupleDesc(ffi::CreateTupleDescCopy(columns));
                ffi::CurrentMemoryContext = before;
                kept
            })
        }?;
        if columns.is_null() {
            return Err(wrong_result("a row"));
        }
        SHAPES.with_borrow_mut(|shapes| shapes.insert(function, (now, columns)));
        Ok(Self { columns, of })
    }

    /// One row as a composite value, in the current memory context.
    pub fn row(self, cells: &[Cell<'_>]) -> Result<Answer> {
        let Self { columns, of } = self;
        check(columns, cells)?;
        with_cells(cells, |values, nulls| {
            // SAFETY: `with_cells` calls this inside guard, with arrays as long as the row type.
            unsafe {
                let tuple = ffi::heap_form_tuple(columns, values, nulls);
                ffi::HeapTupleHeaderGetDatum((*tuple).t_data)
            }
        })
        .map(|row| Answer::Value(row, of))
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
        // SAFETY: InitMaterializedSRF has set it, for this call.
        check(unsafe { (*info).setDesc }, cells)?;
        with_cells(cells, |values, nulls| {
            // SAFETY: called inside guard; InitMaterializedSRF has set both, for this call.
            unsafe { ffi::tuplestore_putvalues((*info).setResult, (*info).setDesc, values, nulls) }
        })
    }
}

/// Refuses a row type that has other columns than these.
fn check(columns: TupleDesc, cells: &[Cell<'_>]) -> Result<()> {
    // SAFETY: a row type that lives, and a look-up that answers InvalidOid for a wrong number.
    let fits = unsafe {
        usize::try_from((*columns).natts).ok() == Some(cells.len())
            && (1..)
                .zip(cells)
                .all(|(at, cell)| cell.is_of(ffi::SPI_gettypeid(columns, at)))
    };
    match fits {
        true => Ok(()),
        false => Err(wrong_result("these columns")),
    }
}

/// The columns of a row that is an argument; all are NULL in a row that is NULL. They count from 0.
#[derive(Debug)]
pub struct Record<'a> {
    columns: [(Option<Datum>, Oid); MOST],
    call: PhantomData<&'a ()>,
}

impl<'a> Record<'a> {
    /// Takes a row of `width` columns apart.
    ///
    /// # Safety
    /// `row` must be a composite value, which lives for `'a`.
    pub(super) unsafe fn read(row: Option<Datum>, width: usize) -> Result<Self> {
        let mut columns = [(None, Oid::INVALID); MOST];
        if let Some(row) = row {
            let found = &mut columns;
            // SAFETY: the closure owns nothing; a composite value says of what type it is.
            unsafe {
                guard(|| {
                    let row: HeapTupleHeader = ffi::pg_detoast_datum(row.cast_mut_ptr()).cast();
                    let of = &(*row).t_choice.t_datum;
                    let shape = ffi::lookup_rowtype_tupdesc_copy(of.datum_typeid, of.datum_typmod);
                    for (at, column) in (1..).zip(found.iter_mut().take(width)) {
                        let mut is_null = true;
                        column.1 = ffi::SPI_gettypeid(shape, at);
                        if column.1 == Oid::INVALID {
                            continue;
                        }
                        let datum = ffi::GetAttributeByNum(row, at as i16, &raw mut is_null);
                        column.0 = (!is_null).then_some(datum);
                    }
                })
            }?;
        }
        let call = PhantomData;
        Ok(Self { columns, call })
    }

    /// The datum of a column that is of this type.
    fn datum_of(&self, column: usize, of: Oid) -> Result<Option<Datum>> {
        match self.columns.get(column) {
            Some((Some(datum), is)) if *is == of => Ok(Some(*datum)),
            Some((Some(_), _)) => Err(wrong_column()),
            _ => Ok(None),
        }
    }

    /// A text column.
    pub fn text(&self, column: usize) -> Result<Option<&'a str>> {
        // SAFETY: the column is of type text, and lives for `'a`.
        self.datum_of(column, kind::TEXT)?
            .map(|datum| unsafe { varlena::text(datum) })
            .transpose()
    }

    /// A jsonb column, as the answer.
    pub fn answer_jsonb(&self, column: usize) -> Result<Answer> {
        let given = self.datum_of(column, kind::JSONB)?;
        Ok(given.map_or(Answer::Null, |datum| Answer::Value(datum, kind::JSONB)))
    }

    /// An int4 column.
    pub fn int4(&self, column: usize) -> Result<Option<i32>> {
        let given = self.datum_of(column, kind::INT4)?;
        Ok(given.map(|datum| datum.value() as i32))
    }

    /// A timestamptz column.
    pub fn instant(&self, column: usize) -> Result<Option<Instant>> {
        let given = self.datum_of(column, kind::INSTANT)?;
        Ok(given.map(|datum| datum.value() as i64))
    }

    /// A column of an enum, if it is one: what its value means is for whoever knows the enum.
    pub fn label(&self, column: usize) -> Option<Label> {
        let (datum, of) = *self.columns.get(column)?;
        datum.map(|datum| Label {
            of,
            value: Oid::from(datum.value() as u32),
        })
    }
}

fn wrong_column() -> Error {
    Error::refuse(
        State::BadRequest,
        "a column of the row is of another type than ingest.written has",
    )
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
