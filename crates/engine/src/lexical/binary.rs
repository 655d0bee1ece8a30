//! Base64: groups of four (RFC 4648, §4), with whitespace between them, as FHIR's regex has it.

/// What each byte is, a bit each.
const OTHER: u8 = 0;
const DIGIT: u8 = 1;
const SPACE: u8 = 2;
const PADDING: u8 = 4;

static KIND: [u8; 256] = {
    let mut kind = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        kind[byte] = match byte as u8 {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'+' | b'/' => DIGIT,
            b' ' | b'\t' | b'\n' | b'\r' => SPACE,
            b'=' => PADDING,
            _ => OTHER,
        };
        byte += 1;
    }
    kind
};

/// `(\s*([0-9a-zA-Z\+\/=]){4}\s*)+`, with padding only at the end.
pub(super) fn is_base64(text: &[u8]) -> bool {
    // Nearly all of it is digits: eight at a time, with one branch.
    let (words, _) = text.as_chunks::<8>();
    let plain = words
        .iter()
        .take_while(|word| word.iter().fold(DIGIT, |all, byte| all & kind(byte)) == DIGIT)
        .count()
        * 8;
    let (mut count, mut padding) = (plain, 0_usize);
    for byte in &text[plain..] {
        match kind(byte) {
            SPACE if count % 4 == 0 => continue,
            PADDING => padding += 1,
            DIGIT if padding == 0 => {}
            _ => return false,
        }
        count += 1;
    }
    count > 0 && count.is_multiple_of(4) && padding <= 2
}

#[inline]
fn kind(byte: &u8) -> u8 {
    KIND[usize::from(*byte)]
}
