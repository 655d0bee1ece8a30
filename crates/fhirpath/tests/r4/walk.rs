//! A resource, element by element, and what is demanded of each.

use crate::definitions::{Definitions, Element, Invariant};
use crate::invariants::plan;
use fhirpath::errata::repaired;
use fhirpath::{Environment, Form, Node, Plan, Types};
use jsonb::{Object, Value};
use std::collections::HashMap;

/// The plans of the invariants of every path.
pub struct Plans {
    pub by_path: HashMap<String, Vec<(Invariant, Plan)>>,
}

impl Plans {
    /// All that can be planned, of the errata as they are meant.
    pub fn new(definitions: &Definitions) -> Self {
        let mut by_path = HashMap::new();
        for (path, invariants) in &definitions.invariants {
            let planned = invariants.iter().filter_map(|invariant| {
                let mut invariant = invariant.clone();
                invariant.expression = repaired(&invariant.key, &invariant.expression).to_owned();
                let plan = plan(definitions, path, &invariant.expression).ok()?;
                Some((invariant, plan))
            });
            by_path.insert(path.clone(), planned.collect());
        }
        Self { by_path }
    }

    /// What is demanded of an element: by itself and by its type, each once.
    pub fn of<'p>(&'p self, element: &Element) -> Vec<&'p (Invariant, Plan)> {
        let mut found: Vec<&(Invariant, Plan)> = Vec::new();
        let paths = [&element.path, &element.inside];
        for it in paths
            .iter()
            .filter_map(|path| self.by_path.get(*path))
            .flatten()
        {
            if found
                .iter()
                .all(|other| other.0.expression != it.0.expression)
            {
                found.push(it);
            }
        }
        found
    }
}

/// An element of a resource.
pub struct Site<'a, 'v> {
    pub element: &'a Element,
    pub node: Node<'v>,
    pub resource: Node<'v>,
    pub root: Node<'v>,
    /// As FHIR writes it, with places in lists; so are those of the resources.
    pub place: &'a str,
    pub resource_place: &'a str,
    pub root_place: &'a str,
    pub has_companion: bool,
}

impl<'v> Site<'_, 'v> {
    pub fn environment<'e: 'v>(&self, definitions: &'e Definitions) -> Environment<'v> {
        Environment {
            types: &definitions.model,
            resource: Some(self.resource),
            root: Some(self.root),
        }
    }
}

/// Visits a resource and every element in it.
pub fn walk<'v>(
    definitions: &Definitions,
    resource: Value<'v>,
    visit: &mut dyn FnMut(&Site<'_, 'v>),
) {
    let Value::Object(object) = resource else {
        panic!("a resource is an object")
    };
    let element = of_resource(definitions, object);
    let node = Node::new(resource, element.kind);
    let walk = Walk { definitions };
    let site = Site {
        element: &element,
        node,
        resource: node,
        root: node,
        place: &element.inside,
        resource_place: &element.inside,
        root_place: &element.inside,
        has_companion: false,
    };
    walk.visit(&site, visit);
}

fn of_resource(definitions: &Definitions, object: Object<'_>) -> Element {
    let Ok(Some(Value::String(name))) = object.get(b"resourceType") else {
        panic!("a resource has a type");
    };
    let name = String::from_utf8(name.to_vec()).unwrap();
    let kind = definitions.model.named(&name);
    Element {
        kind: kind.unwrap_or_else(|| panic!("{name}")),
        path: name.clone(),
        inside: name,
    }
}

struct Walk<'d> {
    definitions: &'d Definitions,
}

impl Walk<'_> {
    fn visit<'v>(&self, site: &Site<'_, 'v>, visit: &mut dyn FnMut(&Site<'_, 'v>)) {
        visit(site);
        let Some(Value::Object(object)) = site.node.value() else {
            return;
        };
        for member in object {
            let (key, value) = member.unwrap();
            let key = std::str::from_utf8(key).unwrap();
            let plain = key.strip_prefix('_').unwrap_or(key);
            let beside = object.get(plain.as_bytes()).unwrap();
            if plain != key && beside.is_some() {
                continue;
            }
            let key = (site.element.inside.clone(), plain.to_owned());
            let Some(element) = self.definitions.elements.get(&key) else {
                continue;
            };
            let form = self.definitions.model.form(element.kind);
            let companion = match form {
                Form::Primitive(_) => object.get(format!("_{plain}").as_bytes()).unwrap(),
                _ => None,
            };
            let place = format!("{}.{plain}", site.place);
            let value = beside.map(|_| value);
            match (value, companion) {
                (Some(Value::Array(values)), companion) => {
                    for (index, value) in values.iter().enumerate() {
                        let value = Some(value.unwrap()).filter(|it| !matches!(it, Value::Null));
                        let companion = match companion {
                            Some(Value::Array(all)) => all.iter().nth(index).transpose().unwrap(),
                            _ => None,
                        };
                        let place = format!("{place}[{index}]");
                        self.child(site, element, value, companion, &place, visit);
                    }
                }
                (None, Some(Value::Array(companions))) => {
                    for (index, companion) in companions.iter().enumerate() {
                        let place = format!("{place}[{index}]");
                        self.child(site, element, None, companion.ok(), &place, visit);
                    }
                }
                _ => self.child(site, element, value, companion, &place, visit),
            }
        }
    }

    fn child<'v>(
        &self,
        site: &Site<'_, 'v>,
        element: &Element,
        value: Option<Value<'v>>,
        companion: Option<Value<'v>>,
        place: &str,
        visit: &mut dyn FnMut(&Site<'_, 'v>),
    ) {
        let companion = match companion {
            Some(Value::Object(companion)) => Some(companion),
            _ => None,
        };
        if let (Form::AnyResource, Some(Value::Object(object))) =
            (self.definitions.model.form(element.kind), value)
        {
            let inside = of_resource(self.definitions, object);
            let node = Node::new(Value::Object(object), inside.kind);
            let is_contained = element.path.ends_with(".contained");
            let element = Element {
                path: element.path.clone(),
                ..inside
            };
            let (root, root_place) = if is_contained {
                (site.root, site.root_place)
            } else {
                (node, place)
            };
            self.visit(
                &Site {
                    element: &element,
                    node,
                    resource: node,
                    root,
                    place,
                    resource_place: place,
                    root_place,
                    has_companion: false,
                },
                visit,
            );
            return;
        }
        let has_companion = companion.is_some();
        let node = Node::primitive(value, companion, element.kind);
        self.visit(
            &Site {
                element,
                node,
                resource: site.resource,
                root: site.root,
                place,
                resource_place: site.resource_place,
                root_place: site.root_place,
                has_companion,
            },
            visit,
        );
    }
}
