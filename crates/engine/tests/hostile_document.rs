//! Documents that were made to hurt: endless nesting, endless arrays, endless mistakes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ingest_engine::limits::DEEPEST;
use ingest_engine::{
    Definition, Description, Format, Issue, Kind, Limits, Need, Property, Report, Resource, Schema,
    Stop, check,
};
use jsonb::{Item, Value, from_text, write};
use std::rc::Rc;
use std::thread;

/// So many levels as no stack could follow.
const LEVELS: usize = 500_000;

/// `[[[…]]]`: a container that holds a container, by the form of `jsonb.h`.
fn brackets(levels: usize) -> Vec<u8> {
    const ARRAY: u32 = 0x4000_0000;
    const CONTAINER: u32 = 0x5000_0000;
    let mut bytes = Vec::with_capacity(levels * 8);
    for level in 1..levels {
        let inner = (levels - level) * 8 - 4;
        bytes.extend((ARRAY | 1).to_ne_bytes());
        bytes.extend((CONTAINER | u32::try_from(inner).unwrap()).to_ne_bytes());
    }
    bytes.extend(ARRAY.to_ne_bytes());
    bytes
}

fn schema(definition: &str) -> Schema {
    let schema = Schema::new();
    let bytes = from_text(definition).unwrap();
    let definition = Definition::read("thing", Value::read(&bytes).unwrap()).unwrap();
    schema.insert(&definition.describe(1)).unwrap();
    schema
}

fn report(
    schema: &Schema,
    data: Value<'_>,
    contained: Option<Value<'_>>,
    limits: Limits,
) -> Report {
    let profile = schema.profile("thing").unwrap();
    let resource = Resource {
        id: "r1",
        data,
        contained,
    };
    let mut report = Report::new(limits);
    check(schema, &profile, &resource, limits, &mut report).unwrap();
    report
}

fn issues(report: Report) -> Vec<(String, String)> {
    let issues = report.into_issues().into_iter();
    issues
        .map(
            |Issue {
                 code, expression, ..
             }| (code.as_str().to_owned(), expression),
        )
        .collect()
}

/// A document with one member.
fn document(name: &str, value: Value<'_>) -> Vec<u8> {
    write(&Item::Object(&[(name.as_bytes(), Item::Copy(value))])).unwrap()
}

const EVERYWHERE: &str = r#"{"type": "ROOT",
    "properties": {
        "text": {"type": "symbol"},
        "list": {"type": "array"},
        "matrix": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        "open": {"type": "object", "additionalProperties": true},
        "asked": {"type": "symbol", "rules": [{"required": true, "when": {"eq": {"matrix": 1}}}]}}}"#;

#[test]
fn nesting_beyond_the_limit_is_too_deep_wherever_it_stands() {
    // No place of a profile follows half a million brackets, and each says so once.
    let schema = schema(EVERYWHERE);
    let bytes = brackets(LEVELS);
    let deep = Value::read(&bytes).unwrap();
    for (name, codes) in [
        ("text", &["structure", "too-costly"][..]),
        ("list", &["too-costly"]),
        ("matrix", &["structure", "too-costly"]),
        ("unknown", &["structure", "too-costly"]),
    ] {
        let bytes = document(name, deep);
        let report = report(
            &schema,
            Value::read(&bytes).unwrap(),
            None,
            Limits::default(),
        );
        assert!(report.is_too_deep(), "{name}");
        let found: Vec<String> = issues(report).into_iter().map(|(code, _)| code).collect();
        assert_eq!(found, codes, "{name}");
    }
    let inner = document("x", deep);
    let bytes = document("open", Value::read(&inner).unwrap());
    let report = report(
        &schema,
        Value::read(&bytes).unwrap(),
        None,
        Limits::default(),
    );
    assert_eq!(
        issues(report),
        [("too-costly".to_owned(), "thing.open".to_owned())]
    );
}

#[test]
fn nesting_as_root_or_as_contained_is_too_deep() {
    // The two columns themselves are no exception.
    let schema = schema(EVERYWHERE);
    let bytes = brackets(LEVELS);
    let deep = Value::read(&bytes).unwrap();
    assert!(report(&schema, deep, None, Limits::default()).is_too_deep());
    let empty = from_text("{}").unwrap();
    let data = Value::read(&empty).unwrap();
    assert!(report(&schema, data, Some(deep), Limits::default()).is_too_deep());
    let keyed = document("key", deep);
    let keyed = Value::read(&keyed).unwrap();
    assert!(report(&schema, data, Some(keyed), Limits::default()).is_too_deep());
}

#[test]
fn nesting_up_to_the_limit_is_accepted() {
    // The root is the first level: 63 brackets in a member reach 64.
    let schema = schema(EVERYWHERE);
    for (levels, accepted) in [(63, true), (64, false)] {
        let bytes = brackets(levels);
        let bytes = document("list", Value::read(&bytes).unwrap());
        let report = report(
            &schema,
            Value::read(&bytes).unwrap(),
            None,
            Limits::default(),
        );
        assert_eq!(!report.refuses(), accepted, "{levels}");
    }
}

/// A FHIR type that holds itself.
fn recursive() -> Schema {
    let schema = Schema::new();
    let describe = |name: &str, kind, rows: &[(&str, &str)]| Description {
        name: name.to_owned(),
        version: 1,
        kind,
        format: Format::Fhir,
        base: None,
        profiles: Vec::new(),
        additional_properties: false,
        properties: rows
            .iter()
            .map(|(path, kind)| Property {
                path: (*path).to_owned(),
                ordinal: 0,
                kind: (*kind).to_owned(),
                settings: from_text("{}").unwrap(),
            })
            .collect(),
        contained: Vec::new(),
    };
    let thing = describe(
        "thing",
        Kind::Root,
        &[("extension", "array"), ("extension[]", "Nested")],
    );
    let extension = describe(
        "Nested",
        Kind::Type,
        &[
            ("extension", "array"),
            ("extension[]", "Nested"),
            ("url", "uri"),
        ],
    );
    schema.insert(&thing).unwrap();
    schema.insert(&extension).unwrap();
    schema.insert_absent(Need::Type, "Element");
    schema
}

/// A document of extensions within extensions.
fn extensions(levels: usize) -> Vec<u8> {
    let mut inner = from_text(r#"{"url": "x"}"#).unwrap();
    for level in 0..levels {
        let one = [Item::Copy(Value::read(&inner).unwrap())];
        let mut members = vec![(&b"extension"[..], Item::Array(&one))];
        if level + 1 == levels {
            members.push((b"resourceType", Item::Text("thing")));
        }
        inner = write(&Item::Members(members)).unwrap();
    }
    inner
}

#[test]
fn recursion_of_types_ends_at_the_limit() {
    // Each extension is two levels, so that 32 of them are one level too many.
    let schema = recursive();
    for (levels, accepted) in [(31, true), (32, false)] {
        let bytes = extensions(levels);
        let report = report(
            &schema,
            Value::read(&bytes).unwrap(),
            None,
            Limits::default(),
        );
        assert_eq!(!report.refuses(), accepted, "{levels}");
        assert_eq!(report.is_too_deep(), !accepted);
    }
}

#[test]
fn recursion_at_the_deepest_limit_fits_a_small_stack() {
    // Whatever is set, the limit is one that two megabytes of stack can follow, with room to spare.
    let small = thread::Builder::new().stack_size(2 << 20);
    let walk = || {
        let limits = Limits {
            max_depth: usize::MAX,
            ..Limits::default()
        };
        let schema = recursive();
        let bytes = extensions(DEEPEST);
        let report = report(&schema, Value::read(&bytes).unwrap(), None, limits);
        assert!(report.is_too_deep());
        let bytes = brackets(DEEPEST * 2);
        let bytes = document("other", Value::read(&bytes).unwrap());
        let report = self::report(&schema, Value::read(&bytes).unwrap(), None, limits);
        assert!(report.is_too_deep());
    };
    small.spawn(walk).unwrap().join().unwrap();
}

#[test]
fn mistakes_without_end_are_told_a_hundred_times() {
    // The walk ends when nothing more could be said.
    let schema = schema(EVERYWHERE);
    let wrong: Vec<Item<'_>> = (0..300_000).map(|_| Item::Bool(true)).collect();
    let bytes = write(&Item::Object(&[(b"matrix", Item::Array(&wrong))])).unwrap();
    let report = report(
        &schema,
        Value::read(&bytes).unwrap(),
        None,
        Limits::default(),
    );
    assert!(report.refuses());
    let issues = issues(report);
    assert_eq!(issues.len(), 101);
    assert_eq!(
        issues[99],
        ("structure".to_owned(), "thing.matrix[99]".to_owned())
    );
    assert_eq!(issues[100], ("too-costly".to_owned(), String::new()));
}

#[test]
fn unknown_properties_without_end_are_told_a_hundred_times() {
    // As many names as values make no difference.
    let schema = schema(EVERYWHERE);
    let names: Vec<String> = (0..200_000).map(|number| format!("n{number}")).collect();
    let members = names.iter().map(|name| (name.as_bytes(), Item::Bool(true)));
    let bytes = write(&Item::Members(members.collect())).unwrap();
    let report = report(
        &schema,
        Value::read(&bytes).unwrap(),
        None,
        Limits::default(),
    );
    assert_eq!(issues(report).len(), 101);
}

#[test]
fn one_huge_array_that_conforms_is_accepted() {
    // Half a million elements, and none of them allocated for.
    let schema = schema(
        r#"{"type": "ROOT", "properties": {"list": {"type": "array", "rules": [{"max": 500000}], "items": {"type": "integer"}}}}"#,
    );
    let numbers: Vec<Item<'_>> = (0..500_000).map(Item::Int).collect();
    let bytes = write(&Item::Object(&[(b"list", Item::Array(&numbers))])).unwrap();
    let report = report(
        &schema,
        Value::read(&bytes).unwrap(),
        None,
        Limits::default(),
    );
    assert!(!report.refuses());
}

#[test]
fn contained_items_without_end_have_their_ids_compared_once() {
    // A hundred thousand ids take no quadratic time.
    let schema = schema(r#"{"type": "ROOT", "contained": {"part": {"types": ["thing"]}}}"#);
    let ids: Vec<String> = (0..100_000).map(|number| format!("i{number}")).collect();
    let empty = from_text("{}").unwrap();
    let data = Value::read(&empty).unwrap();
    let items: Vec<Item<'_>> = ids
        .iter()
        .map(|id| Item::Members(vec![(b"id", Item::Text(id)), (b"data", Item::Copy(data))]))
        .collect();
    let bytes = write(&Item::Object(&[(b"part", Item::Array(&items))])).unwrap();
    let contained = Value::read(&bytes).unwrap();
    let profile: Rc<_> = schema.profile("thing").unwrap();
    let resource = Resource {
        id: "r1",
        data,
        contained: Some(contained),
    };
    let limits = Limits::default();
    let mut report = Report::new(limits);
    let checked = check(&schema, &profile, &resource, limits, &mut report).unwrap();
    assert!(!report.refuses() && checked.incomplete);
    let mut new_id = || panic!("every item has an id");
    let complete = ingest_engine::contained::complete;
    let first = complete(&schema, &profile, &resource, None, limits, &mut new_id).unwrap();
    let old = Value::read(&first).unwrap();
    let again = complete(&schema, &profile, &resource, Some(old), limits, &mut new_id).unwrap();
    assert_eq!(first, again);
}

#[test]
fn names_of_resource_types_from_documents_take_bounded_memory() {
    // A document can make up names for ever; the schema forgets them.
    let schema = Schema::new();
    for number in 0..100_000 {
        schema.insert_absent(Need::Profile, &format!("Made{number}"));
    }
    assert!(schema.profile("Made1").is_none());
}

#[test]
fn conditions_of_many_elements_are_asked_once() {
    // Each of a hundred thousand elements asks about all of them, by the root and by the object.
    let schema = schema(
        r#"{"type": "ROOT", "properties": {"list": {"type": "array", "items": {"type": "symbol", "rules": [
            {"max": 3, "when": {"eq": {"list": "none"}}},
            {"max": 3, "when": {"eq": {"[current].list": "none"}}}]}}}}"#,
    );
    let texts: Vec<Item<'_>> = (0..100_000).map(|_| Item::Text("some text")).collect();
    let bytes = write(&Item::Object(&[(b"list", Item::Array(&texts))])).unwrap();
    let report = report(
        &schema,
        Value::read(&bytes).unwrap(),
        None,
        Limits::default(),
    );
    assert!(!report.refuses());
}

#[test]
fn references_without_end_are_too_many() {
    // What the caller would have to look up stays bounded.
    let schema = schema(
        r#"{"type": "ROOT", "properties": {"list": {"type": "array", "items": {"type": "reference", "enforce": true}}}}"#,
    );
    for (count, distinct, too_many) in [
        (10_000, 10_000, false),
        (10_001, 10_001, true),
        (100_000, 10_000, false),
        (100_000, 1, false),
        (100_000, 100_000, true),
    ] {
        let names: Vec<String> = (0..distinct).map(|at| format!("thing/{at}")).collect();
        let references: Vec<Item<'_>> = (0..count)
            .map(|at| Item::Members(vec![(&b"reference"[..], Item::Text(&names[at % distinct]))]))
            .collect();
        let bytes = write(&Item::Object(&[(b"list", Item::Array(&references))])).unwrap();
        let report = report(
            &schema,
            Value::read(&bytes).unwrap(),
            None,
            Limits::default(),
        );
        assert_eq!(report.is_too_costly(), too_many, "{count} of {distinct}");
        assert_eq!(report.into_issues().len(), usize::from(too_many));
    }
}

#[test]
fn damaged_documents_are_malformed_or_judged() {
    // Whatever bytes stand where a document should be, the walk ends with a verdict.
    let schema = schema(
        r#"{"type": "ROOT", "additionalProperties": true,
            "properties": {
                "name": {"type": "array", "rules": [{"min": 1}], "items": {"type": "humanname"}},
                "born": {"type": "date", "rules": [{"required": true, "when": {"eq": {"name.use": "*al"}}}]},
                "size": {"type": "decimal", "rules": [{"min": 0.5, "max": 3}]},
                "home": {"type": "address"},
                "gp": {"type": "reference", "target": ["thing"], "enforce": true}},
            "contained": {"part": {"types": ["thing"]}}}"#,
    );
    let data = r#"{"name": [{"family": "Wilson", "given": ["Sarah", "Elizabeth"], "use": "official"}],
        "born": "2020-02-29", "size": 1.50, "home": {"line": ["a", "b"], "period": {"start": "2020"}},
        "gp": {"reference": "thing/1"}, "more": {"x": [1, null, true, "text"]}}"#;
    let contained = r#"{"part": [{"id": "thing/r1/part/1", "type": "thing", "data": {"size": 2}, "contained": {"part": []}}]}"#;
    let (data, contained) = (from_text(data).unwrap(), from_text(contained).unwrap());
    let profile = schema.profile("thing").unwrap();
    let limits = Limits::default();
    let mut rng = fastrand::Rng::with_seed(7);
    let (mut malformed, mut judged) = (0, 0);
    for round in 0..60_000 {
        let (mut data, mut contained) = (data.clone(), contained.clone());
        let damaged = if round % 3 == 0 {
            &mut contained
        } else {
            &mut data
        };
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(..damaged.len());
            damaged[at] = match rng.u8(..3) {
                0 => rng.u8(..),
                1 => damaged[at] ^ (1 << rng.u8(..8)),
                _ => 0xFF,
            };
        }
        if rng.u8(..8) == 0 {
            damaged.truncate(rng.usize(..damaged.len()));
        }
        let (Ok(data), Ok(contained)) = (Value::read(&data), Value::read(&contained)) else {
            malformed += 1;
            continue;
        };
        let resource = Resource {
            id: "r1",
            data,
            contained: Some(contained),
        };
        let mut report = Report::new(limits);
        let mut number = 0;
        let mut new_id = || {
            number += 1;
            number.to_string()
        };
        match check(&schema, &profile, &resource, limits, &mut report) {
            Ok(checked) if !report.refuses() && checked.incomplete => {
                let complete = ingest_engine::contained::complete;
                drop(complete(
                    &schema,
                    &profile,
                    &resource,
                    None,
                    limits,
                    &mut new_id,
                ));
                judged += 1;
            }
            Ok(_) => judged += 1,
            Err(_) => malformed += 1,
        }
        drop(report.into_issues());
    }
    assert!(malformed > 1_000 && judged > 1_000, "{malformed} {judged}");
}

/// A schema of a FHIR type whose reference has targets, and a check that is told of every name that it
/// asks for that there is no such thing.
fn judged_by_strangers(document: &str) -> Report {
    let schema = Schema::new();
    let describe = |name: &str, kind, rows: &[(&str, &str, &str)]| Description {
        name: name.to_owned(),
        version: 1,
        kind,
        format: Format::Fhir,
        base: None,
        profiles: Vec::new(),
        additional_properties: false,
        properties: rows
            .iter()
            .map(|(path, kind, settings)| Property {
                path: (*path).to_owned(),
                ordinal: 0,
                kind: (*kind).to_owned(),
                settings: from_text(settings).unwrap(),
            })
            .collect(),
        contained: Vec::new(),
    };
    let rows = [
        ("meta", "Meta", "{}"),
        ("to", "array", "{}"),
        ("to[]", "Reference", r#"{"target": ["thing"]}"#),
        ("in", "array", "{}"),
        ("in[]", "Resource", "{}"),
    ];
    schema
        .insert(&describe("Thing", Kind::Root, &rows))
        .unwrap();
    let rows = [("profile", "array", "{}"), ("profile[]", "canonical", "{}")];
    schema.insert(&describe("Meta", Kind::Type, &rows)).unwrap();
    let rows = [("reference", "string", "{}"), ("type", "uri", "{}")];
    schema
        .insert(&describe("Reference", Kind::Type, &rows))
        .unwrap();
    let bytes = from_text(document).unwrap();
    let profile = schema.profile("Thing").unwrap();
    let resource = Resource {
        id: "",
        data: Value::read(&bytes).unwrap(),
        contained: None,
    };
    let limits = Limits::default();
    for _ in 0..100 {
        let mut report = Report::new(limits);
        match check(&schema, &profile, &resource, limits, &mut report) {
            Ok(_) => return report,
            Err(Stop::Needs(needs)) => {
                for needed in needs {
                    schema.insert_absent(needed.need, &needed.name);
                }
            }
            Err(stop) => panic!("{stop}"),
        }
    }
    panic!("it asks for ever");
}

/// However many names a document gives that nothing is known by, it is judged: references to types,
/// claims of profiles, resources in resources.
#[test]
fn documents_full_of_strangers_are_judged() {
    let each = |count: usize, one: &dyn Fn(usize) -> String| -> String {
        let all: Vec<String> = (0..count).map(one).collect();
        all.join(",")
    };
    let references = |count| {
        let all = each(count, &|at| {
            format!(r#"{{"reference": "http://x/R{at}/1"}}"#)
        });
        format!(r#"{{"resourceType": "Thing", "to": [{all}]}}"#)
    };
    assert!(!judged_by_strangers(&references(400)).refuses());
    assert!(judged_by_strangers(&references(3_000)).is_too_costly());
    let claims = each(300, &|at| {
        let urls = each(20, &|url| format!(r#""http://x/{at}/{url}""#));
        format!(r#"{{"resourceType": "Thing", "meta": {{"profile": [{urls}]}}}}"#)
    });
    let claims = format!(r#"{{"resourceType": "Thing", "in": [{claims}]}}"#);
    assert!(judged_by_strangers(&claims).is_too_costly());
    let resources = each(3_000, &|at| format!(r#"{{"resourceType": "R{at}"}}"#));
    let resources = format!(r#"{{"resourceType": "Thing", "in": [{resources}]}}"#);
    assert!(judged_by_strangers(&resources).refuses());
}
