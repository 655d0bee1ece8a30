//! A Bundle, taken apart.

use super::request::{self, Action, Mistake};
use jsonb::{Array, Malformed, Object, Value, memory};

/// How the entries stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All or nothing.
    Transaction,
    /// Each for itself.
    Batch,
}

/// A Bundle of type transaction or batch.
#[derive(Debug)]
pub struct Bundle<'a> {
    /// How its entries stand to each other.
    pub kind: Kind,
    /// Its entries, in their order, or what is wrong with one.
    pub entries: Vec<Result<Entry<'a>, Mistake>>,
}

/// What one entry says.
#[derive(Debug)]
pub struct Entry<'a> {
    /// What others name it by.
    pub full_url: Option<&'a str>,
    /// The type that it is about.
    pub of: &'a str,
    /// What it asks for.
    pub action: Action<'a>,
}

const SHAPE: &str = "A Bundle is {\"resourceType\": \"Bundle\", \"type\": \"transaction\" or \"batch\", \"entry\": [{\"fullUrl\"?, \"resource\"?, \"request\": {\"method\", \"url\"}}, ...]}.";

/// Whether a value says that it is a Bundle of FHIR.
pub fn is_bundle(value: Value<'_>) -> Result<bool, Malformed> {
    let Value::Object(object) = value else {
        return Ok(false);
    };
    Ok(object.get(b"resourceType")?.is_some())
}

impl<'a> Bundle<'a> {
    /// Takes a Bundle apart; the path of a mistake begins at it.
    pub fn read(value: Value<'a>) -> Result<Result<Self, Mistake>, Malformed> {
        let bad = |path: &str, message: &str| Ok(Err(Mistake::new(path, message, SHAPE)));
        let Value::Object(bundle) = value else {
            return bad("", "bundle is not an object");
        };
        if !matches!(bundle.get(b"resourceType")?, Some(Value::String(b"Bundle"))) {
            return bad("resourceType", "the resource is not a Bundle");
        }
        let kind = match bundle.get(b"type")? {
            Some(Value::String(b"transaction")) => Kind::Transaction,
            Some(Value::String(b"batch")) => Kind::Batch,
            None => return bad("type", "the Bundle has no type"),
            _ => return bad("type", "the Bundle is neither a transaction nor a batch"),
        };
        match bundle.get(b"entry")? {
            None => Ok(Ok(Self {
                kind,
                entries: Vec::new(),
            })),
            Some(Value::Array(given)) => Ok(Ok(Self {
                kind,
                entries: entries(given)?,
            })),
            Some(_) => bad("entry", "entry is not an array"),
        }
    }
}

fn entries<'a>(given: Array<'a>) -> Result<Vec<Result<Entry<'a>, Mistake>>, Malformed> {
    let mut entries = Vec::new();
    memory::reserve(&mut entries, given.len())?;
    for entry in given.iter() {
        entries.push(match entry? {
            Value::Object(entry) => read(entry)?,
            _ => Err(Mistake::new("", "the entry is not an object", SHAPE)),
        });
    }
    Ok(entries)
}

fn read<'a>(entry: Object<'a>) -> Result<Result<Entry<'a>, Mistake>, Malformed> {
    let full_url = match entry.get(b"fullUrl")? {
        None => None,
        // It would be what a mere fragment is relative to.
        Some(Value::String(b"")) => {
            return Ok(Err(Mistake::new("fullUrl", "the fullUrl is empty", SHAPE)));
        }
        Some(Value::String(url)) => Some(std::str::from_utf8(url).map_err(|_| Malformed)?),
        Some(_) => return Ok(Err(Mistake::new("fullUrl", "expected string", SHAPE))),
    };
    let request = match entry.get(b"request")? {
        Some(Value::Object(request)) => request,
        Some(_) => return Ok(Err(Mistake::new("request", "expected object", SHAPE))),
        None => {
            let message = "the entry has no request";
            return Ok(Err(Mistake::new("request", message, SHAPE)));
        }
    };
    let read = request::read(request, entry.get(b"resource")?)?;
    Ok(read.map(|(of, action)| Entry {
        full_url,
        of,
        action,
    }))
}
