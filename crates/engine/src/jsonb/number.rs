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
    bytes: &'a [u8],
    weight: i16,
    scale: u16,
    negative: bool,
    body_at: u8,
    digits_at: u8,
}

impl<'a> Number<'a> {
    /// Reads a `numeric` datum, varlena header (of one or of four bytes) included; what stands
    /// behind it in `bytes` is left alone.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (body_at, end) = varlena_extent(bytes)?;
        let bytes = bytes.get(..end).ok_or(Malformed)?;
        let body = bytes.get(usize::from(body_at)..).ok_or(Malformed)?;
        let (header, rest) = body.split_first_chunk::<2>().ok_or(Malformed)?;
        let header = u16::from_ne_bytes(*header);
        let (negative, scale, weight, digits_at, digits) = match header & SIGN_MASK {
            SHORT => {
                let magnitude = (header & SHORT_WEIGHT_MASK) as i16;
                let weight = if header & SHORT_WEIGHT_SIGN != 0 {
                    magnitude | !(SHORT_WEIGHT_MASK as i16)
                } else {
                    magnitude
                };
                let scale = (header & SHORT_SCALE_MASK) >> SHORT_SCALE_SHIFT;
                (header & SHORT_SIGN != 0, scale, weight, body_at + 2, rest)
            }
            sign @ (POSITIVE | NEGATIVE) => {
                let (weight, digits) = rest.split_first_chunk::<2>().ok_or(Malformed)?;
                let weight = i16::from_ne_bytes(*weight);
                (
                    sign == NEGATIVE,
                    header & LONG_SCALE_MASK,
                    weight,
                    body_at + 4,
                    digits,
                )
            }
            _ => return Err(Malformed),
        };
        let (digits, []) = digits.as_chunks::<2>() else {
            return Err(Malformed);
        };
        if digits.is_empty() {
            return Ok(Self {
                bytes,
                weight: 0,
                scale,
                negative: false,
                body_at,
                digits_at,
            });
        }
        check_digits(digits, weight, scale)?;
        Ok(Self {
            bytes,
            weight,
            scale,
            negative,
            body_at,
            digits_at,
        })
    }

    /// The digits after the point that it was written with: `1.00` has two.
    #[inline]
    pub fn scale(&self) -> u16 {
        self.scale
    }

    /// Whether it is zero.
    #[inline]
    pub fn is_zero(&self) -> bool {
        self.bytes.len() == usize::from(self.digits_at)
    }

    /// Whether it is below zero.
    #[inline]
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Whether its value is whole (`1`, `1.0`, `1e3`), however it is spelled.
    #[inline]
    pub fn is_whole(&self) -> bool {
        self.digits().len() as i64 <= i64::from(self.weight) + 1
    }

    /// The value as a 64-bit integer, where it is one.
    pub fn as_i64(&self) -> Option<i64> {
        if !self.is_whole() || self.weight > 4 {
            return None;
        }
        let places = i32::from(self.weight) + 1;
        let mut digits = self.digits().iter();
        let value = (0..places).fold(0_i128, |value, _| {
            value * 10_000
                + digits
                    .next()
                    .map_or(0, |digit| u16::from_ne_bytes(*digit).into())
        });
        i64::try_from(if self.negative { -value } else { value }).ok()
    }

    /// The datum's own bytes, varlena header included.
    #[inline]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The power of 10000 that the first digit stands for.
    #[inline]
    pub(super) fn weight(&self) -> i16 {
        self.weight
    }

    /// The datum without its varlena header.
    #[inline]
    pub(super) fn body(&self) -> &'a [u8] {
        self.bytes
            .get(usize::from(self.body_at)..)
            .unwrap_or_default()
    }

    /// The base-10000 digits, most significant first; none for zero.
    #[inline]
    pub(super) fn digits(&self) -> &'a [[u8; 2]] {
        self.bytes
            .get(usize::from(self.digits_at)..)
            .unwrap_or_default()
            .as_chunks()
            .0
    }

    /// Compares by value: `1`, `1.0` and `1.00` are equal.
    pub fn compare(&self, other: &Number<'_>) -> Ordering {
        match (self.negative, other.negative) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.compare_magnitude(other),
            (true, true) => other.compare_magnitude(self),
        }
    }

    fn compare_magnitude(&self, other: &Number<'_>) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // There are no zero digits at either end: the weights decide, or the first digit that
            // differs, or the one more digit that one of them has.
            (false, false) => self.weight.cmp(&other.weight).then_with(|| {
                let digits = self.digits().iter().map(|digit| u16::from_ne_bytes(*digit));
                digits.cmp(
                    other
                        .digits()
                        .iter()
                        .map(|digit| u16::from_ne_bytes(*digit)),
                )
            }),
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

/// What holds for all digits that PostgreSQL writes.
#[inline]
fn check_digits(digits: &[[u8; 2]], weight: i16, scale: u16) -> Result<(), Malformed> {
    let digit = |digit: &[u8; 2]| u16::from_ne_bytes(*digit);
    let first = digits.first().map_or(0, digit);
    let last = digits.last().map_or(0, digit);
    if first == 0 || last == 0 || digits.iter().any(|d| digit(d) > 9_999) {
        return Err(Malformed);
    }
    // Decimal digits after the point, counted in whole groups, that the scale does not show.
    let stored = (digits.len() as i64 - i64::from(weight) - 1) * 4;
    let unshown = match stored - i64::from(scale) {
        ..=0 => return Ok(()),
        1 => 10,
        2 => 100,
        3 => 1_000,
        _ => return Err(Malformed),
    };
    if last.is_multiple_of(unshown) {
        Ok(())
    } else {
        Err(Malformed)
    }
}

/// Where a datum's body starts and ends, by its varlena header of one or of four bytes.
#[inline]
fn varlena_extent(bytes: &[u8]) -> Result<(u8, usize), Malformed> {
    let first = *bytes.first().ok_or(Malformed)?;
    #[cfg(target_endian = "little")]
    let (short, short_len) = (first & 0x01 == 0x01, usize::from(first >> 1));
    #[cfg(target_endian = "big")]
    let (short, short_len) = (first & 0x80 == 0x80, usize::from(first & 0x7F));
    if short {
        return Ok((1, short_len));
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
    if plain { Ok((4, len)) } else { Err(Malformed) }
}
