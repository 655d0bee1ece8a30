//! What each definition is: rows of the catalog, something to keep, or nothing that is used here.

use crate::pg::{Error, Result, check_for_interrupts};
use crate::store::Name;
use crate::store::parameters::Given as Parameter;
use ingest_engine::definition::fhir::{self, Described, NotDescribed, Reduced, Unchecked};
use ingest_engine::{Description, Issue, Kind, Schema};
use jsonb::{Object, Value};
use std::collections::{HashMap, HashSet};

/// A definition that was given.
#[derive(Debug)]
pub struct Given {
    /// The type of the resource: `StructureDefinition`.
    pub kind: String,
    /// Its canonical, without version.
    pub url: String,
    /// Its name.
    pub name: String,
    /// What it is here.
    pub part: Part,
    /// What it asks for and is not checked, or why it is nothing.
    pub issues: Vec<String>,
}

/// What a definition is here.
#[derive(Debug)]
pub enum Part {
    /// A type, with its definition as it is kept.
    Type(Description, Vec<u8>),
    /// Something that is kept for others.
    Kept(Reduced),
    /// Nothing.
    Nothing,
}

impl Given {
    /// The name of a resource type that can have a table.
    pub fn resource_type(&self) -> Option<&str> {
        match &self.part {
            Part::Type(description, _) if description.kind == Kind::Root => Some(&description.name),
            _ => None,
        }
    }
}

/// Reads all that are given; `types` are those that the profiles are of which are there already, by
/// their canonicals. What is given twice is taken once.
pub fn all(definitions: &[Object<'_>], mut types: HashMap<String, String>) -> Result<Vec<Given>> {
    for definition in definitions {
        let url = text(*definition, b"url")?;
        types.insert(url, text(*definition, b"type")?);
    }
    let mut keys = HashSet::new();
    let mut all = Vec::with_capacity(definitions.len());
    for definition in definitions {
        check_for_interrupts()?;
        let mut given = one(*definition, &types)?;
        let key = match &given.part {
            Part::Type(description, _) => Some(("", description.name.clone())),
            Part::Kept(reduced) => Some((reduced.kind.as_str(), reduced.url.clone())),
            Part::Nothing => None,
        };
        if key.is_some_and(|key| !keys.insert(key)) {
            given.part = Part::Nothing;
            given.issues = vec!["another definition of the same was given before it".to_owned()];
        }
        all.push(given);
    }
    Ok(all)
}

/// The search parameters among what is given.
pub fn parameters(given: &[Given]) -> Result<Vec<Parameter>> {
    let mut parameters = Vec::new();
    for one in given {
        let Part::Kept(reduced) = &one.part else {
            continue;
        };
        if reduced.kind == fhir::Kind::SearchParameter
            && let Value::Object(content) = Value::read(&reduced.content)?
        {
            parameters.push(Parameter::read(&reduced.url, content)?);
        }
    }
    Ok(parameters)
}

fn one(definition: Object<'_>, types: &HashMap<String, String>) -> Result<Given> {
    let (part, issues) = match Reduced::read(definition) {
        Ok(Some(reduced)) => {
            let (kind, url, name) = (
                reduced.kind.as_str().to_owned(),
                reduced.url.clone(),
                reduced.name.clone(),
            );
            let (part, issues) = part(reduced, types)?;
            return Ok(Given {
                kind,
                url,
                name,
                part,
                issues,
            });
        }
        Ok(None) => (Part::Nothing, vec!["nothing here uses it".to_owned()]),
        Err(issues) => (Part::Nothing, in_words(&issues)),
    };
    Ok(Given {
        kind: text(definition, b"resourceType")?,
        url: text(definition, b"url")?,
        name: text(definition, b"name")?,
        part,
        issues,
    })
}

fn part(reduced: Reduced, types: &HashMap<String, String>) -> Result<(Part, Vec<String>)> {
    if reduced.kind != fhir::Kind::StructureDefinition {
        return Ok((Part::Kept(reduced), Vec::new()));
    }
    let why = match fhir::describe(Value::read(&reduced.content)?, 1) {
        Ok(Described {
            description,
            unchecked,
        }) => {
            if description.kind == Kind::Root
                && Name::check(&description.name, "resource type").is_err()
            {
                let why = "not a name for a table: it is too long, or ends in _history";
                return Ok((Part::Nothing, vec![why.to_owned()]));
            }
            if let Err(issues) = Schema::new().insert(&description) {
                return Ok((Part::Nothing, in_words(&issues)));
            }
            let issues = asked_in_vain(&unchecked);
            return Ok((Part::Type(description, reduced.content), issues));
        }
        Err(why) => why,
    };
    let told = why.to_string();
    Ok(match why {
        NotDescribed::Profile => {
            let type_of = |url: &str| types.get(url).map(String::as_str);
            match fhir::describe_profile(Value::read(&reduced.content)?, 1, &type_of) {
                Ok(described) => {
                    let mut issues = asked_in_vain(&described.unchecked);
                    if let Err(wrong) = Schema::new().insert(&described.description) {
                        let words = in_words(&wrong).join("; ");
                        issues.push(format!("no resource is checked against it: {words}"));
                    }
                    (Part::Kept(reduced), issues)
                }
                Err(NotDescribed::Wrong(issues)) => (Part::Nothing, in_words(&issues)),
                Err(why) => (Part::Nothing, vec![why.to_string()]),
            }
        }
        NotDescribed::Wrong(issues) => (Part::Nothing, in_words(&issues)),
        _ => (Part::Nothing, vec![told]),
    })
}

fn asked_in_vain(unchecked: &[Unchecked]) -> Vec<String> {
    let words = unchecked
        .iter()
        .map(|at| format!("{}: {}: {}", at.path, at.what, at.reason));
    words.collect()
}

fn in_words(issues: &[Issue]) -> Vec<String> {
    let words = issues
        .iter()
        .map(|issue| format!("{}: {}", issue.expression, issue.diagnostics));
    words.collect()
}

/// How much of what a resource says of itself is repeated.
const LONGEST: usize = 1_000;

fn text(definition: Object<'_>, member: &[u8]) -> Result<String> {
    match definition.get(member)? {
        Some(Value::String(text)) => {
            let text = std::str::from_utf8(text).map_err(|_| Error::Corrupt)?;
            Ok(text.chars().take(LONGEST).collect())
        }
        _ => Ok(String::new()),
    }
}
