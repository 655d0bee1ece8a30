//! PostgreSQL's own walk over a JSONB value, for the benchmark that measures ours against it.

use super::catch::guard;
use super::error::Result;
use super::{Call, Error, ffi, kind};
use pgrx::pg_sys::{Datum, JsonbContainer, JsonbIterator, JsonbValue, varlena};
use std::mem::MaybeUninit;
use std::time::Instant;

/// Walks the jsonb argument at `place` so many times; gives the nanoseconds of all rounds.
pub fn walk(call: &Call<'_>, place: usize, rounds: i32) -> Result<i64> {
    let datum: Datum = call
        .datum_of(place, kind::JSONB)?
        .ok_or(Error::Bug("no jsonb to walk".into()))?;
    let begun = Instant::now();
    // SAFETY: the argument is a jsonb; pg_detoast_datum gives it a header of four bytes, behind
    // which the container is; the closure owns nothing.
    unsafe {
        guard(|| {
            let plain = ffi::pg_detoast_datum(datum.cast_mut_ptr::<varlena>());
            let container = plain.cast::<u8>().add(4).cast::<JsonbContainer>();
            for _ in 0..rounds {
                let mut iterator: *mut JsonbIterator = ffi::JsonbIteratorInit(container);
                let mut value = MaybeUninit::<JsonbValue>::uninit();
                while ffi::JsonbIteratorNext(&raw mut iterator, value.as_mut_ptr(), false) != 0 {}
            }
        })
    }?;
    Ok(i64::try_from(begun.elapsed().as_nanos()).unwrap_or(i64::MAX))
}
