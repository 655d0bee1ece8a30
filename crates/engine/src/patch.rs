//! Patches: JSON Patch (RFC 6902, an array) and JSON Merge Patch (RFC 7396, an object).
//!
//! The operations are those of the crate `json-patch`, on values that keep every digit. What is
//! done here is what it leaves open: a patch is read strictly, operation by operation, `test`
//! compares numbers by value, and nothing nests deeper than the limit, so that no recursion does.

use crate::jsonb::{Number, Value, from_json};
use json_patch::jsonptr::PointerBuf;
use json_patch::{
    AddOperation, CopyOperation, MoveOperation, PatchOperation, RemoveOperation, ReplaceOperation,
};
use serde_json::{Map, Value as Json};
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
    /// The result is more than JSONB can hold.
    #[error("the patched resource is too large")]
    TooLarge,
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

/// Applies a patch, all of it or nothing, and gives the new document as a root container.
pub fn apply(
    document: Value<'_>,
    patch: Value<'_>,
    max_depth: usize,
) -> Result<Vec<u8>, PatchError> {
    let mut document = to_json(document, max_depth)?;
    // An operation's own two levels stand around its value.
    let patch = to_json(patch, max_depth.saturating_add(2))?;
    match patch {
        Json::Array(operations) => {
            let most = LARGEST.max(2 * size(&document));
            for (index, operation) in operations.into_iter().enumerate() {
                step(&mut document, operation, index)?;
                // A copy can double the document; sixty of them would fill any memory.
                if size(&document) > most {
                    return Err(PatchError::TooLarge);
                }
            }
        }
        merge => json_patch::merge(&mut document, &merge),
    }
    if depth(&document) > max_depth {
        return Err(PatchError::TooDeep);
    }
    from_json(&document).map_err(|_| PatchError::TooLarge)
}

fn step(document: &mut Json, operation: Json, index: usize) -> Result<(), PatchError> {
    let wrong = |reason| PatchError::Wrong { index, reason };
    let Json::Object(mut operation) = operation else {
        return Err(wrong("expected an object"));
    };
    let op = match operation.remove("op") {
        Some(Json::String(op)) => op,
        _ => return Err(wrong("expected the member op, a string")),
    };
    let mut pointer = |name: &str| match operation.remove(name) {
        Some(Json::String(text)) => PointerBuf::parse(text).ok(),
        _ => None,
    };
    let path = pointer("path").ok_or(wrong("expected the member path, a JSON Pointer"))?;
    let mut from = || pointer("from").ok_or(wrong("expected the member from, a JSON Pointer"));
    let operation = match op.as_str() {
        "remove" => PatchOperation::Remove(RemoveOperation { path }),
        "move" => {
            let from = from()?;
            if path.starts_with(&from) && path != from {
                return Err(wrong("expected a move to a place outside of what is moved"));
            }
            PatchOperation::Move(MoveOperation { from, path })
        }
        "copy" => PatchOperation::Copy(CopyOperation {
            from: from()?,
            path,
        }),
        "add" | "replace" | "test" => {
            let value = operation
                .remove("value")
                .ok_or(wrong("expected the member value"))?;
            match op.as_str() {
                "add" => PatchOperation::Add(AddOperation { path, value }),
                "replace" => PatchOperation::Replace(ReplaceOperation { path, value }),
                _ => {
                    let target = path
                        .resolve(document)
                        .map_err(|_| PatchError::TestFailed { index })?;
                    return match equal(target, &value) {
                        true => Ok(()),
                        false => Err(PatchError::TestFailed { index }),
                    };
                }
            }
        }
        _ => {
            return Err(wrong(
                "expected op to be add, remove, replace, move, copy or test",
            ));
        }
    };
    json_patch::patch(document, &[operation]).map_err(|_| PatchError::NoTarget { index })
}

/// Equality of RFC 6902, section 4.6: numbers by value, objects without regard to order.
fn equal(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(_), Json::Number(_)) => match (from_json(a), from_json(b)) {
            (Ok(a), Ok(b)) => match (number(&a), number(&b)) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            },
            _ => false,
        },
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

fn number(container: &[u8]) -> Option<Number<'_>> {
    match Value::read(container) {
        Ok(Value::Number(number)) => Some(number),
        _ => None,
    }
}

/// How many values a document may grow to by operations, whatever it began with.
const LARGEST: usize = 1_000_000;

fn size(value: &Json) -> usize {
    match value {
        Json::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Json::Object(members) => 1 + members.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

fn depth(value: &Json) -> usize {
    match value {
        Json::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Json::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The value as a tree, every number with all its digits.
fn to_json(value: Value<'_>, levels: usize) -> Result<Json, PatchError> {
    let malformed = |_| PatchError::Malformed;
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(value),
        Value::Number(number) => Json::Number(
            serde_json::from_str(&number.to_string()).map_err(|_| PatchError::Malformed)?,
        ),
        Value::String(bytes) => Json::String(text(bytes)?),
        Value::Array(array) => {
            let levels = levels.checked_sub(1).ok_or(PatchError::TooDeep)?;
            let items = array
                .iter()
                .map(|item| to_json(item.map_err(malformed)?, levels));
            Json::Array(items.collect::<Result<_, _>>()?)
        }
        Value::Object(object) => {
            let levels = levels.checked_sub(1).ok_or(PatchError::TooDeep)?;
            let mut members = Map::new();
            for member in object.iter() {
                let (key, value) = member.map_err(malformed)?;
                members.insert(text(key)?, to_json(value, levels)?);
            }
            Json::Object(members)
        }
    })
}

fn text(bytes: &[u8]) -> Result<String, PatchError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| PatchError::Malformed)
}
