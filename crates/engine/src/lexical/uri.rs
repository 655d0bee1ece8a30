//! URIs: `\S*`, and not empty, since no FHIR value is.

use super::word::any_below;

/// At least one character, and neither whitespace nor a control character.
#[inline]
pub(super) fn is_uri(text: &[u8]) -> bool {
    !text.is_empty() && !any_below(text, b' ' + 1)
}
