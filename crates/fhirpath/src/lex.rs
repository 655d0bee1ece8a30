//! Text into tokens.

use crate::refusal::{Refused, Why};
use text::moment::{partial_datetime, partial_time};

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name, which can be a keyword.
    Name(String),
    /// A name in backticks, which cannot.
    Delimited(String),
    String(String),
    Integer(String),
    Decimal(String),
    Date(String),
    DateTime(String),
    Time(String),
    /// `$this`, without the `$`.
    Special(String),
    /// `%name`, without the `%`.
    Variable(String),
    /// Anything else, of one or two characters.
    Symbol(&'static str),
}

/// The tokens of a text, each with the place where it begins, in characters.
pub(crate) fn tokens(source: &str) -> Result<Vec<(usize, Token)>, Refused> {
    let mut text = Text {
        characters: source.chars().collect(),
        at: 0,
    };
    let mut tokens = Vec::new();
    while text.blank()? {
        let at = text.at;
        tokens.push((at, text.token()?));
    }
    Ok(tokens)
}

const SYMBOLS: [&str; 23] = [
    "<=", ">=", "!=", "!~", "(", ")", "[", "]", "{", "}", ".", ",", "+", "-", "*", "/", "&", "|",
    "<", ">", "=", "~", "@",
];

struct Text {
    characters: Vec<char>,
    at: usize,
}

impl Text {
    fn peek(&self) -> Option<char> {
        self.ahead(0)
    }

    fn ahead(&self, count: usize) -> Option<char> {
        self.characters.get(self.at + count).copied()
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars()
            .enumerate()
            .all(|(index, c)| self.ahead(index) == Some(c))
    }

    fn wrong(&self, expected: &'static str) -> Refused {
        Refused {
            at: self.at,
            why: Why::Syntax(expected),
        }
    }

    /// Passes over blanks and comments; whether there is more.
    fn blank(&mut self) -> Result<bool, Refused> {
        loop {
            if self.starts_with("//") {
                while self.peek().is_some_and(|c| !matches!(c, '\n' | '\r')) {
                    self.at += 1;
                }
            } else if self.starts_with("/*") {
                self.at += 2;
                while !self.starts_with("*/") {
                    if self.peek().is_none() {
                        return Err(self.wrong("the comment to end"));
                    }
                    self.at += 1;
                }
                self.at += 2;
            } else if matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
                self.at += 1;
            } else {
                return Ok(self.peek().is_some());
            }
        }
    }

    fn token(&mut self) -> Result<Token, Refused> {
        match self.peek() {
            Some(c) if is_first(c) => Ok(Token::Name(self.name())),
            Some('`') => Ok(Token::Delimited(self.quoted()?)),
            Some('\'') => Ok(Token::String(self.quoted()?)),
            Some('0'..='9') => Ok(self.number()),
            Some('@') => self.moment(),
            Some('$') => {
                self.at += 1;
                Ok(Token::Special(self.name()))
            }
            Some('%') => {
                self.at += 1;
                match self.peek() {
                    Some('`' | '\'') => self.quoted().map(Token::Variable),
                    Some(c) if is_first(c) => Ok(Token::Variable(self.name())),
                    _ => Err(self.wrong("the name of a variable")),
                }
            }
            _ => {
                let symbol = SYMBOLS.iter().find(|symbol| self.starts_with(symbol));
                let symbol = *symbol.ok_or_else(|| self.wrong("FHIRPath"))?;
                self.at += symbol.len();
                Ok(Token::Symbol(symbol))
            }
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek().filter(|c| is_first(*c) || c.is_ascii_digit()) {
            name.push(c);
            self.at += 1;
        }
        name
    }

    /// What stands between two quotes of the kind that is here.
    fn quoted(&mut self) -> Result<String, Refused> {
        let quote = self.peek();
        self.at += 1;
        let mut text = String::new();
        loop {
            let c = self.peek();
            self.at += 1;
            match c {
                None => return Err(self.wrong("the string to end")),
                _ if c == quote => return Ok(text),
                Some('\\') => text.push(self.escaped()?),
                Some(c) => text.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Refused> {
        const EXPECTED: &str = "an escape of FHIRPath";
        let c = self.peek().ok_or_else(|| self.wrong(EXPECTED))?;
        let escaped = match c {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\u{c}',
            '\'' | '"' | '`' | '\\' | '/' => c,
            'u' => return self.unicode().ok_or_else(|| self.wrong(EXPECTED)),
            _ => return Err(self.wrong(EXPECTED)),
        };
        self.at += 1;
        Ok(escaped)
    }

    /// `u0041`, or two halves of a character of UTF-16.
    fn unicode(&mut self) -> Option<char> {
        let first = self.unit()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first);
        }
        (self.peek() == Some('\\')).then_some(())?;
        self.at += 1;
        let second = self.unit()?.checked_sub(0xDC00)?;
        char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + second)
    }

    fn unit(&mut self) -> Option<u32> {
        (self.peek() == Some('u')).then_some(())?;
        let digits = (1..=4).map(|place| self.ahead(place)?.to_digit(16));
        let unit = digits.reduce(|value, digit| Some(value? * 16 + digit?))?;
        self.at += 5;
        unit
    }

    fn digits(&mut self) -> String {
        let mut digits = String::new();
        while let Some(c) = self.peek().filter(char::is_ascii_digit) {
            digits.push(c);
            self.at += 1;
        }
        digits
    }

    fn number(&mut self) -> Token {
        let mut number = self.digits();
        if self.peek() == Some('.') && self.ahead(1).is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            number.push('.');
            number.push_str(&self.digits());
            return Token::Decimal(number);
        }
        Token::Integer(number)
    }

    /// `@2015`, `@2015-02-04T14:34:28.123+09:00`, `@T14:34`
    fn moment(&mut self) -> Result<Token, Refused> {
        let start = self.at + 1;
        self.at = start;
        self.pass("0000");
        if self.pass("-00") {
            self.pass("-00");
        }
        let is_date = self.peek() != Some('T');
        let clock = self.at + 1;
        if !is_date {
            self.at = clock;
            let has_seconds = self.pass("00") && self.pass(":00") && self.pass(":00");
            if has_seconds && self.starts_with(".") && self.ahead(1).is_some_and(is_digit) {
                self.at += 1;
                self.digits();
            }
        }
        let time = self.slice(clock);
        let is_time = clock == start + 1 && !is_date;
        if !is_date && !is_time && self.at > clock && !self.pass("Z") && !self.pass("+00:00") {
            self.pass("-00:00");
        }
        let text = self.slice(start);
        let (token, reads) = if is_time {
            let reads = partial_time(time.as_bytes()).is_some();
            (Token::Time(time), reads)
        } else {
            let reads = partial_datetime(text.as_bytes()).is_some();
            let token = if is_date {
                Token::Date(text)
            } else {
                Token::DateTime(text)
            };
            (token, reads)
        };
        if !reads {
            self.at = start;
            return Err(self.wrong("a date or time"));
        }
        Ok(token)
    }

    fn slice(&self, start: usize) -> String {
        self.characters
            .get(start..self.at)
            .unwrap_or_default()
            .iter()
            .collect()
    }

    /// Passes over what has the form: a `0` in it is any digit.
    fn pass(&mut self, form: &str) -> bool {
        let fits = form.chars().enumerate().all(|(place, c)| {
            let there = self.ahead(place);
            there == Some(c) || (c == '0' && there.is_some_and(|c| c.is_ascii_digit()))
        });
        if fits {
            self.at += form.len();
        }
        fits
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn is_first(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}
