//! R4's SearchParameters, planned for every type that they are for.

use crate::data::package;
use crate::judge::Judge;
use fhirpath::{Type, Types};
use search::{Definition, Parameter, Systems};
use serde_json::Value as Json;
use std::collections::BTreeMap;

struct NoSystems;

impl Systems for NoSystems {
    fn systems(&self, _: Type, _: &str) -> Vec<String> {
        Vec::new()
    }
}

fn texts(value: &Json) -> Vec<&str> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Json::as_str).collect()
}

fn plan(judge: &Judge, parameter: &Json, kind: &str) -> Result<Parameter, String> {
    let definition = Definition {
        code: parameter["code"].as_str().unwrap(),
        kind: parameter["type"].as_str().unwrap(),
        expression: parameter["expression"].as_str().unwrap_or_default(),
        targets: texts(&parameter["target"]),
    };
    let schema = judge.ready(kind);
    let focus = schema.named(kind).unwrap();
    Parameter::plan(&definition, focus, kind, schema, &NoSystems)
}

/// All are planned but composite and special ones, those without an expression, and these.
#[test]
fn parameters_of_r4_lead_somewhere() {
    let (Some(package), Some(judge)) = (package(), Judge::of_r4()) else {
        return;
    };
    let mut planned = 0;
    let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let parameters = package.iter().filter(|it| {
        it["resourceType"] == "SearchParameter"
            && it["expression"].is_string()
            && it["type"] != "composite"
            && it["type"] != "special"
    });
    for parameter in parameters {
        let bases = texts(&parameter["base"])
            .into_iter()
            .flat_map(|base| match base {
                "Resource" | "DomainResource" => vec!["Patient", "Observation"],
                base => vec![base],
            });
        for kind in bases {
            match plan(&judge, parameter, kind) {
                Ok(_) => planned += 1,
                Err(why) => {
                    let name = format!("{kind}.{}", parameter["code"].as_str().unwrap());
                    refused.entry(why).or_default().push(name);
                }
            }
        }
    }
    eprintln!("{planned} planned");
    for (why, names) in &refused {
        eprintln!("{why}: {}", names.join(", "));
    }
    assert!(planned > 1_600, "{planned}");
    let names: usize = refused.values().map(Vec::len).sum();
    assert!(names <= 4, "{refused:?}");
}

#[test]
fn parameters_of_r4_stand_where_they_should() {
    let (Some(package), Some(judge)) = (package(), Judge::of_r4()) else {
        return;
    };
    let find = |kind: &str, code: &str| {
        let parameters = package
            .iter()
            .filter(|it| it["resourceType"] == "SearchParameter");
        let mut of =
            parameters.filter(|it| it["code"] == code && texts(&it["base"]).contains(&kind));
        plan(&judge, of.next().unwrap(), kind).unwrap()
    };
    for (kind, code, paths, targets) in [
        ("Patient", "name", "name:HumanName", ""),
        ("Patient", "phone", "telecom[system=phone]:ContactPoint", ""),
        (
            "Patient",
            "deceased",
            "deceasedBoolean:exists;deceasedDateTime:exists",
            "",
        ),
        ("Patient", "birthdate", "birthDate:date", ""),
        ("Patient", "identifier", "identifier:Identifier", ""),
        (
            "Observation",
            "value-quantity",
            "valueQuantity:Quantity",
            "",
        ),
        (
            "Observation",
            "patient",
            "subject[@Patient]:Reference",
            "Patient",
        ),
        (
            "Observation",
            "date",
            "effectiveDateTime:dateTime;effectiveInstant:instant;effectivePeriod:Period;effectiveTiming:Timing",
            "",
        ),
        (
            "Condition",
            "abatement-string",
            "abatementString:string",
            "",
        ),
        (
            "Library",
            "successor",
            "relatedArtifact[type=successor].resource:canonical",
            "",
        ),
    ] {
        let parameter = find(kind, code);
        assert_eq!(parameter.paths.to_string(), paths, "{kind}.{code}");
        assert_eq!(parameter.targets.join(","), targets, "{kind}.{code}");
    }
}
