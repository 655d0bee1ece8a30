//! A compiled profile: immutable, and laid out in the order in which documents are stored.

use crate::base::Width;
use crate::description::{Cardinality, Kind};
use crate::invariant::Relation;
use crate::jsonb::Value;
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
    /// It is FHIR's JSON: null and emptiness are refused, primitives have companions.
    pub(crate) fhir: bool,
    /// What must hold between its members.
    pub(crate) relations: Box<[Relation]>,
    /// Its choices, `value[x]`.
    pub(crate) choices: Box<[Choice]>,
}

/// A choice of members, of which at most one stands.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) name: Box<str>,
    /// One must stand.
    pub(crate) required: bool,
}

/// A property of an object.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: Box<str>,
    pub(crate) element: Element,
    /// Beyond its own element; `None` for all members of native profiles.
    pub(crate) role: Option<Box<Role>>,
}

/// The part that a member of a FHIR object plays beside others.
#[derive(Debug)]
pub(crate) struct Role {
    /// Its choice and its variant there, each from 0.
    pub(crate) variant: Option<(usize, usize)>,
    /// The member that must stand with it: `_birthDate` for `birthDate`, and the other way round.
    pub(crate) companion: Option<Box<str>>,
}

/// Whether an element must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Presence {
    #[default]
    Optional,
    Required,
    /// If its rules say so.
    Asked,
}

/// What a value must be.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub(crate) node: Node,
    pub(crate) presence: Presence,
    /// Beyond its type; `None` where there is nothing to check.
    pub(crate) rules: Option<Box<Rules>>,
}

impl Element {
    /// Whether the value is a string of a type without more rules, and is right: the most common
    /// element by far, for which nothing else is called.
    #[inline]
    pub(crate) fn accepts_plainly(&self, value: Value<'_>) -> bool {
        match (&self.node, value, &self.rules) {
            (Node::Text(lexical), Value::String(text), None) => lexical.accepts(text),
            _ => false,
        }
    }
}

/// The type of an element.
#[derive(Debug, Default)]
pub(crate) enum Node {
    #[default]
    Any,
    Boolean,
    Integer(Width),
    Decimal,
    Text(Lexical),
    /// An array and what its elements must be.
    Array(Box<Element>),
    /// An array of FHIR: null only where it stands beside a companion.
    Aligned(Box<Element>),
    /// An object, by its place in [`Profile::shapes`].
    Object(usize),
    /// A named type.
    Named(Slot),
    /// A resource, judged by its own `resourceType`.
    Resource,
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

/// Whether two names are the same. Most are short: a few overlapping words are compared, and no
/// function is called.
#[inline]
pub(crate) fn is_same(left: &[u8], right: &[u8]) -> bool {
    #[inline]
    fn ends<const N: usize>(left: &[u8], right: &[u8]) -> bool {
        left.first_chunk::<N>() == right.first_chunk::<N>()
            && left.last_chunk::<N>() == right.last_chunk::<N>()
    }
    left.len() == right.len()
        && match left.len() {
            0 => true,
            1 => left[0] == right[0],
            2..4 => ends::<2>(left, right),
            4..8 => ends::<4>(left, right),
            8..=16 => ends::<8>(left, right),
            _ => left == right,
        }
}
