//! Places, as validators tell them: `Bundle.entry[1].resource/*Patient/1*/.name` and
//! `Observation.value.ofType(Quantity)` of HL7's, `Observation.valueQuantity` of ours.

/// The steps of an expression, without comments, each index a step of its own, a variant of a choice
/// as JSON names it, a companion as what it stands beside.
pub fn steps(expression: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut rest = expression;
    while let Some((before, after)) = rest.split_once("/*") {
        plain.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    let plain = plain.replace('[', ".[");
    let mut steps: Vec<String> = Vec::new();
    for step in plain.split('.').filter(|step| !step.is_empty()) {
        let variant = step
            .strip_prefix("ofType(")
            .and_then(|it| it.strip_suffix(')'));
        match (variant, steps.last_mut()) {
            (Some(variant), Some(last)) => {
                let (first, tail) = variant.split_at(1);
                last.push_str(&first.to_uppercase());
                last.push_str(tail);
            }
            _ => steps.push(step.trim_start_matches('_').to_owned()),
        }
    }
    steps
}

/// Without indexes.
pub fn names(expression: &str) -> Vec<String> {
    let mut steps = steps(expression);
    steps.retain(|step| !step.starts_with('['));
    steps
}

/// Whether an issue is told at a place, in it, or of what it stands in.
pub fn is_at(told: &str, place: &str) -> bool {
    let (told, place) = (steps(told), steps(place));
    let above = place.iter().rposition(|step| !step.starts_with('['));
    let above = place.get(..above.unwrap_or_default()).unwrap_or_default();
    told.starts_with(&place) || (place.starts_with(&told) && told.starts_with(above))
}

#[test]
fn places_of_both_ways_are_the_same() {
    let theirs = "Bundle.entry[1].resource/*Observation/null*/.value.ofType(Quantity).code";
    assert_eq!(
        steps(theirs),
        steps("Bundle.entry[1].resource.valueQuantity.code")
    );
    assert_eq!(
        names("Patient.name[0].given[1]"),
        ["Patient", "name", "given"]
    );
}

#[test]
fn issues_at_a_place_are_told_from_those_elsewhere() {
    let place = "Patient.name[0].given[1]";
    for told in [
        place,
        "Patient.name[0].given",
        "Patient.name[0]",
        "Patient.name[0].given[1].x",
    ] {
        assert!(is_at(told, place), "{told}");
    }
    for told in [
        "Patient.name",
        "Patient",
        "Patient.name[0].given[0]",
        "Patient.name[1]",
        "",
    ] {
        assert!(!is_at(told, place), "{told}");
    }
}
