//! Rules with conditions: `if` and `then` from the root of the data.

use super::element::{constraint, number};
use super::lexical::quote;
use super::{Keywords, Step, Writer, keywords, present};
use crate::profile::Element;
use crate::rule::{Condition, Rule, Test};
use serde_json::{Value, json};
use std::cmp::Ordering;

impl Writer<'_> {
    /// Notes the conditional rules of the element that the steps lead to.
    pub(super) fn conditional(&mut self, element: &Element) {
        let rules = element.rules.iter().flat_map(|rules| &rules.entries);
        for rule in rules {
            if let Some(schema) = self.rule(rule) {
                self.conditional.push(schema);
            }
        }
    }

    /// One rule, from the root; `None` where it cannot be said.
    fn rule(&mut self, rule: &Rule) -> Option<Value> {
        let when = rule.when.as_ref()?;
        let mut from_root = Vec::new();
        let mut from_current = Vec::new();
        for condition in &when.conditions {
            let asked = self.condition(condition)?;
            match condition.current {
                true => from_current.push(asked),
                false => from_root.push(asked),
            }
        }
        // The object that holds the element is the step before the last name.
        let holder = self
            .steps
            .iter()
            .rposition(|step| matches!(step, Step::Member(_)))?;
        let asks = constraint(rule).map(|schema| wrap(&self.steps[holder..], schema));
        let demands = match &self.steps[holder..] {
            [Step::Member(name)] if rule.required => Some(present(name)),
            _ if rule.required => Some(wrap(
                &self.steps[holder..],
                json!({"not": {"type": "null"}}),
            )),
            _ => None,
        };
        let then: Vec<Value> = asks.into_iter().chain(demands).collect();
        let mut schema = json!({"allOf": then});
        if !from_current.is_empty() {
            schema = json!({"if": {"allOf": from_current}, "then": schema});
        }
        schema = wrap(&self.steps[..holder], schema);
        if !from_root.is_empty() {
            schema = json!({"if": {"allOf": from_root}, "then": schema});
        }
        Some(schema)
    }

    /// A condition, from where it begins.
    fn condition(&mut self, condition: &Condition) -> Option<Value> {
        let mut schema = self.any(test(&condition.test)?);
        for name in condition.path.iter().rev() {
            let name = &**name;
            let through = keywords(json!({
                "type": "object", "required": [name], "properties": {name: schema},
            }));
            schema = self.any(through);
        }
        Some(Value::Object(schema))
    }

    /// The schema, or an array with such an element, at any depth of arrays.
    fn any(&mut self, one: Keywords) -> Keywords {
        let name = format!("any-{}", self.definitions.len());
        let refer = json!({"$ref": format!("#/$defs/{name}")});
        let any = json!({"anyOf": [one, {"type": "array", "contains": refer}]});
        self.definitions.insert(name, any);
        keywords(refer)
    }
}

/// The schema at the end of some steps.
fn wrap(steps: &[Step], schema: Value) -> Value {
    steps.iter().rev().fold(schema, |schema, step| match step {
        Step::Member(name) => json!({"properties": {name: schema}}),
        Step::Items => json!({"items": schema}),
    })
}

/// A question to one value that is no array; `None` where it cannot be put.
fn test(test: &Test) -> Option<Keywords> {
    let schema = match test {
        Test::Present => json!({"not": {"type": ["null", "array"]}}),
        Test::Flag(flag) => json!({"const": flag}),
        Test::Text { parts, fold } => {
            let parts: Vec<String> = parts
                .iter()
                .map(|part| {
                    if *fold {
                        either_case(part)
                    } else {
                        quote(part)
                    }
                })
                .collect();
            let pattern = format!("^{}$", parts.join(r"[^\u0000]*"));
            json!({"type": "string", "pattern": pattern})
        }
        Test::Number(side, bound) => match side {
            Ordering::Equal => json!({"const": number(bound)}),
            Ordering::Less => json!({"type": "number", "maximum": number(bound)}),
            Ordering::Greater => json!({"type": "number", "minimum": number(bound)}),
        },
        Test::Moment(..) => return None,
    };
    Some(keywords(schema))
}

/// A text in lower case as a pattern of either case: of what has it as its lower case, as `STRASSE`
/// has not `straße`.
fn either_case(text: &str) -> String {
    text.chars()
        .map(|c| {
            let upper: String = c.to_uppercase().collect();
            match upper.chars().eq([c]) || !upper.to_lowercase().chars().eq([c]) {
                true => quote(&c.to_string()),
                false => format!("(?:{c}|{upper})"),
            }
        })
        .collect()
}
