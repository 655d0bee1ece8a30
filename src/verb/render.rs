//! Resources and links as they are returned: JSONB, written by copying what is stored.

use crate::pg::{Answer, Arg, Call, Error, Instant, Result, Shape, iso};
use crate::store::history::Last;
use crate::store::row::Stored;
use crate::store::table::Form;
use crate::store::{Guarded, Outcome};
use crate::verb::request::Effect;
use ingest_engine::Resource;
use jsonb::{Item, Member, Value, write};

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
    /// The instant of the first one; none after a delete.
    pub created_at: Option<Instant>,
    /// As it is stored now; none after a delete.
    pub resource: Option<Vec<u8>>,
    /// Whether it meets the criteria that it was written for, if it was for some.
    pub is_met: bool,
}

impl Written {
    /// What is stored now.
    pub fn stored(outcome: Outcome, guarded: &Guarded, stored: Stored) -> Result<Self> {
        let resource = Some(self::stored(guarded, &stored)?);
        let Stored {
            id,
            version,
            created_at,
            updated_at,
            ..
        } = stored;
        Ok(Self {
            outcome,
            id,
            version,
            updated_at,
            created_at: Some(created_at),
            resource,
            is_met: true,
        })
    }

    /// The same, of what was written for criteria that it meets or does not.
    pub fn by_criteria(self, is_met: bool) -> Self {
        Self { is_met, ..self }
    }

    /// What is deleted now: the version and the instant are its tombstone's.
    pub fn deleted(id: String, tombstone: Last) -> Self {
        let Last {
            version,
            updated_at,
        } = tombstone;
        Self {
            outcome: Outcome::Deleted,
            id,
            version,
            updated_at,
            created_at: None,
            resource: None,
            is_met: true,
        }
    }

    /// What is kept of it under the key of a request.
    pub fn effect(&self) -> Effect<'_> {
        let (version, updated_at) = (self.version, self.updated_at);
        let now = Last {
            version,
            updated_at,
        };
        Effect::done(self.outcome, "", &self.id, now)
    }

    /// As the answer of the call.
    pub fn answer(&self, call: &mut Call<'_>) -> Result<Answer> {
        let outcome = self.outcome.value(call)?;
        Shape::of(call)?.row(&[
            Arg::Label(outcome),
            Arg::Text(&self.id),
            Arg::Int4(self.version),
            Arg::Instant(self.updated_at),
            Arg::jsonb(self.resource.as_deref()),
        ])
    }
}

/// What a patch is applied to: `{"data", "contained"?}`, or a FHIR resource itself.
pub fn body(guarded: &Guarded, stored: &Stored) -> Result<Vec<u8>> {
    if guarded.form() == Form::Fhir {
        return itself(stored);
    }
    let Resource {
        data, contained, ..
    } = stored.content().read(&stored.id)?;
    let mut members = vec![(&b"data"[..], Item::Copy(data))];
    members.extend(contained.map(|contained| (&b"contained"[..], Item::Copy(contained))));
    write(&Item::Members(members)).map_err(|_| unwritable())
}

/// A FHIR resource as it is stored.
fn itself(stored: &Stored) -> Result<Vec<u8>> {
    match &stored.data {
        Some(data) => Ok(jsonb::memory::copy(data)?),
        None => Err(Error::Bug("a resource without data".into())),
    }
}

/// A FHIR resource as it is stored; `{"id", "type", "data", "contained"?, "meta"}`, and of a link `"from": {"id", "type"}` and
/// `"to": {"id", "type"}`.
pub fn stored(guarded: &Guarded, stored: &Stored) -> Result<Vec<u8>> {
    if guarded.form() == Form::Fhir {
        return itself(stored);
    }
    let Resource {
        id,
        data,
        contained,
    } = stored.content().read(&stored.id)?;
    let meta = Meta::of(stored)?;
    let meta = meta.members(guarded, stored)?;
    let ends = match (&guarded.ends, &stored.ends) {
        (Some(ends), Some([from, to])) => Some([end(from, &ends.from), end(to, &ends.to)]),
        _ => None,
    };
    let none = (&b""[..], Item::Null);
    // In the order in which they are stored, but for the ends of a link.
    let mut members = [
        (&b"id"[..], Item::Text(id)),
        (b"data", Item::Copy(data)),
        (b"meta", Item::Object(&meta)),
        (b"type", Item::Text(guarded.name())),
        none.clone(),
        none,
    ];
    let mut count = 4;
    if let Some([from, to]) = &ends {
        members[4] = (b"from", Item::Object(from));
        members[5] = (b"to", Item::Object(to));
        count = 6;
    } else if let Some(contained) = contained {
        members[4] = (b"contained", Item::Copy(contained));
        count = 5;
    }
    write(&Item::Object(&members[..count])).map_err(|_| unwritable())
}

fn end<'a>(id: &'a str, kind: &'a str) -> [(&'a [u8], Item<'a>); 2] {
    [(b"id", Item::Text(id)), (b"type", Item::Text(kind))]
}

struct Meta {
    version: String,
    created_at: String,
    /// None where it is the instant of the creation.
    updated_at: Option<String>,
}

impl Meta {
    fn of(stored: &Stored) -> Result<Self> {
        Ok(Self {
            version: stored.version.to_string(),
            updated_at: match stored.updated_at == stored.created_at {
                true => None,
                false => Some(iso(stored.updated_at)?),
            },
            created_at: iso(stored.created_at)?,
        })
    }

    fn members<'a>(&'a self, guarded: &'a Guarded, stored: &'a Stored) -> Result<Vec<Member<'a>>> {
        let updated_at = self.updated_at.as_deref().unwrap_or(&self.created_at);
        // In the order in which they are stored.
        let mut members = Vec::with_capacity(7);
        members.push((&b"source"[..], Item::Text(guarded.source_name())));
        if let Some(context) = &stored.context {
            members.push((b"context", Item::Copy(Value::read(context)?)));
        }
        members.extend([
            (&b"createdAt"[..], Item::Text(&self.created_at)),
            (b"updatedBy", Item::Text(&stored.updated_by)),
            (b"versionId", Item::Text(&self.version)),
            (b"lastUpdated", Item::Text(updated_at)),
            (
                b"profileVersion",
                Item::Int(i64::from(stored.profile_version)),
            ),
        ]);
        Ok(members)
    }
}

fn unwritable() -> Error {
    Error::refuse(
        crate::pg::State::TooLarge,
        "the resource is too large to be returned",
    )
}
