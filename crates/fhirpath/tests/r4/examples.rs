//! The invariants of R4 on its own examples.

use crate::data::lines;
use crate::definitions::Definitions;
use crate::walk::{Plans, walk};
use fhirpath::Budget;
use jsonb::{Value, from_text};

/// Every invariant that is an error holds in every place of every example, but for the ones that
/// break it. No resource needs more than a million steps.
#[test]
fn invariants_of_r4_hold_in_its_examples() {
    let (Some(examples), Some(definitions)) = (lines("examples.ndjson.gz"), Definitions::load())
    else {
        return;
    };
    let plans = Plans::new(&definitions);
    let mut broken = Vec::new();
    let mut count = 0;
    let mut most = 0;
    for example in &examples {
        let bytes = from_text(example).unwrap();
        let resource = Value::read(&bytes).unwrap();
        let budget = Budget::new(1_000_000);
        walk(&definitions, resource, &mut |site| {
            for (invariant, plan) in plans.of(site.element) {
                if !invariant.is_error {
                    continue;
                }
                count += 1;
                match plan.holds(&site.environment(&definitions), site.node, &budget) {
                    Ok(true) => {}
                    other => broken.push(format!("{} {}: {other:?}", invariant.key, site.place)),
                }
            }
        });
        most = most.max(1_000_000 - budget.left());
    }
    eprintln!("{count} evaluations, at most {most} steps a resource");
    assert!(count > 100_000, "{count}");
    // StructureDefinition/Definition is not abstract, and has no base.
    assert_eq!(broken, ["sdf-4 StructureDefinition: Ok(false)"]);
}
