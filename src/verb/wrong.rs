//! What the crate that reads requests finds wrong, as a refusal.

use crate::pg::{Error, State};
use ::rest::Wrong;

impl From<Wrong> for Error {
    fn from(wrong: Wrong) -> Self {
        Self::refuse(State::BadRequest, wrong.message).hint(wrong.hint)
    }
}
