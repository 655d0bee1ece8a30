//! Invariants, a few of each kind of expression.

use super::{Draft, Kind, Site, make, put};
use crate::place::Form;
use serde_json::{Value as Json, json};

pub(super) const KINDS: &[Kind] = &[
    put(
        "per-1",
        "datatypes.html#Period",
        &["Period"],
        || json!({"start": "2020-02-01", "end": "2020-01-01"}),
    ),
    put(
        "qty-3",
        "datatypes.html#Quantity",
        &["Quantity"],
        || json!({"value": 1, "code": "kg"}),
    ),
    put(
        "att-1",
        "datatypes.html#Attachment",
        &["Attachment"],
        || json!({"data": "aGk="}),
    ),
    put(
        "cpt-2",
        "datatypes.html#ContactPoint",
        &["ContactPoint"],
        || json!({"value": "1"}),
    ),
    put(
        "rng-2",
        "datatypes.html#Range",
        &["Range"],
        || json!({"low": {"value": 2}, "high": {"value": 1}}),
    ),
    put(
        "rat-1",
        "datatypes.html#Ratio",
        &["Ratio"],
        || json!({"numerator": {"value": 1}}),
    ),
    put(
        "age-1",
        "datatypes.html#Age",
        &["Age"],
        || json!({"value": 1}),
    ),
    put(
        "drt-1",
        "datatypes.html#Duration",
        &["Duration"],
        || json!({"value": 1, "code": "h", "system": "http://example.org"}),
    ),
    put(
        "tim-1",
        "datatypes.html#Timing",
        &["Timing"],
        || json!({"repeat": {"duration": 1}}),
    ),
    put(
        "tim-4",
        "datatypes.html#Timing",
        &["Timing"],
        || json!({"repeat": {"duration": -1, "durationUnit": "h"}}),
    ),
    put(
        "tim-9",
        "datatypes.html#Timing",
        &["Timing"],
        || json!({"repeat": {"when": ["C"], "offset": 1}}),
    ),
    put(
        "exp-1",
        "metadatatypes.html#Expression",
        &["Expression"],
        || json!({"language": "text/cql"}),
    ),
    put(
        "eld-2",
        "elementdefinition.html",
        &["ElementDefinition"],
        || json!({"path": "A.b", "min": 2, "max": "1"}),
    ),
    make("pat-1", "patient.html", |site, document| {
        item(
            site,
            document,
            "Patient",
            "contact",
            json!({"gender": "male"}),
        )
    }),
    make("obs-3", "observation.html", |site, document| {
        let value = json!({"type": {"text": "x"}});
        item(site, document, "Observation", "referenceRange", value)
    }),
    make("obs-6", "observation.html", |site, document| {
        let is_value =
            site.place.of == "Observation" && site.place.element.choice() == Some("value");
        let beside =
            is_value.then(|| site.beside(document, "dataAbsentReason", json!({"text": "x"})));
        beside??;
        site.root()
    }),
    make("cmp-1", "composition.html", |site, document| {
        item(
            site,
            document,
            "Composition",
            "section",
            json!({"title": "x"}),
        )
    }),
    make("vsd-1", "valueset.html", |site, document| {
        item(
            site,
            document,
            "ValueSet.compose",
            "include",
            json!({"version": "1"}),
        )
    }),
    make("gol-1", "goal.html", |site, document| {
        item(
            site,
            document,
            "Goal",
            "target",
            json!({"detailString": "x"}),
        )
    }),
    make("imm-1", "immunization.html", |site, document| {
        item(
            site,
            document,
            "Immunization",
            "education",
            json!({"publicationDate": "2020"}),
        )
    }),
    make("ras-2", "riskassessment.html", |site, document| {
        let value = json!({"probabilityDecimal": 101});
        item(site, document, "RiskAssessment", "prediction", value)
    }),
    make("org-1", "organization.html", |site, document| {
        let is_whole = site.place.of == "Organization";
        let root = is_whole.then(|| site.root())??;
        let object = site.object(document);
        object.remove("name");
        object.remove("identifier");
        Some(root)
    }),
    make("ait-1", "allergyintolerance.html", |site, document| {
        let is_status = site.place.of == "AllergyIntolerance" && site.place.key == "clinicalStatus";
        let root = is_status.then(|| site.root())??;
        let object = site.object(document);
        object.remove("clinicalStatus");
        object.remove("verificationStatus");
        Some(root)
    }),
    make("que-2", "questionnaire.html", |site, document| {
        twice(site, document, "Questionnaire", "item")
    }),
    make("bdl-7", "bundle.html", |site, document| {
        let is_history = site.document["type"] == "history";
        let has_url = site.value().get("fullUrl").is_some();
        (has_url && !is_history).then(|| twice(site, document, "Bundle", "entry"))?
    }),
    make("csd-1", "codesystem.html", |site, document| {
        twice(site, document, "CodeSystem", "concept")
    }),
    make("dom-2", "domainresource.html", |site, document| {
        let inner = json!({"resourceType": "Basic", "id": "yy", "code": {"text": "x"}});
        contained(site, document, json!({"contained": [inner]}))
    }),
    make("dom-3", "domainresource.html", |site, document| {
        let places = contained(site, document, json!({}))?;
        document.to_mut().as_object_mut()?.remove("extension");
        Some(places)
    }),
    make("dom-4", "domainresource.html", |site, document| {
        contained(site, document, json!({"meta": {"versionId": "1"}}))
    }),
    make("dom-5", "domainresource.html", |site, document| {
        contained(
            site,
            document,
            json!({"meta": {"security": [{"code": "x"}]}}),
        )
    }),
    make(
        "two contained resources of one id",
        "references.html#contained",
        |site, document| {
            contained(site, document, json!({}))?;
            contained(site, document, json!({}))?;
            let all = site.object(document)["contained"].as_array()?.len();
            Some(vec![format!(
                "{}.contained[{}].id",
                site.place.above(),
                all - 1
            )])
        },
    ),
];

/// Puts a value in the place of one item of an element.
fn item(
    site: &Site<'_>,
    document: &mut Draft<'_>,
    of: &str,
    name: &str,
    value: Json,
) -> Option<Vec<String>> {
    let place = site.place;
    let is_item = place.of == of && place.key == name && place.form == Form::Item;
    is_item.then(|| site.put(document, value))?
}

/// Repeats an item of an element of the whole, which is where it is to be found.
fn twice(site: &Site<'_>, document: &mut Draft<'_>, of: &str, name: &str) -> Option<Vec<String>> {
    let place = site.place;
    let is_item = place.of == of && place.key == name && place.form == Form::Item;
    let root = is_item.then(|| site.root())??;
    let item = site.value().clone();
    site.object(document)[name].as_array_mut()?.push(item);
    Some(root)
}

/// Adds a contained resource with more in it, to which an extension points.
fn contained(site: &Site<'_>, document: &mut Draft<'_>, more: Json) -> Option<Vec<String>> {
    site.definitions.find(&site.place.of, "contained")?;
    let root = site.root()?;
    let mut resource = json!({"resourceType": "Basic", "id": "zz", "code": {"text": "x"}});
    let members = resource.as_object_mut()?;
    members.extend(more.as_object()?.clone());
    let object = site.object(document);
    for (key, value) in [
        ("contained", resource),
        (
            "extension",
            json!({"url": "http://example.org/x", "valueReference": {"reference": "#zz"}}),
        ),
    ] {
        let all = object.entry(key).or_insert_with(|| json!([]));
        all.as_array_mut()?.push(value);
    }
    Some(root)
}
