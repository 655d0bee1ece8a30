//! For tests: random JSON texts, the same ones for the same seed.
//!
//! Every text is one that PostgreSQL's `jsonb_in` takes, and all that JSONB treats specially
//! turns up: duplicate keys, keys that differ only by length, more than 32 and 64 members, deep
//! nesting, numbers of every length, scale and exponent, escapes, empty and large values, blanks.
//! It makes no text that must be refused.

pub use fastrand::Rng;
use std::fmt::Write as _;

/// A JSON text.
pub fn random_json(rng: &mut Rng) -> String {
    let mut text = Text {
        rng,
        out: String::new(),
        left: 0,
    };
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

/// A number in JSON's spelling, within the limits of `numeric`.
pub fn random_number(rng: &mut Rng) -> String {
    let mut text = Text {
        rng,
        out: String::new(),
        left: 0,
    };
    text.number();
    text.out
}

struct Text<'r> {
    rng: &'r mut Rng,
    out: String,
    /// How many values may still be made.
    left: usize,
}

impl Text<'_> {
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

    fn number(&mut self) {
        if self.rng.u8(..3) == 0 {
            self.out.push('-');
        }
        match self.rng.u8(..12) {
            0 => self.out.push('0'),
            1 => {
                let whole = self.rng.u16(..1000);
                self.put(format_args!("{whole}"));
            }
            2 => {
                let whole = *self.pick(&[
                    9_999,
                    10_000,
                    99_999_999,
                    100_000_000,
                    i64::MAX as u64,
                    i64::MAX as u64 + 1,
                    u64::MAX,
                ]);
                self.put(format_args!("{whole}"));
            }
            3 => {
                // Weights about 63, and scales about 63: where the short form ends.
                let exponent = self.rng.i32(-70..=265);
                self.put(format_args!("1e{exponent}"));
            }
            4 => {
                let (sign, limit) = *self.pick(&[("", 131_060), ("+", 131_060), ("-", 16_370)]);
                let exponent = self.rng.u32(..limit);
                let letter = *self.pick(&['e', 'E']);
                let digit = self.rng.u8(..10);
                self.put(format_args!("{digit}.5{letter}{sign}{exponent}"));
            }
            5 => {
                let len = self.rng.usize(1..300);
                self.digits(len);
            }
            _ => {
                let len = self.rng.usize(1..=24);
                self.digits(len);
                if self.rng.bool() {
                    let len = self.rng.usize(1..=70);
                    self.out.push('.');
                    self.decimals(len);
                }
                if self.rng.u8(..4) == 0 {
                    let exponent = self.rng.i32(-40..40);
                    self.put(format_args!("e{exponent}"));
                }
            }
        }
    }

    /// The digits before a point: no zero in front.
    fn digits(&mut self, len: usize) {
        let first = self.rng.u8(b'1'..=b'9');
        self.out.push(char::from(first));
        self.decimals(len - 1);
    }

    /// Digits with runs of zeros and nines, which make empty and full groups of four.
    fn decimals(&mut self, mut len: usize) {
        while len > 0 {
            let run = self.rng.usize(1..=len.min(9));
            let digit = match self.rng.u8(..4) {
                0 => Some('0'),
                1 => Some('9'),
                _ => None,
            };
            for _ in 0..run {
                let digit = digit.unwrap_or_else(|| char::from(self.rng.u8(b'0'..=b'9')));
                self.out.push(digit);
            }
            len -= run;
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

    fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.rng.usize(..from.len())]
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.out.write_fmt(text);
    }
}
