//! Random documents that mostly keep to their definition.

use super::definition::PATTERNS;
use fastrand::Rng;
use serde_json::{Map, Value, json};

pub fn random(rng: &mut Rng, definition: &Value) -> Value {
    object(rng, definition["properties"].as_object().unwrap())
}

fn object(rng: &mut Rng, properties: &Map<String, Value>) -> Value {
    let mut object = Map::new();
    for (name, property) in properties {
        if is_required(property) || rng.u8(..4) != 0 {
            object.insert(name.clone(), value(rng, property));
        } else if rng.u8(..8) == 0 {
            object.insert(name.clone(), Value::Null);
        }
    }
    Value::Object(object)
}

fn rules(property: &Value) -> impl Iterator<Item = &Value> {
    property["rules"].as_array().into_iter().flatten()
}

fn is_required(property: &Value) -> bool {
    rules(property).any(|rule| {
        rule["required"] == json!(true)
            || rule["cardinality"]
                .as_str()
                .is_some_and(|text| text.starts_with('1'))
    })
}

/// The first rule of a kind.
fn rule<'v>(property: &'v Value, name: &str) -> Option<&'v Value> {
    rules(property).find_map(|rule| rule.get(name))
}

fn value(rng: &mut Rng, property: &Value) -> Value {
    if let Some(values) = rule(property, "enum") {
        return rng.choice(values.as_array().unwrap()).unwrap().clone();
    }
    if let Some(pattern) = rule(property, "pattern") {
        let (_, texts) = PATTERNS.iter().find(|(known, _)| pattern == known).unwrap();
        return json!(texts[0]);
    }
    let kind = property["type"].as_str().unwrap();
    match kind {
        "object" => object(rng, property["properties"].as_object().unwrap()),
        "array" => array(rng, property),
        "boolean" => json!(rng.bool()),
        "integer" => integer(rng, property),
        "decimal" => decimal(rng, property),
        "symbol" | "markdown" | "uri" if rule(property, "max").is_some() => sized(rng, property),
        "code" if property.get("binding").is_some() => pick(rng, &["en", "fr", "de", "it"]),
        _ => match sample(rng, kind) {
            Some(text) => text,
            None => complex(rng, kind, property),
        },
    }
}

fn array(rng: &mut Rng, property: &Value) -> Value {
    let most = match rule(property, "cardinality").and_then(Value::as_str) {
        Some("0:1" | "1:1") => 1,
        _ => rule(property, "max").and_then(Value::as_u64).unwrap_or(4),
    };
    let least = u64::from(is_required(property))
        .max(rule(property, "min").and_then(Value::as_u64).unwrap_or(0));
    let count = rng.u64(least.min(most)..=most);
    let item = |rng: &mut Rng| match property.get("items") {
        Some(items) => value(rng, items),
        None => anything(rng),
    };
    let mut array: Vec<Value> = (0..count).map(|_| item(rng)).collect();
    if rng.u8(..10) == 0 {
        array.push(Value::Null);
    }
    Value::Array(array)
}

fn integer(rng: &mut Rng, property: &Value) -> Value {
    let low = rule(property, "min").and_then(Value::as_i64).unwrap_or(-20);
    let high = rule(property, "max")
        .and_then(Value::as_i64)
        .unwrap_or(low + 100);
    match rng.u8(..20) {
        0 => json!(i64::MAX),
        1 => json!(i64::MIN),
        _ => json!(rng.i64(low.min(high)..=high)),
    }
}

fn decimal(rng: &mut Rng, property: &Value) -> Value {
    if rule(property, "max").is_some() {
        let text = format!("{}.{:09}", rng.u8(1..99), rng.u32(..1_000_000_000));
        return serde_json::from_str(&text).unwrap();
    }
    let texts = [
        "0",
        "-1.50",
        "3.14159265358979323846264338327950288",
        "1e30",
        "12345678901234567890",
        "1e-30",
    ];
    serde_json::from_str(rng.choice(texts).unwrap()).unwrap()
}

fn sized(rng: &mut Rng, property: &Value) -> Value {
    let low = rule(property, "min")
        .and_then(Value::as_u64)
        .unwrap_or(1)
        .max(1);
    let high = rule(property, "max")
        .and_then(Value::as_u64)
        .unwrap_or(low)
        .max(low);
    let count = rng.u64(low..=high);
    let text: String = (0..count)
        .map(|_| *rng.choice(&['a', 'b', 'é', '漢', '🙂']).unwrap())
        .collect();
    json!(text)
}

/// A text of a primitive type.
fn sample(rng: &mut Rng, kind: &str) -> Option<Value> {
    let texts: &[&str] = match kind {
        "symbol" | "markdown" => &["abc", "Bob", "Zoë", "a b\nc", " ", "male", "ABC", "xÉ"],
        "code" => &["active", "en", "entered in error", "male", "a"],
        "xhtml" => &["<div>x</div>", "<div/>", " <div class=\"a\">\n</div>\n"],
        "uri" | "url" => &["http://example.org/a?b=c", "urn:oid:1.2.3", "a", "é"],
        "date" => &[
            "2020",
            "2020-02",
            "2020-02-29",
            "1999-12-31",
            "0001",
            "2000-02-29",
        ],
        "datetime" => &[
            "2020",
            "2020-06",
            "2020-06-30",
            "2020-06-30T23:59:60Z",
            "2020-01-01T00:00:00.123+14:00",
        ],
        "instant" => &["2020-06-30T23:59:60Z", "2020-01-01T00:00:00.123-05:30"],
        "time" => &["00:00:00", "23:59:59.999", "12:30:60"],
        _ => return None,
    };
    Some(pick(rng, texts))
}

fn pick(rng: &mut Rng, texts: &[&str]) -> Value {
    json!(*rng.choice(texts).unwrap())
}

fn complex(rng: &mut Rng, kind: &str, property: &Value) -> Value {
    let coding = |rng: &mut Rng| match rng.u8(..4) {
        0 => json!({"code": "en", "display": "English"}),
        1 => json!({"system": "urn:a", "code": "de"}),
        2 => json!({"system": "urn:b", "code": "de"}),
        _ => json!({"system": "urn:b", "code": "it", "userSelected": true, "id": "x"}),
    };
    match kind {
        "identifier" => {
            json!({"use": "official", "system": "urn:x", "value": "1", "type": {"coding": [coding(rng)]}, "assigner": {"display": "x"}})
        }
        "address" => {
            json!({"use": "home", "line": ["12 Main St", "Floor 2"], "city": "Toronto", "period": {"start": "2020"}})
        }
        "humanname" => {
            json!({"family": "Wilson", "given": ["Sarah", "E"], "prefix": ["Dr."], "use": "usual"})
        }
        // Never both: their order cannot be said in JSON Schema.
        "period" if rng.bool() => json!({"start": "2020-01-01"}),
        "period" => json!({"end": "2021", "id": "x"}),
        "coding" => coding(rng),
        "codeableconcept" => json!({"coding": [coding(rng), coding(rng)], "text": "x"}),
        "contactpoint" => json!({"system": "phone", "value": "+1 555", "rank": rng.u8(1..5)}),
        "geopoint" => json!({"lat": rng.i32(-90..=90), "lng": rng.i32(-180..=180)}),
        "attachment" => {
            json!({"contentType": "text/plain", "data": "aGVsbG8=", "size": 5, "hash": "qvTGHdzF6KLavt4PO0gs2a6pQ00="})
        }
        "quantity" => json!({"value": 1.5, "comparator": "<", "system": "urn:u", "code": "mg"}),
        "reference" if property.get("enforce").is_some() => {
            json!({"reference": "office/1", "type": "office"})
        }
        "reference" => match rng.u8(..4) {
            0 => json!({"reference": "office/1"}),
            1 => json!({"reference": "clinic/a.b-c", "type": "clinic"}),
            2 => json!({"reference": "urn:uuid:1", "display": "x"}),
            _ => json!({"display": "x"}),
        },
        _ => panic!("{kind}"),
    }
}

pub fn anything(rng: &mut Rng) -> Value {
    match rng.u8(..8) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(rng.i8(..)),
        3 => json!("x"),
        4 => json!(""),
        5 => json!([]),
        6 => json!({}),
        _ => json!({"a": [1, "b"]}),
    }
}
