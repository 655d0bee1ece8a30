//! FHIR R4: its invariants, its examples, the official tests of FHIRPath, another implementation.
//!
//! The definitions are those that `scripts/fetch-fhir` brings; examples and lists stand beside the
//! checkout, in `../shared/fhir-r4`, or where `INGEST_SHARED` says. Where something is missing, a
//! test says so and does nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod data;
mod definitions;
mod examples;
mod invariants;
mod official;
mod oracle;
mod walk;
