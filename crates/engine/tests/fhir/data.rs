//! The definitions that tests read.

use ingest_engine::definition::fhir::{Kind, Reduced};
use jsonb::{Object, Value, from_json, from_text};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
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

/// The resources of a package.
pub fn unpack(package: &Path) -> Vec<Json> {
    let output = Command::new("tar")
        .arg("-xzOf")
        .arg(package)
        .args([
            "--wildcards",
            "--no-wildcards-match-slash",
            "package/*-*.json",
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", package.display());
    let all = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Json>();
    all.map(Result::unwrap).collect()
}

/// The resources of R4's package; `None`, with a word, where it was not fetched.
pub fn stock() -> Option<Vec<Vec<u8>>> {
    let script = root().join("scripts/fetch-fhir");
    let output = Command::new(script).arg("--cached").output().unwrap();
    let path = String::from_utf8(output.stdout).unwrap();
    if path.trim().is_empty() {
        eprintln!("skipped: no definitions of FHIR here; scripts/fetch-fhir fetches them");
        return None;
    }
    let all = unpack(Path::new(path.trim()));
    Some(all.iter().map(|it| from_json(it).unwrap()).collect())
}

/// Definitions by kind and canonical.
#[derive(Default)]
pub struct Library {
    pub all: HashMap<(Kind, String), Reduced>,
}

impl Library {
    pub fn of(definitions: &[Vec<u8>]) -> Self {
        let mut library = Self::default();
        for bytes in definitions {
            let Some(reduced) = reduce(bytes) else {
                continue;
            };
            let key = (reduced.kind, reduced.url.clone());
            let old = library.all.insert(key, reduced);
            assert!(old.is_none(), "{}", old.unwrap().url);
        }
        library
    }

    /// Those of JSON.
    pub fn of_json(definitions: &[Json]) -> Self {
        let bytes = definitions.iter().map(|it| from_json(it).unwrap());
        Self::of(&bytes.collect::<Vec<_>>())
    }

    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Reduced> {
        self.all.values().filter(move |it| it.kind == kind)
    }

    pub fn find(&self, kind: Kind, url: &str) -> Option<Cow<'_, [u8]>> {
        let reduced = self.all.get(&(kind, url.to_owned()))?;
        Some(Cow::Borrowed(&reduced.content))
    }
}

/// R4's definitions, reduced.
pub fn r4() -> Option<&'static Library> {
    static R4: OnceLock<Option<Library>> = OnceLock::new();
    R4.get_or_init(|| Some(Library::of(&stock()?))).as_ref()
}

pub fn object(bytes: &[u8]) -> Object<'_> {
    match Value::read(bytes).unwrap() {
        Value::Object(object) => object,
        _ => panic!("not an object"),
    }
}

pub fn reduce(bytes: &[u8]) -> Option<Reduced> {
    Reduced::read(object(bytes)).unwrap()
}

/// The bytes of a JSON text.
pub fn bytes(text: &str) -> Vec<u8> {
    from_text(text).unwrap()
}
