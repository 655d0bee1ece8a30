//! Which source a door leads to, and where it is: what `api_create` has written into its functions.

use crate::pg::{Error, Result, State};
use ingest_engine::envelope::Created;
use jsonb::Value;

/// `{"source": "fhir", "format": "fhir", "path": "/fhir", "base"?: "https://api.example.org/fhir",
/// "ways"?: "aidbox"}`
#[derive(Debug, Clone, Copy)]
pub struct Door<'a> {
    /// The source.
    pub source: &'a str,
    /// Whether it is one of FHIR.
    pub fhir: bool,
    /// What all its paths begin with: `/fhir`, or nothing.
    pub path: &'a str,
    /// What its addresses begin with; without it, where the request was sent to, and the path.
    pub base: Option<&'a str>,
    /// Whose ways it has, where they are not those that the source says.
    pub ways: Option<Ways>,
}

/// Where a resource says when it was created, and whose id it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ways {
    /// In an extension of meta; an id that the server makes.
    Fhir,
    /// In `meta.createdAt`; the id of the body.
    Aidbox,
}

impl Ways {
    /// Where the creation is said.
    pub fn created(self) -> Created {
        match self {
            Self::Fhir => Created::Extension,
            Self::Aidbox => Created::Member,
        }
    }
}

impl<'a> Door<'a> {
    /// Reads it.
    pub fn read(door: Value<'a>) -> Result<Self> {
        let bad = || {
            Error::refuse(State::BadRequest, "not a door")
                .hint("ingest.api_create makes the functions that call this.")
        };
        let Value::Object(door) = door else {
            return Err(bad());
        };
        let member = |key: &[u8]| match door.get(key)? {
            Some(Value::String(text)) => std::str::from_utf8(text)
                .map(Some)
                .map_err(|_| Error::Corrupt),
            _ => Ok(None),
        };
        Ok(Self {
            source: member(b"source")?.ok_or_else(bad)?,
            fhir: member(b"format")? == Some("fhir"),
            path: member(b"path")?.unwrap_or_default(),
            base: member(b"base")?,
            ways: match member(b"ways")? {
                Some("fhir") => Some(Ways::Fhir),
                Some("aidbox") => Some(Ways::Aidbox),
                _ => None,
            },
        })
    }
}
