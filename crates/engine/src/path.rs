//! A dot path over compiled shapes: `name.family`. It leads through arrays, into objects, built-in
//! and named types. Whatever names a property by a path is looked up here: identities, indexes,
//! criteria, the conditions of rules.

use crate::base::Base;
use crate::lexical::Lexical;
use crate::profile::{Element, Member, Node, Profile, Shape, stored_order};
use crate::resource::Stop;
use crate::rule::Rules;
use crate::schema::{Known, Schema};
use jsonb::steps;
use text::near::is_like;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The path, the arrays on its way and at its end marked: `name[].given[]`.
    pub path: String,
    /// The type that stands there, behind the arrays.
    pub(crate) base: Base,
    /// The name of the type, if it is an object with one.
    name: Option<Box<str>>,
    /// The paths to primitive properties below, without marks.
    below: Vec<String>,
}

/// How the values of a type are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Texts, byte by byte.
    Text,
    /// Dates and times, whose texts have the order of time.
    Calendar,
    /// Instants, whose texts have zones, and so an order of their own.
    Instant,
    /// Numbers, by value.
    Number,
    /// `false` and `true`.
    Boolean,
    /// Values of any type.
    Any,
}

/// Nothing stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The part of the path that leads to something, without marks; empty for the root.
    pub parent: String,
    /// The name that is not there.
    pub name: String,
    /// Names that are there: those that are like it, or else all, in their order of letters.
    pub near: Vec<String>,
    /// Whether the names are like it.
    pub alike: bool,
}

/// How many paths and names are told.
const TOLD: usize = 8;
/// How deep paths are looked for below an object.
const DEEP: usize = 3;

impl Found {
    /// Whether its values hold no others.
    pub fn is_primitive(&self) -> bool {
        self.base.is_primitive()
    }

    /// How its values are compared.
    pub fn form(&self) -> Form {
        match &self.base {
            Base::Boolean => Form::Boolean,
            Base::Integer(_) | Base::Decimal => Form::Number,
            Base::Text(Lexical::Date | Lexical::Time) => Form::Calendar,
            Base::Text(Lexical::Datetime | Lexical::Instant) => Form::Instant,
            Base::Text(_) => Form::Text,
            _ => Form::Any,
        }
    }

    /// Whether the path meets an array, at its end or before.
    pub fn is_many(&self) -> bool {
        self.path.contains("[]")
    }

    /// The name of the property.
    pub(crate) fn last(&self) -> &str {
        let path = self.path.trim_end_matches("[]");
        path.rsplit('.').next().unwrap_or(path)
    }

    /// What the type is called, with its article: `an object`, `a humanname`.
    pub fn kind(&self) -> String {
        let name = self.name.as_deref().unwrap_or(match &self.base {
            Base::Any => "value of any type",
            Base::Boolean => "boolean",
            Base::Integer(_) => "whole number",
            Base::Decimal => "number",
            Base::Text(lexical) => lexical.name(),
            _ => "object",
        });
        let vowel = name.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O', 'x']);
        format!("{} {name}", if vowel { "an" } else { "a" })
    }

    /// That a path leads to an object, and which lead on.
    pub fn unfit(&self, path: &str) -> String {
        let kind = self.kind();
        match self.below.is_empty() {
            true => format!("{} is {kind}", shown(path)),
            false => format!("{} is {kind}; use {}", shown(path), self.below.join(", ")),
        }
    }

    /// The paths to primitive properties below an object, the nearest first, as many as are told.
    pub fn below(&self) -> &[String] {
        &self.below
    }
}

impl Lost {
    /// That there is no such property, and which there are.
    pub fn message(&self) -> String {
        let owner = match self.parent.as_str() {
            "" => "the profile".to_owned(),
            parent => shown(parent),
        };
        let near = self.near.join(", ");
        let what = match (self.alike, near.is_empty()) {
            (true, _) => format!("; did you mean {near}?"),
            (false, false) => format!("; it has {near}"),
            (false, true) => String::new(),
        };
        format!("{owner} has no property {}{what}", shown(&self.name))
    }
}

/// How much of a name is told, in characters.
const LONG: usize = 100;

/// A name of the caller's in a message.
pub(crate) fn shown(name: &str) -> String {
    match name.is_empty() {
        true => "\"\"".to_owned(),
        false => name.chars().take(LONG).collect(),
    }
}

/// What the values at a path keep to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kept<'p> {
    /// Their rules.
    pub(crate) own: Option<&'p Rules>,
    /// Those of the object that they are members of.
    pub(crate) holder: Option<&'p Rules>,
}

/// What stands at `path` in the data of a profile. A named type that the schema has not been given
/// yet is asked for.
pub fn find(
    schema: &Schema,
    profile: &Profile,
    path: &str,
) -> Result<Result<Found, Lost>, Box<Stop>> {
    Ok(find_kept(schema, profile, path)?.map(|(found, _)| found))
}

/// The same, and what the values there keep to.
pub(crate) fn find_kept<'p>(
    schema: &'p Schema,
    profile: &'p Profile,
    path: &str,
) -> Result<Result<(Found, Kept<'p>), Lost>, Box<Stop>> {
    let mut place = Place::Shape(profile, 0);
    let mut kept = Kept::default();
    let mut full = String::with_capacity(path.len());
    let mut known = 0;
    for name in path.split('.') {
        steps::take(1)?;
        let shape = match place {
            Place::Shape(profile, number) => profile.shapes.get(number).map(|at| (profile, at)),
            Place::Leaf(_) => None,
        };
        let member = shape.and_then(|(profile, shape)| Some((profile, shape.member(name)?)));
        let Some((owner, element)) = member else {
            let parent = path.get(..known).unwrap_or_default();
            return Ok(Err(lost(parent, name, shape.map(|(_, shape)| shape))));
        };
        if !full.is_empty() {
            full.push('.');
        }
        full.push_str(name);
        place = enter(schema, owner, element, &mut full)?;
        kept = Kept {
            own: single(element).rules.as_deref(),
            holder: kept.own,
        };
        known += name.len() + usize::from(known > 0);
    }
    let (base, name, below) = match place {
        Place::Leaf(base) => (base, None, Vec::new()),
        Place::Shape(profile, number) => {
            let shape = profile.shapes.get(number);
            let name = match number {
                0 => Some(profile.name.as_str().into()),
                _ => shape.and_then(|shape| shape.built_in.map(Into::into)),
            };
            let mut below = Vec::new();
            gather(schema, profile, number, path, DEEP, &mut below)?;
            (Base::Object, name, below)
        }
    };
    let found = Found {
        path: full,
        base,
        name,
        below,
    };
    Ok(Ok((found, kept)))
}

/// Where a path has come to, behind arrays.
#[derive(Clone)]
enum Place<'p> {
    /// An object, by its shape's number.
    Shape(&'p Profile, usize),
    /// What no path leads into.
    Leaf(Base),
}

/// Steps into an element, and marks the arrays on the way.
fn enter<'p>(
    schema: &'p Schema,
    profile: &'p Profile,
    element: &'p Element,
    full: &mut String,
) -> Result<Place<'p>, Box<Stop>> {
    let mut item = element;
    while let Some(inner) = items(item) {
        full.push_str("[]");
        item = inner;
    }
    Ok(match &item.node {
        Node::Object(number) => Place::Shape(profile, *number),
        Node::Named(slot) => match schema.resolve(*slot) {
            Known::Yes(profile) => Place::Shape(profile, 0),
            Known::No => Place::Leaf(Base::Any),
            Known::Unknown => return Err(schema.needs(*slot)),
        },
        Node::Boolean => Place::Leaf(Base::Boolean),
        Node::Integer(width) => Place::Leaf(Base::Integer(*width)),
        Node::Decimal => Place::Leaf(Base::Decimal),
        Node::Text(lexical) => Place::Leaf(Base::Text(*lexical)),
        Node::Resource => Place::Leaf(Base::Resource),
        Node::Any | Node::Array(_) | Node::Aligned(_) => Place::Leaf(Base::Any),
    })
}

/// The items of an array.
fn items(element: &Element) -> Option<&Element> {
    match &element.node {
        Node::Array(items) | Node::Aligned(items) => Some(items),
        _ => None,
    }
}

/// What stands behind all arrays.
fn single(mut element: &Element) -> &Element {
    while let Some(inner) = items(element) {
        element = inner;
    }
    element
}

/// The paths to primitive properties below an object, the nearest first; a named type that is not
/// known is left out.
fn gather(
    schema: &Schema,
    profile: &Profile,
    number: usize,
    path: &str,
    depth: usize,
    below: &mut Vec<String>,
) -> Result<(), Box<Stop>> {
    let mut inner = Vec::new();
    let Some(shape) = profile.shapes.get(number) else {
        return Ok(());
    };
    for (name, element) in shape.named() {
        steps::take(1)?;
        // That of an element is hardly what anybody asks for.
        if name == "id" && shape.built_in.is_some() {
            continue;
        }
        let path = format!("{path}.{name}");
        match enter(schema, profile, element, &mut String::new()) {
            Ok(Place::Leaf(base)) if base.is_primitive() => below.push(path),
            Ok(Place::Shape(profile, number)) if depth > 0 => inner.push((profile, number, path)),
            _ => {}
        }
        if below.len() >= TOLD {
            return Ok(());
        }
    }
    for (profile, number, path) in inner {
        if below.len() < TOLD {
            gather(schema, profile, number, &path, depth - 1, below)?;
        }
    }
    Ok(())
}

fn lost(parent: &str, name: &str, shape: Option<&Shape>) -> Lost {
    let names = |keep: &dyn Fn(&str) -> bool| -> Vec<String> {
        let named = shape.iter().flat_map(|shape| shape.named());
        let mut names: Vec<String> = named
            .filter(|(known, _)| keep(known))
            .map(|(known, _)| known.to_owned())
            .collect();
        names.sort();
        names.truncate(TOLD);
        names
    };
    let like = names(&|known| is_like(known, name));
    Lost {
        parent: parent.to_owned(),
        name: name.to_owned(),
        alike: !like.is_empty(),
        near: match like.is_empty() {
            true => names(&|_| true),
            false => like,
        },
    }
}

impl Shape {
    fn member(&self, name: &str) -> Option<&Element> {
        let order = |known: &Member| stored_order(known.name.as_bytes(), name.as_bytes());
        let place = self.members.binary_search_by(order).ok()?;
        self.members.get(place).map(|member| &member.element)
    }

    pub(crate) fn named(&self) -> impl Iterator<Item = (&str, &Element)> {
        self.members
            .iter()
            .map(|member| (&*member.name, &member.element))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::definition::Definition;
    use jsonb::{Value, from_text};

    const DEFINITION: &str = r#"{"type": "ROOT", "properties": {
        "mrn": {"type": "identifier"},
        "born": {"type": "date"},
        "name": {"type": "array", "items": {"type": "humanname"}},
        "grid": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        "anything": {"type": "array"},
        "addr": {"type": "address", "properties": {"city": {"rules": [{"required": true}]}}},
        "own": {"type": "object", "properties": {
            "a": {"type": "array", "items": {"type": "object", "properties": {"b": {"type": "boolean"}}}}}}}}"#;

    fn look(path: &str) -> Result<Found, Lost> {
        let bytes = from_text(DEFINITION).unwrap();
        let definition = Definition::read("pt", Value::read(&bytes).unwrap()).unwrap();
        let schema = Schema::new();
        schema.insert(&definition.describe(1)).unwrap();
        find(&schema, &schema.profile("pt").unwrap(), path).unwrap()
    }

    #[test]
    fn path_leads_through_arrays_and_types() {
        // Each with its arrays marked, and what stands there.
        for (path, full, kind) in [
            ("mrn.system", "mrn.system", "a uri"),
            ("mrn.type.coding.code", "mrn.type.coding[].code", "a code"),
            (
                "mrn.assigner.identifier.assigner.display",
                "mrn.assigner.identifier.assigner.display",
                "a symbol",
            ),
            ("born", "born", "a date"),
            ("name.given", "name[].given[]", "a symbol"),
            ("name", "name[]", "a humanname"),
            ("grid", "grid[][]", "a whole number"),
            ("anything", "anything[]", "a value of any type"),
            ("addr.line", "addr.line[]", "a symbol"),
            ("addr.city", "addr.city", "a symbol"),
            ("addr", "addr", "an address"),
            ("own.a", "own.a[]", "an object"),
            ("own.a.b", "own.a[].b", "a boolean"),
        ] {
            let found = look(path).unwrap();
            assert_eq!((found.path.as_str(), found.kind().as_str()), (full, kind));
        }
    }

    #[test]
    fn object_tells_the_paths_below_it() {
        let below = look("name").unwrap().below().join(" ");
        assert_eq!(
            below,
            "name.use name.text name.given name.family name.prefix name.suffix name.period.end name.period.start"
        );
        assert_eq!(look("own").unwrap().below(), ["own.a.b"]);
        assert!(look("born").unwrap().below().is_empty());
    }

    #[test]
    fn path_that_leads_nowhere_tells_names_that_are_there() {
        // The part that leads somewhere, the name that does not, and names: alike, or all.
        for (path, parent, name, near) in [
            ("nmae", "", "nmae", "name"),
            ("Name", "", "Name", "name"),
            ("name.famly", "name", "famly", "family"),
            ("born.year", "born", "year", ""),
            ("own.z.y", "own", "z", "a"),
            ("", "", "", "addr anything born grid mrn name own"),
            (
                "name.",
                "name",
                "",
                "family given id period prefix suffix text use",
            ),
        ] {
            let lost = look(path).unwrap_err();
            assert_eq!(
                (lost.parent.as_str(), lost.name.as_str()),
                (parent, name),
                "{path}"
            );
            assert_eq!(lost.near.join(" "), near, "{path}");
        }
    }
}
