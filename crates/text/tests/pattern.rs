//! Patterns: what is replaced, and what the two dialects read differently.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jsonb::Malformed;
use text::{Dialect, Pattern};

fn replaced(source: &str, text: &str, with: &str) -> String {
    let pattern = Pattern::new(source, Dialect::FhirPath).unwrap();
    let bytes = pattern.replace(text.as_bytes(), with.as_bytes(), |_| Ok::<_, Malformed>(()));
    String::from_utf8(bytes.unwrap()).unwrap()
}

/// Each match is replaced once, the first that begins and, as the pattern prefers, the longest or
/// the shortest; what is around stays.
#[test]
fn matches_of_a_text_are_replaced_from_left_to_right() {
    assert_eq!(replaced("b", "abcb", "x"), "axcx");
    assert_eq!(replaced(r"\..*", "Patient.name.given", ""), "Patient");
    assert_eq!(replaced("a+?", "aaa", "x"), "xxx");
    assert_eq!(replaced("a|ab", "abab", "x"), "xbxb");
    assert_eq!(replaced("^a", "aaa", "x"), "xaa");
    assert_eq!(replaced(r"\bb", "ab b", "x"), "ab x");
    assert_eq!(replaced("", "aé", "-"), "-a-é-");
    assert_eq!(replaced("é*", "aéé", "-"), "-a--");
    assert_eq!(replaced("b", "", "x"), "");
}

/// FHIRPath's `.` is any character, and it takes escapes that ECMAScript refuses.
#[test]
fn dialects_of_patterns_differ_where_they_say() {
    let lines = "A\n\tB".as_bytes();
    for (dialect, found) in [(Dialect::FhirPath, true), (Dialect::EcmaScript, false)] {
        let pattern = Pattern::new("A.*B", dialect).unwrap();
        assert_eq!(pattern.matches(lines), Ok(found));
        for escape in [r"\@", r"\'", r"\-", r"\_", "]"] {
            assert_eq!(Pattern::new(escape, dialect).is_ok(), found, "{escape}");
        }
        assert!(Pattern::new(r"\y", dialect).is_err());
    }
}

/// Who is asked for the pieces of a replacement can end it.
#[test]
fn replacement_ends_when_no_more_is_given() {
    let text = "a".repeat(4_000);
    let pattern = Pattern::new("a*b", Dialect::FhirPath).unwrap();
    let mut left = 100_000_usize;
    let ended = pattern.replace(text.as_bytes(), b"", |count| {
        left = left.checked_sub(count).ok_or(Malformed)?;
        Ok(())
    });
    assert_eq!(ended, Err(Malformed));
}
