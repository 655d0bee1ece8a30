//! Codes: `[^\s]+(\s[^\s]+)*`, whose whitespace is single spaces, as FHIR's prose demands.

use super::word::any_below;

/// Words of graphic characters, with a single space between two of them.
#[inline]
pub(super) fn is_code(text: &[u8]) -> bool {
    !text.is_empty() && (!any_below(text, b' ' + 1) || are_words(text))
}

fn are_words(text: &[u8]) -> bool {
    let mut in_word = false;
    for byte in text {
        in_word = match byte {
            0x21.. => true,
            b' ' if in_word => false,
            _ => return false,
        };
    }
    in_word
}
