//! Base64: groups of four (RFC 4648, §4), with whitespace wherever FHIR's regex has it.

/// `(\s*([0-9a-zA-Z\+\/=]){4}\s*)+`, with padding only at the end.
pub(super) fn is_base64(text: &[u8]) -> bool {
    let (mut count, mut padding) = (0_usize, 0_usize);
    for byte in text {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => continue,
            b'=' => padding += 1,
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'+' | b'/' if padding == 0 => {}
            _ => return false,
        }
        count += 1;
    }
    count > 0 && count.is_multiple_of(4) && padding <= 2
}
