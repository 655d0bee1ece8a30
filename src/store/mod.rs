//! The store: everything that holds SQL text, the statements kept per backend, and the cache of
//! compiled profiles. It knows rows and names; what a verb means is said in `src/verb`.

pub mod acting;
pub mod adopt;
pub mod author;
pub mod batch;
pub mod cache;
pub mod catalog;
pub mod cluster;
pub mod comment;
pub mod constraint;
mod counted;
pub mod criteria;
pub mod ddl;
pub mod definition;
pub mod erase;
pub mod feed;
pub mod health;
pub mod history;
pub mod id;
pub mod import;
pub mod index;
pub mod kept;
pub mod layout;
pub mod links;
pub mod name;
pub mod options;
pub mod outcome;
pub mod parameters;
pub mod ranges;
pub mod reference;
pub mod refusal;
pub mod request;
pub mod row;
pub mod search_index;
pub mod site;
pub mod sort;
pub mod source;
pub mod standing;
pub mod table;
pub mod terminology;
pub mod written;

pub use cache::{Guarded, find, find_for_gate, find_for_trigger, find_if_there, piece_if_here};
pub use name::Name;
pub use options::Options;
pub use outcome::Outcome;
