//! Items: what a collection holds. Nothing of a resource is copied.

use crate::types::{System, Type};
use jsonb::{Number, Object, Value};
use std::rc::Rc;

/// An item of a collection.
#[derive(Debug, Clone)]
pub enum Item<'v> {
    /// An element of a resource, or a resource.
    Node(Node<'v>),
    /// A Boolean of FHIRPath.
    Boolean(bool),
    /// An Integer of FHIRPath.
    Integer(i64),
    /// A Decimal of FHIRPath.
    Decimal(Number<'v>),
    /// A String of FHIRPath.
    String(Text<'v>),
    /// A Date, DateTime or Time of FHIRPath, as it is written behind `@` or `@T`.
    Moment(System, &'v str),
    /// A Quantity of FHIRPath: number and unit.
    Quantity(Number<'v>, &'v str),
}

/// A string of a resource or an expression, or one that was made from them. UTF-8, as far as the
/// resource is.
#[derive(Debug, Clone)]
pub enum Text<'v> {
    /// As it stands there.
    There(&'v [u8]),
    /// Made.
    Made(Rc<Vec<u8>>),
}

impl Text<'_> {
    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::There(bytes) => bytes,
            Self::Made(bytes) => bytes,
        }
    }
}

/// An element: its value, or its companion, or both.
#[derive(Debug, Clone, Copy)]
pub struct Node<'v> {
    pub(crate) value: Option<Value<'v>>,
    pub(crate) companion: Companion<'v>,
    pub(crate) kind: Type,
}

/// The companion of a primitive element, which is looked for when somebody asks for it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Companion<'v> {
    None,
    There(Object<'v>),
    /// Under this key of the parent; in an array, at this place.
    Beside(Object<'v>, &'v str, Option<usize>),
}

impl<'v> Node<'v> {
    /// A resource, or an element without companion.
    pub fn new(value: Value<'v>, kind: Type) -> Self {
        Self {
            value: Some(value),
            companion: Companion::None,
            kind,
        }
    }

    /// A primitive element; one of value and companion must be there.
    pub fn primitive(value: Option<Value<'v>>, companion: Option<Object<'v>>, kind: Type) -> Self {
        Self {
            value,
            companion: companion.map_or(Companion::None, Companion::There),
            kind,
        }
    }

    /// The value, if it has one.
    pub fn value(&self) -> Option<Value<'v>> {
        self.value
    }

    /// The type that it was found as.
    pub fn kind(&self) -> Type {
        self.kind
    }
}
