//! Value sets and their concepts.

use crate::data::{Library, r4, shared};
use ingest_engine::Vocabulary;
use ingest_engine::definition::fhir::{Kind, NotExpanded, expand};
use jsonb::{Value, to_text};
use serde_json::{Value as Json, json};
use std::collections::HashSet;
use std::fs;

fn concepts(library: &Library, url: &str) -> Result<Vec<Json>, NotExpanded> {
    let mut find = |kind, url: &str| library.find(kind, url);
    let bytes = expand(url, &mut find)?;
    let value = Value::read(&bytes).unwrap();
    // What is expanded is what a vocabulary reads.
    let vocabulary = Vocabulary::read(value).unwrap();
    let concepts: Vec<Json> = serde_json::from_str(&to_text(value).unwrap()).unwrap();
    let codes: HashSet<&str> = concepts
        .iter()
        .map(|it| it["code"].as_str().unwrap())
        .collect();
    assert_eq!(vocabulary.len(), codes.len(), "{url}");
    Ok(concepts)
}

/// The value sets of required bindings have as many concepts as the list says, or the reason that
/// it says.
#[test]
fn required_value_sets_are_expanded() {
    let (Some(library), Some(list)) = (r4(), shared("required_bindings.tsv")) else {
        return;
    };
    let list = fs::read_to_string(list).unwrap();
    let (mut expanded, mut total, mut wrong, mut refused) = (0, 0, Vec::new(), Vec::new());
    for line in list.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [url, _, expandable, codes, ..] = *fields else {
            panic!("{line}");
        };
        match concepts(library, url) {
            Ok(found) => {
                expanded += 1;
                total += found.len();
                if expandable != "yes" || codes != found.len().to_string() {
                    wrong.push(format!("{url}: {} for {codes}", found.len()));
                }
            }
            Err(why) => {
                assert_eq!(expandable, "no", "{url}: {why}");
                refused.push(why.to_string());
            }
        }
    }
    refused.sort();
    assert_eq!(wrong, [""; 0]);
    assert_eq!((expanded, total), (220, 2_066));
    let expected = [
        "no CodeSystem http://unitsofmeasure.org",
        "no CodeSystem urn:ietf:bcp:13",
        "no CodeSystem urn:iso:std:iso:4217",
        "no ValueSet http://loinc.org/vs/LL379-9",
    ];
    assert_eq!(refused, expected);
}

/// Of all value sets most are expanded, and the others say why not.
#[test]
fn value_sets_of_r4_are_expanded() {
    let Some(library) = r4() else { return };
    let (mut expanded, mut reasons) = (0, Vec::new());
    for value_set in library.of_kind(Kind::ValueSet) {
        match concepts(library, &value_set.url) {
            Ok(_) => expanded += 1,
            Err(why) => reasons.push(format!("{} {why}", value_set.url)),
        }
    }
    reasons.sort();
    // One fewer than those whose code systems are there and complete: example-filter asks for a
    // property that its code system does not have.
    assert_eq!(expanded, 1_218 - 1, "{reasons:#?}");
}

fn value_set(name: &str, compose: Json) -> Json {
    json!({"resourceType": "ValueSet", "url": format!("v:{name}"), "compose": compose})
}

/// A code system of animals: dog and wolf are canines, cat is a feline; pet is a property.
fn animals() -> Json {
    let pet = |is: bool| json!([{"code": "pet", "valueBoolean": is}]);
    json!({
        "resourceType": "CodeSystem", "url": "s:animal", "content": "complete",
        "property": [{"code": "pet"}, {"code": "status"}],
        "concept": [
            {"code": "canine", "concept": [
                {"code": "dog", "property": pet(true)},
                {"code": "wolf", "property": pet(false)}]},
            {"code": "feline", "concept": [{"code": "cat", "property": pet(true)}]},
            {"code": "unicorn", "property": [{"code": "status", "valueCode": "retired"},
                {"code": "parent", "valueCode": "feline"}]}]
    })
}

fn codes(compose: Json) -> String {
    let library = Library::of_json(&[
        animals(),
        value_set(
            "pets",
            json!({"include": [{"system": "s:animal", "concept": [{"code": "dog"}, {"code": "cat"}, {"code": "fish"}]}]}),
        ),
        value_set("it", compose),
    ]);
    match concepts(&library, "v:it|7") {
        Ok(concepts) => {
            let codes: Vec<&str> = concepts
                .iter()
                .map(|it| it["code"].as_str().unwrap())
                .collect();
            codes.join(" ")
        }
        Err(why) => why.to_string(),
    }
}

/// Every way to compose a value set.
#[test]
fn value_set_is_composed() {
    let of = |part: Json| {
        let mut include = json!({"system": "s:animal"});
        include
            .as_object_mut()
            .unwrap()
            .extend(part.as_object().unwrap().clone());
        codes(json!({"include": [include]}))
    };
    let filter = |property: &str, op: &str, value: &str| {
        of(json!({"filter": [{"property": property, "op": op, "value": value}]}))
    };
    for (found, expected) in [
        (of(json!({})), "canine dog wolf feline cat unicorn"),
        (
            of(json!({"concept": [{"code": "cat"}, {"code": "eel"}]})),
            "cat eel",
        ),
        (filter("concept", "is-a", "canine"), "canine dog wolf"),
        (filter("concept", "is-a", "feline"), "feline cat unicorn"),
        (filter("concept", "descendent-of", "feline"), "cat unicorn"),
        (filter("code", "is-not-a", "feline"), "canine dog wolf"),
        (filter("pet", "=", "true"), "dog cat"),
        (filter("pet", "in", "false,maybe"), "wolf"),
        (
            filter("pet", "not-in", "true"),
            "canine wolf feline unicorn",
        ),
        (filter("pet", "exists", "false"), "canine feline unicorn"),
        (filter("pet", "exists", "true"), "dog wolf cat"),
        (filter("concept", "in", "dog, cat"), "dog cat"),
        (filter("code", "regex", "[a-d]og|c.t"), "dog cat"),
        (filter("code", "regex", "a"), ""),
        (
            of(
                json!({"filter": [{"property": "concept", "op": "is-a", "value": "canine"},
            {"property": "pet", "op": "=", "value": "true"}]}),
            ),
            "dog",
        ),
        (of(json!({"valueSet": ["v:pets|1"]})), "dog cat"),
        (
            codes(json!({"include": [{"valueSet": ["v:pets"]}]})),
            "dog cat fish",
        ),
        (
            codes(json!({"include": [{"valueSet": ["v:pets"]}, {"system": "s:animal"}]})),
            "dog cat fish canine wolf feline unicorn",
        ),
        (
            codes(
                json!({"include": [{"system": "s:animal"}], "exclude": [{"valueSet": ["v:pets"]}]}),
            ),
            "canine wolf feline unicorn",
        ),
        (
            codes(json!({"inactive": false, "include": [{"system": "s:animal"}]})),
            "canine dog wolf feline cat",
        ),
        // And every way in which it is not.
        (
            filter("concept", "is-a", "eel"),
            "a filter of the CodeSystem s:animal: there is no code eel",
        ),
        (
            filter("legs", "=", "4"),
            "a filter of the CodeSystem s:animal: there is no property legs",
        ),
        (
            filter("pet", "generalizes", "x"),
            "a filter of the CodeSystem s:animal: the operation generalizes is not supported",
        ),
        (
            codes(json!({"include": [{"system": "s:plant"}]})),
            "no CodeSystem s:plant",
        ),
        (
            codes(json!({"include": [{"valueSet": ["v:none"]}]})),
            "no ValueSet v:none",
        ),
        (
            codes(json!({"include": [{"valueSet": ["v:it"]}]})),
            "the ValueSet v:it is in itself",
        ),
        (
            codes(json!({"include": [{}]})),
            "v:it: expected a system or a valueSet in include",
        ),
        (
            codes(json!({"include": {}})),
            "v:it: expected include as an array",
        ),
        (codes(json!(3)), "v:it: expected compose as an object"),
    ] {
        assert_eq!(found, expected);
    }
}

/// Where compose needs what is not there, an expansion serves that is whole.
#[test]
fn expansion_serves_where_it_is_whole() {
    let of = |expansion: Json| {
        let library = Library::of_json(&[json!({
            "resourceType": "ValueSet", "url": "v:it",
            "compose": {"include": [{"system": "s:none"}]}, "expansion": expansion})]);
        concepts(&library, "v:it").map_err(|why| why.to_string())
    };
    let contains = json!([
        {"abstract": true, "code": "top", "system": "s:none", "contains": [{"system": "s:none", "code": "a"}]},
        {"contains": [{"system": "s:none", "code": "b"}]}]);
    let both = json!([{"system": "s:none", "code": "a"}, {"system": "s:none", "code": "b"}]);
    assert_eq!(json!(of(json!({"contains": contains})).unwrap()), both);
    assert_eq!(
        json!(of(json!({"total": 4, "contains": contains})).unwrap()),
        both
    );
    let absent = Err("no CodeSystem s:none".to_owned());
    assert_eq!(of(json!({"total": 9, "contains": contains})), absent);
    assert_eq!(of(json!({"contains": []})), absent);
}

/// Value sets of value sets end, however many ways lead to one.
#[test]
fn value_sets_in_each_other_are_bounded() {
    let ladder = |rungs: usize| {
        let mut all = vec![value_set(
            "0",
            json!({"include": [{"system": "s", "concept": [{"code": "a"}]}]}),
        )];
        for rung in 1..rungs {
            let below = format!("v:{}", rung - 1);
            let include = vec![json!({"valueSet": [below, below]}); 50];
            all.push(value_set(&rung.to_string(), json!({"include": include})));
        }
        concepts(&Library::of_json(&all), &format!("v:{}", rungs - 1))
    };
    assert_eq!(ladder(30).unwrap().len(), 1);
    assert_eq!(ladder(31), Err(NotExpanded::TooLarge));
}
