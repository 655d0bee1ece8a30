//! The patch of an entry: a Binary that holds a JSON Patch or a merge patch, or the patch itself.

use super::links::{Link, LinkKind};
use super::request::Mistake;
use jsonb::{Malformed, Object, Value, from_text, memory, steps, write};

const JSON_PATCH: &[u8] = b"application/json-patch+json";
const MERGE_PATCH: &[u8] = b"application/merge-patch+json";

/// What a patch is, for who gave none.
pub(super) const FORMS: &str = "A patch is a Binary with contentType application/json-patch+json or application/merge-patch+json and the patch in data (base64), or the patch itself: an array is a JSON Patch (RFC 6902), an object without resourceType a merge patch (RFC 7396).";

/// The patch as a root container.
pub(super) fn read(resource: Value<'_>) -> Result<Result<Vec<u8>, Mistake>, Malformed> {
    let bad = |message: &str| Ok(Err(Mistake::new("resource", message, FORMS)));
    let Value::Object(object) = resource else {
        return match resource {
            Value::Array(_) => copied(resource).map(Ok),
            _ => bad("the resource is no patch"),
        };
    };
    match object.get(b"resourceType")? {
        None => copied(resource).map(Ok),
        Some(Value::String(b"Binary")) => of_binary(object),
        Some(Value::String(b"Parameters")) => bad("a FHIRPath Patch is not taken"),
        Some(_) => bad("the resource is no patch"),
    }
}

fn copied(value: Value<'_>) -> Result<Vec<u8>, Malformed> {
    write(&value.into()).map_err(|_| Malformed)
}

fn of_binary(binary: Object<'_>) -> Result<Result<Vec<u8>, Mistake>, Malformed> {
    let bad = |path, message: &str| Ok(Err(Mistake::new(path, message, FORMS)));
    let content = match binary.get(b"contentType")? {
        Some(Value::String(content)) => content.split(|byte| *byte == b';').next(),
        _ => None,
    };
    let is_json_patch = match content.map(<[u8]>::trim_ascii) {
        Some(JSON_PATCH) => true,
        Some(MERGE_PATCH) => false,
        _ => {
            let message = "expected application/json-patch+json or application/merge-patch+json";
            return bad("resource.contentType", message);
        }
    };
    let Some(Value::String(data)) = binary.get(b"data")? else {
        return bad("resource.data", "expected the patch in base64");
    };
    let Some(bytes) = decoded(data)? else {
        return bad("resource.data", "expected the patch in base64");
    };
    let patch = std::str::from_utf8(&bytes).ok();
    let Some(patch) = patch.and_then(|text| from_text(text).ok()) else {
        return bad("resource.data", "expected JSON");
    };
    match (Value::read(&patch)?, is_json_patch) {
        (Value::Array(_), true) | (Value::Object(_), false) => Ok(Ok(patch)),
        (_, true) => bad("resource.data", "expected an array, a JSON Patch"),
        (_, false) => bad("resource.data", "expected an object, a merge patch"),
    }
}

/// The references that a patch puts in: what it says under the name `reference`, or an operation of a
/// JSON Patch for a path that ends so. What is deeper than so many levels is passed over.
pub fn references_in_patch<'v>(
    patch: Value<'v>,
    levels: usize,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<Link<'v>>, Malformed> {
    let mut found = Vec::new();
    if let Value::Array(operations) = patch {
        for operation in operations.iter() {
            let Value::Object(operation) = operation? else {
                continue;
            };
            if let (Some(Value::String(path)), Some(value)) =
                (operation.get(b"path")?, operation.get(b"value")?)
                && path.ends_with(b"/reference")
            {
                reference(value, wanted, &mut found)?;
            }
        }
    }
    gather(patch, levels, wanted, &mut found)?;
    Ok(found)
}

fn gather<'v>(
    value: Value<'v>,
    levels: usize,
    wanted: &dyn Fn(&str) -> bool,
    found: &mut Vec<Link<'v>>,
) -> Result<(), Malformed> {
    steps::take(1)?;
    let Some(levels) = levels.checked_sub(1) else {
        return Ok(());
    };
    match value {
        Value::Array(array) => {
            for item in array.iter() {
                gather(item?, levels, wanted, found)?;
            }
        }
        Value::Object(object) => {
            for member in object.iter() {
                match member? {
                    (b"reference", text @ Value::String(_)) => reference(text, wanted, found)?,
                    (_, value) => gather(value, levels, wanted, found)?,
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn reference<'v>(
    value: Value<'v>,
    wanted: &dyn Fn(&str) -> bool,
    found: &mut Vec<Link<'v>>,
) -> Result<(), Malformed> {
    if let Value::String(text) = value {
        let text = std::str::from_utf8(text).map_err(|_| Malformed)?;
        if wanted(text) {
            memory::reserve(found, 1)?;
            found.push(Link {
                kind: LinkKind::Reference,
                text,
            });
        }
    }
    Ok(())
}

/// The bytes that base64 stands for (RFC 4648, section 4); whitespace is passed over, as FHIR has it.
fn decoded(text: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let mut bytes = Vec::new();
    memory::reserve(&mut bytes, text.len() / 4 * 3 + 3)?;
    let (mut bits, mut count, mut padding) = (0_u32, 0_u32, 0_u32);
    for byte in text.iter().filter(|byte| !byte.is_ascii_whitespace()) {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                0
            }
            _ => return Ok(None),
        };
        if padding > 0 && *byte != b'=' {
            return Ok(None);
        }
        bits = bits << 6 | u32::from(digit);
        count += 1;
        if count % 4 == 0 {
            bytes.extend_from_slice(bits.to_be_bytes().get(1..).unwrap_or_default());
            bits = 0;
        }
    }
    if count % 4 != 0 || padding > 2 {
        return Ok(None);
    }
    bytes.truncate(bytes.len().saturating_sub(padding as usize));
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn base64_stands_for_its_bytes() {
        // RFC 4648, section 10.
        for (text, bytes) in [
            ("", Some("")),
            ("Zg==", Some("f")),
            ("Zm8=", Some("fo")),
            ("Zm9v", Some("foo")),
            ("Zm9v\n YmFy", Some("foobar")),
            ("Zm9", None),
            ("Z===", None),
            ("Zg=a", None),
            ("Zm9*", None),
        ] {
            let decoded = decoded(text.as_bytes()).unwrap();
            assert_eq!(decoded.as_deref(), bytes.map(str::as_bytes), "{text}");
        }
    }
}
