//! Instants as they are written in UTC.

/// `2026-11-22T01:11:46.123456`, as ASCII.
pub type Utc = [u8; 26];

/// An instant, of so many microseconds since 1970; none beyond the years 1 to 9999.
pub fn utc(microseconds: i64) -> Option<Utc> {
    const DAY: i64 = 86_400_000_000;
    let (days, rest) = (microseconds.div_euclid(DAY), microseconds.rem_euclid(DAY));
    // Civil from days: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = match shifted_month < 10 {
        true => shifted_month + 3,
        false => shifted_month - 9,
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    if !(1..=9_999).contains(&year) {
        return None;
    }
    let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
    let mut text: Utc = *b"0000-00-00T00:00:00.000000";
    put(&mut text[0..4], year);
    put(&mut text[5..7], month);
    put(&mut text[8..10], day);
    put(&mut text[11..13], seconds / 3_600);
    put(&mut text[14..16], seconds / 60 % 60);
    put(&mut text[17..19], seconds % 60);
    put(&mut text[20..26], micros);
    Some(text)
}

/// Writes the last digits of a number, as many as there is room for.
#[inline]
fn put(digits: &mut [u8], mut number: i64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leap days, the ends of months, years and the calendar, and what lies before 1970.
    #[test]
    fn instant_is_written_in_utc() {
        for (microseconds, written) in [
            (0, Some("1970-01-01T00:00:00.000000")),
            (-1, Some("1969-12-31T23:59:59.999999")),
            (951_782_400_000_000, Some("2000-02-29T00:00:00.000000")),
            (951_868_799_999_999, Some("2000-02-29T23:59:59.999999")),
            (951_868_800_000_000, Some("2000-03-01T00:00:00.000000")),
            (4_107_542_400_000_000, Some("2100-03-01T00:00:00.000000")),
            (1_795_310_706_123_456, Some("2026-11-22T01:25:06.123456")),
            (253_402_300_799_999_999, Some("9999-12-31T23:59:59.999999")),
            (253_402_300_800_000_000, None),
            (-62_135_596_800_000_000, Some("0001-01-01T00:00:00.000000")),
            (-62_135_596_800_000_001, None),
            (i64::MAX, None),
            (i64::MIN, None),
        ] {
            let found = utc(microseconds);
            let found = found.as_ref().map(|text| str::from_utf8(text));
            assert_eq!(found, written.map(Ok), "{microseconds}");
        }
    }
}
