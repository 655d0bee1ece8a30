//! The verbs of resources.

mod contained;
mod create;
pub mod create_if;
pub mod delete;
pub mod patch;
mod read;
mod search;
pub mod upsert;
pub mod upsert_if;
mod validate;

pub use contained::{delete as contained_delete, put as contained_put};
pub use create::create;

pub use read::{exists, history, read, read_at};
pub use search::search;
pub use upsert::upsert;
pub use validate::{is_valid, validate};

use super::body::{Body, root};
use crate::pg::{Call, Error, Result, State};
use crate::store::resources::Content;
use crate::store::{Guarded, find};
use std::borrow::Cow;
use std::rc::Rc;

/// The profile that the first two arguments name, which must have resources of its own.
pub fn profile_of(call: &Call<'_>) -> Result<Rc<Guarded>> {
    let (source, profile) = (call.need_text(0, "source")?, call.need_text(1, "profile")?);
    let guarded = find(source, profile)?;
    if guarded.is_relationship() {
        return Err(
            Error::refuse(State::BadRequest, format!("{profile} is a relationship"))
                .hint("Its links are written with ingest.relationship_link."),
        );
    }
    guarded.table()?;
    Ok(guarded)
}

/// A body's content, each part as a root container.
struct Parts<'a> {
    data: Cow<'a, [u8]>,
    contained: Option<Cow<'a, [u8]>>,
}

impl<'a> Parts<'a> {
    fn of(body: &Body<'a>) -> Result<Self> {
        Ok(Self {
            data: root(body.data)?,
            contained: body.contained.map(root).transpose()?,
        })
    }

    fn content(&self) -> Content<'_> {
        Content {
            data: Some(&self.data),
            contained: self.contained.as_deref(),
        }
    }
}
