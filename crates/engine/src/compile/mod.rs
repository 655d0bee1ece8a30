//! Compilation: from catalog rows to the form that is walked.

mod member;

use crate::base::Base;
use crate::builtin;
use crate::definition::expect::mistake;
use crate::description::{Description, Format, Kind};
use crate::draft::{Draft, gather};
use crate::invariant::Relation;
use crate::issue::{Code, Issue, Report};
use crate::limits::Limits;
use crate::profile::{
    ContainedKey, ContainedType, Element, Member, Node, Presence, Profile, Shape, stored_order,
};
use crate::resource::Need;
use crate::rule::{Asked, Binding, Condition, Rules, Settings, When};
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
    let (profile, report) = sketch(schema, slot, description);
    match report.refuses() {
        true => Err(report.into_issues()),
        false => Ok(profile),
    }
}

/// Compiles what can be, and reports what cannot.
pub(crate) fn sketch(schema: &Schema, slot: Slot, description: &Description) -> (Profile, Report) {
    let mut report = Report::new(Limits::default());
    let mut root = gather(description, &mut report);
    let mut compiler = Compiler {
        schema,
        description,
        report,
        shapes: vec![Shape::default()],
        places: HashMap::new(),
        built_ins: HashMap::new(),
        asked: Vec::new(),
    };
    if let Some((_, settings)) = &mut root.row {
        settings.additional |= description.additional_properties;
    } else {
        let settings = Settings {
            additional: description.additional_properties,
            ..Settings::default()
        };
        root.row = Some((Base::Object, settings));
    }
    compiler.number(&root, "");
    compiler.shape(0, root, "");
    let contained = compiler.contained();
    let mut profile = Profile {
        name: description.name.clone(),
        version: description.version,
        kind: description.kind,
        slot,
        shapes: compiler.shapes,
        contained,
    };
    let mut report = compiler.report;
    // Conditions ask about any property, so they are looked up when all are there.
    let conditions = compiler.asked.into_iter().map(|(owner, asked)| {
        let mut resolve = |asked: Asked| asked.resolve(&owner, schema, &profile, &mut report);
        asked.into_iter().filter_map(&mut resolve).collect()
    });
    let mut conditions: Vec<Box<[Condition]>> = conditions.collect();
    let shapes = profile.shapes.iter_mut();
    for member in shapes.flat_map(|shape| &mut shape.members) {
        hand_out(&mut conditions, &mut member.element);
    }
    (profile, report)
}

/// Gives the rules of an element their conditions.
fn hand_out(conditions: &mut [Box<[Condition]>], element: &mut Element) {
    let rules = element.rules.iter_mut().flat_map(|at| &mut at.entries);
    for when in rules.filter_map(|rule| rule.when.as_mut()) {
        when.conditions = conditions
            .get_mut(when.number)
            .map(std::mem::take)
            .unwrap_or_default();
    }
    if let Node::Array(items) | Node::Aligned(items) = &mut element.node {
        hand_out(conditions, items);
    }
}

struct Compiler<'s> {
    schema: &'s Schema,
    description: &'s Description,
    report: Report,
    shapes: Vec<Shape>,
    /// The place in `shapes` of each object, by its path.
    places: HashMap<String, usize>,
    /// The place in `shapes` of each built-in type, by its name.
    built_ins: HashMap<String, usize>,
    /// The conditions of each rule that has some, and the path of its property.
    asked: Vec<(String, Vec<Asked>)>,
}

impl Compiler<'_> {
    fn mistake(&mut self, path: &str, expected: &str) {
        mistake(
            &mut self.report,
            Code::Invalid,
            &Trail::root(path),
            expected,
        );
    }

    fn is_fhir(&self) -> bool {
        self.description.format == Format::Fhir
    }

    /// Gives every object of the tree its place, so that content references can point anywhere.
    fn number(&mut self, draft: &Draft, path: &str) {
        for (name, child) in &draft.children {
            self.number_one(child, join(path, name));
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
    fn shape(&mut self, place: usize, draft: Draft, path: &str) {
        let (_, settings) = draft.row.unwrap_or((Base::Object, Settings::default()));
        let mut members: Vec<Member> = Vec::with_capacity(draft.children.len());
        let mut choices = Vec::new();
        let is_resource = matches!(self.description.kind, Kind::Root | Kind::Contained);
        if self.is_fhir() && path.is_empty() && is_resource {
            members.push(member::resource_type(&self.description.name));
        }
        for (name, child) in draft.children {
            self.member(&name, child, &join(path, &name), &mut members, &mut choices);
        }
        members.sort_by(|a, b| stored_order(a.name.as_bytes(), b.name.as_bytes()));
        for (place, member) in members.iter_mut().take(64).enumerate() {
            member.bit = 1 << place;
        }
        let number = |name: &str| members.iter().position(|member| &*member.name == name);
        let relations = settings
            .invariants
            .into_iter()
            .map(|invariant| Relation::new(invariant, number))
            .collect();
        self.shapes[place] = Shape {
            name: None,
            built_in: None,
            relations,
            members: members.into(),
            open: settings.additional,
            fhir: self.is_fhir(),
            choices: choices.into(),
        };
    }

    fn element(&mut self, mut draft: Draft, path: &str) -> Option<Element> {
        let Some((base, mut settings)) = draft.row.take() else {
            self.mistake(path, "expected a row for this path");
            return None;
        };
        let presence = if settings.is_required() {
            Presence::Required
        } else if settings.is_asked_for() {
            Presence::Asked
        } else {
            Presence::Optional
        };
        let rules = self.rules(&mut settings, path);
        let built_in = match &base {
            Base::Named(name) if !self.is_fhir() => builtin::describe(name),
            _ => None,
        };
        let holds_none = !matches!(base, Base::Object) && built_in.is_none();
        if draft.items.is_some() && base != Base::Array || !draft.children.is_empty() && holds_none
        {
            self.mistake(path, "expected no rows below this path");
            return None;
        }
        let node = match base {
            Base::Any => Node::Any,
            Base::Boolean => Node::Boolean,
            Base::Integer(width) => Node::Integer(width),
            Base::Decimal => Node::Decimal,
            Base::Text(lexical) => Node::Text(lexical),
            Base::Resource => Node::Resource,
            Base::Array => {
                let items = match draft.items {
                    Some(items) => self.element(*items, &format!("{path}[]"))?,
                    None => Element::default(),
                };
                if self.is_fhir() {
                    Node::Aligned(Box::new(items))
                } else {
                    Node::Array(Box::new(items))
                }
            }
            Base::Object => {
                let place = self.places.get(path).copied()?;
                draft.row = Some((base, settings));
                self.shape(place, draft, path);
                Node::Object(place)
            }
            Base::Content(target) => match self.places.get(&target) {
                Some(place) => Node::Object(*place),
                None => {
                    self.mistake(path, "expected the path of an object");
                    return None;
                }
            },
            Base::Named(name) => match built_in {
                Some(known) if !draft.children.is_empty() => self.refined(known, draft, path),
                Some(known) => self.built_in(known),
                None => Node::Named(self.schema.slot(Need::Type, &name)),
            },
        };
        Some(Element {
            node,
            presence,
            rules: (presence == Presence::Asked || !rules.is_idle()).then(|| Box::new(rules)),
        })
    }

    /// A built-in type: an object that all its elements share. It is part of the profile, and not
    /// a named type, because looking one up took 7 % of the time of a patient.
    fn built_in(&mut self, known: &'static Description) -> Node {
        if let Some(place) = self.built_ins.get(&known.name) {
            return Node::Object(*place);
        }
        let place = self.shapes.len();
        self.shapes.push(Shape::default());
        self.built_ins.insert(known.name.clone(), place);
        let draft = gather(known, &mut self.report);
        self.shape(place, draft, &known.name);
        self.shapes[place].name = Some(known.name.as_str().into());
        self.shapes[place].built_in = Some(&known.name);
        Node::Object(place)
    }

    /// A built-in type whose members are given more rules: an object of its own.
    fn refined(&mut self, known: &'static Description, over: Draft, path: &str) -> Node {
        let mut draft = gather(known, &mut self.report);
        draft.add(over);
        let place = self.shapes.len();
        self.shapes.push(Shape::default());
        self.shape(place, draft, path);
        self.shapes[place].built_in = Some(&known.name);
        Node::Object(place)
    }

    /// The rules of a property, their conditions and their vocabulary looked up.
    fn rules(&mut self, settings: &mut Settings, path: &str) -> Rules {
        let mut rules = std::mem::take(&mut settings.rules);
        for (index, asked) in settings.asked.drain(..) {
            if let Some(rule) = rules.entries.get_mut(index) {
                rule.when = Some(When {
                    number: self.asked.len(),
                    conditions: Box::default(),
                });
                self.asked.push((path.to_owned(), asked));
            }
        }
        rules.binding = settings.binding.take().map(|binding| Binding {
            vocabulary: self.schema.vocabulary_number(&binding.vocabulary),
            preferred: binding.preferred,
        });
        rules
    }

    fn contained(&mut self) -> Box<[ContainedKey]> {
        let mut keys: Vec<_> = self
            .description
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

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        _ => format!("{path}.{name}"),
    }
}
