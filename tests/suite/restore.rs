//! `resource_restore`: an old version becomes the newest, or what was deleted is there again.

use ingest_tests::expect_sqlstate;
use postgres::{Client, Error};
use serde_json::json;

use crate::clinic::{self, OFFICE, PROVIDER, Written};
use crate::invariant::{assert_sound, written};
use crate::ward;

fn restore(client: &mut Client, id: &str, rest: &str) -> Result<Written, Error> {
    let call = format!("resource_restore('clinic', 'office', '{id}', {rest})");
    written(client, &call)
}

/// An old version comes back under a new number, with what it contained; what is current already is
/// unchanged.
#[test]
fn old_version_becomes_a_new_one() {
    let database = clinic::database("restore");
    let mut client = database.connect();
    let first = json!({"data": {"name": "old"}, "contained": {
        "primaryPaymentMethod": [{"id": "x", "type": "paymentMethod", "data": {"value": "1"}}]}});
    clinic::create_as(&mut client, OFFICE, "o", &first).unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "new"}})).unwrap();
    let restored = restore(&mut client, "o", "1").unwrap();
    assert_eq!(
        (restored.outcome.as_str(), restored.version),
        ("updated", 3)
    );
    let versions = clinic::history(&mut client, OFFICE, "o").unwrap();
    let part = |place: usize, key: &str| versions[place].resource.as_ref().unwrap()[key].clone();
    assert_eq!(part(0, "data"), part(2, "data"));
    assert_eq!(part(0, "contained"), part(2, "contained"));
    for same in ["1", "3"] {
        let again = restore(&mut client, "o", same).unwrap();
        assert_eq!((again.outcome.as_str(), again.version), ("unchanged", 3));
    }
    assert_sound(&mut client, "clinic");
}

/// What was deleted is there again, without its links; the version that is a deletion has nothing to
/// restore.
#[test]
fn deleted_resource_is_there_again_without_links() {
    let database = clinic::database("restore");
    let mut client = database.connect();
    clinic::create_as(&mut client, PROVIDER, "p", &json!({"data": {"name": "p"}})).unwrap();
    clinic::create_as(&mut client, OFFICE, "o", &json!({"data": {"name": "a"}})).unwrap();
    clinic::link(&mut client, "p", "o").unwrap();
    clinic::delete(&mut client, OFFICE, "o", None, true).unwrap();
    expect_sqlstate(restore(&mut client, "o", "2"), "PT410");
    expect_sqlstate(restore(&mut client, "o", "1, 2"), "PT412");
    let restored = restore(&mut client, "o", "1, 0").unwrap();
    assert_eq!(
        (restored.outcome.as_str(), restored.version),
        ("created", 3)
    );
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, deleted 2, created 3"
    );
    let linked = "SELECT count(*) FROM clinic.\"worksAt\"";
    assert_eq!(clinic::value::<i64>(&mut client, linked), 0);
    assert_sound(&mut client, "clinic");
}

/// A version that the profile of today refuses stays where it is; so does one that is not there, and
/// one that is restored over another than was expected.
#[test]
fn version_that_cannot_be_restored_is_refused() {
    let database = clinic::database("restore");
    let mut client = database.connect();
    let of = |kind: &str| {
        format!(
            r#"SELECT ingest.profile_define('clinic', 'thing', '{{"type": "ROOT", "properties": {{"n": {{"type": "{kind}"}}}}}}')"#
        )
    };
    client.batch_execute(&of("symbol")).unwrap();
    let put = |n: &str| {
        format!(
            "SELECT ingest.resource_upsert('clinic', 'thing', 't', '{{\"data\": {{\"n\": {n}}}}}')"
        )
    };
    client.batch_execute(&put("\"a\"")).unwrap();
    client.batch_execute(&of("integer")).unwrap();
    client.batch_execute(&put("1")).unwrap();
    for (rest, state) in [
        ("1", "PT422"),
        ("7", "PT404"),
        ("0", "PT404"),
        ("NULL", "PT400"),
        ("2, 1", "PT412"),
        ("2, 0", "PT412"),
    ] {
        let call = format!("resource_restore('clinic', 'thing', 't', {rest})");
        expect_sqlstate(written(&mut client, &call), state);
    }
    assert_eq!(
        clinic::story(&mut client, "thing", "t"),
        "created 1, updated 2"
    );
}

/// A reader restores nothing, and who cannot read history cannot restore from it.
#[test]
fn role_without_the_rights_is_refused() {
    let mut database = clinic::database("restore");
    let (reader, writer) = (
        database.create_role("reader", ""),
        database.create_role("writer", ""),
    );
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "a"}})).unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "b"}})).unwrap();
    client
        .batch_execute(&format!(
            "SELECT ingest.source_grant('clinic', '{reader}', 'read');
             SELECT ingest.source_grant('clinic', '{writer}', 'write');"
        ))
        .unwrap();
    expect_sqlstate(
        restore(&mut database.connect_as(&reader), "o", "1"),
        "42501",
    );
    restore(&mut database.connect_as(&writer), "o", "1").unwrap();
    client
        .batch_execute(&format!(
            "REVOKE SELECT ON clinic.office_history FROM \"{writer}\""
        ))
        .unwrap();
    expect_sqlstate(
        restore(&mut database.connect_as(&writer), "o", "2"),
        "42501",
    );
}

/// A FHIR resource comes back with the id, the version and the instant that are the server's.
#[test]
fn fhir_resource_comes_back_under_a_new_version() {
    let (_database, mut client) = ward::database("restore");
    for family in ["A", "B"] {
        let call = format!(
            r#"resource_upsert('fhir', 'Patient', 'p', '{{"resourceType": "Patient", "id": "p", "name": [{{"family": "{family}"}}]}}')"#
        );
        written(&mut client, &call).unwrap();
    }
    let again = "resource_restore('fhir', 'Patient', 'p', 1, 2)";
    let restored = written(&mut client, again).unwrap();
    assert_eq!(
        (restored.outcome.as_str(), restored.version),
        ("updated", 3)
    );
    let resource = restored.resource.unwrap();
    assert_eq!(resource["name"][0]["family"], "A");
    assert_eq!(resource["meta"]["versionId"], "3");
    let same = written(&mut client, "resource_restore('fhir', 'Patient', 'p', 1)").unwrap();
    assert_eq!((same.outcome.as_str(), same.version), ("unchanged", 3));
}
