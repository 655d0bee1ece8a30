//! Elements: their types and the rules that always hold.

use super::lexical::{self, literal, pattern, quote, relative};
use super::{Keywords, Step, Writer, all_of, describe, keywords, present};
use crate::lexical::Lexical;
use crate::profile::{Element, Node, Presence, Profile};
use crate::resource::{Need, Stop};
use crate::rule::{Binding, Bound, CORE, Decimal, Enumeration, Exact, Rule, Target};
use crate::schema::Known;
use jsonb::steps;
use jsonb::to_text;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the schema of an element takes, in steps.
const WRITING: usize = 64;

impl Writer<'_> {
    /// An element that is not null.
    pub(super) fn element(
        &mut self,
        profile: &Profile,
        element: &Element,
    ) -> Result<Keywords, Stop> {
        steps::take(WRITING)?;
        let mut schema = match &element.node {
            Node::Any => Keywords::new(),
            Node::Boolean => keywords(json!({"type": "boolean"})),
            Node::Integer(width) => {
                let (low, high) = width.bounds();
                keywords(json!({"type": "integer", "minimum": low, "maximum": high}))
            }
            Node::Decimal => keywords(json!({"type": "number"})),
            Node::Text(lexical) => {
                let mut schema = keywords(json!({"type": "string", "pattern": pattern(*lexical)}));
                if self.strict && matches!(lexical, Lexical::Instant) {
                    schema.insert("format".into(), "date-time".into());
                }
                schema
            }
            Node::Array(items) => {
                let schema = self.items(profile, items)?;
                let items = match items.presence {
                    Presence::Required => Value::Object(schema),
                    _ => self.nullable(schema),
                };
                keywords(json!({"type": "array", "items": items}))
            }
            Node::Aligned(items) => {
                // Where there is no value there is a companion.
                let items = self.items(profile, items)?;
                let items = json!({"anyOf": [{"type": "null"}, items]});
                keywords(json!({"type": "array", "items": items, "minItems": 1}))
            }
            Node::Object(place) if is_shared(profile, *place) => {
                self.refer(profile.slot, *place)?
            }
            Node::Object(place) => self.shape(profile, *place)?,
            Node::Named(slot) => self.refer(*slot, 0)?,
            Node::Resource => keywords(json!({"type": "object", "required": ["resourceType"]})),
        };
        if let Some(rules) = &element.rules {
            let always = rules.entries.iter().filter(|rule| rule.when.is_none());
            let mut more: Vec<Value> = always.filter_map(constraint).collect();
            more.extend(self.binding(rules.binding.as_ref(), &element.node)?);
            more.extend(
                rules
                    .target
                    .as_ref()
                    .map(|it| match profile.is_fhir() && !it.enforce {
                        true => fhir_target(it),
                        false => target(it),
                    }),
            );
            more.extend(rules.exact.as_ref().and_then(exact));
            all_of(&mut schema, more);
        }
        Ok(schema)
    }

    fn items(&mut self, profile: &Profile, items: &Element) -> Result<Keywords, Stop> {
        self.steps.push(Step::Items);
        let mut schema = self.element(profile, items)?;
        self.conditional(items);
        describe(&mut schema, self.words_here());
        self.steps.pop();
        Ok(schema)
    }

    fn binding(&mut self, binding: Option<&Binding>, node: &Node) -> Result<Option<Value>, Stop> {
        let Some(binding) = binding.filter(|binding| !binding.preferred) else {
            return Ok(None);
        };
        let vocabulary = match self.schema.vocabulary(binding.vocabulary) {
            Known::Yes(vocabulary) => vocabulary,
            Known::No => return Ok(Some(json!({"not": {}}))),
            Known::Unknown => {
                let name = self.schema.vocabulary_name(binding.vocabulary);
                self.missing.add(Need::Vocabulary, name)?;
                return Ok(None);
            }
        };
        let mut systems: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
        for (system, code) in vocabulary.concepts() {
            let system = system.map(|system| String::from_utf8_lossy(system).into_owned());
            let codes = systems.entry(system).or_default();
            codes.push(String::from_utf8_lossy(code).into_owned());
        }
        systems.values_mut().for_each(|codes| codes.sort_unstable());
        if matches!(node, Node::Text(_)) {
            let mut codes: Vec<String> = systems.into_values().flatten().collect();
            codes.sort_unstable();
            codes.dedup();
            return Ok(Some(json!({"enum": codes})));
        }
        let any: Vec<Value> = systems
            .into_iter()
            .map(|(system, codes)| {
                let mut properties = keywords(json!({"code": {"enum": codes}}));
                if let Some(system) = system {
                    properties.insert(
                        "system".into(),
                        json!({"anyOf": [{"const": system}, {"type": "null"}]}),
                    );
                }
                json!({"required": ["code"], "properties": properties})
            })
            .collect();
        let coding = json!({"type": "object", "anyOf": any});
        Ok(Some(json!({
            "if": present("coding"),
            "then": {"properties": {"coding": {"contains": coding}}},
            "else": coding,
        })))
    }
}

/// Whether an object can be met again, even within itself.
fn is_shared(profile: &Profile, place: usize) -> bool {
    let shape = profile.shapes.get(place);
    shape.is_some_and(|shape| shape.json.is_fhir() || shape.name.is_some())
}

/// What one entry of the rules asks of a value; `None` where it asks nothing that can be said.
pub(super) fn constraint(rule: &Rule) -> Option<Value> {
    let mut schema = Keywords::new();
    bound(
        &mut schema,
        rule.min.as_ref(),
        "minimum",
        "minLength",
        "minContains",
    );
    bound(
        &mut schema,
        rule.max.as_ref(),
        "maximum",
        "maxLength",
        "maxContains",
    );
    if schema.contains_key("minContains") || schema.contains_key("maxContains") {
        schema.insert("contains".into(), json!({"not": {"type": "null"}}));
        schema.entry("minContains").or_insert_with(|| json!(0));
    }
    if let Some(enumeration) = &rule.enumeration {
        schema.insert("enum".into(), values(enumeration));
    }
    if let Some(pattern) = &rule.pattern {
        schema.insert("pattern".into(), pattern.source().into());
    }
    (!schema.is_empty()).then_some(Value::Object(schema))
}

fn bound(schema: &mut Keywords, bound: Option<&Bound>, value: &str, length: &str, count: &str) {
    let (keyword, bound) = match bound {
        Some(Bound::Value(bound)) => (value, number(bound)),
        Some(Bound::Length(bound)) => (length, json!(bound)),
        Some(Bound::Count(bound)) => (count, json!(bound)),
        Some(Bound::Moment(..)) | None => return,
    };
    schema.insert(keyword.into(), bound);
}

/// A number with all its digits.
pub(super) fn number(number: &Decimal) -> Value {
    serde_json::from_str(&number.text()).unwrap_or_default()
}

fn values(enumeration: &Enumeration) -> Value {
    match enumeration {
        Enumeration::Strings { values, .. } => json!(values),
        Enumeration::Numbers(values) => values.iter().map(number).collect(),
    }
}

fn target(target: &Target) -> Value {
    let quoted: Vec<String> = target.kinds.iter().map(|kind| quote(kind)).collect();
    let kinds = (!quoted.is_empty()).then(|| quoted.join("|"));
    let kinds = kinds.as_deref();
    let form = match target.enforce {
        true => format!("^{}$", relative(kinds)),
        false => literal(kinds),
    };
    let mut schema = keywords(json!({"properties": {"reference": {"pattern": form}}}));
    if target.enforce {
        all_of(&mut schema, vec![present("reference")]);
    }
    agree(&mut schema, target, |kind| json!([kind, null]));
    Value::Object(schema)
}

/// A reference of FHIR tells its type where it is `<type>/<id>`; else it can be any URL.
fn fhir_target(target: &Target) -> Value {
    let quoted: Vec<String> = target.kinds.iter().map(|kind| quote(kind)).collect();
    let kinds = (!quoted.is_empty()).then(|| quoted.join("|"));
    let form = lexical::pointing(kinds.as_deref());
    let mut schema = keywords(json!({"properties": {"reference": {"pattern": form}}}));
    agree(&mut schema, target, |kind| {
        json!([kind, format!("{CORE}{kind}")])
    });
    Value::Object(schema)
}

/// That the type that a reference says is the one that it points to.
fn agree(schema: &mut Keywords, target: &Target, types: impl Fn(&str) -> Value) {
    let agreeing = target.kinds.iter().map(|kind| {
        let relative = lexical::relative(Some(&quote(kind)));
        let points = json!({"pattern": format!("^{relative}$"), "type": "string"});
        json!({
            "if": {"required": ["reference"], "properties": {"reference": points}},
            "then": {"properties": {"type": {"enum": types(kind)}}},
        })
    });
    all_of(schema, agreeing.collect());
}

fn exact(exact: &Exact) -> Option<Value> {
    let (value, open) = exact.value().ok()?;
    if !open {
        return json_of(value).map(|value| json!({"const": value}));
    }
    holding(value)
}

/// That a value holds `model`.
fn holding(model: jsonb::Value<'_>) -> Option<Value> {
    match model {
        jsonb::Value::Object(object) => {
            let (mut properties, mut required) = (Keywords::new(), Vec::new());
            for member in object.iter() {
                let (name, value) = member.ok()?;
                let name = String::from_utf8(name.to_vec()).ok()?;
                properties.insert(name.clone(), holding(value)?);
                required.push(name);
            }
            Some(json!({"type": "object", "properties": properties, "required": required}))
        }
        jsonb::Value::Array(array) => {
            let contained: Option<Vec<Value>> = array
                .iter()
                .map(|item| Some(json!({"contains": holding(item.ok()?)?})))
                .collect();
            Some(json!({"type": "array", "allOf": contained?}))
        }
        scalar => json_of(scalar).map(|value| json!({"const": value})),
    }
}

fn json_of(value: jsonb::Value<'_>) -> Option<Value> {
    serde_json::from_str(&to_text(value).ok()?).ok()
}
