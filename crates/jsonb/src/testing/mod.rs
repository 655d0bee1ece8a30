//! For tests: what to feed the engine with, the same for the same seed, and how to try it.

mod json;
mod number;
mod probe;

pub use fastrand::Rng;
pub use json::random_json;
pub use number::random_number;
pub use probe::probe_jsonb;
