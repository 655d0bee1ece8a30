//! Requests over HTTP, and what is answered.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Method, Request};

const PATIENCE: Duration = Duration::from_secs(30);

/// A client of one server.
pub struct Http {
    address: String,
    agent: Agent,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null if there is none.
    pub body: Value,
}

impl Answer {
    /// A header, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Http {
    /// A client of the server at `http://host:port`.
    pub fn to(address: impl Into<String>) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(PATIENCE))
            .build()
            .new_agent();
        Self {
            address: address.into(),
            agent,
        }
    }

    /// Where the server is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether a page answers 200.
    pub(crate) fn is_ready(&self, url: &str) -> bool {
        let answer = self.agent.get(url).call();
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// Any request; a body is JSON.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let text = body.map(Value::to_string);
        let json = [("Content-Type", "application/json")];
        let headers = match body {
            Some(_) => [&json, headers].concat(),
            None => headers.to_vec(),
        };
        self.send_bytes(method, path, &headers, text.as_deref().map(str::as_bytes))
    }

    /// Any request with any body, of the type that the headers say.
    pub fn send_bytes(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("{}{path}", self.address));
        for (name, value) in headers {
            // The last one counts.
            let name = ureq::http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            let value = ureq::http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request.headers_mut().unwrap().insert(name, value);
        }
        let answer = match body {
            None => self.agent.run(request.body(()).unwrap()),
            Some(body) => self.agent.run(request.body(body).unwrap()),
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let text = answer
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_string()
            .unwrap();
        let body = match text.is_empty() {
            true => Value::Null,
            false => serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{method} {path}: no JSON ({error}): {text}")),
        };
        Answer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body,
        }
    }
}
