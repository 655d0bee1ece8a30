//! Slices: FHIR R4, "Slicing". An element that can stand several times is taken apart into named
//! groups of its items, each with elements and rules of its own.

use super::choice;
use super::element::{Occurs, text};
use super::elements::Describer;
use super::tree::Node;
use crate::definition::expect;
use crate::trail::Trail;
use jsonb::{Item, Malformed, Member, Object, Value, memory, steps};

/// How many discriminators tell slices apart at most.
const MOST_DISCRIMINATORS: usize = 20;
/// How long the name of a slice is at most, in bytes.
const LONGEST_NAME: usize = 200;

/// How an array is sliced.
pub(super) struct Slicing<'a> {
    rules: &'a str,
    ordered: bool,
    /// What tells the slices apart: types and paths.
    discriminators: Vec<(&'a str, &'a str)>,
    slices: Vec<Slice<'a>>,
}

struct Slice<'a> {
    name: &'a str,
    occurs: Occurs,
    /// The path of the row of its items.
    path: String,
}

impl Slicing<'_> {
    /// The setting.
    pub(super) fn item(&self) -> Item<'_> {
        let discriminators = self.discriminators.iter().map(|(kind, path)| {
            Item::Members(vec![
                (&b"type"[..], Item::Text(kind)),
                (b"path", Item::Text(path)),
            ])
        });
        let slices = self
            .slices
            .iter()
            .map(|slice| Item::Members(slice.members()));
        Item::Members(vec![
            (b"rules", Item::Text(self.rules)),
            (b"ordered", Item::Bool(self.ordered)),
            (b"discriminators", Item::Items(discriminators.collect())),
            (b"slices", Item::Items(slices.collect())),
        ])
    }
}

impl Slice<'_> {
    fn members(&self) -> Vec<Member<'_>> {
        let count = |count: usize| Item::Int(i64::try_from(count).unwrap_or(i64::MAX));
        let mut members = vec![
            (&b"name"[..], Item::Text(self.name)),
            (b"min", count(self.occurs.min)),
            (b"path", Item::Text(&self.path)),
        ];
        if let Some(max) = self.occurs.max {
            members.push((b"max", count(max)));
        }
        members
    }
}

impl<'a> Describer<'_, 'a> {
    /// How an element with this path is sliced, if that asks for anything that can be said.
    pub(super) fn slicing(
        &mut self,
        node: &Node<'a>,
        path: &str,
        elements: &Trail<'_>,
    ) -> Result<Option<Slicing<'a>>, Malformed> {
        let slicing = match node.element.object.get(b"slicing")? {
            Some(Value::Object(slicing)) => slicing,
            _ if node.slices.is_empty() => return Ok(None),
            _ => return self.untold(node, "slices, and nothing that tells them apart"),
        };
        let at = elements.index(node.index);
        let at = at.name(b"slicing");
        let rules = text(slicing, "rules", &at, self.report)?.unwrap_or_default();
        if node.slices.is_empty() && rules == "open" {
            return Ok(None);
        }
        if !matches!(rules, "open" | "closed" | "openAtEnd") {
            return self.untold(node, "rules other than open, closed and openAtEnd");
        }
        if !node.element.occurs.many {
            return self.untold(node, "slices of what stands once only");
        }
        let discriminators = self.discriminators(slicing, &at)?;
        if discriminators.is_empty() {
            return self.untold(node, "slices, and nothing that tells them apart");
        }
        if !discriminators.iter().all(|one| is_supported(*one)) {
            let reason = "discriminators other than a value, a pattern or the type of $this";
            return self.untold(node, reason);
        }
        let mut slices = Vec::new();
        for slice in self.tree.at(&node.slices) {
            steps::take(1)?;
            let Some(name) = name(slice) else {
                let reason = "slices of slices, or names that are none";
                self.unchecked.tell(&slice.element, "sliceName", reason);
                continue;
            };
            memory::reserve(&mut slices, 1)?;
            slices.push(Slice {
                name,
                occurs: slice.element.occurs,
                path: format!("{path}:{name}[]"),
            });
        }
        Ok(Some(Slicing {
            rules,
            ordered: matches!(slicing.get(b"ordered")?, Some(Value::Bool(true))),
            discriminators,
            slices,
        }))
    }

    fn untold(&mut self, node: &Node<'a>, reason: &str) -> Result<Option<Slicing<'a>>, Malformed> {
        self.unchecked.tell(&node.element, "slicing", reason);
        Ok(None)
    }

    fn discriminators(
        &mut self,
        slicing: Object<'a>,
        at: &Trail<'_>,
    ) -> Result<Vec<(&'a str, &'a str)>, Malformed> {
        let mut found = Vec::new();
        let at = at.name(b"discriminator");
        let array = match slicing.get(b"discriminator")? {
            None | Some(Value::Null) => None,
            Some(value) => expect::array(value, &at, self.report),
        };
        let items = array.iter().flat_map(|array| array.iter());
        for (index, item) in items.take(MOST_DISCRIMINATORS + 1).enumerate() {
            let at = at.index(index);
            let Some(one) = expect::object(item?, &at, self.report) else {
                continue;
            };
            let kind = text(one, "type", &at, self.report)?.unwrap_or_default();
            let path = text(one, "path", &at, self.report)?.unwrap_or_default();
            found.push((kind, path));
        }
        if found.len() > MOST_DISCRIMINATORS {
            found.clear();
        }
        Ok(found)
    }

    /// The rows of the slices of an array.
    pub(super) fn slices(
        &mut self,
        node: &Node<'a>,
        slicing: &Slicing<'a>,
        elements: &Trail<'_>,
    ) -> Result<(), Malformed> {
        let named = self
            .tree
            .at(&node.slices)
            .filter(|slice| name(slice).is_some());
        for (slice, told) in named.zip(&slicing.slices) {
            if self.report.is_complete() || !self.rows.has_room(self.report) {
                break;
            }
            let asks = self.asks(slice, elements)?;
            let at = elements.index(slice.index);
            let Some((kind, (settings, rule))) = self.value(slice, &asks, &at)? else {
                continue;
            };
            self.item(told.path.clone(), &kind, settings, rule)?;
            self.enter(slice, &kind, &told.path, elements)?;
        }
        Ok(())
    }

    /// Whether a choice of types is closed to those that no slice is of; nothing if its slices are
    /// not told apart by their types, and so say nothing of them.
    pub(super) fn by_type(
        &mut self,
        node: &Node<'a>,
        elements: &Trail<'_>,
    ) -> Result<Option<bool>, Malformed> {
        let Some(Value::Object(slicing)) = node.element.object.get(b"slicing")? else {
            if !node.slices.is_empty() {
                self.untold(node, "slices, and nothing that tells them apart")?;
            }
            return Ok(None);
        };
        let at = elements.index(node.index);
        let at = at.name(b"slicing");
        let rules = text(slicing, "rules", &at, self.report)?;
        let discriminators = self.discriminators(slicing, &at)?;
        let by_type = *discriminators == [("type", "$this")];
        // Each slice is of another one of the types.
        let mut types: Vec<&str> = node.element.types.iter().map(|kind| kind.code).collect();
        let mut is_told = !by_type;
        for slice in self.tree.at(&node.slices) {
            let place = match &*slice.element.types {
                [only] => types.iter().position(|code| *code == only.code),
                _ => None,
            };
            match place {
                Some(place) => drop(types.remove(place)),
                None => is_told = true,
            }
        }
        if is_told {
            self.untold(node, "slices of a choice by other than one type each")?;
            return Ok(None);
        }
        Ok(Some(rules == Some("closed")))
    }
}

/// Whether a discriminator is one that the engine can follow.
fn is_supported((kind, path): (&str, &str)) -> bool {
    let follows = !path.is_empty() && path.len() <= LONGEST_NAME && !path.contains('(');
    match kind {
        "value" | "pattern" => follows,
        "type" => path == "$this",
        _ => false,
    }
}

/// The name of a slice, which can stand in a path; nothing for a slice of a slice, which has its
/// owner's name before a slash.
fn name<'a>(slice: &Node<'a>) -> Option<&'a str> {
    let name = slice.slice?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_name = (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(letter);
    (is_name && choice::of(slice.name).is_none()).then_some(name)
}
