//! URIs: `\S*`, and not empty, since no FHIR value is.

use super::text::below_graphic;

/// At least one character, and neither whitespace nor a control character.
pub(super) fn is_uri(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    !text.is_empty()
        && !words
            .iter()
            .any(|word| below_graphic(u64::from_le_bytes(*word)))
        && rest.iter().all(|byte| *byte > b' ')
}
