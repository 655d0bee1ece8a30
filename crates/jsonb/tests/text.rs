//! JSON text to JSONB and back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jsonb::{TextError, Unwritable, Value, from_text, to_text};

fn printed(text: &str) -> String {
    let bytes = from_text(text).unwrap();
    to_text(Value::read(&bytes).unwrap()).unwrap()
}

/// What goes in comes out as `jsonb_out` prints it, column two taken from PostgreSQL 15.
#[test]
fn text_of_every_shape_prints_as_postgres_does() {
    for (given, expected) in [
        ("null", "null"),
        ("true", "true"),
        ("false", "false"),
        ("\"\"", "\"\""),
        ("[]", "[]"),
        ("{}", "{}"),
        ("[[]]", "[[]]"),
        ("[{},[],null,1]", "[{}, [], null, 1]"),
        ("{\"a\":{},\"b\":[]}", "{\"a\": {}, \"b\": []}"),
        (
            "{\"bb\":1,\"a\":2,\"\":3,\"ab\":4}",
            "{\"\": 3, \"a\": 2, \"ab\": 4, \"bb\": 1}",
        ),
        ("{\"a\":1,\"b\":2,\"a\":[3]}", "{\"a\": [3], \"b\": 2}"),
        ("0", "0"),
        ("-0", "0"),
        ("-0.00", "0.00"),
        ("1e3", "1000"),
        ("1E-2", "0.01"),
        ("1.50e1", "15.0"),
        ("0e-5", "0.00000"),
        (
            "12345678901234567890.0987654321",
            "12345678901234567890.0987654321",
        ),
        ("0.00000000000000000001", "0.00000000000000000001"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("100000000", "100000000"),
        (
            "\"\\u0001\\u001f\\b\\f\\n\\r\\t\\\"\\\\\\/\\u007f\"",
            "\"\\u0001\\u001f\\b\\f\\n\\r\\t\\\"\\\\/\u{7f}\"",
        ),
        ("\"\\u00e9\\ud83d\\ude00\"", "\"é😀\""),
    ] {
        assert_eq!(printed(given), expected, "{given}");
    }
}

/// What `jsonb_in` refuses has no bytes here either.
#[test]
fn text_that_postgres_cannot_hold_is_refused() {
    for text in ["", "[1,]", "01", "\"\\ud83d\"", "nul", "{\"a\"}", "1 2"] {
        assert!(
            matches!(from_text(text), Err(TextError::Syntax(_))),
            "{text}"
        );
    }
    for (text, why) in [
        ("\"\\u0000\"", Unwritable::Nul),
        ("{\"\\u0000\":1}", Unwritable::Nul),
        ("1e131072", Unwritable::Overflow),
        ("1e-16384", Unwritable::Overflow),
        ("0e-16384", Unwritable::Overflow),
        ("1e99999999999999999999", Unwritable::Overflow),
    ] {
        assert!(
            matches!(from_text(text), Err(TextError::Unwritable(e)) if e == why),
            "{text}"
        );
    }
}
