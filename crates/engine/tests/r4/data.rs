//! The files that tests read.

use serde_json::Value as Json;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All of what is much is taken, and not a sample of it.
pub fn takes_all() -> bool {
    env::var("INGEST_JUDGE").is_ok_and(|it| it == "all")
}

/// The definitions of R4's package; `None`, with a word, where it was not fetched.
pub fn package() -> Option<&'static [Json]> {
    static PACKAGE: OnceLock<Option<Vec<Json>>> = OnceLock::new();
    PACKAGE.get_or_init(fetched).as_deref()
}

fn fetched() -> Option<Vec<Json>> {
    let script = root().join("scripts/fetch-fhir");
    let output = Command::new(script).arg("--cached").output().unwrap();
    let path = String::from_utf8(output.stdout).unwrap();
    if path.trim().is_empty() {
        eprintln!("skipped: no definitions of FHIR here; scripts/fetch-fhir fetches them");
        return None;
    }
    Some(unpack(Path::new(path.trim())))
}

/// The definitions of US Core, which resources can claim to conform to; none where they are missing.
pub fn us_core() -> Vec<Json> {
    shared("us-core-3.1.0.tgz").map_or_else(Vec::new, |package| unpack(&package))
}

fn unpack(package: &Path) -> Vec<Json> {
    let mut tar = Command::new("tar");
    tar.arg("-xzOf").arg(package).arg("--wildcards");
    for kind in [
        "StructureDefinition",
        "ValueSet",
        "CodeSystem",
        "SearchParameter",
    ] {
        tar.arg(format!("package/{kind}-*.json"));
    }
    let output = tar.output().unwrap();
    assert!(output.status.success(), "{}", package.display());
    let all = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Json>();
    all.map(Result::unwrap).collect()
}

/// A file of the shared data; `None`, with a word, where it is missing.
fn shared(name: &str) -> Option<PathBuf> {
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
pub fn lines(name: &str) -> Option<Vec<Json>> {
    let file = shared(name)?;
    let output = Command::new("gzip").arg("-cd").arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", file.display());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    Some(lines.collect())
}

/// The resources of the examples.
pub fn examples() -> Option<&'static [Json]> {
    static EXAMPLES: OnceLock<Option<Vec<Json>>> = OnceLock::new();
    EXAMPLES
        .get_or_init(|| lines("examples.ndjson.gz"))
        .as_deref()
}

/// `Patient/example`
pub fn name(resource: &Json) -> String {
    let part = |key: &str| resource[key].as_str().unwrap_or_default().to_owned();
    format!("{}/{}", part("resourceType"), part("id"))
}
