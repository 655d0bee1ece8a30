//! Codes and references.

use super::{Kind, make};
use crate::place::Form;
use serde_json::json;

const BINDING: &str = "terminologies.html#required";
const TARGET: &str = "references.html";

/// Value sets whose codes are not in R4's package: those of BCP 13, UCUM, ISO 4217 and LOINC.
const OPEN: [&str; 4] = ["mimetypes", "ucum-units", "currencies", "LL379-9"];

pub(super) const KINDS: &[Kind] = &[
    make("code of no value set", BINDING, |site, document| {
        let is_bound = site.place.code() == "code" && is_bound(site);
        is_bound.then(|| site.put(document, json!("zz-no-such-code")))?
    }),
    make("code in upper case", BINDING, |site, document| {
        let upper = site.value().as_str()?.to_uppercase();
        let is_lower = site
            .value()
            .as_str()?
            .bytes()
            .all(|it| it.is_ascii_lowercase());
        let is_bound = site.place.code() == "code" && is_bound(site) && is_lower;
        is_bound.then(|| site.put(document, json!(upper)))?
    }),
    make("concept of no value set", BINDING, |site, document| {
        let is_bound = site.place.code() == "CodeableConcept" && is_bound(site);
        let value = json!({"coding": [{"system": "http://example.org", "code": "x"}]});
        is_bound.then(|| site.put(document, value))?
    }),
    make(
        "concept of text under a required binding",
        BINDING,
        |site, document| {
            let is_bound = site.place.code() == "CodeableConcept" && is_bound(site);
            is_bound.then(|| site.put(document, json!({"text": "x"})))?
        },
    ),
    make("concept of another system", BINDING, |site, document| {
        let mut value = site.value().clone();
        value.pointer_mut("/coding")?.as_array_mut()?.truncate(1);
        *value.pointer_mut("/coding/0/system")? = json!("http://example.org");
        let is_bound = site.place.code() == "CodeableConcept" && is_bound(site);
        is_bound.then(|| site.put(document, value))?
    }),
    make(
        "comparator in a SimpleQuantity",
        "datatypes.html#SimpleQuantity",
        |site, document| {
            let is_simple = site.place.kind?.is_simple_quantity;
            let mut value = site.value().clone();
            value
                .as_object_mut()?
                .insert("comparator".to_owned(), json!("<"));
            is_simple.then(|| site.put(document, value))?
        },
    ),
    make("reference to another type", TARGET, |site, document| {
        let targets = &site.place.kind?.targets;
        let types = ["Patient", "Organization", "Substance", "Account"];
        let other = types
            .iter()
            .find(|it| targets.iter().all(|target| target != *it))?;
        let is_closed = is_reference(site) && !targets.is_empty();
        is_closed.then(|| site.put(document, json!({"reference": format!("{other}/1")})))?
    }),
    make(
        "absolute reference to another type",
        TARGET,
        |site, document| {
            let targets = &site.place.kind?.targets;
            let types = ["Patient", "Organization", "Substance", "Account"];
            let other = types
                .iter()
                .find(|it| targets.iter().all(|target| target != *it))?;
            let is_closed = is_reference(site) && !targets.is_empty();
            let url = format!("http://example.org/fhir/{other}/1/_history/2");
            is_closed.then(|| site.put(document, json!({"reference": url})))?
        },
    ),
    make(
        "reference that says another type",
        TARGET,
        |site, document| {
            let value = json!({"reference": "Patient/1", "type": "Group"});
            let targets = &site.place.kind?.targets;
            let is_open = targets.is_empty() || targets.iter().any(|it| it == "Patient");
            (is_reference(site) && is_open).then(|| site.put(document, value))?
        },
    ),
    make("reference with a blank", TARGET, |site, document| {
        let value = json!({"reference": "Patient 1"});
        is_reference(site).then(|| site.put(document, value))?
    }),
    make("reference without an id", TARGET, |site, document| {
        let kind = site.place.kind?.targets.first();
        let kind = kind.map_or("Patient", String::as_str);
        let value = json!({"reference": format!("{kind}/")});
        is_reference(site).then(|| site.put(document, value))?
    }),
    make(
        "reference to nothing contained",
        "references.html#contained, ref-1",
        |site, document| {
            let value = json!({"reference": "#zz-nowhere"});
            is_reference(site).then(|| site.put(document, value))?
        },
    ),
    make(
        "reference to a contained one of another type",
        TARGET,
        |site, document| {
            let place = site.place;
            let targets = &place.kind?.targets;
            let is_closed = is_reference(site) && !targets.is_empty() && place.resource.is_empty();
            let is_open = targets.iter().any(|it| it == "Basic");
            let contained = json!({"resourceType": "Basic", "id": "zz", "code": {"text": "x"}});
            let has = site
                .definitions
                .find(site.document["resourceType"].as_str()?, "contained");
            if !is_closed || is_open || has.is_none() || site.document.get("contained").is_some() {
                return None;
            }
            document.to_mut()["contained"] = json!([contained]);
            site.put(document, json!({"reference": "#zz"}))
        },
    ),
];

fn is_bound(site: &super::Site<'_>) -> bool {
    let binding = site.place.element.binding.as_deref();
    let set = binding.map(|it| it.split('|').next().unwrap_or(it));
    let name = set.and_then(|it| it.rsplit('/').next());
    site.place.form != Form::Array && name.is_some_and(|it| !OPEN.contains(&it))
}

fn is_reference(site: &super::Site<'_>) -> bool {
    site.place.code() == "Reference" && site.place.form != Form::Array
}
