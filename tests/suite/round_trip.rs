//! What was read can be written back as it stands.

use ingest_tests::expect_sqlstate;
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, value};

const LINK: &str = "provider.p,office.o";

fn read(client: &mut Client, sql: &str) -> Value {
    client.query_one(sql, &[]).unwrap().get(0)
}

fn start() -> (ingest_tests::Database, Client) {
    let database = clinic::database("round_trip");
    let mut client = database.connect();
    client
        .batch_execute(
            r#"SELECT ingest.resource_create('clinic', 'office', '{"data": {"name": "a"}, "contained": {"primaryPaymentMethod": [{"data": {"value": "x"}}]}}', 'o');
               SELECT ingest.resource_create('clinic', 'provider', '{"data": {"name": "p"}}', 'p');
               SELECT ingest.relationship_link('clinic', 'worksAt', '{"from": {"id": "p", "type": "provider"}, "to": {"id": "o", "type": "office"}}')"#,
        )
        .unwrap();
    (database, client)
}

/// Every verb takes a resource and a link as they were read, and finds them unchanged; `meta` is not
/// looked at, whatever it is.
#[test]
fn what_was_read_is_written_back() {
    let (_database, mut client) = start();
    let resource = read(
        &mut client,
        "SELECT ingest.resource_read('clinic', 'office', 'o')",
    );
    let link = read(
        &mut client,
        &format!("SELECT ingest.relationship_read('clinic', 'worksAt', '{LINK}')"),
    );
    let mut odd = resource.clone();
    odd["meta"] = json!([1]);
    odd["type"] = json!(null);
    for (body, sql) in [
        (
            &resource,
            "SELECT outcome::text FROM ingest.resource_upsert('clinic', 'office', 'o', $1)",
        ),
        (
            &odd,
            "SELECT outcome::text FROM ingest.resource_upsert('clinic', 'office', 'o', $1, 1)",
        ),
        (
            &resource,
            "SELECT outcome::text FROM ingest.resource_upsert_if('clinic', 'office', '{\"name\": \"a\"}', $1)",
        ),
        (
            &resource,
            "SELECT outcome::text FROM ingest.resource_load('clinic', 'office', jsonb_build_array($1::jsonb), 'upsert')",
        ),
        (
            &resource,
            "SELECT ingest.bundle_apply('clinic', jsonb_build_object('operations', jsonb_build_array(jsonb_build_object('operation', 'upsert', 'profile', 'office', 'id', 'o', 'body', $1::jsonb)))) #>> '{operations,0,outcome}'",
        ),
        (
            &link,
            "SELECT outcome::text FROM ingest.relationship_upsert('clinic', 'worksAt', $1)",
        ),
        (
            &link,
            "SELECT outcome::text FROM ingest.relationship_load('clinic', 'worksAt', jsonb_build_array($1::jsonb), 'upsert')",
        ),
        (
            &link,
            "SELECT ingest.bundle_apply('clinic', jsonb_build_object('operations', jsonb_build_array(jsonb_build_object('operation', 'link_upsert', 'relationship', 'worksAt', 'body', $1::jsonb)))) #>> '{operations,0,outcome}'",
        ),
    ] {
        let outcome: String = client.query_one(sql, &[body]).unwrap().get(0);
        assert_eq!(outcome, "unchanged", "{sql}");
    }
    for (body, sql) in [
        (
            &resource,
            "SELECT ingest.resource_is_valid('clinic', 'office', $1)",
        ),
        (
            &resource,
            "SELECT ingest.resource_validate('clinic', 'office', $1) #>> '{issue,0,severity}' = 'information'",
        ),
        (
            &link,
            "SELECT ingest.relationship_validate('clinic', 'worksAt', $1) #>> '{issue,0,severity}' = 'information'",
        ),
    ] {
        assert!(
            client.query_one(sql, &[body]).unwrap().get::<_, bool>(0),
            "{sql}"
        );
    }
    // After it has gone, too.
    client
        .batch_execute("SELECT ingest.resource_delete('clinic', 'office', 'o', cascade => true)")
        .unwrap();
    client
        .query(
            "SELECT ingest.resource_create('clinic', 'office', $1)",
            &[&resource],
        )
        .unwrap();
    client
        .query(
            "SELECT ingest.relationship_link('clinic', 'worksAt', $1)",
            &[&link],
        )
        .unwrap();
    let again = read(
        &mut client,
        "SELECT ingest.resource_read('clinic', 'office', 'o')",
    );
    assert_eq!(
        (&again["data"], &again["contained"]),
        (&resource["data"], &resource["contained"])
    );
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.\"worksAt\""),
        1
    );
}

/// A body of another type, or under another id, is refused, and both are named; so is a key that is
/// none.
#[test]
fn body_of_something_else_is_refused() {
    let (_database, mut client) = start();
    let body = |more: &str| format!(r#"{{"data": {{}}, {more}}}"#);
    let link = |more: &str| {
        format!(
            r#"{{"from": {{"id": "p", "type": "provider"}}, "to": {{"id": "o", "type": "office"}}, {more}}}"#
        )
    };
    let upsert = "ingest.resource_upsert('clinic', 'office', 'o', $1::text::jsonb)";
    let create = "ingest.resource_create('clinic', 'office', $1::text::jsonb)";
    let relate = "ingest.relationship_upsert('clinic', 'worksAt', $1::text::jsonb)";
    for (call, body, message) in [
        (
            create,
            body(r#""type": "provider""#),
            "the body is of type provider, and is to be written as office",
        ),
        (
            create,
            body(r#""type": 1"#),
            "type in the body is not a string",
        ),
        (
            upsert,
            body(r#""id": "x""#),
            "the id in the body is x, and that of the call o",
        ),
        (
            create,
            body(r#""dta": {}"#),
            "body has a key that it does not take: dta",
        ),
        (
            relate,
            link(r#""type": "owns""#),
            "the body is of type owns, and is to be written as worksAt",
        ),
        (
            relate,
            link(r#""id": "provider.x,office.o""#),
            "the id in the body is provider.x,office.o, and that of its ends provider.p,office.o",
        ),
        (relate, link(r#""id": 1"#), "id in the body is not a string"),
    ] {
        let refused = client.query(&format!("SELECT {call}"), &[&body]);
        let refused = expect_sqlstate(refused, "PT400");
        assert_eq!(refused.message(), message);
    }
}
