//! The pure engine of ingest_ext: profiles and validation. It knows no PostgreSQL.
//!
//! The way of a definition: [`jsonb`] bytes are read into a [`definition::Definition`], which
//! [describes](definition::Definition::describe) itself as plain rows (a
//! [`description::Description`]: what the catalog holds), which a [`schema::Schema`] compiles into
//! a [`profile::Profile`].
//!
//! The way of a document: [`check`] walks a [`resource::Resource`] along a profile and puts what
//! is wrong into an [`issue::Report`]; [`contained::complete`] then fills in contained ids.
//! The engine does no I/O: what it lacks, it names ([`resource::Stop::Needs`]), and is called
//! again. What takes long can be stopped ([`jsonb::steps`]), and what is large asks for room
//! ([`jsonb::memory`]).
#![forbid(unsafe_code)]

mod base;
mod builtin;
pub mod bundle;
mod compile;
mod constraint;
pub mod contained;
pub mod criteria;
pub mod definition;
mod depth;
pub mod description;
mod draft;
pub mod envelope;
pub mod fit;
mod invariant;
pub mod issue;
pub mod json_schema;
mod judge;
mod lexical;
pub mod limits;
mod model;
pub mod patch;
pub mod path;
pub mod profile;
mod ready;
pub mod resource;
pub mod restrict;
mod rule;
pub mod schema;
mod slots;
mod trail;
pub mod vocabulary;
mod walk;

pub use constraint::InVain;
pub use definition::{Definition, End, History, Relationship, Said};
pub use description::{Cardinality, Contained, Description, Format, Kind, Property};
pub use issue::{Code, Issue, Report, Severity, operation_outcome};
pub use json_schema::{Style, json_schema};
pub use lexical::{first_instant, unix_time};
pub use limits::Limits;
pub use profile::Profile;
pub use resource::{Checked, Need, Needed, Reference, Resource, Stop, id_is_valid};
pub use schema::Schema;
pub use vocabulary::Vocabulary;
pub use walk::{check, check_as};
