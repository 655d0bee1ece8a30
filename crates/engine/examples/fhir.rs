//! Judges FHIR resources by the definitions of a package, and measures it.
//!
//! `cargo run --release --example fhir -- PACKAGE.tgz[,MORE.tgz] FILE.ndjson` prints what is wrong with each
//! resource (a line `{"name", …, "resource"}` is that resource), and at the end how long the checks
//! took, and walking the same documents with the engine's own reader.
//! `… PACKAGE.tgz FILE.ndjson TIMES [N]` checks all of them, or the one of number N, so often and
//! prints only times.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing
)]

use ingest_engine::definition::fhir::{
    Kind, NotDescribed, Reduced, describe, describe_profile, expand,
};
use ingest_engine::resource::{Need, Needed};
use ingest_engine::{Limits, Report, Resource, Schema, Stop, Vocabulary, check};
use jsonb::{Value, from_json, from_text};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

struct Definitions(HashMap<(Kind, String), Reduced>);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let start = Instant::now();
    let definitions = Definitions::read(&arguments[0]);
    let schema = Schema::new();
    eprintln!("{:?} to read the package", start.elapsed());
    let documents: Vec<Vec<u8>> = lines(&arguments[1])
        .lines()
        .map(|line| {
            let json: serde_json::Value = serde_json::from_str(line).unwrap();
            let wrapped = json
                .get("resource")
                .filter(|_| json.get("resourceType").is_none());
            from_json(wrapped.unwrap_or(&json)).unwrap()
        })
        .collect();
    let start = Instant::now();
    let mut refused = 0;
    for (number, document) in documents.iter().enumerate() {
        let issues = definitions.judge(&schema, document).into_issues();
        refused += usize::from(issues.iter().any(|issue| issue.severity.refuses()));
        for issue in issues.iter().filter(|it| it.severity.refuses()) {
            println!("{number} {}: {issue}", name(document));
        }
    }
    eprintln!(
        "{:?} for the first time; {refused} refused",
        start.elapsed()
    );
    let times: u32 = arguments.get(2).map_or(20, |times| times.parse().unwrap());
    let one: Option<usize> = arguments.get(3).map(|one| one.parse().unwrap());
    let documents = match one {
        Some(one) => &documents[one..=one],
        None => &documents[..],
    };
    let (mut checked, mut walked) = (Duration::MAX, Duration::MAX);
    for _ in 0..times {
        let start = Instant::now();
        for document in documents {
            black_box(definitions.judge(&schema, document));
        }
        checked = checked.min(start.elapsed());
        let start = Instant::now();
        for document in documents {
            black_box(walk(Value::read(document).unwrap()));
        }
        walked = walked.min(start.elapsed());
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / documents.len() as f64;
    println!(
        "{:.2} us to check a resource, {:.2} us to walk it, {:.2} times as long",
        each(checked),
        each(walked),
        each(checked) / each(walked)
    );
}

fn walk(value: Value<'_>) -> usize {
    match value {
        Value::Object(object) => object.iter().map(|it| walk(it.unwrap().1)).sum::<usize>() + 1,
        Value::Array(array) => array.iter().map(|it| walk(it.unwrap())).sum::<usize>() + 1,
        _ => 1,
    }
}

fn lines(file: &str) -> String {
    if !file.ends_with(".gz") {
        return fs::read_to_string(file).unwrap();
    }
    let output = Command::new("gzip").args(["-cd", file]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn name(document: &[u8]) -> String {
    let Ok(Value::Object(object)) = Value::read(document) else {
        return String::new();
    };
    let text = |name: &[u8]| match object.get(name) {
        Ok(Some(Value::String(text))) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    };
    format!("{}/{}", text(b"resourceType"), text(b"id"))
}

impl Definitions {
    fn read(packages: &str) -> Self {
        let mut all = Vec::new();
        for package in packages.split(',') {
            let output = Command::new("tar")
                .args(["-xzOf", package, "--wildcards"])
                .args(["--no-wildcards-match-slash", "package/*-*.json"])
                .output()
                .unwrap();
            all.extend(output.stdout);
        }
        let all = serde_json::Deserializer::from_slice(&all).into_iter::<serde_json::Value>();
        let mut definitions = HashMap::new();
        for json in all {
            let bytes = from_text(&json.unwrap().to_string()).unwrap();
            let Value::Object(object) = Value::read(&bytes).unwrap() else {
                continue;
            };
            // The examples of a package are in it too.
            if let Ok(Some(reduced)) = Reduced::read(object) {
                definitions.insert((reduced.kind, reduced.url.clone()), reduced);
            }
        }
        Self(definitions)
    }

    fn judge(&self, schema: &Schema, document: &[u8]) -> Report {
        let data = Value::read(document).unwrap();
        let Value::Object(object) = data else {
            panic!("no object");
        };
        let Some(Value::String(kind)) = object.get(b"resourceType").unwrap() else {
            panic!("no type");
        };
        let kind = std::str::from_utf8(kind).unwrap();
        loop {
            let mut report = Report::new(Limits::default());
            if schema.profile(kind).is_none() {
                self.give(schema, Need::Profile, kind);
            }
            let profile = schema.profile(kind).expect("a resource type");
            let resource = Resource {
                id: "",
                data,
                contained: None,
            };
            match check(schema, &profile, &resource, Limits::default(), &mut report) {
                Ok(_) => return report,
                Err(Stop::Needs(needs)) => {
                    for Needed { need, name } in needs {
                        self.give(schema, need, &name);
                    }
                }
                Err(stop) => panic!("{stop}"),
            }
        }
    }

    fn type_of(&self, url: &str) -> Option<&str> {
        let key = (Kind::StructureDefinition, url.to_owned());
        let Ok(Value::Object(object)) = Value::read(&self.0.get(&key)?.content) else {
            return None;
        };
        match object.get(b"type") {
            Ok(Some(Value::String(name))) => std::str::from_utf8(name).ok(),
            _ => None,
        }
    }

    fn give(&self, schema: &Schema, need: Need, name: &str) {
        if need == Need::Vocabulary {
            let find = &mut |kind: Kind, url: &str| {
                let known = self.0.get(&(kind, url.to_owned()))?;
                Some(Cow::Borrowed(&known.content[..]))
            };
            match expand(name, find) {
                Ok(concepts) => {
                    let concepts = Value::read(&concepts).unwrap();
                    schema.insert_vocabulary(name, Vocabulary::read(concepts).unwrap());
                }
                Err(why) => {
                    eprintln!("{name}: {why}");
                    schema.insert_absent(need, name);
                }
            }
            return;
        }
        let url = match name.contains(':') {
            true => name.to_owned(),
            false => format!("http://hl7.org/fhir/StructureDefinition/{name}"),
        };
        let Some(reduced) = self.0.get(&(Kind::StructureDefinition, url)) else {
            return schema.insert_absent(need, name);
        };
        let content = Value::read(&reduced.content).unwrap();
        let described = match name.contains(':') {
            true => describe_profile(content, 1, &|url| self.type_of(url)),
            false => describe(content, 1),
        };
        match described {
            Ok(described) => {
                if Need::from(described.description.kind) != need {
                    return schema.insert_absent(need, name);
                }
                schema
                    .insert(&described.description)
                    .unwrap_or_else(|issues| panic!("{name}: {issues:?}"));
            }
            Err(NotDescribed::Wrong(issues)) => panic!("{name}: {issues:?}"),
            Err(why) => {
                eprintln!("{name}: {why}");
                schema.insert_absent(need, name);
            }
        }
    }
}
