//! For tests: a model that is made by hand, and everything tried on anything.

mod model;
mod probe;

pub use model::Model;
pub use probe::{clinic, probe};
