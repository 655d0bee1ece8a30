//! A compiled profile: immutable, and laid out in the order in which documents are stored.

use crate::base::Width;
use crate::constraint::Constraint;
use crate::description::{Cardinality, Kind};
use crate::invariant::Relation;
use crate::lexical::Lexical;
use crate::rule::{Rules, Subject};
use crate::schema::Slot;
use jsonb::{Malformed, Number, Value};
use std::cell::Cell;
use std::cmp::Ordering;

/// A compiled profile, named type or relationship.
#[derive(Debug)]
pub struct Profile {
    pub(crate) name: String,
    pub(crate) version: i32,
    pub(crate) kind: Kind,
    /// The type that it is derived from.
    pub(crate) base: Option<Box<str>>,
    /// The constraints that its resources conform to.
    pub(crate) profiles: Box<[Slot]>,
    /// It is a number with a unit.
    pub(crate) is_quantity: bool,
    /// Whether all that it leads to is in its schema.
    pub(crate) is_ready: Cell<bool>,
    /// The slices that are not checked, because nothing tells them from other items.
    pub(crate) untold: Box<[String]>,
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

    /// The members in which an element of its resources stands, and whether each of them has it: of
    /// `value`, `valueQuantity` and the like.
    pub fn elements(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        self.shapes.first().into_iter().flat_map(|shape| {
            shape.members.iter().map(|member| {
                let choice = member.role.as_ref().and_then(|role| role.variant);
                let choice = choice.and_then(|(choice, _)| shape.choices.get(choice));
                let name = choice.and_then(|choice| choice.name.strip_suffix("[x]"));
                let is_there = member.element.presence == Presence::Required
                    || choice.is_some_and(|choice| choice.required);
                (&*member.name, name.unwrap_or(&member.name), is_there)
            })
        })
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether its JSON is FHIR's.
    #[inline]
    pub(crate) fn is_fhir(&self) -> bool {
        self.shapes
            .first()
            .is_some_and(|shape| shape.json.is_fhir())
    }
}

/// What an object may hold.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// The name of the built-in type that it is, if it is one.
    pub(crate) name: Option<Box<str>>,
    /// The built-in type whose members it has, with more rules or without.
    pub(crate) built_in: Option<&'static str>,
    /// Sorted as documents are: by length, then by bytes.
    pub(crate) members: Box<[Member]>,
    /// The places of those that may have to be there.
    pub(crate) needed: Box<[usize]>,
    /// For each length of a name, the place of the first member whose name is not shorter.
    pub(crate) by_length: Box<[usize]>,
    /// Members that are not named are accepted, whatever they are.
    pub(crate) open: bool,
    pub(crate) json: Json,
    /// What must hold between its members.
    pub(crate) relations: Box<[Relation]>,
    /// The same, in FHIRPath.
    pub(crate) constraints: Box<[Constraint]>,
    /// Its choices, `value[x]`.
    pub(crate) choices: Box<[Choice]>,
    /// The members of its type that it has not: a path to one leads to nothing.
    pub(crate) prohibited: Box<[String]>,
}

impl Shape {
    /// With these members, sorted as documents are.
    pub(crate) fn of(members: Vec<Member>) -> Self {
        let needed = members.iter().enumerate();
        let needed = needed.filter(|(_, member)| member.element.presence != Presence::Optional);
        let longest = members.last().map_or(0, |member| member.name.len());
        let by_length = (0..=longest)
            .map(|len| members.partition_point(|member| member.name.len() < len))
            .collect();
        Self {
            needed: needed.map(|(place, _)| place).collect(),
            by_length,
            members: members.into(),
            ..Self::default()
        }
    }

    /// The place of the first member whose name is at least so long.
    #[inline]
    pub(crate) fn first_as_long(&self, len: usize) -> usize {
        self.by_length
            .get(len)
            .map_or(self.members.len(), |place| *place)
    }
}

/// Whose JSON an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Json {
    /// Null counts as absent.
    #[default]
    Native,
    /// FHIR's: null and emptiness are refused, primitives have companions. A resource.
    Resource,
    /// An element, which is more than its id.
    Element,
    /// An extension, which has a value or extensions.
    Extension,
}

impl Json {
    #[inline]
    pub(crate) fn is_fhir(self) -> bool {
        self != Self::Native
    }
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
    pub(crate) mark: Mark,
    /// A bit of its own among the first 64 members.
    pub(crate) bit: u64,
    pub(crate) name: Box<str>,
    pub(crate) element: Element,
    /// Beyond its own element; `None` for all members of native profiles.
    pub(crate) role: Option<Box<Role>>,
}

impl Member {
    pub(crate) fn new(name: &str, element: Element, role: Option<Box<Role>>) -> Self {
        Self {
            mark: Mark::new(name.as_bytes()),
            bit: 0,
            name: name.into(),
            element,
            role,
        }
    }

    /// As an expression names it.
    pub(crate) fn shown(&self) -> &str {
        match &self.role {
            Some(role) => &role.shown,
            None => &self.name,
        }
    }

    /// The order in which this member and one of that name are stored.
    #[inline]
    pub(crate) fn order(&self, mark: &Mark, name: &[u8]) -> Ordering {
        // Most members that are passed are shorter, and most others are the one.
        if self.mark.len < mark.len {
            Ordering::Less
        } else if self.mark == *mark && mark.len <= 16 {
            Ordering::Equal
        } else {
            self.mark.order(self.name.as_bytes(), mark, name)
        }
    }
}

/// The part that a member of a FHIR object plays beside others.
#[derive(Debug)]
pub(crate) struct Role {
    /// Its choice and its variant there, each from 0.
    pub(crate) variant: Option<(usize, usize)>,
    /// The member that must stand with it: `_birthDate` for `birthDate`, and the other way round.
    pub(crate) companion: Option<Box<str>>,
    /// How FHIRPath names it: `value.ofType(Quantity)` for `valueQuantity`.
    pub(crate) shown: Box<str>,
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
    /// Whether the value is a scalar of the right type that keeps to all rules, whatever their
    /// conditions. That is most of what documents are made of, and nothing else is called for it;
    /// what is not accepted here is judged again, with its place.
    #[inline(always)]
    pub(crate) fn accepts(&self, value: &Value<'_>) -> Result<bool, Malformed> {
        match (value, &self.node) {
            (Value::String(text), Node::Text(lexical)) => Ok(lexical.accepts(text)
                && match &self.rules {
                    None => true,
                    Some(rules) => rules.accept_all(&lexical.subject(text))?,
                }),
            (Value::Number(number), Node::Integer(width)) => {
                Ok(width.accepts(number) && self.keeps_rules(number)?)
            }
            (Value::Number(number), Node::Decimal) => self.keeps_rules(number),
            (Value::Bool(_), Node::Boolean) => Ok(self.rules.is_none()),
            _ => Ok(false),
        }
    }

    #[inline]
    fn keeps_rules(&self, number: &Number<'_>) -> Result<bool, Malformed> {
        match &self.rules {
            None => Ok(true),
            Some(rules) => rules.accept_all(&Subject::number(*number)),
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

/// A name in a form that is compared in a few steps: its length, and its first and last bytes. Up
/// to 16 bytes that is all there is of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    len: usize,
    first: u64,
    last: u64,
}

impl Mark {
    #[inline]
    pub(crate) fn new(name: &[u8]) -> Self {
        let (first, last) =
            if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
                (u64::from_be_bytes(*first), u64::from_be_bytes(*last))
            } else if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
                let (first, last) = (u32::from_be_bytes(*first), u32::from_be_bytes(*last));
                (first.into(), last.into())
            } else {
                (
                    0,
                    name.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)),
                )
            };
        Self {
            len: name.len(),
            first,
            last,
        }
    }

    /// Whether two names are the same.
    #[inline]
    pub(crate) fn is_of(&self, name: &[u8], other: &Self, other_name: &[u8]) -> bool {
        self == other && (self.len <= 16 || name == other_name)
    }

    /// The order in which two names are stored.
    #[inline]
    pub(crate) fn order(&self, name: &[u8], other: &Self, other_name: &[u8]) -> Ordering {
        match self.len.cmp(&other.len) {
            Ordering::Equal if self.len > 16 => name.cmp(other_name),
            Ordering::Equal => (self.first, self.last).cmp(&(other.first, other.last)),
            unequal => unequal,
        }
    }
}

/// Whether two short texts are the same: a few overlapping words are compared, and no function is
/// called.
#[inline]
pub(crate) fn is_same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && match left.len() {
            0..=16 => Mark::new(left) == Mark::new(right),
            _ => left == right,
        }
}
