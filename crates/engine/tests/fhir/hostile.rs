//! Definitions that are not what they should be: each is refused with its reason, none is a panic,
//! and none takes long.

use crate::data::{bytes, object, stock};
use crate::rows::{describe_json, refused, thing};
use fastrand::Rng;
use ingest_engine::definition::fhir::{
    Kind, NotDescribed, Reduced, definitions, describe, describe_profile, expand,
};
use ingest_engine::{Issue, Property, Schema};
use jsonb::{Value, from_json};
use serde_json::{Value as Json, json};
use std::borrow::Cow;

fn told(issues: Vec<Issue>) -> String {
    let issues = issues.into_iter();
    let lines = issues.map(|it| format!("{}: {}", it.expression, it.diagnostics));
    lines.collect::<Vec<_>>().join("; ")
}

/// What is given is a resource, resources, or a Bundle of them.
#[test]
fn what_is_given_is_told() {
    let of = |given: Json| {
        let bytes = from_json(&given).unwrap();
        match definitions(Value::read(&bytes).unwrap()) {
            Ok(found) => found.len().to_string(),
            Err(issues) => told(issues),
        }
    };
    let one = json!({"resourceType": "ValueSet"});
    let bundle = json!({"resourceType": "Bundle", "entry": [{"resource": one}, {"resource": one}]});
    for (given, expected) in [
        (one.clone(), "1"),
        (json!([]), "0"),
        (json!([one, one]), "2"),
        (bundle.clone(), "2"),
        (json!({"resourceType": "Bundle"}), "0"),
        (
            json!(null),
            ": expected a resource, an array of resources or a Bundle",
        ),
        (
            json!("x"),
            ": expected a resource, an array of resources or a Bundle",
        ),
        (json!({}), "resourceType: expected the type of a resource"),
        (
            json!({"resourceType": 3}),
            "resourceType: expected the type of a resource",
        ),
        (json!([1, one]), "[0]: expected object"),
        (json!([[one]]), "[0]: expected object"),
        (
            json!([bundle]),
            "[0]: expected a definition: a Bundle stands by itself only",
        ),
        (
            json!({"resourceType": "Bundle", "entry": [{"resource": bundle}]}),
            "entry[0].resource: expected a definition: a Bundle stands by itself only",
        ),
        (
            json!({"resourceType": "Bundle", "entry": {}}),
            "entry: expected array",
        ),
        (
            json!({"resourceType": "Bundle", "entry": [3, {}]}),
            "entry[0]: expected object; entry[1].resource: expected a resource",
        ),
    ] {
        assert_eq!(of(given), expected);
    }
}

/// A definition has a canonical, and texts where texts belong.
#[test]
fn definition_without_a_canonical_is_refused() {
    let of = |definition: Json| match Reduced::read(object(&from_json(&definition).unwrap())) {
        Ok(reduced) => format!("{:?}", reduced.map(|it| (it.url, it.name, it.version))),
        Err(issues) => told(issues),
    };
    for (definition, expected) in [
        (
            json!({"resourceType": "ValueSet", "url": "http://x/y"}),
            r#"Some(("http://x/y", "y", None))"#,
        ),
        (
            json!({"resourceType": "ValueSet", "url": "u", "name": "N", "version": "2"}),
            r#"Some(("u", "N", Some("2")))"#,
        ),
        (json!({"resourceType": "ConceptMap"}), "None"),
        (
            json!({"resourceType": "ValueSet"}),
            "url: expected the canonical of the definition",
        ),
        (
            json!({"resourceType": "ValueSet", "url": ""}),
            "url: expected at least one character; url: expected the canonical of the definition",
        ),
        (
            json!({"resourceType": "ValueSet", "url": 3}),
            "url: expected string; url: expected the canonical of the definition",
        ),
        (
            json!({"resourceType": "ValueSet", "url": "u", "version": []}),
            "version: expected string",
        ),
        (
            json!({"resourceType": "ValueSet", "url": "u".repeat(1_001)}),
            "url: expected at most 1000 bytes; url: expected the canonical of the definition",
        ),
    ] {
        assert_eq!(of(definition), expected);
    }
}

/// Concepts in concepts are followed as deep as any code system goes, and no deeper.
#[test]
fn deep_concepts_are_refused() {
    let tower = |depth: usize| {
        let mut concept = json!({"code": "c"});
        for level in 0..depth {
            concept = json!({"code": format!("c{level}"), "concept": [concept]});
        }
        // The parser of JSON has a limit of its own, which writing bytes has not.
        let system = json!({"resourceType": "CodeSystem", "url": "s", "content": "complete", "concept": [concept]});
        Reduced::read(object(&from_json(&system).unwrap()))
    };
    assert!(tower(90).is_ok());
    assert_eq!(
        told(tower(120).unwrap_err()),
        ": expected at most 100 levels of concepts"
    );
    let reduced = tower(90).unwrap().unwrap();
    let set =
        json!({"resourceType": "ValueSet", "url": "v", "compose": {"include": [{"system": "s"}]}});
    let set = from_json(&set).unwrap();
    let mut find = |kind, _: &str| {
        Some(Cow::Borrowed(match kind {
            Kind::CodeSystem => &*reduced.content,
            _ => &*set,
        }))
    };
    assert!(expand("v", &mut find).is_ok());
}

/// The head of a StructureDefinition says what it is.
#[test]
fn head_is_told() {
    let of = |more: Json| {
        let mut definition = thing(json!([]));
        definition
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        match describe_json(&definition) {
            Ok(described) => format!("{:?}", described.description.kind),
            Err(NotDescribed::Wrong(issues)) => told(issues),
            Err(why) => why.to_string(),
        }
    };
    for (more, expected) in [
        (json!({}), "Type"),
        (json!({"kind": "resource"}), "Root"),
        (json!({"kind": "resource", "abstract": true}), "Type"),
        (
            json!({"kind": "logical"}),
            "a logical model, which no resource is an instance of",
        ),
        (
            json!({"kind": "primitive-type", "type": "code"}),
            "built in",
        ),
        (
            json!({"kind": "primitive-type", "type": "integer64"}),
            "not known: there are no other primitive types than those of R4",
        ),
        (
            json!({"derivation": "constraint"}),
            "a profile, which says more of a type that there is",
        ),
        (
            json!({"snapshot": null}),
            "no snapshot: give the definition with one",
        ),
        (json!({"snapshot": 3}), "snapshot: expected object"),
        (
            json!({"snapshot": {}}),
            "snapshot.element: expected at least one element",
        ),
        (
            json!({"snapshot": {"element": {}}}),
            "snapshot.element: expected array; snapshot.element: expected at least one element",
        ),
        (
            json!({"kind": "thing"}),
            "kind: expected resource, complex-type, primitive-type or logical",
        ),
        (
            json!({"type": "a.b"}),
            "type: expected the name of a type, of letters and digits; \
            snapshot.element[0].path: expected a.b first, and the others in it",
        ),
        (
            json!({"type": "array"}),
            "type: expected the name of a type, of letters and digits; \
            snapshot.element[0].path: expected array first, and the others in it",
        ),
    ] {
        assert_eq!(of(more), expected);
    }
}

/// Elements that make no tree, or no rows.
#[test]
fn elements_that_are_wrong_are_refused() {
    let string = json!([{"code": "string"}]);
    let tower: Vec<Json> = (1..40)
        .map(|depth| json!({"path": format!("Thing{}", ".x".repeat(depth)), "type": [{"code": "Element"}]}))
        .collect();
    for (elements, expected) in [
        (
            json!([{"path": "Other.x", "type": string}]),
            "snapshot.element[1].path: expected an element behind the one that it is in",
        ),
        (
            json!([{"path": "Thing.x.y", "type": string}]),
            "snapshot.element[1].path: expected an element behind the one that it is in",
        ),
        (
            json!([{"path": "Thing", "type": string}]),
            "snapshot.element[1].path: expected Thing first, and the others in it",
        ),
        (
            json!([{"path": "Thing.a[].b", "type": string}]),
            "snapshot.element[1].path: expected an element behind the one that it is in",
        ),
        (
            json!([{"path": "Thing.a[]", "type": string}]),
            "snapshot.element[1].path: expected a name of 1 to 64 letters and digits, perhaps with [x]",
        ),
        (
            json!([{"path": "Thing._a", "type": string}]),
            "snapshot.element[1].path: expected a name of 1 to 64 letters and digits, perhaps with [x]",
        ),
        (
            json!([{"path": "Thing.", "type": string}]),
            "snapshot.element[1].path: expected a name of 1 to 64 letters and digits, perhaps with [x]",
        ),
        (
            json!([{"path": "Thing.[x]", "type": string}]),
            "snapshot.element[1].path: expected a name of 1 to 64 letters and digits, perhaps with [x]",
        ),
        (
            json!([{"path": "", "type": string}]),
            "snapshot.element[1].path: expected at least one character",
        ),
        (
            json!([{"path": "Thing.x", "type": string}, {"path": "Thing.x", "type": string}]),
            "snapshot.element[2].id: expected each element once",
        ),
        (
            json!([{"path": "Thing.x", "id": "Thing.y", "type": string}]),
            "snapshot.element[1].id: expected the path of the element, with names of slices",
        ),
        (
            json!([{"path": "Thing.x", "id": "Thing.x:a", "type": string}, {"path": "Thing.x", "id": "Thing.x:b", "type": string}]),
            "x: expected each element once, the variants of a choice too",
        ),
        (
            json!(tower),
            "snapshot.element[30].path: expected at most 30 levels",
        ),
        (
            json!([{"path": "Thing.x", "max": "many", "type": string}]),
            "snapshot.element[1].max: expected a whole number or *",
        ),
        (
            json!([{"path": "Thing.x", "max": "99999999999999999999", "type": string}]),
            "snapshot.element[1].max: expected a whole number or *",
        ),
        (
            json!([{"path": "Thing.x", "min": 2, "max": "1", "type": string}]),
            "snapshot.element[1].max: expected at least min",
        ),
        (
            json!([{"path": "Thing.x", "min": -1, "type": string}]),
            "snapshot.element[1].min: expected a whole number, at least 0",
        ),
        (
            json!([{"path": "Thing.x", "min": "1", "type": string}]),
            "snapshot.element[1].min: expected integer",
        ),
        (
            json!([{"path": "Thing.x"}]),
            "snapshot.element[1].type: expected a type or a contentReference",
        ),
        (
            json!([{"path": "Thing.x[x]"}]),
            "snapshot.element[1].type: expected at least one type",
        ),
        (
            json!([{"path": "Thing.x", "type": "string"}]),
            "snapshot.element[1].type: expected array",
        ),
        (
            json!([{"path": "Thing.x", "type": [{}]}]),
            "snapshot.element[1].type[0].code: expected the name of a type",
        ),
        (
            json!([{"path": "Thing.x", "type": [{"code": "string"}, {"code": "code"}]}]),
            "snapshot.element[1].type: expected one type, or a name that ends in [x]",
        ),
        (
            json!([{"path": "Thing.x", "type": [{"code": "#item"}]}]),
            "snapshot.element[1].type: expected the name of a type of FHIR",
        ),
        (
            json!([{"path": "Thing.x", "type": [{"code": "array"}]}]),
            "snapshot.element[1].type: expected the name of a type of FHIR",
        ),
        (
            json!([{"path": "Thing.x", "type": [{"code": "http://hl7.org/fhirpath/System.Date"}]}]),
            "snapshot.element[1].type: expected the name of a type of FHIR",
        ),
        (
            json!([{"path": "Thing.x[x]", "type": [{"code": "string"}, {"code": "string"}]}]),
            "xString: expected each element once, the variants of a choice too",
        ),
        (
            json!([{"path": "Thing.xString", "type": string}, {"path": "Thing.x[x]", "type": string}]),
            "xString: expected each element once, the variants of a choice too",
        ),
        (
            json!([{"path": "Thing.x", "contentReference": "#Thing"}]),
            NO_CONTENT,
        ),
        (
            json!([{"path": "Thing.x", "contentReference": "#Thing.x"}]),
            NO_CONTENT,
        ),
        (
            json!([{"path": "Thing.x", "contentReference": "Thing.y"}]),
            NO_CONTENT,
        ),
        (
            json!([{"path": "Thing.x", "contentReference": "#"}]),
            NO_CONTENT,
        ),
        (
            json!([{"path": "Thing.x", "binding": 3, "type": string}]),
            "snapshot.element[1].binding: expected object",
        ),
        (
            json!([{"path": "Thing.x", "constraint": {}, "type": string}]),
            "snapshot.element[1].constraint: expected array",
        ),
        (
            json!([{"path": "Thing.x", "type": vec![json!({"code": "string"}); 201]}]),
            "snapshot.element[1].type: expected at most 200 types",
        ),
    ] {
        assert_eq!(refused(&thing(elements))[0], expected);
    }
    // Content that is each other's.
    let cycle = json!([
        {"path": "Thing.x", "contentReference": "#Thing.y"},
        {"path": "Thing.y", "contentReference": "#Thing.x"}]);
    assert_eq!(refused(&thing(cycle)).len(), 2);
    let mut resource = thing(json!([{"path": "Thing.resourceType", "type": string}]));
    resource["kind"] = json!("resource");
    assert_eq!(
        refused(&resource),
        ["snapshot.element[1].path: expected another name: every resource has a resourceType"]
    );
}

const NO_CONTENT: &str =
    "snapshot.element[1].contentReference: expected the id of an element that others are in";

/// What is large is refused before it takes long.
#[test]
fn large_definitions_are_bounded() {
    let string = json!([{"code": "string"}]);
    let flat = |count: usize| {
        let elements = (0..count).map(|it| json!({"path": format!("Thing.x{it}"), "type": string}));
        thing(Json::Array(elements.collect()))
    };
    assert!(describe_json(&flat(2_000)).is_ok());
    assert_eq!(
        refused(&flat(20_001)),
        ["snapshot.element: expected at most 20000 elements"]
    );
    // 400 choices of 200 types are 80,000 rows.
    let types: Vec<Json> = (0..200)
        .map(|it| json!({"code": format!("T{it}")}))
        .collect();
    let choices = (0..400).map(|it| json!({"path": format!("Thing.x{it}[x]"), "type": types}));
    let issues = refused(&thing(Json::Array(choices.collect())));
    assert_eq!(issues[0], ": expected at most 50000 properties, and 64 MB");
    // A long expression in each variant of many choices.
    let long = "a and ".repeat(3_000) + "a";
    let constraint = json!([{"key": "k", "severity": "error", "human": "h", "expression": long}]);
    let choices = (0..100).map(
        |it| json!({"path": format!("Thing.x{it}[x]"), "type": types, "constraint": constraint}),
    );
    let described = describe_json(&thing(Json::Array(choices.collect())));
    match described {
        Err(NotDescribed::Wrong(issues)) => {
            assert_eq!(
                told(issues),
                ": expected at most 50000 properties, and 64 MB"
            );
        }
        Ok(described) => assert!(!described.unchecked.is_empty()),
        Err(why) => panic!("{why}"),
    }
}

/// Definitions of R4 with parts of them taken out, put elsewhere or replaced: whatever comes out,
/// it ends, and what is described compiles or says why not.
#[test]
fn mutants_of_r4_are_read() {
    let Some(stock) = stock() else { return };
    let mut rng = Rng::with_seed(7);
    let wanted = stock.iter().filter(|it| it.len() < 60_000);
    let texts: Vec<Json> = wanted
        .map(|it| jsonb::to_text(Value::read(it).unwrap()).unwrap())
        .filter(|it| it.contains("\"StructureDefinition\"") || it.contains("\"compose\""))
        .map(|it| serde_json::from_str(&it).unwrap())
        .collect();
    let (mut fine, mut refused) = (0, 0);
    for _ in 0..400 {
        let mut definition = texts[rng.usize(..texts.len())].clone();
        for _ in 0..rng.usize(1..4) {
            mutate(&mut definition, &mut rng);
        }
        let Json::Object(_) = definition else {
            continue;
        };
        let bytes = bytes(&definition.to_string());
        let Ok(Some(reduced)) = Reduced::read(object(&bytes)) else {
            refused += 1;
            continue;
        };
        let value = Value::read(&reduced.content).unwrap();
        let ends = match reduced.kind {
            Kind::StructureDefinition => {
                let described =
                    describe(value, 1).or_else(|_| describe_profile(value, 1, &|_| None));
                described.is_ok()
            }
            Kind::ValueSet => {
                let mut find = |_: Kind, url: &str| {
                    (url == reduced.url).then(|| Cow::Borrowed(&*reduced.content))
                };
                expand(&reduced.url, &mut find).is_ok()
            }
            _ => true,
        };
        match ends {
            true => fine += 1,
            false => refused += 1,
        }
    }
    assert!(fine > 50 && refused > 50, "{fine} {refused}");
}

fn mutate(value: &mut Json, rng: &mut Rng) {
    let deeper = rng.u8(..8) > 0;
    match value {
        Json::Object(members) if deeper && !members.is_empty() => {
            let names: Vec<String> = members.keys().cloned().collect();
            let name = &names[rng.usize(..names.len())];
            match rng.u8(..12) {
                0 => drop(members.remove(name)),
                1 => {
                    let other = members[&names[rng.usize(..names.len())]].clone();
                    members.insert(name.clone(), other);
                }
                _ => mutate(&mut members[name], rng),
            }
        }
        Json::Array(items) if deeper && !items.is_empty() => {
            let index = rng.usize(..items.len());
            match rng.u8(..12) {
                0 => drop(items.remove(index)),
                1 => items.push(items[index].clone()),
                2 => items.rotate_left(1),
                _ => mutate(&mut items[index], rng),
            }
        }
        _ => {
            let others = [
                json!(null),
                json!(1e30),
                json!("x[]"),
                json!({}),
                json!([]),
                json!(["*"]),
                json!(true),
                json!(-1),
                json!(""),
            ];
            *value = others[rng.usize(..others.len())].clone();
        }
    }
}

/// Invariants in rows that are not what the reader of definitions writes.
#[test]
fn invariants_that_are_wrong_are_refused() {
    let of = |invariant: Json| {
        let settings = from_json(&json!({"invariants": [invariant]})).unwrap();
        let mut description = describe_json(&thing(json!([]))).unwrap().description;
        description.properties.push(Property {
            path: "x".to_owned(),
            ordinal: 0,
            kind: "string".to_owned(),
            settings,
        });
        match Schema::new().insert(&description) {
            Ok(()) => "fine".to_owned(),
            Err(issues) => told(issues),
        }
    };
    let with = |name: &str, value: Json| {
        let mut whole = json!({"key": "k", "severity": "error", "human": "h", "expression": "a"});
        whole[name] = value;
        of(whole)
    };
    for (found, expected) in [
        (with("human", json!("")), "fine"),
        (with("severity", json!("warning")), "fine"),
        (
            with("severity", json!("fatal")),
            "x.invariants[0].severity: expected error or warning",
        ),
        (
            with("key", json!(3)),
            "x.invariants[0].key: expected string; x.invariants[0]: expected a key and an expression",
        ),
        (
            with("key", json!("k".repeat(65))),
            "x.invariants[0].key: expected at most 64 bytes",
        ),
        (
            with("human", json!("h".repeat(1_001))),
            "x.invariants[0].human: expected at most 1000 bytes",
        ),
        (
            with("expression", json!("a".repeat(40_000))),
            "x.invariants[0].expression: expected at most 32768 bytes",
        ),
        (
            with("xpath", json!("x")),
            "x.invariants[0].xpath: expected key, severity, human or expression",
        ),
    ] {
        assert_eq!(found, expected);
    }
}

/// A canonical that is nothing but a version is none; one that ends in a slash is a name as it stands.
#[test]
fn canonicals_without_an_end_are_read_again_as_they_are() {
    let read = |url: &str| {
        let text = format!(r#"{{"resourceType": "ValueSet", "url": "{url}"}}"#);
        let bytes = bytes(&text);
        let Value::Object(object) = Value::read(&bytes).unwrap() else {
            unreachable!()
        };
        Reduced::read(object)
    };
    assert!(read("|").is_err() && read("|1").is_err());
    for url in ["http://x/", "/", "x/|1"] {
        let one = read(url).unwrap().unwrap();
        let Value::Object(content) = Value::read(&one.content).unwrap() else {
            unreachable!()
        };
        assert_eq!(Reduced::read(content).unwrap(), Some(one), "{url}");
    }
}
