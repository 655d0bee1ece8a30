//! The rows of a description, as tests read them.

use crate::data::{bytes, object, reduce};
use ingest_engine::definition::fhir::{Described, NotDescribed, describe};
use ingest_engine::{Description, Property};
use jsonb::{Value, to_text};
use serde_json::{Value as Json, json};

/// A row as a line: its path, its kind and its settings, if it has any.
pub fn line(row: &Property) -> String {
    let settings = to_text(Value::read(&row.settings).unwrap()).unwrap();
    let settings = if settings == "{}" { "" } else { &settings };
    format!("{} {} {settings}", row.path, row.kind)
        .trim()
        .to_owned()
}

pub fn lines(description: &Description) -> Vec<String> {
    let places = description.properties.iter().enumerate();
    for (place, row) in places {
        assert_eq!(usize::try_from(row.ordinal), Ok(place));
    }
    description.properties.iter().map(line).collect()
}

/// A type of these elements, each without what all have: `{"path": "Thing.x", "max": "*", …}`.
pub fn thing(elements: Json) -> Json {
    let mut all = vec![json!({"path": "Thing", "min": 0, "max": "*"})];
    for element in elements.as_array().unwrap() {
        let mut whole = json!({"min": 0, "max": "1"});
        whole
            .as_object_mut()
            .unwrap()
            .extend(element.as_object().unwrap().clone());
        all.push(whole);
    }
    json!({
        "resourceType": "StructureDefinition", "url": "u:thing", "name": "Thing",
        "kind": "complex-type", "type": "Thing", "snapshot": {"element": all}
    })
}

pub fn describe_json(definition: &Json) -> Result<Described, NotDescribed> {
    let reduced = reduce(&bytes(&definition.to_string())).unwrap();
    describe(Value::Object(object(&reduced.content)), 7)
}

/// The issues of a definition that is wrong, each with its expression.
pub fn refused(definition: &Json) -> Vec<String> {
    match describe_json(definition) {
        Err(NotDescribed::Wrong(issues)) => {
            let issues = issues.into_iter();
            issues
                .map(|it| format!("{}: {}", it.expression, it.diagnostics))
                .collect()
        }
        other => panic!("{other:?}"),
    }
}
