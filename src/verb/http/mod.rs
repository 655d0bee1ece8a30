//! HTTP, as PostgREST hands it to SQL: the request's headers are in the setting `request.headers`,
//! the response's status and headers are what `response.status` and `response.headers` say.
//!
//! The functions that `ingest.api_create` makes call these around a verb.

mod reply;
mod request;
pub mod rest;

pub use reply::{read, written};
pub use request::{key, unconditional, version};
