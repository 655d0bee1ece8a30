//! Dates: FHIR R4, section 3.1.1.4.7. Every value is the interval of what it can mean. Dates have
//! no zones: what has one is compared in UTC with what has one too, and with all else by its clock.

use super::prefix::Prefix;
use super::{Expected, text, text_of};
use crate::leaf::Leaf;
use jsonb::{Malformed, Object, Value};
use text::instant::utc;
use text::moment::{UNIX_DAYS, partial_datetime, without_zone};

/// Nanoseconds from 1970-01-01T00:00:00 to the first and to the last instant.
type Span = (i128, i128);

const SECOND: i128 = 1_000_000_000;
const HOUR: i128 = 3_600 * SECOND;
/// How far clocks are from UTC at most.
const FARTHEST: i128 = 14 * HOUR;

/// An interval, by its own clock and in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    clock: Span,
    /// Where the zone is told.
    utc: Option<Span>,
}

/// A date with a prefix.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    prefix: Prefix,
    text: String,
    interval: Interval,
}

const FORMS: Expected = "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with Z or +hh:mm, perhaps with eq, ne, gt, lt, ge, le, sa or eb before it: ge1980-05";

impl Wanted {
    pub(crate) fn read(raw: &str) -> Result<Self, Expected> {
        let (prefix, date) = Prefix::split(raw).ok_or(FORMS)?;
        let prefix = prefix.unwrap_or(Prefix::Eq);
        // What is near to a date depends on when that is asked.
        if prefix == Prefix::Ap {
            return Err(FORMS);
        }
        // A blank in a date is a plus that came as it is in an address.
        let date = date.replace(' ', "+");
        let date = match date.strip_suffix("+00:00").or(date.strip_suffix("-00:00")) {
            Some(clock) => format!("{clock}Z"),
            None => date,
        };
        let interval = Interval::read(&date).ok_or(FORMS)?;
        Ok(Self {
            prefix,
            text: date,
            interval,
        })
    }

    pub(crate) fn spelled(&self) -> String {
        format!("{}{}", self.prefix.spelled(), self.text)
    }

    /// With the interval, by its own clock where it has no zone.
    pub(crate) fn meant(&self) -> String {
        let zone = if self.interval.utc.is_some() { "Z" } else { "" };
        let (from, to) = self.interval.utc.unwrap_or(self.interval.clock);
        format!("{}{from} {to}{zone}", self.prefix.spelled())
    }

    pub(crate) fn is_met(&self, leaf: Leaf, value: Value<'_>) -> Result<bool, Malformed> {
        let Some(there) = Interval::of(leaf, value)? else {
            return Ok(false);
        };
        let (wanted, there) = match (self.interval.utc, there.utc) {
            (Some(wanted), Some(there)) => (wanted, there),
            _ => (self.interval.clock, there.clock),
        };
        Ok(self
            .prefix
            .holds((&wanted.0, &wanted.1), (&there.0, &there.1)))
    }

    /// What of an index can meet it, as a range of instants; none if that is everything.
    pub(crate) fn range(&self) -> Option<Span> {
        let (from, to) = self.interval.widened();
        match self.prefix {
            Prefix::Ne => None,
            Prefix::Eq | Prefix::Ap => Some((from, to)),
            Prefix::Ge | Prefix::Gt | Prefix::Sa => Some((from, i128::MAX)),
            Prefix::Le | Prefix::Lt | Prefix::Eb => Some((i128::MIN, to)),
        }
    }
}

impl Interval {
    /// What a date, a datetime or an instant can mean; in a search the seconds, and the zone, can
    /// be left out.
    fn read(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let clock = span(without_zone(bytes))?;
        let moment = partial_datetime(bytes)?;
        let utc = match moment.is_zoned() {
            true => Some(span(bytes)?),
            false => None,
        };
        Some(Self { clock, utc })
    }

    /// What stands at a path; none for what is not a date.
    pub(crate) fn of(leaf: Leaf, value: Value<'_>) -> Result<Option<Self>, Malformed> {
        match (leaf, value) {
            (Leaf::Period, Value::Object(period)) => Self::of_period(period),
            (Leaf::Timing, Value::Object(timing)) => Self::of_timing(timing),
            _ => Ok(text(value).and_then(Self::read)),
        }
    }

    fn of_period(period: Object<'_>) -> Result<Option<Self>, Malformed> {
        let start = text_of(period, b"start")?.and_then(Self::read);
        let end = text_of(period, b"end")?.and_then(Self::read);
        if start.is_none() && end.is_none() {
            return Ok(None);
        }
        let clock = (
            start.map_or(i128::MIN, |start| start.clock.0),
            end.map_or(i128::MAX, |end| end.clock.1),
        );
        // An end that is open is so in every zone.
        let from = start.map_or(Some(i128::MIN), |start| start.utc.map(|utc| utc.0));
        let to = end.map_or(Some(i128::MAX), |end| end.utc.map(|utc| utc.1));
        Ok(Some(Self {
            clock,
            utc: from.zip(to),
        }))
    }

    /// From the first to the last of its events, or its bounds.
    fn of_timing(timing: Object<'_>) -> Result<Option<Self>, Malformed> {
        let mut whole: Option<Self> = None;
        if let Some(Value::Array(events)) = timing.get(b"event")? {
            for event in events {
                if let Some(event) = text(event?).and_then(Self::read) {
                    whole = Some(whole.map_or(event, |whole| whole.and(event)));
                }
            }
        }
        if let Some(Value::Object(repeat)) = timing.get(b"repeat")?
            && let Some(Value::Object(bounds)) = repeat.get(b"boundsPeriod")?
            && let Some(bounds) = Self::of_period(bounds)?
        {
            whole = Some(whole.map_or(bounds, |whole| whole.and(bounds)));
        }
        Ok(whole)
    }

    /// What reaches from the one to the other.
    fn and(self, other: Self) -> Self {
        let both = |a: Span, b: Span| (a.0.min(b.0), a.1.max(b.1));
        Self {
            clock: both(self.clock, other.clock),
            utc: self.utc.zip(other.utc).map(|(a, b)| both(a, b)),
        }
    }

    /// In UTC; where its zone is not told, in every zone.
    pub(crate) fn widened(&self) -> Span {
        self.utc.unwrap_or((
            self.clock.0.saturating_sub(FARTHEST),
            self.clock.1.saturating_add(FARTHEST),
        ))
    }

    /// What may be compared with it by its clock, too: the clock of one with a zone is another one's
    /// UTC.
    pub(crate) fn indexed(&self) -> Span {
        let (from, to) = self.widened();
        match self.utc {
            Some(_) => (from.min(self.clock.0), to.max(self.clock.1)),
            None => (from, to),
        }
    }

    /// Its beginning, for an order.
    pub(crate) fn begins(&self) -> i128 {
        self.utc.unwrap_or(self.clock).0
    }
}

/// The span of a text: of a second, or of the last digit of its fraction, all of it.
fn span(text: &[u8]) -> Option<Span> {
    let (from, nanoseconds, to) = partial_datetime(text)?.seconds();
    let since = |seconds: i64| i128::from(seconds - UNIX_DAYS * 86_400) * SECOND;
    let first = since(from) + i128::from(nanoseconds);
    let digits = match text.iter().position(|byte| *byte == b'.') {
        Some(at) => text
            .get(at + 1..)
            .unwrap_or_default()
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count(),
        None => return Some((first, since(to) + SECOND - 1)),
    };
    let unit = (digits..9).fold(1, |unit: i128, _| unit * 10);
    Some((first, first + unit - 1))
}

/// A range of an index, as PostgreSQL writes it: rounded outwards to microseconds.
pub(crate) fn written(span: Span) -> String {
    let from = match span.0 {
        i128::MIN => String::new(),
        from => timestamp(from.div_euclid(1_000)),
    };
    let to = match span.1 {
        i128::MAX => String::new(),
        to => timestamp(to.div_euclid(1_000) + 1),
    };
    format!("[{from},{to}]")
}

/// `2000-01-31T23:59:59.123456Z` of so many microseconds from 1970; at the ends of the calendar
/// nothing, which is without end.
fn timestamp(microseconds: i128) -> String {
    let utc = i64::try_from(microseconds).ok().and_then(utc);
    let utc = utc.as_ref().and_then(|utc| str::from_utf8(utc).ok());
    utc.map_or_else(String::new, |utc| [utc, "Z"].concat())
}
