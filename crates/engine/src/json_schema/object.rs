//! Objects.

use super::{Keywords, Step, Writer, all_of, describe, keywords, present};
use crate::invariant::Invariant;
use crate::profile::{Choice, Member, Presence, Profile, Shape};
use crate::resource::Stop;
use serde_json::{Value, json};

impl Writer<'_> {
    /// One of the objects of a profile.
    pub(super) fn shape(&mut self, profile: &Profile, place: usize) -> Result<Keywords, Stop> {
        let Some(shape) = profile.shapes.get(place) else {
            return Ok(Keywords::new());
        };
        let mut properties = Keywords::new();
        let (mut required, mut more) = (Vec::new(), Vec::new());
        for member in &shape.members {
            self.steps.push(Step::Member(member.name.to_string()));
            let schema = self.element(profile, &member.element)?;
            self.conditional(&member.element);
            let words = self.words_here();
            self.steps.pop();
            let is_required = member.element.presence == Presence::Required;
            match member
                .role
                .as_ref()
                .and_then(|role| role.companion.as_ref())
            {
                Some(companion) if is_required => more.push(json!({
                    "anyOf": [{"required": [member.name]}, {"required": [companion]}],
                })),
                _ if is_required => required.push(Value::from(&*member.name)),
                _ => {}
            }
            let mut schema = match is_required || shape.json.is_fhir() {
                true => schema,
                false => keywords(self.nullable(schema)),
            };
            describe(&mut schema, words);
            properties.insert(member.name.to_string(), Value::Object(schema));
        }
        let others = match (shape.open, shape.json.is_fhir()) {
            (true, false) if self.strict => json!({"not": {"type": "null"}}),
            (true, _) => json!(true),
            (false, true) => json!(false),
            (false, false) => self.unnamed(),
        };
        let mut object = keywords(json!({"type": "object", "properties": properties}));
        if !required.is_empty() {
            object.insert("required".into(), Value::Array(required));
        }
        object.insert("additionalProperties".into(), others);
        if shape.json.is_fhir() {
            object.insert("minProperties".into(), json!(1));
        }
        let invariants = shape.relations.iter().map(|relation| &relation.invariant);
        more.extend(invariants.filter_map(invariant));
        for (index, choice) in shape.choices.iter().enumerate() {
            more.push(variants(shape, index, choice));
        }
        all_of(&mut object, more);
        Ok(object)
    }
}

fn invariant(invariant: &Invariant) -> Option<Value> {
    match invariant {
        Invariant::Ordered(..) => None,
        Invariant::Requires(first, second) => {
            Some(json!({"if": present(first), "then": present(second)}))
        }
        Invariant::Some(names) => {
            let any: Vec<Value> = names.iter().map(|name| present(name)).collect();
            Some(json!({"anyOf": any}))
        }
    }
}

/// That one variant of a choice stands, or at most one.
fn variants(shape: &Shape, index: usize, choice: &Choice) -> Value {
    let of_choice = |member: &&Member| {
        let variant = member.role.as_ref().and_then(|role| role.variant);
        variant.is_some_and(|(choice, _)| choice == index)
    };
    let mut variants: Vec<(usize, Vec<Value>)> = Vec::new();
    for member in shape.members.iter().filter(of_choice) {
        let variant = member.role.as_ref().and_then(|role| role.variant);
        let number = variant.map_or(0, |(_, number)| number);
        let there = json!({"required": [member.name]});
        match variants.iter_mut().find(|(known, _)| *known == number) {
            Some((_, members)) => members.push(there),
            None => variants.push((number, vec![there])),
        }
    }
    let mut one_of: Vec<Value> = variants
        .into_iter()
        .map(|(_, members)| json!({"anyOf": members}))
        .collect();
    if !choice.required {
        one_of.push(json!({"not": {"anyOf": one_of.clone()}}));
    }
    json!({"oneOf": one_of})
}
