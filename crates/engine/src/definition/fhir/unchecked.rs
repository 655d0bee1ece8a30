//! What a definition asks for and its description does not say.

use super::element::Element;

/// One thing that is asked for and not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unchecked {
    /// The element that it is asked of: `Patient.contact`.
    pub path: String,
    /// The member of the element's definition that asks: `binding`, `constraint`.
    pub what: &'static str,
    /// Why it is not checked.
    pub reason: String,
}

/// Something that is not checked of an element.
pub(super) fn told(element: &Element<'_>, what: &'static str, reason: String) -> Unchecked {
    Unchecked {
        path: element.path.to_owned(),
        what,
        reason,
    }
}
