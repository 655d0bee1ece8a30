//! What a definition asks for and its description does not say.

use super::element::Element;
use crate::definition::expect::mistake;
use crate::issue::{Code, Report};
use crate::trail::Trail;

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

/// How much a definition can ask for in vain.
const MOST: usize = 10_000;
/// How long a reason is at most, in bytes.
const LONGEST: usize = 500;

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Told {
    list: Vec<Unchecked>,
    is_full: bool,
}

impl Told {
    /// Adds something that is asked of an element.
    pub(super) fn tell(&mut self, element: &Element<'_>, what: &'static str, reason: &str) {
        self.is_full |= self.list.len() >= MOST;
        if !self.is_full {
            self.list.push(Unchecked {
                path: element.path.to_owned(),
                what,
                reason: shortened(reason, LONGEST).to_owned(),
            });
        }
    }

    /// The list; where it had to be cut, that is reported.
    pub(super) fn finish(self, report: &mut Report) -> Vec<Unchecked> {
        if self.is_full {
            let expected = format!("expected at most {MOST} things that are not checked");
            mistake(report, Code::TooCostly, &Trail::root(""), expected);
        }
        self.list
    }
}

/// The beginning of a text, as many bytes as that.
pub(super) fn shortened(text: &str, longest: usize) -> &str {
    text.get(..text.floor_char_boundary(longest))
        .unwrap_or(text)
}
