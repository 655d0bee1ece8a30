//! FHIR's search over JSONB: FHIR R4, section 3.1.1.4.
//!
//! * A [`Parameter`] is a SearchParameter for one type of resources: where its values stand
//!   ([`Paths`], a text that depends on no definition), and of which [`Kind`] it is.
//! * A [`Criterion`] is a key and a value of a query, read with it. [`literal`] makes a JSONB of
//!   criteria, [`Compiled`] reads that and [decides](Compiled::matches) about a resource:
//!   everything that decides is here.
//! * [`keys`] and [`ranges`] are what an index holds of a resource, and
//!   [`candidates`](Criterion::candidates) what a criterion looks for in it: never less than what
//!   meets it.
//! * [`Many`] are criteria that are asked of the same resources, without an index.
//! * [`canonical`] is one text for all spellings of the same criteria.
#![forbid(unsafe_code)]

mod candidates;
mod compiled;
mod criterion;
mod escape;
mod kind;
mod leaf;
mod many;
mod normal;
mod paths;
mod plan;
mod value;

pub use candidates::{Candidates, LONGEST_KEY, cut, keys, order, ranges};
pub use compiled::{Compiled, matches};
pub use criterion::{Criterion, FORMS, MOST_VALUES, Mistake, canonical, literal};
pub use escape::escaped;
pub use kind::Kind;
pub use many::Many;
pub use paths::Paths;
pub use plan::{Definition, Parameter, Systems};

/// Of what indexes hold: those that were made by another one are made again.
pub const VERSION: i32 = 1;
