//! Instants as text, as PostgreSQL's own function for JSON writes them.

use super::catch::guard;
use super::error::{Error, Result};
use super::{Instant, ffi};
use core::ffi::{CStr, c_char};
use pgrx::pg_sys::{Datum, TIMESTAMPTZOID};
use text::instant::utc;

/// Microseconds from 1970 to 2000, from which instants are counted.
const SINCE_1970: i64 = 946_684_800_000_000;

/// ISO 8601 in UTC, as a FHIR instant: `2026-11-22T01:11:46.123456+00:00`.
pub fn iso(instant: Instant) -> Result<String> {
    let utc = instant.checked_add(SINCE_1970).and_then(utc);
    let Some(utc) = utc.as_ref().and_then(|utc| str::from_utf8(utc).ok()) else {
        return beyond(instant);
    };
    let (seconds, fraction) = utc.split_at("2026-11-22T01:11:46".len());
    let fraction = match fraction.trim_end_matches('0') {
        "." => "",
        fraction => fraction,
    };
    Ok([seconds, fraction, "+00:00"].concat())
}

/// The same beyond the calendar's four digits, and of the ends of time.
fn beyond(instant: Instant) -> Result<String> {
    // MAXDATELEN is 128, and one for the terminator.
    let mut buffer = [0 as c_char; 129];
    let utc = 0;
    let (text, zone) = (buffer.as_mut_ptr(), &raw const utc);
    // SAFETY: the buffer is as long as the function demands; a null answer is not made.
    unsafe { guard(|| ffi::JsonEncodeDateTime(text, Datum::from(instant), TIMESTAMPTZOID, zone)) }?;
    // SAFETY: the function ends what it writes with a NUL.
    let text = unsafe { CStr::from_ptr(buffer.as_ptr()) };
    let text = text
        .to_str()
        .map_err(|_| Error::Bug("an instant that is no text".into()))?;
    Ok(text.to_owned())
}

/// Whole milliseconds since 1970-01-01 00:00 UTC, those before it too.
pub fn unix_millis(instant: Instant) -> i64 {
    instant.div_euclid(1_000).saturating_add(SINCE_1970 / 1_000)
}

/// Microseconds since 1970-01-01 00:00 UTC, those before it too.
pub fn unix_micros(instant: Instant) -> i128 {
    // Instants are counted from 2000-01-01.
    i128::from(instant) + 946_684_800_000_000
}

/// Whole seconds since 1970-01-01 00:00 UTC, those before it too.
pub fn unix_time(instant: Instant) -> i64 {
    instant
        .div_euclid(1_000_000)
        .saturating_add(SINCE_1970 / 1_000_000)
}
