//! What a request expects. `ingest.request_version(if_match)`, `ingest.request_unconditional()`,
//! `ingest.request_key(request_key)`
//!
//! A precondition (RFC 9110, section 13) that is not asked is a lost update: each is asked, or the
//! call is refused.

use crate::pg::{Answer, Call, Error, Result, State, datum_of_text, setting};
use crate::verb::request::check;
use httpdate::parse_http_date;
use serde::Deserialize;
use std::borrow::Cow;
use std::time::UNIX_EPOCH;

/// The headers of the request that mean something to the verbs; none outside of a request.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Headers<'a> {
    #[serde(borrow)]
    if_match: Option<Cow<'a, str>>,
    #[serde(borrow)]
    if_none_match: Option<Cow<'a, str>>,
    #[serde(borrow)]
    if_modified_since: Option<Cow<'a, str>>,
    #[serde(borrow)]
    if_unmodified_since: Option<Cow<'a, str>>,
    #[serde(borrow)]
    idempotency_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    prefer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    if_none_exist: Option<Cow<'a, str>>,
    // What the proxy says of a request to the REST door.
    #[serde(borrow)]
    ingest_method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ingest_target: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ingest_origin: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ingest_content_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ingest_accept: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ingest_prefer: Option<Cow<'a, str>>,
}

/// What the proxy says of a request to the REST door; what it does not say is empty.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'h> {
    /// The method, as it was sent.
    pub method: &'h str,
    /// Path and query, as they were sent.
    pub target: &'h str,
    /// `https://api.example.org`
    pub origin: &'h str,
    /// What the body is.
    pub content_type: &'h str,
    /// What the client takes.
    pub accept: &'h str,
    /// What the client prefers.
    pub prefer: &'h str,
}

/// What a write expects of what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whichever version: that there is one.
    Any,
    /// This one; 0 is none.
    Version(i32),
}

impl Expected {
    /// The refusal where there is nothing.
    pub fn unmet(self) -> Error {
        let which = match self {
            Self::Any => "any version".to_owned(),
            Self::Version(version) => format!("version {version}"),
        };
        let message = format!("{which} is expected, but there is none");
        Error::refuse(State::PreconditionFailed, message)
            .hint("If-Match changes what is there; leave it out to create.")
    }
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

    /// What the proxy says.
    pub fn sent(&self) -> Sent<'_> {
        let text = |header| trimmed(header).unwrap_or_default();
        Sent {
            method: text(&self.ingest_method),
            target: text(&self.ingest_target),
            origin: text(&self.ingest_origin),
            content_type: text(&self.ingest_content_type),
            accept: text(&self.ingest_accept),
            prefer: text(&self.ingest_prefer),
        }
    }

    /// The criteria of a conditional create, as FHIR spells them.
    pub fn if_none_exist(&self) -> Option<&str> {
        trimmed(&self.if_none_exist)
    }

    /// Refuses those criteria where none are taken: the call would do something else.
    pub fn refuse_criteria(&self) -> Result<()> {
        match self.if_none_exist {
            None => Ok(()),
            Some(_) => {
                Err(bad("the call takes no If-None-Exist").hint("It is for a create: POST [type]."))
            }
        }
    }

    /// Refuses a precondition, of what takes none.
    pub fn refuse_all(&self) -> Result<()> {
        self.refuse(&ALL)
    }

    /// What a write expects.
    pub fn expected(&self) -> Result<Option<Expected>> {
        self.refuse(&DATES)?;
        match (trimmed(&self.if_match), trimmed(&self.if_none_match)) {
            (None, None) => Ok(None),
            (None, Some("*")) => Ok(Some(Expected::Version(0))),
            (None, Some(_)) => Err(bad("If-None-Match is not *")
                .hint("On a write it is *: there must be nothing yet. If-Match names a version.")),
            (Some("*"), None) => Ok(Some(Expected::Any)),
            (Some(tag), None) => match number(tag).and_then(|version| version.parse().ok()) {
                Some(version) => Ok(Some(Expected::Version(version))),
                None => Err(bad("If-Match is not one version")
                    .hint("It is the ETag of a response: W/\"3\".")),
            },
            (Some(_), Some(_)) => Err(bad("If-Match and If-None-Match exclude each other")
                .hint("Leave one of the two out.")),
        }
    }

    /// Refuses the first of these headers that is there.
    fn refuse(&self, names: &[&str]) -> Result<()> {
        for name in names {
            let given = match *name {
                IF_MATCH => &self.if_match,
                IF_NONE_MATCH => &self.if_none_match,
                IF_MODIFIED_SINCE => &self.if_modified_since,
                _ => &self.if_unmodified_since,
            };
            if given.is_some() {
                return Err(bad(format!("the call takes no {name}"))
                    .hint("A precondition that is not asked is refused: leave it out."));
            }
        }
        Ok(())
    }

    /// The key of a request that is not to be done twice (the string of the IETF's draft
    /// httpapi-idempotency-key-header, or as most clients send it, without quotes).
    pub fn key(&self) -> Result<Option<Cow<'_, str>>> {
        let Some(header) = trimmed(&self.idempotency_key) else {
            return Ok(None);
        };
        let Some(rest) = header.strip_prefix('"') else {
            return Ok(Some(Cow::Borrowed(header)));
        };
        let quoted = rest.strip_suffix('"').and_then(unescaped);
        quoted.map(|key| Some(Cow::Owned(key))).ok_or_else(|| {
            bad("Idempotency-Key is not one string")
                .hint("It is \"8e03978e-40d5-43dd-bc93-6894a57f9324\", with or without quotes.")
        })
    }

    /// Refuses a key where none is taken: it would be taken for a promise.
    pub fn refuse_key(&self) -> Result<()> {
        match self.idempotency_key {
            None => Ok(()),
            Some(_) => Err(bad("the call takes no Idempotency-Key").hint(
                "It is for what creates; with If-Match or If-None-Match a change is made once.",
            )),
        }
    }

    /// Whether a reader knows this version, made at this second, already; refuses one that he does
    /// not want (RFC 9110, section 13.2.2).
    pub fn know(&self, version: &str, seconds: i64) -> Result<bool> {
        let is_wanted = match (&self.if_match, &self.if_unmodified_since) {
            (Some(tags), _) => names(tags, version),
            // What is no date is ignored (sections 13.1.3 and 13.1.4).
            (None, Some(date)) => second(date).is_none_or(|second| seconds <= second),
            (None, None) => true,
        };
        if !is_wanted {
            return Err(Error::refuse(
                State::PreconditionFailed,
                "another version is there than the request expects",
            )
            .hint("Leave the precondition out to read it."));
        }
        match (&self.if_none_match, &self.if_modified_since) {
            (Some(tags), _) => Ok(names(tags, version)),
            // Versions of one second have one date: that the reader has the last of them only the ETag
            // tells, but of a first one.
            (None, Some(date)) => Ok(second(date)
                .is_some_and(|second| seconds < second || seconds == second && version == "1")),
            (None, None) => Ok(false),
        }
    }
}

const IF_MATCH: &str = "If-Match";
const IF_NONE_MATCH: &str = "If-None-Match";
const IF_MODIFIED_SINCE: &str = "If-Modified-Since";
const IF_UNMODIFIED_SINCE: &str = "If-Unmodified-Since";
const DATES: [&str; 2] = [IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];
const ALL: [&str; 4] = [
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
];

fn trimmed<'h>(header: &'h Option<Cow<'_, str>>) -> Option<&'h str> {
    header.as_deref().map(str::trim)
}

/// Whether a list of ETags has this version in it, or is `*` (RFC 9110, section 8.8.3.2: the weak
/// comparison; all of ours are weak).
fn names(tags: &str, version: &str) -> bool {
    // An ETag of ours has no comma in it.
    let mut each = tags.split(',').map(str::trim);
    tags.trim() == "*" || each.any(|tag| number(tag) == Some(version))
}

/// The second that an HTTP date names.
fn second(date: &str) -> Option<i64> {
    let date = parse_http_date(date.trim()).ok()?;
    let since = date.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

fn bad(message: impl Into<String>) -> Error {
    Error::refuse(State::BadRequest, message)
}

/// The setting that holds the headers.
pub fn headers() -> Result<Option<String>> {
    setting(c"request.headers")
}

/// The version that the caller expects: of the argument, or else of the request's headers. That there
/// is one at all is asked when it is written.
pub fn version(call: &mut Call<'_>) -> Result<Answer> {
    let given = call.int4(0)?;
    let text = headers()?;
    let headers = Headers::read(text.as_deref())?;
    headers.refuse_key()?;
    let expected = headers.expected()?;
    match (given, expected) {
        (Some(0), Some(Expected::Any)) => Err(disagree()),
        (Some(given), Some(Expected::Version(expected))) if given != expected => Err(disagree()),
        (None, Some(Expected::Version(expected))) => Ok(Answer::int4(expected)),
        (given, _) => Ok(given.map_or(Answer::Null, Answer::int4)),
    }
}

fn disagree() -> Error {
    bad("the argument if_match and the headers of the request name two versions")
        .hint("Leave one of the two out.")
}

/// `ingest.request_unconditional()`: refuses a precondition that the verb would not ask.
pub fn unconditional(_call: &mut Call<'_>) -> Result<Answer> {
    let text = headers()?;
    Headers::read(text.as_deref())?.refuse_all()?;
    Ok(Answer::bool(true))
}

/// The text of a quoted string (RFC 8941, section 3.3.3).
fn unescaped(quoted: &str) -> Option<String> {
    let mut text = String::with_capacity(quoted.len());
    let mut rest = quoted.chars();
    while let Some(at) = rest.next() {
        text.push(match at {
            '\\' => rest.next().filter(|at| matches!(at, '"' | '\\'))?,
            '"' => return None,
            at => at,
        });
    }
    Some(text)
}

/// The key of the request: the argument, or that of the request's headers.
pub fn key(call: &mut Call<'_>) -> Result<Answer> {
    let given = call.text(0)?;
    let text = headers()?;
    let headers = Headers::read(text.as_deref())?;
    let header = headers.key()?;
    let key = match (given, header.as_deref()) {
        (Some(given), Some(key)) if given != key => {
            return Err(bad(
                "the argument request_key and the header Idempotency-Key are two keys",
            )
            .hint("Leave one of the two out."));
        }
        (given, key) => given.or(key),
    };
    let Some(key) = key else {
        return Ok(Answer::Null);
    };
    check(key)?;
    datum_of_text(key)
}

/// The number in an ETag of ours: `W/"3"`, or without its `W/`.
fn number(tag: &str) -> Option<&str> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    let number = tag.strip_prefix('"')?.strip_suffix('"')?;
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !number.is_empty() && !number.starts_with('0')).then_some(number)
}
