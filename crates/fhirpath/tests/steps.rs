//! Steps: an evaluation ends when its caller says so. In a program of its own, because the steps
//! are the process's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fhirpath::testing::clinic;
use fhirpath::{Budget, Context, Environment, Node, Plan, Stop, Types};
use jsonb::steps::{self, Stopped};
use jsonb::{Malformed, Value, from_text};
use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);

/// What takes long by itself, and what goes through a resource, ends once it is asked to.
#[test]
fn evaluation_ends_when_it_is_asked_to() {
    steps::ask(|| STOP.load(Ordering::Relaxed));
    let names = r#"{"given": ["a", "b"]},"#.repeat(2_000);
    let text = format!(
        r#"{{"resourceType": "Patient", "id": "{}", "name": [{names} {{}}]}}"#,
        "a".repeat(50_000)
    );
    let bytes = from_text(&text).unwrap();
    let model = clinic();
    let patient = model.named("Patient");
    let node = Node::new(Value::read(&bytes).unwrap(), patient.unwrap());
    let environment = Environment {
        types: &model,
        resource: Some(node),
        root: Some(node),
    };
    let context = Context {
        types: &model,
        focus: patient,
        resource: patient,
    };
    for expression in [
        "name.given.count() > 1",
        "descendants().count() > 1",
        "name.given.distinct().exists() and name.given.isDistinct().not()",
        "id.matches('b').not()",
        "id.replaceMatches('b', '') = id",
        "id.contains('b').not()",
    ] {
        let plan = Plan::new(expression, &context).unwrap();
        let budget = Budget::new(10_000_000);
        assert_eq!(
            plan.holds(&environment, node, &budget),
            Ok(true),
            "{expression}"
        );
        STOP.store(true, Ordering::Relaxed);
        let stopped = plan.holds(&environment, node, &budget);
        assert_eq!(stopped, Err(Stop::Malformed(Malformed)), "{expression}");
        STOP.store(false, Ordering::Relaxed);
        assert_eq!(steps::resume(), Some(Stopped::Asked), "{expression}");
    }
}
