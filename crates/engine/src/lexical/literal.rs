//! References to other resources, as text: FHIR R4, "Resource References",
//! <https://hl7.org/fhir/R4/references.html#literal>.

use super::uri::is_uri;
use crate::resource::is_id;

/// A reference that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Literal<'a> {
    /// `<type>/<id>`, perhaps with `/_history/<version>` behind it.
    Relative { kind: &'a [u8], id: &'a [u8] },
    /// `#<id>`: something contained.
    Fragment,
    /// A URI with a scheme.
    Absolute,
}

/// Reads a reference.
pub(crate) fn literal(text: &[u8]) -> Option<Literal<'_>> {
    if !is_uri(text) {
        return None;
    }
    match text
        .iter()
        .position(|byte| matches!(byte, b':' | b'/' | b'#'))?
    {
        0 if text[0] == b'#' => {
            let id = &text[1..];
            (id.is_empty() || is_id(id)).then_some(Literal::Fragment)
        }
        at if text[at] == b':' => {
            let (scheme, rest) = (&text[..at], &text[at + 1..]);
            (is_scheme(scheme) && !rest.is_empty()).then_some(Literal::Absolute)
        }
        at if text[at] == b'/' => relative(&text[..at], &text[at + 1..]),
        _ => None,
    }
}

fn is_scheme(text: &[u8]) -> bool {
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    text.first().is_some_and(u8::is_ascii_alphabetic) && text.iter().all(inner)
}

/// `<kind>/<id>` or `<kind>/<id>/_history/<version>`, read up to the first slash.
fn relative<'a>(kind: &'a [u8], rest: &'a [u8]) -> Option<Literal<'a>> {
    let end = rest.iter().position(|byte| *byte == b'/');
    let (id, behind) = rest.split_at(end.unwrap_or(rest.len()));
    let version = match behind {
        [] => None,
        _ => Some(behind.strip_prefix(b"/_history/")?),
    };
    let whole = !kind.is_empty() && is_id(id) && version.is_none_or(is_id);
    whole.then_some(Literal::Relative { kind, id })
}
