//! Bytes that PostgreSQL never wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jsonb::testing::{Rng, probe_jsonb, random_json};
use jsonb::{Malformed, Value, from_text, to_text};
use std::path::Path;

const STRING: u32 = 0;
const TRUE: u32 = 0x3000_0000;
const NULL: u32 = 0x4000_0000;
const CONTAINER: u32 = 0x5000_0000;
const OFFSET: u32 = 0x8000_0000;
const ARRAY: u32 = 0x4000_0000;
const OBJECT: u32 = 0x2000_0000;
const SCALAR: u32 = 0x1000_0000;

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// What no writer makes is malformed; whoever walks it is told so.
#[test]
fn bytes_of_no_writer_are_malformed() {
    for (why, bytes) in [
        ("nothing", words(&[])),
        ("no flags", words(&[0])),
        ("both object and array", words(&[OBJECT | ARRAY])),
        (
            "a scalar that is an object",
            words(&[SCALAR | OBJECT | 1, TRUE, TRUE]),
        ),
        ("a scalar root of nothing", words(&[SCALAR | ARRAY])),
        (
            "a scalar root of two",
            words(&[SCALAR | ARRAY | 2, TRUE, TRUE]),
        ),
        (
            "a scalar root of an array",
            words(&[SCALAR | ARRAY | 1, CONTAINER | 4, ARRAY]),
        ),
        (
            "a scalar root inside",
            words(&[ARRAY | 1, CONTAINER | 8, SCALAR | ARRAY | 1, TRUE]),
        ),
        ("entries past the end", words(&[ARRAY | 2, TRUE])),
        (
            "more entries than can be",
            words(&[ARRAY | 0x0FFF_FFFF, TRUE]),
        ),
        ("value entries past the end", words(&[OBJECT | 1, STRING])),
        ("a string past the end", words(&[ARRAY | 1, STRING | 5, 0])),
        ("an unknown kind", words(&[ARRAY | 1, 0x6000_0000])),
        ("a key that is no string", words(&[OBJECT | 1, TRUE, TRUE])),
        ("a key past the end", words(&[OBJECT | 1, STRING | 1, TRUE])),
        ("a container of no bytes", words(&[ARRAY | 1, CONTAINER])),
        (
            "a container past the end",
            words(&[ARRAY | 1, CONTAINER | 8, ARRAY]),
        ),
        ("a null past the end", words(&[ARRAY | 1, NULL | 1])),
        (
            "a null that ends before it starts",
            words(&[ARRAY | 2, STRING | 4, OFFSET | NULL, 0]),
        ),
        (
            "a container that stands where its brother does",
            words(&[ARRAY | 2, CONTAINER | 4, OFFSET | CONTAINER | 4, ARRAY]),
        ),
    ] {
        assert_eq!(probe_jsonb(&bytes), Err(Malformed), "{why}");
    }
    let invalid = [&words(&[ARRAY | 1, STRING | 1])[..], &[0xFF]].concat();
    assert_eq!(
        to_text(Value::read(&invalid).unwrap()),
        Err(Malformed),
        "not UTF-8"
    );
}

/// A walk ends with its first error, so that nobody goes on among wrong offsets.
#[test]
fn walk_after_an_error_is_over() {
    let bytes = words(&[ARRAY | 3, STRING | 9, TRUE, TRUE]);
    let Value::Array(array) = Value::read(&bytes).unwrap() else {
        panic!()
    };
    let mut items = array.iter();
    assert!(items.next().unwrap().is_err());
    assert!(items.next().is_none());
    let bytes = words(&[OBJECT | 2, STRING, STRING, STRING | 9, TRUE]);
    let Value::Object(object) = Value::read(&bytes).unwrap() else {
        panic!()
    };
    let mut members = object.iter();
    assert!(members.next().unwrap().is_err());
    assert!(members.next().is_none());
}

/// Containers inside each other without end are read without recursion, in time.
#[test]
fn container_as_deep_as_its_bytes_allow_is_read() {
    let depth = 200_000;
    let tower: Vec<u32> = (1..=depth)
        .rev()
        .flat_map(|left| [ARRAY | 1, CONTAINER | (left * 8)])
        .chain([ARRAY])
        .collect();
    // The innermost is four bytes long, and every container outside it eight more.
    let bytes: Vec<u32> = tower
        .iter()
        .map(|word| match word & 0x7000_0000 {
            CONTAINER => word - 4,
            _ => *word,
        })
        .collect();
    assert_eq!(probe_jsonb(&words(&bytes)), Ok(depth as usize + 1));
}

/// Every input that the fuzzer found worth keeping is read without a panic.
#[test]
fn corpus_of_the_fuzzer_is_read_without_panic() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/jsonb_read");
    let mut read = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        read += usize::from(probe_jsonb(&bytes).is_ok());
    }
    assert!(read > 0, "the corpus holds no valid container");
}

/// Valid containers with bytes changed, cut off or swapped are read without a panic.
#[test]
fn damaged_containers_are_read_without_panic() {
    let mut rng = Rng::with_seed(5);
    let sound: Vec<Vec<u8>> = std::iter::repeat_with(|| from_text(&random_json(&mut rng)).unwrap())
        .filter(|bytes| (8..120).contains(&bytes.len()))
        .take(500)
        .collect();
    let (mut read, mut refused) = (0, 0);
    for round in 0..200_000 {
        let mut bytes = sound[round % sound.len()].clone();
        for _ in 0..rng.usize(1..4) {
            damage(&mut rng, &mut bytes);
        }
        match probe_jsonb(&bytes) {
            Ok(_) => read += 1,
            Err(Malformed) => refused += 1,
        }
    }
    assert!(
        read > 10_000 && refused > 10_000,
        "{read} read, {refused} refused"
    );
}

fn damage(rng: &mut Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.usize(..bytes.len());
    match rng.u8(..8) {
        0 => bytes.truncate(at),
        1 => bytes[at] = rng.u8(..),
        2 => bytes[at] ^= 1 << rng.u8(..8),
        3 => bytes[at] = bytes[at].wrapping_add(1),
        4 => bytes[at] = bytes[at].wrapping_sub(1),
        5 => {
            let other = rng.usize(..bytes.len());
            bytes.swap(at, other);
        }
        // Words are where the structure is.
        shape => {
            let at = at / 4 * 4;
            let Some(word) = bytes.get_mut(at..at + 4) else {
                return;
            };
            let value = u32::from_ne_bytes(word.try_into().unwrap());
            let value = match shape {
                6 => value ^ OFFSET,
                _ => value & 0x0FFF_FFFF | u32::from(rng.u8(..16)) << 28,
            };
            word.copy_from_slice(&value.to_ne_bytes());
        }
    }
}
