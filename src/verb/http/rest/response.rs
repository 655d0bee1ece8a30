//! The answer: status, headers and body, handed to PostgREST.

use super::request::Request;
use crate::pg::{Answer, Error, Result, State, datum_of_text};
use crate::verb::http::reply::Reply;
use ::rest::route::Method;
use jsonb::{Value, to_text};

/// An answer.
pub struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    /// A root container; none for no body.
    body: Option<Vec<u8>>,
    /// Version and second, where it is about one.
    about: Option<(i32, i64)>,
}

impl Response {
    /// An answer without a body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: None,
            about: None,
        }
    }

    /// With this body, a root container.
    pub fn body(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }

    /// About a version that was made at this second.
    pub fn about(mut self, version: i32, second: i64) -> Self {
        self.about = Some((version, second));
        self
    }

    /// With a header, whose value must be one.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Result<Self> {
        let value = value.into();
        if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(Error::refuse(
                State::BadRequest,
                format!("{name} would not be a header"),
            ));
        }
        self.headers.push((name, value));
        Ok(self)
    }

    /// Tells PostgREST status and headers, and gives it the body.
    pub fn send(self, request: &Request<'_>) -> Result<Answer> {
        let mut reply = match self.about {
            Some((version, second)) => Reply::about(&version.to_string(), second)?,
            None => Reply::empty(),
        };
        let target = request.target().ok().flatten();
        let query = target.and_then(|target| {
            let asked = ::rest::query::Asked::Read;
            ::rest::query::Query::read(target.query, asked).ok()
        });
        let format = query.and_then(|query| query.answer.format);
        let media = request.media(format.as_deref());
        let media = media.unwrap_or(request.own_media());
        reply.header("Content-Type", &format!("{media}; charset=utf-8"))?;
        // What was modified long ago would else be kept by who guesses (RFC 9111, section 4.2.2).
        if request.method() == Method::Get {
            reply.header("Cache-Control", "private, no-cache")?;
        }
        for (name, value) in &self.headers {
            reply.header(name, value)?;
        }
        reply.send(Some(&self.status.to_string()))?;
        match self.body {
            Some(body) => datum_of_text(&to_text(Value::read(&body)?)?),
            None => datum_of_text(""),
        }
    }
}
