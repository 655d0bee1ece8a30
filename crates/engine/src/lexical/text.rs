//! Strings: `[ \r\n\t\S]+`, and no control character, as FHIR's prose demands.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// At least one character, and no control character but tab, line feed and carriage return.
pub(super) fn is_string(text: &[u8]) -> bool {
    !text.is_empty() && !has_controls(text)
}

/// Whether a byte below U+0020 other than tab, line feed and carriage return occurs.
#[inline]
fn has_controls(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    words
        .iter()
        .any(|word| below_space(u64::from_le_bytes(*word)) && word.iter().any(is_control))
        || rest.iter().any(is_control)
}

/// Whether any of eight bytes is below U+0020.
#[inline]
pub(super) fn below_space(word: u64) -> bool {
    word.wrapping_sub(LOW * 0x20) & !word & HIGH != 0
}

/// Whether any of eight bytes is below U+0021: a space, or what [`below_space`] finds.
#[inline]
pub(super) fn below_graphic(word: u64) -> bool {
    word.wrapping_sub(LOW * 0x21) & !word & HIGH != 0
}

fn is_control(byte: &u8) -> bool {
    *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')
}
