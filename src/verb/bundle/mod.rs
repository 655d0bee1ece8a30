//! `ingest.bundle_apply(source, bundle, request_key)`: many operations, all or nothing.
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
use crate::verb::request::{Turn, turn};
use ingest_engine::bundle::is_bundle;
use jsonb::Item;

/// Applies a bundle.
pub fn apply(call: &mut Call<'_>) -> Result<Answer> {
    let source = call.need_text(0, "source")?;
    check_usage(source)?;
    let bundle = call.need_jsonb(1, "bundle")?;
    let said = [Item::Text("bundle_apply")];
    let turn = turn(source, call.text(2)?, &said, bundle)?;
    datum_of_jsonb(&match (is_bundle(bundle)?, turn) {
        (true, Turn::First(request)) => fhir::apply(source, bundle, request)?,
        (true, Turn::Again(made)) => fhir::again(source, bundle, &made)?,
        (false, Turn::First(request)) => native::apply(source, bundle, request)?,
        (false, Turn::Again(made)) => native::again(bundle, &made)?,
    })
}
