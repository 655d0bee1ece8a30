//! A profile as JSON Schema, draft 2020-12: what `data` must be, or the whole resource.
//!
//! What JSON Schema cannot say is left out, so that it accepts whatever the engine does: the order
//! of dates (`min` and `max` of dates, conditions on dates, a period's start and end), the
//! existence of targets, FHIR's alignment of companions, and what is inside a resource that is
//! judged by its own `resourceType`. One thing it cannot refuse: `1.0` is an integer to JSON
//! Schema, and has a fraction here. A preferred binding is none. The strict form says the same of
//! documents without null and without what no profile names, so it refuses more.

mod condition;
mod element;
mod lexical;
mod object;
mod whole;

use crate::definition::Said;
use crate::profile::Profile;
use crate::resource::{Missing, Stop};
use crate::schema::{Known, Schema, Slot};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

pub use whole::within;

/// What is written, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// The whole resource, with its id and what it contains, and not its data alone.
    pub whole: bool,
    /// Without null, which counts as absent, and without properties that are not named and null.
    pub strict: bool,
}

/// Writes the schema, with what the definitions of these profiles say in words. On [`Stop::Needs`]
/// give the schema what it needs, and call again.
pub fn json_schema(
    schema: &Schema,
    profile: &Profile,
    form: Style,
    said: &HashMap<String, Said>,
) -> Result<Value, Stop> {
    let mut writer = Writer {
        schema,
        strict: form.strict,
        said,
        words: HashMap::new(),
        definitions: Map::new(),
        wanted: Vec::new(),
        contained: Vec::new(),
        steps: Vec::new(),
        conditional: Vec::new(),
        missing: Missing::default(),
    };
    let mut root = match form.whole {
        true => writer.whole(profile)?,
        false => writer.data(profile)?,
    };
    writer.define_wanted()?;
    writer.missing.finish()?;
    let mut document = Map::new();
    document.insert(
        "$schema".into(),
        "https://json-schema.org/draft/2020-12/schema".into(),
    );
    document.insert("title".into(), profile.name.as_str().into());
    if let Some(text) = said.get(&profile.name).and_then(|said| said.root.as_ref()) {
        document.insert("description".into(), text.as_str().into());
    }
    document.append(&mut root);
    if !writer.definitions.is_empty() {
        document.insert("$defs".into(), Value::Object(writer.definitions));
    }
    Ok(Value::Object(document))
}

/// A schema object in the making.
type Keywords = Map<String, Value>;

/// A step from the root of the data to where the writer is.
#[derive(Debug, Clone)]
enum Step {
    Member(String),
    Items,
}

struct Writer<'s> {
    schema: &'s Schema,
    strict: bool,
    /// What definitions say in words, by the names of their profiles.
    said: &'s HashMap<String, Said>,
    /// What that of the profile that is written says of its properties, by path.
    words: HashMap<&'s str, &'s str>,
    definitions: Keywords,
    /// Named types and objects that are referred to and not defined yet, by the name of their
    /// definition.
    wanted: Vec<(String, Slot, usize)>,
    /// Contained profiles that are referred to and not defined yet, in the same way.
    contained: Vec<(String, Slot)>,
    steps: Vec<Step>,
    /// Rules with conditions, each from the root.
    conditional: Vec<Value>,
    /// What the schema lacks of what was met.
    missing: Missing,
}

impl<'s> Writer<'s> {
    /// What the data of a profile must be, its rules with conditions included.
    fn data(&mut self, profile: &Profile) -> Result<Keywords, Stop> {
        let said: Option<&'s Said> = self.said.get(&profile.name);
        self.words = said.map(Said::by_path).unwrap_or_default();
        let mut root = self.shape(profile, 0)?;
        let conditional = std::mem::take(&mut self.conditional);
        all_of(&mut root, conditional);
        // A type that profiles share is said nothing of.
        self.words.clear();
        Ok(root)
    }

    /// The schema, or null.
    fn nullable(&self, schema: Keywords) -> Value {
        match self.strict {
            // What is of any type.
            true if schema.is_empty() => json!({"not": {"type": "null"}}),
            true => Value::Object(schema),
            false => json!({"anyOf": [{"type": "null"}, schema]}),
        }
    }

    /// What is not named: nothing, or null, which counts as absent.
    fn unnamed(&self) -> Value {
        match self.strict {
            true => json!(false),
            false => json!({"type": "null"}),
        }
    }

    /// What is said of the place where the writer is.
    fn words_here(&self) -> Option<&'s str> {
        if self.words.is_empty() {
            return None;
        }
        let path = self
            .steps
            .iter()
            .fold(String::new(), |path, step| match step {
                Step::Items => format!("{path}[]"),
                Step::Member(name) if path.is_empty() => name.clone(),
                Step::Member(name) => format!("{path}.{name}"),
            });
        self.words.get(path.as_str()).copied()
    }

    /// A reference to one of the objects of a type, to be defined.
    fn refer(&mut self, slot: Slot, place: usize) -> Result<Keywords, Stop> {
        let profile = match self.schema.resolve(slot) {
            Known::Yes(profile) => profile,
            Known::No => return Ok(keywords(json!({"not": {}}))),
            Known::Unknown => {
                self.missing.add(slot.need, self.schema.name(slot))?;
                return Ok(Keywords::new());
            }
        };
        let shape = profile.shapes.get(place);
        let name = match shape.and_then(|shape| shape.name.as_deref()) {
            Some(name) => name.to_owned(),
            None if place == 0 => profile.name.clone(),
            None => format!("{}-{place}", profile.name),
        };
        if !self.definitions.contains_key(&name) {
            self.definitions.insert(name.clone(), Value::Null);
            self.wanted.push((name.clone(), slot, place));
        }
        Ok(keywords(json!({"$ref": format!("#/$defs/{name}")})))
    }

    fn define_wanted(&mut self) -> Result<(), Stop> {
        let schema = self.schema;
        // What is wanted was resolved before.
        loop {
            if let Some((name, slot, place)) = self.wanted.pop() {
                if let Known::Yes(profile) = schema.resolve(slot) {
                    let definition = self.shape(profile, place)?;
                    self.definitions.insert(name, Value::Object(definition));
                }
            } else if let Some((name, slot)) = self.contained.pop() {
                if let Known::Yes(profile) = schema.resolve(slot) {
                    let definition = self.item(profile)?;
                    self.definitions.insert(name, Value::Object(definition));
                }
            } else {
                return Ok(());
            }
        }
    }
}

/// The keywords of an object that was written as a literal.
fn keywords(value: Value) -> Keywords {
    match value {
        Value::Object(keywords) => keywords,
        _ => Map::new(),
    }
}

/// Adds schemas that must hold too.
fn all_of(keywords: &mut Keywords, schemas: Vec<Value>) {
    if schemas.is_empty() {
        return;
    }
    let known = keywords.entry("allOf").or_insert_with(|| json!([]));
    if let Value::Array(known) = known {
        known.extend(schemas);
    }
}

/// Adds what is said of it in words.
fn describe(schema: &mut Keywords, words: Option<&str>) {
    if let Some(words) = words {
        schema.insert("description".into(), words.into());
    }
}

/// That a member is there and not null.
fn present(name: &str) -> Value {
    json!({"required": [name], "properties": {name: {"not": {"type": "null"}}}})
}
