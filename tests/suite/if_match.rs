//! `if_match`: every verb that takes it writes the version that is expected, or nothing.

use ingest_tests::{Database, expect_sqlstate};
use postgres::Client;
use serde_json::json;

use crate::clinic::{self, OFFICE, PROVIDER};
use crate::invariant::{assert_sound, written};

const LINK: &str = r#"{"from": {"type": "provider", "id": "p"}, "to": {"type": "office", "id": "{id}"}, "data": {"since": 2}}"#;

/// Each verb, with `{id}` for the resource and `{n}` for the expected version.
fn verbs() -> Vec<(&'static str, String)> {
    let operation = |rest: &str| {
        format!(r#"bundle_apply('clinic', '{{"operations": [{{"if_match": {{n}}, {rest}}}]}}')"#)
    };
    let of_office = r#""profile": "office", "id": "{id}""#;
    let of_link = r#""relationship": "knows""#;
    [
        ("upsert", r#"resource_upsert('clinic', 'office', '{id}', '{"data": {"name": "new"}}', {n})"#.to_owned()),
        ("patch", r#"resource_patch('clinic', 'office', '{id}', '{"data": {"name": "new"}}', {n})"#.to_owned()),
        ("restore", "resource_restore('clinic', 'office', '{id}', 1, {n})".to_owned()),
        ("delete", "resource_delete('clinic', 'office', '{id}', {n}, true)".to_owned()),
        ("contained_put", r#"contained_put('clinic', 'office', '{id}', 'primaryPaymentMethod/x', '{"data": {"value": "new"}}', {n})"#.to_owned()),
        ("contained_delete", "contained_delete('clinic', 'office', '{id}', 'primaryPaymentMethod/x', {n})".to_owned()),
        ("link_upsert", format!("relationship_upsert('clinic', 'knows', '{LINK}', {{n}})")),
        ("unlink", "relationship_unlink('clinic', 'knows', 'provider.p,office.{id}', {n})".to_owned()),
        ("upsert in a bundle", operation(&format!(r#""operation": "upsert", {of_office}, "body": {{"data": {{"name": "new"}}}}"#))),
        ("patch in a bundle", operation(&format!(r#""operation": "patch", {of_office}, "patch": {{"data": {{"name": "new"}}}}"#))),
        ("delete in a bundle", operation(&format!(r#""operation": "delete", "cascade": true, {of_office}"#))),
        ("link_upsert in a bundle", operation(&format!(r#""operation": "link_upsert", {of_link}, "body": {LINK}"#))),
        ("unlink in a bundle", operation(&format!(r#""operation": "unlink", {of_link}, "id": "provider.p,office.{{id}}""#))),
    ]
    .into()
}

fn database() -> (Database, Client) {
    let database = clinic::database("if_match");
    let mut client = database.connect();
    clinic::define_relationship(
        &mut client,
        "knows",
        &json!({"from": {"profileKey": "provider"}, "to": {"profileKey": "office"},
                "properties": {"since": {"type": "integer"}}}),
    )
    .unwrap();
    clinic::create_as(&mut client, PROVIDER, "p", &json!({"data": {"name": "p"}})).unwrap();
    (database, client)
}

fn call(client: &mut Client, verb: &str, id: &str, expected: i32) -> Result<(), postgres::Error> {
    let call = verb
        .replace("{id}", id)
        .replace("{n}", &expected.to_string());
    match call.starts_with("bundle_apply") {
        true => client
            .execute(&format!("SELECT ingest.{call}"), &[])
            .map(drop),
        false => written(client, &call).map(drop),
    }
}

/// The current version passes; any other, older or newer, is PT412 and writes nothing.
#[test]
fn version_that_is_not_current_is_refused_by_every_verb() {
    let (_database, mut client) = database();
    for (number, (name, verb)) in verbs().into_iter().enumerate() {
        let id = format!("o{number}");
        let body = json!({"data": {"name": "old"}, "contained": {
            "primaryPaymentMethod": [{"id": "x", "type": "paymentMethod", "data": {"value": "1"}}]}});
        clinic::create_as(&mut client, OFFICE, &id, &body).unwrap();
        let mut changed = body.clone();
        changed["data"]["note"] = json!("second");
        clinic::upsert(&mut client, OFFICE, &id, &changed).unwrap();
        for since in [0, 1] {
            let link = LINK
                .replace("{id}", &id)
                .replace("2}", &format!("{since}}}"));
            written(
                &mut client,
                &format!("relationship_upsert('clinic', 'knows', '{link}')"),
            )
            .unwrap();
        }
        for stale in [1, 3, 0, -1, i32::MAX] {
            let refusal = expect_sqlstate(call(&mut client, &verb, &id, stale), "PT412");
            let told = match stale {
                0 => "but there is version 2",
                _ => "is expected, but it is 2",
            };
            assert!(refusal.message().ends_with(told), "{name}: {refusal:?}");
        }
        assert_eq!(
            clinic::story(&mut client, OFFICE, &id),
            "created 1, updated 2",
            "{name}"
        );
        call(&mut client, &verb, &id, 2).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        expect_sqlstate(call(&mut client, &verb, &id, 2), "PT412");
    }
    assert_sound(&mut client, "clinic");
}

/// What is not there has no version: to expect one is PT412, never a create; to expect none creates,
/// for the verbs that can.
#[test]
fn version_of_what_is_missing_is_refused_by_every_verb() {
    let (_database, mut client) = database();
    for (number, (name, verb)) in verbs().into_iter().enumerate() {
        for (state, version) in [("never", 0), ("deleted", 2)] {
            // What never was has no version to restore.
            if (name, state) == ("restore", "never") {
                continue;
            }
            let id = format!("{state}{number}");
            let links = name.contains("link");
            if links {
                clinic::create_as(&mut client, OFFICE, &id, &json!({"data": {}})).unwrap();
            }
            if state == "deleted" && links {
                let link = LINK.replace("{id}", &id);
                written(
                    &mut client,
                    &format!("relationship_link('clinic', 'knows', '{link}')"),
                )
                .unwrap();
                let unlink =
                    format!("relationship_unlink('clinic', 'knows', 'provider.p,office.{id}')");
                written(&mut client, &unlink).unwrap();
            } else if state == "deleted" {
                clinic::create_as(&mut client, OFFICE, &id, &json!({"data": {}})).unwrap();
                clinic::delete(&mut client, OFFICE, &id, None, false).unwrap();
            }
            for expected in [1, 2, 3, -1] {
                let refused = call(&mut client, &verb, &id, expected);
                let refusal = expect_sqlstate(refused, "PT412");
                assert!(
                    refusal.message().ends_with("but there is none"),
                    "{name}: {refusal:?}"
                );
            }
            if name.contains("upsert") {
                call(&mut client, &verb, &id, 0)
                    .unwrap_or_else(|error| panic!("{name}: {error:?}"));
                expect_sqlstate(call(&mut client, &verb, &id, 0), "PT412");
                call(&mut client, &verb, &id, version + 1)
                    .unwrap_or_else(|error| panic!("{name}: {error:?}"));
            }
        }
    }
    assert_sound(&mut client, "clinic");
}
