//! What a Bundle of FHIR says: R4, "http", transaction and batch.
//!
//! A [`Bundle`] is read into [`Entry`]s, each with an [`Action`]; nothing is looked up. The
//! [`links`] of a resource are its texts that may name another entry, found by the types of its
//! elements; [`FullUrls`] tells which entry each of them means; [`write()`] puts the addresses in their
//! places. <https://hl7.org/fhir/R4/http.html#transaction>

mod address;
mod full_url;
mod links;
mod narrative;
mod patch;
mod query;
mod read;
mod request;
mod write;

pub use full_url::{FullUrls, Meaning, Twins};
pub use links::{Link, LinkKind, Wanted, expression, links};
pub use patch::references_in_patch;
pub use query::renamed;
pub use read::{Bundle, Entry, Kind, is_bundle};
pub use request::{Action, Mistake, Target, Unless};
pub use write::{Places, narrative_with, places_in_patch, write, write_value};
