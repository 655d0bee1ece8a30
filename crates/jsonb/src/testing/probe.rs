//! Everything that the JSONB reader offers, tried on bytes that may be anything.

use crate::{Item, Malformed, Number, Value, to_text, write};
use std::cmp::Ordering;

/// Reads, prints, compares, searches and copies all there is in `bytes`; gives the number of values
/// found.
///
/// Whatever the bytes, nothing panics and the time is in proportion to their number. What is read
/// keeps the reader's promises, which are asserted.
pub fn probe_jsonb(bytes: &[u8]) -> Result<usize, Malformed> {
    let root = Value::read(bytes)?;
    let mut found = 0;
    let mut last = None;
    let mut open = vec![root];
    while let Some(value) = open.pop() {
        found += 1;
        // Each value has an entry of its own, or the header: no byte is reached twice.
        assert!(found <= bytes.len() / 4);
        match value {
            Value::Number(number) => {
                probe_number(number);
                if let Some(last) = last.replace(number) {
                    probe_order(last, number);
                }
            }
            Value::Array(array) => {
                for item in array {
                    open.push(item?);
                }
            }
            Value::Object(object) => {
                for member in object {
                    let (key, value) = member?;
                    object.get(key)?;
                    open.push(value);
                }
            }
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
        probe_copy(value);
    }
    to_text(root)?;
    Ok(found)
}

/// A number is what its print says.
fn probe_number(number: Number<'_>) {
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    assert_eq!(fraction.len(), usize::from(number.scale()));
    assert_eq!(
        number.is_whole(),
        fraction.bytes().all(|digit| digit == b'0')
    );
    assert_eq!(number.is_negative(), text.starts_with('-'));
    assert_eq!(
        number.as_i64(),
        whole.parse().ok().filter(|_| number.is_whole())
    );
    let again = write(&Item::Decimal(&text)).unwrap_or_default();
    let same = matches!(Value::read(&again), Ok(Value::Number(again)) if again == number);
    assert!(same, "{text}");
}

fn probe_order(one: Number<'_>, other: Number<'_>) {
    let order = one.compare(&other);
    assert_eq!(order, other.compare(&one).reverse());
    assert_eq!(one.compare(&one), Ordering::Equal);
    if let (Some(one), Some(other)) = (one.as_i64(), other.as_i64()) {
        assert_eq!(order, one.cmp(&other));
    }
}

/// A root made of a value is that value.
fn probe_copy(value: Value<'_>) {
    let root = value.to_root();
    let copied = Value::read(&root).map(|copy| std::mem::discriminant(&copy));
    assert_eq!(copied, Ok(std::mem::discriminant(&value)));
}
