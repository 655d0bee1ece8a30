//! Real bundles: the patients of Synthea, as they are.

use std::path::Path;
use std::process::Command;

use ingest_tests::Database;
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::value;
use crate::fhir_data::lines;

/// A database with all of R4 in the source `fhir`; `None` where the package is not here.
fn database(types: &str) -> Option<(Database, Client)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cached = Command::new(root.join("scripts/fetch-fhir"))
        .arg("--cached")
        .output()
        .unwrap();
    let package = String::from_utf8(cached.stdout).unwrap();
    if package.trim().is_empty() {
        return None;
    }
    let database = Database::new("bundle");
    let output = Command::new(root.join("scripts/fhir-import"))
        .args(["--types", types, &database.url(), "fhir", package.trim()])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let client = database.connect();
    Some((database, client))
}

/// The bundles of Synthea apply as they are, and again: each time all of their resources are made anew,
/// and every reference leads to one of them.
#[test]
fn bundles_of_synthea_apply_as_they_are_and_twice() {
    let Some(bundles) = lines("synthea-bundles.ndjson.gz") else {
        return;
    };
    let bundles: Vec<Value> = bundles
        .iter()
        .map(|bundle| serde_json::from_str(bundle).unwrap())
        .collect();
    assert_eq!(bundles.len(), 12);
    let entries = || {
        bundles
            .iter()
            .flat_map(|bundle| bundle["entry"].as_array().unwrap())
    };
    let mut types: Vec<&str> = entries()
        .map(|entry| entry["request"]["url"].as_str().unwrap())
        .collect();
    let count = types.len();
    types.sort_unstable();
    types.dedup();
    let Some((_database, mut client)) = database(&types.join(",")) else {
        return;
    };
    for _ in 0..2 {
        for bundle in &bundles {
            let answer: Value = client
                .query_one("SELECT ingest.bundle_apply('fhir', $1)", &[bundle])
                .unwrap()
                .get(0);
            let (given, answers) = (
                bundle["entry"].as_array().unwrap(),
                answer["entry"].as_array().unwrap(),
            );
            assert_eq!(given.len(), answers.len());
            for (given, answer) in given.iter().zip(answers) {
                assert_eq!(answer["response"]["status"], json!("201 Created"));
                let location = answer["response"]["location"].as_str().unwrap();
                let of = given["request"]["url"].as_str().unwrap();
                assert!(location.starts_with(&format!("{of}/")), "{location}");
            }
        }
    }
    client
        .batch_execute(
            "CREATE TEMP TABLE stored (address text, data jsonb);
             DO $$
             DECLARE type text;
             BEGIN
                 FOR type IN SELECT profile FROM ingest.profile WHERE kind = 'ROOT' LOOP
                     EXECUTE format('INSERT INTO stored SELECT %1$L || ''/'' || id, data FROM fhir.%1$I', type);
                 END LOOP;
             END $$;
             CREATE INDEX ON stored (address)",
        )
        .unwrap();
    let stored: i64 = value(&mut client, "SELECT count(*) FROM stored");
    assert_eq!(usize::try_from(stored).unwrap(), 2 * count);
    let left: i64 = value(
        &mut client,
        "SELECT count(*) FROM stored WHERE data::text ~ '\"reference\": \"urn:uuid:'",
    );
    assert_eq!(left, 0);
    let (references, lost): (i64, i64) = {
        let row = client
            .query_one(
                "SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (SELECT FROM stored AS t WHERE t.address = r.reference #>> '{}'))
                 FROM stored AS s, jsonb_path_query(s.data, '$.**.reference ? (@.type() == \"string\")') AS r (reference)
                 WHERE NOT starts_with(r.reference #>> '{}', '#')",
                &[],
            )
            .unwrap();
        (row.get(0), row.get(1))
    };
    assert!(references >= 2 * 7_982, "{references}");
    assert_eq!(lost, 0);
}
