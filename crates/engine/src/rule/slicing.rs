//! Slicing: the items of an array told apart, each kind with rules of its own.
//! <https://hl7.org/fhir/R4/profiling.html#slicing>

use super::{Binding, Exact, is_from};
use crate::definition::expect::{self, mistake};
use crate::issue::{Code, Report};
use crate::profile::Element;
use crate::schema::{Known, Schema};
use crate::trail::Trail;
use jsonb::{Malformed, Value, steps};

/// How the slices of an array may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Other items may stand among them.
    Open,
    /// Other items may stand behind them.
    OpenAtEnd,
    /// There are no other items.
    Closed,
}

/// A slicing as it was read.
#[derive(Debug)]
pub(crate) struct SlicingSetting {
    pub(crate) order: Order,
    pub(crate) ordered: bool,
    /// Type and path of each.
    pub(crate) discriminators: Vec<(String, String)>,
    pub(crate) slices: Vec<SliceSetting>,
}

/// A slice as it was read.
#[derive(Debug, Default)]
pub(crate) struct SliceSetting {
    pub(crate) name: String,
    pub(crate) min: usize,
    pub(crate) max: Option<usize>,
}

/// A compiled slicing.
#[derive(Debug)]
pub(crate) struct Slicing {
    pub(crate) order: Order,
    pub(crate) ordered: bool,
    pub(crate) slices: Box<[Slice]>,
}

/// One kind of items.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) name: Box<str>,
    pub(crate) min: usize,
    pub(crate) max: Option<usize>,
    /// An item of it keeps to all of them.
    pub(crate) discriminators: Box<[Discriminator]>,
    /// What an item of it must be.
    pub(crate) element: Element,
}

/// What tells an item of a slice.
#[derive(Debug)]
pub(crate) struct Discriminator {
    /// The names on the way to what is looked at; none for the item itself.
    pub(crate) path: Box<[Box<str>]>,
    pub(crate) told: Told,
}

/// By what it is told.
#[derive(Debug)]
pub(crate) enum Told {
    /// By a value, or by what it holds.
    Exact(Exact),
    /// By the vocabulary that it is from.
    Binding(Binding),
    /// By being there or not.
    Exists(bool),
}

impl Slice {
    /// Whether an item is of it.
    pub(crate) fn is(&self, schema: &Schema, item: Value<'_>) -> Result<bool, Malformed> {
        for discriminator in &self.discriminators {
            if !discriminator.tells(schema, item)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Discriminator {
    fn tells(&self, schema: &Schema, item: Value<'_>) -> Result<bool, Malformed> {
        let mut met = false;
        let told = any(item, &self.path, &mut |value| {
            met = true;
            match &self.told {
                Told::Exact(exact) => exact.accepts(value),
                Told::Binding(binding) => match schema.vocabulary(binding.vocabulary) {
                    Known::Yes(vocabulary) => is_from(vocabulary, binding, value),
                    _ => Ok(false),
                },
                Told::Exists(_) => Ok(true),
            }
        })?;
        Ok(match self.told {
            Told::Exists(exists) => exists == met,
            _ => told,
        })
    }
}

/// Whether any value at a path is accepted; arrays are gone through.
fn any(
    value: Value<'_>,
    path: &[Box<str>],
    accepts: &mut dyn FnMut(Value<'_>) -> Result<bool, Malformed>,
) -> Result<bool, Malformed> {
    steps::take(1)?;
    match (value, path.split_first()) {
        (Value::Array(array), _) => {
            for item in array.iter() {
                if any(item?, path, accepts)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        (value, None) => accepts(value),
        (Value::Object(object), Some((name, rest))) => match object.get(name.as_bytes())? {
            Some(value) => any(value, rest, accepts),
            None => Ok(false),
        },
        _ => Ok(false),
    }
}

/// Reads `{"rules", "ordered", "discriminators": [{"type", "path"}], "slices": [{"name", "min",
/// "max", "path"}]}`.
pub(super) fn read_slicing(
    value: Value<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<SlicingSetting>, Malformed> {
    let Some(object) = expect::object(value, at, report) else {
        return Ok(None);
    };
    let mut slicing = SlicingSetting {
        order: Order::Open,
        ordered: false,
        discriminators: Vec::new(),
        slices: Vec::new(),
    };
    for member in object.iter() {
        let (key, value) = member?;
        let at = at.name(key);
        match key {
            b"rules" => match expect::string(value, &at, report)? {
                Some("closed") => slicing.order = Order::Closed,
                Some("openAtEnd") => slicing.order = Order::OpenAtEnd,
                Some("open") | None => {}
                Some(_) => mistake(
                    report,
                    Code::Value,
                    &at,
                    "expected open, closed or openAtEnd",
                ),
            },
            b"ordered" => {
                slicing.ordered = expect::boolean(value, &at, report).unwrap_or_default();
            }
            b"discriminators" => {
                for item in expect::array(value, &at, report)
                    .iter()
                    .flat_map(|all| all.iter())
                {
                    let Some(object) = expect::object(item?, &at, report) else {
                        continue;
                    };
                    let mut text = |name: &[u8]| match object.get(name)? {
                        Some(value) => expect::string(value, &at, report),
                        None => Ok(None),
                    };
                    let (kind, path) = (text(b"type")?, text(b"path")?);
                    let owned = |text: Option<&str>| text.unwrap_or_default().to_owned();
                    slicing.discriminators.push((owned(kind), owned(path)));
                }
            }
            b"slices" => {
                for item in expect::array(value, &at, report)
                    .iter()
                    .flat_map(|all| all.iter())
                {
                    if let Some(object) = expect::object(item?, &at, report) {
                        slicing.slices.push(read_slice(object, &at, report)?);
                    }
                }
            }
            _ => expect::unknown(
                report,
                &at,
                key,
                &["rules", "ordered", "discriminators", "slices"],
            ),
        }
    }
    Ok(Some(slicing))
}

fn read_slice(
    object: jsonb::Object<'_>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<SliceSetting, Malformed> {
    let mut slice = SliceSetting::default();
    for member in object.iter() {
        let (key, value) = member?;
        let at = at.name(key);
        match key {
            b"name" => {
                slice.name = expect::string(value, &at, report)?
                    .unwrap_or_default()
                    .to_owned();
            }
            b"min" => slice.min = expect::size(value, &at, report).unwrap_or_default(),
            b"max" => slice.max = expect::size(value, &at, report),
            // It says itself where its rows stand.
            b"path" => {}
            _ => expect::unknown(report, &at, key, &["name", "min", "max", "path"]),
        }
    }
    Ok(slice)
}
