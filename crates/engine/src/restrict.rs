//! Where in the resources of a profile references stand that keep their targets from being deleted:
//! those that must exist (`"enforce": true`), unless they say `"on_delete": "keep"`.

use crate::profile::{Element, Node, Profile};
use crate::resource::Stop;
use crate::schema::{Known, Schema, Slot};
use jsonb::steps;

/// Where a profile holds such references.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Restricting {
    /// Those that a path leads to.
    pub paths: Vec<Place>,
    /// Some stand at any depth: in a type that holds itself, or in contained resources.
    pub anywhere: bool,
}

/// A place of such references.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// The path to what names the target: `owner.reference`.
    pub path: String,
    /// The profiles that it may name; any, if there are none.
    pub kinds: Vec<String>,
}

impl Place {
    /// Whether resources of this profile may be named there.
    pub fn takes(&self, profile: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == profile)
    }
}

/// Finds them. A named type or a contained profile that the schema has not been given yet is asked
/// for.
pub fn restricting(schema: &Schema, profile: &Profile) -> Result<Restricting, Box<Stop>> {
    let search = Search::of(schema, profile)?;
    let again = &search.again;
    let is_in_circle = |within: &[Shape]| within.iter().any(|shape| again.contains(shape));
    let mut anywhere = search.found.iter().any(|(_, within)| is_in_circle(within));
    let paths = search.found.into_iter().map(|(place, _)| place).collect();
    anywhere = anywhere || contains(schema, profile, &mut Vec::new())?;
    Ok(Restricting { paths, anywhere })
}

/// Whether what the profile contains holds such references.
fn contains(schema: &Schema, profile: &Profile, seen: &mut Vec<Slot>) -> Result<bool, Box<Stop>> {
    for kind in profile.contained.iter().flat_map(|key| &key.types) {
        if seen.contains(&kind.slot) {
            continue;
        }
        seen.push(kind.slot);
        let inner = match schema.resolve(kind.slot) {
            Known::Yes(inner) => inner,
            Known::No => continue,
            Known::Unknown => return Err(schema.needs(kind.slot)),
        };
        let own = Search::of(schema, inner)?.found;
        if !own.is_empty() || contains(schema, inner, seen)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A shape, by its profile and its number there.
type Shape = (Slot, usize);

struct Search<'s> {
    schema: &'s Schema,
    /// The shapes around the place.
    within: Vec<Shape>,
    /// Those that hold themselves.
    again: Vec<Shape>,
    found: Vec<(Place, Vec<Shape>)>,
}

impl<'s> Search<'s> {
    /// All that is found in the data of a profile.
    fn of(schema: &'s Schema, profile: &Profile) -> Result<Self, Box<Stop>> {
        let mut search = Self {
            schema,
            within: Vec::new(),
            again: Vec::new(),
            found: Vec::new(),
        };
        search.shape(profile, 0, "")?;
        Ok(search)
    }

    fn shape(&mut self, profile: &Profile, number: usize, path: &str) -> Result<(), Box<Stop>> {
        let here = (profile.slot, number);
        if self.within.contains(&here) {
            self.again.push(here);
            return Ok(());
        }
        let Some(shape) = profile.shapes.get(number) else {
            return Ok(());
        };
        self.within.push(here);
        for member in &shape.members {
            steps::take(1)?;
            let path = match path {
                "" => member.name.to_string(),
                path => format!("{path}.{}", member.name),
            };
            self.element(profile, &member.element, &path)?;
        }
        self.within.pop();
        Ok(())
    }

    fn element(
        &mut self,
        profile: &Profile,
        element: &Element,
        path: &str,
    ) -> Result<(), Box<Stop>> {
        let target = element
            .rules
            .as_ref()
            .and_then(|rules| rules.target.as_ref());
        if let Some(target) = target
            && target.enforce
            && !target.keep
        {
            let place = Place {
                path: format!("{path}.reference"),
                kinds: target.kinds.iter().map(|kind| kind.to_string()).collect(),
            };
            self.found.push((place, self.within.clone()));
        }
        match &element.node {
            Node::Array(items) | Node::Aligned(items) => self.element(profile, items, path),
            Node::Object(number) => self.shape(profile, *number, path),
            Node::Named(slot) => match self.schema.resolve(*slot) {
                Known::Yes(named) => self.shape(named, 0, path),
                Known::No => Ok(()),
                Known::Unknown => Err(self.schema.needs(*slot)),
            },
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::definition::Definition;
    use jsonb::{Value, from_text};

    fn look(definitions: &[(&str, &str)]) -> String {
        let schema = Schema::new();
        for (name, text) in definitions {
            let bytes = from_text(text).unwrap();
            let definition = Definition::read(name, Value::read(&bytes).unwrap()).unwrap();
            schema.insert(&definition.describe(1)).unwrap();
        }
        let profile = schema.profile(definitions[0].0).unwrap();
        let found = restricting(&schema, &profile).unwrap();
        let mut told: Vec<String> = found
            .paths
            .iter()
            .map(|place| format!("{} {}", place.path, place.kinds.join("|")))
            .collect();
        told.extend(found.anywhere.then(|| "anywhere".to_owned()));
        told.join(", ")
    }

    #[test]
    fn places_of_references_that_hold_their_targets_are_found() {
        let enforced = |more: &str| {
            format!(r#"{{"type": "reference", "target": ["person"], "enforce": true{more}}}"#)
        };
        let by = enforced("");
        for (properties, expected) in [
            (format!(r#""by": {by}"#), "by.reference person"),
            (
                format!(r#""by": {{"type": "array", "items": {by}}}"#),
                "by.reference person",
            ),
            (
                format!(
                    r#""a": {{"type": "array", "items": {{"type": "object", "properties": {{"by": {by}}}}}}}"#
                ),
                "a.by.reference person",
            ),
            (
                r#""by": {"type": "reference", "enforce": true}"#.to_owned(),
                "by.reference ",
            ),
            (
                format!(r#""by": {}"#, enforced(r#", "on_delete": "keep""#)),
                "",
            ),
            (
                format!(r#""by": {}"#, enforced(r#", "on_delete": "restrict""#)),
                "by.reference person",
            ),
            (
                r#""by": {"type": "reference", "target": ["person"]}"#.to_owned(),
                "",
            ),
        ] {
            let definition = format!(r#"{{"type": "ROOT", "properties": {{{properties}}}}}"#);
            assert_eq!(look(&[("visit", &definition)]), expected, "{properties}");
        }
    }

    #[test]
    fn what_is_contained_can_be_anywhere() {
        let by = r#"{"type": "CONTAINED", "properties": {"by": {"type": "reference", "enforce": true}}}"#;
        let visit = r#"{"type": "ROOT", "contained": {"notes": {"types": ["note"], "cardinality": "0:*"}}}"#;
        assert_eq!(look(&[("visit", visit), ("note", by)]), "anywhere");
    }
}
