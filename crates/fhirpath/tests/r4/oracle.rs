//! fhirpath.js, another implementation, on the invariants of R4: it must say the same of every
//! example, and of examples that were changed.
//!
//! It is the package of `tests/npm` that `scripts/setup-tests` brings.

use crate::data::{lines, npm, root};
use crate::definitions::Definitions;
use crate::walk::{Plans, walk};
use fhirpath::{Budget, Form, Types};
use jsonb::testing::Rng;
use jsonb::{Value, from_text};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// How many changed ones are made of each example.
const MUTANTS: usize = 4;

/// Where the two differ: the key, what it is for us and for fhirpath.js, and why.
const EXPLAINED: &[(&str, bool, char, &str)] = &[
    (
        "ras-1",
        true,
        'e',
        "a decimal has no low, which is empty for us",
    ),
    (
        "rng-2",
        false,
        '1',
        "quantities of different units are not in order for us",
    ),
];

/// An invariant holds for us exactly where it is `[true]` for fhirpath.js.
#[test]
fn invariants_are_what_another_implementation_says() {
    let (Some(examples), Some(modules)) = (lines("examples.ndjson.gz"), npm("fhirpath")) else {
        return;
    };
    let Some(definitions) = Definitions::load() else {
        return;
    };
    let mut child = Command::new("node")
        .arg(root().join("tests/npm/fhirpath.cjs"))
        .env("NODE_PATH", modules)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let plans = Plans::new(&definitions);
    let mut rng = Rng::with_seed(4);
    let mut table: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let mut different = BTreeMap::new();
    for example in &examples {
        let example: Json = serde_json::from_str(example).unwrap();
        let mutants = (0..MUTANTS).map(|_| mutant(&example, &mut rng));
        let mutants: Vec<_> = mutants.collect();
        for (resource, kind) in [(&example, "examples")]
            .into_iter()
            .chain(mutants.iter().map(|it| (it, "mutants")))
        {
            let (asked, ours) = ours(&definitions, &plans, resource);
            let line = json!({"resource": resource, "asked": asked});
            writeln!(input, "{line}").unwrap();
            let mut theirs = String::new();
            output.read_line(&mut theirs).unwrap();
            assert_eq!(theirs.trim_end().len(), ours.len());
            for ((asked, (key, ours)), theirs) in asked.iter().zip(ours).zip(theirs.chars()) {
                let row = table.entry(kind).or_default();
                let theirs_hold = theirs == '1';
                row[usize::from(ours) * 2 + usize::from(theirs_hold)] += 1;
                if ours != theirs_hold && !is_explained(&key, ours, theirs) {
                    let how = format!("{} {}: {ours}, not {theirs}", resource["id"], asked[0]);
                    different.entry(key).or_insert(how);
                }
            }
        }
    }
    drop(input);
    assert!(child.wait().unwrap().success());
    eprintln!("          neither  only fhirpath.js  only we  both");
    for (kind, [neither, theirs, ours, both]) in &table {
        eprintln!("{kind:9} {neither:7} {theirs:17} {ours:8} {both:5}");
    }
    assert!(
        table["examples"][3] > 30_000 && table["mutants"][0] > 1_000,
        "{table:?}"
    );
    assert!(different.is_empty(), "{different:#?}");
}

fn is_explained(key: &str, ours: bool, theirs: char) -> bool {
    let is_it = |it: &&(&str, bool, char, &str)| (it.0, it.1, it.2) == (key, ours, theirs);
    EXPLAINED.iter().any(|it| is_it(&it))
}

/// What is asked of a resource, and what we say.
fn ours(
    definitions: &Definitions,
    plans: &Plans,
    resource: &Json,
) -> (Vec<[String; 5]>, Vec<(String, bool)>) {
    let bytes = from_text(&resource.to_string()).unwrap();
    let (mut asked, mut ours) = (Vec::new(), Vec::new());
    let budget = Budget::new(10_000_000);
    walk(definitions, Value::read(&bytes).unwrap(), &mut |site| {
        let form = definitions.model.form(site.element.kind);
        let is_primitive = matches!(form, Form::Primitive(_));
        // A primitive's companion cannot be handed over.
        if is_primitive && (site.node.value().is_none() || site.has_companion) {
            return;
        }
        for (invariant, plan) in plans.of(site.element) {
            // It is in every place, and about what is no FHIR at all.
            if invariant.key == "ele-1" {
                continue;
            }
            let base = match form {
                Form::Resource | Form::AnyResource => "",
                Form::Primitive(_) => &site.element.path,
                _ => &site.element.inside,
            };
            let places = [site.place, site.resource_place, site.root_place, base];
            let [place, nearest, outer, base] = places.map(str::to_owned);
            asked.push([place, nearest, outer, base, invariant.expression.clone()]);
            let holds = plan.holds(&site.environment(definitions), site.node, &budget);
            ours.push((invariant.key.clone(), holds.unwrap()));
        }
    });
    (asked, ours)
}

/// A resource with one to four changes, each of which keeps the types of its elements.
fn mutant(resource: &Json, rng: &mut Rng) -> Json {
    let mut strings = BTreeMap::new();
    collect(resource, &mut strings);
    let mut mutant = resource.clone();
    for _ in 0..rng.usize(1..=4) {
        let mut places = Vec::new();
        objects(&mutant, String::new(), &mut places);
        let object = mutant.pointer_mut(&places[rng.usize(..places.len())]);
        change(object.unwrap().as_object_mut().unwrap(), &strings, rng);
    }
    mutant
}

/// The strings of each name.
fn collect(value: &Json, strings: &mut BTreeMap<String, Vec<String>>) {
    match value {
        Json::Array(items) => items.iter().for_each(|item| collect(item, strings)),
        Json::Object(members) => {
            for (key, value) in members {
                if let Some(text) = value.as_str() {
                    strings
                        .entry(key.clone())
                        .or_default()
                        .push(text.to_owned());
                }
                collect(value, strings);
            }
        }
        _ => {}
    }
}

/// Where there are objects.
fn objects(value: &Json, place: String, places: &mut Vec<String>) {
    match value {
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                objects(item, format!("{place}/{index}"), places);
            }
        }
        Json::Object(members) => {
            for (key, value) in members {
                objects(value, format!("{place}/{key}"), places);
            }
            places.push(place);
        }
        _ => {}
    }
}

/// Takes a member away, or gives it another value.
fn change(object: &mut Map<String, Json>, strings: &BTreeMap<String, Vec<String>>, rng: &mut Rng) {
    let keys: Vec<String> = object
        .keys()
        .filter(|key| *key != "resourceType")
        .cloned()
        .collect();
    if keys.is_empty() {
        return;
    }
    let key = &keys[rng.usize(..keys.len())];
    let value = &mut object[key];
    if rng.u8(..3) == 0 {
        object.remove(key);
        return;
    }
    match value {
        Json::Array(items) if !items.is_empty() => {
            let item = items[rng.usize(..items.len())].clone();
            items.push(item);
        }
        Json::Bool(value) => *value = !*value,
        Json::Number(_) => *value = json!(rng.u8(..3)),
        Json::String(text) => {
            let others = &strings.get(key).map_or(&[][..], |it| it);
            let date = text.as_bytes().get(4) == Some(&b'-') && text.is_ascii();
            match (rng.u8(..3), others) {
                (0, _) if date => text.truncate(4),
                (0, _) => text.insert(0, '#'),
                (_, [_, ..]) => *text = others[rng.usize(..others.len())].clone(),
                _ => {}
            }
        }
        _ => {
            object.remove(key);
        }
    }
}
