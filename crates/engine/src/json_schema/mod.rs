//! A profile as JSON Schema, draft 2020-12: what `data` must be.
//!
//! What JSON Schema cannot say is left out, so that it accepts whatever the engine does: the order
//! of dates (`min` and `max` of dates, conditions on dates, a period's start and end), the
//! existence of targets, FHIR's alignment of companions, and what is inside a resource that is
//! judged by its own `resourceType`. One thing it cannot refuse: `1.0` is an integer to JSON
//! Schema, and has a fraction here. A preferred binding is none.

mod condition;
mod element;
mod lexical;
mod object;

use crate::profile::Profile;
use crate::resource::{Missing, Stop};
use crate::schema::{Known, Schema, Slot};
use serde_json::{Map, Value, json};

/// Writes the schema. On [`Stop::Needs`] give the schema what it needs, and call again.
pub fn json_schema(schema: &Schema, profile: &Profile) -> Result<Value, Stop> {
    let mut writer = Writer {
        schema,
        definitions: Map::new(),
        wanted: Vec::new(),
        steps: Vec::new(),
        conditional: Vec::new(),
        missing: Missing::default(),
    };
    let mut root = writer.shape(profile, 0)?;
    let conditional = std::mem::take(&mut writer.conditional);
    all_of(&mut root, conditional);
    writer.define_wanted()?;
    writer.missing.finish()?;
    let mut document = Map::new();
    document.insert(
        "$schema".into(),
        "https://json-schema.org/draft/2020-12/schema".into(),
    );
    document.insert("title".into(), profile.name.as_str().into());
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
    definitions: Keywords,
    /// Named types and objects that are referred to and not defined yet, by the name of their
    /// definition.
    wanted: Vec<(String, Slot, usize)>,
    steps: Vec<Step>,
    /// Rules with conditions, each from the root.
    conditional: Vec<Value>,
    /// What the schema lacks of what was met.
    missing: Missing,
}

impl Writer<'_> {
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
        while let Some((name, slot, place)) = self.wanted.pop() {
            // What is wanted was resolved before.
            if let Known::Yes(profile) = schema.resolve(slot) {
                let definition = self.shape(profile, place)?;
                self.definitions.insert(name, Value::Object(definition));
            }
        }
        Ok(())
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

/// The schema, or null.
fn nullable(schema: Keywords) -> Value {
    json!({"anyOf": [{"type": "null"}, schema]})
}

/// That a member is there and not null.
fn present(name: &str) -> Value {
    json!({"required": [name], "properties": {name: {"not": {"type": "null"}}}})
}
