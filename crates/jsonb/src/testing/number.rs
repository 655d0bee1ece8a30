//! Random numbers: around every limit of their form.

use super::json::Text;
use fastrand::Rng;

/// A number in JSON's spelling, within the limits of `numeric`.
pub fn random_number(rng: &mut Rng) -> String {
    let mut text = Text::new(rng);
    text.number();
    text.out
}

impl Text<'_> {
    pub(super) fn number(&mut self) {
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
}
