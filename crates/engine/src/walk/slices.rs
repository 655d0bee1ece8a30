//! The walk over arrays whose items are told apart.

use super::Walk;
use crate::issue::Code;
use crate::profile::Element;
use crate::resource::Halt;
use crate::rule::{Order, Slicing};
use crate::trail::Trail;
use jsonb::{Value, steps};

/// What was met of the slices of an array so far.
pub(super) struct Met<'e> {
    slicing: &'e Slicing,
    counts: Vec<usize>,
    /// The last slice that an item was of.
    last: usize,
    /// An item of no slice was met.
    other: bool,
}

impl<'e> Met<'e> {
    pub(super) fn new(slicing: &'e Slicing) -> Self {
        Self {
            slicing,
            counts: vec![0; slicing.slices.len()],
            last: 0,
            other: false,
        }
    }
}

impl<'w> Walk<'w> {
    /// What an item must be: what its slice says, or what all items are.
    pub(super) fn sliced<'e>(
        &mut self,
        met: &mut Met<'e>,
        items: &'e Element,
        item: Value<'w>,
        at: &Trail<'_>,
    ) -> Result<&'e Element, Halt> {
        let Met {
            slicing,
            counts,
            last,
            other,
        } = met;
        for (number, slice) in slicing.slices.iter().enumerate() {
            steps::take(1)?;
            if !slice.is(self.schema, item)? {
                continue;
            }
            let behind = number < *last && slicing.ordered;
            let after_other = *other && slicing.order == Order::OpenAtEnd;
            if behind || after_other {
                let expected = format!("expected the slice {} further in front", slice.name);
                self.report(Code::Structure, at, expected);
            }
            *last = number;
            if let Some(count) = counts.get_mut(number) {
                *count += 1;
            }
            return Ok(&slice.element);
        }
        *other = true;
        if slicing.order == Order::Closed {
            let names: Vec<&str> = slicing.slices.iter().map(|slice| &*slice.name).collect();
            let expected = format!("expected an item of a slice: {}", names.join(", "));
            self.report(Code::Structure, at, expected);
        }
        Ok(items)
    }

    /// Whether there are as many of each slice as there must be; `at` is the array.
    pub(super) fn counted(&mut self, met: &Met<'_>, at: &Trail<'_>) {
        for (slice, count) in met.slicing.slices.iter().zip(&met.counts) {
            let name = &slice.name;
            if *count < slice.min {
                let expected = format!("expected at least {} of the slice {name}", slice.min);
                self.report(Code::Required, at, expected);
            }
            if let Some(max) = slice.max
                && *count > max
            {
                let expected = format!("expected at most {max} of the slice {name}");
                self.report(Code::Structure, at, expected);
            }
        }
    }
}
