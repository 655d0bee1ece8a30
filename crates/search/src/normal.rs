//! Strings as they are compared: without case, accents and repeated space. FHIR R4, section
//! 3.1.1.4.8.

use caseless::Caseless;
use jsonb::{Malformed, steps};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The text for comparison: full case folding, decomposed, without combining marks, its spaces one.
pub(crate) fn normal(text: &str) -> Result<String, Malformed> {
    steps::take(text.len() / 8 + 1)?;
    let mut normal = String::new();
    jsonb::memory::reserve_text(&mut normal, text.len())?;
    if text.is_ascii() {
        spaced(text.chars().map(|c| c.to_ascii_lowercase()), &mut normal);
    } else {
        let folded = text.chars().default_case_fold().nfd();
        spaced(folded.filter(|c| !is_combining_mark(*c)), &mut normal);
    }
    Ok(normal)
}

fn spaced(characters: impl Iterator<Item = char>, out: &mut String) {
    for character in characters {
        match character.is_whitespace() {
            true if out.is_empty() || out.ends_with(' ') => {}
            true => out.push(' '),
            false => out.push(character),
        }
    }
    if out.ends_with(' ') {
        out.pop();
    }
}
