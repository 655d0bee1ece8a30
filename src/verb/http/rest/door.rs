//! Which source a door leads to, and where it is: what `api_create` has written into its functions.

use crate::pg::{Error, Result, State};
use jsonb::Value;

/// `{"source": "fhir", "format": "fhir", "path": "/fhir", "base"?: "https://api.example.org/fhir"}`
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
        })
    }
}
