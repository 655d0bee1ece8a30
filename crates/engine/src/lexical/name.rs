//! Machine-made names: id, oid, uuid.

/// `[A-Za-z0-9\-\.]{1,64}`
pub(super) fn is_id(text: &[u8]) -> bool {
    let valid = |byte: &u8| byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.');
    // As in `resource::is_id`.
    (1..=64).contains(&text.len()) && text.iter().fold(true, |all, byte| all & valid(byte))
}

/// `urn:oid:[0-2](\.(0|[1-9][0-9]*))+`
pub(super) fn is_oid(text: &[u8]) -> bool {
    let Some(arcs) = text.strip_prefix(b"urn:oid:") else {
        return false;
    };
    let mut arcs = arcs.split(|byte| *byte == b'.');
    let root = matches!(arcs.next(), Some([b'0'..=b'2']));
    let mut count = 0;
    for arc in arcs {
        let whole = match arc {
            [b'0'] => true,
            [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        if !whole {
            return false;
        }
        count += 1;
    }
    root && count > 0
}

/// `urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`
pub(super) fn is_uuid(text: &[u8]) -> bool {
    let Some(uuid) = text.strip_prefix(b"urn:uuid:") else {
        return false;
    };
    is_uuid_in_either_case(uuid) && !uuid.iter().any(u8::is_ascii_uppercase)
}

/// Without `urn:uuid:`: RFC 4122 reads either case.
pub(super) fn is_uuid_in_either_case(uuid: &[u8]) -> bool {
    uuid.len() == 36
        && uuid.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
