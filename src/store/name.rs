//! `Name`: what a source, a profile or a relationship may be called; and texts that are no names.

use crate::pg::{Error, Result, State};
use std::fmt;

/// A name that was checked: 1 to 54 of `A-Z a-z 0-9 _ -`, so that it can be quoted by putting it
/// between quotation marks, and so that `<name>_history` and its constraints fit in 63 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

/// How long a name may be: 63 bytes less what its table's own objects add to it.
const LONGEST: usize = 54;

impl Name {
    /// Checks a name; `what` says whose name it is.
    pub fn new(name: &str, what: &str) -> Result<Self> {
        Self::check(name, what)?;
        Ok(Self(name.to_owned()))
    }

    /// Refuses what cannot be a name: before anything is looked up by it.
    pub fn check(name: &str, what: &str) -> Result<()> {
        let fits = (1..=LONGEST).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if !fits {
            let shown = shown(name);
            return Err(Error::refuse(
                State::BadRequest,
                format!("not a name for a {what}{shown}"),
            )
            .hint("A name is 1 to 54 letters, digits, hyphens and underscores (ASCII)."));
        }
        if name.ends_with("_history") {
            return Err(Error::refuse(
                State::BadRequest,
                format!("not a name for a {what}: {name}"),
            )
            .hint("Names that end in _history are those of history tables."));
        }
        Ok(())
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As an identifier in SQL.
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

/// What was given for a name, if it looks like one: input can be anything, a document too.
fn shown(name: &str) -> String {
    let wordlike = |at: char| at.is_alphanumeric() || matches!(at, ' ' | '_' | '-' | '.' | '/');
    match (1..=64).contains(&name.len()) && name.chars().all(wordlike) {
        true => format!(": {name}"),
        false => String::new(),
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Any text as a SQL literal: a property's name, say, which comes from a definition and can hold
/// anything.
pub fn literal(text: &str) -> String {
    if !text.contains(['\'', '\\']) {
        return ["'", text, "'"].concat();
    }
    let quoted = text.replace('\'', "''");
    match quoted.contains('\\') {
        true => format!("E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}
