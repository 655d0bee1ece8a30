//! No error of a verb holds what stands in a row, also where PostgreSQL's own would.

use ingest_tests::Database;
use postgres::{Client, Error};
use serde_json::json;

use crate::clinic::{self, OFFICE};

/// What must not be told; `{s}` in the calls.
const SECRET: &str = "hush-4711";

/// A row for whoever looks for one, and a link.
fn database() -> (Database, Client) {
    let database = clinic::database("values");
    let mut client = database.connect();
    clinic::define_relationship(
        &mut client,
        "knows",
        &json!({"from": {"profileKey": "provider"}, "to": {"profileKey": "office"},
                "properties": {"name": {"type": "symbol"}}}),
    )
    .unwrap();
    client
        .batch_execute(
            r#"INSERT INTO clinic.provider (id, data) VALUES ('p', '{"name": "p"}');
            INSERT INTO clinic.office (id, data) VALUES ('o', '{"name": "first"}'), ('q', '{}'), ('z', '{"name": "taken"}');
            INSERT INTO clinic.knows (from_id, to_id, data) VALUES ('p', 'o', '{"name": "first"}'), ('p', 'z', '{"name": "taken"}')"#,
        )
        .unwrap();
    (database, client)
}

/// Every way of a verb to write an office.
const WRITES: &[&str] = &[
    r#"resource_create('clinic', 'office', '{"data": {"name": "{s}"}}')"#,
    r#"resource_create('clinic', 'office', '{"data": {"name": "{s}"}}', id => 'new')"#,
    r#"resource_upsert('clinic', 'office', 'new', '{"data": {"name": "{s}"}}')"#,
    r#"resource_upsert('clinic', 'office', 'o', '{"data": {"name": "{s}"}}')"#,
    r#"resource_create_if('clinic', 'office', '{"name": "none"}', '{"data": {"name": "{s}"}}')"#,
    r#"resource_upsert_if('clinic', 'office', '{"name": "none"}', '{"data": {"name": "{s}"}}')"#,
    r#"resource_upsert_if('clinic', 'office', '{"name": "first"}', '{"data": {"name": "{s}"}}')"#,
    r#"resource_patch('clinic', 'office', 'o', '{"data": {"name": "{s}"}}')"#,
    r#"resource_load('clinic', 'office', '[{"data": {"name": "{s}"}}, {"data": {}}]')"#,
    r#"resource_load('clinic', 'office', '[{"id": "o", "data": {"name": "{s}"}}]', 'upsert')"#,
    r#"bundle_apply('clinic', '{"operations": [{"operation": "create", "profile": "office", "body": {"data": {"name": "{s}"}}}]}')"#,
    r#"bundle_apply('clinic', '{"operations": [{"operation": "upsert", "profile": "office", "id": "o", "body": {"data": {"name": "{s}"}}}]}')"#,
    r#"bundle_apply('clinic', '{"operations": [{"operation": "patch", "profile": "office", "id": "o", "patch": {"data": {"name": "{s}"}}}]}')"#,
];

/// Every way of a verb to write a link.
const LINKS: &[&str] = &[
    r#"relationship_link('clinic', 'knows', '{"from": {"type": "provider", "id": "p"}, "to": {"type": "office", "id": "q"}, "data": {"name": "{s}"}}')"#,
    r#"relationship_upsert('clinic', 'knows', '{"from": {"type": "provider", "id": "p"}, "to": {"type": "office", "id": "q"}, "data": {"name": "{s}"}}')"#,
    r#"relationship_upsert('clinic', 'knows', '{"from": {"type": "provider", "id": "p"}, "to": {"type": "office", "id": "o"}, "data": {"name": "{s}"}}')"#,
    r#"bundle_apply('clinic', '{"operations": [{"operation": "link_upsert", "relationship": "knows", "body": {"from": {"type": "provider", "id": "p"}, "to": {"type": "office", "id": "o"}, "data": {"name": "{s}"}}}]}')"#,
];

/// Every way of a verb to end a version whose values are secret.
const ENDS: &[&str] = &[
    r#"resource_upsert('clinic', 'office', 'x', '{"data": {}}')"#,
    r#"resource_patch('clinic', 'office', 'x', '{"data": {"name": null}}')"#,
    "resource_delete('clinic', 'office', 'x')",
    r#"resource_load('clinic', 'office', '[{"id": "x", "data": {}}]', 'upsert')"#,
    r#"bundle_apply('clinic', '{"operations": [{"operation": "delete", "profile": "office", "id": "x"}]}')"#,
];

/// What constraints of the user's own turn away, and how; `{t}` is the table.
const CONSTRAINTS: &[(&str, &str)] = &[
    (
        "ALTER TABLE {t} ADD CONSTRAINT mine CHECK (data ->> 'name' IS DISTINCT FROM '{s}')",
        "23514",
    ),
    (
        "ALTER TABLE {t} ADD COLUMN mine text GENERATED ALWAYS AS (NULLIF(data ->> 'name', '{s}')) STORED;
         UPDATE {t} SET data = '{\"name\": \"named\"}' WHERE NOT data ? 'name';
         ALTER TABLE {t} ALTER COLUMN mine SET NOT NULL",
        "23502",
    ),
    (
        "CREATE TABLE public.known (name text PRIMARY KEY);
         INSERT INTO public.known VALUES ('first'), ('named'), ('taken');
         ALTER TABLE {t} ADD COLUMN mine text GENERATED ALWAYS AS (data ->> 'name') STORED REFERENCES public.known",
        "23503",
    ),
    (
        "ALTER TABLE {t} ADD CONSTRAINT mine EXCLUDE USING btree
             ((CASE data ->> 'name' WHEN '{s}' THEN 'taken' ELSE data ->> 'name' END) WITH =)",
        "23P01",
    ),
];

#[track_caller]
fn refused_without_values(client: &mut Client, call: &str, sqlstate: &str) {
    client.batch_execute("BEGIN").unwrap();
    let call = format!("SELECT ingest.{}", call.replace("{s}", SECRET));
    let error: Error = client.batch_execute(&call).expect_err(&call);
    client.batch_execute("ROLLBACK").unwrap();
    let refusal = error.as_db_error().unwrap();
    // What keeps rows apart is an identity to the verbs that ask for conflicts.
    let told = [sqlstate, "PT409"];
    let told = if sqlstate == "23P01" {
        &told[..]
    } else {
        &told[..1]
    };
    assert!(told.contains(&refusal.code().code()), "{call}: {refusal:?}");
    assert!(
        !format!("{refusal:?}").contains(SECRET),
        "{call}: {refusal:?}"
    );
}

/// A row that a constraint of the user's own turns away is not described, whatever verb has
/// written it and whatever constraint it is.
#[test]
fn row_that_a_constraint_refuses_is_not_told_by_any_verb() {
    for (constraint, sqlstate) in CONSTRAINTS {
        for (table, calls) in [("clinic.office", WRITES), ("clinic.knows", LINKS)] {
            let (_database, mut client) = database();
            let constraint = constraint.replace("{t}", table).replace("{s}", SECRET);
            client.batch_execute(&constraint).unwrap();
            for call in calls {
                refused_without_values(&mut client, call, sqlstate);
            }
        }
    }
}

/// A report of a load tells no value of the rows that it reports.
#[test]
fn row_that_a_constraint_refuses_is_reported_without_values() {
    for (constraint, _) in CONSTRAINTS {
        let (_database, mut client) = database();
        let constraint = constraint
            .replace("{t}", "clinic.office")
            .replace("{s}", SECRET);
        client.batch_execute(&constraint).unwrap();
        let rows = client
            .query(
                "SELECT row_to_json(r)::text FROM ingest.resource_load('clinic', 'office', $1, 'create', 'report') AS r",
                &[&json!([{"data": {"name": SECRET}}, {"data": {"name": "named"}}])],
            )
            .unwrap();
        let report: String = rows.iter().map(|row| row.get::<_, String>(0)).collect();
        assert!(report.contains("error"), "{report}");
        assert!(!report.contains(SECRET), "{report}");
    }
}

/// A version that a constraint of a history turns away is not described: who may write the table
/// need not be able to read its history.
#[test]
fn version_that_a_constraint_of_a_history_refuses_is_not_told() {
    let (_database, mut client) = database();
    clinic::create_as(&mut client, OFFICE, "x", &json!({"data": {"name": SECRET}})).unwrap();
    client
        .batch_execute(&format!(
            "ALTER TABLE clinic.office_history ADD CONSTRAINT mine CHECK (data ->> 'name' IS DISTINCT FROM '{SECRET}')"
        ))
        .unwrap();
    for call in ENDS {
        refused_without_values(&mut client, call, "23514");
    }
    for plain in [
        "UPDATE clinic.office SET data = '{}' WHERE id = 'x'",
        "DELETE FROM clinic.office WHERE id = 'x'",
    ] {
        let error = client.batch_execute(plain).unwrap_err();
        let refusal = error.as_db_error().unwrap();
        assert_eq!(refusal.code().code(), "23514", "{refusal:?}");
        assert!(!format!("{refusal:?}").contains(SECRET), "{refusal:?}");
    }
}

/// Beside a constraint that is looked at later nothing can be written that may be there already:
/// the refusal names the constraint, and what needs no such look goes on.
#[test]
fn deferrable_constraint_is_named_where_it_is_in_the_way() {
    for (table, calls) in [("clinic.office", WRITES), ("clinic.knows", LINKS)] {
        let (_database, mut client) = database();
        let constraint = format!(
            "ALTER TABLE {table} ADD CONSTRAINT mine UNIQUE (created_at) DEFERRABLE INITIALLY DEFERRED;
             SET CONSTRAINTS ALL IMMEDIATE"
        );
        client.batch_execute(&constraint).unwrap();
        let mut refusals = 0;
        for call in calls {
            client.batch_execute("BEGIN").unwrap();
            let called = client.batch_execute(&format!("SELECT ingest.{call}"));
            client.batch_execute("ROLLBACK").unwrap();
            let Err(error) = called else {
                continue;
            };
            let refusal = error.as_db_error().unwrap();
            let of = (refusal.code().code(), refusal.constraint());
            assert_eq!(of, ("PT409", Some("mine")), "{call}: {refusal:?}");
            assert_eq!(refusal.table(), table.strip_prefix("clinic."), "{call}");
            assert!(refusal.hint().unwrap().contains("NOT DEFERRABLE"), "{call}");
            refusals += 1;
        }
        assert!(refusals > 0 && refusals < calls.len(), "{refusals}");
    }
}
