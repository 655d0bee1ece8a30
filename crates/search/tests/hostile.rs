//! What no document and no query of use holds: it is refused, or judged in bounded work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jsonb::{Object, Value, from_json, from_text};
use search::{
    Compiled, Criterion, Kind, LONGEST_KEY, Parameter, Paths, keys, matches, order, ranges,
};
use serde_json::json;

fn object(bytes: &[u8]) -> Object<'_> {
    match Value::read(bytes).unwrap() {
        Value::Object(object) => object,
        _ => panic!("not an object"),
    }
}

fn paths(text: &str) -> Paths {
    Paths::read(text).unwrap()
}

#[test]
fn values_of_other_types_are_passed_over() {
    for value in [
        "1",
        "true",
        "null",
        "\"x\"",
        "[]",
        "{}",
        "[[1]]",
        "[null]",
        "[{\"a\": {}}]",
    ] {
        let bytes = from_text(&format!(r#"{{"a": {value}}}"#)).unwrap();
        let data = object(&bytes);
        for leaf in [
            "Address",
            "boolean",
            "canonical",
            "code",
            "CodeableConcept",
            "Coding",
            "ContactPoint",
            "date",
            "dateTime",
            "decimal",
            "exists",
            "HumanName",
            "id",
            "Identifier",
            "instant",
            "integer",
            "Money",
            "Period",
            "Quantity",
            "Range",
            "Reference",
            "string",
            "Timing",
            "uri",
        ] {
            let paths = paths(&format!(
                "a:{leaf};a.a:{leaf};a[x=y]:{leaf};a[@Patient]:{leaf};a[0].b:{leaf}"
            ));
            for kind in [
                "number",
                "date",
                "string",
                "token",
                "reference",
                "quantity",
                "uri",
            ] {
                let kind = Kind::parse(kind).unwrap();
                keys(kind, data, &paths).unwrap();
                ranges(kind, data, &paths).unwrap();
                order(kind, data, &paths).unwrap();
            }
        }
    }
}

#[test]
fn keys_are_bounded() {
    let names: Vec<_> = (0..20_000)
        .map(|at| json!({"value": format!("v{at}")}))
        .collect();
    let bytes = from_json(&json!({"identifier": names})).unwrap();
    let found = keys(Kind::Token, object(&bytes), &paths("identifier:Identifier")).unwrap();
    // Every search looks at it then.
    assert_eq!(found, ["*"]);
    let spans: Vec<_> = (0..20_000).map(|_| json!({"value": 1})).collect();
    let bytes = from_json(&json!({"a": spans})).unwrap();
    let found = ranges(Kind::Quantity, object(&bytes), &paths("a:Quantity")).unwrap();
    assert_eq!(found, "{(,)}");
    let long = "é".repeat(2_000);
    let bytes = from_json(&json!({"identifier": [{"value": long}]})).unwrap();
    let found = keys(Kind::Token, object(&bytes), &paths("identifier:Identifier")).unwrap();
    assert!(found.iter().all(|key| key.len() <= LONGEST_KEY));
    // What is cut in the index is cut in what looks for it.
    let parameter = Parameter {
        code: "identifier".to_owned(),
        kind: Kind::Token,
        paths: paths("identifier:Identifier"),
        targets: Vec::new(),
        left_out: 0,
    };
    let find = |_: &str| Some(&parameter);
    let criterion = Criterion::read(&find, &Vec::new, None, ("identifier", &long)).unwrap();
    let Some(search::Candidates::Keys(wanted)) = criterion.candidates() else {
        panic!("no keys")
    };
    assert!(wanted.iter().any(|key| found.contains(key)));
    assert!(wanted.contains(&"*".to_owned()));
}

#[test]
fn keys_of_what_is_above_are_as_few_as_an_index_holds() {
    let parameter = Parameter {
        code: "url".to_owned(),
        kind: Kind::Uri,
        paths: paths("url:uri"),
        targets: Vec::new(),
        left_out: 0,
    };
    let find = |_: &str| Some(&parameter);
    let long = "/".repeat(60_000);
    let criterion = Criterion::read(&find, &Vec::new, None, ("url:above", &long)).unwrap();
    let Some(search::Candidates::Keys(wanted)) = criterion.candidates() else {
        panic!("no keys")
    };
    assert!(wanted.len() < 2 * LONGEST_KEY);
    for url in ["/", &long[..LONGEST_KEY], &long[..LONGEST_KEY + 1], &long] {
        let bytes = from_json(&json!({"url": url})).unwrap();
        assert!(matches(std::slice::from_ref(&criterion), object(&bytes)).unwrap());
        let found = keys(Kind::Uri, object(&bytes), &paths("url:uri")).unwrap();
        assert!(
            wanted.iter().any(|key| found.contains(key)),
            "{}",
            url.len()
        );
    }
}

#[test]
fn literals_that_nobody_wrote_are_refused() {
    for literal in [
        "1",
        "{}",
        "[1]",
        "[{}]",
        r#"[{"type": "token"}]"#,
        r#"[{"type": "token", "paths": "a:Identifier", "test": "x", "values": []}]"#,
        r#"[{"type": "token", "paths": "a", "test": "", "values": []}]"#,
        r#"[{"type": "token", "paths": "a:Identifier", "test": "", "values": [1]}]"#,
        r#"[{"type": "date", "paths": "a:date", "test": "", "values": ["nonsense"]}]"#,
    ] {
        let bytes = from_text(literal).unwrap();
        assert!(
            Compiled::read(Value::read(&bytes).unwrap()).is_err(),
            "{literal}"
        );
    }
    let many = "a:string;".repeat(501) + "a:string";
    assert_eq!(Paths::read(&many), None);
}

#[test]
fn numbers_stand_in_their_order() {
    let numbers = [
        "-123456789012345678901",
        "-100",
        "-99.5",
        "-10",
        "-9.99",
        "-1.5",
        "-1",
        "-0.5",
        "-0.05",
        "0",
        "0.05",
        "0.5",
        "0.51",
        "1",
        "1.5",
        "9",
        "10",
        "99",
        "100",
        "123456789012345678901",
    ];
    let keyed: Vec<String> = numbers
        .iter()
        .map(|number| {
            let bytes = from_text(&format!(r#"{{"a": {number}}}"#)).unwrap();
            order(Kind::Number, object(&bytes), &paths("a:decimal"))
                .unwrap()
                .unwrap()
        })
        .collect();
    for pair in keyed.windows(2) {
        assert!(pair[0] < pair[1], "{pair:?}");
    }
    let same = |text: &str| {
        let bytes = from_text(&format!(r#"{{"a": {text}}}"#)).unwrap();
        order(Kind::Number, object(&bytes), &paths("a:decimal"))
            .unwrap()
            .unwrap()
    };
    assert_eq!(same("1.50"), same("1.5"));
    assert_eq!(same("0.0"), same("0"));
}

#[test]
fn dates_stand_in_their_order() {
    let dates = [
        "0001-01-01",
        "1899",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00.5Z",
        "1995-10",
        "1995-10-02",
        "2020-01-01T00:30:00+02:00",
        "2020-01-01T00:00:00Z",
        "9999-12-31",
    ];
    let keyed: Vec<String> = dates
        .iter()
        .map(|date| {
            let bytes = from_text(&format!(r#"{{"a": "{date}"}}"#)).unwrap();
            order(Kind::Date, object(&bytes), &paths("a:dateTime"))
                .unwrap()
                .unwrap()
        })
        .collect();
    for pair in keyed.windows(2) {
        assert!(pair[0] < pair[1], "{pair:?}");
    }
}
