//! An expression, a zero, and a resource: as JSON where it is that, else as bytes of JSONB.
#![no_main]

use fhirpath::testing::probe;
use libfuzzer_sys::fuzz_target;
use std::str::from_utf8;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (Some(expression), rest) = (parts.next(), parts.next().unwrap_or(b"{}")) else {
        return;
    };
    let Ok(expression) = from_utf8(expression) else { return };
    let written = from_utf8(rest).ok().and_then(|text| jsonb::from_text(text).ok());
    let _ = probe(expression, written.as_deref().unwrap_or(rest));
});
