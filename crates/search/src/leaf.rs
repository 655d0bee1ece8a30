//! The types of values that search looks into.

use crate::kind::Kind;

/// What stands at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaf {
    Address,
    Boolean,
    Canonical,
    Code,
    CodeableConcept,
    Coding,
    ContactPoint,
    Date,
    DateTime,
    Decimal,
    /// Whether there is a value that is not false: `deceased.exists() and deceased != false`.
    Exists,
    HumanName,
    Id,
    Identifier,
    Instant,
    Integer,
    Money,
    Period,
    Quantity,
    Range,
    Reference,
    String,
    Timing,
    Uri,
}

/// Their names; a type comes before those that it is derived from.
const NAMES: [(&str, Leaf); 24] = [
    ("Address", Leaf::Address),
    ("boolean", Leaf::Boolean),
    ("canonical", Leaf::Canonical),
    ("code", Leaf::Code),
    ("CodeableConcept", Leaf::CodeableConcept),
    ("Coding", Leaf::Coding),
    ("ContactPoint", Leaf::ContactPoint),
    ("date", Leaf::Date),
    ("dateTime", Leaf::DateTime),
    ("decimal", Leaf::Decimal),
    ("exists", Leaf::Exists),
    ("HumanName", Leaf::HumanName),
    ("id", Leaf::Id),
    ("Identifier", Leaf::Identifier),
    ("instant", Leaf::Instant),
    ("integer", Leaf::Integer),
    ("Money", Leaf::Money),
    ("Period", Leaf::Period),
    ("Quantity", Leaf::Quantity),
    ("Range", Leaf::Range),
    ("Reference", Leaf::Reference),
    ("string", Leaf::String),
    ("Timing", Leaf::Timing),
    ("uri", Leaf::Uri),
];

impl Leaf {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let known = NAMES.iter().find(|(known, _)| *known == name);
        known.map(|(_, leaf)| *leaf)
    }

    pub(crate) fn as_str(self) -> &'static str {
        let known = NAMES.iter().find(|(_, leaf)| *leaf == self);
        known.map_or("", |(name, _)| name)
    }

    /// All of them with the names of their types.
    pub(crate) fn all() -> impl Iterator<Item = (&'static str, Self)> {
        NAMES.into_iter().filter(|(_, leaf)| *leaf != Self::Exists)
    }

    /// Whether it is a text to a token, whose case does not matter.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::ContactPoint | Self::String)
    }

    /// Whether parameters of this type look into it: the tables of FHIR R4, section 3.1.1.4.
    pub(crate) fn is_for(self, kind: Kind) -> bool {
        match kind {
            Kind::String => matches!(self, Self::String | Self::HumanName | Self::Address),
            Kind::Token => matches!(
                self,
                Self::Coding
                    | Self::CodeableConcept
                    | Self::Identifier
                    | Self::ContactPoint
                    | Self::Code
                    | Self::Boolean
                    | Self::Exists
                    | Self::Id
                    | Self::Uri
                    | Self::String
            ),
            Kind::Reference => matches!(self, Self::Reference | Self::Canonical | Self::Uri),
            Kind::Date => matches!(
                self,
                Self::Date | Self::DateTime | Self::Instant | Self::Period | Self::Timing
            ),
            Kind::Number => matches!(self, Self::Integer | Self::Decimal | Self::Range),
            Kind::Quantity => matches!(self, Self::Quantity | Self::Money | Self::Range),
            Kind::Uri => matches!(self, Self::Uri | Self::Canonical),
        }
    }
}
