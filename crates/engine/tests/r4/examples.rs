//! Real resources.

use crate::data::{examples, lines, name, takes_all};
use crate::judge::{Judge, in_parallel};
use serde_json::Value as Json;

/// The examples that break a rule of R4: where, and which rule.
const WRONG: [(&str, &str, &str); 6] = [
    (
        "DeviceMetric/example",
        "DeviceMetric.parent.reference",
        "DeviceMetric.parent: a Device, and not a DeviceComponent, which R4 has not",
    ),
    (
        "DeviceUseStatement/example",
        "DeviceUseStatement.reasonReference[0].reference",
        "DeviceUseStatement.reasonReference: what is pointed to must be one of five types",
    ),
    (
        "MedicationRequest/medrx0301",
        "MedicationRequest.dispenseRequest.performer.reference",
        "MedicationRequest.dispenseRequest.performer: an Organization",
    ),
    (
        "Observation/clinical-gender",
        "Observation.performer[0].reference",
        "Observation.performer: what is pointed to must be one of six types",
    ),
    (
        "Questionnaire/qs1",
        "Questionnaire.item[0].item[0].linkId",
        "Questionnaire.item.linkId: 1..1",
    ),
    (
        "StructureDefinition/Definition",
        "StructureDefinition",
        "sdf-4: what is not abstract has a baseDefinition",
    ),
];

/// Every example of HL7's is accepted, but for those that break a rule of R4.
#[test]
fn examples_are_accepted_but_for_wrong_ones() {
    let Some(examples) = examples() else { return };
    assert_eq!(examples.len(), 520);
    let work = |judge: &Judge, it: &Json| judge.refusals(it);
    let Some(all) = in_parallel(examples, work) else {
        return;
    };
    let mut wrong = Vec::new();
    let mut refused = 0;
    for (example, issues) in examples.iter().zip(all) {
        let name = name(example);
        let known = WRONG.iter().find(|(known, ..)| *known == name);
        match (known, issues.first()) {
            (None, None) => {}
            (Some((_, place, _)), Some(issue)) if issue.expression == *place => refused += 1,
            (Some((_, place, why)), _) => wrong.push(format!("{name} at {place}: {why}")),
            (None, Some(issue)) => wrong.push(format!("{name}: {issue}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(refused, WRONG.len());
}

/// The records that Synthea makes are accepted, as the bundles that they are and one by one.
#[test]
fn records_of_synthea_are_accepted() {
    let Some(mut bundles) = lines("synthea-bundles.ndjson.gz") else {
        return;
    };
    assert_eq!(bundles.len(), 12);
    if !takes_all() {
        bundles.truncate(3);
    }
    let entries = bundles
        .iter()
        .flat_map(|it| it["entry"].as_array().unwrap());
    let mut all: Vec<Json> = entries.map(|it| it["resource"].clone()).collect();
    assert!(all.len() == 2_522 || !takes_all());
    all.extend(bundles);
    let work = |judge: &Judge, it: &Json| (name(it), judge.refusals(it));
    let Some(all) = in_parallel(&all, work) else {
        return;
    };
    let refused = all.into_iter().filter(|(_, issues)| !issues.is_empty());
    let refused = refused.map(|(name, issues)| format!("{name}: {}", issues[0]));
    let refused: Vec<_> = refused.collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
