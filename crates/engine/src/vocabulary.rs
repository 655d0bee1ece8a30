//! Vocabularies: the code lists that bindings name.

use crate::definition::expect::{self, mistake};
use crate::definition::finish;
use crate::issue::{Code, Issue, Report};
use crate::rule::enumeration::LIST_LIMIT;
use crate::trail::Trail;
use jsonb::steps;
use jsonb::{Item, Malformed, Object, Value, write};
use std::collections::HashMap;

/// How many codes an issue names at most.
const MOST_NAMED: usize = 10;

/// The members of a concept.
const MEMBERS: [&str; 3] = ["code", "system", "display"];

/// The system of a concept; `None` for a concept of any.
type System = Option<Box<[u8]>>;

/// A list of concepts.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    /// For each code the systems it is from.
    concepts: HashMap<Box<[u8]>, Vec<System>>,
}

impl Vocabulary {
    /// Reads concepts: an array of codes, or of objects with a `code` and perhaps a `system` and a
    /// `display`; each concept once.
    pub fn read(concepts: Value<'_>) -> Result<Self, Vec<Issue>> {
        finish(|report| read(concepts, report))
    }

    /// Adds a concept; `false` if it is there already.
    fn insert(&mut self, system: Option<&str>, code: &str) -> bool {
        let systems = self.concepts.entry(code.as_bytes().into()).or_default();
        let system = system.map(|system| system.as_bytes().into());
        // What comes out of a reading that was stopped counts for nothing.
        let given = steps::take(systems.len()).is_ok();
        let new = given && !systems.contains(&system);
        if new {
            systems.push(system);
        }
        new
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

    /// Whether it has this very concept.
    fn has(&self, system: Option<&[u8]>, code: &[u8]) -> bool {
        let systems = self.concepts.get(code).into_iter().flatten();
        systems.into_iter().any(|known| known.as_deref() == system)
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

    /// Its codes, in no order.
    pub(crate) fn codes(&self) -> impl Iterator<Item = &[u8]> {
        self.concepts.keys().map(|code| &**code)
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

/// Whether both hold the same concepts, in whatever order.
pub fn is_same(one: Value<'_>, other: Value<'_>) -> Result<bool, Malformed> {
    let sorted = |concepts: Value<'_>| {
        let Value::Array(concepts) = concepts else {
            return Err(Malformed);
        };
        let written = concepts.iter().map(|concept| {
            steps::take(1)?;
            write(&Item::Copy(concept?)).map_err(|_| Malformed)
        });
        let mut written = written.collect::<Result<Vec<_>, Malformed>>()?;
        written.sort_unstable();
        Ok(written)
    };
    Ok(sorted(one)? == sorted(other)?)
}

/// The concepts of both, as a root container: those that are known as they are, and behind them those
/// that are new, of what [`Vocabulary::read`] has read of both. `None` if nothing is new.
pub fn merged(known: Value<'_>, given: Value<'_>) -> Result<Option<Vec<u8>>, Malformed> {
    let (Value::Array(old), Value::Array(new)) = (known, given) else {
        return Err(Malformed);
    };
    let vocabulary = Vocabulary::read(known).map_err(|_| Malformed)?;
    let mut items = Vec::new();
    for concept in old.iter() {
        items.push(Item::Copy(concept?));
    }
    let before = items.len();
    for concept in new.iter() {
        steps::take(1)?;
        let concept = concept?;
        let (system, code) = match concept {
            Value::Object(object) => (object.get(b"system")?, object.get(b"code")?),
            code => (None, Some(code)),
        };
        let (system, Some(Value::String(code))) = (system, code) else {
            return Err(Malformed);
        };
        let system = match system {
            Some(Value::String(system)) => Some(system),
            _ => None,
        };
        if !vocabulary.has(system, code) {
            items.push(Item::Copy(concept));
        }
    }
    if items.len() == before {
        return Ok(None);
    }
    write(&Item::Items(items)).map(Some).map_err(|_| Malformed)
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
                if let Some((system, code)) = read_concept(object, &at, report)? {
                    insert(&mut vocabulary, system, code, &at, report);
                }
            }
            Value::String(_) => {
                if let Some(code) = expect::string(concept?, &at, report)? {
                    insert(&mut vocabulary, None, code, &at, report);
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

/// `{"code", "system"?, "display"?}`
fn read_concept<'a>(
    object: Object<'a>,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<(Option<&'a str>, &'a str)>, Malformed> {
    let (mut system, mut code, mut given) = (None, None, false);
    for member in object.iter() {
        let (key, value) = member?;
        let at = at.name(key);
        match (key, value) {
            (_, Value::Null) => {}
            (b"code", _) => {
                given = true;
                code = expect::string(value, &at, report)?;
            }
            (b"system", _) => system = expect::string(value, &at, report)?,
            (b"display", _) => drop(expect::string(value, &at, report)?),
            _ => expect::unknown(report, &at, key, &MEMBERS),
        }
    }
    if !given {
        mistake(report, Code::Required, &at.name(b"code"), "expected a code");
    }
    Ok(code.map(|code| (system, code)))
}

fn insert(
    vocabulary: &mut Vocabulary,
    system: Option<&str>,
    code: &str,
    at: &Trail<'_>,
    report: &mut Report,
) {
    if !vocabulary.insert(system, code) {
        mistake(report, Code::Duplicate, at, "expected each concept once");
    }
}
