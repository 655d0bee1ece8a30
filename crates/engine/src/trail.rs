//! Where the walk stands: a path whose segments are borrowed, rendered only for an issue.

use jsonb::Object;
use std::cmp::Ordering;
use std::fmt::Write;

/// How many characters of a property name an expression shows.
const NAME_LIMIT: usize = 64;

/// How many bytes of an expression are shown at most, half at its beginning and half at its end.
const LIMIT: usize = 2_000;

/// One step of a path, and the steps before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trail<'a> {
    parent: Option<&'a Trail<'a>>,
    segment: Segment<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Segment<'a> {
    Name(&'a [u8]),
    /// A member: how it is shown, its name, and the object that holds it.
    Member(&'a [u8], &'a [u8], &'a Object<'a>),
    Index(usize),
}

impl<'a> Trail<'a> {
    /// The beginning: the name of a profile, or nothing (`""`) in a definition.
    pub(crate) fn root(name: &'a str) -> Self {
        Self {
            parent: None,
            segment: Segment::Name(name.as_bytes()),
        }
    }

    /// A member of the object here.
    #[inline]
    pub(crate) fn member(&'a self, name: &'a [u8], object: &'a Object<'a>) -> Self {
        Self {
            parent: Some(self),
            segment: Segment::Member(name, name, object),
        }
    }

    /// A member that is shown under another name.
    #[inline]
    pub(crate) fn shown(&'a self, shown: &'a str, name: &'a [u8], object: &'a Object<'a>) -> Self {
        Self {
            parent: Some(self),
            segment: Segment::Member(shown.as_bytes(), name, object),
        }
    }

    /// Whether the nearest member is of this name.
    pub(crate) fn is_under(&self, member: &[u8]) -> bool {
        let mut step = Some(self);
        while let Some(trail) = step {
            match trail.segment {
                Segment::Index(_) => step = trail.parent,
                Segment::Name(name) | Segment::Member(_, name, _) => return name == member,
            }
        }
        false
    }

    /// The member of an array, and the place in it, if this is an element of one.
    pub(crate) fn indexed(&self) -> Option<(&'a [u8], &'a Object<'a>, usize)> {
        match (self.segment, self.parent?.segment) {
            (Segment::Index(index), Segment::Member(_, name, object)) => {
                Some((name, object, index))
            }
            _ => None,
        }
    }

    /// What this is in; itself at the beginning.
    pub(crate) fn parent(&self) -> &Self {
        self.parent.unwrap_or(self)
    }

    /// Whether the whole path begins at what has this name.
    pub(crate) fn begins_at(&self, root: &str) -> bool {
        let mut trail = self;
        while let Some(parent) = trail.parent {
            trail = parent;
        }
        matches!(trail.segment, Segment::Name(name) if name == root.as_bytes())
    }

    /// The nearest object that holds what is here.
    pub(crate) fn object(&self) -> Option<&'a Object<'a>> {
        let mut step = Some(self);
        while let Some(trail) = step {
            if let Segment::Member(.., object) = trail.segment {
                return Some(object);
            }
            step = trail.parent;
        }
        None
    }

    /// The member here and the object that holds it.
    pub(crate) fn step(&self) -> Option<(&'a [u8], &'a Object<'a>)> {
        match self.segment {
            Segment::Member(_, name, object) => Some((name, object)),
            _ => None,
        }
    }

    /// A name under what is here.
    #[inline]
    pub(crate) fn name(&'a self, name: &'a [u8]) -> Self {
        Self {
            parent: Some(self),
            segment: Segment::Name(name),
        }
    }

    /// An element of the array here.
    #[inline]
    pub(crate) fn index(&'a self, index: usize) -> Self {
        Self {
            parent: Some(self),
            segment: Segment::Index(index),
        }
    }

    /// Whether this comes after what stands at a path of names from the root, in the order of the
    /// document. What is said of an object comes after what it holds.
    pub(crate) fn is_past(&self, path: &str) -> bool {
        let steps = self.steps();
        let mut steps = steps.iter().rev().skip(1);
        for name in path.split('.') {
            let step = match steps.next() {
                Some(Segment::Name(step) | Segment::Member(_, step, _)) => *step,
                Some(Segment::Index(_)) | None => return true,
            };
            match step_order(step, name.as_bytes()) {
                Ordering::Equal => {}
                unequal => return unequal.is_gt(),
            }
        }
        false
    }

    /// The steps of the path, the last one first.
    fn steps(&self) -> Vec<Segment<'a>> {
        let mut steps = Vec::new();
        let mut step = Some(self);
        while let Some(trail) = step {
            steps.push(trail.segment);
            step = trail.parent;
        }
        steps
    }

    /// `Patient.name[0].given`
    pub(crate) fn render(&self) -> String {
        let mut path = String::new();
        for segment in self.steps().iter().rev() {
            match segment {
                Segment::Name(name) | Segment::Member(name, ..) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    let name = String::from_utf8_lossy(name);
                    path.extend(name.chars().take(NAME_LIMIT));
                }
                // Writing to a string cannot fail.
                Segment::Index(index) => drop(write!(path, "[{index}]")),
            }
        }
        shortened(path)
    }
}

/// The order of two paths of names, in that of the document.
pub(crate) fn path_order(left: &str, right: &str) -> Ordering {
    let steps = left.split('.').zip(right.split('.'));
    let mut orders = steps.map(|(left, right)| step_order(left.as_bytes(), right.as_bytes()));
    orders
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Shorter names come first, as `jsonb` keeps them.
fn step_order(left: &[u8], right: &[u8]) -> Ordering {
    (left.len(), left).cmp(&(right.len(), right))
}

fn shortened(path: String) -> String {
    if path.len() <= LIMIT {
        return path;
    }
    let head = path.floor_char_boundary(LIMIT / 2);
    let tail = path.ceil_char_boundary(path.len() - LIMIT / 2);
    format!("{}...{}", &path[..head], &path[tail..])
}
