//! The concepts of a code system, and how they stand to each other.

use super::{MOST_CONCEPTS, NotExpanded, objects, text, wrong};
use jsonb::{Malformed, Object, Value, memory, steps};
use std::collections::HashMap;

/// How deep concepts can stand in each other.
const DEEPEST: usize = 100;

/// A code system, read.
#[derive(Debug)]
pub(super) struct System<'a> {
    concepts: Vec<Concept<'a>>,
    by_code: HashMap<&'a str, usize>,
    /// The properties that it says its concepts can have.
    pub(super) properties: Vec<&'a str>,
    /// Whether being in another concept means being a kind of it.
    pub(super) is_a: bool,
}

#[derive(Debug)]
struct Concept<'a> {
    code: &'a str,
    object: Object<'a>,
    /// The concepts that are kinds of it.
    below: Vec<usize>,
}

impl<'a> System<'a> {
    pub(super) fn read(definition: Object<'a>, url: &str) -> Result<Self, NotExpanded> {
        let mut system = Self {
            concepts: Vec::new(),
            by_code: HashMap::new(),
            properties: Vec::new(),
            is_a: matches!(
                text(definition, "hierarchyMeaning", url)?,
                None | Some("is-a")
            ),
        };
        for property in objects(definition, "property", url)? {
            system.properties.extend(text(property?, "code", url)?);
        }
        system.gather(definition, None, 0, url)?;
        system.relate(url)?;
        Ok(system)
    }

    fn gather(
        &mut self,
        parent: Object<'a>,
        above: Option<usize>,
        depth: usize,
        url: &str,
    ) -> Result<(), NotExpanded> {
        if depth > DEEPEST {
            return Err(NotExpanded::TooLarge);
        }
        for concept in objects(parent, "concept", url)? {
            steps::take(1)?;
            let object = concept?;
            let Some(code) = text(object, "code", url)? else {
                return Err(wrong(url, "expected a code in concept"));
            };
            let place = self.concepts.len();
            if place >= MOST_CONCEPTS {
                return Err(NotExpanded::TooLarge);
            }
            if self.by_code.insert(code, place).is_some() {
                return Err(wrong(url, "expected each code once"));
            }
            memory::reserve(&mut self.concepts, 1)?;
            self.concepts.push(Concept {
                code,
                object,
                below: Vec::new(),
            });
            if let Some(above) = above.and_then(|above| self.concepts.get_mut(above)) {
                above.below.push(place);
            }
            self.gather(object, Some(place), depth + 1, url)?;
        }
        Ok(())
    }

    /// Concepts that name their parents or their children stand below more than one.
    fn relate(&mut self, url: &str) -> Result<(), NotExpanded> {
        let mut edges = Vec::new();
        for (place, concept) in self.concepts.iter().enumerate() {
            for property in objects(concept.object, "property", url)? {
                let property = property?;
                let name = text(property, "code", url)?;
                let Some(other) = text(property, "valueCode", url)? else {
                    continue;
                };
                let Some(other) = self.by_code.get(other) else {
                    continue;
                };
                memory::reserve(&mut edges, 1)?;
                match name {
                    Some("child") => edges.push((place, *other)),
                    Some("parent" | "subsumedBy") => edges.push((*other, place)),
                    _ => {}
                }
            }
        }
        for (above, below) in edges {
            if let Some(concept) = self.concepts.get_mut(above) {
                concept.below.push(below);
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.concepts.len()
    }

    /// The choice of all.
    pub(super) fn all(&self) -> Vec<bool> {
        vec![true; self.concepts.len()]
    }

    pub(super) fn code(&self, place: usize) -> Option<&'a str> {
        self.concepts.get(place).map(|concept| concept.code)
    }

    /// Each concept's code and definition.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, Object<'a>)> {
        self.concepts.iter().map(|it| (it.code, it.object))
    }

    /// The concept of a code and those below it; nothing if there is no such concept.
    pub(super) fn below(&self, code: &str) -> Result<Option<Vec<bool>>, Malformed> {
        let Some(first) = self.by_code.get(code) else {
            return Ok(None);
        };
        let mut found = vec![false; self.concepts.len()];
        let mut open = vec![*first];
        while let Some(place) = open.pop() {
            steps::take(1)?;
            if let (Some(found), Some(concept)) = (found.get_mut(place), self.concepts.get(place))
                && !std::mem::replace(found, true)
            {
                memory::reserve(&mut open, concept.below.len())?;
                open.extend(&concept.below);
            }
        }
        Ok(Some(found))
    }

    /// Whether a concept says that it is no longer of use.
    pub(super) fn is_inactive(&self, place: usize) -> Result<bool, NotExpanded> {
        let Some(concept) = self.concepts.get(place) else {
            return Ok(false);
        };
        for property in objects(concept.object, "property", concept.code)? {
            let property = property?;
            let says = |name: &[u8]| property.get(name);
            let inactive = match says(b"code")? {
                Some(Value::String(b"inactive")) => {
                    matches!(says(b"valueBoolean")?, Some(Value::Bool(true)))
                }
                Some(Value::String(b"status")) => matches!(
                    says(b"valueCode")?,
                    Some(Value::String(b"retired" | b"inactive"))
                ),
                _ => false,
            };
            if inactive {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
