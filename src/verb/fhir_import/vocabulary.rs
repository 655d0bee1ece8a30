//! The value sets that types are bound to, as the codes that are in them.

use super::{Outcome, Told};
use crate::pg::{Result, Session};
use crate::store::terminology::Terminology;
use crate::store::{definition, import as store};
use ingest_engine::definition::fhir;

/// What became of the vocabularies of a source.
#[derive(Debug, Default)]
pub struct Bound {
    /// Those that have other codes than before.
    pub changed: Vec<String>,
    /// Those whose codes are not known.
    pub told: Vec<Told>,
}

/// Expands the value sets that are bound to and have no codes yet; if value sets or code systems
/// have changed, all that are bound to. What is there stays, if it cannot be expanded any more.
pub fn expand(session: &Session, source: &str, all: bool) -> Result<Bound> {
    let mut bound = Bound::default();
    let mut new = Vec::new();
    let mut terminology = Terminology::new(session, source);
    for (url, is_there) in store::bound(session, source)? {
        if is_there && !all {
            continue;
        }
        match terminology.expand(&url)? {
            Ok(concepts) => {
                let before = match is_there {
                    true => definition::vocabulary(session, source, &url)?,
                    false => None,
                };
                if before.as_deref() != Some(&concepts) {
                    bound.changed.push(url.clone());
                    new.push((url, concepts));
                }
            }
            // Whoever gave it codes by vocabulary_define knows better.
            Err(_) if is_there => {}
            Err(why) => {
                let name = url.rsplit('/').next().unwrap_or_default().to_owned();
                bound.told.push(Told {
                    kind: fhir::Kind::ValueSet.as_str().to_owned(),
                    issues: vec![format!("codes bound to it are not checked: {why}")],
                    outcome: Outcome::Skipped,
                    url,
                    name,
                });
            }
        }
    }
    store::put_vocabularies(session, source, &new)?;
    Ok(bound)
}
