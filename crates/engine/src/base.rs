//! The names of types: what a property's `type` can be.

use crate::description::Format;
use crate::lexical::Lexical;
use jsonb::Number;

/// The whole numbers of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// 64 bits.
    Long,
    /// 32 bits.
    Int,
    /// 31 bits, at least 0.
    Unsigned,
    /// 31 bits, at least 1.
    Positive,
}

impl Width {
    /// The least and the greatest.
    pub(crate) fn bounds(self) -> (i64, i64) {
        let high = i64::from(i32::MAX);
        match self {
            Self::Long => (i64::MIN, i64::MAX),
            Self::Int => (i64::from(i32::MIN), high),
            Self::Unsigned => (0, high),
            Self::Positive => (1, high),
        }
    }

    /// Whether a number is one of them, and written as one.
    #[inline]
    pub(crate) fn accepts(self, number: &Number<'_>) -> bool {
        let (low, high) = self.bounds();
        let whole = number.as_written_i64();
        whole.is_some_and(|whole| (low..=high).contains(&whole))
    }

    /// What a number of this type looks like.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Long => "expected integer",
            Self::Int => "expected integer of 32 bits",
            Self::Unsigned => "expected integer of 31 bits, at least 0",
            Self::Positive => "expected integer of 31 bits, at least 1",
        }
    }
}

/// What a property is made of, before its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Base {
    /// Any JSON value.
    Any,
    Boolean,
    /// A whole number.
    Integer(Width),
    Decimal,
    Text(Lexical),
    Array,
    Object,
    /// A resource, judged by its own `resourceType`.
    Resource,
    /// The type of another property of the same description, by its path.
    Content(String),
    /// A named type.
    Named(String),
}

impl Base {
    /// Reads a type's name. Any name that is not one of the format's own is a named type.
    pub(crate) fn parse(format: Format, name: &str) -> Self {
        if let Some(path) = name.strip_prefix('#') {
            return Self::Content(path.to_owned());
        }
        let own = match format {
            Format::Native => native(name),
            Format::Fhir => fhir(name),
        };
        own.unwrap_or_else(|| Self::Named(name.to_owned()))
    }

    /// Whether its values hold no others.
    pub(crate) fn is_primitive(&self) -> bool {
        matches!(
            self,
            Self::Boolean | Self::Integer(..) | Self::Decimal | Self::Text(_)
        )
    }
}

/// The types that a native definition can name, beside those that are built in as data.
pub(crate) const NATIVE: [&str; 15] = [
    "boolean", "integer", "decimal", "symbol", "code", "markdown", "xhtml", "uri", "url", "date",
    "datetime", "instant", "time", "object", "array",
];

fn native(name: &str) -> Option<Base> {
    Some(match name {
        "any" => Base::Any,
        "boolean" => Base::Boolean,
        "integer" => Base::Integer(Width::Long),
        "decimal" => Base::Decimal,
        "symbol" => Base::Text(Lexical::Symbol),
        "code" => Base::Text(Lexical::Code),
        "markdown" => Base::Text(Lexical::Markdown),
        "xhtml" => Base::Text(Lexical::Xhtml),
        "uri" => Base::Text(Lexical::Uri),
        "url" => Base::Text(Lexical::Url),
        "date" => Base::Text(Lexical::Date),
        "datetime" => Base::Text(Lexical::Datetime),
        "instant" => Base::Text(Lexical::Instant),
        "time" => Base::Text(Lexical::Time),
        "object" => Base::Object,
        "array" => Base::Array,
        "base64" => Base::Text(Lexical::Base64),
        "literal" => Base::Text(Lexical::Literal),
        _ => return None,
    })
}

fn fhir(name: &str) -> Option<Base> {
    Some(match name {
        "any" => Base::Any,
        "array" => Base::Array,
        "object" => Base::Object,
        "Resource" => Base::Resource,
        "boolean" => Base::Boolean,
        "integer" => Base::Integer(Width::Int),
        "unsignedInt" => Base::Integer(Width::Unsigned),
        "positiveInt" => Base::Integer(Width::Positive),
        "decimal" => Base::Decimal,
        "string" | "System.String" => Base::Text(Lexical::String),
        "code" => Base::Text(Lexical::Code),
        "markdown" => Base::Text(Lexical::Markdown),
        "xhtml" => Base::Text(Lexical::Narrative),
        "uri" | "System.Uri" => Base::Text(Lexical::UriReference),
        "url" => Base::Text(Lexical::Url),
        "canonical" => Base::Text(Lexical::Canonical),
        "oid" => Base::Text(Lexical::Oid),
        "uuid" => Base::Text(Lexical::Uuid),
        "id" => Base::Text(Lexical::Id),
        "System.Id" => Base::Text(Lexical::ElementId),
        "base64Binary" => Base::Text(Lexical::Base64),
        "date" => Base::Text(Lexical::Date),
        "dateTime" => Base::Text(Lexical::Datetime),
        "instant" => Base::Text(Lexical::Instant),
        "time" => Base::Text(Lexical::Time),
        _ => return None,
    })
}
