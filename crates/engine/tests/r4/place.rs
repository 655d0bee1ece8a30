//! The places of a document, each with what R4 says of it.

use crate::definitions::{Definitions, Element, Type};
use serde_json::Value as Json;

/// One value of an element, or the array of all its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The value of an element that can have one only.
    Single,
    /// The array of those of an element that can have many.
    Array,
    /// One in it.
    Item,
}

/// A place in a document.
#[derive(Debug)]
pub struct Place<'d> {
    /// The JSON pointer of the value, …
    pub pointer: String,
    /// … of the object in which it, or the array of it, stands, …
    pub object: String,
    /// … and of the nearest resource.
    pub resource: String,
    /// `valueQuantity`
    pub key: String,
    /// `Observation.component[0].valueQuantity`
    pub expression: String,
    pub form: Form,
    /// The type, or the path, that the object is of.
    pub of: String,
    pub element: &'d Element,
    pub kind: Option<&'d Type>,
    /// The type, or the path, that has its elements.
    pub inside: String,
}

impl Place<'_> {
    /// The name of its type.
    pub fn code(&self) -> &str {
        self.kind.map_or("", |it| &it.code)
    }

    /// Where the object is, as an expression.
    pub fn above(&self) -> &str {
        let end = self.expression.rfind('.').unwrap_or_default();
        &self.expression[..end]
    }
}

/// All places of a resource.
pub fn places<'d>(definitions: &'d Definitions, document: &Json) -> Vec<Place<'d>> {
    let mut search = Search {
        definitions,
        document,
        resource: String::new(),
        found: Vec::new(),
    };
    let kind = document["resourceType"].as_str().unwrap_or_default();
    search.object(kind, "", kind);
    search.found
}

struct Search<'d, 'a> {
    definitions: &'d Definitions,
    document: &'a Json,
    resource: String,
    found: Vec<Place<'d>>,
}

impl<'d> Search<'d, '_> {
    fn object(&mut self, of: &str, pointer: &str, expression: &str) {
        let Some(Json::Object(members)) = self.document.pointer(pointer) else {
            return;
        };
        for (key, value) in members {
            let Some((element, kind)) = self.definitions.find(of, key) else {
                continue;
            };
            let code = kind.map_or("", |it| &it.code);
            let own = matches!(code, "BackboneElement" | "Element" | "");
            let place = Place {
                pointer: format!("{pointer}/{key}"),
                object: pointer.to_owned(),
                resource: self.resource.clone(),
                key: key.clone(),
                expression: format!("{expression}.{key}"),
                form: if element.is_many {
                    Form::Array
                } else {
                    Form::Single
                },
                of: of.to_owned(),
                element,
                kind,
                inside: if own { &element.inside } else { code }.to_owned(),
            };
            let Json::Array(items) = value else {
                self.push(place);
                continue;
            };
            for index in 0..items.len() {
                self.push(Place {
                    pointer: format!("{}/{index}", place.pointer),
                    expression: format!("{}[{index}]", place.expression),
                    form: Form::Item,
                    object: place.object.clone(),
                    resource: place.resource.clone(),
                    key: place.key.clone(),
                    of: place.of.clone(),
                    inside: place.inside.clone(),
                    element,
                    kind,
                });
            }
            self.found.push(place);
        }
    }

    fn push(&mut self, place: Place<'d>) {
        let (pointer, expression) = (place.pointer.clone(), place.expression.clone());
        let mut inside = place.inside.clone();
        self.found.push(place);
        let outer = self.resource.clone();
        if self.definitions.is_resource(&inside) {
            let value = self.document.pointer(&pointer);
            let kind = value.and_then(|it| it["resourceType"].as_str());
            inside = kind.unwrap_or_default().to_owned();
            self.resource.clone_from(&pointer);
        }
        self.object(&inside, &pointer, &expression);
        self.resource = outer;
    }
}
