//! The suite: what the extension promises, asked of a real server by real clients.
//!
//! One module per noun. Every test opens with one sentence of intent, works in a database of its
//! own, and is named `subject_condition_outcome`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod adopt;
mod api;
mod argument;
mod boundary;
mod bulk;
mod bundle;
mod bundle_order;
mod cancel;
mod cases;
mod catalog;
mod clinic;
mod concurrency;
mod condition;
mod contained;
mod crash;
mod criteria;
mod definition_lock;
mod dropped;
mod dump;
mod errors;
mod escalation;
mod fhir_data;
mod fuzz;
mod gate;
mod grant;
mod hostile;
mod id;
mod if_match;
mod injection;
mod install;
mod invariant;
mod isolation;
mod jsonb;
mod kept;
mod layers;
mod link;
mod load;
mod main_job;
mod many_tables;
mod memory;
mod mixture;
mod own_id;
mod own_names;
mod parallel;
mod patch;
mod postgrest;
mod read_at;
mod readme;
mod repair;
mod role;
mod roles;
mod secure;
mod size;
mod smoke;
mod transaction;
mod upkeep;
mod user_table;
mod validate;
mod values;
mod version;
mod vocabulary;
