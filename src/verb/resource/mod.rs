//! The verbs of resources.

mod contained;
pub mod create;
pub mod create_if;
pub mod delete_if;
pub mod patch;
mod restore;
pub mod upsert;
pub mod upsert_if;
pub mod validate;

pub use contained::{delete as contained_delete, put as contained_put};
pub use create::create;
pub use delete_if::delete_if;
pub use restore::restore;
pub use upsert::upsert;
pub use validate::{is_valid, outcome, validate};

use super::row::{Noun, named};
use crate::pg::{Call, Result};
use crate::store::Guarded;
use std::rc::Rc;

/// The profile that the first two arguments name, which must have resources of its own.
pub fn profile_of(call: &Call<'_>) -> Result<Rc<Guarded>> {
    let guarded = named(call, Noun::Resource)?;
    guarded.table()?;
    Ok(guarded)
}
