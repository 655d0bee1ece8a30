//! References to other resources, as text: FHIR R4, "Resource References",
//! <https://hl7.org/fhir/R4/references.html#literal>.

use crate::resource::id_is_valid;

/// A reference that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Literal<'a> {
    /// `<type>/<id>`, perhaps with `/_history/<version>` behind it.
    Relative { kind: &'a str, id: &'a str },
    /// `#<id>`: something contained.
    Fragment,
    /// A URI with a scheme.
    Absolute,
}

/// Reads a reference.
pub(crate) fn literal(text: &[u8]) -> Option<Literal<'_>> {
    if !super::uri::is_uri(text) {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    if let Some(id) = text.strip_prefix('#') {
        return (id.is_empty() || id_is_valid(id)).then_some(Literal::Fragment);
    }
    if let Some((scheme, rest)) = text.split_once(':') {
        let mut scheme = scheme.bytes();
        let letter = scheme.next().is_some_and(|byte| byte.is_ascii_alphabetic());
        let valid = letter
            && scheme.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
            && !rest.is_empty();
        return valid.then_some(Literal::Absolute);
    }
    let mut parts = text.split('/');
    let (kind, id) = (parts.next()?, parts.next()?);
    let version = match parts.next() {
        None => None,
        Some("_history") => Some(parts.next()?),
        Some(_) => return None,
    };
    let whole = !kind.is_empty()
        && id_is_valid(id)
        && version.is_none_or(id_is_valid)
        && parts.next().is_none();
    whole.then_some(Literal::Relative { kind, id })
}
