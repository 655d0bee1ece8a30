//! The whole resource: the envelope around its data, and what it contains.

use super::lexical::ID;
use super::{Keywords, Writer, describe, keywords};
use crate::definition::Said;
use crate::description::Kind;
use crate::profile::{ContainedKey, Profile};
use crate::resource::{Missing, Stop};
use crate::schema::{Known, Schema, Slot};
use jsonb::steps;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

impl Writer<'_> {
    /// A resource or a link as it is written, and as it is read.
    pub(super) fn whole(&mut self, profile: &Profile) -> Result<Keywords, Stop> {
        let data = self.data(profile)?;
        if profile.is_fhir() {
            return Ok(data);
        }
        let mut properties = Map::new();
        let mut required = vec!["data"];
        let kind = keywords(json!({"const": profile.name}));
        properties.insert("type".into(), self.nullable(kind));
        properties.insert("meta".into(), json!({"type": "object"}));
        if profile.kind == Kind::Relationship {
            let end = json!({
                "type": "object",
                "properties": {"id": {"type": "string", "pattern": format!("^{ID}$")},
                               "type": {"type": "string"}},
                "required": ["id", "type"],
                "additionalProperties": false,
            });
            let id = keywords(json!({"type": "string"}));
            properties.insert("id".into(), self.nullable(id));
            properties.insert("from".into(), end.clone());
            properties.insert("to".into(), end);
            // What may be without properties may be left out.
            if !data.contains_key("required") {
                required.clear();
            }
            required.extend(["from", "to"]);
        } else {
            let id = keywords(json!({"type": "string", "pattern": format!("^{ID}$")}));
            properties.insert("id".into(), self.nullable(id));
            required.extend(self.put_contained(profile, &mut properties)?);
        }
        let data = match required.contains(&"data") {
            true => Value::Object(data),
            false => self.nullable(data),
        };
        properties.insert("data".into(), data);
        if !self.strict {
            properties.insert("meta".into(), json!(true));
        }
        Ok(keywords(json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })))
    }

    /// A contained resource.
    pub(super) fn item(&mut self, profile: &Profile) -> Result<Keywords, Stop> {
        let mut properties = Map::new();
        let id = keywords(json!({"type": "string", "pattern": format!("^(?:.*/)?{ID}$")}));
        properties.insert("id".into(), self.nullable(id));
        let kind = keywords(json!({"const": profile.name}));
        properties.insert("type".into(), self.nullable(kind));
        properties.insert("data".into(), Value::Object(self.data(profile)?));
        let mut required = vec!["data"];
        required.extend(self.put_contained(profile, &mut properties)?);
        let mut item = keywords(json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": self.unnamed(),
        }));
        let said = self.said.get(&profile.name);
        describe(&mut item, said.and_then(|said| said.root.as_deref()));
        Ok(item)
    }

    /// Adds the member that holds what a profile contains; names it if it must be there.
    fn put_contained(
        &mut self,
        profile: &Profile,
        properties: &mut Map<String, Value>,
    ) -> Result<Option<&'static str>, Stop> {
        if profile.contained.is_empty() && self.strict {
            return Ok(None);
        }
        let (mut keys, mut required) = (Map::new(), Vec::new());
        for key in &profile.contained {
            let mut items = self.key(key)?;
            if key.cardinality.required {
                required.push(&*key.key);
            } else {
                items = keywords(self.nullable(items));
            }
            let said = self.said.get(&profile.name);
            describe(&mut items, said.and_then(|said| of_key(said, &key.key)));
            keys.insert(key.key.to_string(), Value::Object(items));
        }
        let must = !required.is_empty();
        let mut contained = keywords(json!({
            "type": "object",
            "properties": keys,
            "additionalProperties": self.unnamed(),
        }));
        if must {
            contained.insert("required".into(), json!(required));
        }
        let contained = match must {
            true => Value::Object(contained),
            false => self.nullable(contained),
        };
        properties.insert("contained".into(), contained);
        Ok(must.then_some("contained"))
    }

    /// The items under one key.
    fn key(&mut self, key: &ContainedKey) -> Result<Keywords, Stop> {
        steps::take(key.types.len())?;
        let mut any = Vec::new();
        for kind in &key.types {
            let mut item = self.contained_in(kind.slot, &kind.name)?;
            // Of several the item says which it is.
            if key.types.len() > 1 {
                item.insert("required".into(), json!(["type"]));
                item.insert("properties".into(), json!({"type": {"const": kind.name}}));
            }
            any.push(item);
        }
        let item = match <[Keywords; 1]>::try_from(any) {
            Ok([only]) => only,
            Err(several) => keywords(json!({"anyOf": several})),
        };
        let mut items = keywords(json!({"type": "array", "items": self.nullable(item)}));
        let least = usize::from(key.cardinality.required);
        if self.strict {
            items.insert("minItems".into(), json!(least));
        } else if key.cardinality.required || !key.cardinality.many {
            items.insert("contains".into(), json!({"not": {"type": "null"}}));
            items.insert("minContains".into(), json!(least));
        }
        if !key.cardinality.many {
            let most = if self.strict {
                "maxItems"
            } else {
                "maxContains"
            };
            items.insert(most.into(), json!(1));
        }
        Ok(items)
    }

    /// A reference to a contained profile, to be defined. No name of a type has a dot.
    fn contained_in(&mut self, slot: Slot, profile: &str) -> Result<Keywords, Stop> {
        match self.schema.resolve(slot) {
            Known::Yes(_) => {}
            Known::No => return Ok(keywords(json!({"not": {}}))),
            Known::Unknown => {
                self.missing.add(slot.need, profile)?;
                return Ok(Keywords::new());
            }
        }
        let name = format!("contained.{profile}");
        if !self.definitions.contains_key(&name) {
            self.definitions.insert(name.clone(), Value::Null);
            self.contained.push((name.clone(), slot));
        }
        Ok(keywords(json!({"$ref": format!("#/$defs/{name}")})))
    }
}

fn of_key<'s>(said: &'s Said, key: &str) -> Option<&'s str> {
    let mut keys = said.contained.iter();
    let (_, text) = keys.find(|(known, _)| known == key)?;
    Some(text)
}

/// The profiles that a resource of this one is made of, itself and whatever it can contain.
pub fn within(schema: &Schema, profile: &Profile) -> Result<BTreeSet<String>, Stop> {
    let mut known = BTreeSet::from([profile.name.clone()]);
    let mut missing = Missing::default();
    let mut left = vec![profile.slot];
    while let Some(slot) = left.pop() {
        let profile = match schema.resolve(slot) {
            Known::Yes(profile) => profile,
            Known::No => continue,
            Known::Unknown => {
                missing.add(slot.need, schema.name(slot))?;
                continue;
            }
        };
        for kind in profile.contained.iter().flat_map(|key| &key.types) {
            steps::take(1)?;
            if known.insert(kind.name.to_string()) {
                left.push(kind.slot);
            }
        }
    }
    missing.finish()?;
    Ok(known)
}
