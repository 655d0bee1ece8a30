//! The verdicts of HL7's own validator, as FHIR/fhir-test-cases has recorded them.

use crate::data::lines;
use crate::expression::names;
use crate::judge::{Judge, in_parallel};
use ingest_engine::Issue;
use serde_json::Value as Json;

/// Cases of which we refuse what HL7's accepts: what decides.
const DIFFERENT: [(&str, &str); 1] = [(
    "obs-fio2",
    "it claims US Core's pulse oximetry, of which 3.1.0 asks for l/min, a later one for L/min",
)];

/// What HL7's validator accepts is accepted, what it refuses is refused where it says.
#[test]
fn verdicts_of_hl7_are_ours() {
    let Some(cases) = lines("validator-cases.ndjson.gz") else {
        return;
    };
    let work = |judge: &Judge, case: &Json| judge.refusals(&case["resource"]);
    let Some(all) = in_parallel(&cases, work) else {
        return;
    };
    let mut wrong = Vec::new();
    let (mut accepted, mut refused) = (0, 0);
    for (case, issues) in cases.iter().zip(&all) {
        let name = case["name"].as_str().unwrap();
        let is_different = DIFFERENT.iter().any(|(known, _)| *known == name);
        let why = match (case["expect"] == "accept", missed(case, issues)) {
            (true, _) if is_different && !issues.is_empty() => continue,
            (true, _) if is_different => "is accepted: no exception".to_owned(),
            (true, _) if issues.is_empty() => {
                accepted += 1;
                continue;
            }
            (true, _) => "is accepted by HL7's".to_owned(),
            (false, Some(missed)) => format!("is refused by HL7's at {missed}"),
            (false, None) => {
                refused += 1;
                continue;
            }
        };
        wrong.push(format!("{name} {why}"));
        wrong.extend(issues.iter().map(|issue| format!("    {issue}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((accepted, refused), (122 - DIFFERENT.len(), 30));
}

/// The first expression of HL7's issues where none of ours is.
fn missed(case: &Json, issues: &[Issue]) -> Option<String> {
    let errors = case["errors"].as_array().unwrap();
    let expressions = errors
        .iter()
        .flat_map(|it| it["expression"].as_array().unwrap());
    let mut expressions = expressions.map(|it| it.as_str().unwrap());
    let told: Vec<_> = issues.iter().map(|it| names(&it.expression)).collect();
    let missed = expressions.find(|theirs| {
        let theirs = names(theirs);
        // What is missing, or too much, is told by them of what it is missing in, by us at its own
        // place; a reference by us at its member.
        let near = |ours: &Vec<String>| ours.starts_with(&theirs) && ours.len() <= theirs.len() + 1;
        !told.iter().any(near)
    });
    missed.map(str::to_owned)
}
