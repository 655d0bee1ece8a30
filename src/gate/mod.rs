//! The gate: the triggers on guarded tables, their histories, and the catalog.
//!
//! It knows nothing of the verbs; whoever writes passes it.

mod answer;
pub mod archive;
pub mod catalog;
pub mod column;
mod confirm;
mod envelope;
pub mod guard;
pub mod id;
mod insertion;
mod owed;
mod place;
pub mod seal;
