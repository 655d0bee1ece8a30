//! `pattern`: the part of ECMAScript's regular expressions that runs in linear time.

use super::Subject;
use super::ecmascript::translate;
use regex::bytes::{Regex, RegexBuilder};

/// What a compiled pattern may take, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

/// How long a pattern an issue shows, in characters.
const SHOWN: usize = 200;

/// A compiled pattern, unanchored as in JSON Schema.
#[derive(Debug)]
pub(crate) struct Pattern {
    source: Box<str>,
    regex: Regex,
}

impl Pattern {
    /// Compiles a pattern, or says what is wrong with it.
    pub(crate) fn new(source: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(&translate(source)?)
            .size_limit(SIZE_LIMIT)
            .dfa_size_limit(SIZE_LIMIT)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => "expected a smaller pattern".to_owned(),
                _ => "expected a regular expression".to_owned(),
            })?;
        Ok(Self {
            source: source.into(),
            regex,
        })
    }

    /// The pattern as it was given.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn accepts(&self, subject: &Subject<'_>) -> bool {
        match subject {
            Subject::Text(text) | Subject::Moment(text, _) => self.regex.is_match(text),
            _ => false,
        }
    }

    pub(crate) fn expected(&self) -> String {
        if self.source.chars().count() > SHOWN {
            "expected a match of the pattern".to_owned()
        } else {
            format!("expected a match of {}", self.source)
        }
    }
}
