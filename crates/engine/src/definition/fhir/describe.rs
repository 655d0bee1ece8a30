//! A StructureDefinition as catalog rows, out of its snapshot.

use super::element::{Occurs, Type};
use super::row::Rows;
use super::settings::{Asks, add_rules, occurrence, told};
use super::tree::{Node, Tree, grow};
use super::unchecked::Unchecked;
use super::{CORE, choice, tail};
use crate::base::Base;
use crate::definition::expect::{self, mistake};
use crate::definition::finish;
use crate::description::{Description, Format, Kind};
use crate::issue::{Code, Issue, Report};
use crate::trail::Trail;
use jsonb::{Item, Malformed, Member, Object, Value, memory};
use thiserror::Error;

/// What became of a StructureDefinition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its rows.
    pub description: Description,
    /// What it asks for and they do not say.
    pub unchecked: Vec<Unchecked>,
}

/// Why there are no rows of a StructureDefinition.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotDescribed {
    /// It is not as it should be.
    #[error("the definition is wrong")]
    Wrong(Vec<Issue>),
    /// It defines a primitive type that the engine has.
    #[error("built in")]
    BuiltIn,
    /// It defines a primitive type that the engine has not.
    #[error("not known: there are no other primitive types than those of R4")]
    Unknown,
    /// It defines what no resource is.
    #[error("a logical model, which no resource is an instance of")]
    Logical,
    /// It says nothing but differences.
    #[error("no snapshot: give the definition with one")]
    NoSnapshot,
    /// It is a profile.
    #[error("a profile, which says more of a type that there is")]
    Profile,
}

/// The profiles of data types that R4's own types use as if they were types.
const TYPE_PROFILES: [&str; 2] = ["SimpleQuantity", "MoneyQuantity"];

/// FHIRPath's string, as the type of an element.
const STRING: &str = "http://hl7.org/fhirpath/System.String";

/// Describes a resource type or a data type, given as [reduced](super::Reduced) content.
pub fn describe(content: Value<'_>, version: i32) -> Result<Described, NotDescribed> {
    let read = finish(|report| read(content, version, report));
    read.map_err(NotDescribed::Wrong)?
}

fn read(
    content: Value<'_>,
    version: i32,
    report: &mut Report,
) -> Result<Result<Described, NotDescribed>, Malformed> {
    let root = Trail::root("");
    let nothing = Ok(Err(NotDescribed::Wrong(Vec::new())));
    let Some(object) = expect::object(content, &root, report) else {
        return nothing;
    };
    let head = match head(object, version, &root, report)? {
        Some(Ok(head)) => head,
        Some(Err(why)) => return Ok(Err(why)),
        None => return nothing,
    };
    let at = root.name(b"snapshot");
    let snapshot = match object.get(b"snapshot")? {
        None | Some(Value::Null) => return Ok(Err(NotDescribed::NoSnapshot)),
        Some(snapshot) => expect::object(snapshot, &at, report),
    };
    let Some(snapshot) = snapshot else {
        return nothing;
    };
    let Some(tree) = grow(snapshot, head.type_name, &at, report)? else {
        return nothing;
    };
    let describer = Describer {
        is_resource: head.is_resource,
        tree: &tree,
        rows: Rows::default(),
        unchecked: Vec::new(),
        report,
    };
    let (rows, unchecked) = describer.describe(&at.name(b"element"))?;
    let description = Description {
        properties: rows.rows,
        ..head.description
    };
    Ok(Ok(Described {
        description,
        unchecked,
    }))
}

/// What a StructureDefinition says before its elements.
struct Head<'a> {
    description: Description,
    /// The name that its elements begin with.
    type_name: &'a str,
    is_resource: bool,
}

type MaybeHead<'a> = Option<Result<Head<'a>, NotDescribed>>;

fn head<'a>(
    object: Object<'a>,
    version: i32,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<MaybeHead<'a>, Malformed> {
    let mut text = |name: &str| super::element::text(object, name, at, report);
    let (kind, url) = (text("kind")?, text("url")?.unwrap_or_default());
    let type_name = text("type")?.unwrap_or_default();
    let derivation = text("derivation")?;
    let base = text("baseDefinition")?.map(tail);
    let is_abstract = matches!(object.get(b"abstract")?, Some(Value::Bool(true)));
    let is_resource = kind == Some("resource");
    match kind {
        Some("resource" | "complex-type") => {}
        Some("primitive-type") => {
            let known = Base::parse(Format::Fhir, type_name).is_primitive();
            return Ok(Some(Err(match known {
                true => NotDescribed::BuiltIn,
                false => NotDescribed::Unknown,
            })));
        }
        Some("logical") => return Ok(Some(Err(NotDescribed::Logical))),
        _ => {
            let expected = "expected resource, complex-type, primitive-type or logical";
            mistake(report, Code::Value, &at.name(b"kind"), expected);
            return Ok(None);
        }
    }
    let name = match derivation {
        Some("constraint") if is_type_profile(url) => tail(url),
        Some("constraint") => return Ok(Some(Err(NotDescribed::Profile))),
        _ => type_name,
    };
    if !is_type_name(type_name) {
        let expected = "expected the name of a type, of letters and digits";
        mistake(report, Code::Invalid, &at.name(b"type"), expected);
        return Ok(None);
    }
    let description = Description {
        name: name.to_owned(),
        version,
        kind: match is_resource && !is_abstract {
            true => Kind::Root,
            false => Kind::Type,
        },
        format: Format::Fhir,
        base: base.filter(|base| !base.is_empty()).map(str::to_owned),
        additional_properties: false,
        properties: Vec::new(),
        contained: Vec::new(),
    };
    Ok(Some(Ok(Head {
        description,
        type_name,
        is_resource,
    })))
}

/// Whether a profile stands for a type of its own.
fn is_type_profile(url: &str) -> bool {
    let name = super::without_version(url).strip_prefix(CORE);
    name.is_some_and(|name| TYPE_PROFILES.contains(&name))
}

/// Whether a name can be a type's, and is none of the catalog's own words.
fn is_type_name(name: &str) -> bool {
    let own = ["any", "array", "object"];
    !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !own.contains(&name)
}

struct Describer<'d, 'a> {
    is_resource: bool,
    tree: &'d Tree<'a>,
    rows: Rows,
    unchecked: Vec<Unchecked>,
    report: &'d mut Report,
}

impl<'a> Describer<'_, 'a> {
    fn describe(mut self, at: &Trail<'_>) -> Result<(Rows, Vec<Unchecked>), Malformed> {
        let tree = self.tree;
        if let Some(root) = tree.nodes.first() {
            let at = at.index(0);
            let asks = Asks::read(&root.element, &mut self.unchecked, &at, self.report)?;
            let settings = asks.invariants();
            if !settings.is_empty() {
                self.rows
                    .push(String::new(), "object", settings, self.report)?;
            }
        }
        self.children(0, "", at)?;
        Ok((self.rows, self.unchecked))
    }

    fn children(&mut self, place: usize, path: &str, at: &Trail<'_>) -> Result<(), Malformed> {
        let tree = self.tree;
        let Some(node) = tree.nodes.get(place) else {
            return Ok(());
        };
        for place in &node.children {
            if let Some(child) = tree.nodes.get(*place) {
                self.element(*place, child, path, at)?;
            }
        }
        Ok(())
    }

    /// The rows of an element of the object at `parent`.
    fn element(
        &mut self,
        place: usize,
        node: &Node<'a>,
        parent: &str,
        elements: &Trail<'_>,
    ) -> Result<(), Malformed> {
        let at = elements.index(node.index);
        let element = &node.element;
        if element.occurs.max == Some(0) {
            return Ok(());
        }
        if self.is_resource && node.parent == 0 && node.name == "resourceType" {
            let expected = "expected another name: resourceType is every resource's";
            mistake(self.report, Code::Invalid, &at.name(b"path"), expected);
            return Ok(());
        }
        self.slicing(node)?;
        let asks = Asks::read(element, &mut self.unchecked, &at, self.report)?;
        if let Some(content) = element.content {
            let Some(kind) = self.content(content, &at) else {
                return Ok(());
            };
            let path = join(parent, node.name);
            self.rows(
                path,
                &kind,
                element.occurs,
                (asks.invariants(), Vec::new()),
                None,
            )?;
            return Ok(());
        }
        let choice = choice::of(node.name);
        match (choice, &*element.types) {
            (_, []) => {
                let expected = "expected a type or a contentReference";
                mistake(self.report, Code::Required, &at.name(b"type"), expected);
            }
            (None, [_, _, ..]) => {
                let expected = "expected one type, or a name that ends in [x]";
                mistake(self.report, Code::Invalid, &at.name(b"type"), expected);
            }
            (None, [kind]) => {
                let Some(row) = self.kind(node, kind, &at) else {
                    return Ok(());
                };
                let path = join(parent, node.name);
                let settings = asks.of(element, kind, &row, &mut self.unchecked)?;
                let path = self.rows(path, &row, element.occurs, settings, None)?;
                self.children(place, &path, elements)?;
            }
            (Some(_), _) if !node.children.is_empty() => {
                let expected = "expected no elements in a choice of types";
                mistake(self.report, Code::Invalid, &at.name(b"path"), expected);
            }
            (Some(choice), types) => {
                for kind in types {
                    let Some(row) = self.kind(node, kind, &at) else {
                        continue;
                    };
                    let name = kind.fhir.unwrap_or(kind.code);
                    let path = join(parent, &format!("{choice}{}", choice::ending(name)));
                    let settings = asks.of(element, kind, &row, &mut self.unchecked)?;
                    self.rows(path, &row, element.occurs, settings, Some(choice))?;
                }
            }
        }
        Ok(())
    }

    /// The row of one type, and the row of its items if there can be many; gives the path of what
    /// is in it.
    fn rows(
        &mut self,
        path: String,
        kind: &str,
        occurs: Occurs,
        (mut settings, rule): (Vec<Member<'a>>, Vec<Member<'a>>),
        choice: Option<&'a str>,
    ) -> Result<String, Malformed> {
        let choice = choice.map(|choice| (&b"choice"[..], Item::Text(choice)));
        if self.rows.has(&path) {
            let expected = "expected each element once, the variants of a choice too";
            mistake(self.report, Code::Duplicate, &Trail::root(&path), expected);
            return Ok(path);
        }
        if !occurs.many {
            settings.extend(choice);
            add_rules(&mut settings, [occurrence(occurs), rule]);
            self.rows.push(path.clone(), kind, settings, self.report)?;
            return Ok(path);
        }
        let mut own: Vec<Member<'a>> = choice.into_iter().collect();
        add_rules(&mut own, [occurrence(occurs), Vec::new()]);
        add_rules(&mut settings, [rule, Vec::new()]);
        let items = format!("{path}[]");
        self.rows.push(path, "array", own, self.report)?;
        self.rows.push(items.clone(), kind, settings, self.report)?;
        Ok(items)
    }

    /// The kind of the row of a type.
    fn kind(&mut self, node: &Node<'a>, kind: &Type<'a>, at: &Trail<'_>) -> Option<String> {
        let element = &node.element;
        let at = at.name(b"type");
        if kind.code == STRING && node.children.is_empty() {
            // R4 says string (facts of Resource.id): the form of ids is told in the text only.
            let is_id = self.is_resource && node.parent == 0 && node.name == "id";
            if let Some(name) = kind.fhir
                && !matches!(name, "string" | "id")
            {
                let reason = format!("the form of {name}");
                self.unchecked.push(told(element, "type", reason));
            }
            return Some(if is_id { "id" } else { "System.String" }.to_owned());
        }
        if !is_type_name(kind.code) {
            mistake(
                self.report,
                Code::Invalid,
                &at,
                "expected the name of a type of FHIR",
            );
            return None;
        }
        if !node.children.is_empty() {
            if !matches!(kind.code, "Element" | "BackboneElement") {
                let expected = "expected Element or BackboneElement, which other elements are in";
                mistake(self.report, Code::Invalid, &at, expected);
                return None;
            }
            return Some("object".to_owned());
        }
        match &*kind.profiles {
            [] => {}
            [profile] if is_type_profile(profile) && kind.code == "Quantity" => {
                return Some(tail(profile).to_owned());
            }
            profiles => {
                let reason = format!("the profile {}", profiles.join(" or "));
                self.unchecked.push(told(element, "type", reason));
            }
        }
        Some(kind.code.to_owned())
    }

    /// The kind of a row that has the content of another.
    fn content(&mut self, content: &str, at: &Trail<'_>) -> Option<String> {
        let at = at.name(b"contentReference");
        let id = content.split_once('#').map(|(_, id)| id);
        let node = id.and_then(|id| self.tree.find(id));
        let target = node.filter(|node| {
            let types = &node.element.types;
            let is_object = matches!(&**types, [kind] if is_backbone(kind));
            let is_open = choice::of(node.name).is_none() && node.element.occurs.max != Some(0);
            node.index > 0 && is_object && is_open && !node.children.is_empty()
        });
        let Some(target) = target else {
            let expected = "expected the id of an element that others are in";
            mistake(self.report, Code::NotFound, &at, expected);
            return None;
        };
        Some(format!("#{}", self.path(target)))
    }

    /// The path of the row whose properties are the elements in a node.
    fn path(&self, node: &Node<'a>) -> String {
        let mut parts = Vec::new();
        let mut here = Some(node);
        // A parent stands before its children, so that this ends.
        while let Some(node) = here.filter(|node| node.index > 0) {
            parts.push(match node.element.occurs.many {
                true => format!("{}[]", node.name),
                false => node.name.to_owned(),
            });
            here = self.tree.nodes.get(node.parent);
        }
        parts.reverse();
        parts.join(".")
    }

    /// Slicing that is open and has no slices asks for nothing.
    fn slicing(&mut self, node: &Node<'a>) -> Result<(), Malformed> {
        let Some(Value::Object(slicing)) = node.element.object.get(b"slicing")? else {
            return Ok(());
        };
        let is_open = matches!(slicing.get(b"rules")?, Some(Value::String(b"open")));
        if !is_open || !node.slices.is_empty() {
            memory::reserve(&mut self.unchecked, 1)?;
            let reason = "slices of a type's own element".to_owned();
            self.unchecked.push(told(&node.element, "slicing", reason));
        }
        Ok(())
    }
}

fn is_backbone(kind: &Type<'_>) -> bool {
    matches!(kind.code, "Element" | "BackboneElement")
}

fn join(parent: &str, name: &str) -> String {
    match parent {
        "" => name.to_owned(),
        _ => format!("{parent}.{name}"),
    }
}
