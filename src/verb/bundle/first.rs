//! What the first operation or entry of a bundle is about, as far as it says so where it should: a bundle
//! goes where the table of that is.

use crate::pg::Result;
use ingest_engine::bundle::is_bundle;
use jsonb::Value;

/// The name of a profile or relationship, perhaps.
pub fn name(bundle: Value<'_>) -> Result<Option<&str>> {
    if is_bundle(bundle)? {
        let Some(request) = member(first(bundle, b"entry")?, b"request")? else {
            return Ok(None);
        };
        let url = text(member(Some(request), b"url")?);
        return Ok(url.and_then(|url| url.split(['/', '?']).next()));
    }
    let operation = first(bundle, b"operations")?;
    let profile = text(member(operation, b"profile")?);
    Ok(profile.or(text(member(operation, b"relationship")?)))
}

fn member<'v>(of: Option<Value<'v>>, key: &[u8]) -> Result<Option<Value<'v>>> {
    match of {
        Some(Value::Object(object)) => Ok(object.get(key)?),
        _ => Ok(None),
    }
}

fn first<'v>(of: Value<'v>, key: &[u8]) -> Result<Option<Value<'v>>> {
    match member(Some(of), key)? {
        Some(Value::Array(array)) => Ok(array.iter().next().transpose()?),
        _ => Ok(None),
    }
}

fn text(of: Option<Value<'_>>) -> Option<&str> {
    match of {
        Some(Value::String(text)) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}
