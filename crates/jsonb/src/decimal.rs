//! Numbers as text: `numeric_in` for JSON's spelling of a number, and `numeric_out`.
//!
//! On the way in an exponent is spent on weight and scale, and zero groups at either end are
//! dropped, as PostgreSQL does it. What overflows `numeric` is refused.

use super::number::{Number, Parts};
use super::numeric::put_header;
use super::write::Unwritable;
use std::fmt;

const SCALE_MAX: i64 = 0x3FFF;
const EXPONENT_LIMIT: i64 = (i32::MAX / 2) as i64;

/// Appends the datum of a number in JSON's spelling.
pub(super) fn put_decimal(out: &mut Vec<u8>, text: &str) -> Result<(), Unwritable> {
    let decimal = Decimal::read(text).ok_or(Unwritable::NotANumber)?;
    if decimal.exponent.abs() >= EXPONENT_LIMIT {
        return Err(Unwritable::Overflow);
    }
    let scale = (decimal.fraction.len() as i64 - decimal.exponent).max(0);
    if scale > SCALE_MAX {
        return Err(Unwritable::Overflow);
    }
    let scale = scale as u16;
    // The power of ten of the digit at index 0; the one at index i stands at top - i.
    let top = decimal.whole.len() as i64 - 1 + decimal.exponent;
    let (Some(first), Some(last)) = (decimal.first_nonzero(), decimal.last_nonzero()) else {
        put_header(out, false, 0, scale, 0);
        return Ok(());
    };
    let weight = (top - first).div_euclid(4);
    let lowest = (top - last).div_euclid(4);
    let count = (weight - lowest + 1) as usize;
    let weight_i16 = i16::try_from(weight).map_err(|_| Unwritable::Overflow)?;
    put_header(out, decimal.negative, weight_i16, scale, count);
    for place in (lowest..=weight).rev() {
        let group = (place * 4..place * 4 + 4)
            .rev()
            .fold(0_u16, |group, power| {
                group * 10 + decimal.digit(top - power)
            });
        out.extend_from_slice(&group.to_ne_bytes());
    }
    Ok(())
}

/// A decimal text, taken apart.
struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Decimal<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let (whole, fraction) = (whole.as_bytes(), fraction.as_bytes());
        let digits = whole.iter().chain(fraction).all(u8::is_ascii_digit);
        (digits && !whole.is_empty()).then_some(Self {
            negative,
            whole,
            fraction,
            exponent,
        })
    }

    /// The digit at `index` of whole and fraction taken together; zero outside them.
    fn digit(&self, index: i64) -> u16 {
        let Ok(index) = usize::try_from(index) else {
            return 0;
        };
        let digit = match index.checked_sub(self.whole.len()) {
            None => self.whole.get(index),
            Some(index) => self.fraction.get(index),
        };
        digit.map_or(0, |digit| u16::from(digit - b'0'))
    }

    fn first_nonzero(&self) -> Option<i64> {
        let at = |part: &[u8]| part.iter().position(|&digit| digit != b'0');
        at(self.whole)
            .or_else(|| at(self.fraction).map(|index| index + self.whole.len()))
            .map(|index| index as i64)
    }

    fn last_nonzero(&self) -> Option<i64> {
        let at = |part: &[u8]| part.iter().rposition(|&digit| digit != b'0');
        at(self.fraction)
            .map(|index| index + self.whole.len())
            .or_else(|| at(self.whole))
            .map(|index| index as i64)
    }
}

/// An exponent; one too long for 64 bits stays at the limit, which overflows anyway.
fn read_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0_i64, |size, digit| {
        size.saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'))
    });
    let size = size.min(EXPONENT_LIMIT);
    Some(if negative { -size } else { size })
}

impl fmt::Display for Number<'_> {
    /// As `numeric_out` prints it: plain decimal notation, with its scale. A short datum can be a
    /// long text: up to 131072 digits before the point and 16383 after it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts {
            negative,
            scale,
            weight,
            digits,
        } = self.parts();
        let before_point = i64::from(weight) + 1;
        let (whole, fraction) = digits.split_at(digits.len().min(before_point.max(0) as usize));
        if negative {
            f.write_str("-")?;
        }
        match whole.split_first() {
            None => f.write_str("0")?,
            Some((first, rest)) => {
                let digits = decimal_digits(*first);
                let blank = digits.iter().take_while(|&&digit| digit == b'0').count();
                put_digits(f, &digits[blank..])?;
                rest.iter()
                    .try_for_each(|group| put_digits(f, &decimal_digits(*group)))?;
                put_zeros(f, (before_point as usize - whole.len()) * 4)?;
            }
        }
        let mut left = usize::from(scale);
        if left == 0 {
            return Ok(());
        }
        f.write_str(".")?;
        let zeros = left.min((-before_point).max(0) as usize * 4);
        put_zeros(f, zeros)?;
        left -= zeros;
        for group in fraction {
            let shown = left.min(4);
            put_digits(f, &decimal_digits(*group)[..shown])?;
            left -= shown;
        }
        put_zeros(f, left)
    }
}

fn put_digits(f: &mut fmt::Formatter<'_>, digits: &[u8]) -> fmt::Result {
    f.write_str(std::str::from_utf8(digits).map_err(|_| fmt::Error)?)
}

fn put_zeros(f: &mut fmt::Formatter<'_>, mut count: usize) -> fmt::Result {
    const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
    while count > 0 {
        let run = count.min(ZEROS.len());
        f.write_str(&ZEROS[..run])?;
        count -= run;
    }
    Ok(())
}

/// The four decimal digits of a base-10000 digit.
fn decimal_digits(group: [u8; 2]) -> [u8; 4] {
    let group = u16::from_ne_bytes(group);
    let digit = |value: u16| b'0' + (value % 10) as u8;
    [
        digit(group / 1000),
        digit(group / 100),
        digit(group / 10),
        digit(group),
    ]
}
