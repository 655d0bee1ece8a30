//! Bundles of FHIR: what they say, the links of resources by types, and the resources that are written
//! with others in their places.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ingest_engine::bundle::{
    Action, Bundle, Kind, Link, LinkKind, Places, Target, Wanted, links, narrative_with,
    references_in_patch, write,
};
use ingest_engine::definition::fhir::describe;
use ingest_engine::{Limits, Need, Schema, Stop};
use jsonb::{Malformed, Object, Value, from_json, from_text, to_text};
use serde_json::{Value as Json, json};

fn object(bytes: &[u8]) -> Object<'_> {
    match Value::read(bytes).unwrap() {
        Value::Object(object) => object,
        other => panic!("{other:?}"),
    }
}

fn is_resource(name: &str) -> bool {
    matches!(name, "Thing" | "Bundle")
}

/// A definition: its elements by path and type, an array where the path ends in `[]`.
fn structure(name: &str, elements: &[(&str, &str)]) -> Json {
    let element = |(path, of): &(&str, &str)| {
        let max = if path.ends_with("[]") { "*" } else { "1" };
        let path = format!("{name}.{}", path.trim_end_matches("[]"));
        json!({"id": path, "path": path, "min": 0, "max": max, "type": [{"code": of}]})
    };
    let root = json!({"id": name, "path": name, "min": 0, "max": "*"});
    let elements: Vec<Json> = std::iter::once(root)
        .chain(elements.iter().map(element))
        .collect();
    let (kind, base) = match name {
        name if is_resource(name) => ("resource", "DomainResource"),
        _ => ("complex-type", "Element"),
    };
    json!({"resourceType": "StructureDefinition", "name": name, "kind": kind, "type": name, "abstract": false,
        "url": format!("http://hl7.org/fhir/StructureDefinition/{name}"), "derivation": "specialization",
        "baseDefinition": format!("http://hl7.org/fhir/StructureDefinition/{base}"), "snapshot": {"element": elements}})
}

fn definition(name: &str) -> Option<Json> {
    let elements: &[(&str, &str)] = match name {
        "Thing" => &[
            ("id", "id"),
            ("text", "Narrative"),
            ("contained[]", "Resource"),
            ("extension[]", "Extension"),
            ("of", "Reference"),
            ("all[]", "Reference"),
            ("part[]", "BackboneElement"),
            ("part.of", "Reference"),
            ("part.reference", "string"),
            ("uri", "uri"),
            ("url", "url"),
            ("canonical", "canonical"),
            ("oid", "oid"),
            ("uuid", "uuid"),
            ("string", "string"),
            ("uris[]", "uri"),
        ],
        "Bundle" => &[
            ("identifier", "uri"),
            ("entry[]", "BackboneElement"),
            ("entry.fullUrl", "uri"),
            ("entry.resource", "Resource"),
        ],
        "Reference" => &[
            ("reference", "string"),
            ("type", "uri"),
            ("display", "string"),
            ("extension[]", "Extension"),
        ],
        "Element" => &[("id", "string"), ("extension[]", "Extension")],
        "Narrative" => &[("status", "code"), ("div", "xhtml")],
        "Extension" => &[("url", "uri"), ("valueReference", "Reference")],
        _ => return None,
    };
    Some(structure(name, elements))
}

fn schema() -> Schema {
    let schema = Schema::new();
    load(&schema, Need::Profile, "Thing");
    schema
}

fn load(schema: &Schema, need: Need, name: &str) {
    let Some(definition) =
        definition(name).filter(|_| is_resource(name) == (need == Need::Profile))
    else {
        return schema.insert_absent(need, name);
    };
    let content = from_json(&definition).unwrap();
    let described = describe(Value::read(&content).unwrap(), 1).unwrap();
    schema.insert(&described.description).unwrap();
}

fn found<'v>(schema: &Schema, resource: &'v [u8]) -> Vec<Link<'v>> {
    let profile = schema.profile("Thing").unwrap();
    loop {
        match links(
            schema,
            &profile,
            object(resource),
            Limits::default(),
            Wanted {
                within: &|_| true,
                link: &|_, _| true,
            },
        ) {
            Ok(links) => return links,
            Err(Stop::Needs(needed)) => {
                needed
                    .iter()
                    .for_each(|needed| load(schema, needed.need, &needed.name));
            }
            Err(stop) => panic!("{stop}"),
        }
    }
}

/// References, uris and narratives are links, wherever they stand; canonicals, oids, uuids and texts are
/// none, nor is what merely has the name of a link.
#[test]
fn links_are_found_by_the_types_of_elements() {
    let schema = schema();
    let resource = from_json(&json!({"resourceType": "Thing", "id": "x",
        "of": {"reference": "r1", "type": "u1", "display": "no", "extension": [{"url": "u2", "valueReference": {"reference": "r2"}}]},
        "all": [{"reference": "r3"}, {"display": "no"}],
        "part": [{"of": {"reference": "r4"}, "reference": "no"}],
        "contained": [{"resourceType": "Thing", "id": "c", "of": {"reference": "r5"}}, {"resourceType": "Strange", "of": {"reference": "no"}},
            {"resourceType": "Bundle", "identifier": "u8", "entry": [{"fullUrl": "no", "resource": {"resourceType": "Thing", "of": {"reference": "no"}}}]}],
        "text": {"status": "generated", "div": "n1"},
        "uri": "u3", "url": "u4", "uris": ["u5", "u6"], "_uri": {"extension": [{"url": "u7", "valueReference": {"reference": "r6"}}]},
        "canonical": "no", "oid": "no", "uuid": "no", "string": "no", "unknown": {"reference": "no"}}))
    .unwrap();
    let mut found: Vec<_> = found(&schema, &resource)
        .iter()
        .map(|link| (link.text, link.kind))
        .collect();
    found.sort_unstable_by_key(|(text, _)| *text);
    let (texts, kinds): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    assert_eq!(
        texts,
        [
            "n1", "r1", "r2", "r3", "r4", "r5", "r6", "u1", "u2", "u3", "u4", "u5", "u6", "u7",
            "u8"
        ]
    );
    for (text, kind) in texts.iter().zip(kinds) {
        let expected = match text.as_bytes().first() {
            Some(b'n') => LinkKind::Narrative,
            Some(b'r') => LinkKind::Reference,
            _ => LinkKind::Uri,
        };
        assert_eq!(kind, expected, "{text}");
    }
}

/// What has another shape than its type is passed over.
#[test]
fn values_of_other_shapes_hold_no_links() {
    let schema = schema();
    for resource in [
        r#"{"of": "x", "all": {"reference": "x"}, "part": 7, "text": [], "uri": {"uri": "x"}, "contained": ["x"]}"#,
        r#"{"of": {"reference": {"reference": "x"}}, "contained": [{"resourceType": 7}, {"resourceType": "thing"}, {}]}"#,
        "{}",
    ] {
        let bytes = from_text(resource).unwrap();
        assert!(found(&schema, &bytes).is_empty(), "{resource}");
    }
    let deep = (0..30).fold(r#"{"reference": "x"}"#.to_owned(), |inner, _| {
        format!(r#"{{"extension": [{{"valueReference": {inner}}}]}}"#)
    });
    let bytes = from_text(&format!(r#"{{"of": {deep}}}"#)).unwrap();
    assert!(found(&schema, &bytes).is_empty());
}

/// The texts become others where they stand, and nowhere else; the id is the one that is given.
#[test]
fn resource_is_written_with_other_texts_in_their_places() {
    let schema = schema();
    let given = r#"{"id": "a", "of": {"reference": "x", "display": "x"}, "canonical": "x", "uris": ["x", "y", "x"],
        "text": {"div": "<a href=\"x\">x</a>"}, "number": 1.50, "resourceType": "Thing"}"#;
    let bytes = from_text(given).unwrap();
    let mut places = Places::default();
    for link in found(&schema, &bytes) {
        let becomes = match link.kind {
            LinkKind::Narrative => narrative_with(link.text, |at| {
                Ok::<_, Malformed>((at == "x").then(|| "Thing/1".to_owned()))
            })
            .unwrap(),
            _ => (link.text == "x").then(|| "Thing/1".to_owned()),
        };
        if let Some(becomes) = becomes {
            places.put(link.text, becomes).unwrap();
        }
    }
    let written = write(object(&bytes), Some("b"), &mut places).unwrap();
    let expected = from_text(
        r#"{"id": "b", "of": {"reference": "Thing/1", "display": "x"}, "canonical": "x", "uris": ["Thing/1", "y", "Thing/1"],
        "text": {"div": "<a href=\"Thing/1\">x</a>"}, "number": 1.50, "resourceType": "Thing"}"#,
    )
    .unwrap();
    assert_eq!(
        to_text(Value::read(&written).unwrap()).unwrap(),
        to_text(Value::read(&expected).unwrap()).unwrap()
    );
    let same = write(object(&bytes), Some("a"), &mut Places::default()).unwrap();
    assert_eq!(same, bytes);
    let without = write(object(&bytes), None, &mut Places::default()).unwrap();
    assert!(object(&without).get(b"id").unwrap().is_none());
}

/// An empty text stands where the next begins, and stays.
#[test]
fn empty_text_before_a_link_stays() {
    let schema = schema();
    let given = r#"{"of": {"display": "", "reference": "x"}, "resourceType": "Thing"}"#;
    let bytes = from_text(given).unwrap();
    let mut places = Places::default();
    for link in found(&schema, &bytes) {
        places.put(link.text, "Thing/1".to_owned()).unwrap();
    }
    let written = write(object(&bytes), None, &mut places).unwrap();
    let expected =
        from_text(r#"{"of": {"display": "", "reference": "Thing/1"}, "resourceType": "Thing"}"#);
    assert_eq!(written, expected.unwrap());
}

/// References of a patch stand under their name, or are what a path that ends so becomes.
#[test]
fn references_of_a_patch_are_found_by_name() {
    for (patch, texts) in [
        (
            r#"{"of": {"reference": "a", "display": "b"}, "x": [{"reference": "c"}]}"#,
            &["c", "a"][..],
        ),
        (
            r#"[{"op": "add", "path": "/of/reference", "value": "a"}, {"op": "add", "path": "/x", "value": {"reference": "b"}}, {"op": "add", "path": "/y", "value": "c"}, 1]"#,
            &["a", "b"],
        ),
        (r#"{"reference": {"reference": "a"}}"#, &["a"]),
        ("7", &[]),
    ] {
        let bytes = from_text(patch).unwrap();
        let value = Value::read(&bytes).unwrap();
        let found = references_in_patch(value, 8, &|_| true).unwrap();
        let found: Vec<_> = found.iter().map(|link| link.text).collect();
        assert_eq!(found, texts, "{patch}");
        assert!(
            references_in_patch(value, 0, &|_| false)
                .unwrap()
                .is_empty()
        );
    }
}

/// Each method with its address and its preconditions.
#[test]
fn entries_of_a_bundle_are_read() {
    let thing = json!({"resourceType": "Thing", "id": "x"});
    let entry = |method: &str, url: &str, more: Json| {
        let mut request = json!({"method": method, "url": url});
        request
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"fullUrl": "urn:uuid:x", "resource": thing, "request": request})
    };
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        entry("POST", "Thing", json!({"ifNoneExist": "a=b"})),
        entry("PUT", "/Thing/x", json!({"ifMatch": "W/\"3\""})),
        entry("PUT", "Thing?a=b", json!({"ifNoneMatch": "*"})),
        entry("DELETE", "Thing/x", json!({"_url": {"id": "y"}})),
        entry("GET", "Thing/x/_history/2", json!({"ifNoneMatch": "\"2\""})),
        entry("HEAD", "Thing?a=b", json!({})),
        entry("GET", "Thing", json!({"ifMatch": "W/\"0\""})),
        entry("get", "Thing", json!({}))]});
    let bytes = from_json(&bundle).unwrap();
    let bundle = Bundle::read(Value::read(&bytes).unwrap()).unwrap().unwrap();
    assert_eq!(bundle.kind, Kind::Transaction);
    let mut entries = bundle.entries.iter();
    let mut next = || {
        let entry = entries.next().unwrap().as_ref();
        entry.map(|entry| {
            assert_eq!((entry.full_url, entry.of), (Some("urn:uuid:x"), "Thing"));
            &entry.action
        })
    };
    assert!(matches!(
        next(),
        Ok(Action::Create {
            unless: Some("a=b"),
            ..
        })
    ));
    assert!(matches!(
        next(),
        Ok(Action::Update {
            target: Target::Id("x"),
            expected: Some(3),
            ..
        })
    ));
    assert!(matches!(
        next(),
        Ok(Action::Update {
            target: Target::Search("a=b"),
            expected: Some(0),
            ..
        })
    ));
    assert!(matches!(
        next(),
        Ok(Action::Delete {
            target: Target::Id("x"),
            expected: None
        })
    ));
    assert!(matches!(
        next(),
        Ok(Action::Read { id: "x", version: Some(2), unless, whole: true }) if unless.version == Some(2)
    ));
    assert!(matches!(
        next(),
        Ok(Action::Search {
            query: "a=b",
            whole: false
        })
    ));
    assert_eq!(next().unwrap_err().path, "request.ifMatch");
    assert_eq!(next().unwrap_err().path, "request.method");
    for (entry, path) in [
        (
            json!({"fullUrl": "", "request": {"method": "DELETE", "url": "Thing/x"}}),
            "fullUrl",
        ),
        (
            json!({"request": {"method": "PUT", "url": "Thing/5"}, "resource": {"resourceType": "Thing", "id": 5}}),
            "resource.id",
        ),
        (
            json!({"request": {"method": "PUT", "url": "Thing?a=b"}, "resource": {"resourceType": "Thing", "id": null}}),
            "resource.id",
        ),
    ] {
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": [entry]});
        let bytes = from_json(&bundle).unwrap();
        let bundle = Bundle::read(Value::read(&bytes).unwrap()).unwrap().unwrap();
        let [Err(mistake)] = bundle.entries.as_slice() else {
            panic!("{bundle:?}")
        };
        assert_eq!(mistake.path, path);
    }
}

/// Any value at all is read or refused.
#[test]
fn values_of_any_shape_are_read_or_refused() {
    let random = &mut fastrand::Rng::with_seed(7);
    let keys = [
        "resourceType",
        "type",
        "entry",
        "request",
        "method",
        "url",
        "resource",
        "fullUrl",
        "ifMatch",
        "data",
        "contentType",
    ];
    let texts = [
        "Bundle",
        "batch",
        "transaction",
        "GET",
        "PUT",
        "PATCH",
        "Thing/1",
        "Thing?x=y",
        "Thing",
        "W/\"1\"",
        "Binary",
        "",
    ];
    fn value(random: &mut fastrand::Rng, keys: &[&str], texts: &[&str], depth: u8) -> Json {
        match random.u8(0..if depth == 0 { 4 } else { 8 }) {
            0 => Json::Null,
            1 => json!(random.i32(..)),
            2 | 3 => json!(random.choice(texts).unwrap()),
            4 | 5 => (0..random.usize(0..4))
                .map(|_| value(random, keys, texts, depth - 1))
                .collect(),
            _ => Json::Object(
                (0..random.usize(0..6))
                    .map(|_| {
                        let key = (*random.choice(keys).unwrap()).to_owned();
                        (key, value(random, keys, texts, depth - 1))
                    })
                    .collect(),
            ),
        }
    }
    let mut read = 0;
    for _ in 0..20_000 {
        let mut text = || json!(random.choice(&texts).unwrap());
        let request = json!({"method": text(), "url": text()});
        let any = value(random, &keys, &texts, 4);
        let bundle = match random.u8(0..3) {
            0 => any,
            1 => json!({"resourceType": "Bundle", "type": "batch", "entry": [any]}),
            _ => {
                let entry = json!({"request": request, "resource": any});
                json!({"resourceType": "Bundle", "type": "batch", "entry": [entry]})
            }
        };
        let bytes = from_json(&bundle).unwrap();
        if let Ok(bundle) = Bundle::read(Value::read(&bytes).unwrap()).unwrap() {
            read += bundle.entries.iter().filter(|entry| entry.is_ok()).count();
        }
    }
    assert!(read > 0);
}
