//! Validation without the gate: dry runs, and the columns of a user's own tables.

use ingest_tests::expect_sqlstate;
use ingest_tests::refusal::{Issue, issues, outcome_issues};
use postgres::Client;
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, value};

fn validate(client: &mut Client, profile: &str, body: &Value) -> Result<Value, postgres::Error> {
    client
        .query_one(
            "SELECT ingest.resource_validate('clinic', $1, $2)",
            &[&profile, body],
        )
        .map(|row| row.get(0))
}

fn is_valid(client: &mut Client, profile: &str, body: &Value) -> Result<bool, postgres::Error> {
    client
        .query_one(
            "SELECT ingest.resource_is_valid('clinic', $1, $2)",
            &[&profile, body],
        )
        .map(|row| row.get(0))
}

/// A dry run says what a write would be refused for, in the same words, and writes nothing.
#[test]
fn validation_of_a_body_says_what_a_write_would() {
    let database = clinic::database("validate");
    let mut client = database.connect();
    for (body, conforms) in [
        (json!({"data": {"name": "x"}}), true),
        (json!({"data": {}, "contained": null, "id": "o"}), true),
        (json!({"data": {"name": 1, "x": 2}}), false),
        (json!({"data": []}), false),
        (
            json!({"data": {}, "contained": {"primaryPaymentMethod": [{"data": {"value": 1}}], "x": []}}),
            false,
        ),
        (
            json!({"id": "o", "data": {}, "contained": {"primaryPaymentMethod": [
                {"id": "office/p/primaryPaymentMethod/x", "data": {"value": "v"}}]}}),
            false,
        ),
    ] {
        let outcome = outcome_issues(validate(&mut client, OFFICE, &body).unwrap());
        assert_eq!(
            is_valid(&mut client, OFFICE, &body).unwrap(),
            conforms,
            "{body}"
        );
        if conforms {
            assert_eq!(outcome.len(), 1, "{body}");
            assert_eq!(outcome[0].severity, "information");
            continue;
        }
        let refusal = expect_sqlstate(clinic::create(&mut client, OFFICE, &body), "PT422");
        assert_eq!(outcome, issues(&refusal), "{body}");
    }
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.office"),
        0
    );
}

/// A call that is malformed is refused: only what does not conform is data.
#[test]
fn validation_of_no_body_is_refused() {
    let database = clinic::database("validate");
    let mut client = database.connect();
    for body in [
        json!([]),
        json!("x"),
        json!({}),
        json!({"data": {}, "y": 1}),
        json!({"data": {}, "id": 1}),
    ] {
        expect_sqlstate(validate(&mut client, OFFICE, &body), "PT400");
        expect_sqlstate(is_valid(&mut client, OFFICE, &body), "PT400");
    }
    let body = json!({"data": {}});
    expect_sqlstate(validate(&mut client, "nothing", &body), "PT404");
    expect_sqlstate(is_valid(&mut client, "worksAt", &body), "PT400");
}

/// What is contained only can be validated on its own.
#[test]
fn validation_of_a_contained_profile_works() {
    let database = clinic::database("validate");
    let mut client = database.connect();
    assert!(
        is_valid(
            &mut client,
            "paymentMethod",
            &json!({"data": {"value": "Visa"}})
        )
        .unwrap()
    );
    assert!(!is_valid(&mut client, "paymentMethod", &json!({"data": {"value": 1}})).unwrap());
}

/// A dry run works where nothing can be written.
#[test]
fn validation_in_a_read_only_transaction_works() {
    let database = clinic::database("validate");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    let mut client = database.connect();
    client
        .batch_execute("SET default_transaction_read_only = on")
        .unwrap();
    assert!(is_valid(&mut client, OFFICE, &json!({"data": {}})).unwrap());
    clinic::read(&mut client, OFFICE, "o").unwrap();
    clinic::history(&mut client, OFFICE, "o").unwrap();
    expect_sqlstate(
        clinic::create(&mut client, OFFICE, &json!({"data": {}})),
        "25006",
    );
}

/// A check constraint of a user's own table can ask whether a document conforms.
#[test]
fn validation_in_a_query_over_many_rows_works() {
    let database = clinic::database("validate");
    let mut client = database.connect();
    let valid: i64 = value(
        &mut client,
        "SELECT count(*) FROM generate_series(1, 1000) AS i WHERE ingest.resource_is_valid('clinic', \
         'provider', jsonb_build_object('data', jsonb_build_object('name', CASE WHEN i % 2 = 0 \
         THEN to_jsonb(i) ELSE to_jsonb(i::text) END)))",
    );
    assert_eq!(valid, 500);
}

/// The trigger checks a column of a user's own table, in any schema, whoever writes: INSERT, UPDATE,
/// COPY, MERGE.
#[test]
fn column_of_a_users_table_is_checked() {
    let database = clinic::database("validate");
    let mut client = database.connect();
    client
        .batch_execute(
            "CREATE SCHEMA shop;
             CREATE TABLE shop.customer (id int, \"the Document\" jsonb, note text);
             CREATE TRIGGER checked BEFORE INSERT OR UPDATE ON shop.customer FOR EACH ROW
                 EXECUTE FUNCTION ingest.validate('clinic', 'Patient', 'the Document')",
        )
        .unwrap();
    let good = json!({"name": [{"given": ["Bob"]}]});
    let wrong = json!({"name": "Bob"});
    let insert = "INSERT INTO shop.customer VALUES (1, $1)";
    client.execute(insert, &[&good]).unwrap();
    client.execute(insert, &[&None::<Value>]).unwrap();
    let copy = "COPY shop.customer FROM STDIN";
    clinic::copy(&mut client, copy, &format!("2\t{good}\tx\n3\t\\N\t\\N\n")).unwrap();

    let by_gate = expect_sqlstate(
        clinic::create(&mut client, "Patient", &json!({"data": wrong})),
        "PT422",
    );
    for refused in [
        client.execute(insert, &[&wrong]),
        client.execute("UPDATE shop.customer SET \"the Document\" = $1", &[&wrong]),
        client.execute(
            "MERGE INTO shop.customer AS c USING (VALUES ($1::jsonb)) AS v (d) ON c.id = 2 \
             WHEN MATCHED THEN UPDATE SET \"the Document\" = d",
            &[&wrong],
        ),
        clinic::copy(&mut client, copy, &format!("4\t{good}\tx\n5\t{wrong}\tx\n")),
    ] {
        let refusal = expect_sqlstate(refused, "PT422");
        assert_eq!(refusal.message(), by_gate.message());
        assert_eq!(refusal.detail(), by_gate.detail());
    }
    let updated = client
        .execute("UPDATE shop.customer SET note = 'y'", &[])
        .unwrap();
    assert_eq!(updated, 4);
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM shop.customer"),
        4
    );

    // A changed profile binds here, too.
    let anything = json!({"type": "ROOT", "additionalProperties": true});
    clinic::define(&mut client, "clinic", "Patient", &anything).unwrap();
    client.execute(insert, &[&wrong]).unwrap();
}

/// A trigger that is declared wrongly says so at the first write, and lets nothing through.
#[test]
fn column_trigger_declared_wrongly_is_refused() {
    let database = clinic::database("validate");
    let mut client = database.connect();
    for (arguments, sqlstate) in [
        ("", "PT400"),
        ("'clinic', 'Patient'", "PT400"),
        ("'clinic', 'Patient', 'nothing'", "PT400"),
        ("'clinic', 'Patient', 'note'", "PT400"),
        ("'clinic', 'Patient', 'json'", "PT400"),
        ("'clinic', 'Patient', ''", "PT400"),
        ("'clinic', 'nothing', 'doc'", "PT404"),
        ("'nothing', 'Patient', 'doc'", "PT404"),
    ] {
        client
            .batch_execute(&format!(
                "DROP TABLE IF EXISTS public.t; CREATE TABLE public.t (doc jsonb, note text, json json);
                 CREATE TRIGGER checked BEFORE INSERT OR UPDATE ON public.t FOR EACH ROW
                     EXECUTE FUNCTION ingest.validate({arguments})"
            ))
            .unwrap();
        expect_sqlstate(
            client.batch_execute("INSERT INTO public.t (doc) VALUES ('{}')"),
            sqlstate,
        );
    }
    for when in [
        "BEFORE INSERT ON public.t FOR EACH STATEMENT",
        "BEFORE DELETE ON public.t FOR EACH ROW",
    ] {
        client
            .batch_execute(&format!(
                "DROP TABLE IF EXISTS public.t; CREATE TABLE public.t (doc jsonb);
                 INSERT INTO public.t VALUES ('{{}}');
                 CREATE TRIGGER checked {when} EXECUTE FUNCTION ingest.validate('clinic', 'Patient', 'doc')"
            ))
            .unwrap();
        let write = if when.contains("DELETE") {
            "DELETE FROM public.t"
        } else {
            "INSERT INTO public.t VALUES ('{}')"
        };
        expect_sqlstate(client.batch_execute(write), "PT400");
    }
}

/// After the row is written is not too late to refuse it.
#[test]
fn column_trigger_after_the_row_refuses_too() {
    let database = clinic::database("validate");
    let mut client = database.connect();
    client
        .batch_execute(
            "CREATE TABLE public.t (doc jsonb);
             CREATE CONSTRAINT TRIGGER checked AFTER INSERT OR UPDATE ON public.t DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION ingest.validate('clinic', 'Patient', 'doc')",
        )
        .unwrap();
    client
        .batch_execute("INSERT INTO public.t VALUES ('{}')")
        .unwrap();
    client
        .batch_execute("BEGIN; INSERT INTO public.t VALUES ('{\"name\": 1}')")
        .unwrap();
    expect_sqlstate(client.batch_execute("COMMIT"), "PT422");
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM public.t"),
        1
    );
}

/// A dry run and a refusal list the same, in document order, references that lead nowhere and
/// warnings included, whether a reference is all that is wrong or not, and cut at the same place.
#[test]
fn references_that_lead_nowhere_stand_in_document_order() {
    let database = clinic::database("validate");
    let mut client = database.connect();
    let reference = json!({"type": "reference", "target": ["office"], "enforce": true});
    let definition = json!({"type": "ROOT", "properties": {
        "a": reference, "b": {"type": "integer"}, "c": reference, "d": {"type": "integer"},
        "e": {"type": "array", "items": reference}}});
    client
        .execute(
            "SELECT ingest.profile_define('clinic', 'visit', $1)",
            &[&definition],
        )
        .unwrap();
    client
        .batch_execute("INSERT INTO clinic.office (id, data) VALUES ('there', '{}')")
        .unwrap();
    let (gone, there) = (
        json!({"reference": "office/gone"}),
        json!({"reference": "office/there"}),
    );
    let all = json!({"data": {"a": gone, "b": "x", "c": gone, "d": "x", "e": [there, gone]}});
    let few = json!({"data": {"a": there, "b": 1, "c": gone, "e": [gone]}});
    for (body, most, expected) in [
        (&all, 100, "a.reference b c.reference d e[1].reference"),
        (&few, 100, "c.reference e[0].reference"),
        (&all, 3, "a.reference b c.reference and more"),
        (&all, 1, "a.reference and more"),
        (&few, 1, "c.reference and more"),
    ] {
        client
            .batch_execute(&format!("SET ingest.max_issues = {most}"))
            .unwrap();
        let outcome = outcome_issues(validate(&mut client, "visit", body).unwrap());
        let refusal = expect_sqlstate(clinic::create(&mut client, "visit", body), "PT422");
        assert_eq!(outcome, issues(&refusal), "{body}");
        let insert = client.execute(
            "INSERT INTO clinic.visit (data) VALUES ($1)",
            &[&body["data"]],
        );
        assert_eq!(outcome, issues(&expect_sqlstate(insert, "PT422")), "{body}");
        let paths: Vec<&str> = outcome
            .iter()
            .map(|issue| match issue.expression.first() {
                Some(path) => path.strip_prefix("visit.").unwrap(),
                None => "and more",
            })
            .collect();
        assert_eq!(paths.join(" "), expected, "{body}");
    }
}

/// The lists of one body, by each call that writes it, and by who only asks.
fn lists(client: &mut Client, profile: &str, body: &Value) -> Vec<(&'static str, Vec<Issue>)> {
    let asked = outcome_issues(validate(client, profile, body).unwrap());
    let mut lists = vec![("resource_validate", asked)];
    let mut refused = |verb: &'static str, sql: &str, value: &Value| {
        let mut transaction = client.transaction().unwrap();
        let refusal = expect_sqlstate(transaction.query(sql, &[&profile, value]), "PT422");
        lists.push((verb, issues(&refusal)));
    };
    refused(
        "create",
        "SELECT ingest.resource_create('clinic', $1, $2)",
        body,
    );
    refused(
        "upsert",
        "SELECT ingest.resource_upsert('clinic', $1, 'new', $2)",
        body,
    );
    refused(
        "create_if",
        "SELECT ingest.resource_create_if('clinic', $1, '{\"b\": 7}', $2)",
        body,
    );
    refused(
        "load",
        "SELECT ingest.resource_load('clinic', $1, $2)",
        &json!([{"data": {}}, body]),
    );
    for operations in [
        json!([{"operation": "create", "profile": profile, "body": body}]),
        json!([{"operation": "create", "profile": profile, "body": {"data": {}}},
               {"operation": "create", "profile": profile, "body": body}]),
        json!([{"operation": "create", "profile": profile, "body": {"data": {}}},
               {"operation": "create_if", "profile": profile, "criteria": {"b": 7}, "body": body}]),
    ] {
        let bundle = json!({"operations": operations});
        let sql = "SELECT ingest.bundle_apply('clinic', $2) WHERE $1::text <> ''";
        refused("bundle", sql, &bundle);
    }
    let sql = "SELECT issue FROM ingest.resource_load('clinic', $1, $2, on_error => 'report') WHERE ordinal = 2";
    let bodies = json!([{"data": {}}, body, {"data": {}}]);
    let reported: Value = client.query_one(sql, &[&profile, &bodies]).unwrap().get(0);
    lists.push((
        "report",
        outcome_issues(json!({"resourceType": "OperationOutcome", "issue": reported})),
    ));
    lists
}

/// Whoever refuses a body lists the same: all that is wrong with it, in its order, the references
/// that lead nowhere included, and what is too long for an index in its place.
#[test]
fn refusal_by_any_call_is_the_same_list() {
    let database = clinic::database("validate");
    let mut client = database.connect();
    let reference = json!({"type": "reference", "target": ["office", "visit"], "enforce": true});
    let definition = json!({"type": "ROOT", "indexes": [["m"]], "properties": {
        "a": reference, "b": {"type": "integer"}, "c": reference, "m": {"type": "symbol"},
        "z": {"type": "integer"}}});
    clinic::define(&mut client, "clinic", "visit", &definition).unwrap();
    client
        .batch_execute("INSERT INTO clinic.office (id, data) VALUES ('there', '{}')")
        .unwrap();
    let (gone, there) = (
        json!({"reference": "office/gone"}),
        json!({"reference": "office/there"}),
    );
    let long = "x".repeat(3_000);
    for (data, expected) in [
        (json!({"a": gone, "b": "x"}), "a.reference b"),
        (json!({"a": gone, "b": 1}), "a.reference"),
        (json!({"a": there, "b": "x", "c": gone}), "b c.reference"),
        (
            json!({"a": gone, "b": "x", "c": gone, "m": long, "z": "x"}),
            "a.reference b c.reference m z",
        ),
        (json!({"b": "x", "m": long, "z": "x"}), "b m z"),
    ] {
        let body = json!({"data": data});
        for (verb, list) in lists(&mut client, "visit", &body) {
            let paths: Vec<&str> = list
                .iter()
                .map(|issue| issue.expression[0].strip_prefix("visit.").unwrap())
                .collect();
            assert_eq!(paths.join(" "), expected, "{verb}: {list:?}");
        }
    }
}

/// What a body refers to is not missing if the same call writes it, in any order; of what a load
/// could not write it is told at the end.
#[test]
fn references_to_what_the_call_writes_are_listed_only_where_it_is_refused() {
    let database = clinic::database("validate");
    let mut client = database.connect();
    let reference = json!({"type": "reference", "target": ["visit"], "enforce": true});
    let definition = json!({"type": "ROOT", "properties": {
        "a": reference, "b": {"type": "integer"}, "c": reference}});
    clinic::define(&mut client, "clinic", "visit", &definition).unwrap();
    let to = |id: &str| json!({"reference": format!("visit/{id}")});
    let bodies = json!([
        {"id": "z", "data": {"a": to("y"), "b": "x", "c": to("z")}},
        {"id": "y", "data": {"a": to("gone")}},
        {"id": "x", "data": {"a": to("w"), "b": "x", "c": to("y")}},
        {"id": "w", "data": {"a": to("x")}},
        {"id": "v", "data": {"b": 1}},
        {"id": "u", "data": {"a": to("v"), "b": "x"}}]);
    let load = "SELECT ingest.resource_load('clinic', 'visit', $1)";
    let refusal = expect_sqlstate(client.query(load, &[&bodies]), "PT422");
    assert_eq!(
        refusal.message(),
        "body 1: visit does not conform to its profile: 1 issue"
    );
    let operations: Vec<Value> = bodies
        .as_array()
        .unwrap()
        .iter()
        .map(|body| json!({"operation": "create", "profile": "visit", "body": body}))
        .collect();
    let apply = "SELECT ingest.bundle_apply('clinic', $1)";
    let bundle = json!({"operations": operations});
    let refusal = expect_sqlstate(client.query(apply, &[&bundle]), "PT422");
    assert_eq!(issues(&refusal)[0].expression, ["visit.b"]);
    assert_eq!(issues(&refusal).len(), 1);

    let report = "SELECT id, (SELECT string_agg(i.expression, ' ' ORDER BY i.n) FROM ingest.issues(l.issue) \
         WITH ORDINALITY AS i (severity, code, expression, diagnostics, n)) \
         FROM ingest.resource_load('clinic', 'visit', $1, on_error => 'report') AS l";
    let rows = client.query(report, &[&bodies]).unwrap();
    let told: Vec<(String, Option<String>)> =
        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let of = |id: &str, paths: &str| (id.to_owned(), Some(paths.to_owned()));
    assert_eq!(
        told,
        [
            of("z", "visit.a.reference visit.b"),
            of("y", "visit.a.reference"),
            of("x", "visit.a.reference visit.b visit.c.reference"),
            of("w", "visit.a.reference"),
            ("v".to_owned(), None),
            of("u", "visit.b"),
        ]
    );
    // A row that is there keeps the references that it has, whoever writes it.
    client
        .batch_execute("INSERT INTO clinic.visit (id, data) VALUES ('t', '{}')")
        .unwrap();
    let own = json!([{"id": "t", "data": {"a": to("t"), "b": "x"}}]);
    let upsert = "SELECT ingest.resource_load('clinic', 'visit', $1, 'upsert')";
    let refusal = expect_sqlstate(client.query(upsert, &[&own]), "PT422");
    assert_eq!(issues(&refusal)[0].expression, ["visit.b"]);
}
