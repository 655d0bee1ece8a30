//! Definitions of FHIR: as JSON where it is that, else as bytes of JSONB.
#![no_main]

use ingest_engine::Schema;
use ingest_engine::definition::fhir::{
    Kind, Reduced, definitions, describe, describe_profile, expand,
};
use jsonb::Value;
use libfuzzer_sys::fuzz_target;
use std::borrow::Cow;
use std::str::from_utf8;

fuzz_target!(|bytes: &[u8]| {
    let written = from_utf8(bytes).ok().and_then(|text| jsonb::from_text(text).ok());
    let Ok(given) = Value::read(written.as_deref().unwrap_or(bytes)) else { return };
    let Ok(all) = definitions(given) else { return };
    let all = all.into_iter().filter_map(|one| Reduced::read(one).ok()?);
    let all: Vec<Reduced> = all.collect();
    let mut find = |kind: Kind, url: &str| {
        let found = all.iter().find(|it| it.kind == kind && it.url == url)?;
        Some(Cow::Borrowed(&*found.content))
    };
    for one in &all {
        // What was written can be read, and reduced again is the same.
        let content = Value::read(&one.content).unwrap();
        let Value::Object(object) = content else { unreachable!() };
        assert_eq!(Reduced::read(object).ok().flatten().as_ref(), Some(one));
        match one.kind {
            Kind::StructureDefinition => {
                if let Ok(described) = describe(content, 1) {
                    let _ = Schema::new().insert(&described.description);
                }
                let _ = describe_profile(content, 1, &|_| Some("Patient"));
            }
            Kind::ValueSet => drop(expand(&one.url, &mut find)),
            Kind::CodeSystem | Kind::SearchParameter => {}
        }
    }
});
