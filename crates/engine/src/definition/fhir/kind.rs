//! The kinds of rows.

use super::element::Type;
use super::elements::{Describer, RowKind};
use super::head::{is_type_name, is_type_profile};
use super::settings::Asks;
use super::tree::Node;
use super::{choice, tail};
use crate::base::Base;
use crate::definition::expect::mistake;
use crate::description::Format;
use crate::issue::Code;
use crate::trail::Trail;

/// FHIRPath's string, as the type of an element.
const STRING: &str = "http://hl7.org/fhirpath/System.String";

/// The types that have no elements but those that are told where they stand.
const BACKBONES: [&str; 2] = ["Element", "BackboneElement"];

impl<'a> Describer<'_, 'a> {
    /// The kind of the row of a type.
    pub(super) fn kind(
        &mut self,
        node: &Node<'a>,
        kind: &Type<'a>,
        asks: &Asks<'a>,
        at: &Trail<'_>,
    ) -> Option<RowKind<'a>> {
        let element = &node.element;
        if kind.code == STRING {
            // R4 gives ids as strings, and their form in words.
            let is_id = node.name == "id";
            let is_of_resource = is_id && self.is_resource && node.parent == 0;
            if let Some(name) = kind.fhir
                && !matches!(name, "string" | "id" | "uri")
                && !asks.is_fixed()
            {
                let reason = format!("the form of {name}");
                self.unchecked.tell(element, "type", &reason);
            }
            return Some(plain(match kind.fhir {
                _ if is_of_resource => "id",
                _ if is_id => "System.Id",
                Some("uri") => "System.Uri",
                _ => "System.String",
            }));
        }
        if !is_type_name(kind.code) {
            let expected = "expected the name of a type of FHIR";
            mistake(self.report, Code::Invalid, at, expected);
            return None;
        }
        let profiles = self.profiles(node, kind);
        let (code, profiles) = match *profiles {
            [profile] if is_type_profile(profile) => (tail(profile), Vec::new()),
            _ => (kind.code, profiles),
        };
        let is_leaf = !matches!(Base::parse(Format::Fhir, code), Base::Named(_));
        if node.children.is_empty() || is_leaf {
            return Some(RowKind {
                profiles,
                ..plain(code)
            });
        }
        let is_backbone = BACKBONES.contains(&code);
        Some(RowKind {
            of: (!is_backbone).then_some(code),
            profiles,
            enters: true,
            ..plain("object")
        })
    }

    /// The profiles of a type. A type's own elements have none but those that stand for types.
    fn profiles(&mut self, node: &Node<'a>, kind: &Type<'a>) -> Vec<&'a str> {
        let is_type = |profile: &&str| is_type_profile(profile) && kind.code == "Quantity";
        match &*kind.profiles {
            [profile] if is_type(profile) => vec![profile],
            profiles if self.is_profile => profiles.to_vec(),
            [] => Vec::new(),
            profiles => {
                let reason = format!("the profile {}", profiles.join(" or "));
                self.unchecked.tell(&node.element, "type", &reason);
                Vec::new()
            }
        }
    }

    /// The kind of a row that has the content of another.
    pub(super) fn content(&mut self, content: &str, at: &Trail<'_>) -> Option<RowKind<'a>> {
        let id = content.split_once('#').map(|(_, id)| id);
        let node = id.and_then(|id| self.tree.find(id));
        let path = node
            .filter(|node| is_object(node))
            .and_then(|node| self.path(node));
        if path.is_none() {
            let expected = "expected the id of an element that others are in";
            let at = at.name(b"contentReference");
            mistake(self.report, Code::NotFound, &at, expected);
        }
        path.map(|path| plain(&format!("#{path}")))
    }

    /// The path of the row that the elements in a node have theirs below; nothing below a choice.
    fn path(&self, node: &Node<'a>) -> Option<String> {
        let mut parts = Vec::new();
        let mut here = node;
        // A parent stands before its children, so that this ends.
        while here.index > 0 {
            if choice::of(here.name).is_some() || here.element.occurs.max == Some(0) {
                return None;
            }
            let name = match here.slice {
                Some(slice) => format!("{}:{slice}", here.name),
                None => here.name.to_owned(),
            };
            parts.push(match here.element.occurs.many {
                true => format!("{name}[]"),
                false => name,
            });
            here = self.tree.nodes.get(here.parent)?;
        }
        parts.reverse();
        Some(parts.join("."))
    }
}

/// Whether a node has a row that is an object.
fn is_object(node: &Node<'_>) -> bool {
    let is_named = |kind: &Type<'_>| matches!(Base::parse(Format::Fhir, kind.code), Base::Named(_));
    let typed = matches!(&*node.element.types, [kind] if is_named(kind));
    node.index > 0 && typed && node.element.content.is_none() && !node.children.is_empty()
}

fn plain<'a>(name: &str) -> RowKind<'a> {
    RowKind {
        name: name.to_owned(),
        of: None,
        profiles: Vec::new(),
        enters: false,
    }
}
