//! The definition of a relationship: its two ends, and the properties of its links.

use super::expect::{self, mistake};
use super::read::{empty, finish, is_bounded, properties};
use super::{Definition, History, history};
use crate::description::{Cardinality, Kind};
use crate::issue::{Code, Issue, Report};
use crate::rule::cardinality;
use crate::trail::Trail;
use jsonb::{Malformed, Object, Value};

/// The members of a relationship's definition.
const MEMBERS: [&str; 5] = ["from", "to", "properties", "history", "description"];

/// The members of an end; the last is another name for the one before.
const END: [&str; 4] = [
    "profileKey",
    "includeKey",
    "includeCardinality",
    "cardinality",
];

/// A relationship that was read and holds no mistake that it alone can show.
#[derive(Debug, Clone)]
pub struct Relationship {
    /// The end that links go from.
    pub from: End,
    /// The end that links go to.
    pub to: End,
    /// What it means.
    pub description: Option<String>,
    /// The properties of its links.
    pub definition: Definition,
}

/// One end of a relationship.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The profile.
    pub profile: String,
    /// The key under which links are shown at this end.
    pub key: Option<String>,
    /// How many links one resource at this end may have.
    pub cardinality: Cardinality,
}

impl Relationship {
    /// Reads a definition, or says everything that is wrong with it; expressions are paths into it.
    pub fn read(name: &str, definition: Value<'_>) -> Result<Self, Vec<Issue>> {
        finish(|report| {
            let root = Trail::root("");
            let object = match is_bounded(definition, &root, report)? {
                true => expect::object(definition, &root, report),
                false => None,
            };
            match object {
                Some(object) => read(name, object, &root, report),
                None => Ok(nothing(name)),
            }
        })
    }
}

fn read(
    name: &str,
    object: Object<'_>,
    root: &Trail<'_>,
    report: &mut Report,
) -> Result<Relationship, Malformed> {
    let mut relationship = nothing(name);
    let (mut from, mut to, mut kept) = (None, None, History::default());
    for member in object.iter() {
        let (key, value) = member?;
        let at = root.name(key);
        match (key, value) {
            (_, Value::Null) => {}
            (b"from", _) => from = Some(read_end(value, &at, report)?),
            (b"to", _) => to = Some(read_end(value, &at, report)?),
            (b"properties", _) => relationship.definition = properties(name, value, &at, report)?,
            (b"history", _) => kept = history::read(value, &at, report)?,
            (b"description", _) => {
                let text = expect::string(value, &at, report)?;
                relationship.description = text.map(str::to_owned);
            }
            _ => expect::unknown(report, &at, key, &MEMBERS),
        }
    }
    for (end, name) in [(&from, "from"), (&to, "to")] {
        if end.is_none() {
            let at = root.name(name.as_bytes());
            mistake(report, Code::Required, &at, "expected an end");
        }
    }
    relationship.definition.history = kept;
    relationship.from = from.unwrap_or(relationship.from);
    relationship.to = to.unwrap_or(relationship.to);
    Ok(relationship)
}

/// A relationship of which nothing was read: what has a mistake is not given to anybody.
fn nothing(name: &str) -> Relationship {
    Relationship {
        from: End::default(),
        to: End::default(),
        description: None,
        definition: empty(name, Kind::Relationship),
    }
}

impl Default for End {
    /// `0:*`, of no profile.
    fn default() -> Self {
        Self {
            profile: String::new(),
            key: None,
            cardinality: Cardinality {
                required: false,
                many: true,
            },
        }
    }
}

/// `{"profileKey", "includeKey"?, "includeCardinality"?}`
fn read_end(end: Value<'_>, at: &Trail<'_>, report: &mut Report) -> Result<End, Malformed> {
    let mut read = End::default();
    let Some(object) = expect::object(end, at, report) else {
        return Ok(read);
    };
    let (mut named, mut counted) = (false, false);
    for member in object.iter() {
        let (key, value) = member?;
        let at = at.name(key);
        match (key, value) {
            (_, Value::Null) => {}
            (b"profileKey", _) => {
                named = true;
                let name = expect::string(value, &at, report)?;
                read.profile = name.unwrap_or_default().to_owned();
            }
            (b"includeKey", _) => {
                read.key = expect::string(value, &at, report)?.map(str::to_owned);
            }
            (b"includeCardinality" | b"cardinality", _) if counted => {
                let expected = "expected one of includeCardinality and cardinality";
                mistake(report, Code::Duplicate, &at, expected);
            }
            (b"includeCardinality" | b"cardinality", _) => {
                counted = true;
                let given = cardinality(value, &at, report)?;
                // A resource is stored before its first link, and goes after its last: at least one
                // could hold for no resource that a call of its own makes.
                if given.is_some_and(|given| given.required) {
                    let expected = "expected 0:1 or 0:*; that there is at least one cannot be kept";
                    mistake(report, Code::Value, &at, expected);
                }
                read.cardinality = given.unwrap_or(read.cardinality);
            }
            _ => expect::unknown(report, &at, key, &END),
        }
    }
    if !named {
        let at = at.name(b"profileKey");
        mistake(
            report,
            Code::Required,
            &at,
            "expected the name of a profile",
        );
    }
    Ok(read)
}
