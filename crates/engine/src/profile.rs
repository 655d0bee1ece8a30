//! A compiled profile: immutable, and laid out in the order in which documents are stored.

use crate::description::{Cardinality, Kind};
use crate::lexical::Lexical;
use crate::rule::Rules;
use crate::schema::Slot;
use std::cmp::Ordering;

/// A compiled profile, named type or relationship.
#[derive(Debug)]
pub struct Profile {
    pub(crate) name: String,
    pub(crate) version: i32,
    pub(crate) kind: Kind,
    /// Its own place in the schema that compiled it.
    pub(crate) slot: Slot,
    /// Every object of the description; the first is the root.
    pub(crate) shapes: Vec<Shape>,
    /// Sorted as documents are.
    pub(crate) contained: Box<[ContainedKey]>,
}

impl Profile {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of the definition that it was compiled from.
    pub fn version(&self) -> i32 {
        self.version
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// What an object may hold.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// Sorted as documents are: by length, then by bytes.
    pub(crate) members: Box<[Member]>,
    /// Members that are not named are accepted, whatever they are.
    pub(crate) open: bool,
}

/// A property of an object.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: Box<str>,
    pub(crate) required: bool,
    pub(crate) element: Element,
}

/// What a value must be.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) node: Node,
    /// Beyond its type; `None` where there is nothing to check.
    pub(crate) rules: Option<Box<Rules>>,
}

/// The type of an element.
#[derive(Debug)]
pub(crate) enum Node {
    Any,
    Boolean,
    Integer(i64, i64),
    Decimal,
    Text(Lexical),
    /// An array and what its elements must be.
    Array(Box<Element>),
    /// An object, by its place in [`Profile::shapes`].
    Object(usize),
    /// A named type.
    Named(Slot),
}

/// A key of `contained`.
#[derive(Debug)]
pub(crate) struct ContainedKey {
    pub(crate) key: Box<str>,
    pub(crate) cardinality: Cardinality,
    pub(crate) types: Box<[ContainedType]>,
}

/// A profile that the items of a contained key may have.
#[derive(Debug)]
pub(crate) struct ContainedType {
    pub(crate) name: Box<str>,
    pub(crate) slot: Slot,
}

/// The order in which an object's members are stored.
#[inline]
pub(crate) fn stored_order(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}
