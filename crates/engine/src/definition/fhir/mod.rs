//! The definitions of FHIR R4: StructureDefinition, ValueSet, CodeSystem and SearchParameter.
//!
//! * [`definitions`] takes them out of what was given: one, an array, a Bundle.
//! * [`Reduced`] is one of them without what nothing uses: what the catalog keeps.
//! * [`describe`] makes catalog rows of a StructureDefinition, out of its snapshot, and says what
//!   it asks for and they do not ([`Unchecked`]). [`describe_profile`] does so for a profile.
//! * [`expand`] gives the concepts of a ValueSet.
//!
//! Nothing here looks anything up: who needs another definition is given a way to get it.

mod choice;
mod constraint;
mod describe;
mod element;
mod elements;
mod expand;
mod given;
mod head;
mod keep;
mod kind;
mod reduced;
mod row;
mod settings;
mod slicing;
mod tree;
mod unchecked;

pub use crate::rule::CORE;
pub use describe::{Described, NotDescribed, describe, describe_profile};
pub use elements::TypeOf;
pub use expand::{MOST_CONCEPTS, NotExpanded, expand};
pub use given::{MOST_DEFINITIONS, definitions};
pub use reduced::{Kind, LARGEST, Reduced};
pub use unchecked::Unchecked;

/// A canonical without its version: `http://…/administrative-gender|4.0.1`.
pub fn without_version(canonical: &str) -> &str {
    canonical.split_once('|').map_or(canonical, |(url, _)| url)
}

/// The last part of a canonical: `Patient` of `http://hl7.org/fhir/StructureDefinition/Patient`.
fn tail(canonical: &str) -> &str {
    let url = without_version(canonical);
    url.rsplit_once('/').map_or(url, |(_, tail)| tail)
}
