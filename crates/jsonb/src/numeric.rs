//! Numbers on their way out: `numeric` datums.
//!
//! What is written is byte for byte what `make_result` in `src/backend/utils/adt/numeric.c` makes:
//! the short header wherever scale and weight fit it, zero without a sign.

use super::Number;

const SHORT: u16 = 0x8000;
const SHORT_NEGATIVE: u16 = 0x2000;
const SHORT_SCALE_SHIFT: u16 = 7;
const SHORT_SCALE_MAX: u16 = 63;
const SHORT_WEIGHT_BITS: u16 = 0x007F;
const LONG_NEGATIVE: u16 = 0x4000;

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

/// Appends varlena header, sign, scale and weight of a datum of so many base-10000 digits.
pub(super) fn put_header(
    out: &mut Vec<u8>,
    negative: bool,
    weight: i16,
    scale: u16,
    digits: usize,
) {
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
