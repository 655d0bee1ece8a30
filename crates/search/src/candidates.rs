//! What indexes hold of resources, and what a criterion looks for in them: all that can meet it,
//! and perhaps more.

use crate::criterion::Criterion;
use crate::kind::Kind;
use crate::leaf::Leaf;
use crate::normal::normal;
use crate::paths::Paths;
use crate::value::date::{self, Interval};
use crate::value::number::Between;
use crate::value::{Test, Wanted, quantity, reference, string, text, token, uri};
use jsonb::{Malformed, Object, Value, memory};

/// What a criterion looks for in an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidates {
    /// One of these keys: the index is over texts.
    Keys(Vec<String>),
    /// What meets these spans of time: the text of a `tstzmultirange`.
    Spans(String),
    /// What meets these spans of numbers: the text of a `nummultirange`.
    Numbers(String),
}

impl Kind {
    /// The function whose values an index holds.
    pub fn extractor(self) -> &'static str {
        match self {
            Self::Token => "search_tokens",
            Self::Reference => "search_references",
            Self::Uri => "search_uris",
            Self::String => "search_prefixes",
            Self::Date => "search_spans",
            Self::Number | Self::Quantity => "search_numbers",
        }
    }
}

impl Criterion {
    /// What it looks for in the index of its parameter; none where that is everything, or nothing
    /// that the index holds.
    pub fn candidates(&self) -> Option<Candidates> {
        let has_exists = self.paths.0.iter().any(|path| path.leaf == Leaf::Exists);
        match self.test {
            Test::Plain | Test::Exact | Test::Above | Test::OfType if !has_exists => {}
            _ => return None,
        }
        let mut keys = Vec::new();
        let mut ranges = Vec::new();
        for wanted in &self.wanted {
            match wanted {
                Wanted::Token(wanted) => keys.extend(wanted.keys(self.test).ok()?),
                Wanted::Reference(wanted) => keys.push(wanted.key().to_owned()),
                Wanted::Uri(wanted) if self.test == Test::Above => {
                    keys.extend(wanted.above(LONGEST_KEY))
                }
                Wanted::Uri(wanted) => keys.push(wanted.0.clone()),
                Wanted::String(wanted) => keys.push(wanted.indexed()?),
                Wanted::Date(wanted) => ranges.push(date::written(wanted.range()?)),
                Wanted::Number(wanted) => ranges.push(wanted.range()?),
                Wanted::Quantity(wanted) => ranges.push(wanted.number.range()?),
            }
        }
        Some(match self.kind {
            Kind::Date => Candidates::Spans(multirange(&ranges)),
            Kind::Number | Kind::Quantity => Candidates::Numbers(multirange(&ranges)),
            _ => {
                let mut keys: Vec<String> = keys.iter().map(|key| cut(key).to_owned()).collect();
                keys.push(TOO_MANY.to_owned());
                Candidates::Keys(keys)
            }
        })
    }
}

/// How many keys, or ranges, an index holds of one resource.
const MOST_KEYS: usize = 10_000;

/// The key of a resource that has more of them than an index holds: every search looks at it.
const TOO_MANY: &str = "*";

/// How long a key can be, in bytes: an index takes no longer ones. What is longer is cut, by
/// whoever fills the index and by whoever asks it.
pub const LONGEST_KEY: usize = 512;

/// The same of a range.
const LONGEST_RANGE: usize = 2 * LONGEST_KEY;

fn push(keys: &mut Vec<String>, key: &str) -> Result<(), Malformed> {
    let key = cut(key);
    if keys.len() <= MOST_KEYS && !key.is_empty() {
        memory::reserve(keys, 1)?;
        keys.push(key.to_owned());
    }
    Ok(())
}

/// The beginning of a key that an index holds.
pub fn cut(key: &str) -> &str {
    let mut end = key.len().min(LONGEST_KEY);
    while !key.is_char_boundary(end) {
        end -= 1;
    }
    key.get(..end).unwrap_or_default()
}

fn distinct(mut keys: Vec<String>) -> Vec<String> {
    if keys.len() > MOST_KEYS {
        return vec![TOO_MANY.to_owned()];
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The keys of an index over tokens, references, URIs or the beginnings of strings.
pub fn keys(kind: Kind, data: Object<'_>, paths: &Paths) -> Result<Vec<String>, Malformed> {
    let mut keys = Vec::new();
    paths.each(data, &mut |path, value| match kind {
        Kind::Token => token::each(path, value, Test::Plain, &mut |coded| {
            coded.keys(&mut |key| push(&mut keys, key))
        }),
        Kind::Reference => reference::keys(path.leaf, value, &mut |key| push(&mut keys, key)),
        Kind::Uri => match text(value) {
            Some(there) => uri::keys(there, &mut |key| push(&mut keys, key)),
            None => Ok(()),
        },
        Kind::String => string::each(path.leaf, value, &mut |part| {
            let normal = normal(part)?;
            let ends = normal.char_indices().map(|(at, c)| at + c.len_utf8());
            for end in ends.take(string::INDEXED) {
                push(&mut keys, normal.get(..end).unwrap_or_default())?;
            }
            Ok(())
        }),
        Kind::Date | Kind::Number | Kind::Quantity => Ok(()),
    })?;
    Ok(distinct(keys))
}

/// The ranges of an index over dates, numbers or quantities: the text of a multirange.
pub fn ranges(kind: Kind, data: Object<'_>, paths: &Paths) -> Result<String, Malformed> {
    let mut ranges: Vec<String> = Vec::new();
    paths.each(data, &mut |path, value| {
        let range = match (kind, value) {
            (Kind::Date, value) => {
                Interval::of(path.leaf, value)?.map(|it| date::written(it.indexed()))
            }
            // What the paths lead to says which: a parameter of numbers can have ranges of quantities.
            (Kind::Number | Kind::Quantity, Value::Object(object)) => {
                quantity::between(path.leaf, object)?.map(|it| it.written())
            }
            (Kind::Number | Kind::Quantity, value) => {
                Between::of(path.leaf, value)?.map(|it| it.written())
            }
            _ => None,
        };
        if let Some(range) = range.filter(|_| ranges.len() <= MOST_KEYS) {
            memory::reserve(&mut ranges, 1)?;
            // An index takes no number of thousands of digits: every search looks at one.
            ranges.push(match range.len() > LONGEST_RANGE {
                true => "(,)".to_owned(),
                false => range,
            });
        }
        Ok(())
    })?;
    match ranges.len() > MOST_KEYS {
        true => Ok("{(,)}".to_owned()),
        false => Ok(multirange(&ranges)),
    }
}

fn multirange(ranges: &[String]) -> String {
    format!("{{{}}}", ranges.join(","))
}

/// By what a resource stands in an order: of several values the first. The order of the texts,
/// byte by byte, is that of the values.
pub fn order(kind: Kind, data: Object<'_>, paths: &Paths) -> Result<Option<String>, Malformed> {
    let mut first: Option<String> = None;
    let mut told = |key: String| {
        let key = cut(&key).to_owned();
        if first.as_ref().is_none_or(|first| key < *first) {
            first = Some(key);
        }
    };
    paths.each(data, &mut |path, value| {
        match (kind, value) {
            (Kind::Date, value) => {
                if let Some(interval) = Interval::of(path.leaf, value)? {
                    // From the first instant that a date of FHIR can be.
                    let since = interval.begins().saturating_add(1 << 66).max(0);
                    told(format!("{since:030}"));
                }
            }
            (Kind::Number, value) => {
                if let Some(it) = Between::of(path.leaf, value)? {
                    it.low
                        .or(it.high)
                        .map(|number| ordered(&number.to_string()))
                        .map(&mut told);
                }
            }
            (Kind::Quantity, Value::Object(object)) => {
                if let Some(it) = quantity::between(path.leaf, object)? {
                    it.low
                        .or(it.high)
                        .map(|number| ordered(&number.to_string()))
                        .map(&mut told);
                }
            }
            (Kind::String, value) => {
                return string::each(path.leaf, value, &mut |part| {
                    told(normal(part)?);
                    Ok(())
                });
            }
            (Kind::Token, value) => {
                return token::each(path, value, Test::Plain, &mut |coded| {
                    coded.code.map(str::to_owned).map(&mut told);
                    Ok(())
                });
            }
            (Kind::Uri, value) => drop(text(value).map(str::to_owned).map(&mut told)),
            (Kind::Reference, Value::Object(object)) => {
                let there = crate::value::text_of(object, b"reference")?;
                there.map(str::to_owned).map(&mut told);
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(first)
}

/// A decimal, so that the order of texts is that of numbers: sign, how many digits stand before the
/// point, digits; of what is below zero all of that turned round.
fn ordered(decimal: &str) -> String {
    let (sign, digits) = match decimal.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('p', decimal),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let text = format!("{:06}{whole}.{fraction}", whole.len());
    match sign {
        'p' => format!("p{text}"),
        _ => {
            let turned = text.chars().map(|c| match c.to_digit(10) {
                Some(digit) => char::from_digit(9 - digit, 10).unwrap_or(c),
                None => c,
            });
            // What goes on is smaller.
            format!("n{}~", turned.collect::<String>())
        }
    }
}
