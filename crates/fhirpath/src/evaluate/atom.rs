//! What an item is to operators: the value of FHIRPath that it is, or stands for.

use super::Run;
use crate::item::{Item, Node, Text};
use crate::plan::Kind;
use crate::refusal::Stop;
use crate::types::{Form, System, Type};
use ::text::moment::{Moment, partial_datetime, partial_time};
use jsonb::{Number, Object, Value};
use std::fmt::Write as _;

/// A value of FHIRPath.
pub(super) enum Atom<'a> {
    Boolean(bool),
    Integer(i64),
    Number(Number<'a>),
    String(&'a [u8]),
    /// A date or datetime.
    Date(Moment<'a>),
    Time(Moment<'a>),
    Quantity(Number<'a>, Unit<'a>),
}

/// The unit of a quantity.
#[derive(PartialEq, Eq)]
pub(super) enum Unit<'a> {
    /// One of UCUM, or of a calendar.
    Code(&'a [u8]),
    /// A code of another system, or words.
    Other(&'a [u8], &'a [u8]),
}

impl<'v> Run<'_, 'v> {
    /// The value of an item; `None` if it has none that operators know.
    #[inline]
    pub(super) fn atom<'a>(&self, item: &'a Item<'v>) -> Option<Atom<'a>> {
        match item {
            Item::Node(node) => self.node_atom(node),
            Item::Boolean(value) => Some(Atom::Boolean(*value)),
            Item::Integer(value) => Some(Atom::Integer(*value)),
            Item::Decimal(number) => Some(Atom::Number(*number)),
            Item::String(text) => Some(Atom::String(text.as_bytes())),
            Item::Moment(System::Time, text) => partial_time(text.as_bytes()).map(Atom::Time),
            Item::Moment(_, text) => partial_datetime(text.as_bytes()).map(Atom::Date),
            Item::Quantity(number, unit) => {
                Some(Atom::Quantity(*number, Unit::Code(unit.as_bytes())))
            }
        }
    }

    fn node_atom<'a>(&self, node: &Node<'a>) -> Option<Atom<'a>> {
        match (self.types.form(node.kind), node.value?) {
            (Form::Primitive(System::Date | System::DateTime), Value::String(text)) => {
                partial_datetime(text).map(Atom::Date)
            }
            (Form::Primitive(System::Time), Value::String(text)) => {
                partial_time(text).map(Atom::Time)
            }
            (Form::Primitive(_), Value::String(text)) => Some(Atom::String(text)),
            (Form::Primitive(_), Value::Bool(value)) => Some(Atom::Boolean(value)),
            (Form::Primitive(_), Value::Number(number)) => Some(Atom::Number(number)),
            (Form::Quantity, Value::Object(object)) => quantity(object),
            _ => None,
        }
    }

    pub(super) fn boolean(&self, item: &Item<'v>) -> Option<bool> {
        match self.atom(item) {
            Some(Atom::Boolean(value)) => Some(value),
            _ => None,
        }
    }

    pub(super) fn integer(&self, item: &Item<'v>) -> Option<i64> {
        match self.atom(item) {
            Some(Atom::Integer(value)) => Some(value),
            Some(Atom::Number(number)) => number.as_written_i64(),
            _ => None,
        }
    }

    pub(super) fn string<'a>(&self, item: &'a Item<'v>) -> Option<&'a [u8]> {
        match self.atom(item) {
            Some(Atom::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The text of an item that must be a string; `None` of an element without value.
    pub(super) fn text<'a>(&self, item: &'a Item<'v>) -> Result<Option<&'a [u8]>, Stop> {
        match item {
            Item::Node(node) if node.value.is_none() => Ok(None),
            _ => match self.string(item) {
                Some(text) => Ok(Some(text)),
                None => Err(Stop::Failed("one string")),
            },
        }
    }

    /// The same of an argument that may be missing.
    pub(super) fn text_or_none<'a>(
        &self,
        item: Option<&'a Item<'v>>,
    ) -> Result<Option<&'a [u8]>, Stop> {
        item.map_or(Ok(None), |item| self.text(item))
    }

    pub(super) fn has_value(&self, item: &Item<'v>) -> bool {
        match item {
            Item::Node(node) => {
                node.value.is_some() && matches!(self.types.form(node.kind), Form::Primitive(_))
            }
            _ => true,
        }
    }

    /// As `toString` shows it.
    pub(super) fn printed(&self, item: Item<'v>) -> Result<Option<Item<'v>>, Stop> {
        let text = match &item {
            Item::String(_) => return Ok(Some(item)),
            Item::Moment(_, text) => return Ok(Some(Item::String(Text::There(text.as_bytes())))),
            Item::Node(node) => match node.value {
                Some(Value::String(text)) => return Ok(Some(Item::String(Text::There(text)))),
                _ => None,
            },
            _ => None,
        };
        let text: Option<String> = text.or_else(|| match self.atom(&item)? {
            Atom::Boolean(value) => Some(value.to_string()),
            Atom::Integer(value) => Some(value.to_string()),
            _ => None,
        });
        if let Some(text) = text {
            return self.made(&[text.as_bytes()]).map(Some);
        }
        let mut text = String::new();
        let unit = match self.atom(&item) {
            Some(Atom::Number(number)) => {
                self.put_number(&mut text, number)?;
                None
            }
            Some(Atom::Quantity(number, Unit::Code(unit))) => {
                self.put_number(&mut text, number)?;
                Some(unit.to_vec())
            }
            _ => return Ok(None),
        };
        match unit {
            Some(unit) => self.made(&[text.as_bytes(), b" '", &unit, b"'"]),
            None => self.made(&[text.as_bytes()]),
        }
        .map(Some)
    }

    /// A short number can be a long text.
    fn put_number(&self, text: &mut String, number: Number<'_>) -> Result<(), Stop> {
        self.budget.take_bytes(number.text_len())?;
        jsonb::memory::reserve_text(text, number.text_len())?;
        write!(text, "{number}").map_err(|_| Stop::Failed("a number"))
    }

    /// The type of an element: a resource tells it.
    pub(super) fn kind(&self, node: &Node<'v>) -> Type {
        if self.types.form(node.kind) == Form::AnyResource
            && let Some(Value::Object(object)) = node.value
            && let Ok(Some(Value::String(name))) = object.get(b"resourceType")
            && let Ok(name) = std::str::from_utf8(name)
            && let Some(kind) = self.types.named(name)
        {
            return kind;
        }
        node.kind
    }

    pub(super) fn is(&self, item: &Item<'v>, kind: Kind) -> bool {
        let system = match item {
            Item::Node(node) => {
                return match kind {
                    Kind::Fhir(kind) => self.types.is(self.kind(node), kind),
                    Kind::System(_) => false,
                };
            }
            Item::Boolean(_) => System::Boolean,
            Item::Integer(_) => System::Integer,
            Item::Decimal(_) => System::Decimal,
            Item::String(_) => System::String,
            Item::Moment(system, _) => *system,
            Item::Quantity(..) => System::Quantity,
        };
        kind == Kind::System(system)
    }
}

const UCUM: &[u8] = b"http://unitsofmeasure.org";

fn quantity(object: Object<'_>) -> Option<Atom<'_>> {
    let text = |key: &[u8]| match object.get(key) {
        Ok(Some(Value::String(text))) => Some(text),
        _ => None,
    };
    let Ok(Some(Value::Number(number))) = object.get(b"value") else {
        return None;
    };
    let unit = match (text(b"system"), text(b"code")) {
        (Some(UCUM), Some(code)) => Unit::Code(code),
        (system, Some(code)) => Unit::Other(system.unwrap_or_default(), code),
        (_, None) => match text(b"unit") {
            Some(unit) => Unit::Other(b"", unit),
            None => Unit::Code(b"1"),
        },
    };
    Some(Atom::Quantity(number, unit))
}
