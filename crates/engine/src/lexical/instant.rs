//! Dates and times: real calendar days, leap seconds (`:60`) and zones as FHIR R4 has them.

use std::cmp::Ordering;

/// What a value of a temporal type can mean, as an interval: a partial date is all of its seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The first nanosecond, counted from 0001-01-01T00:00:00; of a time, from midnight.
    from: i128,
    /// The last nanosecond.
    to: i128,
    /// Whether it is counted in UTC, and not in a zone that is not told.
    zoned: bool,
}

impl Moment {
    /// How two moments lie to each other; `None` where they overlap. A date is that day in any
    /// zone where it meets an instant.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        let (left, right) = (self.beside(other), other.beside(self));
        if left.1 < right.0 {
            Some(Ordering::Less)
        } else if left.0 > right.1 {
            Some(Ordering::Greater)
        } else {
            None
        }
    }

    /// Its first and last nanosecond for a comparison with another.
    fn beside(&self, other: &Self) -> (i128, i128) {
        if self.zoned || !other.zoned {
            (self.from, self.to)
        } else {
            let (east, west) = (i128::from(EASTERNMOST), i128::from(WESTERNMOST));
            (self.from - east * SECOND, self.to + west * SECOND)
        }
    }
}

const SECOND: i128 = 1_000_000_000;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// The zones of the world, east and west of UTC.
const EASTERNMOST: i64 = 14 * HOUR;
const WESTERNMOST: i64 = 12 * HOUR;

/// `YYYY`, `YYYY-MM` or `YYYY-MM-DD`
pub(crate) fn date(text: &[u8]) -> Option<Moment> {
    let (first, days) = days(text)?;
    Some(Moment {
        from: i128::from(first * DAY) * SECOND,
        to: i128::from((first + days) * DAY) * SECOND - 1,
        zoned: false,
    })
}

/// A date, or `YYYY-MM-DDThh:mm:ss` with an optional fraction and a zone.
pub(crate) fn datetime(text: &[u8]) -> Option<Moment> {
    if text.len() <= 10 {
        date(text)
    } else {
        instant(text)
    }
}

/// `YYYY-MM-DDThh:mm:ss` with an optional fraction and a zone.
pub(crate) fn instant(text: &[u8]) -> Option<Moment> {
    let (day, clock) = text.split_first_chunk::<10>()?;
    let (first, _) = days(day)?;
    let clock = clock.strip_prefix(b"T")?;
    let (clock, offset) = zone(clock)?;
    let (seconds, fraction, width) = clock_time(clock)?;
    let from = i128::from(first * DAY + seconds - offset) * SECOND + fraction;
    Some(Moment {
        from,
        to: from + width - 1,
        zoned: true,
    })
}

/// `hh:mm:ss` with an optional fraction.
pub(crate) fn time(text: &[u8]) -> Option<Moment> {
    let (seconds, fraction, width) = clock_time(text)?;
    let from = i128::from(seconds) * SECOND + fraction;
    Some(Moment {
        from,
        to: from + width - 1,
        zoned: false,
    })
}

/// A date as the day it begins with, counted from 0001-01-01, and how many days it is.
fn days(text: &[u8]) -> Option<(i64, i64)> {
    let (year, month, day) = match text {
        [a, b, c, d] => (number(&[*a, *b, *c, *d])?, None, None),
        [a, b, c, d, b'-', e, f] => (number(&[*a, *b, *c, *d])?, Some(number(&[*e, *f])?), None),
        [a, b, c, d, b'-', e, f, b'-', g, h] => (
            number(&[*a, *b, *c, *d])?,
            Some(number(&[*e, *f])?),
            Some(number(&[*g, *h])?),
        ),
        _ => return None,
    };
    if year == 0 {
        return None;
    }
    let before = days_before_year(year);
    let Some(month) = month else {
        return Some((before, days_before_year(year + 1) - before));
    };
    let length = month_length(year, month)?;
    let before = before
        + (1..month)
            .filter_map(|month| month_length(year, month))
            .sum::<i64>();
    match day {
        None => Some((before, length)),
        Some(day) if (1..=length).contains(&day) => Some((before + day - 1, 1)),
        Some(_) => None,
    }
}

fn days_before_year(year: i64) -> i64 {
    let years = year - 1;
    years * 365 + years / 4 - years / 100 + years / 400
}

fn month_length(year: i64, month: i64) -> Option<i64> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => Some(29),
        2 => Some(28),
        _ => None,
    }
}

/// Takes the zone off: `Z`, or `±hh:mm` up to 14:00; seconds east of UTC.
fn zone(clock: &[u8]) -> Option<(&[u8], i64)> {
    if let Some(rest) = clock.strip_suffix(b"Z") {
        return Some((rest, 0));
    }
    let (rest, [sign, a, b, b':', c, d]) = clock.split_last_chunk::<6>()? else {
        return None;
    };
    let (hours, minutes) = (number(&[*a, *b])?, number(&[*c, *d])?);
    if minutes > 59 || hours > 14 || (hours == 14 && minutes > 0) {
        return None;
    }
    let offset = hours * HOUR + minutes * 60;
    match sign {
        b'+' => Some((rest, offset)),
        b'-' => Some((rest, -offset)),
        _ => None,
    }
}

/// `hh:mm:ss` with an optional fraction: seconds, nanoseconds, and how many nanoseconds it means.
/// Digits past the ninth are read and not counted.
fn clock_time(text: &[u8]) -> Option<(i64, i128, i128)> {
    let ([a, b, b':', c, d, b':', e, f], fraction) = text.split_first_chunk::<8>()? else {
        return None;
    };
    let (hour, minute, second) = (number(&[*a, *b])?, number(&[*c, *d])?, number(&[*e, *f])?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = hour * HOUR + minute * 60 + second;
    if fraction.is_empty() {
        return Some((seconds, 0, SECOND));
    }
    let digits = fraction.strip_prefix(b".")?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (mut nanoseconds, mut width) = (0, SECOND);
    for digit in digits.iter().take(9) {
        width /= 10;
        nanoseconds += i128::from(digit - b'0') * width;
    }
    Some((seconds, nanoseconds, width))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + i64::from(digit - b'0'))
    })
}
