//! Generated JSON: in, through the reader, and out again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jsonb::testing::{Rng, random_json, random_number};
use jsonb::{Number, Object, Value, from_text, to_text};
use serde_json::Value as Json;

/// `numeric_in` and `numeric_out` by moving a point through a string.
fn plain(text: &str) -> String {
    let (negative, text) = text
        .strip_prefix('-')
        .map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.parse().unwrap();
    let mut digits = format!("{whole}{fraction}");
    let mut point = whole.len() as i64 + exponent;
    if point < 1 {
        digits.insert_str(0, &"0".repeat((1 - point) as usize));
        point = 1;
    }
    let point = point as usize;
    if digits.len() < point {
        digits.push_str(&"0".repeat(point - digits.len()));
    }
    let (whole, fraction) = digits.split_at(point);
    let whole = whole.trim_start_matches('0');
    let zero = digits.bytes().all(|digit| digit == b'0');
    format!(
        "{}{}{}{fraction}",
        if negative && !zero { "-" } else { "" },
        if whole.is_empty() { "0" } else { whole },
        if fraction.is_empty() { "" } else { "." },
    )
}

/// The reader's view of the bytes is the parsed text: same shape, same scalars, keys in order.
fn assert_same(value: Value<'_>, json: &Json) {
    match (value, json) {
        (Value::Null, Json::Null) => {}
        (Value::Bool(a), Json::Bool(b)) => assert_eq!(a, *b),
        (Value::Number(a), Json::Number(b)) => assert_eq!(a.to_string(), plain(b.as_str())),
        (Value::String(a), Json::String(b)) => assert_eq!(a, b.as_bytes()),
        (Value::Array(a), Json::Array(b)) => {
            assert_eq!(a.len(), b.len());
            assert_eq!(a.is_empty(), b.is_empty());
            assert_eq!(a.iter().count(), b.len());
            a.iter()
                .zip(b)
                .for_each(|(a, b)| assert_same(a.unwrap(), b));
        }
        (Value::Object(a), Json::Object(b)) => {
            assert_eq!(a.len(), b.len());
            assert_eq!(a.is_empty(), b.is_empty());
            assert_eq!(a.iter().count(), b.len());
            let mut last: Option<&[u8]> = None;
            for member in a {
                let (key, value) = member.unwrap();
                assert!(last.is_none_or(|last| (last.len(), last) < (key.len(), key)));
                last = Some(key);
                assert_same(value, &b[std::str::from_utf8(key).unwrap()]);
            }
            assert_found(a, b);
        }
        (value, json) => panic!("{value:?} is not {json}"),
    }
}

/// Every key is found, and none that is missing.
fn assert_found(object: Object<'_>, json: &serde_json::Map<String, Json>) {
    for (key, value) in json {
        let found = object.get(key.as_bytes()).unwrap().unwrap();
        assert_eq!(found.to_root(), from_text(&value.to_string()).unwrap());
        for missing in [
            format!("{key}x"),
            format!("x{key}"),
            key.chars().skip(1).collect(),
        ] {
            let found = object.get(missing.as_bytes()).unwrap();
            assert_eq!(found.is_some(), json.contains_key(&missing));
        }
    }
}

/// A generated text is read back as what serde_json makes of it.
#[test]
fn generated_text_encoded_reads_as_parsed() {
    for seed in 0..600 {
        let text = random_json(&mut Rng::with_seed(seed));
        let bytes = from_text(&text).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_same(
            Value::read(&bytes).unwrap(),
            &serde_json::from_str(&text).unwrap(),
        );
    }
}

/// A print is a text of the same value: it encodes to the same bytes.
#[test]
fn generated_value_printed_encodes_to_the_same_bytes() {
    for seed in 0..600 {
        let text = random_json(&mut Rng::with_seed(seed));
        let bytes = from_text(&text).unwrap();
        let printed = to_text(Value::read(&bytes).unwrap()).unwrap();
        assert_eq!(from_text(&printed).unwrap(), bytes, "seed {seed}");
    }
}

/// A generated number has the digits and the scale that moving its point gives.
#[test]
fn generated_number_prints_as_its_point_moved() {
    let mut rng = Rng::with_seed(1);
    for _ in 0..20_000 {
        let text = random_number(&mut rng);
        let bytes = from_text(&text).unwrap();
        let Value::Number(number) = Value::read(&bytes).unwrap() else {
            panic!("{text}")
        };
        let expected = plain(&text);
        assert_eq!(number.to_string(), expected, "{text}");
        let (whole, fraction) = expected.split_once('.').unwrap_or((&expected, ""));
        assert_eq!(usize::from(number.scale()), fraction.len(), "{text}");
        assert_eq!(
            number.is_whole(),
            fraction.bytes().all(|digit| digit == b'0'),
            "{text}"
        );
        assert_eq!(number.as_i64(), as_i64(number, whole), "{text}");
    }
}

fn as_i64(number: Number<'_>, whole: &str) -> Option<i64> {
    number.is_whole().then(|| whole.parse().ok()).flatten()
}
