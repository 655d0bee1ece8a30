//! Codes: `[^\s]+(\s[^\s]+)*`, whose whitespace is single spaces, as FHIR's prose demands.

/// Words of graphic characters, with a single space between two of them.
pub(super) fn is_code(text: &[u8]) -> bool {
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
