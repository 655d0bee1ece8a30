//! Contained resources that have the id of another: R4, "Contained Resources",
//! <https://hl7.org/fhir/R4/references.html#contained>.

use super::Walk;
use crate::issue::Code;
use crate::profile::{Element, Node};
use crate::trail::Trail;
use jsonb::{Array, Malformed, Value, memory};

/// The places in an array of resources whose id stands at a place before.
#[derive(Debug, Default)]
pub(super) struct Doubles(Vec<usize>);

impl Doubles {
    /// Those of an array; none where it holds no resources.
    #[inline]
    pub(super) fn of(items: &Element, array: Array<'_>) -> Result<Self, Malformed> {
        match &items.node {
            Node::Resource if array.len() > 1 => find(array).map(Self),
            _ => Ok(Self::default()),
        }
    }
}

fn find(array: Array<'_>) -> Result<Vec<usize>, Malformed> {
    let mut ids = Vec::new();
    memory::reserve(&mut ids, array.len())?;
    for (index, item) in array.iter().enumerate() {
        if let Value::Object(resource) = item?
            && let Some(Value::String(id)) = resource.get(b"id")?
        {
            ids.push((id, index));
        }
    }
    ids.sort_unstable();
    let mut doubles = Vec::new();
    for pair in ids.windows(2) {
        if let [(id, _), (same, index)] = pair
            && id == same
        {
            memory::reserve(&mut doubles, 1)?;
            doubles.push(*index);
        }
    }
    doubles.sort_unstable();
    Ok(doubles)
}

impl Walk<'_> {
    /// Reports a contained resource with the id of another. What only constrains it further does not
    /// tell that again.
    #[inline]
    pub(super) fn double(&mut self, doubles: &Doubles, index: usize, at: &Trail<'_>) {
        if !self.constrains && doubles.0.binary_search(&index).is_ok() {
            let expected = "expected an id that no other contained resource has";
            self.report(Code::Duplicate, &at.name(b"id"), expected);
        }
    }
}
