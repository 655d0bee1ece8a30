//! What a request expects. `ingest.request_version(if_match, any_version)`

use crate::pg::{Answer, Call, Error, Result, State, setting};
use serde::Deserialize;
use std::borrow::Cow;

/// The headers of the request that mean something to the verbs; none outside of a request.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Headers<'a> {
    #[serde(borrow)]
    if_match: Option<Cow<'a, str>>,
    #[serde(borrow)]
    if_none_match: Option<Cow<'a, str>>,
    #[serde(borrow)]
    prefer: Option<Cow<'a, str>>,
}

impl<'a> Headers<'a> {
    /// Takes the text of the setting apart.
    pub fn read(text: Option<&'a str>) -> Result<Self> {
        let text = text.unwrap_or_default();
        if text.is_empty() {
            return Ok(Self::default());
        }
        // An array, too, would be read: by the order of the fields.
        let object = text.trim_start().starts_with('{').then_some(text);
        object
            .and_then(|object| serde_json::from_str(object).ok())
            .ok_or_else(|| {
                Error::refuse(
                    State::BadRequest,
                    "the setting request.headers is not an object of strings",
                )
                .hint("PostgREST sets it to the headers of the request: {\"if-match\": \"...\"}.")
            })
    }

    /// Whether the client prefers this (RFC 7240, section 2).
    pub fn prefers(&self, preference: &str) -> bool {
        let given = self.prefer.as_deref().unwrap_or_default();
        let mut given = given.split([',', ';']).map(str::trim);
        given.any(|given| given.eq_ignore_ascii_case(preference))
    }

    /// Whether `If-None-Match` knows this version (RFC 9110, section 13.1.2: the weak comparison).
    pub fn know(&self, version: &str) -> bool {
        let known = self.if_none_match.as_deref().unwrap_or_default();
        // An ETag of ours has no comma in it.
        let mut tags = known.split(',').map(str::trim);
        known.trim() == "*" || tags.any(|tag| number(tag) == Some(version))
    }
}

/// The setting that holds the headers.
pub fn headers() -> Result<Option<String>> {
    setting(c"request.headers")
}

/// The version that the caller expects: of the argument, or else of the request's headers.
pub fn version(call: &mut Call<'_>) -> Result<Answer> {
    let (given, any) = (call.int4(0), call.int4(1));
    let answer = |version: Option<i32>| version.map_or(Answer::Null, Answer::int4);
    let text = headers()?;
    let headers = Headers::read(text.as_deref())?;
    let of_header = if headers.if_none_match.as_deref().map(str::trim) == Some("*") {
        Some(0)
    } else {
        match headers.if_match.as_deref().map(str::trim) {
            None => None,
            // Any version will do, and of the argument the one that it names.
            Some("*") => return Ok(answer(given.or(any))),
            Some(tag) => match number(tag).and_then(|version| version.parse().ok()) {
                Some(version) => Some(version),
                None => {
                    return Err(
                        Error::refuse(State::BadRequest, "If-Match is not one version")
                            .hint("It is the ETag of a response: W/\"3\"."),
                    );
                }
            },
        }
    };
    match (given, of_header) {
        (Some(given), Some(of_header)) if given != of_header => Err(Error::refuse(
            State::BadRequest,
            "the argument if_match and the headers of the request name two versions",
        )
        .hint("Leave one of the two out.")),
        (given, of_header) => Ok(answer(given.or(of_header))),
    }
}

/// `ingest.request_unconditional()`: refuses a precondition that the verb would not ask.
pub fn unconditional(_call: &mut Call<'_>) -> Result<Answer> {
    let text = headers()?;
    match Headers::read(text.as_deref())?.if_match {
        None => Ok(Answer::bool(true)),
        Some(_) => Err(
            Error::refuse(State::BadRequest, "the call takes no If-Match").hint(
                "If-Match names a version of what is there; this call creates. Leave it out.",
            ),
        ),
    }
}

/// The number in an ETag of ours: `W/"3"`, or without its `W/`.
fn number(tag: &str) -> Option<&str> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    let number = tag.strip_prefix('"')?.strip_suffix('"')?;
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !number.is_empty() && !number.starts_with('0')).then_some(number)
}
