//! `Signature`: the types that pg_proc says a function of ours has. Whoever is a superuser can
//! declare one by hand, with other types than it was made for.

use super::catch::guard;
use super::error::{Error, Result, State};
use super::{ffi, invalidation, kind};
use pgrx::pg_sys::{self, FunctionCallInfoBaseData, Oid};
use std::cell::RefCell;
use std::collections::HashMap;

/// A type as it was declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Declared {
    pub of: Oid,
    /// Whether it is one of rows.
    pub is_row: bool,
}

/// The types of one function.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signature {
    arguments: Vec<Declared>,
    pub result: Declared,
}

thread_local! {
    /// By function, with the number of changes that had been heard of. A signature that was found
    /// lives as long as the backend: calls that go on may hold it.
    static KNOWN: RefCell<HashMap<Oid, (u64, &'static Signature)>> = RefCell::new(HashMap::new());
}

impl Signature {
    /// That of the function that is called. It is looked up once for each place that calls it, and
    /// read from pg_proc once for each function.
    #[inline]
    pub fn of(info: &FunctionCallInfoBaseData) -> Result<&'static Self> {
        // SAFETY: PostgreSQL sets flinfo for every call of a function by its manager.
        let place = unsafe { &mut *info.flinfo };
        if place.fn_extra.is_null() {
            place.fn_extra = core::ptr::from_ref(Self::find(place.fn_oid)?)
                .cast_mut()
                .cast();
        }
        // SAFETY: fn_extra is the called function's own; nothing but the line above sets it, and
        // what it points to lives as long as the backend.
        Ok(unsafe { &*place.fn_extra.cast::<Self>() })
    }

    fn find(function: Oid) -> Result<&'static Self> {
        let now = invalidation::changes();
        let known = KNOWN.with_borrow(|known| known.get(&function).copied());
        if let Some((then, signature)) = known
            && then == now
        {
            return Ok(signature);
        }
        let read = Self::read(function)?;
        let signature = match known {
            Some((_, signature)) if *signature == read => signature,
            _ => &*Box::leak(Box::new(read)),
        };
        KNOWN.with_borrow_mut(|known| known.insert(function, (now, signature)));
        Ok(signature)
    }

    fn read(function: Oid) -> Result<Self> {
        // SAFETY: the closure holds only calls; `types` is palloc'd with `count` entries.
        let (result, types, count) = unsafe {
            guard(|| {
                let mut types: *mut Oid = core::ptr::null_mut();
                let mut count = 0;
                let result = ffi::get_func_signature(function, &raw mut types, &raw mut count);
                (result, types, usize::try_from(count).unwrap_or(0))
            })
        }?;
        let types = match types.is_null() {
            true => &[],
            // SAFETY: as above; nothing frees it before the call's memory goes.
            false => unsafe { std::slice::from_raw_parts(types, count) },
        };
        Ok(Self {
            arguments: types
                .iter()
                .map(|of| declared(*of))
                .collect::<Result<_>>()?,
            result: declared(result)?,
        })
    }

    /// Refuses an argument that was declared with another type; says whether it was declared at all.
    #[inline]
    pub fn check(&self, place: usize, of: Oid) -> Result<bool> {
        match self.arguments.get(place) {
            Some(declared) if declared.of == of => Ok(true),
            Some(_) => Err(wrong(place, name(of))),
            None => Ok(false),
        }
    }

    /// How many arguments were declared.
    pub fn count(&self) -> usize {
        self.arguments.len()
    }

    /// The type that an argument was declared with.
    pub fn type_of(&self, place: usize) -> Oid {
        let declared = self.arguments.get(place);
        declared.map_or(Oid::INVALID, |declared| declared.of)
    }

    /// Whether an argument was declared with this type.
    pub fn is_of(&self, place: usize, of: Oid) -> bool {
        let declared = self.arguments.get(place);
        declared.is_some_and(|declared| declared.of == of)
    }

    /// As [`Signature::check`], of a row.
    pub fn check_row(&self, place: usize) -> Result<bool> {
        match self.arguments.get(place) {
            Some(declared) if declared.is_row => Ok(true),
            Some(_) => Err(wrong(place, "a row")),
            None => Ok(false),
        }
    }

    /// Refuses an answer of another type than the function was declared to return.
    #[inline]
    pub fn check_result(&self, of: Oid) -> Result<()> {
        match self.result.of == of {
            true => Ok(()),
            false => Err(wrong_result(name(of))),
        }
    }
}

fn declared(of: Oid) -> Result<Declared> {
    // SAFETY: the closure holds only the call.
    let is_row = unsafe { guard(|| ffi::type_is_rowtype(of)) }?;
    Ok(Declared { of, is_row })
}

fn name(of: Oid) -> &'static str {
    match of {
        kind::TEXT => "text",
        kind::TEXTS => "text[]",
        kind::JSONB => "jsonb",
        kind::BYTEA => "bytea",
        kind::INT4 => "integer",
        pg_sys::INT8OID => "bigint",
        kind::TSTZMULTIRANGE => "tstzmultirange",
        kind::NUMMULTIRANGE => "nummultirange",
        kind::BOOL => "boolean",
        kind::INSTANT => "timestamptz",
        pg_sys::TRIGGEROID => "trigger",
        _ => "a type of ingest",
    }
}

fn refuse(message: String) -> Error {
    Error::refuse(State::BadRequest, message).hint(
        "The functions of ingest_ext are declared by CREATE EXTENSION; drop this one, which was declared by hand.",
    )
}

fn wrong(place: usize, expected: &str) -> Error {
    refuse(format!(
        "argument {} of the function is declared with another type than {expected}",
        place + 1
    ))
}

/// The refusal of a function that was declared to return something else.
pub(super) fn wrong_result(expected: &str) -> Error {
    refuse(format!(
        "the function is declared to return another type than {expected}"
    ))
}
