//! Patches: JSON Patch (RFC 6902, an array) and JSON Merge Patch (RFC 7396, an object).
//!
//! The document and the values of the patch stay as they are stored; only the containers on the
//! path of an operation are opened. Numbers are never made into text, and what a patch adds is
//! counted in bytes before it is there.

use crate::depth;
use crate::limits::MOST_OPERATIONS;
use crate::rule::equal;
use jsonb::{Item, Malformed, Unwritable, Value, write};
use jsonb::{memory, steps};
use std::borrow::Cow;
use std::collections::BTreeMap;
use thiserror::Error;

/// Why a patch was not applied.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatchError {
    /// The bytes of the document or of the patch are not JSONB.
    #[error("malformed jsonb")]
    Malformed,
    /// The patch, or what it makes, nests deeper than the limit.
    #[error("the patch nests too deep")]
    TooDeep,
    /// The result is more than JSONB can hold, or its copies are more than a patch may make.
    #[error("the patched resource is too large")]
    TooLarge,
    /// There are more operations than [`MOST_OPERATIONS`].
    #[error("the patch has more than {MOST_OPERATIONS} operations")]
    TooMany,
    /// An operation is not one of RFC 6902.
    #[error("operation {index} of the patch: {reason}")]
    Wrong {
        /// Its place, from 0.
        index: usize,
        /// What is expected.
        reason: &'static str,
    },
    /// An operation's target does not exist.
    #[error("operation {index} of the patch has no target in the resource")]
    NoTarget {
        /// Its place, from 0.
        index: usize,
    },
    /// A `test` operation failed.
    #[error("operation {index} of the patch: the test failed")]
    TestFailed {
        /// Its place, from 0.
        index: usize,
    },
}

impl From<Malformed> for PatchError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Applies a patch, all of it or nothing, and gives the new document as a root container.
pub fn apply(
    document: Value<'_>,
    patch: Value<'_>,
    max_depth: usize,
) -> Result<Vec<u8>, PatchError> {
    if let Value::Array(operations) = patch
        && operations.len() > MOST_OPERATIONS
    {
        return Err(PatchError::TooMany);
    }
    // An operation's own two levels stand around its value.
    let levels = max_depth.saturating_add(2);
    if depth::exceeds(document, 1, max_depth)? || depth::exceeds(patch, 1, levels)? {
        return Err(PatchError::TooDeep);
    }
    let mut root = Node::Stored(document);
    if let Value::Array(operations) = patch {
        let mut patching = Patching {
            max_depth,
            left: LARGEST.max(2 * root.bytes()?),
        };
        for (index, operation) in operations.iter().enumerate() {
            let done = patching.step(&mut root, operation?);
            done.map_err(|refused| refused.at(index))?;
        }
    } else {
        merge(&mut root, patch)?;
        if root.exceeds(1, max_depth)? {
            return Err(PatchError::TooDeep);
        }
    }
    write(&root.item()?).map_err(|error| match error {
        Unwritable::Stopped => PatchError::Malformed,
        _ => PatchError::TooLarge,
    })
}

/// How many bytes an operation's copies may add to a document, whatever it began with.
const LARGEST: usize = 16 << 20;

/// A value of the document while it is patched.
#[derive(Debug, Clone)]
enum Node<'a> {
    /// As it stands in the document or in the patch.
    Stored(Value<'a>),
    /// An array that was opened.
    Array(Vec<Node<'a>>),
    /// An object that was opened.
    Object(BTreeMap<Key<'a>, Node<'a>>),
}

type Key<'a> = Cow<'a, [u8]>;

/// Why one operation was not applied.
enum Refused {
    Wrong(&'static str),
    NoTarget,
    TestFailed,
    Whole(PatchError),
}

impl Refused {
    fn at(self, index: usize) -> PatchError {
        match self {
            Self::Wrong(reason) => PatchError::Wrong { index, reason },
            Self::NoTarget => PatchError::NoTarget { index },
            Self::TestFailed => PatchError::TestFailed { index },
            Self::Whole(error) => error,
        }
    }
}

impl From<PatchError> for Refused {
    fn from(error: PatchError) -> Self {
        Self::Whole(error)
    }
}

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Self {
        Self::Whole(PatchError::Malformed)
    }
}

struct Patching {
    max_depth: usize,
    /// How many bytes may still be copied.
    left: usize,
}

impl Patching {
    fn step<'a>(&mut self, root: &mut Node<'a>, operation: Value<'a>) -> Result<(), Refused> {
        let Value::Object(operation) = operation else {
            return Err(Refused::Wrong("expected an object"));
        };
        let Some(Value::String(op)) = operation.get(b"op")? else {
            return Err(Refused::Wrong("expected the member op, a string"));
        };
        let pointer = |name: &[u8], reason| match operation.get(name)? {
            Some(Value::String(text)) => pointer(text).ok_or(Refused::Wrong(reason)),
            _ => Err(Refused::Wrong(reason)),
        };
        let path = pointer(b"path", "expected the member path, a JSON Pointer")?;
        let from = || pointer(b"from", "expected the member from, a JSON Pointer");
        let value = || match operation.get(b"value")? {
            Some(value) => Ok(value),
            None => Err(Refused::Wrong("expected the member value")),
        };
        match op {
            b"add" => self.add(root, &path, Node::Stored(value()?)),
            b"replace" => {
                let value = Node::Stored(value()?);
                self.check_depth(&value, &path)?;
                *root.at(&path)?.ok_or(Refused::NoTarget)? = value;
                Ok(())
            }
            b"test" => {
                let value = value()?;
                match root.at(&path)? {
                    Some(node) if node.equals(value)? => Ok(()),
                    _ => Err(Refused::TestFailed),
                }
            }
            b"remove" => remove(root, &path).map(drop),
            b"move" => {
                let from = from()?;
                if path == from {
                    return root.at(&from)?.map(drop).ok_or(Refused::NoTarget);
                }
                if path.starts_with(&from) {
                    let reason = "expected a move to a place outside of what is moved";
                    return Err(Refused::Wrong(reason));
                }
                let moved = remove(root, &from)?;
                self.add(root, &path, moved)
            }
            b"copy" => {
                let source = root.at(&from()?)?.ok_or(Refused::NoTarget)?;
                let left = self.left.checked_sub(source.bytes()?);
                self.left = left.ok_or(PatchError::TooLarge)?;
                let copy = source.clone();
                self.add(root, &path, copy)
            }
            _ => Err(Refused::Wrong(
                "expected op to be add, remove, replace, move, copy or test",
            )),
        }
    }

    fn add<'a>(
        &self,
        root: &mut Node<'a>,
        path: &[Key<'a>],
        value: Node<'a>,
    ) -> Result<(), Refused> {
        self.check_depth(&value, path)?;
        let Some((last, parents)) = path.split_last() else {
            *root = value;
            return Ok(());
        };
        match root.at(parents)?.map(Node::open).transpose()? {
            Some(Node::Object(members)) => {
                members.insert(last.clone(), value);
            }
            Some(Node::Array(items)) => {
                let place = match &**last {
                    b"-" => items.len(),
                    digits => index(digits).ok_or(Refused::NoTarget)?,
                };
                if place > items.len() {
                    return Err(Refused::NoTarget);
                }
                memory::reserve(items, 1)?;
                shift(items.len() - place)?;
                items.insert(place, value);
            }
            _ => return Err(Refused::NoTarget),
        }
        Ok(())
    }

    /// Refuses what would nest too deep at a place, so that no recursion does.
    fn check_depth(&self, value: &Node<'_>, path: &[Key<'_>]) -> Result<(), Refused> {
        if value.exceeds(path.len() + 1, self.max_depth)? {
            return Err(PatchError::TooDeep.into());
        }
        Ok(())
    }
}

fn remove<'a>(root: &mut Node<'a>, path: &[Key<'a>]) -> Result<Node<'a>, Refused> {
    let Some((last, parents)) = path.split_last() else {
        return Ok(std::mem::replace(root, Node::Stored(Value::Null)));
    };
    match root.at(parents)?.map(Node::open).transpose()? {
        Some(Node::Object(members)) => members.remove(last).ok_or(Refused::NoTarget),
        Some(Node::Array(items)) => {
            let place = index(last).filter(|place| *place < items.len());
            let place = place.ok_or(Refused::NoTarget)?;
            shift(items.len() - place)?;
            Ok(items.remove(place))
        }
        _ => Err(Refused::NoTarget),
    }
}

/// Takes the steps of moving so many elements by one.
fn shift(count: usize) -> Result<(), Malformed> {
    const AT_ONCE: usize = 16;
    steps::take(count / AT_ONCE)
}

/// RFC 7396, section 2.
fn merge<'a>(target: &mut Node<'a>, patch: Value<'a>) -> Result<(), Malformed> {
    let Value::Object(patch) = patch else {
        *target = Node::Stored(patch);
        return Ok(());
    };
    if !matches!(target, Node::Object(_) | Node::Stored(Value::Object(_))) {
        *target = Node::Object(BTreeMap::new());
    }
    if let Node::Object(members) = target.open()? {
        for member in patch.iter() {
            let (key, value) = member?;
            if matches!(value, Value::Null) {
                members.remove(key);
            } else {
                let member = members.entry(key.into());
                merge(member.or_insert(Node::Stored(Value::Null)), value)?;
            }
        }
    }
    Ok(())
}

impl<'a> Node<'a> {
    /// The node at a path.
    fn at(&mut self, path: &[Key<'_>]) -> Result<Option<&mut Self>, Malformed> {
        let mut node = self;
        for segment in path {
            let next = match node.open()? {
                Node::Object(members) => members.get_mut(&**segment),
                Node::Array(items) => index(segment).and_then(|place| items.get_mut(place)),
                Node::Stored(_) => None,
            };
            match next {
                Some(next) => node = next,
                None => return Ok(None),
            }
        }
        Ok(Some(node))
    }

    /// Takes a stored container apart, one level of it.
    fn open(&mut self) -> Result<&mut Self, Malformed> {
        match self {
            Node::Stored(Value::Array(array)) => {
                let mut items = Vec::new();
                memory::reserve(&mut items, array.len())?;
                for item in array.iter() {
                    items.push(Node::Stored(item?));
                }
                *self = Node::Array(items);
            }
            Node::Stored(Value::Object(object)) => {
                let mut members = BTreeMap::new();
                for member in object.iter() {
                    let (key, value) = member?;
                    members.insert(key.into(), Node::Stored(value));
                }
                *self = Node::Object(members);
            }
            _ => {}
        }
        Ok(self)
    }

    /// About how many bytes it takes, here and when it is written.
    fn bytes(&self) -> Result<usize, Malformed> {
        steps::take(1)?;
        let own = size_of::<Self>();
        Ok(own
            + match self {
                Node::Stored(Value::String(text)) => text.len(),
                Node::Stored(Value::Number(number)) => number.body().len(),
                Node::Stored(Value::Array(array)) => array.as_bytes().len(),
                Node::Stored(Value::Object(object)) => object.as_bytes().len(),
                Node::Stored(_) => 0,
                Node::Array(items) => {
                    let mut bytes = 0;
                    for item in items {
                        bytes += item.bytes()?;
                    }
                    bytes
                }
                Node::Object(members) => {
                    let mut bytes = 0;
                    for (key, item) in members {
                        bytes += size_of::<Key<'_>>() + key.len() + item.bytes()?;
                    }
                    bytes
                }
            })
    }

    /// Whether it, being at `depth`, nests beyond `limit`.
    fn exceeds(&self, depth: usize, limit: usize) -> Result<bool, Malformed> {
        steps::take(1)?;
        match self {
            Node::Stored(value) => depth::exceeds(*value, depth, limit),
            _ if depth > limit => Ok(true),
            Node::Array(items) => {
                for item in items {
                    if item.exceeds(depth + 1, limit)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Node::Object(members) => {
                for item in members.values() {
                    if item.exceeds(depth + 1, limit)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// Equality of RFC 6902, section 4.6: numbers by value, objects without regard to order.
    fn equals(&self, value: Value<'_>) -> Result<bool, Malformed> {
        steps::take(1)?;
        match (self, value) {
            (Node::Stored(own), value) => equal(*own, value),
            (Node::Array(items), Value::Array(array)) => {
                if items.len() != array.len() {
                    return Ok(false);
                }
                for (own, item) in items.iter().zip(array.iter()) {
                    if !own.equals(item?)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Node::Object(members), Value::Object(object)) => {
                if members.len() != object.len() {
                    return Ok(false);
                }
                for member in object.iter() {
                    let (key, value) = member?;
                    let equal = match members.get(key) {
                        Some(own) => own.equals(value)?,
                        None => false,
                    };
                    if !equal {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// What is to be written.
    fn item(&self) -> Result<Item<'_>, Malformed> {
        steps::take(1)?;
        Ok(match self {
            Node::Stored(value) => Item::Copy(*value),
            Node::Array(nodes) => {
                let mut items = Vec::new();
                memory::reserve(&mut items, nodes.len())?;
                for node in nodes {
                    items.push(node.item()?);
                }
                Item::Items(items)
            }
            Node::Object(nodes) => {
                let mut members = Vec::new();
                memory::reserve(&mut members, nodes.len())?;
                for (key, node) in nodes {
                    members.push((&**key, node.item()?));
                }
                Item::Members(members)
            }
        })
    }
}

/// The names on the way of a JSON Pointer (RFC 6901); `None` if it is none.
fn pointer(text: &[u8]) -> Option<Vec<Key<'_>>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let names = text.strip_prefix(b"/")?.split(|byte| *byte == b'/');
    names.map(name).collect()
}

fn name(text: &[u8]) -> Option<Key<'_>> {
    if !text.contains(&b'~') {
        return Some(Cow::Borrowed(text));
    }
    let mut name = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'~' => match bytes.next()? {
                b'0' => b'~',
                b'1' => b'/',
                _ => return None,
            },
            byte => *byte,
        });
    }
    Some(Cow::Owned(name))
}

/// The place in an array that a name of a pointer means: digits without leading zeros.
fn index(name: &[u8]) -> Option<usize> {
    let digits = !name.is_empty() && name.iter().all(u8::is_ascii_digit);
    let plain = digits && (name.len() == 1 || name[0] != b'0');
    std::str::from_utf8(name)
        .ok()
        .filter(|_| plain)?
        .parse()
        .ok()
}
