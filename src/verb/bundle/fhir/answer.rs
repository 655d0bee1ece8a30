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
            let version = now.version.to_string();
            response.location = Some([profile, "/", id, "/_history/", &version].concat());
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
        // In the order in which they are stored.
        let outcome = self.outcome.as_deref().map(Value::read).transpose()?;
        let members = [
            (&b"etag"[..], self.etag.as_deref().map(Item::Text)),
            (b"status", Some(Item::Text(self.status))),
            (b"outcome", outcome.map(Item::Copy)),
            (b"location", self.location.as_deref().map(Item::Text)),
            (
                b"lastModified",
                self.last_modified.as_deref().map(Item::Text),
            ),
        ];
        let mut response = Vec::with_capacity(members.len());
        response.extend(
            members
                .into_iter()
                .filter_map(|(key, item)| Some((key, item?))),
        );
        let response = Item::Members(response);
        Ok(Item::Members(match &self.resource {
            Some(resource) => vec![
                (b"resource", Item::Copy(Value::read(resource)?)),
                (b"response", response),
            ],
            None => vec![(b"response", response)],
        }))
    }
}

/// An OperationOutcome in JSON, as a root container.
fn outcome(text: &str) -> Result<Vec<u8>> {
    from_text(text).map_err(|_| Error::Bug("an OperationOutcome is not JSON".into()))
}

/// Says the version, and when it was made.
pub fn tag(response: &mut Response, now: Last) -> Result<()> {
    response.etag = Some(["W/\"", &now.version.to_string(), "\""].concat());
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
