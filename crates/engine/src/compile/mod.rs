//! Compilation: from catalog rows to the form that is walked.

mod member;
mod slicing;

use crate::base::Base;
use crate::builtin;
use crate::constraint::Constraint;
use crate::definition::expect::mistake;
use crate::description::{Description, Format, Kind};
use crate::draft::{Draft, gather};
use crate::invariant::Relation;
use crate::issue::{Code, Issue, Report};
use crate::limits::{Limits, MOST_CHOICES};
use crate::model;
use crate::profile::{
    Choice, ContainedKey, ContainedType, Element, Json, Member, Node, Presence, Profile, Shape,
    stored_order,
};
use crate::resource::Need;
use crate::rule::{Asked, Binding, Condition, Rules, Settings, SlicingSetting, When};
use crate::schema::{Schema, Slot};
use crate::trail::Trail;
use fhirpath::Type;
use std::cell::Cell;
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
    let is_resource = matches!(&root.row, Some((_, settings)) if settings.resource.is_some());
    let mut compiler = Compiler {
        schema,
        is_resource,
        slot,
        description,
        report,
        shapes: vec![Shape::default()],
        places: HashMap::new(),
        built_ins: HashMap::new(),
        asked: Vec::new(),
        untold: Vec::new(),
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
        base: description.base.as_deref().map(Into::into),
        profiles: description
            .profiles
            .iter()
            .map(|url| schema.slot(Need::Type, url))
            .collect(),
        is_quantity: [Some(&description.name), description.base.as_ref()]
            .contains(&Some(&QUANTITY.to_owned())),
        is_ready: Cell::new(false),
        untold: compiler.untold.into(),
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
    /// Whether it is a constraint of a resource.
    is_resource: bool,
    /// The place of what is compiled.
    slot: Slot,
    description: &'s Description,
    report: Report,
    shapes: Vec<Shape>,
    /// The place in `shapes` of each object, by its path.
    places: HashMap<String, usize>,
    /// The place in `shapes` of each built-in type, by its name.
    built_ins: HashMap<String, usize>,
    /// The conditions of each rule that has some, and the path of its property.
    asked: Vec<(String, Vec<Asked>)>,
    /// The slices that nothing tells from other items.
    untold: Vec<String>,
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
        if self.json(path) == Json::Resource {
            let name = settings.resource.as_ref();
            let name = name.unwrap_or(&self.description.name);
            members.push(member::resource_type(name));
            // What the server writes may stand there, whatever the definition has.
            let kept = ["id", "meta"].into_iter();
            let kept = kept.filter(|name| !draft.children.iter().any(|(known, _)| known == name));
            members.extend(kept.map(|name| Member::new(name, Element::default(), None)));
        }
        // A name of FHIR has no colon but before that of a slice; a native one may have some.
        let has_slices = self.description.format == Format::Fhir;
        let is_slice = |(name, _): &(String, Draft)| has_slices && name.contains(':');
        let (mut slices, children): (Vec<_>, Vec<_>) =
            draft.children.into_iter().partition(is_slice);
        for (name, mut child) in children {
            child.slices = taken(&mut slices, &name);
            self.member(&name, child, &join(path, &name), &mut members, &mut choices);
        }
        members.sort_by(|a, b| stored_order(a.name.as_bytes(), b.name.as_bytes()));
        for (place, member) in members.iter_mut().take(64).enumerate() {
            member.bit = 1 << place;
        }
        if choices.len() > MOST_CHOICES {
            let expected = format!("expected at most {MOST_CHOICES} choices in one object");
            self.mistake(path, &expected);
        }
        let number = |name: &str| members.iter().position(|member| &*member.name == name);
        let relations = settings
            .invariants
            .into_iter()
            .map(|invariant| Relation::new(invariant, number))
            .collect();
        let name = match path {
            "" => self.description.name.as_str(),
            _ => "",
        };
        let mut constraints = focused(settings.constraints, model::object(self.slot, place));
        for constraint in &mut constraints {
            constraint.look(&|kind, element| {
                let bits = bits(&members, &choices, element);
                bits.filter(|_| kind.is_none_or(|kind| kind == name))
            });
        }
        self.shapes[place] = Shape {
            relations,
            open: settings.additional,
            json: self.json(path),
            constraints,
            choices: choices.into(),
            prohibited: settings.prohibited.into(),
            ..Shape::of(members)
        };
    }

    /// Whose JSON the object at `path` is.
    fn json(&self, path: &str) -> Json {
        match (self.description.format, self.description.kind) {
            (Format::Native, _) => Json::Native,
            (_, Kind::Root | Kind::Contained) if path.is_empty() => Json::Resource,
            (_, Kind::Constraint) if path.is_empty() && self.is_resource => Json::Resource,
            _ if path.is_empty() && self.description.name == EXTENSION => Json::Extension,
            _ => Json::Element,
        }
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
        let mut rules = self.rules(&mut settings, path);
        if self.is_fhir() && matches!(&base, Base::Named(name) if name == REFERENCE) {
            // What it says of its target must agree, whatever that may be.
            rules.target.get_or_insert_default();
        }
        // Those of an object of its own are checked with the object.
        let constraints = match base {
            Base::Object => Vec::new(),
            _ => std::mem::take(&mut settings.constraints),
        };
        let built_in = match &base {
            Base::Named(name) if !self.is_fhir() => builtin::describe(name),
            _ => None,
        };
        let asks = |setting: &SlicingSetting| setting.slices.iter().any(|slice| slice.min > 0);
        let presence = match presence {
            Presence::Optional if settings.slicing.as_ref().is_some_and(asks) => Presence::Asked,
            presence => presence,
        };
        let profiles = std::mem::take(&mut settings.profiles);
        let profiles = profiles.iter().map(|url| self.schema.slot(Need::Type, url));
        rules.profiles = profiles.collect();
        let slicing = settings.slicing.take().map(|setting| {
            let slices = std::mem::take(&mut draft.slices);
            Box::new(self.slicing(setting, slices, path))
        });
        rules.slicing = slicing;
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
        let mut element = Element {
            node,
            presence,
            rules: None,
        };
        rules.constraints = focused(constraints, model::element(self.slot, &element));
        rules.close();
        element.rules = (presence == Presence::Asked || !rules.is_idle()).then(|| Box::new(rules));
        Some(element)
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
            names_systems: self.is_fhir(),
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

/// The types of numbers with a unit, of extensions and of references.
const QUANTITY: &str = "Quantity";
const EXTENSION: &str = "Extension";
const REFERENCE: &str = "Reference";

/// The drafts of the slices of a member, by their names: of `category:us-core` it is `us-core`.
fn taken(slices: &mut Vec<(String, Draft)>, member: &str) -> Vec<(String, Draft)> {
    let name = |slice: &str| {
        slice
            .strip_prefix(member)?
            .strip_prefix(':')
            .map(str::to_owned)
    };
    let mut taken = Vec::new();
    for (slice, draft) in std::mem::take(slices) {
        match name(&slice) {
            Some(name) => taken.push((name, draft)),
            None => slices.push((slice, draft)),
        }
    }
    taken
}

/// The bits of the members in which an element can stand, companions among them; none where some
/// have none.
fn bits(members: &[Member], choices: &[Choice], element: &str) -> Option<u64> {
    let choice = |member: &Member| {
        let (choice, _) = member.role.as_ref()?.variant?;
        choices.get(choice)?.name.strip_suffix("[x]")
    };
    let is_it = |member: &&Member| {
        let name = member.name.strip_prefix('_').unwrap_or(&member.name);
        name == element || choice(member) == Some(element)
    };
    let mut all = 0;
    for member in members.iter().filter(is_it) {
        if member.bit == 0 {
            return None;
        }
        all |= member.bit;
    }
    (all != 0).then_some(all)
}

/// Constraints, about this type.
fn focused(constraints: Vec<Constraint>, focus: Option<Type>) -> Box<[Constraint]> {
    let about = |constraint: Constraint| constraint.about(focus);
    let constraints = constraints.into_iter().filter(|it| !it.is_of_its_type());
    constraints.map(about).collect()
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        _ => format!("{path}.{name}"),
    }
}
