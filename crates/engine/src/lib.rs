//! The pure engine of ingest_ext: JSONB, profiles, validation. It knows no PostgreSQL.
//!
//! Start at [`jsonb`] (the reader and the writer of PostgreSQL's on-disk JSON).
#![forbid(unsafe_code)]

pub mod jsonb;
