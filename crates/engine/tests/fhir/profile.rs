//! Profiles: those of US Core 3.1.0, whose snapshots are whole.

use crate::data::{Library, r4, shared, unpack};
use crate::rows::line;
use ingest_engine::definition::fhir::{Described, Kind, NotDescribed, describe_profile, expand};
use jsonb::Value;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

struct UsCore {
    library: Library,
    /// The type of each profile.
    types: BTreeMap<String, String>,
}

impl UsCore {
    fn load() -> Option<Self> {
        let all = unpack(&shared("us-core-3.1.0.tgz")?);
        let stock = r4()?.of_kind(Kind::StructureDefinition);
        let mut types: BTreeMap<String, String> = all
            .iter()
            .filter(|it| it["resourceType"] == "StructureDefinition")
            .map(|it| (text(&it["url"]), text(&it["type"])))
            .collect();
        for one in stock {
            let content = Value::read(&one.content).unwrap();
            let content: Json = serde_json::from_str(&jsonb::to_text(content).unwrap()).unwrap();
            types.insert(one.url.clone(), text(&content["type"]));
        }
        Some(Self {
            library: Library::of_json(&all),
            types,
        })
    }

    fn described(&self) -> BTreeMap<&str, Described> {
        let type_of = |url: &str| self.types.get(url).map(String::as_str);
        let profiles = self.library.of_kind(Kind::StructureDefinition);
        let described = profiles.map(|it| {
            let value = Value::read(&it.content).unwrap();
            let name = it.url.rsplit('/').next().unwrap();
            let described = describe_profile(value, 1, &type_of);
            (
                name,
                described.unwrap_or_else(|why| panic!("{name}: {why:?}")),
            )
        });
        described.collect()
    }
}

fn text(value: &Json) -> String {
    value.as_str().unwrap().to_owned()
}

/// All profiles are described, with all their slices; what is not said is told.
#[test]
fn us_core_is_described() {
    let Some(us_core) = UsCore::load() else {
        return;
    };
    let all = us_core.described();
    assert_eq!(all.len(), 29);
    let rows = || all.values().flat_map(|it| &it.description.properties);
    // 24 elements are sliced: 10 of them are choices, whose slices are their variants.
    let sliced = rows().filter(|row| line(row).contains("\"slicing\""));
    assert_eq!(sliced.count(), 14);
    let slices = rows().filter(|row| row.path.rsplit('.').next().unwrap().contains(':'));
    assert_eq!(slices.count(), 24);
    let mut told = BTreeMap::new();
    for one in all.values().flat_map(|it| &it.unchecked) {
        let what = match one.what {
            "binding" => "binding".to_owned(),
            what => format!("{what} {}: {}", one.path, one.reason),
        };
        *told.entry(what).or_insert(0) += 1;
    }
    let expected = [
        ("binding", 27),
        (
            "constraint Provenance.agent.onBehalfOf: provenance-1: expected ) at character 31",
            1,
        ),
    ];
    let expected = expected.map(|(what, count)| (what.to_owned(), count));
    assert_eq!(told, BTreeMap::from(expected));
}

/// The rows of profiles, by what they show.
#[test]
fn profiles_say_what_they_add() {
    let Some(us_core) = UsCore::load() else {
        return;
    };
    let all = us_core.described();
    let row = |name: &str, path: &str| {
        let rows = &all[name].description.properties;
        rows.iter()
            .find(|row| row.path == path)
            .map_or_else(String::new, line)
    };
    let patient = &all["us-core-patient"].description;
    assert_eq!(patient.base.as_deref(), Some("Patient"));
    assert_eq!(
        patient.name,
        "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"
    );
    for (name, path, expected) in [
        (
            "us-core-patient",
            "name",
            r#"name array {"rules": [{"required": true}]}"#,
        ),
        (
            "us-core-patient",
            "extension:race[]",
            r#"extension:race[] Extension {"profiles": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"]}"#,
        ),
        (
            "us-core-patient",
            "identifier[]",
            "identifier[] object {\"type\": \"Identifier\"}",
        ),
        (
            "us-core-patient",
            "identifier[].system",
            r#"identifier[].system uri {"rules": [{"required": true}]}"#,
        ),
        (
            "us-core-race",
            "extension",
            r#"extension array {"slicing": {"rules": "open", "slices": [{"max": 5, "min": 0, "name": "ombCategory", "path": "extension:ombCategory[]"}, {"min": 0, "name": "detailed", "path": "extension:detailed[]"}, {"max": 1, "min": 1, "name": "text", "path": "extension:text[]"}], "ordered": false, "discriminators": [{"path": "url", "type": "value"}]}}"#,
        ),
        (
            "us-core-race",
            "extension:ombCategory[]",
            r#"extension:ombCategory[] object {"type": "Extension"}"#,
        ),
        (
            "us-core-race",
            "extension:ombCategory[].url",
            r#"extension:ombCategory[].url uri {"fixed": "ombCategory", "rules": [{"required": true}]}"#,
        ),
        (
            "us-core-race",
            "extension:ombCategory[].valueCoding",
            r#"extension:ombCategory[].valueCoding Coding {"rules": [{"required": true}], "choice": "value", "binding": {"strength": "required", "vocabulary": "http://hl7.org/fhir/us/core/ValueSet/omb-race-category"}}"#,
        ),
        ("us-core-race", "extension:ombCategory[].valueString", ""),
        (
            "us-core-pulse-oximetry",
            "valueQuantity.code",
            r#"valueQuantity.code code {"fixed": "%", "rules": [{"required": true}]}"#,
        ),
    ] {
        assert_eq!(row(name, path), expected);
    }
}

/// The profiles of R4's own package are described, but for the two that have no snapshot.
#[test]
fn profiles_of_r4_are_described() {
    let Some(library) = r4() else { return };
    let mut told = BTreeMap::new();
    for one in library.of_kind(Kind::StructureDefinition) {
        let outcome = match describe_profile(Value::read(&one.content).unwrap(), 1, &|_| None) {
            Ok(described) => {
                for one in described.unchecked {
                    let what = match one.what {
                        "binding" | "type" | "constraint" => one.what,
                        _ => &format!("{} {}", one.what, one.reason),
                    };
                    *told.entry(what.to_owned()).or_insert(0) += 1;
                }
                "described".to_owned()
            }
            Err(NotDescribed::Wrong(issues)) => panic!("{}: {issues:?}", one.url),
            Err(why) => why.to_string(),
        };
        *told.entry(outcome).or_insert(0) += 1;
    }
    let expected = [
        // Definition, Event, FiveWs, MetadataResource and Request.
        ("a logical model, which no resource is an instance of", 5),
        ("a type, and not a profile of one", 191),
        ("binding", 50),
        ("built in", 20),
        ("described", 437),
        ("no snapshot: give the definition with one", 2),
        // By what a reference leads to.
        (
            "slicing discriminators other than a value, a pattern or the type of $this",
            1,
        ),
        ("type", 22),
    ];
    let expected = expected.map(|(what, count)| (what.to_owned(), count));
    assert_eq!(told, BTreeMap::from(expected));
}

/// Required value sets of US Core are expanded with those of R4: 51 of 53.
#[test]
fn value_sets_of_us_core_are_expanded() {
    let Some(us_core) = UsCore::load() else {
        return;
    };
    let stock = r4().unwrap();
    let rows = us_core.described().into_values();
    let rows = rows.flat_map(|it| it.description.properties);
    let sets: BTreeSet<String> = rows
        .filter_map(|row| {
            let line = line(&row);
            let (_, name) = line.split_once("\"vocabulary\": \"")?;
            Some(name.split('"').next()?.to_owned())
        })
        .collect();
    let mut find = |kind, url: &str| us_core.library.find(kind, url).or(stock.find(kind, url));
    let refused = sets.iter().filter_map(|it| expand(it, &mut find).err());
    let mut refused: Vec<String> = refused.map(|why| why.to_string()).collect();
    refused.sort();
    assert_eq!(sets.len(), 53, "{sets:#?}");
    assert_eq!(
        refused,
        [
            "no CodeSystem http://loinc.org",
            "no CodeSystem urn:ietf:bcp:13"
        ]
    );
}
