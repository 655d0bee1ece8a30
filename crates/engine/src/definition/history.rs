//! What a definition says of the history of its table: that it keeps all, or none, or until when.

use super::expect::{self, mistake};
use super::read::finish;
use crate::issue::{Code, Issue, Report};
use crate::trail::Trail;
use jsonb::{Item, Malformed, Value};

/// Which old versions are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum History {
    /// All, until somebody prunes them.
    #[default]
    Kept,
    /// None.
    NotKept,
    /// All, and what may be pruned is said.
    Pruned {
        /// How long ago a version must have ended, as PostgreSQL reads an interval.
        older: Option<String>,
        /// How many of the newest versions of a resource stay.
        keep: Option<i32>,
    },
}

/// The members of a rule: the arguments of `history_prune`.
const MEMBERS: [&str; 2] = ["older", "keep"];

/// The units of an interval, each with the seconds that it has at least.
const UNITS: [(&str, u64); 7] = [
    ("year", 31_536_000),
    ("month", 2_419_200),
    ("week", 604_800),
    ("day", 86_400),
    ("hour", 3_600),
    ("minute", 60),
    ("second", 1),
];

/// What is counted of a unit, at most.
const MOST: u64 = 9_999;
/// How long an interval is at most: PostgreSQL's time goes back some 6,700 years.
const LONGEST: u64 = 1_000 * 31_536_000;

impl History {
    /// Reads `true`, `false` or a rule, or says everything that is wrong with it.
    pub fn read(history: Value<'_>) -> Result<Self, Vec<Issue>> {
        finish(|report| read(history, &Trail::root("").name(b"history"), report))
    }

    /// As it is written.
    pub fn item(&self) -> Item<'_> {
        match self {
            Self::Kept => Item::Bool(true),
            Self::NotKept => Item::Bool(false),
            Self::Pruned { older, keep } => {
                let older = older.as_deref().map(|older| (&b"older"[..], older.into()));
                let keep = keep.map(|keep| (&b"keep"[..], Item::Int(keep.into())));
                Item::Members(older.into_iter().chain(keep).collect())
            }
        }
    }

    /// Whether a version that ends is kept.
    pub fn keeps(&self) -> bool {
        *self != Self::NotKept
    }
}

pub(super) fn read(
    history: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<History, Malformed> {
    let rule = match history {
        Value::Bool(true) => return Ok(History::Kept),
        Value::Bool(false) => return Ok(History::NotKept),
        Value::Object(rule) => rule,
        _ => {
            mistake(report, Code::Structure, at, "expected boolean or object");
            return Ok(History::Kept);
        }
    };
    let (mut older, mut keep, mut is_empty) = (None, None, true);
    for member in rule.iter() {
        let (key, value) = member?;
        let at = at.name(key);
        match (key, value) {
            (_, Value::Null) => continue,
            (b"older", _) => {
                let text = expect::string(value, &at, report)?;
                if text.is_some_and(|text| !is_interval(text)) {
                    let expected = "expected an interval, as 7 years or 1 year 6 months, of at most 1000 years";
                    mistake(report, Code::Value, &at, expected);
                }
                older = text.map(str::to_owned);
            }
            (b"keep", _) => {
                let size = expect::size(value, &at, report);
                keep = size
                    .and_then(|size| i32::try_from(size).ok())
                    .filter(|keep| *keep > 0);
                if size.is_some() && keep.is_none() {
                    let expected = format!("expected a whole number from 1 to {}", i32::MAX);
                    mistake(report, Code::Value, &at, expected);
                }
            }
            _ => expect::unknown(report, &at, key, &MEMBERS),
        }
        is_empty = false;
    }
    if is_empty {
        mistake(report, Code::Required, at, "expected older or keep");
    }
    Ok(History::Pruned { older, keep })
}

/// Whether PostgreSQL reads it as an interval that any instant can be put back by: numbers with their
/// units, each unit once.
fn is_interval(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace();
    let (mut seen, mut seconds) = ([false; UNITS.len()], 0);
    while let Some(count) = words.next() {
        let unit = words
            .next()
            .map(|unit| unit.strip_suffix('s').unwrap_or(unit));
        let unit = unit.and_then(|unit| UNITS.iter().position(|(name, _)| *name == unit));
        let is_number = count.len() <= 4 && count.bytes().all(|digit| digit.is_ascii_digit());
        let count = count
            .parse()
            .ok()
            .filter(|count| (1..=MOST).contains(count) && is_number);
        let (Some(unit), Some(count)) = (unit, count) else {
            return false;
        };
        if std::mem::replace(&mut seen[unit], true) {
            return false;
        }
        seconds += count * UNITS[unit].1;
    }
    (1..=LONGEST).contains(&seconds)
}

#[cfg(test)]
mod tests {
    use super::is_interval;

    /// What PostgreSQL reads, in words; nothing that it would read as something else.
    #[test]
    fn intervals_are_numbers_with_units() {
        for good in [
            "7 years",
            "1 year 6 months",
            " 90  days",
            "1000 years",
            "1 second",
        ] {
            assert!(is_interval(good), "{good}");
        }
        for bad in [
            "",
            "7",
            "years",
            "7years",
            "7 yearss",
            "-7 years",
            "0 days",
            "1.5 years",
            "1 day 1 day",
            "1000 years 1 day",
            "9999 years",
            "+1 day",
            "00001 day",
            "7 YEARS",
            "1 day ago",
            "infinity",
        ] {
            assert!(!is_interval(bad), "{bad}");
        }
    }
}
