//! Validates the benchmark documents many times.
//!
//! `cargo run --release --example validate` prints nanoseconds for one document, for merely walking
//! it with the engine's own reader; then, for the data without contained resources, of the engine
//! and of the `jsonschema` crate, which is given the profile's JSON Schema and the parsed document,
//! and how many times as long the crate takes. The four take turns, so that a slow moment hits all.
//!
//! `… validate patient 20000` validates one document so often and prints nothing, for callgrind;
//! `walk`, `data` or `jsonschema` behind it tells what else to do with it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

use ingest_engine::{
    Definition, Limits, Profile, Report, Resource, Schema, Style, check, json_schema,
};
use jsonb::{Value, from_json};
use std::collections::HashMap;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Instant;

const ROUNDS: usize = 45;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let documents = ["provider", "office", "patient", "large"].map(Document::read);
    let Some(name) = arguments.next() else {
        println!(" document   bytes  validate      walk      data  jsonschema  times");
        for document in &documents {
            let bare = Document::read_with(document.name, false);
            let [validate, walk, data, judge] = document.times([
                &|| document.validate(),
                &|| {
                    black_box(document.walk());
                },
                &|| bare.validate(),
                &|| assert!(bare.judge.is_valid(black_box(&bare.json))),
            ]);
            let (name, bytes, times) = (document.name, document.bytes(), judge / data);
            println!(
                "{name:>9} {bytes:>7} {validate:>6.0} ns {walk:>6.0} ns {data:>6.0} ns {judge:>8.0} ns {times:>6.1}"
            );
        }
        return;
    };
    let times = arguments.next().map_or(1, |times| times.parse().unwrap());
    let document = documents
        .iter()
        .find(|document| document.name == name)
        .unwrap();
    let bare = Document::read_with(document.name, false);
    let run: &dyn Fn() = match arguments.next().as_deref() {
        Some("walk") => &|| {
            black_box(document.walk());
        },
        Some("data") => &|| bare.validate(),
        Some("jsonschema") => &|| assert!(bare.judge.is_valid(black_box(&bare.json))),
        _ => &|| document.validate(),
    };
    for _ in 0..times {
        run();
    }
}

struct Document {
    name: &'static str,
    schema: Schema,
    profile: Rc<Profile>,
    id: String,
    data: Vec<u8>,
    contained: Option<Vec<u8>>,
    /// The data as the judge takes it.
    json: serde_json::Value,
    judge: jsonschema::Validator,
}

impl Document {
    /// Reads `benches/documents/<name>.json`; `large` is many patients in one document.
    fn read(name: &'static str) -> Self {
        Self::read_with(name, true)
    }

    /// With contained resources, or without them.
    fn read_with(name: &'static str, contained: bool) -> Self {
        let file = if name == "large" { "patient" } else { name };
        let path = format!(
            "{}/../../benches/documents/{file}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = std::fs::read_to_string(path).unwrap();
        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
        if !contained {
            json.as_object_mut().unwrap().remove("contained");
            for profile in json["profiles"].as_object_mut().unwrap().values_mut() {
                profile.as_object_mut().unwrap().remove("contained");
            }
        }
        if name == "large" {
            let patient = json["profiles"]["patient"]["properties"].take();
            json["profiles"] = serde_json::json!({"large": {"type": "ROOT", "properties": {
                "patients": {"type": "array", "items": {"type": "object", "properties": patient}}}}});
            json["profile"] = "large".into();
            let patients = vec![json["data"].take(); 24];
            json["data"] = serde_json::json!({ "patients": patients });
        }
        let schema = Schema::new();
        for (name, definition) in json["profiles"].as_object().unwrap() {
            let bytes = from_json(definition).unwrap();
            let definition = Definition::read(name, Value::read(&bytes).unwrap()).unwrap();
            schema.insert(&definition.describe(1)).unwrap();
        }
        let profile = schema.profile(json["profile"].as_str().unwrap()).unwrap();
        let exported = json_schema(&schema, &profile, Style::default(), &HashMap::new()).unwrap();
        let document = Self {
            name,
            judge: jsonschema::draft202012::new(&exported).unwrap(),
            json: json["data"].clone(),
            profile,
            schema,
            id: json["id"].as_str().unwrap_or("r1").to_owned(),
            data: from_json(&json["data"]).unwrap(),
            contained: json.get("contained").map(|value| from_json(value).unwrap()),
        };
        document.validate();
        document
    }

    fn bytes(&self) -> usize {
        self.data.len() + self.contained.as_ref().map_or(0, Vec::len)
    }

    fn validate(&self) {
        let resource = Resource {
            id: &self.id,
            data: Value::read(&self.data).unwrap(),
            contained: self
                .contained
                .as_ref()
                .map(|bytes| Value::read(bytes).unwrap()),
        };
        let limits = Limits::default();
        let mut report = Report::new(limits);
        let checked = check(
            &self.schema,
            &self.profile,
            black_box(&resource),
            limits,
            &mut report,
        );
        assert!(
            !checked.unwrap().incomplete && report.is_empty(),
            "{:?}",
            report.into_issues()
        );
    }

    fn walk(&self) -> usize {
        let data = count(Value::read(&self.data).unwrap());
        let contained = self
            .contained
            .iter()
            .map(|bytes| count(Value::read(bytes).unwrap()));
        data + contained.sum::<usize>()
    }

    /// The medians of several rounds of each, in nanoseconds.
    fn times<const N: usize>(&self, runs: [&dyn Fn(); N]) -> [f64; N] {
        let times = 20_000_000 / (self.data.len() * 50);
        let mut rounds = [(); N].map(|()| Vec::with_capacity(ROUNDS));
        for _ in 0..ROUNDS {
            for (run, taken) in runs.iter().zip(&mut rounds) {
                let start = Instant::now();
                for _ in 0..times {
                    run();
                }
                taken.push(start.elapsed().as_nanos() as f64 / times as f64);
            }
        }
        rounds.map(|mut taken| {
            taken.sort_by(f64::total_cmp);
            taken[ROUNDS / 2]
        })
    }
}

/// Visits every value and every key.
fn count(value: Value<'_>) -> usize {
    match value {
        Value::Array(array) => 1 + array.iter().map(|item| count(item.unwrap())).sum::<usize>(),
        Value::Object(object) => {
            let members = object.iter().map(|member| {
                let (key, value) = member.unwrap();
                key.len() + count(value)
            });
            1 + members.sum::<usize>()
        }
        Value::String(text) => text.len(),
        _ => 1,
    }
}
