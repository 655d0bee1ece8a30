//! The walk over arrays.

use super::Walk;
use crate::profile::{Element, Presence};
use crate::resource::Halt;
use crate::rule::{Scope, Subject};
use crate::trail::Trail;
use jsonb::{Array, Value};

impl<'w> Walk<'w> {
    /// Walks an array; null elements count as absent.
    pub(super) fn array(
        &mut self,
        element: &Element,
        items: &Element,
        array: Array<'w>,
        at: &Trail<'_>,
        depth: usize,
    ) -> Result<(), Halt> {
        if self.too_deep(at, depth) {
            return Ok(());
        }
        self.count(element, array, at)?;
        for (index, item) in array.iter().enumerate() {
            let item = item?;
            if items.accepts(&item)? {
                continue;
            }
            let here = at.index(index);
            match item {
                Value::Null => self.absent_item(items, &here)?,
                item => self.enter(items, item, &here, depth + 1)?,
            }
            if self.report.is_complete() {
                break;
            }
        }
        Ok(())
    }

    /// Checks the rules of an array itself, if it has any.
    pub(super) fn count(
        &mut self,
        element: &Element,
        array: Array<'w>,
        at: &Trail<'_>,
    ) -> Result<(), Halt> {
        if element.rules.is_none() {
            return Ok(());
        }
        let mut count = 0;
        for item in array.iter() {
            count += usize::from(!matches!(item?, Value::Null));
        }
        self.rules(element, &Subject::Array(array, count), at)
    }

    /// Passes an element that is null.
    fn absent_item(&mut self, items: &Element, at: &Trail<'_>) -> Result<(), Halt> {
        let missing = match items.presence {
            Presence::Optional => false,
            Presence::Required => true,
            Presence::Asked => {
                let scope = Scope {
                    root: self.root,
                    current: at.object(),
                    answers: &self.answers,
                };
                match &items.rules {
                    Some(rules) => rules.ask(&scope)?,
                    None => false,
                }
            }
        };
        if missing {
            self.missing(at);
        }
        Ok(())
    }
}
