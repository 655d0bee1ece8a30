//! The ids of contained resources.

use crate::resource::is_id;

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
        let prefix = full
            .strip_suffix(self.id)
            .filter(|_| !self.id.is_empty())
            .and_then(|rest| rest.strip_suffix(b"/"));
        prefix.is_some_and(|prefix| Self::is_prefix(self.parent, self.key, prefix))
    }

    /// Whether the full ids of what stands under `key` of `parent` begin with `prefix`, and a
    /// slash.
    fn is_prefix(parent: Option<&Place<'_>>, key: &[u8], prefix: &[u8]) -> bool {
        match (prefix.strip_suffix(key), parent) {
            (Some(rest), None) => rest.is_empty(),
            (Some(rest), Some(parent)) => rest
                .strip_suffix(b"/")
                .is_some_and(|full| parent.is_named(full)),
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
        let slash = text.iter().rposition(|byte| *byte == b'/');
        let Some(slash) = slash else {
            return is_id(text).then_some(Self::Short(text));
        };
        let (prefix, id) = (text.get(..slash)?, text.get(slash + 1..)?);
        let agrees = is_id(id) && Place::is_prefix(Some(parent), key, prefix);
        agrees.then_some(Self::Full(id))
    }

    /// Its last part.
    pub(super) fn short(self) -> &'a [u8] {
        match self {
            Self::Full(id) | Self::Short(id) => id,
        }
    }
}
