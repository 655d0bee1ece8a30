//! Percent-encoding (RFC 3986, section 2.1), and forms (`application/x-www-form-urlencoded`, WHATWG
//! URL, section 5.1).

/// Text with what is percent-encoded in it, and in a form with a plus for each blank; `None` if it is
/// not UTF-8 then.
pub fn decoded(text: &str, form: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(match (first, after) {
            (b'+', _) if form => b' ',
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high * 16 + low
                }
                _ => b'%',
            },
            _ => *first,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// A value, percent-encoded for a query or a segment (RFC 3986, section 2.3).
pub fn encoded(value: &str) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            _ => {
                text.push('%');
                for half in [byte >> 4, byte & 15] {
                    text.extend(DIGITS.get(usize::from(half)));
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_and_decoding_are_inverse() {
        for text in ["", "a b+c%", "é|,&=/?#", "~-._"] {
            let there = encoded(text);
            assert!(there.is_ascii());
            assert_eq!(decoded(&there, true).as_deref(), Some(text));
        }
        assert_eq!(decoded("a+b%2", true).as_deref(), Some("a b%2"));
        assert_eq!(decoded("a+b", false).as_deref(), Some("a+b"));
    }
}
