//! ECMAScript's regular expressions in the language of the `regex` crate.
//!
//! The two differ where they look alike: `\w`, `\d` and `\b` are ASCII in ECMAScript, `.` stops at
//! four line ends, and `[` and `&&` inside a class stand for themselves. What cannot run in linear
//! time (look-around, back references) is refused, as is what both languages do not read alike.

/// Inside a class, between its brackets.
const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str =
    r"\t\n\x0B\f\r \u{A0}\u{1680}\u{2000}-\u{200A}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}\u{FEFF}";

/// The pattern in the language of the `regex` crate.
pub(super) fn translate(source: &str) -> Result<String, String> {
    let mut text = Text {
        rest: source.chars().collect::<Vec<_>>().into_iter().peekable(),
        out: String::with_capacity(source.len() + 16),
    };
    while let Some(c) = text.rest.next() {
        match c {
            '\\' => text.escape()?,
            '[' => text.class()?,
            '(' => text.group()?,
            '.' => text.out.push_str(r"[^\n\r\u{2028}\u{2029}]"),
            '{' => text.count()?,
            '}' | ']' => return Err(format!("expected {c} to be escaped")),
            // The crate would read these as a possessive or a doubled quantifier.
            '*' | '+' | '?' => text.quantifier(c)?,
            _ => text.literal(c),
        }
    }
    Ok(text.out)
}

struct Text {
    rest: std::iter::Peekable<std::vec::IntoIter<char>>,
    out: String,
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

    /// `*`, `+`, `?`, and the `?` that makes it lazy, which changes nothing here.
    fn quantifier(&mut self, c: char) -> Result<(), String> {
        self.out.push(c);
        self.rest.next_if_eq(&'?');
        match self.rest.peek() {
            Some('*' | '+' | '?') => Err("expected one quantifier".to_owned()),
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
        self.rest.next_if_eq(&'?');
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
            Some('<') if !matches!(self.rest.peek(), Some('=' | '!')) => {
                if !self.rest.by_ref().any(|c| c == '>') {
                    return Err("expected the name of a group to end".to_owned());
                }
            }
            Some('=' | '!' | '<') => return Err("expected no look-around".to_owned()),
            _ => return Err("expected (?: or (?<name>".to_owned()),
        }
        self.out.push_str("(?:");
        Ok(())
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
            'b' => self.out.push_str(r"(?-u:\b)"),
            'B' => self.out.push_str(r"(?-u:\B)"),
            '1'..='9' | 'k' => return Err("expected no back reference".to_owned()),
            'p' | 'P' => {
                let property = self.property()?;
                self.out.push_str(&format!("\\{c}{property}"));
            }
            _ => {
                let code = self.character(c)?;
                self.hex(code);
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
            if !name.is_empty() && self.rest.next() == Some('}') {
                return Ok(format!("{{{name}}}"));
            }
        }
        Err("expected \\p{name}".to_owned())
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
            'x' => self.digits(2)?,
            'u' if self.rest.next_if_eq(&'{').is_some() => {
                let mut code = String::new();
                while let Some(c) = self.rest.next_if(char::is_ascii_hexdigit) {
                    code.push(c);
                }
                match (u32::from_str_radix(&code, 16), self.rest.next()) {
                    (Ok(code), Some('}')) if char::from_u32(code).is_some() => code,
                    _ => return Err("expected \\u{ and a code point".to_owned()),
                }
            }
            'u' => self.digits(4)?,
            _ if c.is_ascii_punctuation() && c != '_' => c as u32,
            _ => return Err("expected an escape of ECMAScript".to_owned()),
        })
    }

    fn digits(&mut self, count: usize) -> Result<u32, String> {
        let mut code = 0;
        for _ in 0..count {
            let digit = self.rest.next().and_then(|c| c.to_digit(16));
            code = code * 16 + digit.ok_or("expected hexadecimal digits")?;
        }
        match char::from_u32(code) {
            Some(_) => Ok(code),
            None => Err("expected no surrogate".to_owned()),
        }
    }

    /// A class, its `[` taken.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        if self.rest.peek() == Some(&']') {
            return Err("expected a class that is not empty".to_owned());
        }
        loop {
            let Some(c) = self.rest.next() else {
                return Err("expected the class to end".to_owned());
            };
            if c == ']' {
                self.out.push(']');
                return Ok(());
            }
            let low = self.atom(c)?;
            // A hyphen is a range unless it stands at the end.
            let mut ahead = self.rest.clone();
            let range = ahead.next() == Some('-') && !matches!(ahead.next(), Some(']') | None);
            let Some(low) = low else {
                if range {
                    // `[\w-.]`: ECMAScript's legacy grammar reads three things.
                    self.rest.next();
                    self.hex('-' as u32);
                }
                continue;
            };
            if !range {
                self.hex(low);
                continue;
            }
            self.rest.next();
            let Some(c) = self.rest.next() else {
                return Err("expected the class to end".to_owned());
            };
            let mark = self.out.len();
            match self.atom(c)? {
                Some(high) if low <= high => {
                    self.hex(low);
                    self.out.push('-');
                    self.hex(high);
                }
                Some(_) => return Err("expected a range in order".to_owned()),
                None => {
                    let set = self.out.split_off(mark);
                    self.hex(low);
                    self.hex('-' as u32);
                    self.out.push_str(&set);
                }
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
