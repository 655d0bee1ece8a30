//! Numbers: PostgreSQL's `numeric`, read from its base-10000 digits, never through a float.

use super::read::Malformed;
use std::cmp::Ordering;
use std::fmt;

const SIGN_MASK: u16 = 0xC000;
const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const SHORT: u16 = 0x8000;
const LONG_SCALE_MASK: u16 = 0x3FFF;
const SHORT_SIGN: u16 = 0x2000;
const SHORT_SCALE_MASK: u16 = 0x1F80;
const SHORT_SCALE_SHIFT: u16 = 7;
const SHORT_WEIGHT_SIGN: u16 = 0x0040;
const SHORT_WEIGHT_MASK: u16 = 0x003F;

/// A finite decimal number: `±0.d₀d₁d₂… × 10000^(weight+1)`, with the scale it was written with.
#[derive(Debug, Clone, Copy)]
pub struct Number<'a> {
    bytes: &'a [u8],
    digits: &'a [u8],
    weight: i16,
    scale: u16,
    negative: bool,
}

impl<'a> Number<'a> {
    /// Reads a whole `numeric` datum, varlena header included. NaN and the infinities, which JSON
    /// cannot spell, are malformed.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let body = varlena_body(bytes)?;
        let (header, rest) = body.split_first_chunk::<2>().ok_or(Malformed)?;
        let header = u16::from_ne_bytes(*header);
        let (negative, scale, weight, digits) = match header & SIGN_MASK {
            SHORT => {
                let magnitude = (header & SHORT_WEIGHT_MASK) as i16;
                let weight = if header & SHORT_WEIGHT_SIGN != 0 {
                    magnitude | !(SHORT_WEIGHT_MASK as i16)
                } else {
                    magnitude
                };
                let scale = (header & SHORT_SCALE_MASK) >> SHORT_SCALE_SHIFT;
                (header & SHORT_SIGN != 0, scale, weight, rest)
            }
            sign @ (POSITIVE | NEGATIVE) => {
                let (weight, digits) = rest.split_first_chunk::<2>().ok_or(Malformed)?;
                let weight = i16::from_ne_bytes(*weight);
                (sign == NEGATIVE, header & LONG_SCALE_MASK, weight, digits)
            }
            _ => return Err(Malformed),
        };
        if !digits.len().is_multiple_of(2) {
            return Err(Malformed);
        }
        Ok(Self {
            bytes,
            digits,
            weight,
            scale,
            negative,
        })
    }

    /// The digits after the point that it was written with: `1.00` has two.
    #[inline]
    pub fn scale(&self) -> u16 {
        self.scale
    }

    /// Whether it is zero, of either sign.
    #[inline]
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Whether it is below zero.
    #[inline]
    pub fn is_negative(&self) -> bool {
        self.negative && !self.is_zero()
    }

    /// Whether its value is whole (`1`, `1.0`, `1e3`), however it is spelled.
    #[inline]
    pub fn is_whole(&self) -> bool {
        self.digits.len() as i64 / 2 <= i64::from(self.weight) + 1
    }

    /// The value as a 64-bit integer, where it is one.
    pub fn as_i64(&self) -> Option<i64> {
        if self.is_zero() {
            return Some(0);
        }
        if !self.is_whole() || self.weight > 4 {
            return None;
        }
        let mut value: i128 = 0;
        for place in 0..=i64::from(self.weight) {
            value = value * 10_000 + i128::from(self.digit(place));
        }
        i64::try_from(if self.negative { -value } else { value }).ok()
    }

    /// The datum's own bytes, varlena header included: what a writer copies.
    #[inline]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The base-10000 digit at `place`, counted from the most significant; zero past the end.
    #[inline]
    fn digit(&self, place: i64) -> u16 {
        let Ok(place) = usize::try_from(place) else {
            return 0;
        };
        match self
            .digits
            .get(place * 2..)
            .and_then(<[u8]>::first_chunk::<2>)
        {
            Some(digit) => u16::from_ne_bytes(*digit),
            None => 0,
        }
    }

    /// Compares by value: `1`, `1.0` and `1.00` are equal.
    pub fn compare(&self, other: &Number<'_>) -> Ordering {
        match (self.is_negative(), other.is_negative()) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.compare_magnitude(other),
            (true, true) => other.compare_magnitude(self),
        }
    }

    fn compare_magnitude(&self, other: &Number<'_>) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => {}
        }
        self.weight.cmp(&other.weight).then_with(|| {
            let places = self.digits.len().max(other.digits.len()) as i64 / 2;
            (0..places)
                .map(|place| self.digit(place).cmp(&other.digit(place)))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        })
    }
}

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other).is_eq()
    }
}

impl fmt::Display for Number<'_> {
    /// As `numeric_out` prints it: plain decimal notation, with its scale.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_negative() {
            f.write_str("-")?;
        }
        if self.weight < 0 {
            f.write_str("0")?;
        }
        for place in 0..=i64::from(self.weight) {
            match place {
                0 => write!(f, "{}", self.digit(place))?,
                _ => write!(f, "{:04}", self.digit(place))?,
            }
        }
        if self.scale > 0 {
            f.write_str(".")?;
            let mut left = usize::from(self.scale);
            let mut place = i64::from(self.weight) + 1;
            if self.weight < 0 {
                // Whole groups of zeros between the point and the first digit.
                place = 0;
                let mut zeros = (-1 - i64::from(self.weight)) as usize;
                while zeros > 0 && left > 0 {
                    let width = left.min(4);
                    f.write_str(&"0000"[..width])?;
                    left -= width;
                    zeros -= 1;
                }
            }
            while left > 0 {
                let group = format!("{:04}", self.digit(place));
                let width = left.min(4);
                f.write_str(&group[..width])?;
                left -= width;
                place += 1;
            }
        }
        Ok(())
    }
}

/// What stands behind a varlena header of one or of four bytes.
#[inline]
fn varlena_body(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let first = *bytes.first().ok_or(Malformed)?;
    #[cfg(target_endian = "little")]
    let (short, short_len) = (first & 0x01 == 0x01, usize::from(first >> 1));
    #[cfg(target_endian = "big")]
    let (short, short_len) = (first & 0x80 == 0x80, usize::from(first & 0x7F));
    if short {
        return bytes.get(1..short_len).ok_or(Malformed);
    }
    let header = bytes.first_chunk::<4>().ok_or(Malformed)?;
    #[cfg(target_endian = "little")]
    let (plain, len) = (
        first & 0x03 == 0,
        (u32::from_le_bytes(*header) >> 2) as usize,
    );
    #[cfg(target_endian = "big")]
    let (plain, len) = (
        first & 0xC0 == 0,
        (u32::from_be_bytes(*header) & 0x3FFF_FFFF) as usize,
    );
    if !plain {
        return Err(Malformed);
    }
    bytes.get(4..len).ok_or(Malformed)
}
