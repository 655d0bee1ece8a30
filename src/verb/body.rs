//! Bodies: of a native resource `{"data": {…}, "contained"?: {…}, "id"?: "…"}`, with the `type` and
//! `meta` of what was read; a FHIR resource is its own body.

use crate::pg::{Error, Result, State};
use crate::store::Guarded;
use crate::store::row::Content;
use crate::store::table::Form;
use ingest_engine::envelope::{Created, fhir, moved};
use jsonb::{Item, Object, Value, write};
use std::borrow::Cow;

/// The body of a resource. What stands in it is not judged here: the gate does that.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    /// The id, where the body has one.
    pub id: Option<&'a str>,
    /// The data, whatever kind of value it is.
    pub data: Value<'a>,
    /// The contained resources, whatever kind of value they are.
    pub contained: Option<Value<'a>>,
}

/// A resource as it is sent, without what it says of its creation: that is the server's.
pub fn without_creation(resource: Object<'_>, said: Created) -> Result<Vec<u8>> {
    moved(resource, said, Created::Nowhere, None).map_err(|_| too_large())
}

/// The refusal of a body that cannot be written.
pub fn too_large() -> Error {
    Error::refuse(State::TooLarge, "the resource is too large")
}

const SHAPE: &str = "A body is {\"data\": {...}, \"contained\"?: {...}, \"id\"?: \"...\"}; type and meta, as they are read, may stay.";

impl<'a> Body<'a> {
    /// Takes a body for this profile apart. What was read can be written back.
    pub fn read(guarded: &Guarded, body: Value<'a>) -> Result<Self> {
        match guarded.form() {
            Form::Fhir => Self::fhir(guarded.name(), body),
            Form::Native | Form::Link => Self::native(guarded.name(), body),
        }
    }

    /// The body is the resource, and its id the resource's.
    fn fhir(profile: &str, body: Value<'a>) -> Result<Self> {
        if !matches!(body, Value::Object(_)) {
            return Err(
                Error::refuse(State::BadRequest, "body is not an object").hint(format!(
                    "A body is the resource: {{\"resourceType\": \"{profile}\", ...}}."
                )),
            );
        }
        Ok(Self {
            id: fhir::id(body)?,
            data: body,
            contained: None,
        })
    }

    /// `type` must be that of the profile, and `meta` is the server's to say.
    fn native(profile: &str, body: Value<'a>) -> Result<Self> {
        let bad = |message: &str| Error::refuse(State::BadRequest, message).hint(SHAPE);
        let Value::Object(object) = body else {
            return Err(bad("body is not an object"));
        };
        let (mut id, mut data, mut contained) = (None, None, None);
        for member in object.iter() {
            let (key, value) = member?;
            match (key, value) {
                (b"id", Value::String(bytes)) => {
                    id = Some(std::str::from_utf8(bytes).map_err(|_| Error::Corrupt)?);
                }
                (b"id" | b"contained" | b"type", Value::Null) | (b"meta", _) => {}
                (b"type", given) => check_type(profile, given)?,
                (b"id", _) => return Err(bad("id in the body is not a string")),
                (b"data", value) => data = Some(value),
                (b"contained", value) => contained = Some(value),
                _ => {
                    let key = shown_key(key);
                    return Err(bad(&format!("body has a key that it does not take: {key}")));
                }
            }
        }
        let data = data.ok_or_else(|| bad("body has no data"))?;
        Ok(Self {
            id,
            data,
            contained,
        })
    }

    /// The id that is meant by an argument and by the body, which must not disagree.
    pub fn id(&self, argument: Option<&'a str>) -> Result<Option<&'a str>> {
        match (argument, self.id) {
            (Some(argument), Some(id)) if argument != id => Err(Error::refuse(
                State::BadRequest,
                format!(
                    "the id in the body is {}, and that of the call {}",
                    shown_key(id.as_bytes()),
                    shown_key(argument.as_bytes())
                ),
            )
            .hint("Leave one of the two out.")),
            (argument, id) => Ok(argument.or(id)),
        }
    }
}

/// Refuses a body of another type.
pub fn check_type(profile: &str, given: Value<'_>) -> Result<()> {
    let Value::String(bytes) = given else {
        return Err(
            Error::refuse(State::BadRequest, "type in the body is not a string")
                .hint("Leave type out, or write it as it is read."),
        );
    };
    if bytes == profile.as_bytes() {
        return Ok(());
    }
    Err(Error::refuse(
        State::BadRequest,
        format!(
            "the body is of type {}, and is to be written as {profile}",
            shown_key(bytes)
        ),
    )
    .hint("Write it to the profile of its type, or leave type out."))
}

/// A key of a document, for a message: so much of it as a name can be.
pub fn shown_key(key: &[u8]) -> String {
    let key = String::from_utf8_lossy(key);
    let shown = key.chars().take(64);
    shown
        .map(|at| if at.is_control() { '?' } else { at })
        .collect()
}

/// The value as a root container of its own: a container is one already.
pub fn root(value: Value<'_>) -> Result<Cow<'_, [u8]>> {
    match value {
        Value::Array(array) => Ok(Cow::Borrowed(array.as_bytes())),
        Value::Object(object) => Ok(Cow::Borrowed(object.as_bytes())),
        scalar => write(&Item::Copy(scalar))
            .map(Cow::Owned)
            .map_err(|_| Error::Bug("a scalar could not be written".into())),
    }
}

/// A body's content, each part as a root container.
pub struct Parts<'a> {
    data: Cow<'a, [u8]>,
    contained: Option<Cow<'a, [u8]>>,
}

impl<'a> Parts<'a> {
    /// Of a resource.
    pub fn of(body: &Body<'a>) -> Result<Self> {
        Ok(Self {
            data: root(body.data)?,
            contained: body.contained.map(root).transpose()?,
        })
    }

    /// Of what has data and nothing else.
    pub fn data(data: Value<'a>) -> Result<Self> {
        Ok(Self {
            data: root(data)?,
            contained: None,
        })
    }

    /// Of a row, as it is stored.
    pub fn stored(content: Content<'a>) -> Result<Self> {
        let data = content
            .data
            .ok_or(Error::Bug("a row without data".into()))?;
        Ok(Self {
            data: Cow::Borrowed(data),
            contained: content.contained.map(Cow::Borrowed),
        })
    }

    /// Of what has nothing: `{}`.
    pub fn empty() -> Result<Self> {
        let empty = write(&Item::Object(&[])).map_err(|_| Error::Bug("{} is not JSON".into()))?;
        Ok(Self {
            data: Cow::Owned(empty),
            contained: None,
        })
    }

    /// As it is stored.
    pub fn content(&self) -> Content<'_> {
        Content {
            data: Some(&self.data),
            contained: self.contained.as_deref(),
        }
    }

    /// How many bytes there are of it.
    pub fn size(&self) -> usize {
        self.data.len() + self.contained.as_ref().map_or(0, |bytes| bytes.len())
    }
}
