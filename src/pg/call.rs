//! `Call`: the arguments of a SQL function, read in place.

use super::catch::guard;
use super::composite::Record;
use super::error::{Error, Result, State};
use super::signature::{Signature, wrong_result};
use super::trigger::TriggerCall;
use super::{Answer, Arg, Instant, ffi, kind, varlena};
use jsonb::Value;
use pgrx::pg_sys::{self, Datum, FunctionCallInfoBaseData, MemoryContext, Oid, TriggerData};

/// How long a text argument may be, in bytes. All of them are names, ids, paths and queries.
const LONGEST_TEXT: usize = 64 << 10;

/// How long an array of texts may be, in bytes: ten thousand names and more.
const LONGEST_ARRAY: usize = 1 << 20;

/// A day in microseconds.
const DAY: i64 = 86_400_000_000;
/// A thousand years, in days as PostgreSQL compares intervals. Definitions take no more, either.
const OLDEST: i128 = 1_000 * 12 * 30;

/// One call of one of our SQL functions.
pub struct Call<'a> {
    info: &'a mut FunctionCallInfoBaseData,
    context: MemoryContext,
    signature: &'static Signature,
}

impl<'a> Call<'a> {
    pub(super) fn new(info: &'a mut FunctionCallInfoBaseData) -> Result<Self> {
        let signature = Signature::of(info)?;
        // SAFETY: a backend variable that is always set while a function runs.
        let context = unsafe { ffi::CurrentMemoryContext };
        Ok(Self {
            info,
            context,
            signature,
        })
    }

    pub(super) fn signature(&self) -> &'static Signature {
        self.signature
    }

    pub(super) fn info(&mut self) -> &mut FunctionCallInfoBaseData {
        self.info
    }

    /// The function's own OID, which names it across the backend's caches.
    pub fn function(&self) -> Oid {
        // SAFETY: PostgreSQL sets flinfo for every call of a function by its manager.
        unsafe { (*self.info.flinfo).fn_oid }
    }

    /// The argument at `place`, or `None` for SQL NULL (and for one that is not there, as after a
    /// binary update with the old signatures still in the catalog).
    fn datum(&self, place: usize) -> Option<Datum> {
        if place >= usize::try_from(self.info.nargs).unwrap_or(0) {
            return None;
        }
        // SAFETY: `args` holds `nargs` entries.
        let argument = unsafe { &*self.info.args.as_ptr().add(place) };
        (!argument.isnull).then_some(argument.value)
    }

    /// The same, if it is of this type: a number must not be read as a pointer.
    #[inline]
    pub(super) fn datum_of(&self, place: usize, of: Oid) -> Result<Option<Datum>> {
        match self.signature.check(place, of)? {
            true => Ok(self.datum(place)),
            false => Ok(None),
        }
    }

    /// The bytes of a varlena argument. They are fetched into the call's own memory context, so
    /// they live as long as the call, whatever SPI session they are asked for in.
    fn bytes(&self, place: usize, of: Oid) -> Result<Option<&'a [u8]>> {
        let Some(datum) = self.datum_of(place, of)? else {
            return Ok(None);
        };
        let context = self.context;
        // SAFETY: swapping a pointer variable; `guard` puts it back if an ERROR is raised between.
        let before = unsafe { (&raw mut ffi::CurrentMemoryContext).replace(context) };
        // SAFETY: asked for with types that are varlenas, and the context outlives `'a`.
        let bytes = unsafe { varlena::bytes(datum) };
        // SAFETY: as above.
        unsafe { ffi::CurrentMemoryContext = before };
        bytes.map(Some)
    }

    /// Whether an argument is declared as text: of an overload that takes one or something else.
    pub fn is_text(&self, place: usize) -> bool {
        self.signature.is_of(place, kind::TEXT)
    }

    /// A text argument.
    pub fn text(&self, place: usize) -> Result<Option<&'a str>> {
        match self.bytes(place, kind::TEXT)? {
            Some(bytes) if bytes.len() > LONGEST_TEXT => Err(Error::refuse(
                State::TooLarge,
                "a text argument is longer than 64 kB",
            )
            .hint("Names, ids, paths and queries are much shorter.")),
            Some(bytes) => std::str::from_utf8(bytes)
                .map(Some)
                .map_err(|_| Error::Corrupt),
            None => Ok(None),
        }
    }

    /// An argument of type `text[]`; NULL in it is refused, and `name` is the parameter's name.
    pub fn texts(&self, place: usize, name: &str) -> Result<Option<Vec<&'a str>>> {
        let Some(datum) = self.datum_of(place, kind::TEXTS)? else {
            return Ok(None);
        };
        let bytes = self.bytes(place, kind::TEXTS)?;
        if bytes.is_some_and(|bytes| bytes.len() > LONGEST_ARRAY) {
            let message = format!("{name} is longer than 1 MB");
            return Err(Error::refuse(State::TooLarge, message).hint("Name each once."));
        }
        let context = self.context;
        // SAFETY: swapping a pointer variable; `guard` puts it back if an ERROR is raised between.
        let before = unsafe { (&raw mut ffi::CurrentMemoryContext).replace(context) };
        // SAFETY: a text[], and the context outlives `'a`.
        let texts = unsafe { varlena::texts(datum) };
        // SAFETY: as above.
        unsafe { ffi::CurrentMemoryContext = before };
        let texts: Option<Vec<&str>> = texts?.into_iter().collect();
        let holds_null = || {
            Error::refuse(State::BadRequest, format!("{name} holds a null")).hint("Leave it out.")
        };
        texts.map(Some).ok_or_else(holds_null)
    }

    /// A text argument that must be there; `name` is the parameter's name.
    pub fn need_text(&self, place: usize, name: &str) -> Result<&'a str> {
        self.text(place)?.ok_or_else(|| missing(name))
    }

    /// A bytea argument.
    pub fn bytea(&self, place: usize) -> Result<Option<&'a [u8]>> {
        self.bytes(place, kind::BYTEA)
    }

    /// The root container of a jsonb argument.
    pub fn jsonb(&self, place: usize) -> Result<Option<&'a [u8]>> {
        self.bytes(place, kind::JSONB)
    }

    /// A jsonb argument that must be there, read.
    pub fn need_jsonb(&self, place: usize, name: &str) -> Result<Value<'a>> {
        let bytes = self.jsonb(place)?.ok_or_else(|| missing(name))?;
        Ok(Value::read(bytes)?)
    }

    /// A jsonb argument, as the answer.
    pub fn answer_jsonb(&self, place: usize) -> Result<Answer> {
        let given = self.datum_of(place, kind::JSONB)?;
        Ok(given.map_or(Answer::Null, |datum| Answer::Value(datum, kind::JSONB)))
    }

    /// An integer argument.
    pub fn int4(&self, place: usize) -> Result<Option<i32>> {
        let given = self.datum_of(place, kind::INT4)?;
        Ok(given.map(|datum| datum.value() as i32))
    }

    /// A boolean argument; NULL is `false`.
    pub fn bool(&self, place: usize) -> Result<bool> {
        self.bool_or(place, false)
    }

    /// A boolean argument; NULL is its default.
    pub fn bool_or(&self, place: usize, default: bool) -> Result<bool> {
        let given = self.datum_of(place, kind::BOOL)?;
        Ok(given.map_or(default, |datum| datum.value() & 1 == 1))
    }

    /// A timestamptz argument.
    pub fn instant(&self, place: usize) -> Result<Option<Instant>> {
        let given = self.datum_of(place, kind::INSTANT)?;
        Ok(given.map(|datum| datum.value() as i64))
    }

    /// An interval by which any instant can be put back; `name` is the parameter's name.
    pub fn age(&self, place: usize, name: &str) -> Result<Option<Arg<'a>>> {
        let Some(datum) = self.datum_of(place, kind::INTERVAL)? else {
            return Ok(None);
        };
        // SAFETY: an interval is passed by reference, and is never toasted.
        let interval = unsafe { datum.cast_mut_ptr::<pg_sys::Interval>().read() };
        // As PostgreSQL compares intervals: a month has 30 days, and a day 24 hours.
        let days = i64::from(interval.month) * 30 + i64::from(interval.day);
        let age = i128::from(days) * i128::from(DAY) + i128::from(interval.time);
        match (0..=i128::from(DAY) * OLDEST).contains(&age) {
            true => Ok(Some(Arg::Datum(datum, kind::INTERVAL))),
            false => Err(Error::refuse(
                State::BadRequest,
                format!("{name} is less than nothing, or more than 1000 years"),
            )),
        }
    }

    /// An interval that must be there; `name` is the parameter's name.
    pub fn need_interval(&self, place: usize, name: &str) -> Result<Arg<'a>> {
        let given = self.datum_of(place, kind::INTERVAL)?;
        let datum = given.ok_or_else(|| missing(name))?;
        Ok(Arg::Datum(datum, kind::INTERVAL))
    }

    /// All arguments with their types, to hand them on: those of a verb.
    pub fn given(&self) -> Result<Vec<(Arg<'a>, Oid)>> {
        let one = |place| {
            let of = self.signature.type_of(place);
            let arg = match of {
                kind::TEXT => Arg::text(self.text(place)?),
                kind::JSONB => Arg::jsonb(self.jsonb(place)?),
                kind::INT4 => self.int4(place)?.map_or(Arg::Null, Arg::Int4),
                kind::BOOL => match self.datum_of(place, of)? {
                    Some(_) => Arg::Bool(self.bool(place)?),
                    None => Arg::Null,
                },
                _ => return Err(Error::Bug("an argument that is not handed on".into())),
            };
            Ok((arg, of))
        };
        (0..self.signature.count()).map(one).collect()
    }

    /// A row argument of at least so many columns.
    pub fn record(&self, place: usize, width: usize) -> Result<Record<'a>> {
        let given = match self.signature.check_row(place)? {
            true => self.datum(place),
            false => None,
        };
        // SAFETY: the argument is a row, and lives for the call.
        unsafe { Record::read(given, width) }
    }

    /// The trigger that calls, or a bug report when the function was called as a plain one.
    pub fn trigger(&self) -> Result<TriggerCall<'a>> {
        let context = self.info.context;
        // SAFETY: a non-null context is a node, and every node begins with its tag.
        let is_trigger =
            !context.is_null() && unsafe { (*context).type_ } == pg_sys::NodeTag::T_TriggerData;
        if !is_trigger {
            return Err(Error::refuse(
                State::BadRequest,
                "this function is a trigger function and cannot be called by itself",
            ));
        }
        // SAFETY: the tag says that the node is a TriggerData; it lives for the call.
        Ok(TriggerCall::new(unsafe { &*context.cast::<TriggerData>() }))
    }

    /// Begins the answer of a set-returning function and hands rows to it.
    pub fn materialize(&mut self) -> Result<super::composite::RowSink> {
        if !self.signature.result.is_row {
            return Err(wrong_result("a set of rows"));
        }
        let info: *mut FunctionCallInfoBaseData = self.info();
        let node = self.info.resultinfo;
        // A row type that the caller expects need not be looked up; `RowSink` holds it against ours.
        // SAFETY: a non-null node begins with its tag, which says what it is.
        let is_expected = unsafe {
            !node.is_null()
                && (*node).type_ == pg_sys::NodeTag::T_ReturnSetInfo
                && !(*node.cast::<pg_sys::ReturnSetInfo>())
                    .expectedDesc
                    .is_null()
        };
        let flags = match is_expected {
            true => pg_sys::MAT_SRF_USE_EXPECTED_DESC,
            false => 0,
        };
        // SAFETY: the closure holds only the call; PostgreSQL made `info`.
        unsafe { guard(|| ffi::InitMaterializedSRF(info, flags)) }?;
        super::composite::RowSink::new(self)
    }
}

fn missing(name: &str) -> Error {
    Error::refuse(State::BadRequest, format!("{name} must not be null"))
}
