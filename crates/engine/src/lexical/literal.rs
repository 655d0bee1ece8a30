//! References to other resources, as text: FHIR R4, "Resource References",
//! <https://hl7.org/fhir/R4/references.html#literal>.

use super::name::is_id as is_id_of_fhir;
use super::uri::is_uri;
use crate::resource::is_id;

/// A reference that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Literal<'a> {
    /// `<type>/<id>`, perhaps with `/_history/<version>` behind it.
    Relative {
        kind: &'a [u8],
        id: &'a [u8],
        /// Whether a version stands behind it.
        of_version: bool,
    },
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

/// What a reference of FHIR looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pointing<'a> {
    /// `<type>/<id>`, of this type.
    To(&'a [u8]),
    /// As else R4 spells references: the same with a version; an absolute URI; `#<id>`.
    Known,
    /// `<type>?<criteria>`, which a transaction looks for; elsewhere nobody does.
    Conditional,
    /// A relative URL of another form, which HL7's validator warns of: `<id>`.
    Odd,
    /// It is no URL, or it names nothing: `Patient/`.
    Nowhere,
}

/// Reads a reference of FHIR.
pub(crate) fn pointing(text: &[u8]) -> Pointing<'_> {
    if !is_uri(text) {
        return Pointing::Nowhere;
    }
    let is_end = |byte: &u8| matches!(byte, b':' | b'/' | b'?' | b'#');
    match text.iter().position(is_end).map(|at| text.split_at(at)) {
        Some(([], [b'#', ..])) => Pointing::Known,
        Some((kind, [b'/', id @ ..])) if is_type(kind) && is_id_of_fhir(id) => Pointing::To(kind),
        Some((scheme, [b':', rest @ ..])) => match is_scheme(scheme) && !rest.is_empty() {
            true => Pointing::Known,
            false => Pointing::Nowhere,
        },
        Some((kind, [b'?', criteria @ ..])) if is_type(kind) && !criteria.is_empty() => {
            Pointing::Conditional
        }
        _ => relative_of_fhir(text),
    }
}

fn relative_of_fhir(text: &[u8]) -> Pointing<'static> {
    let mut path = text.split(|byte| matches!(byte, b'?' | b'#'));
    let mut steps = path.next().unwrap_or_default().split(|byte| *byte == b'/');
    if steps.clone().any(<[u8]>::is_empty) {
        return Pointing::Nowhere;
    }
    let read = [
        steps.next(),
        steps.next(),
        steps.next(),
        steps.next(),
        steps.next(),
    ];
    let is_known = path.next().is_none()
        && match read {
            [Some(kind), Some(id), Some(b"_history"), Some(version), None] => {
                is_type(kind) && is_id_of_fhir(id) && is_id_of_fhir(version)
            }
            _ => false,
        };
    match is_known {
        true => Pointing::Known,
        false => Pointing::Odd,
    }
}

/// Whether it can be the name of a type of resources.
fn is_type(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_uppercase) && text.iter().all(u8::is_ascii_alphanumeric)
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
    whole.then_some(Literal::Relative {
        kind,
        id,
        of_version: version.is_some(),
    })
}
