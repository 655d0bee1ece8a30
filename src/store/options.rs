//! The options of a source: what `source_create` was given, and the catalog keeps.

use ingest_engine::Format;
use ingest_engine::envelope::Created;
use jsonb::{Malformed, Value};

/// The options of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whose types and whose JSON it speaks of.
    pub format: Format,
    /// Where its resources say when they were created.
    pub created: Created,
    /// Whose id a resource gets that is created by FHIR's HTTP.
    pub create_id: CreateId,
}

/// Whose id a resource gets that is created by FHIR's HTTP. SQL's verbs take that of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateId {
    /// One that is made, whatever the body says: <https://hl7.org/fhir/R4/http.html#create>.
    Server,
    /// That of the body, if it has one.
    Body,
}

/// Why options are none.
#[derive(Debug, PartialEq, Eq)]
pub enum Mistake<'a> {
    /// They are not an object.
    NoObject,
    /// There is no such option.
    Key(&'a [u8]),
    /// The option has a value that is not known.
    Value(&'static str),
    /// The option is for a source of FHIR.
    OfFhir(&'static str),
}

impl Options {
    /// Reads options, of which each has a default.
    pub fn read(options: Value<'_>) -> Result<Result<Self, Mistake<'_>>, Malformed> {
        let Value::Object(object) = options else {
            return Ok(Err(Mistake::NoObject));
        };
        let mut read = Self {
            format: Format::Native,
            created: Created::Nowhere,
            create_id: CreateId::Server,
        };
        let mut of_fhir = None;
        for member in object.iter() {
            match member? {
                (b"format", Value::String(b"native")) => {}
                (b"format", Value::String(b"fhir")) => read.format = Format::Fhir,
                (b"format", _) => return Ok(Err(Mistake::Value("format"))),
                (b"meta", value) => {
                    of_fhir = Some("meta");
                    read.created = match value {
                        Value::String(b"aidbox") => Created::Member,
                        Value::String(b"extension") => Created::Extension,
                        _ => return Ok(Err(Mistake::Value("meta"))),
                    };
                }
                (b"create_id", value) => {
                    of_fhir = Some("create_id");
                    read.create_id = match value {
                        Value::String(b"server") => CreateId::Server,
                        Value::String(b"body") => CreateId::Body,
                        _ => return Ok(Err(Mistake::Value("create_id"))),
                    };
                }
                // Searches ask the catalog for it.
                (b"base_url", value) => {
                    of_fhir = Some("base_url");
                    if !matches!(value, Value::String(url) if url.starts_with(b"http")) {
                        return Ok(Err(Mistake::Value("base_url")));
                    }
                }
                (key, _) => return Ok(Err(Mistake::Key(key))),
            }
        }
        Ok(match (read.format, of_fhir) {
            (Format::Native, Some(option)) => Err(Mistake::OfFhir(option)),
            _ => Ok(read),
        })
    }
}
