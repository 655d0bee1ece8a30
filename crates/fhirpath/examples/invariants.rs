//! How long an evaluation takes, on a small patient: `cargo run --release --example invariants`.
//! Under `valgrind --tool=callgrind` with a name and a number: only that one, so often.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use fhirpath::testing::clinic;
use fhirpath::{Budget, Context, Environment, Node, Plan, Types};
use jsonb::{Value, from_text};
use std::env::args;
use std::hint::black_box;
use std::time::Instant;

const RESOURCE: &str = r#"{"resourceType": "Patient", "id": "p1", "active": true, "birthDate": "1974-12-25",
    "name": [{"use": "official", "family": "Chalmers", "given": ["Peter", "James"]},
             {"use": "usual", "given": ["Jim"], "period": {"start": "2001-01-06", "end": "2002"}}],
    "multipleBirthInteger": 2, "link": [{"reference": "Patient/2"}],
    "contact": [{"name": {"family": "du Marché"}}]}"#;

const EXPRESSIONS: &[(&str, &str)] = &[
    ("or", "name.exists() or link.exists()"),
    ("xor", "birthDate.exists() xor deceased.exists()"),
    ("equal", "name.use = 'x' or active = true"),
    (
        "count",
        "(name.count() + link.count() + contact.count()) > 0",
    ),
    (
        "choice",
        "value.empty() or value.hasValue().not() or deceased is boolean",
    ),
    ("dates", "name.period.start <= name.period.end"),
    ("in", "name.first().use in ('usual' | 'official' | 'temp')"),
    ("where", "name.where(use = 'usual').given.exists()"),
    ("matches", "id.matches('^[A-Za-z0-9]{1,64}$')"),
    ("distinct", "name.given.isDistinct()"),
    (
        "descendants",
        "descendants().where(reference = '#').empty()",
    ),
];

fn main() {
    let model = clinic();
    let bytes = from_text(RESOURCE).unwrap();
    let patient = model.named("Patient");
    let node = Node::new(Value::read(&bytes).unwrap(), patient.unwrap());
    let environment = Environment {
        types: &model,
        resource: Some(node),
        root: Some(node),
    };
    let only = args().nth(1);
    let count = args()
        .nth(2)
        .and_then(|it| it.parse().ok())
        .unwrap_or(1_000_000);
    for (name, expression) in EXPRESSIONS {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let context = Context {
            types: &model,
            focus: patient,
            resource: patient,
        };
        let plan = Plan::new(expression, &context).unwrap();
        let began = Instant::now();
        for _ in 0..count {
            let holds = plan.holds(&environment, node, &Budget::new(100_000));
            black_box(holds.unwrap());
        }
        let each = began.elapsed().as_nanos() / count;
        println!("{name:12} {each:6} ns  {expression}");
    }
}
