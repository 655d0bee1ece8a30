//! Numbers on their way out: integers and decimal texts as `numeric` datums.
//!
//! What is written is byte for byte what `numeric_in` makes: no zero digits at either end, the
//! short header wherever scale and weight fit it, zero without a sign, an exponent spent on weight
//! and scale. NaN, the infinities and what overflows `numeric` are refused.

use super::Number;
use super::write::Unwritable;

const SHORT: u16 = 0x8000;
const SHORT_NEGATIVE: u16 = 0x2000;
const SHORT_SCALE_SHIFT: u16 = 7;
const SHORT_SCALE_MAX: u16 = 63;
const SHORT_WEIGHT_BITS: u16 = 0x007F;
const LONG_NEGATIVE: u16 = 0x4000;
const SCALE_MAX: i64 = 0x3FFF;
const EXPONENT_LIMIT: i64 = (i32::MAX / 2) as i64;

/// Appends the datum of an integer.
pub(super) fn put_int(out: &mut Vec<u8>, value: i64) {
    let mut groups = [0_u16; 5];
    let mut rest = value.unsigned_abs();
    let mut first = groups.len();
    while rest > 0 {
        first -= 1;
        groups[first] = (rest % 10_000) as u16;
        rest /= 10_000;
    }
    let used = &groups[first..];
    let last = used
        .iter()
        .rposition(|&group| group != 0)
        .map_or(0, |at| at + 1);
    let weight = (used.len() as i16 - 1).max(0);
    put_header(out, value < 0, weight, 0, last);
    for group in &used[..last] {
        out.extend_from_slice(&group.to_ne_bytes());
    }
}

/// Appends a datum that is there already, which may have the varlena header of one byte.
pub(super) fn put_numeric(out: &mut Vec<u8>, number: &Number<'_>) {
    let body = number.body();
    put_varlena(out, body.len());
    out.extend_from_slice(body);
}

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

fn put_header(out: &mut Vec<u8>, negative: bool, weight: i16, scale: u16, digits: usize) {
    let short = scale <= SHORT_SCALE_MAX && (-64..=63).contains(&weight);
    put_varlena(out, if short { 2 } else { 4 } + digits * 2);
    if short {
        let sign = if negative { SHORT_NEGATIVE } else { 0 };
        let header = SHORT | sign | scale << SHORT_SCALE_SHIFT | weight as u16 & SHORT_WEIGHT_BITS;
        out.extend_from_slice(&header.to_ne_bytes());
    } else {
        let sign = if negative { LONG_NEGATIVE } else { 0 };
        out.extend_from_slice(&(sign | scale).to_ne_bytes());
        out.extend_from_slice(&weight.to_ne_bytes());
    }
}

/// A varlena header of four bytes, which is what stands in a container, over a body of `len`.
fn put_varlena(out: &mut Vec<u8>, len: usize) {
    let len = len as u32 + 4;
    #[cfg(target_endian = "little")]
    let len = len << 2;
    out.extend_from_slice(&len.to_ne_bytes());
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
