//! The definitions that a source keeps beside its types: what value sets hold, and the profiles that
//! resources claim to conform to. They are read when they are first asked for.

use super::import;
use crate::pg::{Error, Result, Session, check_for_interrupts};
use ingest_engine::Description;
use ingest_engine::definition::fhir::{self, Described, NotExpanded};
use jsonb::Value;
use std::borrow::Cow;
use std::collections::HashMap;

/// The definitions of a source, those that were read kept for the next question.
pub struct Terminology<'s> {
    session: &'s Session,
    source: &'s str,
    known: HashMap<(fhir::Kind, String), Option<Vec<u8>>>,
}

impl<'s> Terminology<'s> {
    /// Those of this source.
    pub fn new(session: &'s Session, source: &'s str) -> Self {
        Self {
            session,
            source,
            known: HashMap::new(),
        }
    }

    /// The concepts of a value set, or why they are not known.
    pub fn expand(&mut self, url: &str) -> Result<std::result::Result<Vec<u8>, NotExpanded>> {
        check_for_interrupts()?;
        let mut failed = None;
        let (session, source, known) = (self.session, self.source, &mut self.known);
        let mut find = |kind: fhir::Kind, url: &str| {
            let key = (kind, url.to_owned());
            if let Some(content) = known.get(&key) {
                return content.clone().map(Cow::Owned);
            }
            match import::kept(session, source, kind.as_str(), url) {
                Ok(content) => {
                    known.insert(key, content.clone());
                    content.map(Cow::Owned)
                }
                Err(error) => {
                    failed = Some(error);
                    None
                }
            }
        };
        let expanded = fhir::expand(url, &mut find);
        match (failed, expanded) {
            (Some(error), _) => Err(error),
            (None, Err(NotExpanded::Malformed(_))) => Err(Error::Corrupt),
            (None, expanded) => Ok(expanded),
        }
    }
}

/// A profile that is kept, as rows; `None` where there is none, or where it cannot be told in rows.
pub fn profile(session: &Session, source: &str, url: &str) -> Result<Option<Description>> {
    let kind = fhir::Kind::StructureDefinition.as_str();
    let Some(content) = import::kept(session, source, kind, url)? else {
        return Ok(None);
    };
    let types = import::types_of_profiles(session, source)?;
    let type_of = |url: &str| types.get(url).map(String::as_str);
    match fhir::describe_profile(Value::read(&content)?, 1, &type_of) {
        Ok(Described { description, .. }) => Ok(Some(description)),
        Err(_) => Ok(None),
    }
}
