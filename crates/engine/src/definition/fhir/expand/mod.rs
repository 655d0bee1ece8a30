//! The concepts of a value set: FHIR R4, ValueSet, "Composition Rules".
//!
//! What is listed needs no code system. A whole one, or a filter of one, needs a code system that
//! is there and complete. A canonical with a version is looked for as it stands, and then without
//! its version: there is one version of a definition at a time.

mod filter;
mod set;
mod system;

use super::unchecked::shortened;
use super::{Kind, without_version};
use jsonb::{Item, Malformed, Object, Value, memory, steps, write};
use set::Set;
use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;
use system::System;
use thiserror::Error;

/// How many concepts a value set can have.
pub const MOST_CONCEPTS: usize = 100_000;
/// How often concepts are touched on the way at most: what value sets of value sets cost.
const MOST_TOUCHED: usize = 20_000_000;
/// How deep value sets can stand in each other.
const DEEPEST: usize = 30;
/// How much of a canonical is told, in bytes.
const LONGEST_URL: usize = 500;
/// How deep the entries of an expansion can stand in each other.
const DEEPEST_ENTRY: usize = 100;

/// Why a value set has no list of concepts.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotExpanded {
    /// What it needs is not there.
    #[error("no {} {url}", kind.as_str())]
    Absent {
        /// What it needs.
        kind: Kind,
        /// Its canonical.
        url: String,
    },
    /// What it needs of a code system is more than there is of it.
    #[error("the CodeSystem {system} is not complete")]
    Incomplete {
        /// The canonical of the code system.
        system: String,
    },
    /// A filter of it cannot be answered.
    #[error("a filter of the CodeSystem {system}: {why}")]
    Filter {
        /// The canonical of the code system.
        system: String,
        /// What is wrong with the filter.
        why: String,
    },
    /// It is in itself.
    #[error("the ValueSet {0} is in itself")]
    Cycle(String),
    /// It, or what it needs, is not as it should be.
    #[error("{0}")]
    Wrong(String),
    /// It has more concepts than are taken in, or needs too many on the way.
    #[error("expected at most {MOST_CONCEPTS} concepts, and fewer value sets in each other")]
    TooLarge,
    /// What was read is damaged, or reading was stopped: see [`jsonb::steps`].
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Gives the reduced content of a definition by its canonical.
pub type Find<'f, 'c> = &'f mut dyn FnMut(Kind, &str) -> Option<Cow<'c, [u8]>>;

/// The concepts of a value set, as a vocabulary has them: `[{"system", "code"}, …]` as JSONB, in
/// the order of its definition.
pub fn expand<'c>(url: &str, find: Find<'_, 'c>) -> Result<Vec<u8>, NotExpanded> {
    let mut expander = Expander {
        find,
        systems: Vec::new(),
        open: Vec::new(),
        known: HashMap::new(),
        left: MOST_TOUCHED,
    };
    let set = expander.value_set(url)?;
    let mut items = Vec::new();
    memory::reserve(&mut items, set.len())?;
    for (system, code) in set.iter() {
        let mut members = Vec::with_capacity(2);
        if let Some(system) = expander.systems.get(system) {
            members.push((&b"system"[..], Item::Text(system)));
        }
        members.push((b"code", Item::Text(code)));
        items.push(Item::Members(members));
    }
    Ok(write(&Item::Items(items)).map_err(|_| Malformed)?)
}

struct Expander<'f, 'c> {
    find: Find<'f, 'c>,
    /// The code systems that were met; a concept names one by its place.
    systems: Vec<Rc<str>>,
    /// The value sets that are being expanded, each in the one before.
    open: Vec<String>,
    /// Those that were.
    known: HashMap<String, Rc<Set>>,
    left: usize,
}

impl<'c> Expander<'_, 'c> {
    fn touch(&mut self, count: usize) -> Result<(), NotExpanded> {
        steps::take(count + 1)?;
        let left = self.left.checked_sub(count + 1);
        self.left = left.ok_or(NotExpanded::TooLarge)?;
        Ok(())
    }

    fn content(&mut self, kind: Kind, url: &str) -> Result<Cow<'c, [u8]>, NotExpanded> {
        let bare = without_version(url);
        let found = match (self.find)(kind, url) {
            None if bare != url => (self.find)(kind, bare),
            found => found,
        };
        found.ok_or_else(|| NotExpanded::Absent {
            kind,
            url: short(bare),
        })
    }

    fn system(&mut self, url: &str) -> usize {
        let known = self.systems.iter().position(|known| **known == *url);
        known.unwrap_or_else(|| {
            self.systems.push(url.into());
            self.systems.len() - 1
        })
    }

    fn value_set(&mut self, url: &str) -> Result<Rc<Set>, NotExpanded> {
        if let Some(known) = self.known.get(url) {
            return Ok(Rc::clone(known));
        }
        if self.open.iter().any(|open| open == url) {
            return Err(NotExpanded::Cycle(short(url)));
        }
        if self.open.len() >= DEEPEST {
            return Err(NotExpanded::TooLarge);
        }
        let content = self.content(Kind::ValueSet, url)?;
        let Value::Object(definition) = Value::read(&content)? else {
            return Err(wrong(url, "expected object"));
        };
        let depth = self.open.len();
        self.open.push(url.to_owned());
        let composed = match object(definition, "compose", url)? {
            Some(compose) => self.compose(compose, url),
            None => Err(wrong(url, "neither compose nor a whole expansion")),
        };
        self.open.truncate(depth);
        let set = match composed {
            // A damaged one is not tried in another way.
            Ok(_) | Err(NotExpanded::Malformed(_)) => composed?,
            Err(why) => match self.expansion(definition, url)? {
                Some(set) => set,
                None => return Err(why),
            },
        };
        let set = Rc::new(set);
        self.known.insert(url.to_owned(), Rc::clone(&set));
        Ok(set)
    }

    /// What is included in any way, without what is excluded in any.
    fn compose(&mut self, compose: Object<'_>, url: &str) -> Result<Set, NotExpanded> {
        let active = matches!(compose.get(b"inactive")?, Some(Value::Bool(false)));
        let mut set = Set::default();
        for include in objects(compose, "include", url)? {
            let part = self.include(include?, active, url)?;
            self.touch(part.len())?;
            set.add(&part)?;
        }
        for exclude in objects(compose, "exclude", url)? {
            let part = self.include(exclude?, false, url)?;
            self.touch(part.len() + set.len())?;
            set.remove(&part);
        }
        Ok(set)
    }

    /// What is of the system and in each of the value sets.
    fn include(
        &mut self,
        include: Object<'_>,
        active: bool,
        url: &str,
    ) -> Result<Set, NotExpanded> {
        let mut set = match text(include, "system", url)? {
            Some(system) => Some(self.of_system(include, system, active, url)?),
            None => None,
        };
        if let Some(value_sets) = array(include, "valueSet", url)? {
            for value_set in value_sets {
                let Value::String(value_set) = value_set? else {
                    return Err(wrong(url, "expected valueSet of strings"));
                };
                let value_set = std::str::from_utf8(value_set).map_err(|_| Malformed)?;
                let other = self.value_set(value_set)?;
                self.touch(other.len())?;
                set = Some(match set {
                    Some(set) => set.common(&other),
                    None => {
                        let mut set = Set::default();
                        set.add(&other)?;
                        set
                    }
                });
            }
        }
        set.ok_or_else(|| wrong(url, "expected a system or a valueSet in include"))
    }

    /// What is of a system: the concepts that are listed, that filters let through, or all.
    fn of_system(
        &mut self,
        include: Object<'_>,
        system_url: &str,
        active: bool,
        url: &str,
    ) -> Result<Set, NotExpanded> {
        let number = self.system(without_version(system_url));
        let mut set = Set::default();
        let mut listed = objects(include, "concept", url)?.peekable();
        let mut filters = objects(include, "filter", url)?.peekable();
        if listed.peek().is_some() && filters.peek().is_some() {
            return Err(wrong(url, "expected concept or filter, not both"));
        }
        if listed.peek().is_some() {
            for concept in listed {
                self.touch(1)?;
                let code = text(concept?, "code", url)?;
                let code = code.ok_or_else(|| wrong(url, "expected a code in concept"))?;
                set.insert(number, code)?;
            }
            return Ok(set);
        }
        let content = self.content(Kind::CodeSystem, system_url)?;
        let Value::Object(definition) = Value::read(&content)? else {
            return Err(wrong(system_url, "expected object"));
        };
        if text(definition, "content", system_url)? != Some("complete") {
            return Err(NotExpanded::Incomplete {
                system: short(system_url),
            });
        }
        let system = System::read(definition, system_url)?;
        self.touch(system.len())?;
        let mut chosen = system.all();
        for filter in filters {
            self.touch(system.len())?;
            let passed = system.filter(filter?, system_url)?;
            chosen = chosen
                .iter()
                .zip(passed)
                .map(|(one, two)| *one && two)
                .collect();
        }
        for (place, _) in chosen.iter().enumerate().filter(|(_, chosen)| **chosen) {
            if let Some(code) = system.code(place)
                && !(active && system.is_inactive(place)?)
            {
                set.insert(number, code)?;
            }
        }
        Ok(set)
    }

    /// The concepts of an expansion that is there, if it is whole.
    fn expansion(&mut self, definition: Object<'_>, url: &str) -> Result<Option<Set>, NotExpanded> {
        let Some(expansion) = object(definition, "expansion", url)? else {
            return Ok(None);
        };
        let mut set = Set::default();
        let mut entries = 0;
        self.entries(expansion, url, 0, &mut entries, &mut set)?;
        let is_whole = match expansion.get(b"total")? {
            Some(Value::Number(total)) => total
                .as_i64()
                .is_some_and(|total| usize::try_from(total) == Ok(entries)),
            _ => true,
        };
        Ok((is_whole && entries > 0).then_some(set))
    }

    fn entries(
        &mut self,
        parent: Object<'_>,
        url: &str,
        depth: usize,
        entries: &mut usize,
        set: &mut Set,
    ) -> Result<(), NotExpanded> {
        if depth > DEEPEST_ENTRY {
            return Err(NotExpanded::TooLarge);
        }
        for entry in objects(parent, "contains", url)? {
            let entry = entry?;
            self.touch(1)?;
            *entries += 1;
            // What cannot be chosen only holds others together.
            let is_abstract = matches!(entry.get(b"abstract")?, Some(Value::Bool(true)));
            if let (Some(code), false) = (text(entry, "code", url)?, is_abstract) {
                let system = text(entry, "system", url)?.unwrap_or_default();
                let number = self.system(system);
                set.insert(number, code)?;
            }
            self.entries(entry, url, depth + 1, entries, set)?;
        }
        Ok(())
    }
}

fn wrong(url: &str, why: &str) -> NotExpanded {
    NotExpanded::Wrong(format!("{}: {why}", short(without_version(url))))
}

/// As much of a canonical as is told.
fn short(url: &str) -> String {
    shortened(url, LONGEST_URL).to_owned()
}

/// A string, if it is there.
fn text<'a>(object: Object<'a>, name: &str, url: &str) -> Result<Option<&'a str>, NotExpanded> {
    match object.get(name.as_bytes())? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => {
            Ok(Some(std::str::from_utf8(text).map_err(|_| Malformed)?))
        }
        Some(_) => Err(wrong(url, &format!("expected {name} as a string"))),
    }
}

/// An object, if it is there.
fn object<'a>(
    object: Object<'a>,
    name: &str,
    url: &str,
) -> Result<Option<Object<'a>>, NotExpanded> {
    match object.get(name.as_bytes())? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(wrong(url, &format!("expected {name} as an object"))),
    }
}

/// An array, if it is there.
fn array<'a>(
    object: Object<'a>,
    name: &str,
    url: &str,
) -> Result<Option<jsonb::Array<'a>>, NotExpanded> {
    match object.get(name.as_bytes())? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(array)) => Ok(Some(array)),
        Some(_) => Err(wrong(url, &format!("expected {name} as an array"))),
    }
}

/// The objects of an array; none if it is not there.
fn objects<'a>(
    object: Object<'a>,
    name: &str,
    url: &str,
) -> Result<impl Iterator<Item = Result<Object<'a>, NotExpanded>>, NotExpanded> {
    let items = array(object, name, url)?.into_iter().flatten();
    let expected = wrong(url, &format!("expected {name} of objects"));
    Ok(items.map(move |item| match item? {
        Value::Object(object) => Ok(object),
        _ => Err(expected.clone()),
    }))
}
