//! The members of objects, and what FHIR adds to them: companions, choices, `resourceType`.

use super::Compiler;
use crate::draft::Draft;
use crate::lexical::Lexical;
use crate::profile::{Choice, Element, Json, Member, Node, Presence, Role};
use crate::resource::Need;
use crate::rule::{Enumeration, Rule, Rules};

/// The type of what stands beside a primitive of FHIR: `_birthDate`.
const COMPANION: &str = "Element";

impl Compiler<'_> {
    /// Compiles a member and, if it has one, its companion.
    pub(super) fn member(
        &mut self,
        name: &str,
        draft: Draft,
        path: &str,
        members: &mut Vec<Member>,
        choices: &mut Vec<Choice>,
    ) {
        let choice = draft
            .row
            .as_ref()
            .and_then(|(_, settings)| settings.choice.clone());
        // The id of a resource is no element: nothing extends it.
        let is_id = path == "id" && self.json("") == Json::Resource;
        let companion = self.is_fhir() && draft.has_companion() && !is_id;
        let Some(mut element) = self.element(draft, path) else {
            return;
        };
        let variant = choice.map(|choice| {
            let known = choices
                .iter()
                .position(|known| known.name.strip_suffix("[x]") == Some(&choice));
            let index = known.unwrap_or_else(|| {
                choices.push(Choice {
                    name: format!("{choice}[x]").into(),
                    required: false,
                });
                choices.len() - 1
            });
            choices[index].required |= element.presence == Presence::Required;
            element.presence = Presence::Optional;
            (index, members.len())
        });
        let other = format!("_{name}");
        let shown = match variant {
            Some((choice, _)) => shown(&choices[choice].name, name, companion),
            None => name.into(),
        };
        if companion {
            let slot = self.schema.slot(Need::Type, COMPANION);
            let one = Element {
                node: Node::Named(slot),
                ..Element::default()
            };
            let node = match element.node {
                Node::Aligned(_) => Node::Aligned(Box::new(one)),
                _ => one.node,
            };
            let role = Role {
                variant,
                companion: Some(name.into()),
                shown: shown.clone(),
            };
            let element = Element {
                node,
                ..Element::default()
            };
            members.push(Member::new(&other, element, Some(Box::new(role))));
        }
        let role = (variant.is_some() || companion).then(|| {
            Box::new(Role {
                variant,
                companion: companion.then(|| other.into()),
                shown,
            })
        });
        members.push(Member::new(name, element, role));
    }
}

/// How FHIRPath names a variant of a choice: `value.ofType(string)` for `valueString`.
fn shown(choice: &str, name: &str, is_primitive: bool) -> Box<str> {
    let choice = choice.trim_end_matches("[x]");
    let kind = name.strip_prefix(choice).unwrap_or(name);
    let mut kind = kind.to_owned();
    if is_primitive && let Some(first) = kind.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    format!("{choice}.ofType({kind})").into()
}

/// The member by which a FHIR resource says what it is.
pub(super) fn resource_type(name: &str) -> Member {
    let rule = Rule {
        enumeration: Some(Enumeration::strings(vec![name.into()])),
        ..Rule::default()
    };
    let rules = Rules {
        entries: [rule].into(),
        ..Rules::default()
    };
    let element = Element {
        node: Node::Text(Lexical::Code),
        presence: Presence::Required,
        rules: Some(Box::new(rules)),
    };
    Member::new("resourceType", element, None)
}
