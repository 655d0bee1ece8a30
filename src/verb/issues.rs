//! `ingest.issues(outcome)`

use crate::pg::{Answer, Arg, Call, Error, Result, State, check_for_interrupts};
use jsonb::{Object, Value};

/// The issues of an OperationOutcome, or of an array of issues, as rows in their order.
pub fn issues(call: &mut Call<'_>) -> Result<Answer> {
    let given = call.jsonb(0)?.map(Value::read).transpose()?;
    let sink = call.materialize()?;
    let issues = match given {
        None | Some(Value::Null) => return Ok(Answer::Null),
        Some(Value::Array(issues)) => issues,
        Some(Value::Object(outcome)) => match outcome.get(b"issue")? {
            Some(Value::Array(issues)) => issues,
            _ => return Err(bad()),
        },
        Some(_) => return Err(bad()),
    };
    for issue in issues.iter() {
        check_for_interrupts()?;
        let Value::Object(issue) = issue? else {
            return Err(bad());
        };
        let expression = match issue.get(b"expression")? {
            Some(Value::Array(all)) => all.iter().next().transpose()?,
            other => other,
        };
        sink.push(&[
            Arg::text(text(issue.get(b"severity")?)?),
            Arg::text(text(issue.get(b"code")?)?),
            Arg::text(text(expression)?),
            Arg::text(diagnostics(issue)?),
        ])?;
    }
    Ok(Answer::Null)
}

/// Other servers say it in `details`.
fn diagnostics<'a>(issue: Object<'a>) -> Result<Option<&'a str>> {
    if let Some(said) = text(issue.get(b"diagnostics")?)? {
        return Ok(Some(said));
    }
    match issue.get(b"details")? {
        Some(Value::Object(details)) => text(details.get(b"text")?),
        _ => Ok(None),
    }
}

fn text(value: Option<Value<'_>>) -> Result<Option<&str>> {
    match value {
        Some(Value::String(bytes)) => std::str::from_utf8(bytes)
            .map(Some)
            .map_err(|_| Error::Corrupt),
        None | Some(Value::Null) => Ok(None),
        Some(_) => Err(bad()),
    }
}

fn bad() -> Error {
    Error::refuse(State::BadRequest, "not an OperationOutcome").hint(
        "{\"issue\": [{\"severity\", \"code\", \"expression\": [...], \"diagnostics\"}, ...]}, or the array of its issues.",
    )
}
