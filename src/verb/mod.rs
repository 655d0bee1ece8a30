//! The verbs: what each function means, in the order in which it happens.
//!
//! No SQL and no PostgreSQL here: rows come from `store`, arguments from `pg`. No verb checks what
//! the gate checks.

pub mod adopt;
mod body;
pub mod bundle;
pub mod carried;
pub mod check;
mod clash;
pub mod criteria;
mod definition;
pub mod doctor;
mod elements;
pub mod feed;
pub mod fhir_import;
mod fhir_profiles;
pub mod http;
pub mod issues;
pub mod link;
pub mod load;
mod paged;
mod part;
pub mod profile;
pub mod refuse;
pub mod relationship;
mod render;
pub mod request;
pub mod resource;
pub mod revalidate;
pub mod row;
pub mod search;
pub mod source;
pub mod stat;
#[cfg(feature = "testing")]
pub mod testing;
pub mod version;
pub mod vocabulary;
mod wrong;
