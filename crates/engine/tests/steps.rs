//! Steps: work ends when its caller says so, wherever it is. In a program of its own, because the
//! steps are the process's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ingest_engine::patch::apply;
use ingest_engine::{Definition, Limits, Report, Resource, Schema, Vocabulary, check};
use jsonb::memory;
use jsonb::steps::{self, Stopped};
use jsonb::{Item, Value, from_text, to_text, write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);
static ASKED: AtomicUsize = AtomicUsize::new(0);

fn probe() -> bool {
    ASKED.fetch_add(1, Ordering::Relaxed);
    STOP.load(Ordering::Relaxed)
}

/// What each piece of work does once it is to stop: it asks, and comes to no result.
#[test]
fn work_of_every_kind_ends_when_it_is_asked_to() {
    steps::ask(probe);
    let items = "{\"a\": [1, 2]},".repeat(20_000);
    let document = from_text(&format!("{{\"list\": [{items} 1]}}")).unwrap();
    let document = Value::read(&document).unwrap();
    let patch = from_text("[{\"op\": \"remove\", \"path\": \"/list/0\"}]").unwrap();
    let patch = Value::read(&patch).unwrap();
    let properties: Vec<String> = (0..5_000)
        .map(|at| format!("\"p{at}\": {{\"type\": \"symbol\"}}"))
        .collect();
    let definition = format!(
        "{{\"type\": \"ROOT\", \"properties\": {{{}}}}}",
        properties.join(", ")
    );
    let definition = from_text(&definition).unwrap();
    let definition = Value::read(&definition).unwrap();
    let simple = from_text(
        "{\"type\": \"ROOT\", \"additionalProperties\": true, \"properties\": {\"t\": {\"type\": \"symbol\", \
          \"rules\": [{\"pattern\": \"[ab]{0,500}c\"}]}}}",
    )
    .unwrap();
    let simple = Definition::read("simple", Value::read(&simple).unwrap()).unwrap();
    let schema = Schema::new();
    schema.insert(&simple.describe(1)).unwrap();
    let profile = schema.profile("simple").unwrap();
    let text = format!("{{\"t\": \"{}c\"}}", "ab".repeat(50_000));
    let text = from_text(&text).unwrap();
    let text = Value::read(&text).unwrap();
    let checked = |data: Value<'_>| {
        let limits = Limits::default();
        let resource = Resource {
            id: "1",
            data,
            contained: None,
        };
        let mut report = Report::new(limits);
        check(&schema, &profile, &resource, limits, &mut report).is_ok()
    };
    let codes: Vec<String> = (0..20_000).map(|at| format!("\"c{at}\"")).collect();
    let codes = from_text(&format!("[{}]", codes.join(", "))).unwrap();
    let codes = Value::read(&codes).unwrap();
    let works: [(&str, &dyn Fn() -> bool); 7] = [
        ("walk", &|| checked(document)),
        ("pattern", &|| checked(text)),
        ("print", &|| to_text(document).is_ok()),
        ("patch", &|| apply(document, patch, 64).is_ok()),
        ("write", &|| {
            write(&Item::Items(vec![Item::Int(1); 20_000])).is_ok()
        }),
        ("definition", &|| Definition::read("p", definition).is_ok()),
        ("vocabulary", &|| Vocabulary::read(codes).is_ok()),
    ];
    for (name, work) in works {
        assert!(work(), "{name}");
        assert_eq!(steps::stopped(), None);
        let before = ASKED.load(Ordering::Relaxed);
        STOP.store(true, Ordering::Relaxed);
        assert!(!work(), "{name}");
        assert!(ASKED.load(Ordering::Relaxed) > before, "{name}");
        // Once it has ended it asks no more: nothing is left to go on with.
        let asked = ASKED.load(Ordering::Relaxed);
        assert!(!work(), "{name}");
        assert_eq!(ASKED.load(Ordering::Relaxed), asked, "{name}");
        STOP.store(false, Ordering::Relaxed);
        assert_eq!(steps::resume(), Some(Stopped::Asked), "{name}");
    }
    // No room is an end, too.
    let mut list: Vec<u8> = Vec::new();
    assert!(memory::reserve(&mut list, usize::MAX / 2).is_err());
    assert!(!checked(document));
    assert_eq!(steps::resume(), Some(Stopped::Memory));
    assert!(checked(document));
}
