//! Values that are too long for an index are refused in our own words, by who only asks too, and what
//! is let pass fits: PostgreSQL itself never has to refuse.

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, value};
use crate::invariant::assert_sound;

fn definition() -> Value {
    json!({"type": "ROOT", "properties": {
        "mrn": {"type": "symbol"}, "size": {"type": "decimal"}, "ward": {"type": "symbol"},
        "note": {"type": "markdown"}, "tags": {"type": "array", "items": {"type": "symbol"}},
        "name": {"type": "humanname"}}})
}

fn declared() -> Value {
    let mut definition = definition();
    definition["identities"] = json!([["mrn"], ["size"]]);
    definition["indexes"] = json!([["ward", "name.family"], ["tags"]]);
    definition
}

fn database() -> (Database, Client) {
    let database = Database::new("fit");
    let mut client = database.connect();
    client
        .batch_execute("SELECT ingest.source_create('clinic'); SET client_min_messages = warning")
        .unwrap();
    clinic::define(&mut client, "clinic", "pt", &declared()).unwrap();
    (database, client)
}

/// Digits and letters that no compression makes much shorter, none of them zero at the beginning.
fn noise(client: &mut Client, count: i32, digits: bool) -> String {
    let kept = if digits { "[^1-9]" } else { "[^0-9a-zA-Z]" };
    let sql = "SELECT left(string_agg(regexp_replace(encode(sha512(n::text::bytea), 'base64'), $2, '', 'g'), ''), $1) \
               FROM generate_series(1, 1 + $1 / 5) AS n";
    let text: String = client.query_one(sql, &[&count, &kept]).unwrap().get(0);
    assert_eq!(text.len(), usize::try_from(count).unwrap());
    text
}

/// What fits to the last byte is stored by every index, and one byte more is refused by all who write
/// and all who ask, in the same words.
#[test]
fn value_fits_or_is_refused_by_all_in_the_same_words() {
    let (_database, mut client) = database();
    let long = noise(&mut client, 13_000, false);
    let digits = noise(&mut client, 10_000, true);
    let number = |count: usize| -> Value { serde_json::from_str(&digits[..count]).unwrap() };
    let mrn = |count: usize| json!({"mrn": long[..count]});
    let both = |ward: usize, family: usize| json!({"ward": long[..ward], "name": {"family": long[..family]}});
    for (fits, not, at, room) in [
        (
            mrn(2_680),
            mrn(2_681),
            "mrn",
            "2680 bytes, as much as the index over mrn holds",
        ),
        (
            mrn(2_680),
            mrn(12_800),
            "mrn",
            "2680 bytes, as much as the index over mrn holds",
        ),
        (
            json!({"mrn": "x".repeat(2_680)}),
            json!({"mrn": "x".repeat(12_800)}),
            "mrn",
            "2680 bytes, as much as the index over mrn holds",
        ),
        (
            both(1_336, 1_336),
            both(1_336, 1_337),
            "name.family",
            "2672 bytes together, as much as the index over ward, name.family holds",
        ),
        (
            json!({"size": number(5_000)}),
            json!({"size": number(6_000)}),
            "size",
            "2680 bytes, as much as the index over size holds",
        ),
    ] {
        let id = clinic::create(&mut client, "pt", &json!({"data": fits}))
            .unwrap()
            .id;
        let issue = json!({"severity": "error", "code": "value", "expression": [format!("pt.{at}")],
            "diagnostics": format!("expected at most {room}")});
        let body = json!({"data": not});
        let asked: Value = client
            .query_one(
                "SELECT ingest.resource_validate('clinic', 'pt', $1)",
                &[&body],
            )
            .unwrap()
            .get(0);
        assert_eq!(asked["issue"], json!([issue]));
        let valid: bool = client
            .query_one(
                "SELECT ingest.resource_is_valid('clinic', 'pt', $1)",
                &[&body],
            )
            .unwrap()
            .get(0);
        assert!(!valid);
        let writes = [
            "SELECT ingest.resource_create('clinic', 'pt', jsonb_build_object('data', $1::jsonb))",
            "INSERT INTO clinic.pt (data) VALUES ($1)",
            "INSERT INTO clinic.pt (id, data) SELECT id, $1 FROM clinic.pt ON CONFLICT (id) DO UPDATE SET data = excluded.data",
            "UPDATE clinic.pt SET data = $1",
            "SELECT ingest.resource_load('clinic', 'pt', jsonb_build_array(jsonb_build_object('data', $1::jsonb)))",
        ];
        for write in writes {
            let refusal = expect_sqlstate(client.execute(write, &[&not]), "PT422");
            let detail: Value = serde_json::from_str(refusal.detail().unwrap()).unwrap();
            let mut told = detail["issue"][0].clone();
            // Of rows with ids that their writer knows it says which one it is.
            let place = told["expression"][0].as_str().unwrap();
            assert!(
                place.starts_with("pt") && place.ends_with(&format!(".{at}")),
                "{place}"
            );
            told["expression"] = issue["expression"].clone();
            assert_eq!(told, issue, "{write}");
        }
        client
            .execute("DELETE FROM clinic.pt WHERE id = $1", &[&id])
            .unwrap();
    }
    assert_sound(&mut client, "clinic");
}

/// What no B-tree holds may be long: what has no index, and what an array holds, which is found.
#[test]
fn what_no_tree_holds_may_be_long() {
    let (_database, mut client) = database();
    let long = noise(&mut client, 13_000, false);
    let body = json!({"data": {"note": long, "tags": [long], "mrn": "1"}});
    let id = clinic::create(&mut client, "pt", &body).unwrap().id;
    let criteria = json!({"tags": long});
    let found: String = client
        .query_one(
            "SELECT id FROM ingest.resource_search('clinic', 'pt', $1::jsonb)",
            &[&criteria],
        )
        .unwrap()
        .get(0);
    assert_eq!(found, id);
    // A column of one's own is none of the table's.
    client
        .batch_execute(
            "CREATE TABLE clinic.inbox (body jsonb);
             CREATE TRIGGER t BEFORE INSERT ON clinic.inbox FOR EACH ROW
                 EXECUTE FUNCTION ingest.validate('clinic', 'pt', 'body')",
        )
        .unwrap();
    client
        .execute(
            "INSERT INTO clinic.inbox VALUES ($1)",
            &[&json!({"mrn": long})],
        )
        .unwrap();
}

/// An index that stored values do not fit into is told by a dry run, row by row, and refused.
#[test]
fn index_over_stored_values_that_are_too_long_is_told_and_refused() {
    let (_database, mut client) = database();
    clinic::define(&mut client, "clinic", "pt", &definition()).unwrap();
    let long = noise(&mut client, 13_000, false);
    for (id, mrn) in [("a", "short"), ("b", &long)] {
        clinic::create_as(&mut client, "pt", id, &json!({"data": {"mrn": mrn}})).unwrap();
    }
    let told: String = client
        .query_one(
            "SELECT string_agg(id, ' ') FROM ingest.profile_check('clinic', 'pt', $1)",
            &[&declared()],
        )
        .unwrap()
        .get(0);
    assert_eq!(told, "b");
    let refused = clinic::define(&mut client, "clinic", "pt", &declared());
    let refusal = expect_sqlstate(refused, "PT409");
    assert_eq!(
        refusal.message(),
        "stored values of pt are too long for an index over mrn"
    );
    client
        .batch_execute(r#"UPDATE clinic.pt SET data = '{"mrn": "b"}' WHERE id = 'b'"#)
        .unwrap();
    clinic::define(&mut client, "clinic", "pt", &declared()).unwrap();
    assert_eq!(
        value::<i64>(
            &mut client,
            "SELECT count(*) FROM ingest.doctor('clinic') WHERE severity <> 'information'"
        ),
        0
    );
}
