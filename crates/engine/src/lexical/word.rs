//! Scanning eight bytes at a time.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Whether any byte is below `limit`, which is at most 0x80.
#[inline]
pub(super) fn any_below(text: &[u8], limit: u8) -> bool {
    let floor = LOW * u64::from(limit);
    let below = |word: u64| word.wrapping_sub(floor) & !word & HIGH;
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        let mut found = below(u64::from_ne_bytes(*last)) | below(u64::from_ne_bytes(*first));
        // The last word may overlap the one before: all bytes are seen, some twice.
        let (words, _) = text.as_chunks::<8>();
        for word in words.get(1..).unwrap_or_default() {
            found |= below(u64::from_ne_bytes(*word));
        }
        found != 0
    } else if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        let halves = u64::from(u32::from_ne_bytes(*first)) << 32;
        below(halves | u64::from(u32::from_ne_bytes(*last))) != 0
    } else {
        text.iter().any(|byte| *byte < limit)
    }
}
