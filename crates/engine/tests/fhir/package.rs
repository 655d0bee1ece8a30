//! The whole package of R4.

use crate::data::{Library, object, r4, reduce, stock};
use ingest_engine::definition::fhir::{
    Kind, NotDescribed, Reduced, Unchecked, definitions, describe,
};
use ingest_engine::{Description, Kind as What, Schema};
use jsonb::{Value, to_text};
use std::collections::BTreeMap;
use std::time::Instant;

/// Every definition of the package is read, and what is left of it is a small part.
#[test]
fn definitions_of_r4_are_reduced() {
    let Some(stock) = stock() else { return };
    let size: usize = stock.iter().map(Vec::len).sum();
    let library = Library::of(&stock);
    let count = |kind| library.of_kind(kind).count();
    assert_eq!(count(Kind::StructureDefinition), 655);
    assert_eq!(count(Kind::ValueSet), 1_316);
    assert_eq!(count(Kind::CodeSystem), 1_062);
    assert_eq!(count(Kind::SearchParameter), 1_400);
    let reduced: usize = library.all.values().map(|it| it.content.len()).sum();
    assert!(reduced * 3 < size, "{reduced} of {size} bytes");
    // What is reduced is so already.
    for one in library.all.values() {
        assert_eq!(reduce(&one.content).as_ref(), Some(one));
    }
}

/// Every StructureDefinition is described, or it is said why not.
#[test]
fn types_of_r4_are_described() {
    let Some(library) = r4() else { return };
    let mut counts = BTreeMap::new();
    for definition in library.of_kind(Kind::StructureDefinition) {
        let outcome = match describe(Value::read(&definition.content).unwrap(), 1) {
            Ok(described) => match described.description.kind {
                What::Root => "resource".to_owned(),
                _ => "type".to_owned(),
            },
            Err(NotDescribed::Wrong(issues)) => panic!("{}: {issues:?}", definition.url),
            Err(why) => why.to_string(),
        };
        *counts.entry(outcome).or_insert(0) += 1;
    }
    let expected = [
        // Definition, Event, FiveWs, MetadataResource and Request.
        ("a logical model, which no resource is an instance of", 5),
        ("a profile, which says more of a type that there is", 439),
        ("built in", 20),
        ("resource", 146),
        // 41 complex types, Resource and DomainResource, SimpleQuantity and MoneyQuantity.
        ("type", 45),
    ];
    let expected = expected.map(|(what, count)| (what.to_owned(), count));
    assert_eq!(counts, BTreeMap::from(expected));
}

/// R4's types, described.
pub fn described(library: &Library) -> Vec<(&Reduced, Description, Vec<Unchecked>)> {
    let definitions = library.of_kind(Kind::StructureDefinition);
    let mut all: Vec<_> = definitions
        .filter_map(|it| {
            let described = describe(Value::read(&it.content).unwrap(), 1).ok()?;
            Some((it, described.description, described.unchecked))
        })
        .collect();
    all.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    all
}

/// The rows are those that facts of R4 say there are.
#[test]
fn rows_of_r4_are_counted() {
    let Some(library) = r4() else { return };
    let all = described(library);
    // SimpleQuantity and MoneyQuantity are profiles, which are not counted.
    let types = all
        .iter()
        .filter(|(it, ..)| !it.url.ends_with("eQuantity") && !it.url.ends_with("yQuantity"));
    let rows = types.flat_map(|(_, it, _)| &it.properties);
    let (mut elements, mut roots, mut contents, mut choices, mut simple) = (0, 0, 0, 0, 0);
    for row in rows {
        let settings = to_text(Value::read(&row.settings).unwrap()).unwrap();
        elements += usize::from(!row.path.is_empty() && !row.path.ends_with("[]"));
        roots += usize::from(row.path.is_empty());
        contents += usize::from(row.kind.starts_with('#'));
        choices += usize::from(settings.contains("\"choice\""));
        simple += usize::from(row.kind == "SimpleQuantity");
    }
    // 8,476 are the elements of all 209 types; the 20 primitive ones have 80, and 189 of the others
    // are the types themselves.
    assert_eq!(elements, 8_476 - 80 - 189);
    assert_eq!(choices, 987);
    assert_eq!(contents, 55);
    assert_eq!(simple, 55);
    // A type has a row of its own if it has invariants beside ele-1 and ext-1.
    assert!(roots > 146, "{roots}");
}

/// The rows compile: nothing in them is refused, and no name is missing.
#[test]
fn rows_of_r4_compile() {
    let Some(library) = r4() else { return };
    let schema = Schema::new();
    for (_, description, _) in described(library) {
        if let Err(issues) = schema.insert(&description) {
            panic!("{}: {issues:?}", description.name);
        }
    }
}

/// Whatever R4 asks for and the rows do not say is told.
#[test]
fn unchecked_of_r4_is_told() {
    let Some(library) = r4() else { return };
    let mut told = BTreeMap::new();
    for (_, _, unchecked) in described(library) {
        for one in unchecked {
            let reason = match one.what {
                "binding" => "",
                _ => &one.reason,
            };
            *told.entry(format!("{} {reason}", one.what)).or_insert(0) += 1;
        }
    }
    let expected = [("binding ", 161)];
    let expected = expected.map(|(what, count)| (what.to_owned(), count));
    assert_eq!(told, BTreeMap::from(expected));
}

/// A bundle, an array and a resource by itself are taken apart alike.
#[test]
fn package_is_given_in_every_way() {
    let Some(stock) = stock() else { return };
    let values: Vec<Value<'_>> = stock.iter().map(|it| Value::Object(object(it))).collect();
    let items: Vec<jsonb::Item<'_>> = values.iter().map(|it| jsonb::Item::Copy(*it)).collect();
    let array = jsonb::write(&jsonb::Item::Array(&items)).unwrap();
    let start = Instant::now();
    let all = definitions(Value::read(&array).unwrap()).unwrap();
    assert_eq!(all.len(), stock.len());
    let mut rows = 0;
    for one in all {
        let Some(reduced) = Reduced::read(one).unwrap() else {
            continue;
        };
        if reduced.kind == Kind::StructureDefinition
            && let Ok(described) = describe(Value::read(&reduced.content).unwrap(), 1)
        {
            rows += described.description.properties.len();
        }
    }
    eprintln!(
        "{} definitions, {rows} rows: {:?}",
        stock.len(),
        start.elapsed()
    );
    assert!(rows > 10_000);
}
