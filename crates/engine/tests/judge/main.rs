//! The rules against an independent judge: random definitions, each as JSON Schema, and random
//! documents, half of them near misses; the engine and the `jsonschema` crate must agree on every
//! one. What JSON Schema cannot say (see `json_schema`) the generators do not ask.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod definition;
mod document;
mod mutation;

use fastrand::Rng;
use ingest_engine::{
    Definition, Limits, Need, Report, Resource, Schema, Style, Vocabulary, check, json_schema,
};
use jsonb::from_json;
use serde_json::{Value, json};
use std::collections::HashMap;

/// So many by default; more by hand: `JUDGE_DEFINITIONS=50000`.
const DEFINITIONS: u64 = 500;
const DOCUMENTS: u64 = 200;

#[test]
fn random_documents_before_both_judges_get_one_verdict() {
    // Each seed is one definition and its documents; a failure names the seed.
    let (mut accepted, mut refused) = (0, 0);
    let definitions = std::env::var("JUDGE_DEFINITIONS").ok();
    let definitions = definitions.map_or(DEFINITIONS, |number| number.parse().unwrap());
    for seed in 0..definitions {
        let mut rng = Rng::with_seed(seed);
        let definition = definition::random(&mut rng);
        let case = Case::new(definition);
        for number in 0..DOCUMENTS {
            let mut document = document::random(&mut rng, &case.definition);
            if number % 2 == 1 {
                mutation::mutate(&mut rng, &mut document);
            }
            let ours = case.engine(&document);
            let theirs = case.judge.is_valid(&document);
            assert_eq!(
                ours,
                theirs,
                "seed {seed}\ndefinition {}\nschema {}\ndocument {document}\nissues {:?}\nerrors {:?}",
                case.definition,
                case.exported,
                case.issues(&document),
                case.judge
                    .iter_errors(&document)
                    .map(|error| error.to_string())
                    .collect::<Vec<_>>(),
            );
            if ours {
                accepted += 1;
            } else {
                refused += 1;
            }
        }
    }
    // Neither side of the verdict is left untried.
    assert!(accepted > (accepted + refused) / 4, "{accepted} accepted");
    assert!(refused > (accepted + refused) / 4, "{refused} refused");
    assert_eq!(accepted + refused, definitions * DOCUMENTS);
}

struct Case {
    definition: Value,
    exported: Value,
    schema: Schema,
    judge: jsonschema::Validator,
}

impl Case {
    fn new(definition: Value) -> Self {
        let schema = Schema::new();
        for name in ["office", "clinic"] {
            insert(&schema, name, &json!({"type": "ROOT"}));
        }
        let concepts = from_json(&definition::concepts()).unwrap();
        let vocabulary = Vocabulary::read(jsonb::Value::read(&concepts).unwrap()).unwrap();
        schema.insert_vocabulary("language", vocabulary);
        insert(&schema, "thing", &definition);
        let profile = schema.profile("thing").unwrap();
        let exported = json_schema(&schema, &profile, Style::default(), &HashMap::new()).unwrap();
        let judge = jsonschema::draft202012::new(&exported)
            .unwrap_or_else(|error| panic!("{error}\n{exported}"));
        Self {
            definition,
            exported,
            schema,
            judge,
        }
    }

    fn report(&self, document: &Value) -> Report {
        let profile = self.schema.get(Need::Profile, "thing").unwrap();
        let bytes = from_json(document).unwrap();
        let resource = Resource {
            id: "r1",
            data: jsonb::Value::read(&bytes).unwrap(),
            contained: None,
        };
        let mut report = Report::new(Limits::default());
        check(
            &self.schema,
            &profile,
            &resource,
            Limits::default(),
            &mut report,
        )
        .unwrap();
        report
    }

    fn engine(&self, document: &Value) -> bool {
        !self.report(document).refuses()
    }

    fn issues(&self, document: &Value) -> Vec<String> {
        let issues = self.report(document).into_issues();
        issues.iter().map(ToString::to_string).collect()
    }
}

fn insert(schema: &Schema, name: &str, definition: &Value) {
    let bytes = from_json(definition).unwrap();
    let read = Definition::read(name, jsonb::Value::read(&bytes).unwrap());
    let read = read.unwrap_or_else(|issues| panic!("{definition}\n{issues:?}"));
    assert_eq!(schema.judge(&read).unwrap(), [], "{definition}");
    schema.insert(&read.describe(1)).unwrap();
}
