//! FHIR R4's own definitions: read, reduced, described, expanded; and those that are not what they
//! should be.
//!
//! The package is the one that `scripts/fetch-fhir` brings. Where it is missing, a test says so and
//! does nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod data;
mod describe;
mod expand;
mod hostile;
mod package;
mod profile;
mod rows;
mod trap;
