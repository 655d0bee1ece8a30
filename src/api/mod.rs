//! The verbs and the trigger functions: what each means, in the order in which it happens.
//!
//! No SQL and no PostgreSQL here: rows come from `store`, arguments from `pg`, judgement from the
//! engine. The gate ([`guard`]) knows nothing of the verbs, and no verb checks what the gate checks.

pub mod adopt;
pub mod archive;
mod body;
pub mod bundle;
pub mod criteria;
mod definition;
pub mod gate;
pub mod guard;
pub mod http;
pub mod link;
pub mod load;
pub mod profile;
mod reference;
mod refusal;
pub mod relationship;
mod render;
pub mod resource;
pub mod source;
#[cfg(feature = "testing")]
pub mod testing;
pub mod verify;
pub mod vocabulary;
