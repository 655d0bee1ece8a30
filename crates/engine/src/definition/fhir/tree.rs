//! The elements of a snapshot as a tree. They come as a list, each with its whole path; an element
//! that is sliced comes once more for each slice, with the slice's name in its id.

use super::element::{Element, read};
use crate::definition::expect::{self, mistake};
use crate::issue::{Code, Report};
use crate::trail::Trail;
use jsonb::{Malformed, Object, memory, steps};
use std::collections::HashMap;

/// How many elements a snapshot can have. R4's largest has 259.
const MOST_ELEMENTS: usize = 20_000;
/// How deep elements can stand in each other. R4's deepest are at 8.
const DEEPEST: usize = 30;
/// How long the name of an element can be (eld-19).
const LONGEST_NAME: usize = 64;

/// An element and where it stands.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) element: Element<'a>,
    /// The last part of its path: `contact`, `value[x]`.
    pub(super) name: &'a str,
    pub(super) parent: usize,
    /// The elements in it.
    pub(super) children: Vec<usize>,
    /// The slices of it.
    pub(super) slices: Vec<usize>,
    /// Its name, if it is a slice.
    pub(super) slice: Option<&'a str>,
    /// Its place among the elements.
    pub(super) index: usize,
}

/// The elements of a snapshot; the first one is the type itself.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    by_id: HashMap<&'a str, usize>,
}

impl<'a> Tree<'a> {
    /// The node of an id without the type's slices: `Questionnaire.item`.
    pub(super) fn find(&self, id: &str) -> Option<&Node<'a>> {
        self.nodes.get(*self.by_id.get(id)?)
    }

    /// The nodes at these places.
    pub(super) fn at<'t>(&'t self, places: &'t [usize]) -> impl Iterator<Item = &'t Node<'a>> {
        places.iter().filter_map(|place| self.nodes.get(*place))
    }
}

/// Reads `snapshot.element`; nothing if what was reported leaves no tree.
pub(super) fn grow<'a>(
    snapshot: Object<'a>,
    name: &str,
    at: &Trail<'_>,
    report: &mut Report,
) -> Result<Option<Tree<'a>>, Malformed> {
    let at = at.name(b"element");
    let elements = match snapshot.get(b"element")? {
        Some(elements) => expect::array(elements, &at, report),
        None => None,
    };
    let Some(elements) = elements.filter(|elements| !elements.is_empty()) else {
        mistake(report, Code::Required, &at, "expected at least one element");
        return Ok(None);
    };
    if elements.len() > MOST_ELEMENTS {
        let expected = format!("expected at most {MOST_ELEMENTS} elements");
        mistake(report, Code::TooCostly, &at, expected);
        return Ok(None);
    }
    let mut tree = Tree {
        nodes: Vec::new(),
        by_id: HashMap::new(),
    };
    for (index, item) in elements.iter().enumerate() {
        steps::take(1)?;
        let at = at.index(index);
        let Some(object) = expect::object(item?, &at, report) else {
            continue;
        };
        if let Some(element) = read(object, &at, report)? {
            tree.add(element, index, name, &at, report)?;
        }
    }
    Ok((!report.refuses()).then_some(tree))
}

impl<'a> Tree<'a> {
    fn add(
        &mut self,
        element: Element<'a>,
        index: usize,
        root: &str,
        at: &Trail<'_>,
        report: &mut Report,
    ) -> Result<(), Malformed> {
        if !agree(element.id, element.path) {
            let expected = "expected the path of the element, with names of slices";
            mistake(report, Code::Invalid, &at.name(b"id"), expected);
            return Ok(());
        }
        let place = self.nodes.len();
        let (parent, name) = match (element.id.rsplit_once('.'), element.path.rsplit_once('.')) {
            (None, None) if place == 0 && element.path == root => (0, element.path),
            (Some((parent, _)), Some((_, name))) if place > 0 => {
                let Some(parent) = self.by_id.get(parent) else {
                    let expected = "expected an element behind the one that it is in";
                    mistake(report, Code::NotFound, &at.name(b"path"), expected);
                    return Ok(());
                };
                (*parent, name)
            }
            _ => {
                let expected = format!("expected {root} first, and the others in it");
                mistake(report, Code::Invalid, &at.name(b"path"), expected);
                return Ok(());
            }
        };
        if element.path.split('.').count() > DEEPEST {
            let expected = format!("expected at most {DEEPEST} levels");
            mistake(report, Code::TooCostly, &at.name(b"path"), expected);
            return Ok(());
        }
        if place > 0 && !is_name(name) {
            let expected = "expected a name of 1 to 64 letters and digits, perhaps with [x]";
            mistake(report, Code::Invalid, &at.name(b"path"), expected);
            return Ok(());
        }
        if self.by_id.insert(element.id, place).is_some() {
            let expected = "expected each element once";
            mistake(report, Code::Duplicate, &at.name(b"id"), expected);
            return Ok(());
        }
        // Where the element is not there that an id is a slice of, R4's snapshots mean the element.
        let slice = sliced(element.id);
        let slice = slice.and_then(|(of, slice)| Some((*self.by_id.get(of)?, slice)));
        let owner = slice.map_or(parent, |(owner, _)| owner);
        if let Some(owner) = self.nodes.get_mut(owner).filter(|_| place > 0) {
            let list = match slice {
                Some(_) => &mut owner.slices,
                None => &mut owner.children,
            };
            memory::reserve(list, 1)?;
            list.push(place);
        }
        memory::reserve(&mut self.nodes, 1)?;
        self.nodes.push(Node {
            element,
            name,
            parent,
            children: Vec::new(),
            slices: Vec::new(),
            slice: slice.map(|(_, slice)| slice),
            index,
        });
        Ok(())
    }
}

/// The id of the element that an id is a slice of, and the slice's name: `Patient.extension` and
/// `race` of `Patient.extension:race`.
fn sliced(id: &str) -> Option<(&str, &str)> {
    let dot = id.rfind('.').map_or(0, |dot| dot + 1);
    let colon = id.get(dot..)?.find(':')?;
    Some((id.get(..dot + colon)?, id.get(dot + colon + 1..)?))
}

/// Whether an id is a path with names of slices in it.
fn agree(id: &str, path: &str) -> bool {
    let bare = |part: &str| {
        part.split_once(':')
            .map_or(part.len(), |(bare, _)| bare.len())
    };
    let ids = id.split('.').map(|part| part.get(..bare(part)));
    ids.eq(path.split('.').map(Some))
}

fn is_name(name: &str) -> bool {
    let bare = name.strip_suffix("[x]").unwrap_or(name);
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    bare.len() <= LONGEST_NAME
        && bare.bytes().all(letter)
        // `_name` is the companion of a primitive.
        && bare.starts_with(|first: char| first.is_ascii_alphabetic())
}
