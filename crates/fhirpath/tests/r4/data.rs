//! The files that tests read.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The package of definitions; `None`, with a word, where it was not fetched.
pub fn package() -> Option<PathBuf> {
    let script = root().join("scripts/fetch-fhir");
    let output = Command::new(script).arg("--cached").output().unwrap();
    let path = String::from_utf8(output.stdout).unwrap();
    if path.trim().is_empty() {
        eprintln!("skipped: no definitions of FHIR here; scripts/fetch-fhir fetches them");
        return None;
    }
    Some(path.trim().into())
}

/// A file of the shared data; `None`, with a word, where it is missing.
pub fn shared(name: &str) -> Option<PathBuf> {
    let shared = match env::var_os("INGEST_SHARED") {
        Some(shared) => PathBuf::from(shared),
        None => root().join("../shared"),
    };
    let file = shared.join("fhir-r4").join(name);
    if file.exists() {
        return Some(file);
    }
    eprintln!("skipped: no {} here", file.display());
    None
}

/// The lines of a compressed file of the shared data.
pub fn lines(name: &str) -> Option<Vec<String>> {
    let file = shared(name)?;
    let output = Command::new("gzip").arg("-cd").arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", file.display());
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

/// The directory of the packages of npm, if this one is there.
pub fn npm(package: &str) -> Option<PathBuf> {
    let modules =
        env::var_os("INGEST_SCRATCH").map(|it| PathBuf::from(it).join("npm/node_modules"));
    let modules = modules.filter(|it| it.join(package).exists());
    if modules.is_none() {
        eprintln!("skipped: no {package} in INGEST_SCRATCH; scripts/setup-tests installs it");
    }
    modules
}
