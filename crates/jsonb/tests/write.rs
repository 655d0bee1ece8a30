//! The writer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jsonb::{DEPTH_LIMIT, Item, Member, Unwritable, Value, from_text, to_text, write, write_into};

/// What is written from items equals what is encoded from the text that they spell.
#[test]
fn items_of_every_kind_equal_their_text() {
    let copied = from_text(r#"{"x": [1.50, null, {"y": "z"}], "t": true}"#).unwrap();
    let copied = Value::read(&copied).unwrap();
    let Value::Object(object) = copied else {
        panic!()
    };
    let inner = object.get(b"x").unwrap().unwrap();
    let json = serde_json::json!({"k": [1, -2.5, "v"], "a": {}});
    let meta = [
        (&b"n"[..], Item::Int(i64::MIN)),
        (b"m", Item::Decimal("1e-3")),
    ];
    let written = write(&Item::Object(&[
        (b"text", Item::from("é\n")),
        (b"null", Item::Null),
        (b"yes", Item::from(true)),
        (b"no", Item::from(false)),
        (b"whole", Item::from(copied)),
        (b"part", Item::from(inner)),
        (b"json", Item::Json(&json)),
        (b"meta", Item::Object(&meta)),
        (
            b"list",
            Item::Array(&[Item::from(0), Item::Text(""), Item::Array(&[])]),
        ),
        (
            b"owned",
            Item::Items(vec![Item::Int(1), Item::Members(vec![(b"k", Item::Null)])]),
        ),
    ]))
    .unwrap();
    let text = r#"{"text": "é\n", "null": null, "yes": true, "no": false,
        "whole": {"x": [1.50, null, {"y": "z"}], "t": true}, "part": [1.50, null, {"y": "z"}],
        "json": {"k": [1, -2.5, "v"], "a": {}}, "meta": {"n": -9223372036854775808, "m": 0.001},
        "list": [0, "", []], "owned": [1, {"k": null}]}"#;
    assert_eq!(written, from_text(text).unwrap());
}

/// Members come out sorted and distinct, the last of equal keys standing, however they are given.
#[test]
fn members_in_any_order_are_sorted_and_the_last_stands() {
    let mut rng = jsonb::testing::Rng::with_seed(7);
    for round in 0..2_000 {
        let count = rng.usize(..80);
        let keys: Vec<String> = (0..count)
            .map(|_| "k".repeat(rng.usize(..4)) + &rng.u8(..60).to_string())
            .collect();
        let mut members: Vec<Member<'_>> = keys
            .iter()
            .enumerate()
            .map(|(place, key)| (key.as_bytes(), Item::Int(place as i64)))
            .collect();
        let text: Vec<String> = keys
            .iter()
            .enumerate()
            .map(|(place, key)| format!("\"{key}\":{place}"))
            .collect();
        let expected = from_text(&format!("{{{}}}", text.join(","))).unwrap();
        assert_eq!(
            write(&Item::Object(&members)).unwrap(),
            expected,
            "round {round}"
        );
        // Sorted already, but with duplicates still in it.
        members.sort_by_key(|(key, _)| (key.len(), *key));
        assert_eq!(
            write(&Item::Members(members)).unwrap(),
            expected,
            "round {round}"
        );
    }
}

/// Scalars as roots are wrapped as `jsonb_in` wraps them.
#[test]
fn scalar_roots_equal_their_text() {
    for (item, text) in [
        (Item::Null, "null"),
        (Item::Bool(true), "true"),
        (Item::Int(-7), "-7"),
        (Item::Decimal("0.70"), "0.70"),
        (Item::Text("x"), "\"x\""),
        (Item::Json(&serde_json::json!("x")), "\"x\""),
        (Item::Copy(Value::String(b"x")), "\"x\""),
    ] {
        assert_eq!(write(&item).unwrap(), from_text(text).unwrap(), "{text}");
    }
}

/// Integers of every length have the digits of their text.
#[test]
fn integers_of_every_length_equal_their_text() {
    let powers = (0..19).map(|power| 10_i64.pow(power));
    let near = powers.flat_map(|power| [power - 1, power, power + 1, power * 5 / 4]);
    for value in near
        .flat_map(|value| [value, -value])
        .chain([i64::MIN, i64::MAX])
    {
        let decimal = value.to_string();
        assert_eq!(
            write(&Item::Int(value)).unwrap(),
            write(&Item::Decimal(&decimal)).unwrap(),
            "{value}"
        );
    }
}

/// A prefix of any length, such as a varlena header, stays, and shifts no padding.
#[test]
fn container_behind_a_prefix_has_the_same_bytes() {
    let item = Item::Object(&[(b"abc", Item::Int(1)), (b"d", Item::Array(&[Item::Int(2)]))]);
    let alone = write(&item).unwrap();
    for len in 0..9 {
        let mut out = vec![0xAA; len];
        write_into(&mut out, &item).unwrap();
        assert!(out[..len].iter().all(|&byte| byte == 0xAA));
        assert_eq!(out[len..], alone, "prefix of {len}");
    }
}

/// A value inside another one, taken out as a root, is what its own text encodes to.
#[test]
fn inner_values_as_roots_equal_their_own_text() {
    let mut rng = jsonb::testing::Rng::with_seed(11);
    for _ in 0..300 {
        let text = jsonb::testing::random_json(&mut rng);
        let bytes = from_text(&text).unwrap();
        let inner: Vec<Value<'_>> = match Value::read(&bytes).unwrap() {
            Value::Array(array) => array.iter().collect::<Result<_, _>>().unwrap(),
            Value::Object(object) => object.iter().map(|member| member.unwrap().1).collect(),
            scalar => vec![scalar],
        };
        for value in inner {
            let root = value.to_root();
            let own = from_text(&to_text(value).unwrap()).unwrap();
            assert_eq!(root, own);
            let again = Value::read(&root).unwrap();
            assert_eq!(to_text(again).unwrap(), to_text(value).unwrap());
        }
    }
}

/// What PostgreSQL cannot hold is refused, and said which way.
#[test]
fn items_that_postgres_cannot_hold_are_refused() {
    for (item, why) in [
        (Item::Text("a\0b"), Unwritable::Nul),
        (Item::Object(&[(b"\0", Item::Null)]), Unwritable::Nul),
        (Item::Decimal("1e131072"), Unwritable::Overflow),
        (Item::Decimal("1e-16384"), Unwritable::Overflow),
        (
            Item::Decimal("0e99999999999999999999"),
            Unwritable::Overflow,
        ),
        (Item::Decimal(""), Unwritable::NotANumber),
        (Item::Decimal("NaN"), Unwritable::NotANumber),
        (Item::Decimal("+1"), Unwritable::NotANumber),
        (Item::Decimal("1."), Unwritable::NotANumber),
        (Item::Decimal(".1"), Unwritable::NotANumber),
        (Item::Decimal("1e"), Unwritable::NotANumber),
        (Item::Decimal("1e+"), Unwritable::NotANumber),
        (Item::Decimal("0x1"), Unwritable::NotANumber),
        (Item::Decimal("--1"), Unwritable::NotANumber),
        (Item::Decimal("1٣"), Unwritable::NotANumber),
    ] {
        assert_eq!(write(&item), Err(why), "{item:?}");
    }
}

/// Items nest as deep as the limit allows and no deeper; what is copied may be deeper still.
#[test]
fn items_beyond_the_depth_limit_are_refused() {
    let nested =
        |depth: usize| (1..depth).fold(Item::Items(Vec::new()), |item, _| Item::Items(vec![item]));
    let deepest = write(&nested(DEPTH_LIMIT)).unwrap();
    assert_eq!(write(&nested(DEPTH_LIMIT + 1)), Err(Unwritable::TooDeep));
    let mut bytes = deepest;
    for _ in 0..10_000 {
        bytes = write(&Item::Array(&[Item::Copy(Value::read(&bytes).unwrap())])).unwrap();
    }
    let text = to_text(Value::read(&bytes).unwrap()).unwrap();
    assert_eq!(text.len(), 2 * (DEPTH_LIMIT + 10_000));
}
