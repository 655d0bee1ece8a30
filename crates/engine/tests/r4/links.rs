//! The links of real bundles.

use crate::data::lines;
use crate::judge::Judge;
use ingest_engine::bundle::{LinkKind, Wanted, links};
use ingest_engine::{Limits, Need};
use jsonb::{Value, from_json};

/// Every reference of Synthea's to another entry is found, and no canonical is.
#[test]
fn references_of_synthea_are_found() {
    let (Some(bundles), Some(judge)) = (lines("synthea-bundles.ndjson.gz"), Judge::of_r4()) else {
        return;
    };
    let (mut urns, mut inside) = (0, 0);
    for bundle in &bundles {
        for entry in bundle["entry"].as_array().unwrap() {
            let resource = &entry["resource"];
            let kind = resource["resourceType"].as_str().unwrap();
            // What the resource leads to is loaded by judging it.
            judge.issues(resource);
            let schema = judge.ready(kind);
            let profile = schema.get(Need::Profile, kind).unwrap();
            let bytes = from_json(resource).unwrap();
            let Value::Object(object) = Value::read(&bytes).unwrap() else {
                panic!("not an object");
            };
            let wanted = Wanted {
                within: &|_| true,
                link: &|kind, _| kind == LinkKind::Reference,
            };
            for link in links(schema, &profile, object, Limits::default(), wanted).unwrap() {
                urns += usize::from(link.text.starts_with("urn:uuid:"));
                inside += usize::from(link.text.starts_with('#'));
            }
        }
    }
    assert_eq!((urns, inside), (7_982, 418));
}
