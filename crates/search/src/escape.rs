//! Separators and escapes in values: FHIR R4, section 3.1.1.4.0.1. Behind a backslash `,`, `|`, `$`
//! and a backslash stand for themselves; before anything else it is wrong.

/// What a separator parts, escapes left as they are.
pub(crate) fn split(text: &str, separator: u8) -> Vec<&str> {
    let (mut parts, mut from, mut escaped) = (Vec::new(), 0, false);
    for (at, byte) in text.bytes().enumerate() {
        if escaped {
            escaped = false;
        } else if byte == b'\\' {
            escaped = true;
        } else if byte == separator {
            parts.push(text.get(from..at).unwrap_or_default());
            from = at + 1;
        }
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts
}

/// A part without its escapes; none where one of them is wrong.
pub(crate) fn plain(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => characters
                .next()
                .filter(|next| matches!(next, ',' | '|' | '$' | '\\'))?,
            _ => character,
        });
    }
    Some(plain)
}

/// A text as a part of a value: what separates escaped.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, ',' | '|' | '$' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
