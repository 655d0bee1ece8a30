//! The types of a schema, as FHIRPath asks about them.

use crate::base::Width;
use crate::description::Kind;
use crate::lexical::Lexical;
use crate::profile::{Element, Member as ShapeMember, Node, Profile, Shape, stored_order};
use crate::resource::{Missing, Need, Stop};
use crate::schema::{Known, Schema, Slot};
use fhirpath::{Form, Member, System, Type, Types};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A primitive type: its name, what it is derived from, and what it is to operators.
struct Primitive(&'static str, &'static str, System);

const PRIMITIVES: [Primitive; 20] = [
    Primitive("boolean", "Element", System::Boolean),
    Primitive("integer", "Element", System::Integer),
    Primitive("unsignedInt", "integer", System::Integer),
    Primitive("positiveInt", "integer", System::Integer),
    Primitive("decimal", "Element", System::Decimal),
    Primitive("string", "Element", System::String),
    Primitive("code", "string", System::String),
    Primitive("id", "string", System::String),
    Primitive("markdown", "string", System::String),
    Primitive("uri", "Element", System::String),
    Primitive("url", "uri", System::String),
    Primitive("canonical", "uri", System::String),
    Primitive("oid", "uri", System::String),
    Primitive("uuid", "uri", System::String),
    Primitive("base64Binary", "Element", System::String),
    Primitive("instant", "Element", System::DateTime),
    Primitive("date", "Element", System::Date),
    Primitive("dateTime", "Element", System::DateTime),
    Primitive("time", "Element", System::Time),
    Primitive("xhtml", "Element", System::String),
];

/// A resource that says itself what it is.
const RESOURCE: &str = "Resource";

/// The number of a type: of a primitive its place in the list, behind this bit …
const PRIMITIVE: u32 = 1 << 31;
/// … of any resource this, …
const ANY: Type = Type(u32::MAX);
/// … and of an object its place in the shapes, that of its profile or type in the schema, and which
/// of the two it is.
const SHAPE_BITS: u32 = 14;
const NUMBER_BITS: u32 = 16;
const PROFILE: u32 = 1 << (SHAPE_BITS + NUMBER_BITS);

/// The type of an object; none where the numbers do not reach.
pub(crate) fn object(slot: Slot, place: usize) -> Option<Type> {
    let place = u32::try_from(place).ok()?;
    let need = match slot.need {
        Need::Profile => PROFILE,
        _ => 0,
    };
    let fits = place < 1 << SHAPE_BITS && slot.number < 1 << NUMBER_BITS;
    fits.then_some(Type(need | slot.number << SHAPE_BITS | place))
}

/// The type of a resource; none of a type that is none.
pub(crate) fn resource(profile: &Profile) -> Option<Type> {
    match profile.kind {
        Kind::Root | Kind::Contained => object(profile.slot, 0),
        Kind::Type | Kind::Constraint | Kind::Relationship => None,
    }
}

/// The type of the values of an element, of arrays that of their items.
pub(crate) fn element(own: Slot, element: &Element) -> Option<Type> {
    match &element.node {
        Node::Array(items) | Node::Aligned(items) => self::element(own, items),
        Node::Object(place) => object(own, *place),
        Node::Named(slot) => object(*slot, 0),
        Node::Resource => Some(ANY),
        Node::Any => None,
        Node::Boolean => primitive("boolean"),
        Node::Integer(Width::Unsigned) => primitive("unsignedInt"),
        Node::Integer(Width::Positive) => primitive("positiveInt"),
        Node::Integer(_) => primitive("integer"),
        Node::Decimal => primitive("decimal"),
        Node::Text(lexical) => primitive(match lexical {
            Lexical::Base64 => "base64Binary",
            Lexical::Datetime => "dateTime",
            Lexical::Literal | Lexical::Symbol => "string",
            lexical => lexical.name(),
        }),
    }
}

/// The vocabulary that an element is bound to, of an array that of its items.
fn binding(element: &Element) -> Option<u32> {
    let rules = element.rules.as_ref();
    let own = rules.and_then(|rules| Some(rules.binding.as_ref()?.vocabulary));
    own.or_else(|| match &element.node {
        Node::Array(items) | Node::Aligned(items) => binding(items),
        _ => None,
    })
}

fn primitive(name: &str) -> Option<Type> {
    let place = PRIMITIVES.iter().position(|known| known.0 == name)?;
    Some(Type(PRIMITIVE | u32::try_from(place).ok()?))
}

fn as_primitive(of: Type) -> Option<&'static Primitive> {
    match of.0 & PRIMITIVE {
        0 => None,
        _ => PRIMITIVES.get((of.0 & !PRIMITIVE) as usize),
    }
}

impl Schema {
    /// The type of a resource, once all that it leads to is there: what is planned for it then holds
    /// as long as the schema does. None of what is no resource.
    pub fn focus(&self, profile: &Profile) -> Result<Option<Type>, Stop> {
        let mut missing = Missing::default();
        self.note_lacking(profile, &mut missing)?;
        missing.finish()?;
        Ok(resource(profile))
    }

    /// The code systems of the vocabulary that a member of a type is bound to, in their order; none
    /// if it is bound to nothing, or the codes are not known.
    pub fn systems(&self, of: Type, key: &[u8]) -> Vec<String> {
        let bound = self.elements(of).and_then(|(_, shape)| {
            let order = |member: &ShapeMember| stored_order(member.name.as_bytes(), key);
            let place = shape.members.binary_search_by(order).ok()?;
            binding(&shape.members.get(place)?.element)
        });
        let Some(Known::Yes(vocabulary)) = bound.map(|number| self.vocabulary(number)) else {
            return Vec::new();
        };
        let systems = vocabulary.concepts().filter_map(|(system, _)| system);
        let systems: BTreeSet<&[u8]> = systems.collect();
        let systems = systems.into_iter().map(String::from_utf8_lossy);
        systems.map(Cow::into_owned).collect()
    }

    /// What an object's type is made of.
    fn shape_of(&self, of: Type) -> Option<(&Profile, &Shape)> {
        if of.0 & PRIMITIVE != 0 {
            return None;
        }
        let slot = Slot {
            need: match of.0 & PROFILE {
                0 => Need::Type,
                _ => Need::Profile,
            },
            number: of.0 >> SHAPE_BITS & ((1 << NUMBER_BITS) - 1),
        };
        let place = of.0 & ((1 << SHAPE_BITS) - 1);
        match self.resolve(slot) {
            Known::Yes(profile) => Some((profile, profile.shapes.get(place as usize)?)),
            _ => None,
        }
    }

    fn tell<'t>(&'t self, own: &Profile, of: &'t ShapeMember) -> Option<Member<'t>> {
        Some(Member {
            key: &of.name,
            companion: of.role.as_ref().and_then(|role| role.companion.as_deref()),
            kind: element(own.slot, &of.element)?,
        })
    }

    /// The shape in which the elements of a type are told: what a primitive has beside its value is
    /// that of any element.
    fn elements(&self, of: Type) -> Option<(&Profile, &Shape)> {
        match as_primitive(of) {
            Some(_) => self.shape_of(self.named("Element")?),
            None => self.shape_of(of),
        }
    }
}

impl Types for Schema {
    fn named(&self, name: &str) -> Option<Type> {
        if name == RESOURCE {
            return Some(ANY);
        }
        if let Some(known) = primitive(name) {
            return Some(known);
        }
        [Need::Type, Need::Profile].into_iter().find_map(|need| {
            let profile = self.get(need, name)?;
            object(profile.slot, 0)
        })
    }

    fn base(&self, of: Type) -> Option<Type> {
        if let Some(Primitive(_, base, _)) = as_primitive(of) {
            return self.named(base);
        }
        match self.shape_of(of)? {
            (profile, _) if of == object(profile.slot, 0)? => self.named(profile.base.as_deref()?),
            _ => self.named("BackboneElement"),
        }
    }

    fn form(&self, of: Type) -> Form {
        if of == ANY {
            return Form::AnyResource;
        }
        if let Some(Primitive(.., system)) = as_primitive(of) {
            return Form::Primitive(*system);
        }
        match self.shape_of(of) {
            Some((profile, _)) if profile.is_quantity => Form::Quantity,
            Some((profile, _)) if resource(profile) == Some(of) => Form::Resource,
            _ => Form::Complex,
        }
    }

    fn variants<'t>(&'t self, of: Type, name: &str, found: &mut dyn FnMut(Member<'t>)) {
        let Some((profile, shape)) = self.elements(of) else {
            return;
        };
        for member in &shape.members {
            let role = member.role.as_ref();
            // A companion is no element.
            if member.name.starts_with('_') {
                continue;
            }
            let choice = role.and_then(|role| shape.choices.get(role.variant?.0));
            let choice = choice.and_then(|choice| choice.name.strip_suffix("[x]"));
            if (&*member.name == name || choice == Some(name))
                && let Some(member) = self.tell(profile, member)
            {
                found(member);
            }
        }
    }

    fn is_prohibited(&self, of: Type, name: &str) -> bool {
        let shape = self.shape_of(of);
        shape.is_some_and(|(_, shape)| shape.prohibited.iter().any(|known| known == name))
    }

    fn member<'t>(&'t self, of: Type, key: &[u8]) -> Option<Member<'t>> {
        let (profile, shape) = self.elements(of)?;
        let order = |member: &ShapeMember| stored_order(member.name.as_bytes(), key);
        let place = shape.members.binary_search_by(order).ok()?;
        self.tell(profile, shape.members.get(place)?)
    }
}
