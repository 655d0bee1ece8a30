//! Vocabularies: the code lists that bindings name.

use crate::definition::expect::{self, mistake};
use crate::issue::{Code, Issue, Report};
use crate::limits::Limits;
use crate::rule::enumeration::LIST_LIMIT;
use crate::trail::Trail;
use jsonb::steps;
use jsonb::{Malformed, Value};
use std::collections::HashMap;

/// How many codes an issue names at most.
const MOST_NAMED: usize = 10;

/// The system of a concept; `None` for a concept of any.
type System = Option<Box<[u8]>>;

/// A list of concepts.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    /// For each code the systems it is from.
    concepts: HashMap<Box<[u8]>, Vec<System>>,
}

impl Vocabulary {
    /// Reads concepts: an array of codes, or of objects with a `code` and perhaps a `system`; what
    /// else the objects hold is not looked at.
    pub fn read(concepts: Value<'_>) -> Result<Self, Vec<Issue>> {
        let mut report = Report::new(Limits::default());
        let vocabulary = read(concepts, &mut report)
            .map_err(|error| vec![Issue::error(Code::Structure, "", error.to_string())])?;
        if report.refuses() {
            return Err(report.into_issues());
        }
        Ok(vocabulary)
    }

    /// Adds a concept.
    pub fn insert(&mut self, system: Option<&str>, code: &str) {
        let systems = self.concepts.entry(code.as_bytes().into()).or_default();
        let system = system.map(|system| system.as_bytes().into());
        // What comes out of a reading that was stopped counts for nothing.
        let given = steps::take(systems.len()).is_ok();
        if given && !systems.contains(&system) {
            systems.push(system);
        }
    }

    /// What is expected: its codes, where they are few.
    pub(crate) fn expected(&self, name: &str) -> String {
        let whole = format!("expected a code of the vocabulary {name}");
        if self.is_empty() || self.len() > MOST_NAMED {
            return whole;
        }
        let codes = self.concepts.keys();
        let mut codes: Vec<_> = codes.map(|code| String::from_utf8_lossy(code)).collect();
        codes.sort_unstable();
        let list = format!("\"{}\"", codes.join("\", \""));
        match list.len() > LIST_LIMIT {
            true => whole,
            false => format!("{whole}: {list}"),
        }
    }

    /// How many different codes it has.
    pub fn len(&self) -> usize {
        self.concepts.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.concepts.is_empty()
    }

    /// Whether a code is in it. Where both the concept and the value name a system, it must be the
    /// same.
    #[inline]
    pub fn holds(&self, system: Option<&[u8]>, code: &[u8]) -> bool {
        let Some(systems) = self.concepts.get(code) else {
            return false;
        };
        system.is_none_or(|system| {
            systems
                .iter()
                .any(|known| known.as_deref().is_none_or(|known| known == system))
        })
    }

    /// The concepts, as systems and codes, in no order.
    pub(crate) fn concepts(&self) -> impl Iterator<Item = (Option<&[u8]>, &[u8])> {
        self.concepts.iter().flat_map(|(code, systems)| {
            systems
                .iter()
                .map(move |system| (system.as_deref(), &**code))
        })
    }
}

fn read(concepts: Value<'_>, report: &mut Report) -> Result<Vocabulary, Malformed> {
    let mut vocabulary = Vocabulary::default();
    let root = Trail::root("");
    let Some(array) = expect::array(concepts, &root, report) else {
        return Ok(vocabulary);
    };
    for (index, concept) in array.iter().enumerate() {
        // An array's iterator asks once for all its items; each of these is a table's entry.
        steps::take(1)?;
        let at = root.index(index);
        match concept? {
            Value::Object(object) => {
                let system = match object.get(b"system")? {
                    None | Some(Value::Null) => None,
                    Some(system) => expect::string(system, &at.name(b"system"), report)?,
                };
                let at = at.name(b"code");
                match object.get(b"code")? {
                    None | Some(Value::Null) => {
                        mistake(report, Code::Required, &at, "expected a code");
                    }
                    Some(code) => {
                        if let Some(code) = expect::string(code, &at, report)? {
                            vocabulary.insert(system, code);
                        }
                    }
                }
            }
            Value::String(_) => {
                if let Some(code) = expect::string(concept?, &at, report)? {
                    vocabulary.insert(None, code);
                }
            }
            _ => mistake(
                report,
                Code::Structure,
                &at,
                "expected a code, or an object with one",
            ),
        }
    }
    Ok(vocabulary)
}
