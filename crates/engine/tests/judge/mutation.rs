//! Near misses: one or two small changes to a document.

use super::document::anything;
use fastrand::Rng;
use serde_json::{Value, json};

pub fn mutate(rng: &mut Rng, document: &mut Value) {
    for _ in 0..rng.u8(1..3) {
        let count = count(document);
        let target = rng.usize(..count);
        change(rng, nth(document, &mut { target }).unwrap());
    }
}

/// How many values a document is made of.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

/// One of a document's values, counted from the root.
fn nth<'v>(value: &'v mut Value, left: &mut usize) -> Option<&'v mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, left)),
        Value::Object(members) => members.values_mut().find_map(|member| nth(member, left)),
        _ => None,
    }
}

fn change(rng: &mut Rng, value: &mut Value) {
    if rng.u8(..6) == 0 {
        *value = anything(rng);
        return;
    }
    match value {
        Value::String(text) => change_text(rng, text),
        Value::Number(number) => *value = change_number(rng, &number.to_string()),
        Value::Bool(flag) => *flag = !*flag,
        Value::Null => *value = anything(rng),
        Value::Array(items) => match rng.u8(..3) {
            0 => items.push(anything(rng)),
            1 => drop(items.pop()),
            _ => items.extend(items.clone()),
        },
        Value::Object(members) => match rng.u8(..3) {
            0 => drop(members.insert("other".to_owned(), anything(rng))),
            _ => {
                let names: Vec<String> = members.keys().cloned().collect();
                if let Some(name) = rng.choice(&names) {
                    let member = members.remove(name).unwrap();
                    if rng.u8(..4) == 0 {
                        members.insert(format!("{name}s"), member);
                    }
                }
            }
        },
    }
}

fn change_text(rng: &mut Rng, text: &mut String) {
    let mut chars: Vec<char> = text.chars().collect();
    let at = rng.usize(..=chars.len());
    let odd = [
        ' ', '\t', '\u{1}', '\u{a0}', 'é', '🙂', '0', '9', '-', ':', 'Z', '/', '.', '=', '\n',
    ];
    match rng.u8(..5) {
        0 => chars.clear(),
        1 if at < chars.len() => drop(chars.remove(at)),
        2 if at < chars.len() => chars[at] = *rng.choice(&odd).unwrap(),
        3 => chars.extend(chars.clone()),
        _ => chars.insert(at, *rng.choice(&odd).unwrap()),
    }
    *text = chars.into_iter().collect();
}

fn change_number(rng: &mut Rng, text: &str) -> Value {
    match rng.u8(..5) {
        0 => json!(text),
        1 => json!(0),
        // One digit more, never a written fraction of zero: JSON Schema takes that for an integer.
        2 if !text.contains(['.', 'e']) => serde_json::from_str(&format!("{text}.5")).unwrap(),
        3 if !text.contains(['.', 'e']) && text != "0" => {
            serde_json::from_str(&format!("{text}9")).unwrap()
        }
        4 if text.contains('.') && !text.contains('e') => {
            serde_json::from_str(&format!("{text}1")).unwrap()
        }
        _ => json!(rng.i64(-1000..1000)),
    }
}
