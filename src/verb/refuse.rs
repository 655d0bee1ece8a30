//! `ingest.refuse(state, message, hint)`: how the functions in SQL refuse.

use crate::pg::{Answer, Call, Error, Result, State};

/// Refuses.
pub fn refuse(call: &mut Call<'_>) -> Result<Answer> {
    let (state, message) = (call.text(0)?, call.text(1)?);
    let (Some(state), Some(message)) = (state.and_then(State::of_refusal), message) else {
        return Err(Error::refuse(
            State::BadRequest,
            "a refusal has an SQLSTATE of the extension and a message",
        )
        .hint("ingest.refuse is for the functions of the extension: use RAISE."));
    };
    let error = Error::refuse(state, message);
    Err(match call.text(2)? {
        Some(hint) => error.hint(hint),
        None => error,
    })
}
