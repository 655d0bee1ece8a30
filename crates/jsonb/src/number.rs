//! Numbers: PostgreSQL's `numeric`, read from its base-10000 digits, never through a float.
//!
//! Refused as malformed: NaN and the infinities, which JSON cannot spell, and digits that
//! PostgreSQL never writes: above 9999, zero groups at either end, or more of them than the scale
//! shows. Equal values therefore have equal weights and digits.

use super::read::Malformed;
use std::cmp::Ordering;

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

/// A finite decimal number: `±d₀.d₁d₂… × 10000^weight` in base-10000 digits, with the scale it was
/// written with.
#[derive(Debug, Clone, Copy)]
pub struct Number<'a> {
    /// The datum without varlena header: what [`Parts::read`] takes and [`Parts::check`] passed.
    body: &'a [u8],
}

impl<'a> Number<'a> {
    /// Reads a `numeric` datum, varlena header (of four bytes or of one) included; what stands
    /// behind it in `bytes` is left alone.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let body = varlena_body(bytes).ok_or(Malformed)?;
        Parts::read(body).ok_or(Malformed)?.check()?;
        Ok(Self { body })
    }

    /// The digits after the point that it was written with: `1.00` has two.
    #[inline]
    pub fn scale(&self) -> u16 {
        self.parts().scale
    }

    /// Whether it is zero.
    #[inline]
    pub fn is_zero(&self) -> bool {
        self.parts().digits.is_empty()
    }

    /// Whether it is below zero.
    #[inline]
    pub fn is_negative(&self) -> bool {
        self.parts().negative
    }

    /// Whether its value is whole (`1`, `1.0`, `1e3`), however it is spelled.
    #[inline]
    pub fn is_whole(&self) -> bool {
        self.parts().is_whole()
    }

    /// The value as a 64-bit integer, where it is one.
    #[inline]
    pub fn as_i64(&self) -> Option<i64> {
        match self.floor() {
            Some((whole, true)) => Some(whole),
            _ => None,
        }
    }

    /// The value as a 64-bit integer, where it is one and written without a fraction.
    #[inline]
    pub fn as_written_i64(&self) -> Option<i64> {
        let parts = self.parts();
        match parts.floor() {
            Some((whole, true)) if parts.scale == 0 => Some(whole),
            _ => None,
        }
    }

    /// The greatest 64-bit integer that is not above it, and whether it is that; `None` beyond 64
    /// bits.
    #[inline]
    pub fn floor(&self) -> Option<(i64, bool)> {
        self.parts().floor()
    }

    /// At least as many bytes as its text takes: a short datum can be a long text.
    pub fn text_len(&self) -> usize {
        let parts = self.parts();
        let groups = i64::from(parts.weight).max(0) as usize + 1;
        groups * 4 + usize::from(parts.scale) + 3
    }

    /// A text that is the same for equal numbers, whatever their scale, and as short as the datum:
    /// sign, weight and digits. It is no spelling of the number.
    pub fn canonical(&self) -> String {
        let parts = self.parts();
        let sign = if parts.negative { "-" } else { "" };
        let digits = parts.digits.iter().map(|digit| u16::from_ne_bytes(*digit));
        let digits: Vec<String> = digits.map(|digit| digit.to_string()).collect();
        format!("{sign}{}:{}", digits.join("."), parts.weight)
    }

    /// The datum without its varlena header.
    #[inline]
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    #[inline]
    pub(super) fn parts(&self) -> Parts<'a> {
        Parts::read(self.body).unwrap_or_default()
    }

    /// Compares by value: `1`, `1.0` and `1.00` are equal.
    pub fn compare(&self, other: &Number<'_>) -> Ordering {
        let (one, other) = (self.parts(), other.parts());
        match (one.negative, other.negative) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => one.compare_magnitude(&other),
            (true, true) => other.compare_magnitude(&one),
        }
    }
}

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other).is_eq()
    }
}

impl Eq for Number<'_> {}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare(other)
    }
}

/// A number taken apart.
#[derive(Clone, Copy, Default)]
pub(super) struct Parts<'a> {
    pub(super) negative: bool,
    pub(super) scale: u16,
    /// The power of 10000 that the first digit stands for.
    pub(super) weight: i16,
    /// The base-10000 digits, most significant first; none for zero.
    pub(super) digits: &'a [[u8; 2]],
}

impl<'a> Parts<'a> {
    #[inline]
    fn read(body: &'a [u8]) -> Option<Self> {
        let (header, rest) = body.split_first_chunk::<2>()?;
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
                let (weight, digits) = rest.split_first_chunk::<2>()?;
                let weight = i16::from_ne_bytes(*weight);
                (sign == NEGATIVE, header & LONG_SCALE_MASK, weight, digits)
            }
            _ => return None,
        };
        let (digits, odd) = digits.as_chunks::<2>();
        if !odd.is_empty() {
            return None;
        }
        // Zero has neither sign nor weight, whatever its header says.
        let zero = digits.is_empty();
        let weight = if zero { 0 } else { weight };
        Some(Self {
            negative: negative && !zero,
            scale,
            weight,
            digits,
        })
    }

    /// What holds for all digits that PostgreSQL writes.
    #[inline]
    fn check(&self) -> Result<(), Malformed> {
        let digit = |digit: &[u8; 2]| u16::from_ne_bytes(*digit);
        let (Some(first), Some(last)) = (self.digits.first(), self.digits.last()) else {
            return Ok(());
        };
        let sound = digit(first) != 0 && digit(last) != 0;
        if sound && self.digits.iter().all(|d| digit(d) < 10_000) && self.shows(digit(last)) {
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    /// Whether the scale shows every digit, of which `last` is the last.
    #[inline]
    fn shows(&self, last: u16) -> bool {
        let stored = self.digits.len() as i32 - i32::from(self.weight) - 1;
        if stored <= 0 {
            return true;
        }
        match stored.cmp(&i32::from(self.scale.div_ceil(4))) {
            Ordering::Less => true,
            Ordering::Greater => false,
            // Of the last group the scale may show only a part.
            Ordering::Equal => match self.scale % 4 {
                0 => true,
                1 => last.is_multiple_of(1_000),
                2 => last.is_multiple_of(100),
                _ => last.is_multiple_of(10),
            },
        }
    }

    #[inline]
    fn floor(&self) -> Option<(i64, bool)> {
        let is_whole = self.is_whole();
        let digit = |digit: &[u8; 2]| i64::from(u16::from_ne_bytes(*digit));
        let magnitude = match self.weight {
            ..0 => 0,
            0 => self.digits.first().map_or(0, digit),
            // At most 16 decimal digits.
            1..=3 => (0..=usize::from(self.weight.unsigned_abs())).fold(0, |value, place| {
                value * 10_000 + self.digits.get(place).map_or(0, digit)
            }),
            4 => return self.wide_floor(is_whole),
            _ => return None,
        };
        let floor = if self.negative {
            -magnitude - i64::from(!is_whole)
        } else {
            magnitude
        };
        Some((floor, is_whole))
    }

    /// The floor of a number of 17 to 20 digits.
    #[cold]
    fn wide_floor(&self, is_whole: bool) -> Option<(i64, bool)> {
        let digit = |digit: &[u8; 2]| i128::from(u16::from_ne_bytes(*digit));
        let magnitude = (0..=4).fold(0, |value, place| {
            value * 10_000 + self.digits.get(place).map_or(0, digit)
        });
        let floor = if self.negative {
            -magnitude - i128::from(!is_whole)
        } else {
            magnitude
        };
        Some((i64::try_from(floor).ok()?, is_whole))
    }

    #[inline]
    fn is_whole(&self) -> bool {
        self.digits.len() as i64 <= i64::from(self.weight) + 1
    }

    fn compare_magnitude(&self, other: &Parts<'_>) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // There are no zero digits at either end: the weights decide, or the first digit that
            // differs, or the one more digit that one of them has.
            (false, false) => self.weight.cmp(&other.weight).then_with(|| {
                let digits = self.digits.iter().map(|digit| u16::from_ne_bytes(*digit));
                digits.cmp(other.digits.iter().map(|digit| u16::from_ne_bytes(*digit)))
            }),
        }
    }
}

/// What stands behind a varlena header of four bytes or of one.
#[inline]
fn varlena_body(bytes: &[u8]) -> Option<&[u8]> {
    let first = *bytes.first()?;
    #[cfg(target_endian = "little")]
    let (plain, short) = (first & 0x03 == 0, first & 0x01 == 1);
    #[cfg(target_endian = "big")]
    let (plain, short) = (first & 0xC0 == 0, first & 0x80 != 0);
    if plain {
        let header = u32::from_ne_bytes(*bytes.first_chunk::<4>()?);
        #[cfg(target_endian = "little")]
        let header = header >> 2;
        return bytes.get(4..header as usize);
    }
    #[cfg(target_endian = "little")]
    let len = first >> 1;
    #[cfg(target_endian = "big")]
    let len = first & 0x7F;
    if short {
        bytes.get(1..usize::from(len))
    } else {
        None
    }
}
