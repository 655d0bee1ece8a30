//! FHIRPath (N1) over JSONB: a subset that is made for invariants, planned with types, evaluated
//! without a tree, in bounded steps.
//!
//! An expression is [read](parse()) into a [`syntax::Expression`], and [planned](Plan::new) with
//! the [`Types`] that it is about: a wrong path, an unknown type or a function outside of the
//! subset is [`Refused`] there. A [`Plan`] is evaluated on a [`Node`] of a resource as PostgreSQL
//! stores it, and takes [steps](Budget). Paths, comparisons and logic take no memory.
//!
//! * [`errata`]: the invariants of R4 that do not say what they mean, and what they mean.
//! * Not in the subset: arithmetic of decimals and of dates, conversion of units, what looks
//!   outside of the resource (`resolve`, `memberOf`, `conformsTo`) or at the clock (`now`), and
//!   what is not in FHIRPath N1.
#![forbid(unsafe_code)]

mod budget;
pub mod errata;
mod evaluate;
mod glance;
mod item;
mod lex;
mod parse;
mod plan;
mod refusal;
pub mod syntax;
#[cfg(feature = "testing")]
pub mod testing;
mod types;

pub use budget::Budget;
pub use evaluate::Environment;
pub use glance::Glance;
pub use item::{Item, Node, Text};
pub use parse::{DEEPEST, LONGEST, parse};
pub use plan::{Context, Plan};
pub use refusal::{Refused, Stop, Why};
pub use types::{Form, Member, System, Type, Types};
