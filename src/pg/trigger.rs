//! `TriggerCall`: what fired, on which row, and the row that goes on.

use super::catch::guard;
use super::error::{Error, Result};
use super::{Answer, Arg, Instant, ffi, kind, varlena};
use core::ffi::{CStr, c_int};
use jsonb::Value;
use pgrx::pg_sys::{self, Datum, HeapTuple, Oid, TriggerData, TupleDesc, TupleTableSlot};

/// What fired the trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// INSERT (and COPY, and the insert half of MERGE)
    Insert,
    /// UPDATE
    Update,
    /// DELETE
    Delete,
    /// TRUNCATE
    Truncate,
}

/// One firing of a trigger.
#[derive(Debug, Clone, Copy)]
pub struct TriggerCall<'a> {
    data: &'a TriggerData,
}

impl<'a> TriggerCall<'a> {
    pub(super) fn new(data: &'a TriggerData) -> Self {
        Self { data }
    }

    /// What fired.
    pub fn event(&self) -> Event {
        match self.data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
            pg_sys::TRIGGER_EVENT_INSERT => Event::Insert,
            pg_sys::TRIGGER_EVENT_UPDATE => Event::Update,
            pg_sys::TRIGGER_EVENT_DELETE => Event::Delete,
            _ => Event::Truncate,
        }
    }

    /// Whether it fires once a row.
    pub fn is_row(&self) -> bool {
        self.data.tg_event & pg_sys::TRIGGER_EVENT_ROW != 0
    }

    /// Whether it fires before the change, so that the row can still be another.
    pub fn is_before(&self) -> bool {
        self.data.tg_event & pg_sys::TRIGGER_EVENT_TIMINGMASK == pg_sys::TRIGGER_EVENT_BEFORE
    }

    /// The argument at `place` of `CREATE TRIGGER … EXECUTE FUNCTION f(…)`.
    pub fn argument(&self, place: usize) -> Option<&'a str> {
        // SAFETY: PostgreSQL sets tg_trigger, and it lives for the call.
        let trigger = unsafe { &*self.data.tg_trigger };
        if place >= usize::try_from(trigger.tgnargs).unwrap_or(0) {
            return None;
        }
        // SAFETY: `tgargs` has `tgnargs` C strings, which live as long as the trigger's record.
        unsafe { CStr::from_ptr(*trigger.tgargs.add(place)) }
            .to_str()
            .ok()
    }

    /// The name of a trigger that may still change a row, of INSERT or UPDATE, after this one:
    /// PostgreSQL fires the BEFORE ROW triggers of an event in the order of their names.
    pub fn followed_by(&self) -> Option<&'a str> {
        let events = pg_sys::TRIGGER_TYPE_INSERT | pg_sys::TRIGGER_TYPE_UPDATE;
        let before_row = pg_sys::TRIGGER_TYPE_ROW | pg_sys::TRIGGER_TYPE_BEFORE;
        let (triggers, own) = self.triggers();
        let mut later = triggers.iter().skip_while(|trigger| trigger.tgoid != own);
        later.next();
        name_of(later.find(|later| is_of(later, before_row, before_row, events))?)
    }

    /// The name of a trigger that runs after an UPDATE or DELETE of a row, and before this one.
    pub fn preceded_by(&self) -> Option<&'a str> {
        let events = pg_sys::TRIGGER_TYPE_UPDATE | pg_sys::TRIGGER_TYPE_DELETE;
        let timing =
            pg_sys::TRIGGER_TYPE_ROW | pg_sys::TRIGGER_TYPE_BEFORE | pg_sys::TRIGGER_TYPE_INSTEAD;
        let (triggers, own) = self.triggers();
        let mut earlier = triggers.iter().take_while(|trigger| trigger.tgoid != own);
        let after_row = pg_sys::TRIGGER_TYPE_ROW;
        name_of(earlier.find(|earlier| is_of(earlier, timing, after_row, events))?)
    }

    /// Whether another trigger has seen the row of an INSERT before this one.
    pub fn is_preceded(&self) -> bool {
        let before_row = pg_sys::TRIGGER_TYPE_ROW | pg_sys::TRIGGER_TYPE_BEFORE;
        let (triggers, own) = self.triggers();
        let mut earlier = triggers.iter().take_while(|trigger| trigger.tgoid != own);
        earlier.any(|earlier| is_of(earlier, before_row, before_row, pg_sys::TRIGGER_TYPE_INSERT))
    }

    /// The triggers of the table, in the order of their names, and which one of them this is.
    fn triggers(&self) -> (&'a [pg_sys::Trigger], Oid) {
        // SAFETY: a relation whose trigger fires has a trigger descriptor, whose array holds
        // `numtriggers` of them in the order of their names; all live for the call.
        unsafe {
            let described = (*self.data.tg_relation).trigdesc;
            let count = usize::try_from((*described).numtriggers).unwrap_or(0);
            (
                std::slice::from_raw_parts((*described).triggers, count),
                (*self.data.tg_trigger).tgoid,
            )
        }
    }

    /// The table, within this transaction.
    pub fn relation(&self) -> Oid {
        // SAFETY: the relation is open and locked for the whole call.
        unsafe { (*self.data.tg_relation).rd_id }
    }

    /// The table's owner.
    pub fn owner(&self) -> Oid {
        // SAFETY: as above.
        unsafe { (*(*self.data.tg_relation).rd_rel).relowner }
    }

    /// The trigger itself.
    pub fn trigger(&self) -> Oid {
        // SAFETY: PostgreSQL sets tg_trigger, and it lives for the call.
        unsafe { (*self.data.tg_trigger).tgoid }
    }

    /// Whether this is the table `name` of the schema `schema`.
    pub fn is_on(&self, schema: &str, name: &str) -> Result<bool> {
        // SAFETY: as for the owner.
        let of = unsafe { (*(*self.data.tg_relation).rd_rel).relnamespace };
        // SAFETY: the closure holds only the call, which answers a copy or null.
        let found = unsafe { guard(|| ffi::get_namespace_name(of)) }?;
        if found.is_null() {
            return Ok(false);
        }
        // SAFETY: a C string in the current memory context.
        let found = unsafe { CStr::from_ptr(found) };
        Ok(found.to_bytes() == schema.as_bytes() && self.table() == name)
    }

    /// The table's name.
    pub fn table(&self) -> &'a str {
        // SAFETY: as above; relname is a NUL-terminated name.
        let name =
            unsafe { CStr::from_ptr((*(*self.data.tg_relation).rd_rel).relname.data.as_ptr()) };
        name.to_str().unwrap_or("?")
    }

    /// A row with its columns taken apart, once for all that asks for them: the slot that holds it
    /// keeps them.
    fn tuple(&self, tuple: HeapTuple, slot: *mut TupleTableSlot) -> Option<Tuple<'a>> {
        if tuple.is_null() || slot.is_null() {
            return None;
        }
        // SAFETY: the relation is open for the call; a slot has room for the columns of its shape, and
        // says how many it has taken apart. To take apart what is in memory raises nothing, and what
        // the slot holds stays until the trigger has returned.
        unsafe {
            let shape = (*self.data.tg_relation).rd_att;
            let count = (*shape).natts;
            if (*(*slot).tts_tupleDescriptor).natts != count {
                return None;
            }
            if c_int::from((*slot).tts_nvalid) < count {
                ffi::slot_getsomeattrs_int(slot, count);
            }
            let count = usize::try_from(count).unwrap_or(0);
            Some(Tuple {
                tuple,
                shape,
                values: std::slice::from_raw_parts((*slot).tts_values, count),
                nulls: std::slice::from_raw_parts((*slot).tts_isnull, count),
            })
        }
    }

    /// The row before: of an UPDATE or a DELETE.
    pub fn old(&self) -> Result<Tuple<'a>> {
        self.tuple(self.data.tg_trigtuple, self.data.tg_trigslot)
            .ok_or_else(no_row)
    }

    /// The row after: of an INSERT or an UPDATE.
    pub fn new_row(&self) -> Result<Tuple<'a>> {
        match self.event() {
            Event::Update => self.tuple(self.data.tg_newtuple, self.data.tg_newslot),
            _ => self.tuple(self.data.tg_trigtuple, self.data.tg_trigslot),
        }
        .ok_or_else(no_row)
    }
}

/// Whether a trigger that is enabled fires at this time, and for one of these events.
fn is_of(trigger: &pg_sys::Trigger, mask: u32, timing: u32, events: u32) -> bool {
    let kind = trigger.tgtype as u32;
    kind & mask == timing
        && kind & events != 0
        && trigger.tgenabled as u8 != pg_sys::TRIGGER_DISABLED
}

fn name_of(trigger: &pg_sys::Trigger) -> Option<&str> {
    // SAFETY: a trigger's name is a C string that lives as long as its record.
    Some(
        unsafe { CStr::from_ptr(trigger.tgname) }
            .to_str()
            .unwrap_or("?"),
    )
}

fn no_row() -> Error {
    Error::Bug("a trigger fired without its row".into())
}

/// A row of the table that fired.
#[derive(Debug, Clone, Copy)]
pub struct Tuple<'a> {
    tuple: HeapTuple,
    shape: TupleDesc,
    values: &'a [Datum],
    nulls: &'a [bool],
}

impl<'a> Tuple<'a> {
    /// The number of the column called `name`, or `None`.
    pub fn column(&self, name: &CStr) -> Option<c_int> {
        // SAFETY: a loop of name comparisons; it raises nothing.
        let number = unsafe { ffi::SPI_fnumber(self.shape, name.as_ptr()) };
        (number > 0).then_some(number)
    }

    /// The number of the column called `name`, if it is of this type.
    pub fn column_of(&self, name: &CStr, of: Oid) -> Option<c_int> {
        let number = self.column(name)?;
        (self.type_of(number) == of).then_some(number)
    }

    #[inline]
    fn type_of(&self, column: c_int) -> Oid {
        // SAFETY: a plain look-up that answers InvalidOid for a wrong number.
        unsafe { ffi::SPI_gettypeid(self.shape, column) }
    }

    /// The column's datum, or `None` for NULL.
    #[inline]
    fn datum(&self, column: c_int) -> Option<Datum> {
        let place = self.place(column)?;
        match self.nulls.get(place) {
            Some(false) => self.values.get(place).copied(),
            _ => None,
        }
    }

    /// Where a column stands among the values.
    #[inline]
    fn place(&self, column: c_int) -> Option<usize> {
        let place = usize::try_from(column).ok()?.checked_sub(1)?;
        (place < self.values.len()).then_some(place)
    }

    /// The datum of a column of this type; `None`, too, for a column of another: a trigger finds its
    /// columns by name and type before.
    #[inline]
    fn datum_of(&self, column: c_int, of: Oid) -> Option<Datum> {
        match self.type_of(column) == of {
            true => self.datum(column),
            false => None,
        }
    }

    /// A column, for a statement.
    pub fn arg(&self, column: c_int) -> Arg<'a> {
        let of = self.type_of(column);
        self.datum(column)
            .map_or(Arg::Null, |datum| Arg::Datum(datum, of))
    }

    /// A text column.
    pub fn text(&self, column: c_int) -> Result<Option<&'a str>> {
        // SAFETY: the column is of type text; trigger functions ask outside SPI sessions, so a
        // fetched copy lives in the call's own context.
        self.datum_of(column, kind::TEXT)
            .map(|datum| unsafe { varlena::text(datum) })
            .transpose()
    }

    /// The root container of a jsonb column.
    pub fn jsonb(&self, column: c_int) -> Result<Option<&'a [u8]>> {
        // SAFETY: the column is of type jsonb; as for `text`.
        self.datum_of(column, kind::JSONB)
            .map(|datum| unsafe { varlena::bytes(datum) })
            .transpose()
    }

    /// A jsonb column, read.
    pub fn json(&self, column: c_int) -> Result<Option<Value<'a>>> {
        self.jsonb(column)?
            .map(|bytes| Value::read(bytes).map_err(Into::into))
            .transpose()
    }

    /// An int4 column.
    pub fn int4(&self, column: c_int) -> Option<i32> {
        self.datum_of(column, kind::INT4)
            .map(|datum| datum.value() as i32)
    }

    /// An int8 column.
    pub fn int8(&self, column: c_int) -> Option<i64> {
        self.datum_of(column, kind::INT8)
            .map(|datum| datum.value() as i64)
    }

    /// A timestamptz column.
    pub fn instant(&self, column: c_int) -> Option<Instant> {
        self.datum_of(column, kind::INSTANT)
            .map(|datum| datum.value() as i64)
    }

    /// The answer of a BEFORE trigger that lets this row go on as it is.
    pub fn answer(&self) -> Answer {
        Answer::Value(Datum::from(self.tuple), pg_sys::TRIGGEROID)
    }

    /// The answer of a BEFORE trigger that lets the row go on with these columns changed.
    pub fn answer_with(&self, changes: &[(c_int, Arg<'_>)]) -> Result<Answer> {
        for (column, value) in changes {
            if self.place(*column).is_none() || !value.is_of(self.type_of(*column)) {
                return Err(Error::Bug(
                    "a trigger changes a column of another type".into(),
                ));
            }
            value.fits()?;
        }
        let (tuple, shape, count) = (self.tuple, self.shape, self.values.len());
        let (old_values, old_nulls) = (self.values.as_ptr(), self.nulls.as_ptr());
        // SAFETY: the closure owns nothing; the room is for all columns of the shape, those that are
        // changed are among them. What a tuple says of itself is copied as `heap_modify_tuple` does.
        let tuple = unsafe {
            guard(|| {
                let values = ffi::palloc(count * (size_of::<Datum>() + 1)).cast::<Datum>();
                let nulls = values.add(count).cast::<bool>();
                core::ptr::copy_nonoverlapping(old_values, values, count);
                core::ptr::copy_nonoverlapping(old_nulls, nulls, count);
                for (column, value) in changes {
                    let place = *column as usize - 1;
                    let value = value.datum();
                    nulls.add(place).write(value.is_none());
                    values.add(place).write(value.unwrap_or(Datum::null()));
                }
                let changed = ffi::heap_form_tuple(shape, values, nulls);
                (*(*changed).t_data).t_ctid = (*(*tuple).t_data).t_ctid;
                (*changed).t_self = (*tuple).t_self;
                (*changed).t_tableOid = (*tuple).t_tableOid;
                changed
            })
        }?;
        Ok(Answer::Value(Datum::from(tuple), pg_sys::TRIGGEROID))
    }
}
