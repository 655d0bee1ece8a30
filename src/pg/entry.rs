//! `entry`: where PostgreSQL calls in, and the one frame from which an error is thrown.

use super::call::Call;
use super::catch::{caught, rolled_back};
use super::error::{Error, Refusal, Result, THROWN_IN, ascii, encode};
use super::{counters, ffi, kind, memory, steps, varlena};
use core::ffi::{c_char, c_int};
use pgrx::pg_sys::{Datum, ErrorData, FunctionCallInfo, INT8OID, Oid, Pg_finfo_record, TRIGGEROID};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a SQL function returns.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// SQL NULL; also what a set-returning function says after it has filled its tuple store.
    Null,
    /// What an AFTER or a statement trigger returns: a null pointer that is not SQL NULL.
    Done,
    /// A value, and its type.
    Value(Datum, Oid),
}

impl Answer {
    /// A 32-bit integer.
    pub fn int4(value: i32) -> Self {
        Self::Value(Datum::from(value), kind::INT4)
    }

    /// A 64-bit integer.
    pub fn int8(value: i64) -> Self {
        Self::Value(Datum::from(value), INT8OID)
    }

    /// A `timestamptz`.
    pub fn instant(value: super::Instant) -> Self {
        Self::Value(Datum::from(value), kind::INSTANT)
    }

    /// A boolean.
    pub fn bool(value: bool) -> Self {
        Self::Value(Datum::from(value), kind::BOOL)
    }

    fn of(&self) -> Option<Oid> {
        match self {
            Answer::Null => None,
            Answer::Done => Some(TRIGGEROID),
            Answer::Value(_, of) => Some(*of),
        }
    }
}

/// An error made ready: it owns nothing that Rust would have to drop.
enum Thrown {
    Own {
        code: i32,
        message: *const c_char,
        detail: *const c_char,
        hint: *const c_char,
        /// Schema, table and constraint.
        names: [*const c_char; 3],
    },
    Postgres(*mut ErrorData),
}

/// Runs the body of a SQL function; on an error, drops all that Rust owns and then throws.
///
/// # Safety
/// `fcinfo` must be what PostgreSQL handed to the V1 function that calls this.
pub unsafe fn entry(fcinfo: FunctionCallInfo, body: fn(&mut Call<'_>) -> Result<Answer>) -> Datum {
    // SAFETY: the caller vouches for `fcinfo`, which lives for the whole call.
    match run(unsafe { &mut *fcinfo }, body) {
        Ok(datum) => datum,
        // SAFETY: this frame owns nothing to drop.
        Err(thrown) => unsafe { throw(thrown) },
    }
}

/// Throws an error on, from a place that PostgreSQL calls and that is not a SQL function.
///
/// # Safety
/// No caller up to PostgreSQL may own anything that has a destructor.
pub(super) unsafe fn raise(error: Error) -> ! {
    // SAFETY: the caller's promise is handed on; the error is moved out before.
    unsafe { throw(prepare(error)) }
}

fn run(
    fcinfo: &mut pgrx::pg_sys::FunctionCallInfoBaseData,
    body: fn(&mut Call<'_>) -> Result<Answer>,
) -> std::result::Result<Datum, Thrown> {
    memory::keep();
    let _within = Within::enter();
    let before = caught();
    let answer = || {
        let mut call = Call::new(fcinfo)?;
        let answer = body(&mut call)?;
        if let Some(of) = answer.of() {
            call.signature().check_result(of)?;
        }
        Ok(answer)
    };
    let outcome = catch_unwind(AssertUnwindSafe(answer));
    // What is thrown from here is for who catches it to clean up behind: for a block of somebody's, which
    // tells nobody, or for us further out, who count it then.
    rolled_back(before);
    let outcome = match (steps::resume(), outcome) {
        // PostgreSQL's own error says more, or the same.
        (_, Ok(Err(Error::Postgres(mut caught)))) => {
            caught.advise();
            Ok(Err(Error::Postgres(caught)))
        }
        (Some(ended), _) => Ok(Err(ended)),
        (None, outcome) => outcome,
    };
    let error = match outcome {
        Ok(Ok(Answer::Value(datum, _))) => {
            fcinfo.isnull = false;
            return Ok(datum);
        }
        Ok(Ok(Answer::Done)) => {
            fcinfo.isnull = false;
            return Ok(Datum::null());
        }
        Ok(Ok(Answer::Null)) => {
            fcinfo.isnull = true;
            return Ok(Datum::null());
        }
        Ok(Err(error)) => error,
        Err(payload) => {
            // The payload may hold values; only the place of the panic is told.
            drop(payload);
            Error::Bug(
                PANIC
                    .take()
                    .unwrap_or_else(|| "at an unknown place".to_owned())
                    .into(),
            )
        }
    };
    // A refusal that comes out of the outermost call is told to somebody.
    if DEPTH.get() == 1 {
        counters::refused(&error);
    }
    Err(prepare(error))
}

thread_local! {
    /// How many calls of ours are within each other.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// That a call has begun, until it is dropped.
struct Within;

impl Within {
    fn enter() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
    }
}

/// Moves an error out of Rust's memory into PostgreSQL's, so that nothing is left to drop.
fn prepare(error: Error) -> Thrown {
    let outcome;
    let (code, message, detail, hint) = match &error {
        Error::Postgres(_) => (0, "", None, None),
        Error::Refused(refusal) | Error::Dropped(refusal) => {
            outcome = refusal.outcome();
            let Refusal {
                state,
                message,
                hint,
                ..
            } = refusal.as_ref();
            (
                encode(state.sqlstate()),
                message.as_str(),
                Some(outcome.as_ref()),
                hint.as_deref(),
            )
        }
        Error::Bug(place) => (
            encode(b"XX000"),
            "internal error in ingest_ext",
            Some(place.as_ref()),
            Some(
                "This is a bug in ingest_ext; the transaction was rolled back and no data is lost.",
            ),
        ),
        Error::Corrupt => (
            encode(b"XX001"),
            "stored jsonb is not well-formed",
            None,
            Some("Check the table with amcheck, and the storage under it."),
        ),
        Error::OutOfMemory => (encode(b"53200"), "out of memory", None, None),
    };
    let names = match &error {
        Error::Refused(refusal) => {
            let [schema, table] = match &refusal.table {
                Some(table) => table.each_ref().map(|name| Some(name.as_str())),
                None => [None, None],
            };
            [schema, table, refusal.constraint.as_deref()]
        }
        _ => [None; 3],
    };
    let (message, hint) = (ascii(message), hint.map(ascii));
    let (message, hint) = (message.as_ref(), hint.as_deref());
    let copied = varlena::c_string(Some(message)).and_then(|message| {
        let [schema, table, constraint] = names.map(varlena::c_string);
        Ok((
            message,
            varlena::c_string(detail)?,
            varlena::c_string(hint)?,
            [schema?, table?, constraint?],
        ))
    });
    match (error, copied) {
        (Error::Postgres(caught), _) | (_, Err(Error::Postgres(caught))) => {
            Thrown::Postgres(caught.into_raw())
        }
        (_, Ok((message, detail, hint, names))) => Thrown::Own {
            code,
            message,
            detail,
            hint,
            names,
        },
        (_, Err(_)) => Thrown::Own {
            code: encode(b"XX000"),
            message: c"internal error in ingest_ext".as_ptr(),
            detail: core::ptr::null(),
            hint: core::ptr::null(),
            names: [core::ptr::null(); 3],
        },
    }
}

/// The fields of an error that name what it is about.
const NAMES: [c_int; 3] = [
    pgrx::pg_sys::PG_DIAG_SCHEMA_NAME as c_int,
    pgrx::pg_sys::PG_DIAG_TABLE_NAME as c_int,
    pgrx::pg_sys::PG_DIAG_CONSTRAINT_NAME as c_int,
];

/// # Safety
/// No caller up to PostgreSQL may own anything that has a destructor, because this leaves by
/// `longjmp`.
unsafe fn throw(thrown: Thrown) -> ! {
    let (code, message, detail, hint, names) = match thrown {
        // SAFETY: the data is CopyErrorData's.
        Thrown::Postgres(error) => unsafe { ffi::ReThrowError(error) },
        Thrown::Own {
            code,
            message,
            detail,
            hint,
            names,
        } => (code, message, detail, hint, names),
    };
    // SAFETY: the sequence is ereport(ERROR, …) written out; "%s" takes exactly one C string, and
    // these are null or C strings in PostgreSQL's memory.
    unsafe {
        ffi::errstart(
            pgrx::pg_sys::elog::PgLogLevel::ERROR as c_int,
            core::ptr::null(),
        );
        ffi::errcode(code);
        ffi::errmsg_internal(c"%s".as_ptr(), message);
        if !detail.is_null() {
            ffi::errdetail_internal(c"%s".as_ptr(), detail);
        }
        if !hint.is_null() {
            ffi::errhint(c"%s".as_ptr(), hint);
        }
        for (field, name) in NAMES.into_iter().zip(names) {
            if !name.is_null() {
                ffi::err_generic_string(field, name);
            }
        }
        ffi::errfinish(THROWN_IN.as_ptr(), 0, c"entry".as_ptr());
    }
    // errfinish(ERROR) does not return.
    std::process::abort()
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes a panic leave its place, and nothing else: the default hook prints the payload to the
/// server's log, and a payload can hold a document's values.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map(|at| format!("at {}:{}", at.file(), at.line()));
        PANIC.with(|panic| *panic.borrow_mut() = place);
    }));
}

/// The record that tells PostgreSQL a function is called by the version 1 convention.
pub const V1: Pg_finfo_record = Pg_finfo_record { api_version: 1 };

/// Exports a Rust function to SQL, under the C name `<name>_wrapper`.
macro_rules! sql_function {
    ($($name:ident => $body:expr;)*) => {$(
        // The body is the boundary's own; only the names come from outside of it.
        #[allow(unsafe_code)]
        const _: () = {
            #[unsafe(export_name = concat!("pg_finfo_", stringify!($name), "_wrapper"))]
            extern "C" fn finfo() -> *const ::pgrx::pg_sys::Pg_finfo_record {
                &const { $crate::pg::V1 }
            }

            #[unsafe(export_name = concat!(stringify!($name), "_wrapper"))]
            extern "C-unwind" fn wrapper(
                fcinfo: ::pgrx::pg_sys::FunctionCallInfo,
            ) -> ::pgrx::pg_sys::Datum {
                // SAFETY: PostgreSQL is the only caller of this symbol.
                unsafe { $crate::pg::entry(fcinfo, $body) }
            }
        };
    )*};
}
pub(crate) use sql_function;

/// What PostgreSQL calls once, when it loads the library; `$also` is what the layers above register.
macro_rules! loaded {
    ($also:expr) => {
        // The body is the boundary's own.
        #[allow(unsafe_code)]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C-unwind" fn _PG_init() {
                // SAFETY: PostgreSQL is the only caller of this symbol.
                unsafe { $crate::pg::load() };
                $also();
            }
        };
    };
}
pub(crate) use loaded;

/// Registers what there is to register.
///
/// # Safety
/// Must be called from `_PG_init` only, once.
pub unsafe fn load() {
    install_panic_hook();
    super::steps::register();
    // SAFETY: registration may raise an ERROR, which this frame, owning nothing, lets pass.
    unsafe { super::settings::register() };
    super::invalidation::register();
    super::planner::register();
    super::opened::register();
    super::utility::register();
}
