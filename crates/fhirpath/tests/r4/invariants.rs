//! The invariants of R4: all are read, nearly all planned.

use crate::data::shared;
use crate::definitions::{Definitions, Invariant};
use fhirpath::errata::{ERRATA, repaired};
use fhirpath::{Context, Plan, Types, parse};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;

/// Every expression of the list is read, and no text of the errata is anything else.
#[test]
fn expressions_of_r4_are_read() {
    let Some(list) = shared("invariants.tsv") else {
        return;
    };
    let list = fs::read_to_string(list).unwrap();
    let mut count = 0;
    for line in list.lines().skip(1) {
        let expression = line.split('\t').nth(1).unwrap();
        // A field with quotes in it is quoted, as in CSV.
        let expression = match expression.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"').unwrap().replace("\"\"", "\""),
            None => expression.to_owned(),
        };
        parse(&expression).unwrap_or_else(|refused| panic!("{expression}: {refused}"));
        count += 1;
    }
    assert_eq!(count, 189);
}

/// Every invariant is planned where it stands, as it is and put right, but for those that look at
/// what a reference means or at XHTML.
#[test]
fn invariants_of_r4_are_planned() {
    let Some(definitions) = Definitions::load() else {
        return;
    };
    let mut planned = HashSet::new();
    let mut errors = BTreeSet::new();
    let mut refusals = BTreeMap::new();
    for (path, invariants) in &definitions.invariants {
        for invariant in invariants {
            let right = repaired(&invariant.key, &invariant.expression);
            let both = [invariant.expression.as_str(), right];
            for expression in both {
                if !planned.insert((path.clone(), expression.to_owned())) {
                    continue;
                }
                if let Err(refused) = plan(&definitions, path, expression) {
                    refusals.insert((path.as_str(), expression.to_owned()), refused.why);
                } else if invariant.is_error {
                    errors.insert(invariant.expression.clone());
                }
            }
        }
    }
    assert!(planned.len() > 8_000, "{}", planned.len());
    let refusals: Vec<_> = refusals
        .iter()
        .map(|((path, _), why)| (*path, why.to_string()))
        .collect();
    // R4's ChargeItemDefinition has no name for cid-0, which is a warning.
    let expected = [
        ("CareTeam.participant", "not supported: resolve()"),
        ("ChargeItemDefinition", "no element name"),
        ("ChargeItemDefinition", "no element name"),
        ("Narrative.div", "not supported: htmlChecks()"),
    ];
    let expected = expected.map(|(path, why)| (path, why.to_owned()));
    assert_eq!(refusals, expected);
    assert_eq!(errors.len(), 187);
}

/// Each erratum is about an invariant of R4, to the letter.
#[test]
fn errata_are_of_r4() {
    let Some(definitions) = Definitions::load() else {
        return;
    };
    let all: Vec<&Invariant> = definitions.invariants.values().flatten().collect();
    for erratum in ERRATA {
        let key = |it: &Invariant| match erratum.key {
            "*-0" => it.key.ends_with("-0"),
            key => it.key == key,
        };
        let found = all.iter().filter(|it| key(it));
        let found: Vec<_> = found.map(|it| it.expression.as_str()).collect();
        assert!(!found.is_empty(), "{}", erratum.key);
        for stock in found {
            assert_eq!(stock, erratum.stock, "{}", erratum.key);
        }
    }
}

/// The docs list all of them, and no others.
#[test]
fn errata_are_in_the_docs() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/fhir.md");
    let docs = fs::read_to_string(docs).unwrap();
    let (_, told) = docs.split_once("| key | what is wrong with it |").unwrap();
    let told: Vec<&str> = told
        .lines()
        .skip(2)
        .take_while(|it| !it.is_empty())
        .collect();
    let rows = ERRATA
        .iter()
        .map(|it| format!("| `{}` | {} |", it.key, it.why));
    assert_eq!(told, rows.collect::<Vec<_>>());
}

/// The plan of an expression on the element of a path.
pub fn plan(
    definitions: &Definitions,
    path: &str,
    expression: &str,
) -> Result<Plan, fhirpath::Refused> {
    let model = &definitions.model;
    let root = path.split('.').next().unwrap();
    let resource = model.named(root).filter(|it| {
        matches!(
            model.form(*it),
            fhirpath::Form::Resource | fhirpath::Form::AnyResource
        )
    });
    let focus = model.named(path).or_else(|| {
        let (parent, name) = path.rsplit_once('.')?;
        let key = (parent.to_owned(), name.to_owned());
        Some(definitions.elements.get(&key)?.kind)
    });
    Plan::new(
        expression,
        &Context {
            types: model,
            focus,
            resource,
        },
    )
}
