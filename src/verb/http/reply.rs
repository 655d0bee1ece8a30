//! The status and the headers of a response. `ingest.reply_written(written, location, source,
//! profile)`, `ingest.reply_read(resource)`

use super::request::{Expected, Headers, headers};
use crate::pg::{Answer, Call, Error, Result, State, set_local, unix_time};
use crate::store::Outcome;
use httpdate::fmt_http_date;
use jsonb::Value;
use std::time::{Duration, UNIX_EPOCH};

/// Answers a write: 201, 200 or 204, with the resource unless the client prefers none.
pub fn written(call: &mut Call<'_>) -> Result<Answer> {
    let written = call.record(0, 5)?;
    let outcome = match written.label(0) {
        Some(outcome) => Outcome::of(outcome, call)?,
        None => return Err(bad("written must not be null")),
    };
    let (Some(id), Some(version), Some(updated_at)) =
        (written.text(1)?, written.int4(2)?, written.instant(3)?)
    else {
        return Err(bad("written must not be null"));
    };
    let text = headers()?;
    let headers = Headers::read(text.as_deref())?;
    if outcome == Outcome::Created && headers.expected()? == Some(Expected::Any) {
        return Err(Expected::Any.unmet());
    }
    let minimal = headers.prefers("return=minimal");

    let mut reply = Reply::about(&version.to_string(), unix_time(updated_at))?;
    if let Some(location) = call.text(1)?
        && outcome != Outcome::Deleted
    {
        let (source, profile) = (call.text(2)?, call.text(3)?);
        let version = version.to_string();
        let names = [
            ("{source}", source.unwrap_or_default()),
            ("{profile}", profile.unwrap_or_default()),
            ("{id}", id),
            ("{version}", &version),
        ];
        reply.header("Location", &fill(location, names))?;
    }
    if minimal {
        reply.header("Preference-Applied", "return=minimal")?;
    }
    let status = match outcome {
        // What is answered again is answered as it was.
        Outcome::Created | Outcome::Replayed => "201",
        Outcome::Deleted => "204",
        _ if minimal => "204",
        _ => "200",
    };
    reply.send(Some(status))?;
    match minimal {
        true => Ok(Answer::Null),
        false => written.answer_jsonb(4),
    }
}

/// Answers a read: the resource, or 304 to who knows this version.
pub fn read(call: &mut Call<'_>) -> Result<Answer> {
    let Some(resource) = call.jsonb(0)? else {
        return Err(bad("resource must not be null"));
    };
    let (version, updated_at) = meta(Value::read(resource)?)?;
    let text = headers()?;
    let known = Headers::read(text.as_deref())?.know(version, updated_at)?;
    Reply::about(version, updated_at)?.send(known.then_some("304"))?;
    match known {
        true => Ok(Answer::Null),
        false => call.answer_jsonb(0),
    }
}

/// The version of a resource, and its instant.
fn meta(resource: Value<'_>) -> Result<(&str, i64)> {
    let Some(meta) = member(resource, b"meta")? else {
        return Err(bad("not a resource"));
    };
    let (Some(Value::String(version)), Some(Value::String(instant))) =
        (member(meta, b"versionId")?, member(meta, b"lastUpdated")?)
    else {
        return Err(bad("not a resource"));
    };
    let version = std::str::from_utf8(version).map_err(|_| Error::Corrupt)?;
    let is_number = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    match ingest_engine::unix_time(instant) {
        Some(seconds) if is_number => Ok((version, seconds)),
        _ => Err(bad("not a resource")),
    }
}

fn member<'a>(object: Value<'a>, key: &[u8]) -> Result<Option<Value<'a>>> {
    match object {
        Value::Object(object) => Ok(object.get(key)?),
        _ => Ok(None),
    }
}

/// A template with its places filled in.
fn fill(template: &str, names: [(&str, &str); 4]) -> String {
    let mut filled = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some(place) = rest.find('{') {
        filled.push_str(&rest[..place]);
        rest = &rest[place..];
        let known = names.iter().find(|(name, _)| rest.starts_with(name));
        let (name, value) = known.copied().unwrap_or(("{", "{"));
        filled.push_str(value);
        rest = &rest[name.len()..];
    }
    filled + rest
}

/// The headers of a response, as PostgREST takes them: `[{"ETag": "..."}, {"Location": "..."}]`.
pub struct Reply(Vec<u8>);

/// The last second that an HTTP date can tell: its years have four digits (RFC 9110, section 5.6.7).
const LAST_SECOND: u64 = 253_402_300_799;

impl Reply {
    /// What says nothing of a version.
    pub fn empty() -> Self {
        Self(Vec::new())
    }

    /// What every response says of a version: its ETag (RFC 9110, section 8.8.3), and its date.
    pub fn about(version: &str, seconds: i64) -> Result<Self> {
        let date = u64::try_from(seconds)
            .ok()
            .filter(|seconds| *seconds <= LAST_SECOND)
            .map(|seconds| fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds)))
            .ok_or_else(|| bad("an HTTP date is from 1970 to 9999"))?;
        let mut reply = Self(Vec::with_capacity(320));
        reply.header("ETag", &format!("W/\"{version}\""))?;
        reply.header("Last-Modified", &date)?;
        Ok(reply)
    }

    /// Adds a header.
    pub fn header(&mut self, name: &str, value: &str) -> Result<()> {
        let json = &mut self.0;
        json.extend(if json.is_empty() { b"[{\"" } else { b",{\"" });
        json.extend(name.as_bytes());
        json.extend(b"\":");
        serde_json::to_writer(&mut *json, value)
            .map_err(|_| Error::Bug("a header could not be written".into()))?;
        json.push(b'}');
        Ok(())
    }

    /// Tells PostgREST, and the status if it is another than its own.
    pub fn send(mut self, status: Option<&str>) -> Result<()> {
        self.0.push(b']');
        let headers = std::str::from_utf8(&self.0).map_err(|_| Error::Corrupt)?;
        set_local(c"response.headers", headers)?;
        match status {
            Some(status) => set_local(c"response.status", status),
            None => Ok(()),
        }
    }
}

fn bad(message: &str) -> Error {
    Error::refuse(State::BadRequest, message)
}
