//! Resources and links as they are returned: JSONB, written by copying what is stored.

use crate::pg::{Answer, Arg, Call, Error, Instant, Result, Shape, iso};
use crate::store::links::Link;
use crate::store::resources::Stored;
use crate::store::{Guarded, Outcome};
use jsonb::{Item, Value, write};

/// What a verb that writes returns: a row of `ingest.written`.
pub struct Written {
    /// What was done.
    pub outcome: Outcome,
    /// To what.
    pub id: String,
    /// Its version now.
    pub version: i32,
    /// The instant of that version.
    pub updated_at: Instant,
    /// As it is stored now; none after a delete.
    pub resource: Option<Vec<u8>>,
}

impl Written {
    /// A resource that is stored now.
    pub fn resource(outcome: Outcome, guarded: &Guarded, stored: Stored) -> Result<Self> {
        let resource = Some(resource(guarded, &stored)?);
        let Stored {
            id,
            version,
            updated_at,
            ..
        } = stored;
        Ok(Self {
            outcome,
            id,
            version,
            updated_at,
            resource,
        })
    }

    /// A link that is stored now.
    pub fn link(outcome: Outcome, guarded: &Guarded, stored: Link) -> Result<Self> {
        let resource = Some(link(guarded, &stored)?);
        let Link {
            id,
            version,
            updated_at,
            ..
        } = stored;
        Ok(Self {
            outcome,
            id,
            version,
            updated_at,
            resource,
        })
    }

    /// What is deleted now: the version and the instant are its tombstone's.
    pub fn deleted(id: String, (version, updated_at): (i32, Instant)) -> Self {
        Self {
            outcome: Outcome::Deleted,
            id,
            version,
            updated_at,
            resource: None,
        }
    }

    /// As the answer of the call.
    pub fn answer(&self, call: &mut Call<'_>) -> Result<Answer> {
        let outcome = self.outcome.value(call)?;
        Shape::of(call)?.row(&[
            Arg::Oid(outcome),
            Arg::Text(&self.id),
            Arg::Int4(self.version),
            Arg::Instant(self.updated_at),
            Arg::jsonb(self.resource.as_deref()),
        ])
    }
}

/// `{"data", "contained"?}`: what a patch is applied to.
pub fn body(stored: &Stored) -> Result<Vec<u8>> {
    let data = stored
        .data
        .as_deref()
        .map(Value::read)
        .transpose()?
        .unwrap_or(Value::Null);
    let contained = stored.contained.as_deref().map(Value::read).transpose()?;
    let members: [(&[u8], Item<'_>); 2] = [
        (b"data", Item::Copy(data)),
        (b"contained", contained.map_or(Item::Null, Item::Copy)),
    ];
    let count = if contained.is_some() { 2 } else { 1 };
    write(&Item::Object(&members[..count])).map_err(|_| unwritable())
}

/// `{"id", "type", "data", "contained"?, "meta"}`
pub fn resource(guarded: &Guarded, stored: &Stored) -> Result<Vec<u8>> {
    let data = stored
        .data
        .as_deref()
        .map(Value::read)
        .transpose()?
        .unwrap_or(Value::Null);
    let contained = stored.contained.as_deref().map(Value::read).transpose()?;
    let meta = Meta::of(stored.version, stored.created_at, stored.updated_at)?;
    let meta = meta.members(guarded, stored.profile_version);
    let members: [(&[u8], Item<'_>); 5] = [
        (b"id", Item::Text(&stored.id)),
        (b"type", Item::Text(guarded.name())),
        (b"data", Item::Copy(data)),
        (b"meta", Item::Object(&meta)),
        (b"contained", contained.map_or(Item::Null, Item::Copy)),
    ];
    let count = if contained.is_some() { 5 } else { 4 };
    write(&Item::Object(&members[..count])).map_err(|_| unwritable())
}

/// `{"id", "type", "from": {"id", "type"}, "to": {"id", "type"}, "data", "meta"}`
pub fn link(guarded: &Guarded, stored: &Link) -> Result<Vec<u8>> {
    let ends = guarded
        .ends
        .as_ref()
        .ok_or(Error::Bug("a link without ends".into()))?;
    let data = stored
        .data
        .as_deref()
        .map(Value::read)
        .transpose()?
        .unwrap_or(Value::Null);
    let meta = Meta::of(stored.version, stored.created_at, stored.updated_at)?;
    let meta = meta.members(guarded, stored.profile_version);
    let from = [
        (&b"id"[..], Item::Text(&stored.from)),
        (b"type", Item::Text(&ends.from)),
    ];
    let to = [
        (&b"id"[..], Item::Text(&stored.to)),
        (b"type", Item::Text(&ends.to)),
    ];
    let members: [(&[u8], Item<'_>); 6] = [
        (b"id", Item::Text(&stored.id)),
        (b"type", Item::Text(guarded.name())),
        (b"from", Item::Object(&from)),
        (b"to", Item::Object(&to)),
        (b"data", Item::Copy(data)),
        (b"meta", Item::Object(&meta)),
    ];
    write(&Item::Object(&members)).map_err(|_| unwritable())
}

struct Meta {
    version: String,
    created_at: String,
    /// None where it is the instant of the creation.
    updated_at: Option<String>,
}

impl Meta {
    fn of(version: i32, created_at: Instant, updated_at: Instant) -> Result<Self> {
        Ok(Self {
            version: version.to_string(),
            updated_at: match updated_at == created_at {
                true => None,
                false => Some(iso(updated_at)?),
            },
            created_at: iso(created_at)?,
        })
    }

    fn members<'a>(
        &'a self,
        guarded: &'a Guarded,
        profile_version: i32,
    ) -> [(&'a [u8], Item<'a>); 5] {
        [
            (b"versionId", Item::Text(&self.version)),
            (b"createdAt", Item::Text(&self.created_at)),
            (
                b"lastUpdated",
                Item::Text(self.updated_at.as_deref().unwrap_or(&self.created_at)),
            ),
            (b"source", Item::Text(guarded.source_name())),
            (b"profileVersion", Item::Int(i64::from(profile_version))),
        ]
    }
}

fn unwritable() -> Error {
    Error::refuse(
        crate::pg::State::TooLarge,
        "the resource is too large to be returned",
    )
}
