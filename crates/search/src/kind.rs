//! The types of search parameters: FHIR R4, section 3.1.1.4.

/// The type of a search parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "FHIR names them so")]
pub enum Kind {
    Number,
    Date,
    String,
    Token,
    Reference,
    Quantity,
    Uri,
}

const NAMES: [(&str, Kind); 7] = [
    ("number", Kind::Number),
    ("date", Kind::Date),
    ("string", Kind::String),
    ("token", Kind::Token),
    ("reference", Kind::Reference),
    ("quantity", Kind::Quantity),
    ("uri", Kind::Uri),
];

impl Kind {
    /// The type of this name; `composite` and `special` are none.
    pub fn parse(name: &str) -> Option<Self> {
        let known = NAMES.iter().find(|(known, _)| *known == name);
        known.map(|(_, kind)| *kind)
    }

    /// As FHIR names it.
    pub fn as_str(self) -> &'static str {
        let known = NAMES.iter().find(|(_, kind)| *kind == self);
        known.map_or("", |(name, _)| name)
    }

    /// The modifiers that it takes, beside those that are names of types.
    pub(crate) fn modifiers(self) -> &'static [&'static str] {
        match self {
            Self::String => &["exact", "contains", "missing"],
            Self::Token => &["not", "of-type", "missing"],
            Self::Reference => &["identifier", "missing"],
            Self::Uri => &["below", "above", "missing"],
            Self::Number | Self::Date | Self::Quantity => &["missing"],
        }
    }
}
