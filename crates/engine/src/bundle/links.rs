//! The links of a resource, found by the types of its elements: references, uris, and what a
//! narrative leads to. A canonical is none: it names what a resource says, wherever that is kept.

use crate::lexical::Lexical;
use crate::limits::Limits;
use crate::profile::{Element, Mark, Member, Node, Profile};
use crate::resource::{Halt, Missing, Need, Stop};
use crate::schema::{Known, Schema, Slot};
use jsonb::{Malformed, Object, Value, memory};
use std::cmp::Ordering;

/// What a link stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// `Reference.reference`
    Reference,
    /// An element of type uri or url. What is an oid or a uuid cannot be an address.
    Uri,
    /// A narrative: the whole of it.
    Narrative,
}

/// A text that may lead somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link<'v> {
    /// What it stands in.
    pub kind: LinkKind,
    /// The text, where it stands.
    pub text: &'v str,
}

/// The type whose member `reference` is a link.
const REFERENCE: &str = "Reference";

/// The type whose member `entry` holds resources with addresses of their own.
const BUNDLE: &str = "Bundle";

/// Which links are wanted.
#[derive(Clone, Copy)]
pub struct Wanted<'w> {
    /// Whether one may stand in these bytes, of a text or of a container: what holds none is passed
    /// over.
    pub within: &'w dyn Fn(&[u8]) -> bool,
    /// Whether this is one.
    pub link: &'w dyn Fn(LinkKind, &str) -> bool,
}

/// The links of a resource that are wanted, in the order of the document. What has another shape
/// than its type is passed over: a check tells.
pub fn links<'v>(
    schema: &Schema,
    profile: &Profile,
    resource: Object<'v>,
    limits: Limits,
    wanted: Wanted<'_>,
) -> Result<Vec<Link<'v>>, Stop> {
    let mut finder = Finder {
        schema,
        wanted,
        limit: limits.depth(),
        found: Vec::new(),
        missing: Missing::default(),
    };
    if finder.may_hold(Value::Object(resource)) {
        let walked = finder.shape(profile, 0, resource, 1);
        walked.map_err(|halt: Halt| *halt)?;
    }
    finder.missing.finish()?;
    Ok(finder.found)
}

/// Where a text of a resource stands, as FHIRPath says it: `Observation.subject.reference`. It is the very
/// text that is looked for, not one that reads the same.
pub fn expression(name: &str, resource: Object<'_>, text: &str) -> Result<String, Malformed> {
    let mut path = name.to_owned();
    let mut inside = Value::Object(resource);
    let holds = |bytes: &[u8]| bytes.as_ptr_range().contains(&text.as_ptr());
    let within = |value: &Value<'_>| match value {
        Value::String(bytes) => bytes.as_ptr() == text.as_ptr(),
        Value::Array(array) => holds(array.as_bytes()),
        Value::Object(object) => holds(object.as_bytes()),
        _ => false,
    };
    loop {
        let mut next = None;
        match inside {
            Value::Object(object) => {
                for member in object.iter() {
                    let (key, value) = member?;
                    if within(&value) {
                        path.push('.');
                        path.push_str(&String::from_utf8_lossy(key));
                        next = Some(value);
                        break;
                    }
                }
            }
            Value::Array(array) => {
                for (place, item) in array.iter().enumerate() {
                    let item = item?;
                    if within(&item) {
                        path.push_str(&format!("[{place}]"));
                        next = Some(item);
                        break;
                    }
                }
            }
            _ => {}
        }
        match next {
            Some(value) => inside = value,
            None => return Ok(path),
        }
    }
}

struct Finder<'f, 'v> {
    schema: &'f Schema,
    wanted: Wanted<'f>,
    limit: usize,
    found: Vec<Link<'v>>,
    missing: Missing,
}

impl<'f, 'v> Finder<'f, 'v> {
    /// One pass over the members that are there and those that are known, both in stored order.
    fn shape(
        &mut self,
        profile: &'f Profile,
        place: usize,
        object: Object<'v>,
        depth: usize,
    ) -> Result<(), Halt> {
        let Some(shape) = profile.shapes.get(place) else {
            return Ok(());
        };
        if depth > self.limit {
            return Ok(());
        }
        let is_reference = place == 0 && profile.name == REFERENCE;
        let mut next = 0;
        for member in object.iter() {
            let (key, value) = member?;
            if !self.may_hold(value) {
                continue;
            }
            let mark = Mark::new(key);
            next = next.max(shape.first_as_long(key.len()));
            let members = shape.members.get(next..).unwrap_or_default();
            let order = |member: &Member| member.order(&mark, key);
            next += members
                .iter()
                .take_while(|member| order(member) == Ordering::Less)
                .count();
            let member = shape.members.get(next);
            let Some(member) = member.filter(|member| order(member) == Ordering::Equal) else {
                continue;
            };
            // A Bundle that is stored has full URLs of its own, by which its entries refer to each other.
            if place == 0 && profile.name == BUNDLE && key == b"entry" {
                continue;
            }
            match value {
                Value::String(text) if is_reference && key == b"reference" => {
                    self.link(LinkKind::Reference, text)?;
                }
                value => self.element(profile, &member.element, value, depth + 1)?,
            }
        }
        Ok(())
    }

    fn may_hold(&self, value: Value<'_>) -> bool {
        match value {
            Value::String(text) => (self.wanted.within)(text),
            Value::Array(array) => (self.wanted.within)(array.as_bytes()),
            Value::Object(object) => (self.wanted.within)(object.as_bytes()),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    fn element(
        &mut self,
        profile: &'f Profile,
        element: &'f Element,
        value: Value<'v>,
        depth: usize,
    ) -> Result<(), Halt> {
        match (&element.node, value) {
            (Node::Text(lexical), Value::String(text)) => match lexical {
                Lexical::Uri | Lexical::UriReference | Lexical::Url => {
                    self.link(LinkKind::Uri, text)?;
                }
                Lexical::Narrative | Lexical::Xhtml => self.link(LinkKind::Narrative, text)?,
                _ => {}
            },
            (Node::Array(items) | Node::Aligned(items), Value::Array(array)) => {
                for item in array.iter() {
                    let item = item?;
                    if self.may_hold(item) {
                        self.element(profile, items, item, depth + 1)?;
                    }
                }
            }
            (Node::Object(place), Value::Object(object)) => {
                self.shape(profile, *place, object, depth)?;
            }
            (Node::Named(slot), Value::Object(object)) => self.named(*slot, object, depth)?,
            (Node::Resource, Value::Object(object)) => self.resource(object, depth)?,
            _ => {}
        }
        Ok(())
    }

    fn named(&mut self, slot: Slot, object: Object<'v>, depth: usize) -> Result<(), Halt> {
        match self.schema.resolve(slot) {
            Known::Yes(profile) => self.shape(profile, 0, object, depth),
            Known::No => Ok(()),
            Known::Unknown => Ok(self.missing.add(slot.need, self.schema.name(slot))?),
        }
    }

    /// A resource inside another, by its own type.
    fn resource(&mut self, object: Object<'v>, depth: usize) -> Result<(), Halt> {
        let Some(Value::String(name)) = object.get(b"resourceType")? else {
            return Ok(());
        };
        let name = std::str::from_utf8(name).map_err(|_| Malformed)?;
        if !super::address::is_type(name) {
            return Ok(());
        }
        match self.schema.find(name) {
            Known::Yes(profile) => self.shape(profile, 0, object, depth),
            Known::No => Ok(()),
            Known::Unknown => Ok(self.missing.add(Need::Profile, name)?),
        }
    }

    fn link(&mut self, kind: LinkKind, text: &'v [u8]) -> Result<(), Malformed> {
        let text = std::str::from_utf8(text).map_err(|_| Malformed)?;
        if (self.wanted.link)(kind, text) {
            memory::reserve(&mut self.found, 1)?;
            self.found.push(Link { kind, text });
        }
        Ok(())
    }
}
