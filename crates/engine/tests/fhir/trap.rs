//! The traps of R4's own definitions.

use crate::data::{Library, r4};
use crate::package::described;
use crate::rows::{line, lines};
use ingest_engine::definition::fhir::{Kind, describe};
use ingest_engine::{Description, Kind as What};
use jsonb::Value;
use std::collections::HashMap;

struct Types(HashMap<String, Description>);

impl Types {
    fn load() -> Option<Self> {
        let all = described(r4()?).into_iter();
        Some(Self(all.map(|(_, it, _)| (it.name.clone(), it)).collect()))
    }

    fn row(&self, name: &str, path: &str) -> String {
        let rows = &self.0[name].properties;
        rows.iter()
            .find(|row| row.path == path)
            .map_or_else(String::new, line)
    }
}

/// R4 says that the id of a resource is a string; it is an id. That of an element is a string without
/// spaces that can have no companion, and the url of an extension a uri.
#[test]
fn ids_are_what_they_are() {
    let Some(types) = Types::load() else { return };
    for (name, it) in &types.0 {
        let is_resource = it.kind == What::Root || matches!(&**name, "Resource" | "DomainResource");
        let expected = if is_resource { "id id" } else { "id System.Id" };
        assert_eq!(types.row(name, "id"), expected, "{name}");
    }
    assert_eq!(
        types.row("Patient", "contact[].id"),
        "contact[].id System.Id"
    );
    assert_eq!(
        types.row("Extension", "url"),
        r#"url System.Uri {"rules": [{"required": true}]}"#
    );
}

/// Types know what they are kinds of.
#[test]
fn bases_are_named() {
    let Some(types) = Types::load() else { return };
    for (name, base) in [
        ("Resource", None),
        ("Element", None),
        ("DomainResource", Some("Resource")),
        ("Patient", Some("DomainResource")),
        ("Bundle", Some("Resource")),
        ("Age", Some("Quantity")),
        ("SimpleQuantity", Some("Quantity")),
        ("MoneyQuantity", Some("Quantity")),
        ("Timing", Some("BackboneElement")),
        ("BackboneElement", Some("Element")),
    ] {
        assert_eq!(types.0[name].base.as_deref(), base, "{name}");
        let is_table = matches!(name, "Patient" | "Bundle");
        assert_eq!(types.0[name].kind == What::Root, is_table, "{name}");
    }
}

/// A quantity of R4's own types has no comparator.
#[test]
fn simple_quantity_has_no_comparator() {
    let Some(types) = Types::load() else { return };
    assert_eq!(types.row("SimpleQuantity", "comparator"), "");
    assert!(
        types
            .row("Quantity", "comparator")
            .starts_with("comparator code")
    );
    assert!(types.row("SimpleQuantity", "").contains("sqty-1"));
    let dose = types.row("Dosage", "doseAndRate[].doseQuantity");
    assert_eq!(
        dose,
        r#"doseAndRate[].doseQuantity SimpleQuantity {"choice": "dose"}"#
    );
}

/// Canonicals carry the version of the package, which no row has.
#[test]
fn canonicals_have_no_version() {
    let Some(types) = Types::load() else { return };
    assert_eq!(
        types.row("Patient", "gender"),
        r#"gender code {"binding": {"strength": "required", "vocabulary": "http://hl7.org/fhir/ValueSet/administrative-gender"}}"#
    );
    for row in types.0.values().flat_map(|it| &it.properties) {
        let line = line(row);
        let binding = line.split("\"vocabulary\": ").nth(1);
        assert!(
            !binding.is_some_and(|it| it.split('}').next().unwrap().contains('|')),
            "{line}"
        );
    }
}

/// Rules of shape are no invariants; those that a resource inherits are.
#[test]
fn shapes_are_no_invariants() {
    let Some(types) = Types::load() else { return };
    for row in types.0.values().flat_map(|it| &it.properties) {
        let line = line(row);
        assert!(
            !line.contains("\"ele-1\"") && !line.contains("\"ext-1\""),
            "{line}"
        );
    }
    let root = types.row("Patient", "");
    for key in ["dom-2", "dom-3", "dom-4", "dom-5", "dom-6"] {
        assert!(root.contains(key), "{key}");
    }
    assert!(!root.contains("pat-1"));
    assert!(types.row("Patient", "contact[]").contains("pat-1"));
    // inv-1 is three rules, each where its type says it.
    let inv = types
        .0
        .values()
        .flat_map(|it| &it.properties)
        .filter(|row| line(row).contains("\"inv-1\""));
    assert!(inv.count() >= 3);
}

/// Open types have 50 variants, content references lead to rows of objects.
#[test]
fn choices_and_contents_are_rows() {
    let Some(types) = Types::load() else { return };
    let variants = |name: &str, beginning: &str| {
        let rows = types.0[name].properties.iter();
        rows.filter(|row| row.path.starts_with(beginning) && line(row).contains("choice"))
            .count()
    };
    assert_eq!(variants("Extension", "value"), 50);
    assert_eq!(variants("Parameters", "parameter[].value"), 50);
    assert_eq!(variants("Observation", "value"), 11);
    assert_eq!(
        types.row("Questionnaire", "item[].item[]"),
        "item[].item[] #item[]"
    );
    assert_eq!(
        types.row("ExampleScenario", "process[].step[].operation.request"),
        "process[].step[].operation.request #instance[].containedInstance[]"
    );
    for it in types.0.values() {
        for row in &it.properties {
            let Some(target) = row.kind.strip_prefix('#') else {
                continue;
            };
            let found = it.properties.iter().find(|it| it.path == target).unwrap();
            assert_eq!(found.kind, "object", "{} {}", it.name, row.path);
        }
    }
    assert_eq!(
        types.row("Bundle", "entry[].resource"),
        "entry[].resource Resource"
    );
    assert_eq!(types.row("Patient", "contained[]"), "contained[] Resource");
}

/// A whole type, row by row.
#[test]
fn period_is_described() {
    let Some(types) = Types::load() else { return };
    let invariant = r#"{"key": "per-1", "human": "If present, start SHALL have a lower value than end", "severity": "error", "expression": "start.hasValue().not() or end.hasValue().not() or (start <= end)"}"#;
    assert_eq!(
        lines(&types.0["Period"]),
        [
            &*format!(r#"object {{"invariants": [{invariant}]}}"#),
            "id System.Id",
            "extension array",
            "extension[] Extension",
            "start dateTime",
            "end dateTime",
        ]
    );
}

/// Six code systems have their version in their url, and are no versions of each other.
#[test]
fn versions_in_urls_stay() {
    let Some(library) = r4() else { return };
    let count = |library: &Library| {
        let urls = library
            .of_kind(Kind::CodeSystem)
            .filter(|it| it.url.contains('|'));
        urls.count()
    };
    assert_eq!(count(library), 6);
}

/// No StructureDefinition of R4 keeps what nothing uses.
#[test]
fn texts_are_dropped() {
    let Some(library) = r4() else { return };
    for one in library.all.values() {
        let text = jsonb::to_text(Value::read(&one.content).unwrap()).unwrap();
        for member in [
            "\"text\": {\"",
            "\"differential\": {",
            "\"mapping\": [",
            "\"contact\": [",
            "\"definition\": \"A",
        ] {
            assert!(!text.contains(member), "{} {member}", one.url);
        }
        if one.kind == Kind::StructureDefinition {
            // Describing is a function of what is left.
            let value = Value::read(&one.content).unwrap();
            assert_eq!(describe(value, 1), describe(value, 1));
        }
    }
}
