//! `ingest.version()`: which versions work together here.

use crate::pg::{Answer, Arg, Call, Result, Session};
use crate::store::health::{LIBRARY, extension};

/// The version of the library, and that of the extension's SQL.
pub fn version(call: &mut Call<'_>) -> Result<Answer> {
    let sink = call.materialize()?;
    let extension = Session::open(extension)?;
    sink.push(&[Arg::Text(LIBRARY), Arg::text(extension.as_deref())])?;
    Ok(Answer::Null)
}
