//! ECMAScript's regular expressions in the language of the `regex` crates.
//!
//! The two differ where they look alike: `\w`, `\d` and `\b` are ASCII in ECMAScript, `.` stops at
//! four line ends, and `[` and `&&` inside a class stand for themselves. What cannot run in linear
//! time (look-around, back references) is refused, as is what ECMAScript refuses with its flag `u`.

use super::unicode::is_property;
use std::collections::HashSet;

/// What no character is, and what every one is.
const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";
const ANYTHING: &str = r"[\x{0}-\x{10FFFF}]";

/// Halves of a character in UTF-16; no text in UTF-8 holds one.
const SURROGATES: std::ops::RangeInclusive<u32> = 0xD800..=0xDFFF;

const ENDS: &str = "expected a range from one character to another";

/// Inside a class, between its brackets.
const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str =
    r"\t\n\x0B\f\r \u{A0}\u{1680}\u{2000}-\u{200A}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}\u{FEFF}";

/// Whose pattern it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// ECMAScript's, as JSON Schema has it.
    EcmaScript,
    /// FHIRPath's (N1, section 5.6), which names no language: `.` is any character, and what is
    /// escaped without need stands for itself, as all that read it have it.
    FhirPath,
}

/// The pattern in the language of the `regex` crate.
pub(super) fn translate(source: &str, dialect: Dialect) -> Result<String, String> {
    let mut text = Text {
        dialect,
        rest: source.chars().collect::<Vec<_>>().into_iter().peekable(),
        out: String::with_capacity(source.len() + 16),
        groups: HashSet::new(),
        repeatable: false,
    };
    while let Some(c) = text.rest.next() {
        // Neither an assertion nor a beginning can be repeated.
        let next = !matches!(c, '^' | '$' | '|' | '(');
        let repeatable = std::mem::replace(&mut text.repeatable, next);
        match c {
            '\\' => text.escape()?,
            '[' => text.class()?,
            '(' => text.group()?,
            '.' if dialect == Dialect::FhirPath => text.out.push_str(ANYTHING),
            '.' => text.out.push_str(r"[^\n\r\u{2028}\u{2029}]"),
            '{' => text.count()?,
            '}' | ']' if dialect == Dialect::FhirPath => text.hex(c as u32),
            '}' | ']' => return Err(format!("expected {c} to be escaped")),
            // The crate would read these as a possessive or a doubled quantifier.
            '*' | '+' | '?' => text.quantifier(c)?,
            _ => text.literal(c),
        }
        if matches!(c, '*' | '+' | '?' | '{') && !repeatable {
            return Err("expected something to repeat".to_owned());
        }
    }
    Ok(text.out)
}

struct Text {
    dialect: Dialect,
    rest: std::iter::Peekable<std::vec::IntoIter<char>>,
    out: String,
    /// The names of groups.
    groups: HashSet<String>,
    /// Whether what was just read can be repeated: an assertion cannot.
    repeatable: bool,
}

impl Text {
    /// A character that stands for itself, or one of `^`, `$`, `|`, `)`.
    fn literal(&mut self, c: char) {
        if matches!(c, '#' | '&' | '-' | '~') || c.is_whitespace() {
            self.hex(c as u32);
        } else {
            self.out.push(c);
        }
    }

    fn hex(&mut self, code: u32) {
        self.out.push_str(&format!("\\x{{{code:X}}}"));
    }

    /// Writes a range of a class, without the surrogates at its ends.
    fn range(&mut self, low: u32, high: u32) {
        let low = if SURROGATES.contains(&low) {
            SURROGATES.end() + 1
        } else {
            low
        };
        let high = if SURROGATES.contains(&high) {
            SURROGATES.start() - 1
        } else {
            high
        };
        if low <= high {
            self.hex(low);
            if low < high {
                self.out.push('-');
                self.hex(high);
            }
        }
    }

    /// `*`, `+`, `?`, and the `?` that makes it lazy.
    fn quantifier(&mut self, c: char) -> Result<(), String> {
        self.out.push(c);
        self.out.extend(self.rest.next_if_eq(&'?'));
        match self.rest.peek() {
            Some('*' | '+' | '?' | '{') => Err("expected one quantifier".to_owned()),
            _ => Ok(()),
        }
    }

    /// `{2}`, `{2,}`, `{2,3}`
    fn count(&mut self) -> Result<(), String> {
        let mut inner = String::new();
        while let Some(c) = self.rest.next_if(|c| c.is_ascii_digit() || *c == ',') {
            inner.push(c);
        }
        let (low, high) = inner.split_once(',').unwrap_or((&inner, ""));
        let whole = !low.is_empty() && !high.contains(',') && self.rest.next() == Some('}');
        if !whole {
            return Err("expected { to be escaped, or a count".to_owned());
        }
        self.out.push_str(&format!("{{{inner}}}"));
        self.out.extend(self.rest.next_if_eq(&'?'));
        match self.rest.peek() {
            Some('*' | '+' | '?' | '{') => Err("expected one quantifier".to_owned()),
            _ => Ok(()),
        }
    }

    /// `(`, `(?:`, `(?<name>`
    fn group(&mut self) -> Result<(), String> {
        if self.rest.next_if_eq(&'?').is_none() {
            self.out.push_str("(?:");
            return Ok(());
        }
        match self.rest.next() {
            Some(':') => {}
            Some('<') if !matches!(self.rest.peek(), Some('=' | '!')) => self.group_name()?,
            Some('=' | '!' | '<') => return Err("expected no look-around".to_owned()),
            _ => return Err("expected (?: or (?<name>".to_owned()),
        }
        self.out.push_str("(?:");
        Ok(())
    }

    /// `name>` behind `(?<`; a character of it can be escaped by its code.
    fn group_name(&mut self) -> Result<(), String> {
        const WRONG: &str = "expected the name of a group";
        let mut name = String::new();
        loop {
            let c = match self.rest.next() {
                Some('>') if !name.is_empty() => break,
                Some('\\') => match self.rest.next() {
                    Some(c @ 'u') => char::from_u32(self.character(c)?),
                    _ => None,
                },
                c => c,
            };
            match c {
                Some(c) if c.is_alphabetic() || matches!(c, '$' | '_') => name.push(c),
                Some(c @ ('\u{200C}' | '\u{200D}')) if !name.is_empty() => name.push(c),
                Some(c) if c.is_alphanumeric() && !name.is_empty() => name.push(c),
                _ => return Err(WRONG.to_owned()),
            }
        }
        if self.groups.insert(name) {
            Ok(())
        } else {
            Err("expected each name of a group once".to_owned())
        }
    }

    /// An escape outside a class.
    fn escape(&mut self) -> Result<(), String> {
        let Some(c) = self.rest.next() else {
            return Err("expected a character after \\".to_owned());
        };
        match c {
            'd' => self.out.push_str(&format!("[{DIGIT}]")),
            'D' => self.out.push_str(&format!("[^{DIGIT}]")),
            'w' => self.out.push_str(&format!("[{WORD}]")),
            'W' => self.out.push_str(&format!("[^{WORD}]")),
            's' => self.out.push_str(&format!("[{SPACE}]")),
            'S' => self.out.push_str(&format!("[^{SPACE}]")),
            'b' | 'B' => {
                self.repeatable = false;
                self.out.push_str(&format!("(?-u:\\{c})"));
            }
            '1'..='9' | 'k' => return Err("expected no back reference".to_owned()),
            'p' | 'P' => {
                let property = self.property()?;
                self.out.push_str(&format!("\\{c}{property}"));
            }
            // With the flag `u`, a hyphen is escaped where it can mean something.
            '-' if self.dialect == Dialect::EcmaScript => {
                return Err("expected an escape of ECMAScript".to_owned());
            }
            _ => {
                let code = self.character(c)?;
                match SURROGATES.contains(&code) {
                    true => self.out.push_str(NOTHING),
                    false => self.hex(code),
                }
            }
        }
        Ok(())
    }

    /// `{Letter}` behind `\p`.
    fn property(&mut self) -> Result<String, String> {
        let mut name = String::new();
        if self.rest.next() == Some('{') {
            while let Some(c) = self
                .rest
                .next_if(|c| c.is_ascii_alphanumeric() || "_=".contains(*c))
            {
                name.push(c);
            }
            if is_property(&name) && self.rest.next() == Some('}') {
                return Ok(format!("{{{name}}}"));
            }
        }
        Err("expected \\p{property}, spelled as ECMAScript does".to_owned())
    }

    /// An escape that is one character, inside or outside a class.
    fn character(&mut self, c: char) -> Result<u32, String> {
        Ok(match c {
            't' => 0x09,
            'n' => 0x0A,
            'v' => 0x0B,
            'f' => 0x0C,
            'r' => 0x0D,
            '0' if !matches!(self.rest.peek(), Some('0'..='9')) => 0,
            'c' => match self.rest.next() {
                Some(letter) if letter.is_ascii_alphabetic() => letter as u32 % 32,
                _ => return Err("expected a letter after \\c".to_owned()),
            },
            'x' => self.digits(2)?,
            'u' if self.rest.next_if_eq(&'{').is_some() => {
                let mut code = String::new();
                while let Some(c) = self.rest.next_if(char::is_ascii_hexdigit) {
                    code.push(c);
                }
                match (u32::from_str_radix(&code, 16), self.rest.next()) {
                    (Ok(code), Some('}')) if code <= char::MAX as u32 => code,
                    _ => return Err("expected \\u{ and a code point".to_owned()),
                }
            }
            'u' => {
                let code = self.digits(4)?;
                self.paired(code).unwrap_or(code)
            }
            _ if r"^$\.*+?()[]{}|/-".contains(c) => c as u32,
            _ if self.dialect == Dialect::FhirPath && !c.is_alphanumeric() => c as u32,
            _ => return Err("expected an escape of ECMAScript".to_owned()),
        })
    }

    fn digits(&mut self, count: usize) -> Result<u32, String> {
        let mut code = 0;
        for _ in 0..count {
            let digit = self.rest.next().and_then(|c| c.to_digit(16));
            code = code * 16 + digit.ok_or("expected hexadecimal digits")?;
        }
        Ok(code)
    }

    /// The character of which `high` is the first half, if an escape of the second half follows.
    fn paired(&mut self, high: u32) -> Option<u32> {
        const LOW: std::ops::RangeInclusive<u32> = 0xDC00..=0xDFFF;
        if !(0xD800..0xDC00).contains(&high) {
            return None;
        }
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('\\') || ahead.next() != Some('u') {
            return None;
        }
        let mut low = 0;
        for _ in 0..4 {
            low = low * 16 + ahead.next()?.to_digit(16)?;
        }
        if !LOW.contains(&low) {
            return None;
        }
        self.rest = ahead;
        Some(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    }

    /// A class, its `[` taken.
    fn class(&mut self) -> Result<(), String> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let outer = std::mem::take(&mut self.out);
        let members = self.members();
        let members_out = std::mem::replace(&mut self.out, outer);
        members?;
        match (negated, members_out.as_str()) {
            (false, "") => self.out.push_str(NOTHING),
            (true, "") => self.out.push_str(ANYTHING),
            (negated, members) => {
                let begin = if negated { "[^" } else { "[" };
                for part in [begin, members, "]"] {
                    self.out.push_str(part);
                }
            }
        }
        Ok(())
    }

    /// The members of a class, up to its end.
    fn members(&mut self) -> Result<(), String> {
        loop {
            let Some(c) = self.rest.next() else {
                return Err("expected the class to end".to_owned());
            };
            if c == ']' {
                return Ok(());
            }
            let low = self.atom(c)?;
            // A hyphen is a range unless it stands at the end.
            let mut ahead = self.rest.clone();
            let range = ahead.next() == Some('-') && !matches!(ahead.next(), Some(']') | None);
            let low = match (low, range) {
                (None, false) => continue,
                (Some(low), false) => {
                    self.range(low, low);
                    continue;
                }
                (None, true) => return Err(ENDS.to_owned()),
                (Some(low), true) => low,
            };
            self.rest.next();
            let Some(c) = self.rest.next() else {
                return Err("expected the class to end".to_owned());
            };
            match self.atom(c)? {
                Some(high) if low <= high => self.range(low, high),
                Some(_) => return Err("expected a range in order".to_owned()),
                None => return Err(ENDS.to_owned()),
            }
        }
    }

    /// One member of a class: its code, or `None` for a set that is already written.
    fn atom(&mut self, c: char) -> Result<Option<u32>, String> {
        if c != '\\' {
            return Ok(Some(c as u32));
        }
        let Some(c) = self.rest.next() else {
            return Err("expected a character after \\".to_owned());
        };
        let set = match c {
            'd' => DIGIT.to_owned(),
            'w' => WORD.to_owned(),
            's' => SPACE.to_owned(),
            'D' => format!("[^{DIGIT}]"),
            'W' => format!("[^{WORD}]"),
            'S' => format!("[^{SPACE}]"),
            'b' => return Ok(Some(0x08)),
            'p' | 'P' => format!("\\{c}{}", self.property()?),
            _ => return self.character(c).map(Some),
        };
        self.out.push_str(&set);
        Ok(None)
    }
}
