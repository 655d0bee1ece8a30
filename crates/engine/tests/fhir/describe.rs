//! What becomes of each thing that an element can say.

use crate::rows::{describe_json, lines, thing};
use serde_json::{Value as Json, json};

fn rows(element: Json) -> Vec<String> {
    let described = describe_json(&thing(json!([element]))).unwrap();
    assert_eq!(described.unchecked, []);
    lines(&described.description)
}

/// How often an element can stand: in its row, in its array's row.
#[test]
fn cardinality_is_in_rows() {
    let of = |min: u32, max: &str| {
        rows(json!({"path": "Thing.x", "min": min, "max": max, "type": [{"code": "string"}]}))
    };
    assert_eq!(of(0, "1"), ["x string"]);
    assert_eq!(of(1, "1"), [r#"x string {"rules": [{"required": true}]}"#]);
    assert_eq!(of(0, "*"), ["x array", "x[] string"]);
    assert_eq!(
        of(1, "*"),
        [r#"x array {"rules": [{"required": true}]}"#, "x[] string"]
    );
    assert_eq!(
        of(2, "3"),
        [
            r#"x array {"rules": [{"max": 3, "min": 2, "required": true}]}"#,
            "x[] string"
        ]
    );
    // Its name stays: an invariant may say it.
    assert_eq!(of(0, "0"), [r#"object {"prohibited": ["x"]}"#]);
    // An array of the base stays one.
    let narrow =
        json!({"path": "Thing.x", "max": "1", "base": {"max": "*"}, "type": [{"code": "string"}]});
    assert_eq!(
        rows(narrow),
        [r#"x array {"rules": [{"max": 1}]}"#, "x[] string"]
    );
}

/// A choice has a row for each type; what is asked for is in each.
#[test]
fn choice_is_a_row_for_each_type() {
    let choice = json!({"path": "Thing.value[x]", "min": 1,
        "type": [{"code": "Quantity"}, {"code": "dateTime"}, {"code": "CodeableConcept"}],
        "binding": {"strength": "required", "valueSet": "v:s|4.0.1"},
        "constraint": [{"key": "k-1", "severity": "error", "human": "h", "expression": "exists()"}]});
    let invariants = r#""invariants": [{"key": "k-1", "human": "h", "severity": "error", "expression": "exists()"}]"#;
    let rules = r#""rules": [{"required": true}]"#;
    let binding = r#""binding": {"strength": "required", "vocabulary": "v:s"}"#;
    assert_eq!(
        rows(choice),
        [
            format!(
                "valueQuantity Quantity {{{rules}, \"choice\": \"value\", {binding}, {invariants}}}"
            ),
            format!("valueDateTime dateTime {{{rules}, \"choice\": \"value\", {invariants}}}"),
            format!(
                "valueCodeableConcept CodeableConcept {{{rules}, \"choice\": \"value\", {binding}, {invariants}}}"
            ),
        ]
    );
}

/// Values and their ends.
#[test]
fn values_are_in_rows() {
    for (element, expected) in [
        (
            json!({"type": [{"code": "integer"}], "minValueInteger": 1, "maxValueInteger": 9}),
            r#"x integer {"rules": [{"max": 9, "min": 1}]}"#,
        ),
        (
            json!({"type": [{"code": "date"}], "minValueDate": "2020-01"}),
            r#"x date {"rules": [{"min": "2020-01"}]}"#,
        ),
        (
            json!({"type": [{"code": "string"}], "maxLength": 5}),
            r#"x string {"rules": [{"max": 5}]}"#,
        ),
        (
            json!({"type": [{"code": "code"}], "fixedCode": "a"}),
            r#"x code {"fixed": "a"}"#,
        ),
        (
            json!({"type": [{"code": "Coding"}], "patternCoding": {"system": "s"}}),
            r#"x Coding {"pattern": {"system": "s"}}"#,
        ),
        (
            json!({"type": [{"code": "code"}], "binding": {"strength": "preferred", "valueSet": "v"}}),
            "x code",
        ),
        (
            json!({"type": [{"code": "Reference", "targetProfile": [
            "http://hl7.org/fhir/StructureDefinition/Patient", "http://hl7.org/fhir/StructureDefinition/Group"]}]}),
            r#"x Reference {"target": ["Patient", "Group"]}"#,
        ),
        (
            json!({"type": [{"code": "Reference", "targetProfile": [
            "http://hl7.org/fhir/StructureDefinition/Resource"]}]}),
            "x Reference",
        ),
        (
            json!({"type": [{"code": "canonical", "targetProfile": [
            "http://hl7.org/fhir/StructureDefinition/Patient"]}]}),
            "x canonical",
        ),
        (
            json!({"type": [{"code": "Quantity", "profile": [
            "http://hl7.org/fhir/StructureDefinition/SimpleQuantity|4.0.1"]}]}),
            "x SimpleQuantity",
        ),
        (json!({"type": [{"code": "Resource"}]}), "x Resource"),
        (
            json!({"type": [{"code": "http://hl7.org/fhirpath/System.String"}]}),
            "x System.String",
        ),
    ] {
        let mut whole = json!({"path": "Thing.x"});
        whole
            .as_object_mut()
            .unwrap()
            .extend(element.as_object().unwrap().clone());
        assert_eq!(rows(whole), [expected]);
    }
}

/// Content is looked up by the path of the row that it is in.
#[test]
fn content_reference_names_a_row() {
    let described = describe_json(&thing(json!([
        {"path": "Thing.item", "max": "*", "type": [{"code": "BackboneElement"}]},
        {"path": "Thing.item.one", "type": [{"code": "Element"}]},
        {"path": "Thing.item.one.text", "type": [{"code": "string"}]},
        {"path": "Thing.item.item", "max": "*", "contentReference": "#Thing.item"},
        {"path": "Thing.other", "contentReference": "http://hl7.org/fhir/StructureDefinition/Thing#Thing.item.one"},
    ])));
    assert_eq!(
        lines(&described.unwrap().description),
        [
            "item array",
            "item[] object",
            "item[].one object",
            "item[].one.text string",
            "item[].item array",
            "item[].item[] #item[]",
            "other #item[].one",
        ]
    );
}

/// Whatever an element asks for and a row cannot say is told, and does not keep the rest from
/// being said.
#[test]
fn what_is_not_said_is_told() {
    for (element, what, reason) in [
        (
            json!({"type": [{"code": "code"}], "binding": {"strength": "required"}}),
            "binding",
            "required, without a value set",
        ),
        (
            json!({"type": [{"code": "Period"}], "binding": {"strength": "required", "valueSet": "v"}}),
            "binding",
            "no type of the element can be bound",
        ),
        (
            json!({"type": [{"code": "code"}], "binding": {"strength": "extensible", "extension": [{
            "url": "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet",
            "valueCanonical": "v:all"}]}}),
            "binding",
            "the most that it reaches to: v:all",
        ),
        (
            json!({"type": [{"code": "code"}], "constraint": [
            {"key": "k-1", "severity": "error", "human": "h"}]}),
            "constraint",
            "k-1: no expression",
        ),
        (
            json!({"type": [{"code": "code"}], "constraint": [
            {"key": "k-1", "severity": "error", "human": "h", "expression": "a ="}]}),
            "constraint",
            "k-1: expected a value, a name or a parenthesis at character 4",
        ),
        (
            json!({"type": [{"code": "code"}], "constraint": [
            {"key": "k-1", "severity": "grave", "human": "h", "expression": "a"}]}),
            "constraint",
            "k-1: expected severity error or warning",
        ),
        (
            json!({"type": [{"code": "code"}], "fixedString": "a"}),
            "fixed",
            "expected one that code has",
        ),
        (
            json!({"type": [{"code": "Quantity"}], "minValueQuantity": {"value": 1}}),
            "minValue",
            "expected one that Quantity has",
        ),
        (
            json!({"type": [{"code": "date"}], "minValueDate": "20"}),
            "minValue",
            "expected one that date has",
        ),
        (
            json!({"type": [{"code": "integer"}], "maxLength": 3}),
            "maxLength",
            "expected on a string, not on integer",
        ),
        (
            json!({"type": [{"code": "code", "extension": [{
            "url": "http://hl7.org/fhir/StructureDefinition/regex", "valueString": "a"}]}]}),
            "type",
            "a regular expression on a type in an element",
        ),
        (
            json!({"type": [{"code": "Reference", "targetProfile": ["p:x"]}]}),
            "type",
            "the type behind p:x is not known",
        ),
        (
            json!({"type": [{"code": "Reference", "profile": ["p:x"]}]}),
            "type",
            "the profile p:x",
        ),
        (
            json!({"max": "*", "type": [{"code": "code"}], "slicing": {"rules": "closed"}}),
            "slicing",
            "slices, and nothing that tells them apart",
        ),
        (
            json!({"max": "*", "type": [{"code": "code"}], "slicing": {"rules": "closed",
            "discriminator": [{"type": "profile", "path": "resolve()"}]}}),
            "slicing",
            "discriminators other than a value, a pattern or the type of $this",
        ),
    ] {
        let mut whole = json!({"path": "Thing.x"});
        whole
            .as_object_mut()
            .unwrap()
            .extend(element.as_object().unwrap().clone());
        let described = describe_json(&thing(json!([whole]))).unwrap();
        let [told] = &*described.unchecked else {
            panic!("{element}: {:?}", described.unchecked);
        };
        assert_eq!(
            (&*told.path, told.what, &*told.reason),
            ("Thing.x", what, reason)
        );
        let first = &described.description.properties[0].path;
        assert_eq!(first, "x");
    }
}

/// Slices of a choice are its variants, if they are told apart by their types; else they say
/// nothing of them.
#[test]
fn slices_of_a_choice_are_its_variants() {
    let of = |rules: &str, discriminator: &str| {
        let definition = thing(json!([
            {"path": "Thing.x[x]", "type": [{"code": "code"}, {"code": "date"}],
                "slicing": {"rules": rules, "discriminator": [{"type": discriminator, "path": "$this"}]}},
            {"path": "Thing.x[x]", "id": "Thing.x[x]:xCode", "min": 1, "type": [{"code": "code"}],
                "fixedCode": "a"},
        ]));
        let described = describe_json(&definition).unwrap();
        let told = described.unchecked.iter().map(|it| it.reason.as_str());
        (
            lines(&described.description).join("; "),
            told.collect::<Vec<_>>().join("; "),
        )
    };
    let code = r#"xCode code {"fixed": "a", "rules": [{"required": true}], "choice": "x"}"#;
    let date = r#"xDate date {"choice": "x"}"#;
    for (rules, discriminator, rows, told) in [
        (
            "open",
            "type",
            format!("{code}; {date}"),
            "that it is a code",
        ),
        ("closed", "type", code.to_owned(), "that it is a code"),
        (
            "closed",
            "value",
            format!("xCode code {{\"choice\": \"x\"}}; {date}"),
            "slices of a choice by other than one type each",
        ),
    ] {
        assert_eq!(of(rules, discriminator), (rows, told.to_owned()));
    }
}

/// Slices of an array have rows and a place in its setting; those that cannot be told apart have
/// neither.
#[test]
fn slices_of_an_array_have_rows() {
    let definition = thing(json!([
        {"path": "Thing.x", "max": "*", "type": [{"code": "Coding"}], "slicing": {"rules": "closed",
            "ordered": true, "discriminator": [{"type": "value", "path": "code"}]}},
        {"path": "Thing.x.code", "type": [{"code": "code"}]},
        {"path": "Thing.x", "id": "Thing.x:a", "min": 1, "base": {"max": "*"}, "type": [{"code": "Coding"}]},
        {"path": "Thing.x.code", "id": "Thing.x:a.code", "min": 1, "type": [{"code": "code"}], "fixedCode": "a"},
        {"path": "Thing.x", "id": "Thing.x:a/b", "base": {"max": "*"}, "type": [{"code": "Coding"}]},
    ]));
    let described = describe_json(&definition).unwrap();
    assert_eq!(
        lines(&described.description),
        [
            r#"x array {"slicing": {"rules": "closed", "slices": [{"max": 1, "min": 1, "name": "a", "path": "x:a[]"}], "ordered": true, "discriminators": [{"path": "code", "type": "value"}]}}"#,
            r#"x[] object {"type": "Coding"}"#,
            "x[].code code",
            r#"x:a[] object {"type": "Coding"}"#,
            r#"x:a[].code code {"fixed": "a", "rules": [{"required": true}]}"#,
        ]
    );
    assert_eq!(
        described.unchecked[0].reason,
        "slices of slices, or names that are none"
    );
}
