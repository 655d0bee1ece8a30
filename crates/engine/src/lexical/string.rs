//! Strings: `[ \r\n\t\S]+`, and no control character, as FHIR's prose demands.

use super::word::any_below;

/// At least one character, and no control character but tab, line feed and carriage return.
#[inline]
pub(super) fn is_string(text: &[u8]) -> bool {
    !text.is_empty() && (!any_below(text, b' ') || !has_controls(text))
}

/// Whether a byte below U+0020 other than tab, line feed and carriage return occurs.
#[cold]
fn has_controls(text: &[u8]) -> bool {
    text.iter()
        .any(|byte| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r'))
}

/// How long a string of FHIR may be, in characters.
const LONGEST: usize = 1 << 20;

/// Whether it is no longer than a string of FHIR may be.
#[inline]
pub(super) fn is_short(text: &[u8]) -> bool {
    text.len() <= LONGEST || {
        // Every character has one byte that continues none.
        let begins = |byte: &&u8| **byte & 0b1100_0000 != 0b1000_0000;
        text.iter().filter(begins).count() <= LONGEST
    }
}
