//! Random definitions: every type and every rule that JSON Schema can say.

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// Names by length, so that the order of definition is not the stored one.
const NAMES: [&str; 12] = [
    "a", "b", "id", "name", "note", "city", "value", "period", "address", "contacts", "é", "zz top",
];

const PRIMITIVES: [&str; 14] = [
    "boolean", "integer", "decimal", "symbol", "code", "markdown", "xhtml", "uri", "url", "date",
    "datetime", "instant", "time", "symbol",
];

const COMPLEX: [&str; 11] = [
    "identifier",
    "address",
    "humanname",
    "period",
    "coding",
    "codeableconcept",
    "contactpoint",
    "geopoint",
    "attachment",
    "quantity",
    "reference",
];

/// Patterns, each with texts of which some match. `\b` is missing: it is ASCII's in ECMAScript, and
/// the judge takes it for Unicode's.
pub const PATTERNS: [(&str, &[&str]); 7] = [
    (r"^[A-Z]\d{3}$", &["A123", "Z999", "a123", "A1234"]),
    ("b+", &["abc", "bbb", "ac"]),
    (
        r"^[\w\-\.]+@([\w-]+\.)+[\w-]{2,4}$",
        &["a.b@c.de", "a@b", "é@b.cd"],
    ),
    (r"^(?:red|green|blue)$", &["red", "green", "reddish"]),
    (r"^\S+$", &["x", "x\u{a0}y", "xy"]),
    (r"^.{2,4}$", &["🙂🙂", "ab\ncd", "abcd"]),
    (r"^[^a-f]*$", &["xyz", "xaz"]),
];

/// The vocabulary `language`.
pub fn concepts() -> Value {
    json!(["en", "fr", {"system": "urn:a", "code": "de"}, {"system": "urn:b", "code": "it"}])
}

pub fn random(rng: &mut Rng) -> Value {
    let mut properties = object(rng, 0);
    condition(rng, &mut properties);
    let mut definition = json!({"type": "ROOT", "properties": properties});
    if rng.u8(..8) == 0 {
        definition["additionalProperties"] = json!(true);
    }
    definition
}

fn object(rng: &mut Rng, depth: usize) -> Map<String, Value> {
    let count = rng.usize(1..=5);
    let names = rng.choose_multiple(NAMES, count);
    let named = names
        .into_iter()
        .map(|name| (name.to_owned(), property(rng, depth)));
    named.collect()
}

fn property(rng: &mut Rng, depth: usize) -> Value {
    let mut property = match rng.u8(..12) {
        0 | 1 if depth < 3 => array(rng, depth),
        2 | 3 if depth < 3 => {
            let mut object = json!({"type": "object", "properties": object(rng, depth + 1)});
            if rng.u8(..6) == 0 {
                object["additionalProperties"] = json!(true);
            }
            object
        }
        4 => complex(rng),
        5 => json!({"type": "code", "binding": {"vocabulary": "language"}}),
        _ => primitive(rng),
    };
    if rng.u8(..4) == 0 {
        add_rule(&mut property, json!({"required": true}));
    }
    property
}

fn array(rng: &mut Rng, depth: usize) -> Value {
    let mut array = json!({"type": "array"});
    if rng.u8(..8) != 0 {
        array["items"] = property(rng, depth + 1);
    }
    match rng.u8(..5) {
        0 => add_rule(&mut array, json!({"min": rng.u8(..3), "max": rng.u8(3..5)})),
        1 => add_rule(
            &mut array,
            json!({"cardinality": *rng.choice(["0:1", "1:1", "1:*"]).unwrap()}),
        ),
        _ => {}
    }
    array
}

fn complex(rng: &mut Rng) -> Value {
    let kind = *rng.choice(&COMPLEX).unwrap();
    let mut property = json!({"type": kind});
    match (kind, rng.u8(..3)) {
        ("coding" | "codeableconcept", 0) => {
            property["binding"] = json!({"vocabulary": "language"})
        }
        ("reference", 0) => property["target"] = json!(["office", "clinic"]),
        ("reference", 1) => {
            property["target"] = json!(["office"]);
            property["enforce"] = json!(true);
        }
        ("contactpoint", 0) => {
            property["properties"] =
                json!({"system": {"rules": [{"required": true, "enum": ["phone", "email"]}]}});
        }
        ("address", 0) => {
            property["properties"] =
                json!({"line": {"rules": [{"max": 2}], "items": {"rules": [{"min": 2}]}}});
        }
        _ => {}
    }
    property
}

fn primitive(rng: &mut Rng) -> Value {
    let kind = *rng.choice(&PRIMITIVES).unwrap();
    let mut property = json!({"type": kind});
    match (kind, rng.u8(..5)) {
        ("integer", 0) => {
            let low = rng.i32(-50..50);
            add_rule(
                &mut property,
                json!({"min": low, "max": low + rng.i32(0..20)}),
            );
        }
        ("integer", 1) => add_rule(&mut property, json!({"enum": [1, 2, 3]})),
        ("decimal", 0) => {
            let digits: Value = serde_json::from_str("0.10000000000000000000001").unwrap();
            add_rule(&mut property, json!({"min": digits, "max": 99.5}));
        }
        ("decimal", 1) => add_rule(&mut property, json!({"enum": [10.5, 12.2, 3]})),
        ("symbol" | "markdown" | "uri", 0) => {
            let low = rng.u8(..4);
            add_rule(
                &mut property,
                json!({"min": low, "max": low + rng.u8(1..6)}),
            );
        }
        ("symbol", 1) => {
            let (pattern, _) = rng.choice(&PATTERNS).unwrap();
            add_rule(&mut property, json!({"pattern": pattern}));
        }
        ("code" | "symbol", 2) => {
            add_rule(
                &mut property,
                json!({"enum": ["male", "female", "non-binary"]}),
            );
        }
        ("date", 0) => add_rule(&mut property, json!({"enum": ["2020", "2020-02-29"]})),
        _ => {}
    }
    property
}

/// Lets one property of the root depend on another.
fn condition(rng: &mut Rng, properties: &mut Map<String, Value>) {
    if properties.len() < 2 || rng.bool() {
        return;
    }
    let names: Vec<String> = properties.keys().cloned().collect();
    let asked = rng.choice(&names).unwrap();
    let target = rng.choice(&names).unwrap();
    let mut path = asked.clone();
    let mut found = &properties[asked];
    // Down through objects and arrays, as far as they go.
    loop {
        found = match found["type"].as_str().unwrap() {
            "array" if found.get("items").is_some() => &found["items"],
            "object" => {
                let inner = found["properties"].as_object().unwrap();
                let (name, inner) = inner.iter().next().unwrap();
                path = format!("{path}.{name}");
                inner
            }
            _ => break,
        };
    }
    let when = match found["type"].as_str().unwrap() {
        _ if rng.u8(..3) == 0 => json!({"eq": {path: "*"}}),
        "boolean" => json!({"eq": {path: rng.bool()}}),
        "integer" => json!({"lt": {path: rng.i32(-20..20)}}),
        "decimal" => json!({"gt": {path: rng.i32(-20..20)}}),
        "symbol" => json!({"eq": {path: *rng.choice(["ABC", "*b*", "*É", "a*", "male"]).unwrap()}}),
        "code" | "uri" => json!({"eq": {path: *rng.choice(["en", "*m*", "a*"]).unwrap()}}),
        _ => json!({"eq": {path: "*"}}),
    };
    let rule = match properties[target]["type"].as_str().unwrap() {
        "symbol" | "code" => json!({"required": true, "max": 3, "when": when}),
        "integer" | "decimal" => json!({"min": 0, "when": when}),
        "array" => json!({"required": true, "min": 1, "when": when}),
        _ => json!({"required": true, "when": when}),
    };
    add_rule(&mut properties[target], rule);
}

fn add_rule(property: &mut Value, rule: Value) {
    if property.get("rules").is_none() {
        property["rules"] = json!([]);
    }
    property["rules"].as_array_mut().unwrap().push(rule);
}
