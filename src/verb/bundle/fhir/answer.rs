//! The answer: a Bundle with a response for each entry, in their order.

use crate::pg::{Error, Result, State, check_for_interrupts, iso};
use crate::store::Outcome;
use crate::store::history::Last;
use crate::verb::request::Effect;
use ingest_engine::bundle::Kind;
use ingest_engine::{Issue, operation_outcome};
use jsonb::{Item, Value, from_text, write};

/// What is answered of one entry.
pub struct Response {
    status: &'static str,
    location: Option<String>,
    etag: Option<String>,
    last_modified: Option<String>,
    /// What it has read, a root container.
    pub resource: Option<Vec<u8>>,
    outcome: Option<Vec<u8>>,
}

impl Response {
    /// A status, and nothing else.
    pub fn new(status: &'static str) -> Self {
        Self {
            status,
            location: None,
            etag: None,
            last_modified: None,
            resource: None,
            outcome: None,
        }
    }

    /// What came of an entry that writes.
    pub fn of(effect: Effect<'_>) -> Result<Self> {
        let (outcome, profile, id, now) = match effect {
            Effect::Done {
                outcome,
                profile,
                id,
                now,
            } => (outcome, profile, id, now),
            Effect::Refused { state, outcome, .. } => return Self::failed(state, outcome),
            Effect::Read => return Err(Error::Bug("an entry that reads".into())),
        };
        let mut response = Self::new(match outcome {
            Outcome::Created => "201 Created",
            Outcome::Deleted => "204 No Content",
            _ => "200 OK",
        });
        let Some(now) = now else {
            return Ok(response);
        };
        if outcome != Outcome::Deleted {
            response.location = Some(format!("{profile}/{id}/_history/{}", now.version));
        }
        tag(&mut response, now)?;
        Ok(response)
    }

    /// The same, with what is to be said of it.
    pub fn warning(mut self, issue: Issue) -> Result<Self> {
        self.outcome = Some(outcome(&operation_outcome(&[issue]))?);
        Ok(self)
    }

    /// Why an entry of a batch has failed: an OperationOutcome as JSON.
    fn failed(state: State, outcome: &str) -> Result<Self> {
        let mut response = Self::new(match state {
            State::BadRequest => "400 Bad Request",
            State::InsufficientPrivilege => "403 Forbidden",
            State::NotFound => "404 Not Found",
            State::Conflict | State::SerializationFailure => "409 Conflict",
            State::Gone => "410 Gone",
            State::PreconditionFailed => "412 Precondition Failed",
            State::TooLarge => "413 Content Too Large",
            State::Unprocessable => "422 Unprocessable Content",
        });
        response.outcome = Some(self::outcome(outcome)?);
        Ok(response)
    }

    fn item(&self) -> Result<Item<'_>> {
        let mut response = vec![(&b"status"[..], Item::Text(self.status))];
        for (key, value) in [
            (&b"location"[..], &self.location),
            (b"etag", &self.etag),
            (b"lastModified", &self.last_modified),
        ] {
            response.extend(value.as_deref().map(|text| (key, Item::Text(text))));
        }
        if let Some(outcome) = &self.outcome {
            response.push((b"outcome", Item::Copy(Value::read(outcome)?)));
        }
        let mut entry = vec![(&b"response"[..], Item::Members(response))];
        if let Some(resource) = &self.resource {
            entry.push((b"resource", Item::Copy(Value::read(resource)?)));
        }
        Ok(Item::Members(entry))
    }
}

/// An OperationOutcome in JSON, as a root container.
fn outcome(text: &str) -> Result<Vec<u8>> {
    from_text(text).map_err(|_| Error::Bug("an OperationOutcome is not JSON".into()))
}

/// Says the version, and when it was made.
pub fn tag(response: &mut Response, now: Last) -> Result<()> {
    response.etag = Some(format!("W/\"{}\"", now.version));
    response.last_modified = Some(iso(now.updated_at)?);
    Ok(())
}

/// The Bundle of all responses.
pub fn bundle(kind: Kind, responses: &[Response]) -> Result<Vec<u8>> {
    let mut entries = Vec::with_capacity(responses.len());
    for response in responses {
        check_for_interrupts()?;
        entries.push(response.item()?);
    }
    let kind = match kind {
        Kind::Transaction => "transaction-response",
        Kind::Batch => "batch-response",
    };
    let mut members = vec![
        (&b"resourceType"[..], Item::Text("Bundle")),
        (b"type", Item::Text(kind)),
    ];
    if !entries.is_empty() {
        members.push((b"entry", Item::Items(entries)));
    }
    write(&Item::Members(members))
        .map_err(|_| Error::refuse(State::TooLarge, "the answer is too large"))
}
