//! Numbers, case by case.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jsonb::{Number, Value, from_text};
use std::cmp::Ordering;

fn with<R>(text: &str, check: impl FnOnce(Number<'_>) -> R) -> R {
    let bytes = from_text(text).unwrap();
    match Value::read(&bytes).unwrap() {
        Value::Number(number) => check(number),
        other => panic!("{text}: {other:?}"),
    }
}

/// Every property of a number follows from its digits, not from how it is spelled.
#[test]
fn number_of_every_form_has_its_properties() {
    let max = i64::MAX.to_string();
    let min = i64::MIN.to_string();
    // text, print, scale, whole, as i64
    for (text, print, scale, whole, integer) in [
        ("0", "0", 0, true, Some(0)),
        ("-0", "0", 0, true, Some(0)),
        ("-0.000", "0.000", 3, true, Some(0)),
        ("0e9", "0", 0, true, Some(0)),
        ("1", "1", 0, true, Some(1)),
        ("-1", "-1", 0, true, Some(-1)),
        ("1.0", "1.0", 1, true, Some(1)),
        ("1.5", "1.5", 1, false, None),
        ("0.5", "0.5", 1, false, None),
        ("-0.5", "-0.5", 1, false, None),
        ("1e3", "1000", 0, true, Some(1000)),
        ("1.5e3", "1500", 0, true, Some(1500)),
        ("1E-2", "0.01", 2, false, None),
        ("100e-2", "1.00", 2, true, Some(1)),
        ("9999", "9999", 0, true, Some(9999)),
        ("10000", "10000", 0, true, Some(10_000)),
        ("10001", "10001", 0, true, Some(10_001)),
        ("100000000", "100000000", 0, true, Some(100_000_000)),
        ("100000000.0001", "100000000.0001", 4, false, None),
        ("0.00010000", "0.00010000", 8, false, None),
        ("0.000000000123", "0.000000000123", 12, false, None),
        ("12345678.87654321", "12345678.87654321", 8, false, None),
        (&max, &max, 0, true, Some(i64::MAX)),
        (&min, &min, 0, true, Some(i64::MIN)),
        ("9223372036854775808", "9223372036854775808", 0, true, None),
        (
            "-9223372036854775809",
            "-9223372036854775809",
            0,
            true,
            None,
        ),
        (
            "99999999999999999999",
            "99999999999999999999",
            0,
            true,
            None,
        ),
        ("1e20", "100000000000000000000", 0, true, None),
    ] {
        with(text, |number| {
            assert_eq!(number.to_string(), print, "{text}");
            assert_eq!(number.scale(), scale, "{text}");
            assert_eq!(number.is_whole(), whole, "{text}");
            assert_eq!(number.as_i64(), integer, "{text}");
            assert_eq!(number.is_zero(), integer == Some(0), "{text}");
            assert_eq!(number.is_negative(), print.starts_with('-'), "{text}");
        });
    }
}

/// The limits of `numeric` print in full: 131072 digits before the point, 16383 after it.
#[test]
fn number_at_the_limits_prints_every_digit() {
    with("1e131071", |number| {
        assert_eq!(number.to_string(), format!("1{}", "0".repeat(131_071)));
        assert!(number.is_whole());
        assert_eq!(number.as_i64(), None);
    });
    with("-1e-16383", |number| {
        assert_eq!(number.to_string(), format!("-0.{}1", "0".repeat(16_382)));
        assert_eq!(number.scale(), 16_383);
        assert!(!number.is_whole());
    });
    let longest = format!("{}.{}", "9".repeat(131_072), "9".repeat(16_383));
    with(&longest, |number| assert_eq!(number.to_string(), longest));
}

/// Numbers order by value, across signs, weights and lengths; equal values differ in spelling only.
#[test]
fn numbers_of_any_spelling_order_by_value() {
    let ascending: &[&[&str]] = &[
        &["-1e300"],
        &["-10001", "-10001.0"],
        &["-10000", "-1e4"],
        &["-1.0001"],
        &["-1", "-1.00", "-0.1e1"],
        &["-0.00000001"],
        &["0", "-0", "0.0", "0e-300", "0e300"],
        &["1e-300"],
        &["0.00000001", "1e-8"],
        &["0.0001", "1e-4", "0.00010"],
        &["0.5", "0.50000", "5e-1"],
        &["1", "1.0", "1.00", "100e-2"],
        &["1.00000001"],
        &["2", "2e0"],
        &["9999"],
        &["9999.9999"],
        &["10000", "1e4", "10000.00000"],
        &["10000.5"],
        &["10001"],
        &["9223372036854775807"],
        &["1e300"],
    ];
    for (place, group) in ascending.iter().enumerate() {
        for (other_place, other_group) in ascending.iter().enumerate() {
            for (text, other) in group
                .iter()
                .flat_map(|a| other_group.iter().map(move |b| (a, b)))
            {
                let order = with(text, |a| with(other, |b| a.compare(&b)));
                assert_eq!(order, place.cmp(&other_place), "{text} and {other}");
                let equal = with(text, |a| with(other, |b| a == b));
                assert_eq!(equal, order == Ordering::Equal, "{text} and {other}");
            }
        }
    }
}

/// A datum of its own is read whether its header is of four bytes or of one, and copied alike.
#[test]
fn number_read_from_a_datum_is_the_same_under_either_header() {
    let root = from_text("-12345.678").unwrap();
    let Value::Number(number) = Value::read(&root).unwrap() else {
        panic!()
    };
    let datum = &root[8..];
    assert_eq!(Number::read(datum).unwrap(), number);
    let followed = [datum, b"else"].concat();
    assert_eq!(Number::read(&followed).unwrap(), number);
    let body = &datum[4..];
    let len = body.len() as u8 + 1;
    let header = if cfg!(target_endian = "little") {
        len << 1 | 1
    } else {
        len | 0x80
    };
    let short = [&[header], body].concat();
    let short = Number::read(&short).unwrap();
    assert_eq!(short, number);
    assert_eq!(Value::Number(short).to_root(), root);
}

/// Digits that PostgreSQL never writes, NaN and the infinities are malformed.
#[test]
fn number_of_impossible_digits_is_malformed() {
    let datum = |halves: &[u16]| {
        let len = 4 + 2 * halves.len() as u32;
        let header = if cfg!(target_endian = "little") {
            len << 2
        } else {
            len
        };
        let mut bytes = header.to_ne_bytes().to_vec();
        halves
            .iter()
            .for_each(|half| bytes.extend_from_slice(&half.to_ne_bytes()));
        bytes
    };
    assert_eq!(Number::read(&datum(&[0x8000, 7])).unwrap().to_string(), "7");
    assert_eq!(
        Number::read(&datum(&[0x8080, 7, 5000]))
            .unwrap()
            .to_string(),
        "7.5"
    );
    // A long form where the short one would do is what a change of scale leaves behind.
    assert_eq!(
        Number::read(&datum(&[0x4001, 0, 7])).unwrap().to_string(),
        "-7.0"
    );
    // Zero has neither sign nor weight, whatever its header says.
    assert_eq!(
        Number::read(&datum(&[0x4000, 32_767])).unwrap().to_string(),
        "0"
    );
    for (why, halves) in [
        ("no header", &[][..]),
        ("long form without weight", &[0x0000]),
        ("NaN", &[0xC000]),
        ("infinity", &[0xD000]),
        ("minus infinity", &[0xF000]),
        ("a digit above 9999", &[0x8000, 10_000]),
        ("a digit above 9999 inside", &[0x8002, 1, 65_535, 1]),
        ("a zero in front", &[0x8001, 0, 7]),
        ("a zero behind", &[0x8001, 7, 0]),
        ("a zero alone", &[0x8000, 0]),
        ("a group that the scale does not show", &[0x8000, 7, 5000]),
        ("a digit that the scale does not show", &[0x8080, 7, 5001]),
        (
            "two digits that the scale does not show",
            &[0x8100, 7, 5010],
        ),
        (
            "a thousandth that the scale does not show",
            &[0x8180, 7, 5001],
        ),
    ] {
        assert!(Number::read(&datum(halves)).is_err(), "{why}");
    }
    let whole = datum(&[0x8000, 7]);
    for len in 0..whole.len() {
        assert!(Number::read(&whole[..len]).is_err(), "cut to {len}");
    }
    let odd = [&whole[..], &[0]].concat();
    let header = if cfg!(target_endian = "little") {
        9_u32 << 2
    } else {
        9
    };
    let odd = [&header.to_ne_bytes(), &odd[4..]].concat();
    assert!(Number::read(&odd).is_err(), "half a digit");
}
