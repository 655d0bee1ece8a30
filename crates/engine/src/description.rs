//! What the catalog holds of a profile: rows of plain text, the compiler's only input.
//!
//! A native definition and a FHIR StructureDefinition both come down to this form.

use std::fmt;

/// What a described thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A profile with a table of its own (`"type": "ROOT"`).
    Root,
    /// A profile of contained resources (`"type": "CONTAINED"`).
    Contained,
    /// A named type that profiles share.
    Type,
    /// A profile of FHIR, in FHIR's sense: it constrains a type for those that claim to conform.
    Constraint,
    /// The properties of a relationship definition.
    Relationship,
}

impl Kind {
    /// As a definition spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "ROOT",
            Self::Contained => "CONTAINED",
            Self::Type => "TYPE",
            Self::Constraint => "CONSTRAINT",
            Self::Relationship => "RELATIONSHIP",
        }
    }

    /// Reads what [`Kind::as_str`] writes, in upper or lower case.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Root,
            Self::Contained,
            Self::Type,
            Self::Constraint,
            Self::Relationship,
        ];
        all.into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }
}

/// Whose types and whose JSON a description speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// The types of the native definitions; null counts as absent.
    #[default]
    Native,
    /// The types of FHIR R4, and FHIR's JSON: primitive extensions, nulls only to align arrays,
    /// nothing empty.
    Fhir,
}

/// How many there may be: `0:1`, `1:1`, `0:*`, `1:*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cardinality {
    /// At least one.
    pub required: bool,
    /// More than one.
    pub many: bool,
}

impl Cardinality {
    /// Reads the four spellings; `..` is accepted for the colon.
    pub fn parse(text: &str) -> Option<Self> {
        let (low, high) = text.split_once(':').or_else(|| text.split_once(".."))?;
        let required = match low {
            "0" => false,
            "1" => true,
            _ => return None,
        };
        let many = match high {
            "1" => false,
            "*" => true,
            _ => return None,
        };
        Some(Self { required, many })
    }
}

impl fmt::Display for Cardinality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let low = if self.required { '1' } else { '0' };
        let high = if self.many { '*' } else { '1' };
        write!(f, "{low}:{high}")
    }
}

/// One property of a profile: a row of `ingest.property`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Where it stands: `address.city`; the elements of an array have `[]`: `specialities[]`,
    /// `name[].given[]`; empty for the root, which needs a row only if it has settings.
    pub path: String,
    /// Its place among the profile's properties, from 0; a parent comes before its children.
    pub ordinal: i32,
    /// The name of its type (`symbol`, `array`, `HumanName`); `#path` for a content reference to
    /// another property of the same profile. In FHIR's format the primitive types have FHIR's
    /// names, `System.String`, `System.Id` (of an element) and `System.Uri` are strings that can
    /// have no companion, and `Resource` is a resource that is judged by its own `resourceType`.
    pub kind: String,
    /// Everything else of its definition, an object as JSONB:
    /// `{"rules": [{"required": true}], "additionalProperties": true}`. Beyond what a definition
    /// can say (`rules`, `additionalProperties`, `binding`, `target`, `enforce`) a row can hold
    /// * `choice`: the property is a variant of `value[x]` (`"value"`); if one variant is
    ///   required, one of them must stand,
    /// * `fixed`: the value that it must be; `pattern`: the value that it must hold,
    /// * `invariants`, of an object: `[{"ordered": [a, b]}, {"requires": [a, b]}, {"some": [a, …]}]`,
    ///   and of any element of FHIR `{"key", "severity", "human", "expression"}`, in FHIRPath,
    /// * of a [constraint](Kind::Constraint): `profiles`, the URLs of others of which the element
    ///   conforms to one; `type`, the type whose elements are told again below; `resource`, of the
    ///   root, the type of the resource; `slicing`, of an array: `{"rules": "open", "ordered": false,
    ///   "discriminators": [{"type": "value", "path": "url"}], "slices": [{"name": "race", "min": 0,
    ///   "max": 1}]}`. The rows of the items of a slice stand under `<path>:<name>[]`.
    pub settings: Vec<u8>,
}

/// One key of `contained`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contained {
    /// The key.
    pub key: String,
    /// The profiles that its items may have, at least one.
    pub types: Vec<String>,
    /// How many items.
    pub cardinality: Cardinality,
}

/// One profile, named type or relationship, as the catalog holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its name, the first segment of every expression.
    pub name: String,
    /// The version of the definition.
    pub version: i32,
    /// What it is.
    pub kind: Kind,
    /// Whose types and JSON it speaks of.
    pub format: Format,
    /// The type that it is derived from; none of what is native.
    pub base: Option<String>,
    /// The URLs of the constraints that all its resources conform to.
    pub profiles: Vec<String>,
    /// Whether the root may hold properties that are not named.
    pub additional_properties: bool,
    /// Its properties, by ordinal.
    pub properties: Vec<Property>,
    /// Its contained resources.
    pub contained: Vec<Contained>,
}
