//! The lexical rules of the primitive types that JSON writes as strings: FHIR R4, "Data Types",
//! <https://hl7.org/fhir/R4/datatypes.html#primitive>.
//!
//! Each rule is a scan over bytes. None of them decodes UTF-8: bytes beyond ASCII are never
//! whitespace and never controls here, as in the regexes of XML Schema that FHIR uses.

mod binary;
mod code;
mod literal;
mod name;
mod string;
mod uri;
mod word;
mod xhtml;

pub(crate) use literal::{Literal, Pointing, literal, pointing};
pub(crate) use text::moment::{self, Fixed, Moment, datetime};
pub use text::moment::{first_instant, unix_time};

use crate::issue::{Code, Severity};
use crate::rule::Subject;
use text::narrative::{self, Wrong};

/// A primitive type that is written as a JSON string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lexical {
    Base64,
    Canonical,
    Code,
    Date,
    Datetime,
    /// The id of an element.
    ElementId,
    Id,
    Instant,
    Literal,
    Markdown,
    Narrative,
    Oid,
    String,
    Symbol,
    Time,
    Uri,
    UriReference,
    Url,
    Uuid,
    Xhtml,
}

impl Lexical {
    /// Whether the string is of this type.
    #[inline(always)]
    pub(crate) fn accepts(self, text: &[u8]) -> bool {
        // The two most common types, for which nothing is called.
        match self {
            Self::Symbol => string::is_string(text),
            Self::String => string::is_string(text) && string::is_short(text),
            Self::Code => code::is_code(text),
            _ => self.accepts_other(text),
        }
    }

    fn accepts_other(self, text: &[u8]) -> bool {
        match self {
            Self::Base64 => binary::is_base64(text),
            Self::Code => code::is_code(text),
            Self::Date => moment::is_date(text),
            Self::Datetime => moment::is_datetime(text),
            Self::ElementId => uri::is_uri(text) && string::is_short(text),
            Self::Id => name::is_id(text),
            Self::Instant => moment::is_instant(text),
            Self::Literal => literal(text).is_some(),
            Self::Markdown | Self::Symbol => string::is_string(text),
            Self::String => string::is_string(text) && string::is_short(text),
            Self::Narrative => narrative::wrong(text).is_none(),
            Self::Oid => name::is_oid(text),
            Self::Time => moment::is_time(text),
            Self::Canonical | Self::Uri | Self::Url => uri::is_uri(text),
            Self::UriReference => uri::is_uri_reference(text),
            Self::Uuid => name::is_uuid(text),
            Self::Xhtml => xhtml::is_xhtml(text),
        }
    }

    /// The name of the type in native definitions.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Canonical => "canonical",
            Self::Code => "code",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Id => "id",
            Self::Instant => "instant",
            Self::Literal => "literal",
            Self::Markdown => "markdown",
            Self::Oid => "oid",
            Self::ElementId | Self::String => "string",
            Self::Symbol => "symbol",
            Self::Time => "time",
            Self::Uri | Self::UriReference => "uri",
            Self::Url => "url",
            Self::Uuid => "uuid",
            Self::Narrative | Self::Xhtml => "xhtml",
        }
    }

    /// What is wrong with a string that is not of this type.
    pub(crate) fn wrong(self, text: &[u8]) -> (Severity, Code, &'static str) {
        let wrong = match self {
            Self::Narrative => narrative::wrong(text),
            _ => None,
        };
        match wrong {
            Some(Wrong::Content) => (
                Severity::Error,
                Code::Invariant,
                "txt-1: The narrative SHALL contain only the basic html formatting elements and attributes",
            ),
            // R4's own expression does not see it, and its examples break it.
            Some(Wrong::Empty) => (
                Severity::Warning,
                Code::Invariant,
                "txt-2: The narrative SHALL have some non-whitespace content",
            ),
            Some(Wrong::Form) | None => (Severity::Error, Code::Invalid, self.expected()),
        }
    }

    /// What a string of this type looks like.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Base64 => "expected base64",
            Self::Canonical => "expected canonical: a url and perhaps |version, no whitespace",
            Self::Code => "expected code: no whitespace but single spaces between words",
            Self::Date => "expected date: YYYY, YYYY-MM or YYYY-MM-DD",
            Self::Datetime => "expected datetime: a date, or YYYY-MM-DDThh:mm:ss with zone",
            Self::ElementId => "expected id of an element: 1 to 1048576 characters, no whitespace",
            Self::Id => "expected id: 1 to 64 letters, digits, hyphens and points",
            Self::Instant => "expected instant: YYYY-MM-DDThh:mm:ss with zone",
            Self::Literal => "expected reference: <type>/<id>, #<id> or an absolute uri",
            Self::Markdown => "expected markdown: at least one character, no controls",
            Self::Oid => "expected oid: urn:oid: and digits with points",
            Self::String => "expected string: 1 to 1048576 characters, no controls",
            Self::Symbol => "expected symbol: at least one character, no controls",
            Self::Time => "expected time: hh:mm:ss",
            Self::Uri => "expected uri: at least one character, no whitespace",
            Self::UriReference => {
                "expected uri: no whitespace, a UUID behind urn:uuid:, an OID behind urn:oid:"
            }
            Self::Url => "expected url: at least one character, no whitespace",
            Self::Uuid => "expected uuid: urn:uuid: and 32 hexadecimal digits in lower case",
            Self::Narrative => "expected xhtml: one div element with its namespace, well-formed",
            Self::Xhtml => "expected xhtml: a div element",
        }
    }

    /// Whether its values lie in time, and so compare as instants.
    #[inline]
    pub(crate) fn is_temporal(self) -> bool {
        matches!(
            self,
            Self::Date | Self::Datetime | Self::Instant | Self::Time
        )
    }
}

impl Lexical {
    /// A string of this type as rules see it.
    #[inline]
    pub(crate) fn subject(self, text: &[u8]) -> Subject<'_> {
        if !self.is_temporal() {
            return Subject::Text(text);
        }
        match moment(self, text) {
            Some(moment) => Subject::Moment(text, moment),
            None => Subject::Text(text),
        }
    }
}

/// The instants that a string of a temporal type can mean.
pub(crate) fn moment(lexical: Lexical, text: &[u8]) -> Option<Moment<'_>> {
    match lexical {
        Lexical::Date => moment::date(text),
        Lexical::Datetime => datetime(text),
        Lexical::Instant => moment::instant(text),
        Lexical::Time => moment::time(text),
        _ => None,
    }
}
