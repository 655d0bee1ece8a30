//! Compilation: from catalog rows to the form that is walked.

use crate::base::Base;
use crate::definition::expect::mistake;
use crate::description::{Description, Format, Property};
use crate::issue::{Code, Issue, Report};
use crate::jsonb::{Malformed, Value, from_text};
use crate::limits::Limits;
use crate::profile::{
    ContainedKey, ContainedType, Element, Member, Node, Profile, Shape, stored_order,
};
use crate::resource::Need;
use crate::rule::{Settings, read_settings};
use crate::schema::{Schema, Slot};
use crate::trail::Trail;
use std::collections::HashMap;

/// Compiles a description into the profile of `slot`, or says what is wrong with its rows;
/// expressions begin with the path of the row.
pub(crate) fn compile(
    schema: &Schema,
    slot: Slot,
    description: &Description,
) -> Result<Profile, Vec<Issue>> {
    let mut compiler = Compiler {
        schema,
        format: description.format,
        report: Report::new(Limits::default()),
        shapes: vec![Shape::default()],
        places: HashMap::new(),
    };
    let root = compiler.gather(description);
    compiler.number(&root, "");
    compiler.shape(0, root, description.additional_properties, "");
    let contained = compiler.contained(description);
    if compiler.report.refuses() {
        return Err(compiler.report.into_issues());
    }
    Ok(Profile {
        name: description.name.clone(),
        version: description.version,
        kind: description.kind,
        slot,
        shapes: compiler.shapes,
        contained,
    })
}

/// A row and the rows under it.
#[derive(Default)]
struct Draft {
    row: Option<(Base, Settings)>,
    items: Option<Box<Draft>>,
    children: Vec<(String, Draft)>,
}

impl Draft {
    /// The draft at a path; made where it is not there yet.
    fn at(&mut self, path: &str) -> &mut Self {
        let mut draft = self;
        for segment in path.split('.') {
            let name = segment.trim_end_matches("[]");
            let arrays = (segment.len() - name.len()) / 2;
            let known = draft.children.iter().position(|(known, _)| known == name);
            let index = known.unwrap_or(draft.children.len());
            if known.is_none() {
                draft.children.push((name.to_owned(), Self::default()));
            }
            draft = &mut draft.children[index].1;
            for _ in 0..arrays {
                draft = draft.items.get_or_insert_default();
            }
        }
        draft
    }
}

struct Compiler<'s> {
    schema: &'s Schema,
    format: Format,
    report: Report,
    shapes: Vec<Shape>,
    /// The place in `shapes` of each object, by its path.
    places: HashMap<String, usize>,
}

impl Compiler<'_> {
    /// Reads the rows into a tree.
    fn gather(&mut self, description: &Description) -> Draft {
        let mut root = Draft::default();
        for property in &description.properties {
            if let Some(row) = self.row(property) {
                let draft = root.at(&property.path);
                if draft.row.replace(row).is_some() {
                    self.mistake(&property.path, "expected one row for a path");
                }
            }
        }
        root
    }

    fn row(&mut self, property: &Property) -> Option<(Base, Settings)> {
        let base = Base::parse(self.format, &property.kind);
        let Ok(bytes) = from_text(&property.rules) else {
            self.mistake(&property.path, "expected rules as a JSON object");
            return None;
        };
        let at = Trail::root(&property.path);
        let settings = match Value::read(&bytes) {
            Ok(Value::Object(object)) => read_settings(&base, object, &[], &at, &mut self.report),
            _ => Err(Malformed),
        };
        match settings {
            Ok(settings) => Some((base, settings)),
            Err(Malformed) => {
                self.mistake(&property.path, "expected rules as a JSON object");
                None
            }
        }
    }

    fn mistake(&mut self, path: &str, expected: &str) {
        mistake(
            &mut self.report,
            Code::Invalid,
            &Trail::root(path),
            expected,
        );
    }

    /// Gives every object of the tree its place, so that content references can point anywhere.
    fn number(&mut self, draft: &Draft, path: &str) {
        for (name, child) in &draft.children {
            let path = match path {
                "" => name.clone(),
                _ => format!("{path}.{name}"),
            };
            self.number_one(child, path);
        }
    }

    fn number_one(&mut self, draft: &Draft, path: String) {
        if matches!(draft.row, Some((Base::Object, _))) {
            self.places.insert(path.clone(), self.shapes.len());
            self.shapes.push(Shape::default());
        }
        self.number(draft, &path);
        if let Some(items) = &draft.items {
            self.number_one(items, format!("{path}[]"));
        }
    }

    /// Compiles the object at `path` into its place.
    fn shape(&mut self, place: usize, draft: Draft, open: bool, path: &str) {
        let mut members = Vec::with_capacity(draft.children.len());
        for (name, child) in draft.children {
            let path = match path {
                "" => name.clone(),
                _ => format!("{path}.{name}"),
            };
            let required = child
                .row
                .as_ref()
                .is_some_and(|(_, settings)| settings.required());
            if let Some(element) = self.element(child, &path) {
                members.push(Member {
                    name: name.into(),
                    required,
                    element,
                });
            }
        }
        members.sort_by(|a, b| stored_order(a.name.as_bytes(), b.name.as_bytes()));
        self.shapes[place] = Shape {
            members: members.into(),
            open,
        };
    }

    fn element(&mut self, mut draft: Draft, path: &str) -> Option<Element> {
        let Some((base, settings)) = draft.row.take() else {
            self.mistake(path, "expected a row for this path");
            return None;
        };
        let holds_items = draft.items.is_some();
        let holds_children = !draft.children.is_empty();
        if holds_items && base != Base::Array || holds_children && base != Base::Object {
            self.mistake(path, "expected no rows below this path");
            return None;
        }
        let node = match base {
            Base::Any => Node::Any,
            Base::Boolean => Node::Boolean,
            Base::Integer(low, high) => Node::Integer(low, high),
            Base::Decimal => Node::Decimal,
            Base::Text(lexical) => Node::Text(lexical),
            Base::Array => Node::Array(Box::new(match draft.items {
                Some(items) => self.element(*items, &format!("{path}[]"))?,
                None => Element {
                    node: Node::Any,
                    rules: None,
                },
            })),
            Base::Object => {
                let place = self.places.get(path).copied()?;
                self.shape(place, draft, settings.additional, path);
                Node::Object(place)
            }
            Base::Content(target) => match self.places.get(&target) {
                Some(place) => Node::Object(*place),
                None => {
                    self.mistake(path, "expected the path of an object");
                    return None;
                }
            },
            Base::Named(name) => Node::Named(self.schema.slot(Need::Type, &name)),
            Base::Reference | Base::Resource => Node::Any,
        };
        let constrains = settings
            .rules
            .entries
            .iter()
            .any(crate::rule::Rule::constrains);
        Some(Element {
            node,
            rules: constrains.then(|| Box::new(settings.rules)),
        })
    }

    fn contained(&mut self, description: &Description) -> Box<[ContainedKey]> {
        let mut keys: Vec<_> = description
            .contained
            .iter()
            .map(|contained| ContainedKey {
                key: contained.key.as_str().into(),
                cardinality: contained.cardinality,
                types: contained
                    .types
                    .iter()
                    .map(|name| ContainedType {
                        name: name.as_str().into(),
                        slot: self.schema.slot(Need::Profile, name),
                    })
                    .collect(),
            })
            .collect();
        keys.sort_by(|a, b| stored_order(a.key.as_bytes(), b.key.as_bytes()));
        keys.into()
    }
}
