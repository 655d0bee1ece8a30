//! The rows of elements.

use super::choice;
use super::element::{Occurs, Type};
use super::head::Head;
use super::row::Rows;
use super::settings::{Asks, add_rules, occurrence};
use super::tree::{Node, Tree};
use super::unchecked::{Told, Unchecked};
use crate::definition::expect::mistake;
use crate::description::Property;
use crate::issue::{Code, Report};
use crate::trail::Trail;
use jsonb::{Item, Malformed, Member};

/// Gives the type that a profile is of, by the profile's canonical.
pub type TypeOf<'t, 'a> = &'t dyn Fn(&str) -> Option<&'a str>;

/// Makes rows of a tree of elements.
pub(super) struct Describer<'d, 'a> {
    pub(super) is_resource: bool,
    pub(super) is_profile: bool,
    type_name: &'a str,
    pub(super) tree: &'d Tree<'a>,
    pub(super) type_of: TypeOf<'d, 'a>,
    pub(super) rows: Rows,
    pub(super) unchecked: Told,
    pub(super) report: &'d mut Report,
}

impl<'d, 'a> Describer<'d, 'a> {
    pub(super) fn new(
        head: &Head<'a>,
        tree: &'d Tree<'a>,
        type_of: TypeOf<'d, 'a>,
        report: &'d mut Report,
    ) -> Self {
        Self {
            is_resource: head.is_resource,
            is_profile: head.is_profile,
            type_name: head.type_name,
            tree,
            type_of,
            rows: Rows::default(),
            unchecked: Told::default(),
            report,
        }
    }

    /// The rows, and what they do not say.
    pub(super) fn describe(
        mut self,
        elements: &Trail<'_>,
    ) -> Result<(Vec<Property>, Vec<Unchecked>), Malformed> {
        if let Some(root) = self.tree.nodes.first() {
            let asks = self.asks(root, elements)?;
            let mut settings = asks.invariants();
            if self.is_profile && self.is_resource {
                settings.push((b"resource", Item::Text(self.type_name)));
            }
            settings.extend(self.prohibited(root));
            if !settings.is_empty() {
                self.rows
                    .push(String::new(), "object", settings, self.report)?;
            }
            self.children(root, "", elements)?;
        }
        Ok((self.rows.rows, self.unchecked.finish(self.report)))
    }

    pub(super) fn asks(
        &mut self,
        node: &Node<'a>,
        elements: &Trail<'_>,
    ) -> Result<Asks<'a>, Malformed> {
        let at = elements.index(node.index);
        Asks::read(&node.element, &mut self.unchecked, &at, self.report)
    }

    /// The rows of the elements in a node whose own row has this path.
    pub(super) fn children(
        &mut self,
        node: &Node<'a>,
        path: &str,
        elements: &Trail<'_>,
    ) -> Result<(), Malformed> {
        let tree = self.tree;
        for child in tree.at(&node.children) {
            if self.report.is_complete() || !self.rows.has_room(self.report) {
                break;
            }
            if child.element.occurs.max != Some(0) {
                self.element(child, path, elements)?;
            }
        }
        Ok(())
    }

    /// The setting of the elements in a node that there must be none of.
    fn prohibited(&self, node: &Node<'a>) -> Option<Member<'a>> {
        let children = self.tree.at(&node.children);
        let prohibited = children.filter(|child| child.element.occurs.max == Some(0));
        let names = prohibited.map(|child| choice::of(child.name).unwrap_or(child.name));
        let names: Vec<Item<'a>> = names.map(Item::Text).collect();
        (!names.is_empty()).then(|| (&b"prohibited"[..], Item::Items(names)))
    }

    /// The rows of the elements in a node, if its kind of row has any.
    pub(super) fn enter(
        &mut self,
        node: &Node<'a>,
        kind: &RowKind<'a>,
        path: &str,
        elements: &Trail<'_>,
    ) -> Result<(), Malformed> {
        if kind.enters {
            return self.children(node, path, elements);
        }
        if !node.children.is_empty() {
            let reason = format!("elements in {}", kind.name);
            self.unchecked.tell(&node.element, "type", &reason);
        }
        Ok(())
    }

    /// The rows of an element of the object at `parent`.
    fn element(
        &mut self,
        node: &Node<'a>,
        parent: &str,
        elements: &Trail<'_>,
    ) -> Result<(), Malformed> {
        let at = elements.index(node.index);
        let element = &node.element;
        if self.is_resource && node.parent == 0 && node.name == "resourceType" {
            let expected = "expected another name: every resource has a resourceType";
            mistake(self.report, Code::Invalid, &at.name(b"path"), expected);
            return Ok(());
        }
        if let Some(choice) = choice::of(node.name) {
            return self.choice(node, choice, parent, elements);
        }
        let asks = self.asks(node, elements)?;
        let path = join(parent, node.name);
        let Some((kind, settings)) = self.value(node, &asks, &at)? else {
            return Ok(());
        };
        let slicing = self.slicing(node, &path, elements)?;
        let sliced = slicing
            .iter()
            .map(|slicing| (&b"slicing"[..], slicing.item()));
        let inside = self.put(path, &kind, element.occurs, settings, sliced.collect())?;
        self.enter(node, &kind, &inside, elements)?;
        match slicing {
            Some(slicing) => self.slices(node, &slicing, elements),
            None => Ok(()),
        }
    }

    /// The kind and the settings of the row of an element that is no choice.
    pub(super) fn value(
        &mut self,
        node: &Node<'a>,
        asks: &Asks<'a>,
        at: &Trail<'_>,
    ) -> Result<Option<(RowKind<'a>, Settings<'a>)>, Malformed> {
        let element = &node.element;
        if let Some(content) = element.content {
            asks.tell_untyped(element, &mut self.unchecked);
            let kind = self.content(content, at);
            return Ok(kind.map(|kind| (kind, (asks.invariants(), Vec::new()))));
        }
        let at = at.name(b"type");
        match &*element.types {
            [] => {
                let expected = "expected a type or a contentReference";
                mistake(self.report, Code::Required, &at, expected);
                Ok(None)
            }
            [kind] => self.typed(node, kind, asks, &at),
            _ => {
                let expected = "expected one type, or a name that ends in [x]";
                mistake(self.report, Code::Invalid, &at, expected);
                Ok(None)
            }
        }
    }

    /// The kind and the settings of the row of one type.
    fn typed(
        &mut self,
        node: &Node<'a>,
        kind: &Type<'a>,
        asks: &Asks<'a>,
        at: &Trail<'_>,
    ) -> Result<Option<(RowKind<'a>, Settings<'a>)>, Malformed> {
        let Some(row) = self.kind(node, kind, asks, at) else {
            return Ok(None);
        };
        let (mut settings, rule) = asks.of(
            &node.element,
            kind,
            &row.name,
            self.type_of,
            &mut self.unchecked,
        )?;
        if let Some(name) = row.of {
            settings.push((b"type", Item::Text(name)));
        }
        if !row.profiles.is_empty() {
            let profiles = row.profiles.iter().copied().map(Item::Text);
            settings.push((b"profiles", Item::Items(profiles.collect())));
        }
        if row.enters {
            settings.extend(self.prohibited(node));
        }
        Ok(Some((row, (settings, rule))))
    }

    /// The rows of a choice of types, one for each. A slice of it is about the values of its type.
    fn choice(
        &mut self,
        node: &Node<'a>,
        choice: &'a str,
        parent: &str,
        elements: &Trail<'_>,
    ) -> Result<(), Malformed> {
        let at = elements.index(node.index);
        let types = &node.element.types;
        if types.is_empty() {
            let expected = "expected at least one type";
            mistake(self.report, Code::Required, &at.name(b"type"), expected);
        }
        let by_type = self.by_type(node, elements)?;
        if types.len() > 1 && !node.children.is_empty() {
            let reason = "elements in a choice of several types";
            self.unchecked.tell(&node.element, "type", reason);
        }
        let shared = self.asks(node, elements)?;
        let tree = self.tree;
        for kind in types {
            let slice = tree
                .at(&node.slices)
                .filter(|_| by_type.is_some())
                .find(|slice| matches!(&*slice.element.types, [only] if only.code == kind.code));
            let own = match slice {
                Some(slice) if slice.element.occurs.max == Some(0) => continue,
                None if by_type == Some(true) => continue,
                Some(slice) => slice,
                None => node,
            };
            let occurs = Occurs {
                min: own.element.occurs.min.max(node.element.occurs.min),
                ..node.element.occurs
            };
            // One of the variants must stand; that it is this one is more than a row can say.
            if occurs.min > node.element.occurs.min && types.len() > 1 {
                let reason = format!("that it is a {}", kind.code);
                self.unchecked.tell(&own.element, "min", &reason);
            }
            let at = elements.index(own.index);
            let sliced = match slice {
                Some(slice) => Some(self.asks(slice, elements)?),
                None => None,
            };
            let asks = sliced.as_ref().unwrap_or(&shared);
            let kind = match &*own.element.types {
                [only] => only,
                _ => kind,
            };
            let Some((row, settings)) = self.typed(own, kind, asks, &at.name(b"type"))? else {
                continue;
            };
            let name = kind.fhir.unwrap_or(kind.code);
            let path = join(parent, &format!("{choice}{}", choice::ending(name)));
            let more = vec![(&b"choice"[..], Item::Text(choice))];
            let inside = self.put(path, &row, occurs, settings, more)?;
            if own.index != node.index || types.len() == 1 {
                self.enter(own, &row, &inside, elements)?;
            }
        }
        Ok(())
    }

    /// The row of one type, and the row of its items if there can be many; `more` is said of the
    /// whole. Gives the path of what is in it.
    fn put<'m>(
        &mut self,
        path: String,
        kind: &RowKind<'_>,
        occurs: Occurs,
        (mut settings, rule): Settings<'m>,
        mut more: Vec<Member<'m>>,
    ) -> Result<String, Malformed> {
        if self.rows.has(&path) {
            let expected = "expected each element once, the variants of a choice too";
            mistake(self.report, Code::Duplicate, &Trail::root(&path), expected);
            return Ok(path);
        }
        if !occurs.many {
            settings.extend(more);
            add_rules(&mut settings, [occurrence(occurs), rule]);
            self.rows
                .push(path.clone(), &kind.name, settings, self.report)?;
            return Ok(path);
        }
        add_rules(&mut more, [occurrence(occurs), Vec::new()]);
        let items = format!("{path}[]");
        self.rows.push(path, "array", more, self.report)?;
        self.item(items.clone(), kind, settings, rule)?;
        Ok(items)
    }

    /// The row of an array's items.
    pub(super) fn item<'m>(
        &mut self,
        path: String,
        kind: &RowKind<'_>,
        mut settings: Vec<Member<'m>>,
        rule: Vec<Member<'m>>,
    ) -> Result<(), Malformed> {
        add_rules(&mut settings, [rule, Vec::new()]);
        self.rows.push(path, &kind.name, settings, self.report)
    }
}

/// The settings of a row but its rules, and one rule.
pub(super) type Settings<'a> = (Vec<Member<'a>>, Vec<Member<'a>>);

/// What a row is of.
pub(super) struct RowKind<'a> {
    /// The row's kind.
    pub(super) name: String,
    /// The type whose elements are told again in the rows below.
    pub(super) of: Option<&'a str>,
    /// The profiles that a value must have one of.
    pub(super) profiles: Vec<&'a str>,
    /// Whether the elements in it have rows.
    pub(super) enters: bool,
}

pub(super) fn join(parent: &str, name: &str) -> String {
    match parent {
        "" => name.to_owned(),
        _ => format!("{parent}.{name}"),
    }
}
