//! Random JSON texts.
//!
//! Every text is one that PostgreSQL's `jsonb_in` takes, and all that JSONB treats specially
//! turns up: duplicate keys, keys that differ only by length, more than 32 and 64 members, deep
//! nesting, numbers of every length, scale and exponent, escapes, empty and large values, blanks.
//! It makes no text that must be refused.

use fastrand::Rng;
use std::fmt::Write as _;

/// A JSON text.
pub fn random_json(rng: &mut Rng) -> String {
    let mut text = Text::new(rng);
    text.left = match text.rng.u8(..8) {
        0 => 1,
        1 => 300,
        _ => 30,
    };
    match text.rng.u8(..40) {
        0 => text.tower(),
        1 => text.long_string(),
        2..8 => text.value(),
        8..20 => text.array(),
        _ => text.object(),
    }
    text.out
}

pub(super) struct Text<'r> {
    pub(super) rng: &'r mut Rng,
    pub(super) out: String,
    /// How many values may still be made.
    left: usize,
}

impl<'r> Text<'r> {
    pub(super) fn new(rng: &'r mut Rng) -> Self {
        Self {
            rng,
            out: String::new(),
            left: 0,
        }
    }

    fn value(&mut self) {
        self.left = self.left.saturating_sub(1);
        self.blank();
        let shapes = if self.left == 0 { 6 } else { 10 };
        match self.rng.u8(..shapes) {
            0 => self.out.push_str("null"),
            1 => self.out.push_str("true"),
            2 => self.out.push_str("false"),
            3 => self.number(),
            4 | 5 => self.string(),
            6 | 7 => self.array(),
            _ => self.object(),
        }
        self.blank();
    }

    fn array(&mut self) {
        self.out.push('[');
        for index in 0..self.width() {
            if index > 0 {
                self.out.push(',');
            }
            self.value();
        }
        self.out.push(']');
    }

    fn object(&mut self) {
        self.out.push('{');
        for index in 0..self.width() {
            if index > 0 {
                self.out.push(',');
            }
            self.blank();
            self.key();
            self.blank();
            self.out.push(':');
            self.value();
        }
        self.out.push('}');
    }

    /// How many children: mostly few, at times around the multiples of 32, where offsets stand.
    fn width(&mut self) -> usize {
        let width = match self.rng.u8(..16) {
            0 => 0,
            1 => self.rng.usize(31..=34),
            2 => self.rng.usize(62..=130),
            _ => self.rng.usize(1..=6),
        };
        width.min(self.left)
    }

    /// A key: often one that was there already, or one that differs only by its length.
    fn key(&mut self) {
        match self.rng.u8(..4) {
            0 => {
                let letter = *self.pick(&['a', 'b', 'é']);
                let len = self.rng.usize(..5);
                self.out.push('"');
                self.out.extend(std::iter::repeat_n(letter, len));
                self.out.push('"');
            }
            1 => {
                let key = *self.pick(&["id", "type", "data", "meta", "name", "a", "b", "ab", "ba"]);
                self.put(format_args!("\"{key}\""));
            }
            2 => {
                let number = self.rng.u16(..500);
                self.put(format_args!("\"{number}\""));
            }
            _ => self.string(),
        }
    }

    fn string(&mut self) {
        let len = match self.rng.u8(..12) {
            0 => 0,
            1 => self.rng.usize(..300),
            _ => self.rng.usize(1..12),
        };
        self.out.push('"');
        for _ in 0..len {
            self.character();
        }
        self.out.push('"');
    }

    fn character(&mut self) {
        match self.rng.u8(..20) {
            0 => {
                let escape = *self.pick(&["\"", "\\", "/", "b", "f", "n", "r", "t"]);
                self.put(format_args!("\\{escape}"));
            }
            1 => {
                let control = self.rng.u8(1..0x20);
                self.put(format_args!("\\u{control:04X}"));
            }
            2 => {
                let escaped = self.rng.char('\u{20}'..='\u{D7FF}');
                self.put(format_args!("\\u{:04x}", u32::from(escaped)));
            }
            3 => {
                let astral = self.rng.char('\u{10000}'..);
                let mut units = [0; 2];
                for unit in astral.encode_utf16(&mut units) {
                    let _ = write!(self.out, "\\u{unit:04x}");
                }
            }
            4 => {
                let any = self.rng.char('\u{A0}'..);
                self.out.push(any);
            }
            5 => {
                let edge = *self.pick(&['\u{7f}', '\u{80}', '\u{2028}', '\u{feff}', '\u{ffff}']);
                self.out.push(edge);
            }
            _ => {
                let plain = self.rng.alphanumeric();
                self.out.push(plain);
            }
        }
    }

    /// Containers inside each other, as deep as `from_text` takes them.
    fn tower(&mut self) {
        let depth = self.rng.usize(1..120);
        let mut closing = String::new();
        for _ in 0..depth {
            if self.rng.bool() {
                self.out.push('[');
                closing.push(']');
            } else {
                self.out.push('{');
                self.key();
                self.out.push(':');
                closing.push('}');
            }
        }
        self.left = 1;
        self.value();
        self.out.extend(closing.chars().rev());
    }

    fn long_string(&mut self) {
        let len = self.rng.usize(1_000..100_000);
        let (open, close) = *self.pick(&[("[1,\"", "\",2]"), ("{\"k\":\"", "\"}"), ("\"", "\"")]);
        self.out.push_str(open);
        self.out.extend(std::iter::repeat_n('x', len));
        self.out.push_str(close);
    }

    fn blank(&mut self) {
        if self.rng.u8(..16) == 0 {
            let blank = *self.pick(&[" ", "\n", "\t", "\r\n  "]);
            self.out.push_str(blank);
        }
    }

    pub(super) fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.rng.usize(..from.len())]
    }

    pub(super) fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.out.write_fmt(text);
    }
}
