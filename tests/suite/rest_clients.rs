//! Real clients of FHIR at a REST door, as an application uses them; what each is expected to do
//! stands in its script.

use std::path::{Path, PathBuf};
use std::process::Command;

use ingest_tests::server::setting;

use crate::door;

/// Runs the script of a client against a door of its own.
fn serves(program: &Path, script: &str, says: &str) {
    let Some(door) = door::hospital() else { return };
    let output = Command::new(program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
        .arg(door.address())
        .env("NODE_PATH", scratch("npm/node_modules"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {errors}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim_end(),
        says,
        "{errors}"
    );
}

fn scratch(path: &str) -> PathBuf {
    Path::new(&setting("INGEST_SCRATCH")).join(path)
}

fn python() -> PathBuf {
    scratch("clients/bin/python")
}

#[test]
fn fhirpy_is_served() {
    serves(&python(), "clients/client_of_fhirpy.py", "fhirpy is served");
}

#[test]
fn fhirclient_is_served() {
    serves(
        &python(),
        "clients/client_of_fhirclient.py",
        "fhirclient is served",
    );
}

#[test]
fn fhir_resources_parses_every_answer() {
    let says = "fhir.resources parses all answers";
    serves(&python(), "clients/models_of_fhir_resources.py", says);
}

#[test]
fn fhir_kit_client_is_served() {
    serves(
        Path::new("node"),
        "npm/fhir_kit.mjs",
        "fhir-kit-client is served",
    );
}

#[test]
fn medplum_client_is_served() {
    serves(
        Path::new("node"),
        "npm/medplum.cjs",
        "MedplumClient is served",
    );
}
