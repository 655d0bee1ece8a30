//! What is said of a table of FHIR beside its type: the profiles, in FHIR's sense, that its rows
//! conform to, and which old versions it keeps.

use super::body::shown_key;
use super::definition::Defined;
use crate::pg::{Error, Result, Session, State};
use crate::store::table::Form;
use crate::store::{Guarded, Name, definition, find, refusal, terminology};
use ingest_engine::History;
use ingest_engine::definition::fhir::{CORE, without_version};
use jsonb::{Malformed, Value};
use std::iter;

/// How many profiles a table can have.
const MOST: usize = 32;

/// Binds a table to profiles, `{"profiles": ["http://hl7.org/fhir/us/core/…"]}`, and says which old
/// versions it keeps, `{"history": false}`. What is not named stays as it is.
pub fn bind(
    session: &Session,
    source: &Name,
    profile: &Name,
    given: Value<'_>,
) -> Result<(Defined, i32)> {
    let guarded = find(source.as_str(), profile.as_str())?;
    guarded.table()?;
    let (urls, history) = read(profile, given)?;
    let mut is_bound_anew = false;
    if let Some(mut urls) = urls {
        urls.retain(|url| !is_own(&guarded, url));
        for url in &urls {
            check(session, &guarded, url)?;
        }
        let (source, profile) = (source.as_str(), profile.as_str());
        is_bound_anew = definition::set_profiles(session, source, profile, &urls)?;
    }
    let mut keeps_others = false;
    if let Some(history) = &history {
        let history = iter::once((profile.as_str(), history));
        keeps_others = definition::set_history(session, source.as_str(), history)?;
    }
    // What is kept of a row says nothing of what it must be.
    let version = guarded.version() + i32::from(is_bound_anew);
    match is_bound_anew || keeps_others {
        true => Ok((Defined::Updated, version)),
        false => Ok((Defined::Unchanged, version)),
    }
}

/// The profiles that somebody asks a resource to be checked against, without their versions.
pub fn known<'a>(guarded: &Guarded, urls: &[&'a str]) -> Result<Vec<&'a str>> {
    if urls.is_empty() {
        return Ok(Vec::new());
    }
    if guarded.form() != Form::Fhir || urls.len() > MOST {
        return Err(Error::refuse(
            State::BadRequest,
            format!("profiles are for a type of FHIR, and at most {MOST}"),
        )
        .hint("What a native profile asks for stands in its definition."));
    }
    Session::open(|session| {
        let mut known = Vec::new();
        for url in urls {
            check(session, guarded, url)?;
            if !is_own(guarded, url) {
                known.push(without_version(url));
            }
        }
        Ok(known)
    })
}

/// The type that a URL is of, if it is that of one of FHIR's own.
fn own(url: &str) -> Option<&str> {
    without_version(url).strip_prefix(CORE)
}

/// Whether it is the type itself, which every resource of it is checked against.
fn is_own(guarded: &Guarded, url: &str) -> bool {
    own(url) == Some(guarded.name())
}

/// Refuses a profile that is not there, or is one of another type.
fn check(session: &Session, guarded: &Guarded, url: &str) -> Result<()> {
    let (source, name) = (guarded.source_name(), guarded.name());
    if is_own(guarded, url) {
        return Ok(());
    }
    let found = terminology::profile(session, source, without_version(url))?;
    let is_another = match &found {
        Some(found) => found.base.as_deref() != Some(name),
        None => own(url).is_some_and(|kind| find(source, kind).is_ok()),
    };
    match (found, is_another) {
        (Some(_), false) => Ok(()),
        (_, true) => Err(Error::refuse(
            State::BadRequest,
            format!("the profile is one of another type than {name}"),
        )
        .hint("SELECT url, content ->> 'type' FROM ingest.definition WHERE kind = 'StructureDefinition' tells the types.")),
        (None, false) => Err(Error::refuse(State::NotFound, "no such profile of FHIR").hint(
            "Give its StructureDefinition with a snapshot to ingest.fhir_import(source, definitions) first.",
        )),
    }
}

/// The profiles and the history that are named.
fn read<'a>(profile: &Name, given: Value<'a>) -> Result<(Option<Vec<&'a str>>, Option<History>)> {
    let bad = |message: String| {
        Error::refuse(State::BadRequest, message).hint(
            "A type of FHIR is defined by ingest.fhir_import(source, definitions); what its table is \
             bound to is {\"profiles\": [\"<url>\", ...]}, what it keeps {\"history\": true, false or {...}}.",
        )
    };
    let Value::Object(object) = given else {
        return Err(bad("the definition is not an object".to_owned()));
    };
    let (mut urls, mut history) = (None, None);
    for member in object.iter() {
        match member? {
            (b"profiles", Value::Array(all)) if all.len() <= MOST => {
                let mut found: Vec<&str> = Vec::new();
                for url in all.iter() {
                    let Value::String(url) = url? else {
                        return Err(bad("profiles holds something that is no URL".to_owned()));
                    };
                    let url = std::str::from_utf8(url).map_err(|_| Malformed)?;
                    let url = without_version(url);
                    if !found.contains(&url) {
                        found.push(url);
                    }
                }
                urls = Some(found);
            }
            (b"history", value) => {
                let read = History::read(value)
                    .map_err(|issues| refusal::of_definition(profile.as_str(), &issues))?;
                history = Some(read);
            }
            (b"profiles", _) => {
                return Err(bad(format!(
                    "profiles is not an array of at most {MOST} URLs"
                )));
            }
            (key, _) => {
                let key = shown_key(key);
                return Err(bad(format!("a type of FHIR is not defined by {key}")));
            }
        }
    }
    match (&urls, &history) {
        (None, None) => Err(bad("profiles is missing".to_owned())),
        _ => Ok((urls, history)),
    }
}
