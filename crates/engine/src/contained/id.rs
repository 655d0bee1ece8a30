//! The ids of contained resources.

use crate::resource::id_is_valid;

/// A resource, root or contained, and what contains it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// `None` for the root.
    pub(super) parent: Option<&'a Place<'a>>,
    /// The key it is contained under; the root's type.
    pub(super) key: &'a [u8],
    /// Its short id; empty where none is known.
    pub(super) id: &'a [u8],
}

impl Place<'_> {
    /// Whether `full` is the full id of this resource.
    fn is_named(&self, full: &[u8]) -> bool {
        let rest = full
            .strip_suffix(self.id)
            .filter(|_| !self.id.is_empty())
            .and_then(|rest| rest.strip_suffix(b"/"))
            .and_then(|rest| rest.strip_suffix(self.key));
        match (rest, self.parent) {
            (Some(rest), None) => rest.is_empty(),
            (Some(rest), Some(parent)) => rest
                .strip_suffix(b"/")
                .is_some_and(|prefix| parent.is_named(prefix)),
            (None, _) => false,
        }
    }
}

/// How an id was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given<'a> {
    /// Whole, and in agreement with where it stands.
    Full(&'a [u8]),
    /// Only its last part.
    Short(&'a [u8]),
}

impl<'a> Given<'a> {
    /// Reads the id of an item under `key` of `parent`; `None` if it is no id, or another's.
    pub(super) fn read(parent: &Place<'_>, key: &[u8], text: &'a [u8]) -> Option<Self> {
        let start = text.iter().rposition(|byte| *byte == b'/');
        let id = text.get(start.map_or(0, |start| start + 1)..)?;
        if !std::str::from_utf8(id).is_ok_and(id_is_valid) {
            return None;
        }
        let place = Place {
            parent: Some(parent),
            key,
            id,
        };
        match start {
            None => Some(Self::Short(id)),
            Some(_) if place.is_named(text) => Some(Self::Full(id)),
            Some(_) => None,
        }
    }

    /// Its last part.
    pub(super) fn short(self) -> &'a [u8] {
        match self {
            Self::Full(id) | Self::Short(id) => id,
        }
    }
}
