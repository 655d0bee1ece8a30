//! Numbers: FHIR R4, section 3.1.1.4.6. Without a prefix a number means all that is rounded to it:
//! 100 is from 99.5 up to, and without, 100.5. With one it is exactly that. Nothing goes through a
//! float.

use super::Expected;
use super::prefix::Prefix;
use crate::leaf::Leaf;
use jsonb::{Item, Malformed, Number, Object, Value, write};
use std::cmp::Ordering;

/// A number of its own: a root container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exact(Vec<u8>);

impl Exact {
    fn new(text: &str) -> Option<Self> {
        let root = write(&Item::Decimal(text)).ok()?;
        matches!(Value::read(&root), Ok(Value::Number(_))).then_some(Self(root))
    }

    fn compare(&self, other: &Number<'_>) -> Result<Ordering, Malformed> {
        match Value::read(&self.0)? {
            Value::Number(number) => Ok(number.compare(other)),
            _ => Err(Malformed),
        }
    }
}

impl std::fmt::Display for Exact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match Value::read(&self.0) {
            Ok(Value::Number(number)) => number.fmt(f),
            _ => Ok(()),
        }
    }
}

/// A number with a prefix.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) prefix: Prefix,
    /// Its one spelling.
    text: String,
    /// That of its value, however precise it is written.
    value: String,
    exact: Exact,
    /// From here, with it, …
    from: Exact,
    /// … to here, without it.
    to: Exact,
}

/// What stands somewhere: from a number to a number, open where there is none.
pub(crate) struct Between<'v> {
    pub(crate) low: Option<Number<'v>>,
    pub(crate) high: Option<Number<'v>>,
    /// It has no fraction, so that nothing is rounded to it.
    pub(crate) is_whole: bool,
}

const FORMS: Expected =
    "a number, perhaps with eq, ne, gt, lt, ge, le, sa, eb or ap before it: 5.4, gt100";
/// How many digits a number can have.
const MOST_DIGITS: usize = 30;
/// How far its point can be from them.
const FARTHEST: i64 = 200;

impl Wanted {
    pub(crate) fn read(raw: &str) -> Result<Self, Expected> {
        let (prefix, text) = Prefix::split(raw).ok_or(FORMS)?;
        let text = text.strip_prefix('+').unwrap_or(text);
        let digits = Digits::read(text).ok_or(FORMS)?;
        let prefix = prefix.unwrap_or(Prefix::Eq);
        let (from, to) = match prefix {
            Prefix::Ap => digits.near(),
            _ => digits.rounded(),
        };
        let exact = |text: &str| Exact::new(text).ok_or(FORMS);
        Ok(Self {
            prefix,
            exact: exact(text)?,
            value: digits.spelled(false),
            text: digits.spelled(matches!(prefix, Prefix::Eq | Prefix::Ne)),
            from: exact(&from)?,
            to: exact(&to)?,
        })
    }

    pub(crate) fn spelled(&self) -> String {
        format!("{}{}", self.prefix.spelled(), self.text)
    }

    /// With the value alone.
    pub(crate) fn meant(&self) -> String {
        format!("{}{}", self.prefix.spelled(), self.value)
    }

    pub(crate) fn is_met(&self, leaf: Leaf, value: Value<'_>) -> Result<bool, Malformed> {
        Between::of(leaf, value)?.map_or(Ok(false), |there| self.holds(&there))
    }

    pub(crate) fn holds(&self, there: &Between<'_>) -> Result<bool, Malformed> {
        let against = |bound: &Exact, number: Option<Number<'_>>, open: Ordering| match number {
            Some(number) => bound.compare(&number),
            None => Ok(open),
        };
        // An end that is open lies beyond every number.
        let low = |bound: &Exact| against(bound, there.low, Ordering::Greater);
        let high = |bound: &Exact| against(bound, there.high, Ordering::Less);
        let inside = || -> Result<bool, Malformed> {
            Ok(match there.is_whole {
                true => low(&self.exact)?.is_eq(),
                false => low(&self.from)?.is_le() && high(&self.to)?.is_gt(),
            })
        };
        Ok(match self.prefix {
            Prefix::Eq => inside()?,
            Prefix::Ne => !inside()?,
            Prefix::Gt => high(&self.exact)?.is_lt(),
            Prefix::Lt => low(&self.exact)?.is_gt(),
            Prefix::Ge => high(&self.exact)?.is_le(),
            Prefix::Le => low(&self.exact)?.is_ge(),
            Prefix::Sa => low(&self.exact)?.is_lt(),
            Prefix::Eb => high(&self.exact)?.is_gt(),
            Prefix::Ap => low(&self.to)?.is_ge() && high(&self.from)?.is_le(),
        })
    }

    /// What of an index can meet it, as PostgreSQL writes ranges.
    pub(crate) fn range(&self) -> Option<String> {
        match self.prefix {
            Prefix::Ne => None,
            Prefix::Eq | Prefix::Ap => Some(format!("[{},{}]", self.from, self.to)),
            Prefix::Gt | Prefix::Ge | Prefix::Sa => Some(format!("[{},]", self.exact)),
            Prefix::Lt | Prefix::Le | Prefix::Eb => Some(format!("[,{}]", self.exact)),
        }
    }
}

impl<'v> Between<'v> {
    /// What stands at a path; none for what is no number.
    pub(crate) fn of(leaf: Leaf, value: Value<'v>) -> Result<Option<Self>, Malformed> {
        Ok(match (leaf, value) {
            (Leaf::Range, Value::Object(range)) => Self::of_range(range)?,
            (_, Value::Number(number)) => Some(Self {
                low: Some(number),
                high: Some(number),
                is_whole: leaf == Leaf::Integer,
            }),
            _ => None,
        })
    }

    pub(crate) fn of_range(range: Object<'v>) -> Result<Option<Self>, Malformed> {
        let end = |key: &[u8]| -> Result<Option<Number<'v>>, Malformed> {
            match range.get(key)? {
                Some(Value::Object(quantity)) => number_of(quantity),
                _ => Ok(None),
            }
        };
        let (low, high) = (end(b"low")?, end(b"high")?);
        Ok((low.is_some() || high.is_some()).then_some(Self {
            low,
            high,
            is_whole: false,
        }))
    }

    /// Its range in an index.
    pub(crate) fn written(&self) -> String {
        let end = |number: &Option<Number<'_>>| number.map(|it| it.to_string()).unwrap_or_default();
        format!("[{},{}]", end(&self.low), end(&self.high))
    }
}

/// The value of a quantity.
pub(crate) fn number_of(quantity: Object<'_>) -> Result<Option<Number<'_>>, Malformed> {
    Ok(match quantity.get(b"value")? {
        Some(Value::Number(number)) => Some(number),
        _ => None,
    })
}

/// A number as it is written: so many digits, times a power of ten.
struct Digits {
    number: i128,
    /// The power of ten that its last digit stands for.
    power: i64,
    /// That it is written with an exponent.
    is_scientific: bool,
}

impl Digits {
    fn read(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (text, None),
        };
        let power: i64 = match exponent {
            Some(exponent) if exponent.len() <= 4 => exponent.parse().ok()?,
            Some(_) => return None,
            None => 0,
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = whole.strip_prefix('-').unwrap_or(whole);
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if digits.is_empty()
            || !is_number(digits)
            || !is_number(fraction)
            || mantissa.ends_with('.')
            || digits.len() + fraction.len() > MOST_DIGITS
        {
            return None;
        }
        let number = format!("{whole}{fraction}").parse().ok()?;
        let power = power - i64::try_from(fraction.len()).ok()?;
        (power.abs() <= FARTHEST).then_some(Self {
            number,
            power,
            is_scientific: exponent.is_some(),
        })
    }

    /// The one spelling of all that mean the same: how precise it is written counts where numbers are
    /// rounded to it, and else does not.
    fn spelled(&self, is_rounded: bool) -> String {
        let (mut number, mut power) = (self.number, self.power);
        if is_rounded && !self.is_scientific {
            let fraction = usize::try_from(-power).unwrap_or_default();
            let sign = if number < 0 { "-" } else { "" };
            let digits = format!("{:0width$}", number.unsigned_abs(), width = fraction + 1);
            let (whole, fraction) = digits.split_at(digits.len() - fraction);
            let point = if fraction.is_empty() { "" } else { "." };
            return format!("{sign}{whole}{point}{fraction}");
        }
        if !is_rounded {
            while number % 10 == 0 && number != 0 && power < FARTHEST {
                (number, power) = (number / 10, power + 1);
            }
            if number == 0 {
                power = 0;
            }
        }
        format!("{number}e{power}")
    }

    /// From half a unit of its last digit below it to half of one above; with an exponent a tenth
    /// of that, as FHIR's example has it: 1e2 is from 95 to 105.
    fn rounded(&self) -> (String, String) {
        let (finer, power) = match self.is_scientific {
            true => (100, self.power - 2),
            false => (10, self.power - 1),
        };
        let number = self.number * finer;
        (
            format!("{}e{power}", number - 5),
            format!("{}e{power}", number + 5),
        )
    }

    /// From a tenth below it to a tenth above.
    fn near(&self) -> (String, String) {
        let (number, tenth) = (self.number * 10, self.number.abs());
        let power = self.power - 1;
        (
            format!("{}e{power}", number - tenth),
            format!("{}e{power}", number + tenth),
        )
    }
}
