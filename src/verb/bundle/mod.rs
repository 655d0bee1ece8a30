//! `ingest.bundle_apply(source, bundle)`: many operations, all or nothing.
//!
//! What goes away goes first, then comes what is new, then what changes, and links last, whatever
//! the order in the bundle. Creates and upserts of one profile are written together, by statements
//! over arrays; the others one by one. There is at most one operation for each resource and link, so
//! that the order among them does not matter.
//!
//! A [native] bundle and a Bundle of [fhir] are read in their own ways, and run in the same one.

mod fhir;
mod hold;
mod native;
mod operation;
mod results;
mod run;

use crate::pg::{Answer, Call, Result, datum_of_jsonb};
use crate::store::source::check_usage;
use ingest_engine::bundle::is_bundle;
use jsonb::Value;

/// Applies a bundle.
pub fn apply(call: &mut Call<'_>) -> Result<Answer> {
    let source = call.need_text(0, "source")?;
    datum_of_jsonb(&answer_of(source, call.need_jsonb(1, "bundle")?)?)
}

/// Applies a bundle to a source; gives the answer, a root container.
pub fn answer_of(source: &str, bundle: Value<'_>) -> Result<Vec<u8>> {
    check_usage(source)?;
    match is_bundle(bundle)? {
        true => fhir::apply(source, bundle),
        false => native::apply(source, bundle),
    }
}
