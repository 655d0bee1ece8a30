//! Dates and times: real calendar days, leap seconds (`:60`) and zones as FHIR R4 has them.

use std::cmp::Ordering;

/// What a value of a temporal type can mean, as an interval: a partial date is all of its seconds.
/// Seconds and their fraction are one decimal, so that what has them is a point (FHIRPath N1,
/// section 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment<'a> {
    /// The first instant, counted from 0001-01-01T00:00:00; of a time, from midnight.
    from: Point<'a>,
    /// The last instant.
    to: Point<'a>,
    /// Whether it is counted in UTC, and not in a zone that is not told.
    zoned: bool,
}

/// Seconds, nanoseconds behind them, and the digits behind those, which end with no zero.
type Point<'a> = (i64, u32, &'a [u8]);

/// A moment that keeps its text.
#[derive(Debug, Clone)]
pub struct Fixed {
    text: Box<str>,
    /// Without the digits behind nanoseconds, which stand in the text.
    moment: Moment<'static>,
}

impl Fixed {
    /// The moment of a text, and the text.
    pub fn new(moment: Moment<'_>, text: &str) -> Self {
        let point = |point: Point<'_>| (point.0, point.1, &[][..]);
        Self {
            text: text.into(),
            moment: Moment {
                from: point(moment.from),
                to: point(moment.to),
                zoned: moment.zoned,
            },
        }
    }

    /// What the text means.
    #[inline]
    pub fn moment(&self) -> Moment<'_> {
        let mut moment = self.moment;
        if self.text.len() > NANOSECONDS {
            let digits = self.text.as_bytes().rsplit(|byte| *byte == b'.').next();
            let digits = digits.unwrap_or_default();
            let end = digits.iter().position(|digit| !digit.is_ascii_digit());
            let beyond = beyond(&digits[..end.unwrap_or(digits.len())]);
            moment.from.2 = beyond;
            moment.to.2 = beyond;
        }
        moment
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// How many digits of a fraction are a number here.
const NANODIGITS: usize = 9;

/// The length of a time whose fraction is nanoseconds: no shorter text has digits behind them.
const NANOSECONDS: usize = "hh:mm:ss.".len() + NANODIGITS;

/// The digits of a fraction behind nanoseconds.
fn beyond(fraction: &[u8]) -> &[u8] {
    let digits = fraction.get(NANODIGITS..).unwrap_or_default();
    let end = digits.iter().rposition(|digit| *digit != b'0');
    end.map_or(&[], |last| &digits[..=last])
}

impl Moment<'_> {
    /// Whether it is counted in UTC.
    pub fn is_zoned(&self) -> bool {
        self.zoned
    }

    /// Its first and its last second, counted from 0001-01-01T00:00:00, and the nanoseconds behind
    /// the first.
    pub fn seconds(&self) -> (i64, u32, i64) {
        (self.from.0, self.from.1, self.to.0)
    }

    /// How two moments lie to each other; `None` where they overlap. A date is that day in any
    /// zone where it meets an instant.
    pub fn compare(&self, other: &Moment<'_>) -> Option<Ordering> {
        let (left, right) = (self.beside(other), other.beside(self));
        if left.1 < right.0 {
            Some(Ordering::Less)
        } else if left.0 > right.1 {
            Some(Ordering::Greater)
        } else {
            None
        }
    }

    /// How two moments lie to each other, which are equal if they are the same to the same
    /// precision; `None` where one can be within the other.
    pub fn order(&self, other: &Moment<'_>) -> Option<Ordering> {
        if self == other {
            return Some(Ordering::Equal);
        }
        self.compare(other)
    }

    /// Its first and last instant for a comparison with another.
    fn beside(&self, other: &Moment<'_>) -> (Point<'_>, Point<'_>) {
        let (mut from, mut to) = (self.from, self.to);
        if !self.zoned && other.zoned {
            from.0 -= EASTERNMOST;
            to.0 += WESTERNMOST;
        }
        (from, to)
    }
}

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Behind every fraction of a second.
const LAST: u32 = u32::MAX;

/// The zones of the world, east and west of UTC.
const EASTERNMOST: i64 = 14 * HOUR;
const WESTERNMOST: i64 = 12 * HOUR;

/// `YYYY`, `YYYY-MM` or `YYYY-MM-DD`
#[inline]
pub fn is_date(text: &[u8]) -> bool {
    Date::read(text).is_some()
}

/// A date, or `YYYY-MM-DDThh:mm:ss` with an optional fraction and a zone.
#[inline]
pub fn is_datetime(text: &[u8]) -> bool {
    if text.len() <= 10 {
        is_date(text)
    } else {
        is_instant(text)
    }
}

/// `YYYY-MM-DDThh:mm:ss` with an optional fraction and a zone.
pub fn is_instant(text: &[u8]) -> bool {
    split(text).is_some()
}

/// `hh:mm:ss` with an optional fraction.
#[inline]
pub fn is_time(text: &[u8]) -> bool {
    Clock::read(text).is_some()
}

/// What a date means.
pub fn date(text: &[u8]) -> Option<Moment<'_>> {
    let (first, days) = Date::read(text)?.days();
    Some(Moment {
        from: (first * DAY, 0, &[]),
        to: ((first + days) * DAY - 1, LAST, &[]),
        zoned: false,
    })
}

/// What a datetime means.
pub fn datetime(text: &[u8]) -> Option<Moment<'_>> {
    if text.len() <= 10 {
        date(text)
    } else {
        instant(text)
    }
}

/// What a datetime of FHIRPath means, which can end behind any of its parts, and need not tell its
/// zone: `2015T`, `2015-02-04T14`, `2015-02-04T14:34:28`.
pub fn partial_datetime(text: &[u8]) -> Option<Moment<'_>> {
    let Some(at) = text.iter().position(|byte| *byte == b'T') else {
        return date(text);
    };
    let (day, clock) = (&text[..at], &text[at + 1..]);
    if clock.is_empty() {
        return date(day);
    }
    let (first, _) = Date::read(day).filter(|date| date.day > 0)?.days();
    let (clock, offset) = match zone(clock) {
        Some((clock, offset)) => (clock, Some(offset)),
        None => (clock, None),
    };
    let mut moment = partial_time(clock)?;
    moment.zoned = offset.is_some();
    for point in [&mut moment.from, &mut moment.to] {
        point.0 += first * DAY - offset.unwrap_or(0);
    }
    Some(moment)
}

/// A datetime without its zone: its own clock.
pub fn without_zone(text: &[u8]) -> &[u8] {
    match text.iter().position(|byte| *byte == b'T') {
        Some(at) => zone(&text[at..]).map_or(text, |(clock, _)| &text[..at + clock.len()]),
        None => text,
    }
}

/// What a time of FHIRPath means: `14`, `14:34`, or with seconds.
pub fn partial_time(text: &[u8]) -> Option<Moment<'_>> {
    let (clock, width) = match *text {
        [a, b] => ([a, b, b'0', b'0'], HOUR),
        [a, b, b':', c, d] => ([a, b, c, d], 60),
        _ => return time(text),
    };
    let (hour, minute) = (
        number(&[clock[0], clock[1]])?,
        number(&[clock[2], clock[3]])?,
    );
    let from = i64::from(hour * 3_600 + minute * 60);
    (hour < 24 && minute < 60).then_some(Moment {
        from: (from, 0, &[]),
        to: (from + width - 1, LAST, &[]),
        zoned: false,
    })
}

/// What an instant means.
pub fn instant(text: &[u8]) -> Option<Moment<'_>> {
    let (date, clock, offset) = split(text)?;
    let (first, _) = date.days();
    let mut moment = clock.moment();
    moment.zoned = true;
    for point in [&mut moment.from, &mut moment.to] {
        point.0 += first * DAY - offset;
    }
    Some(moment)
}

/// The first instant that a datetime can mean, in UTC if it has no zone: seconds from
/// 1970-01-01T00:00:00Z, and nanoseconds behind them.
pub fn first_instant(text: &[u8]) -> Option<(i64, u32)> {
    let (seconds, nanoseconds, _) = datetime(text)?.from;
    Some((seconds - UNIX_DAYS * DAY, nanoseconds))
}

/// From 0001-01-01, where moments are counted from, to 1970-01-01.
pub const UNIX_DAYS: i64 = 719_162;

/// Whole seconds from 1970-01-01T00:00:00Z to an instant; `None` if it is not one.
pub fn unix_time(text: &[u8]) -> Option<i64> {
    Some(instant(text)?.from.0 - UNIX_DAYS * DAY)
}

/// What a time means.
pub fn time(text: &[u8]) -> Option<Moment<'_>> {
    Some(Clock::read(text)?.moment())
}

/// The parts of an instant: its day, its clock, and seconds east of UTC.
fn split(text: &[u8]) -> Option<(Date, Clock<'_>, i64)> {
    let (day, rest) = text.split_first_chunk::<10>()?;
    let date = Date::read(day)?;
    let (clock, offset) = zone(rest.strip_prefix(b"T")?)?;
    Some((date, Clock::read(clock)?, offset))
}

/// A date of the real calendar; month and day are zero where they are not told.
#[derive(Clone, Copy)]
struct Date {
    year: u32,
    month: u32,
    day: u32,
}

/// The days of a year before each month.
const BEFORE: [u32; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

impl Date {
    #[inline]
    fn read(text: &[u8]) -> Option<Self> {
        let (year, rest) = text.split_first_chunk::<4>()?;
        let year = number(year)?;
        let (month, day) = match *rest {
            [] => (0, 0),
            [b'-', a, b] => (number(&[a, b])?, 0),
            [b'-', a, b, b'-', c, d] => {
                let (month, day) = (number(&[a, b])?, number(&[c, d])?);
                if !(1..=12).contains(&month) || day == 0 || day > length(year, month) {
                    return None;
                }
                (month, day)
            }
            _ => return None,
        };
        let valid = year > 0 && month <= 12 && (month > 0 || rest.is_empty());
        valid.then_some(Self { year, month, day })
    }

    /// The day it begins with, counted from 0001-01-01, and how many days it is.
    fn days(self) -> (i64, i64) {
        let years = i64::from(self.year) - 1;
        let first = years * 365 + years / 4 - years / 100 + years / 400;
        if self.month == 0 {
            return (first, 365 + i64::from(is_leap(self.year)));
        }
        let before = BEFORE[(self.month as usize - 1).min(11)];
        let leap = self.month > 2 && is_leap(self.year);
        let first = first + i64::from(before) + i64::from(leap);
        match self.day {
            0 => (first, i64::from(length(self.year, self.month))),
            day => (first + i64::from(day) - 1, 1),
        }
    }
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// The days of a month, from 1 to 12.
#[inline]
fn length(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(is_leap(year)),
        _ => 31,
    }
}

/// Takes the zone off: `Z`, or `±hh:mm` up to 14:00; seconds east of UTC.
#[inline]
fn zone(clock: &[u8]) -> Option<(&[u8], i64)> {
    if let Some(rest) = clock.strip_suffix(b"Z") {
        return Some((rest, 0));
    }
    let (rest, &[sign, a, b, b':', c, d]) = clock.split_last_chunk::<6>()? else {
        return None;
    };
    let (hours, minutes) = (number(&[a, b])?, number(&[c, d])?);
    if minutes > 59 || hours > 14 || (hours == 14 && minutes > 0) {
        return None;
    }
    let offset = i64::from(hours * 3_600 + minutes * 60);
    match sign {
        b'+' => Some((rest, offset)),
        b'-' => Some((rest, -offset)),
        _ => None,
    }
}

/// A time of a day.
struct Clock<'a> {
    seconds: u32,
    /// The digits behind the point.
    fraction: &'a [u8],
}

impl<'a> Clock<'a> {
    #[inline]
    fn read(text: &'a [u8]) -> Option<Self> {
        let (&[a, b, b':', c, d, b':', e, f], rest) = text.split_first_chunk::<8>()? else {
            return None;
        };
        let (hour, minute, second) = (number(&[a, b])?, number(&[c, d])?, number(&[e, f])?);
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let fraction = match rest {
            [] => rest,
            [b'.', digits @ ..] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
                digits
            }
            _ => return None,
        };
        Some(Self {
            seconds: hour * 3_600 + minute * 60 + second,
            fraction,
        })
    }

    /// From midnight.
    fn moment(&self) -> Moment<'a> {
        let (mut nanoseconds, mut width) = (0, 1_000_000_000);
        for digit in self.fraction.iter().take(NANODIGITS) {
            width /= 10;
            nanoseconds += u32::from(digit - b'0') * width;
        }
        let point = (i64::from(self.seconds), nanoseconds, beyond(self.fraction));
        Moment {
            from: point,
            to: point,
            zoned: false,
        }
    }
}

/// A number of so many digits.
#[inline]
fn number<const N: usize>(digits: &[u8; N]) -> Option<u32> {
    let mut number = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u32::from(digit);
    }
    Some(number)
}
