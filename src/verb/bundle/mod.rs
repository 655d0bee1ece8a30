//! `ingest.bundle_apply(source, bundle, request_key)`: many operations, all or nothing.
//!
//! What goes away goes first, then comes what is new, then what changes, and links last, whatever
//! the order in the bundle. Creates and upserts of one profile are written together, by statements
//! over arrays; the others one by one. There is at most one operation for each resource and link, so
//! that the order among them does not matter.
//!
//! A [native] bundle and a Bundle of [fhir] are read in their own ways, and run in the same one.

mod fhir;
mod first;
mod hold;
mod known;
mod native;
mod operation;
mod pass;
mod results;
mod run;

pub use first::name as first_name;

use crate::pg::{Answer, Call, Result, datum_of_jsonb};
use crate::store::Guarded;
use crate::store::row::Stored;
use crate::store::source::check_usage;
use crate::verb::render;
use crate::verb::request::{Turn, turn};
use ingest_engine::bundle::is_bundle;
use jsonb::{Item, Value};

/// Applies a bundle.
pub fn apply(call: &mut Call<'_>) -> Result<Answer> {
    let source = call.need_text(0, "source")?;
    let (bundle, key) = (call.need_jsonb(1, "bundle")?, call.text(2)?);
    let view = View {
        shown: &render::stored,
        whole: false,
    };
    datum_of_jsonb(&answer_of(source, bundle, key, view)?)
}

/// How what an entry reads is answered.
#[derive(Clone, Copy)]
pub struct View<'v> {
    /// How a resource looks: a root container.
    pub shown: &'v dyn Fn(&Guarded, &Stored) -> Result<Vec<u8>>,
    /// Whether an entry that writes is answered with what is stored then.
    pub whole: bool,
}

/// Applies a bundle to a source, once under a key; gives the answer, a root container.
pub fn answer_of(
    source: &str,
    bundle: Value<'_>,
    key: Option<&str>,
    view: View<'_>,
) -> Result<Vec<u8>> {
    check_usage(source)?;
    let said = [Item::Text("bundle_apply")];
    let turn = turn(source, key, &said, bundle)?;
    match (is_bundle(bundle)?, turn) {
        (true, Turn::First(request)) => fhir::apply((source, view), bundle, request),
        (true, Turn::Again(made)) => fhir::again((source, view), bundle, &made),
        (false, Turn::First(request)) => native::apply(source, bundle, request),
        (false, Turn::Again(made)) => native::again(bundle, &made),
    }
}
