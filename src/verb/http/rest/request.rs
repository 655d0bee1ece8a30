//! A request to the door, read.

use super::door::Door;
use crate::pg::{Error, Result, State, jsonb_of_text};
use crate::store::{Guarded, find};
use crate::verb::http::request::{Headers, Sent};
use crate::verb::row::Noun;
use ::rest::media::{self, Body};
use ::rest::preference::Return;
use ::rest::query::{Asked, Query};
use ::rest::route::{Kind, Method, Route};
use ::rest::target::Target;
use std::cell::Cell;
use std::rc::Rc;

/// A request.
pub struct Request<'a> {
    /// Where it was sent to.
    pub door: Door<'a>,
    /// Its preconditions.
    pub headers: &'a Headers<'a>,
    sent: Sent<'a>,
    body: &'a [u8],
    /// Whether the body is being read: what fails then fails for it.
    reading: Cell<bool>,
}

impl<'a> Request<'a> {
    /// A request to this door.
    pub fn new(door: Door<'a>, headers: &'a Headers<'a>, body: &'a [u8]) -> Self {
        Self {
            door,
            headers,
            sent: headers.sent(),
            body,
            reading: Cell::new(false),
        }
    }

    /// Its method.
    pub fn method(&self) -> Method {
        Method::of(self.sent.method)
    }

    /// Path and query; none if it is not of this door.
    pub fn target(&self) -> Result<Option<Target<'a>>> {
        Target::read(self.sent.target, self.door.path).map_err(Error::from)
    }

    /// The parameters of the query, and those of a form.
    pub fn query(&self, query: &str, route: Route<'_>) -> Result<Query> {
        let asked = match route {
            Route::Search(_) => Asked::Search,
            Route::HistoryOfAll(_) | Route::History(..) => Asked::History,
            Route::Validate(..) => Asked::Validate,
            Route::Create(_)
            | Route::UpdateIf(_)
            | Route::PatchIf(_)
            | Route::DeleteIf(_)
            | Route::Update(..)
            | Route::Patch(..)
            | Route::Delete(..) => Asked::Write,
            _ => Asked::Read,
        };
        match asked {
            Asked::Search if self.kind() == Body::Form => {
                let form = self.text()?.trim();
                Query::read(&format!("{query}&{form}"), asked)
            }
            _ => Query::read(query, asked),
        }
        .map_err(Error::from)
    }

    /// The media type of the answer; none if the client takes no JSON.
    pub fn media(&self, format: Option<&str>) -> Option<&'static str> {
        media::answer(format, self.sent.accept, self.own_media())
    }

    /// The media type of an answer to whom it was not asked.
    pub fn own_media(&self) -> &'static str {
        match self.door.fhir {
            true => media::FHIR,
            false => media::JSON,
        }
    }

    /// What is preferred to be answered to a write.
    pub fn preferred(&self) -> (Return, Option<&'static str>) {
        Return::of(self.sent.prefer)
    }

    /// Refuses a body of a kind that is not taken here, by those that are: what is in it would be
    /// ignored.
    pub fn takes_body(&self, route: Route<'_>) -> std::result::Result<(), &'static str> {
        let (taken, names): (&[Body], _) = match route {
            Route::Search(_) => (&[Body::Form], "application/x-www-form-urlencoded"),
            Route::Patch(..) | Route::PatchIf(_) => (
                &[Body::Json, Body::JsonPatch, Body::MergePatch],
                "application/json-patch+json or application/merge-patch+json",
            ),
            Route::Create(_)
            | Route::UpdateIf(_)
            | Route::Update(..)
            | Route::Bundle
            | Route::Validate(..) => (&[Body::Json], self.own_media()),
            _ => return Ok(()),
        };
        match self.body.trim_ascii().is_empty() || taken.contains(&self.kind()) {
            true => Ok(()),
            false => Err(names),
        }
    }

    /// What its body is said to be.
    pub fn kind(&self) -> Body {
        Body::of(self.sent.content_type)
    }

    /// Its body, as text.
    fn text(&self) -> Result<&'a str> {
        let text = std::str::from_utf8(self.body).ok();
        text.filter(|text| !text.contains('\0')).ok_or_else(|| {
            Error::refuse(State::BadRequest, "the body is not UTF-8")
                .hint("JSON is UTF-8, and a NUL in it is not allowed.")
        })
    }

    /// Its body, a root container.
    pub fn json(&self) -> Result<Vec<u8>> {
        let text = self.text()?;
        if text.trim().is_empty() {
            return Err(Error::refuse(State::BadRequest, "there is no body")
                .hint("Send the resource as JSON."));
        }
        self.reading.set(true);
        let read = jsonb_of_text(text)?;
        self.reading.set(false);
        Ok(read)
    }

    /// Whether what has failed is that the body is no JSON.
    pub fn fails_by_body(&self) -> bool {
        self.reading.get()
    }

    /// The profile or the relationship that the path names.
    pub fn guarded(&self, kind: Kind<'_>) -> Result<Rc<Guarded>> {
        let (name, noun) = match kind {
            Kind::Resource(name) => (name, Noun::Resource),
            Kind::Link(name) => (name, Noun::Link),
        };
        let found = find(self.door.source, name)?;
        if found.is_relationship() != (noun == Noun::Link) {
            return Err(
                Error::refuse(State::NotFound, format!("no such {}: {name}", word(noun)))
                    .hint("Links are below /relationships."),
            );
        }
        // What is only contained, and a data type of FHIR, is at no path.
        if found.table().is_err() {
            let message = format!("nothing is at this path: {name} has no table of its own");
            return Err(Error::refuse(State::NotFound, message)
                .hint("It is a part of others, and is read and written with them."));
        }
        Ok(found)
    }

    /// What addresses begin with: `https://api.example.org/fhir`.
    pub fn base(&self) -> String {
        if let Some(base) = self.door.base {
            return base.to_owned();
        }
        let origin = self.sent.origin;
        let host = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-_[]".contains(&byte);
        // HTTP/1.0 names no host.
        match host.is_some_and(|host| !host.is_empty() && host.bytes().all(plain)) {
            true => format!("{origin}{}", self.door.path),
            false => self.door.path.to_owned(),
        }
    }

    /// The address of all of them.
    pub fn collection(&self, guarded: &Guarded) -> String {
        let (base, name) = (self.base(), guarded.name());
        match guarded.is_relationship() {
            true => format!("{base}/relationships/{name}"),
            false => format!("{base}/{name}"),
        }
    }

    /// The address of one of them.
    pub fn address(&self, guarded: &Guarded, id: &str) -> String {
        format!("{}/{id}", self.collection(guarded))
    }
}

fn word(noun: Noun) -> &'static str {
    match noun {
        Noun::Resource => "profile",
        Noun::Link => "relationship",
    }
}
