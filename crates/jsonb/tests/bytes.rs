//! The encoder against bytes that PostgreSQL wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(target_endian = "little")]

use jsonb::{Item, Value, from_text, to_text, write};

fn cases() -> impl Iterator<Item = (&'static str, &'static str)> {
    include_str!("cases/bytes.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A JSON text becomes byte for byte what PostgreSQL 15 stored for it.
#[test]
fn text_encoded_equals_the_bytes_of_postgres() {
    for (stored, text) in cases() {
        assert_eq!(hex(&from_text(text).unwrap()), stored, "{text}");
    }
}

/// What PostgreSQL stored prints, and the print encodes to the same bytes again.
#[test]
fn stored_bytes_printed_encode_to_themselves() {
    for (stored, text) in cases() {
        let bytes = unhex(stored);
        let printed = to_text(Value::read(&bytes).unwrap()).unwrap();
        assert_eq!(hex(&from_text(&printed).unwrap()), stored, "{text}");
    }
}

/// A whole value copied by the writer keeps its bytes, at the root and inside an array.
#[test]
fn stored_value_copied_keeps_its_bytes() {
    for (stored, text) in cases() {
        let bytes = unhex(stored);
        let value = Value::read(&bytes).unwrap();
        assert_eq!(hex(&write(&Item::Copy(value)).unwrap()), stored, "{text}");
        let wrapped = write(&Item::Array(&[Item::Copy(value)])).unwrap();
        assert_eq!(
            hex(&wrapped),
            hex(&from_text(&format!("[{text}]")).unwrap()),
            "{text}"
        );
        let Value::Array(array) = Value::read(&wrapped).unwrap() else {
            panic!("{text}")
        };
        let inner = array.iter().next().unwrap().unwrap();
        assert_eq!(hex(&inner.to_root()), stored, "{text}");
    }
}
