//! Base64: groups of four (RFC 4648, §4), with whitespace wherever FHIR's regex has it.

/// What each byte is.
const OTHER: u8 = 0;
const DIGIT: u8 = 1;
const SPACE: u8 = 2;
const PADDING: u8 = 3;

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
    let kind = |byte: &u8| KIND[usize::from(*byte)];
    let digits = text
        .iter()
        .position(|byte| kind(byte) != DIGIT)
        .unwrap_or(text.len());
    let (mut count, mut padding) = (digits, 0_usize);
    for byte in &text[digits..] {
        match kind(byte) {
            SPACE => continue,
            PADDING => padding += 1,
            DIGIT if padding == 0 => {}
            _ => return false,
        }
        count += 1;
    }
    count > 0 && count.is_multiple_of(4) && padding <= 2
}
