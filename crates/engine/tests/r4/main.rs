//! FHIR R4, proved against others: HL7's examples, Synthea's records, the verdicts of HL7's own
//! validator, mutants, and other validators on all of them.
//!
//! The definitions are those that `scripts/fetch-fhir` brings; documents stand beside the checkout,
//! in `../shared/fhir-r4`, or where `INGEST_SHARED` says. Where something is missing, a test says so
//! and does nothing. A test takes a sample of what is much; `INGEST_JUDGE=all` takes all of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod data;
mod definitions;
mod examples;
mod expression;
mod judge;
mod links;
mod mutants;
mod others;
mod place;
mod recorded;
mod search_parameters;
