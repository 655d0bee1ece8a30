//! What only the test suite calls: it proves what happens when this extension has a bug.

use crate::pg::{Answer, Call, Result, Session};

/// Panics, with a value in the panic's payload, while a session is open and memory is held.
#[allow(clippy::panic)]
pub fn panic(call: &mut Call<'_>) -> Result<Answer> {
    let value = call.text(0)?.unwrap_or("nothing").to_owned();
    Session::open(|_| panic!("a bug met the value {value}"))
}
