//! The JSONB reader on arbitrary bytes.
#![no_main]

use jsonb::testing::probe_jsonb;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = probe_jsonb(bytes);
});
