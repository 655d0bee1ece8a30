//! URIs: `\S*`, and not empty, since no FHIR value is.

use super::name::{is_oid, is_uuid_in_either_case};
use super::word::any_below;

/// At least one character, and neither whitespace nor a control character.
#[inline]
pub(super) fn is_uri(text: &[u8]) -> bool {
    !text.is_empty() && !any_below(text, b' ' + 1)
}

/// A uri of FHIR: what claims to be a UUID or an OID is one.
pub(super) fn is_uri_reference(text: &[u8]) -> bool {
    match text {
        [
            b'u',
            b'r',
            b'n',
            b':',
            b'u',
            b'u',
            b'i',
            b'd',
            b':',
            uuid @ ..,
        ] => is_uuid_in_either_case(uuid),
        [b'u', b'r', b'n', b':', b'o', b'i', b'd', b':', ..] => is_oid(text),
        _ => is_uri(text),
    }
}
