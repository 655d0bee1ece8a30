//! The value sets that types are bound to, as the codes that are in them.

use super::{Outcome, Told};
use crate::pg::{Error, Result, Session, check_for_interrupts};
use crate::store::{definition, import as store};
use ingest_engine::definition::fhir::{self, NotExpanded};
use std::borrow::Cow;
use std::collections::HashMap;

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
    let mut known: HashMap<(fhir::Kind, String), Option<Vec<u8>>> = HashMap::new();
    for (url, is_there) in store::bound(session, source)? {
        check_for_interrupts()?;
        if is_there && !all {
            continue;
        }
        let mut failed = None;
        let expanded = {
            let mut find = |kind: fhir::Kind, url: &str| {
                let key = (kind, url.to_owned());
                if let Some(content) = known.get(&key) {
                    return content.clone().map(Cow::Owned);
                }
                match store::kept(session, source, kind.as_str(), url) {
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
            fhir::expand(&url, &mut find)
        };
        if let Some(error) = failed {
            return Err(error);
        }
        match expanded {
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
            Err(NotExpanded::Malformed(_)) => return Err(Error::Corrupt),
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
