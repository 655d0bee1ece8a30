//! A refusal of one of many rows says which row it is, and of which table.

use ingest_tests::expect_sqlstate;
use ingest_tests::refusal::issues;
use postgres::error::DbError;
use postgres::{Client, Error};
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE};

/// The message, and the path of each issue.
fn told(refusal: &DbError) -> (String, Vec<String>) {
    let paths = issues(refusal)
        .into_iter()
        .flat_map(|issue| issue.expression);
    (refusal.message().to_owned(), paths.collect())
}

fn refused<T: std::fmt::Debug>(written: Result<T, Error>, sqlstate: &str) -> (String, Vec<String>) {
    told(&expect_sqlstate(written, sqlstate))
}

const CONFORMS_NOT: &str = "office does not conform to its profile: 1 issue";

/// Of rows whose ids their writer knows, the one that is refused is named by its id.
#[test]
fn row_among_many_is_named_by_its_id() {
    let database = clinic::database("which");
    let mut client = database.connect();
    client
        .batch_execute(
            "INSERT INTO clinic.office (id, data) SELECT 'o' || i, jsonb_build_object('name', 'x') FROM generate_series(1, 5) AS i",
        )
        .unwrap();
    let named = |id: &str| (CONFORMS_NOT.to_owned(), vec![format!("office/{id}.name")]);
    for (sql, id) in [
        (
            "INSERT INTO clinic.office (id, data) SELECT 'n' || i, jsonb_build_object('name', CASE WHEN i = 3 THEN '1' ELSE '\"x\"' END::jsonb) FROM generate_series(1, 5) AS i",
            "n3",
        ),
        (
            "UPDATE clinic.office SET data = CASE WHEN id = 'o4' THEN '{\"name\": 1}' ELSE data END::jsonb",
            "o4",
        ),
        (
            "UPDATE clinic.office SET data = '{\"name\": 1}' WHERE id = 'o2'",
            "o2",
        ),
        (
            "INSERT INTO clinic.office (id, data) VALUES ('new', '{}'), ('o3', '{}') ON CONFLICT (id) DO UPDATE SET data = '{\"name\": 1}'",
            "o3",
        ),
        (
            "MERGE INTO clinic.office AS o USING (VALUES ('o1'), ('o5')) AS v (id) ON o.id = v.id \
             WHEN MATCHED AND v.id = 'o5' THEN UPDATE SET data = '{\"name\": 1}'",
            "o5",
        ),
        (
            "INSERT INTO clinic.office (id, data) VALUES ('first', '{\"name\": 1}')",
            "first",
        ),
    ] {
        assert_eq!(
            refused(client.batch_execute(sql), "PT422"),
            named(id),
            "{sql}"
        );
    }
    let copy = "COPY clinic.office (id, data) FROM STDIN";
    let rows = "a\t{}\nb\t{\"name\": 1}\n";
    assert_eq!(
        refused(clinic::copy(&mut client, copy, rows), "PT422"),
        named("b")
    );
    // What is refused for no issue of its own has the row, too.
    let stale = "UPDATE clinic.office SET version = CASE WHEN id = 'o2' THEN 7 ELSE 1 END";
    let (message, paths) = refused(client.batch_execute(stale), "PT412");
    assert_eq!(message, "version 7 of office is expected, but it is 1");
    assert_eq!(paths, ["office/o2"]);
    let (_, paths) = refused(
        client.batch_execute("INSERT INTO clinic.office (id, data) VALUES ('deep', NULL)"),
        "PT422",
    );
    assert_eq!(paths, ["office/deep"]);
}

/// Of rows whose ids are made for them, the one that is refused is named by its place in the
/// statement, whatever else is written meanwhile; the first one need not be.
#[test]
fn row_among_many_without_ids_is_named_by_its_place() {
    let database = clinic::database("which");
    let mut client = database.connect();
    let path = vec!["office.name".to_owned()];
    let values = |bad: usize| {
        let rows = (1..=5).map(|at| {
            format!(
                "('{{\"name\": {}}}')",
                if at == bad { "1" } else { "\"x\"" }
            )
        });
        rows.collect::<Vec<_>>().join(", ")
    };
    let check = |client: &mut Client| {
        for (bad, prefix) in [(1, ""), (2, "row 2: "), (5, "row 5: ")] {
            let sql = format!("INSERT INTO clinic.office (data) VALUES {}", values(bad));
            let expected = (format!("{prefix}{CONFORMS_NOT}"), path.clone());
            assert_eq!(refused(client.batch_execute(&sql), "PT422"), expected);
            // Statement after statement of one call, and of one that failed before.
            let sql = format!(
                "DO $do$ BEGIN
                     INSERT INTO clinic.office (data) VALUES ('{{}}'), ('{{}}'), ('{{}}');
                     BEGIN
                         INSERT INTO clinic.office (data) VALUES ('{{}}'), ('{{\"name\": 1}}');
                     EXCEPTION WHEN SQLSTATE 'PT422' THEN NULL;
                     END;
                     INSERT INTO clinic.office (data) VALUES {};
                 END $do$",
                values(bad)
            );
            assert_eq!(refused(client.batch_execute(&sql), "PT422"), expected);
        }
    };
    check(&mut client);
    // A trigger that writes other rows of other tables, and of the same, for each.
    client
        .batch_execute(
            "CREATE FUNCTION public.more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF new.data ->> 'note' IS NULL AND pg_trigger_depth() < 2 THEN
                     INSERT INTO clinic.provider (data) VALUES ('{\"name\": \"x\"}'), ('{\"name\": \"x\"}');
                     INSERT INTO clinic.office (data) VALUES ('{\"note\": \"n\"}'), ('{\"note\": \"n\"}');
                 END IF;
                 RETURN new;
             END $$;
             CREATE TRIGGER a BEFORE INSERT ON clinic.office FOR EACH ROW EXECUTE FUNCTION public.more()",
        )
        .unwrap();
    check(&mut client);
}

/// The verbs say what they always say: of one resource that there is one, of many bodies which.
#[test]
fn row_of_a_call_is_told_as_the_call_names_it() {
    let database = clinic::database("which");
    let mut client = database.connect();
    clinic::create_as(&mut client, OFFICE, "old", &json!({"data": {}})).unwrap();
    let body = json!({"data": {"name": 1}});
    let plain = (CONFORMS_NOT.to_owned(), vec!["office.name".to_owned()]);
    assert_eq!(
        refused(clinic::create(&mut client, OFFICE, &body), "PT422"),
        plain
    );
    for id in ["old", "new"] {
        assert_eq!(
            refused(clinic::upsert(&mut client, OFFICE, id, &body), "PT422"),
            plain
        );
    }
    let patch =
        "SELECT ingest.resource_patch('clinic', 'office', 'old', '{\"data\": {\"name\": 1}}')";
    assert_eq!(refused(client.batch_execute(patch), "PT422"), plain);
    let bodies = json!([{"id": "a", "data": {}}, {"id": "b", "data": {"name": 1}}]);
    for (load, part) in [
        (
            "SELECT ingest.resource_load('clinic', 'office', $1)",
            "body 2",
        ),
        (
            "SELECT ingest.resource_load('clinic', 'office', $1, 'upsert')",
            "body 2",
        ),
    ] {
        let (message, paths) = refused(client.query(load, &[&bodies]), "PT422");
        assert_eq!(
            (message, paths),
            (format!("{part}: {CONFORMS_NOT}"), plain.1.clone())
        );
    }
    let operations: Vec<Value> = bodies.as_array().unwrap().iter()
        .map(|body| json!({"operation": "upsert", "profile": "office", "id": body["id"], "body": {"data": body["data"]}}))
        .collect();
    let bundle = json!({"operations": operations});
    let applied = client.query("SELECT ingest.bundle_apply('clinic', $1)", &[&bundle]);
    assert_eq!(
        refused(applied, "PT422"),
        (format!("operation 1: {CONFORMS_NOT}"), plain.1)
    );
}

/// The fields of the error name the table, and the constraint where there is one.
#[test]
fn refusal_names_its_table_and_its_constraint() {
    let database = clinic::database("which");
    let mut client = database.connect();
    let definition = json!({"type": "ROOT", "identities": [["name"]], "properties": {"name": {"type": "symbol"}}});
    clinic::define(&mut client, "clinic", "shop", &definition).unwrap();
    clinic::create_as(&mut client, "shop", "a", &json!({"data": {"name": "x"}})).unwrap();
    let index: String = clinic::value(
        &mut client,
        "SELECT name FROM ingest.index WHERE profile = 'shop'",
    );
    for (sql, sqlstate, constraint) in [
        (
            "SELECT ingest.resource_create('clinic', 'shop', '{\"data\": {\"name\": 1}}')",
            "PT422",
            None,
        ),
        (
            "INSERT INTO clinic.shop (data) VALUES ('{\"name\": 1}')",
            "PT422",
            None,
        ),
        (
            "SELECT ingest.resource_load('clinic', 'shop', '[{\"data\": {\"name\": 1}}]')",
            "PT422",
            None,
        ),
        (
            "SELECT ingest.resource_upsert('clinic', 'shop', 'a', '{\"data\": {}}', 4)",
            "PT412",
            None,
        ),
        (
            "SELECT ingest.resource_read('clinic', 'shop', 'nobody')",
            "PT404",
            None,
        ),
        (
            "SELECT ingest.resource_create('clinic', 'shop', '{\"data\": {}}', 'a')",
            "PT409",
            Some("shop_pkey"),
        ),
        (
            "SELECT ingest.resource_create('clinic', 'shop', '{\"data\": {\"name\": \"x\"}}')",
            "PT409",
            Some(index.as_str()),
        ),
        (
            "INSERT INTO clinic.shop (data) VALUES ('{\"name\": \"x\"}')",
            "23505",
            Some(index.as_str()),
        ),
    ] {
        let refusal = expect_sqlstate(client.batch_execute(sql), sqlstate);
        assert_eq!(refusal.schema(), Some("clinic"), "{sql}");
        assert_eq!(refusal.table(), Some("shop"), "{sql}");
        assert_eq!(refusal.constraint(), constraint, "{sql}");
    }
    let link = "SELECT ingest.relationship_link('clinic', 'worksAt', '{\"from\": {\"id\": \"p\", \"type\": \"provider\"}, \"to\": {\"id\": \"o\", \"type\": \"office\"}}')";
    let refusal = expect_sqlstate(client.batch_execute(link), "PT404");
    assert_eq!(refusal.table(), Some("worksAt"));
}

/// An identity that is taken names who has it, in the calls that can look before their last try, to
/// who may see that row; to others it is taken, and no more.
#[test]
fn identity_that_is_taken_names_who_has_it_to_who_may_see_it() {
    let mut database = clinic::database("which");
    let mut client = database.connect();
    let definition = json!({"type": "ROOT",
        "identities": [["system", "number"], ["name"]],
        "properties": {"system": {"type": "symbol"}, "number": {"type": "integer"}, "name": {"type": "symbol"},
                       "note": {"type": "symbol"}}});
    clinic::define(&mut client, "clinic", "shop", &definition).unwrap();
    for (id, number, name) in [("a", 1, "x"), ("b", 2, "y"), ("hidden", 3, "z")] {
        let data = json!({"system": "u", "number": number, "name": name});
        clinic::create_as(&mut client, "shop", id, &json!({"data": data})).unwrap();
    }
    let clerk = database.create_role("clerk", "");
    client
        .batch_execute(&format!(
            "SELECT ingest.source_grant('clinic', '{clerk}', 'write');
             CREATE POLICY p ON clinic.shop USING (id <> 'hidden') WITH CHECK (true);
             ALTER TABLE clinic.shop ENABLE ROW LEVEL SECURITY; SET ROLE \"{clerk}\"",
        ))
        .unwrap();
    let number = |number: i32| json!({"system": "u", "number": number});
    for (data, taken) in [
        (
            number(1),
            "the identity (system, number) of shop is taken by a",
        ),
        (
            json!({"name": "y"}),
            "the identity (name) of shop is taken by b",
        ),
        (
            json!({"system": "u", "number": 9, "name": "y"}),
            "the identity (name) of shop is taken by b",
        ),
        (number(3), "the identity (system, number) of shop is taken"),
    ] {
        let body = json!({"data": data});
        let of_none = json!({"note": "nothing"});
        let seen = taken.contains(" by ");
        for (call, part, refused) in [
            ("upsert", "", clinic::upsert(&mut client, "shop", "new", &body).map(drop)),
            ("create_if", "", clinic::create_if(&mut client, "shop", &of_none, &body).map(drop)),
            ("load", "body 2: ", client.execute(
                "SELECT ingest.resource_load('clinic', 'shop', jsonb_build_array('{\"data\": {}}'::jsonb, $1::jsonb))", &[&body]).map(drop)),
            ("load", "body 2: ", client.execute(
                "SELECT ingest.resource_load('clinic', 'shop', jsonb_build_array('{\"data\": {}}'::jsonb, $1::jsonb), 'upsert')", &[&body]).map(drop)),
            ("bundle", "operation 0: ", client.execute(
                "SELECT ingest.bundle_apply('clinic', $1)", &[&json!({"operations": [
                    {"operation": "upsert", "profile": "shop", "id": "new", "body": body}]})]).map(drop)),
        ] {
            let refusal = expect_sqlstate(refused, "PT409");
            assert_eq!(refusal.message(), format!("{part}{taken}"), "{call}");
            assert_eq!(issues(&refusal).len(), 1);
            assert!(refusal.constraint().is_some_and(|name| name.starts_with("shop_")), "{call}");
        }
        let reported = client
            .query_one(
                "SELECT issue #>> '{0,diagnostics}' FROM ingest.resource_load('clinic', 'shop', jsonb_build_array($1::jsonb), on_error => 'report')",
                &[&body],
            )
            .unwrap();
        assert_eq!(reported.get::<_, String>(0), taken);
        // What writes at once, and whatever is changed, tells how to find it.
        let short = taken.split(" by ").next().unwrap();
        let refusal = expect_sqlstate(clinic::create(&mut client, "shop", &body), "PT409");
        assert_eq!(refusal.message(), short);
        let hint = refusal.hint().unwrap();
        assert!(
            hint.starts_with("SELECT id FROM ingest.resource_search("),
            "{hint}"
        );
        let refusal = expect_sqlstate(clinic::upsert(&mut client, "shop", "new", &body), "PT409");
        let reads = "ingest.resource_read('clinic', 'shop', '";
        assert_eq!(refusal.hint().unwrap().starts_with(reads), seen);
    }
    // Its own identity stands in nobody's way.
    clinic::upsert(
        &mut client,
        "shop",
        "a",
        &json!({"data": {"name": "x", "note": "n"}}),
    )
    .unwrap();
}

/// Whatever refuses a guarded table's own statement names the table: a row that is still linked or
/// referred to, a TRUNCATE, a history that is not to be written; and in a bundle the operation, too.
#[test]
fn refusal_of_a_table_names_it_and_the_operation() {
    let mut database = clinic::database("which");
    let clerk = database.create_role("clerk", "");
    let mut client = database.connect();
    let patient = json!({"type": "ROOT", "properties": {
        "at": {"type": "reference", "target": [OFFICE], "enforce": true}}});
    clinic::define(&mut client, "clinic", "patient", &patient).unwrap();
    clinic::create_as(
        &mut client,
        "provider",
        "p",
        &json!({"data": {"name": "x"}}),
    )
    .unwrap();
    for office in ["linked", "named"] {
        clinic::create_as(&mut client, OFFICE, office, &json!({"data": {}})).unwrap();
    }
    clinic::link(&mut client, "p", "linked").unwrap();
    let data = json!({"data": {"at": {"reference": "office/named"}}});
    clinic::create_as(&mut client, "patient", "x", &data).unwrap();
    client
        .batch_execute(&format!(
            "SELECT ingest.source_grant('clinic', '{clerk}', 'read')"
        ))
        .unwrap();
    for (sql, sqlstate, table) in [
        (
            "SELECT ingest.resource_delete('clinic', 'office', 'linked')",
            "PT409",
            OFFICE,
        ),
        (
            "SELECT ingest.resource_delete('clinic', 'office', 'named')",
            "PT409",
            OFFICE,
        ),
        (
            "DELETE FROM clinic.office WHERE id = 'named'",
            "PT409",
            OFFICE,
        ),
        (
            "SELECT ingest.resource_erase('clinic', 'office', 'linked', 'asked')",
            "PT409",
            OFFICE,
        ),
        (
            "SELECT ingest.resource_erase('clinic', 'office', 'named', 'asked')",
            "PT409",
            OFFICE,
        ),
        ("TRUNCATE clinic.office CASCADE", "PT400", OFFICE),
        ("TRUNCATE clinic.\"worksAt\"", "PT400", "worksAt"),
        (
            "INSERT INTO clinic.\"worksAt\" (to_id) VALUES ('linked')",
            "PT400",
            "worksAt",
        ),
    ] {
        let refusal = expect_sqlstate(client.batch_execute(sql), sqlstate);
        assert_eq!(refusal.schema(), Some("clinic"), "{sql}");
        assert_eq!(refusal.table(), Some(table), "{sql}");
    }
    let mut reader = database.connect_as(&clerk);
    let new = json!({"operation": "create", "profile": "patient", "body": {"data": {}}});
    let update =
        json!({"operation": "upsert", "profile": "patient", "id": "x", "body": {"data": {}}});
    let delete = |id: &str| json!({"operation": "delete", "profile": OFFICE, "id": id});
    let refuse = |client: &mut Client, operations: &[&Value], sqlstate, told: &str| {
        let bundle = json!({"operations": operations});
        let refused = client.execute("SELECT ingest.bundle_apply('clinic', $1)", &[&bundle]);
        let refusal = expect_sqlstate(refused, sqlstate);
        assert_eq!(refusal.message(), told);
    };
    let (linked, named) = (delete("linked"), delete("named"));
    let still = "operation 1: the resource in office is still linked: worksAt (1)";
    refuse(&mut client, &[&new, &linked], "PT409", still);
    let needed = "operation 1: a resource in office is still referred to by patient (at.reference)";
    refuse(&mut client, &[&new, &named], "PT409", needed);
    for (operations, told) in [
        (
            vec![&new],
            "operation 0: permission denied for table patient",
        ),
        (
            vec![&update],
            "operation 0: permission denied for table patient",
        ),
        (
            vec![&named, &new],
            "operation 0: permission denied for table office",
        ),
    ] {
        refuse(&mut reader, &operations, "42501", told);
    }
    // The reference goes with the same bundle.
    let bundle = json!({"operations": [update, named]});
    client
        .execute("SELECT ingest.bundle_apply('clinic', $1)", &[&bundle])
        .unwrap();
}

/// A write that a policy forbids, or of a row that one hides, says so and what to do, whichever verb
/// it is; a value of the row is never told.
#[test]
fn write_that_a_policy_stands_in_the_way_of_says_so() {
    let mut database = clinic::database("which");
    let clerk = database.create_role("clerk", "");
    let mut client = database.connect();
    for (id, name) in [("mine", "red"), ("theirs", "blue")] {
        clinic::create_as(&mut client, OFFICE, id, &json!({"data": {"name": name}})).unwrap();
    }
    client
        .batch_execute(&format!(
            "SELECT ingest.source_grant('clinic', '{clerk}', 'write');
             CREATE POLICY p ON clinic.office USING (data ->> 'name' = 'red');
             ALTER TABLE clinic.office ENABLE ROW LEVEL SECURITY"
        ))
        .unwrap();
    let mut clerk = database.connect_as(&clerk);
    let (red, blue) = (
        json!({"data": {"name": "red"}}),
        json!({"data": {"name": "blue"}}),
    );
    let forbidden = "a policy of office lets the caller not write the row";
    let hidden = "the id exists in office, of a resource that a policy hides";
    let one = |id: &str, body: &Value| json!([{"id": id, "data": body["data"]}]);
    let load = "SELECT ingest.resource_load('clinic', 'office', $1, 'upsert')";
    let apply = "SELECT ingest.bundle_apply('clinic', $1)";
    let bundle = |id: &str, body: &Value| {
        json!({"operations": [
        {"operation": "upsert", "profile": OFFICE, "id": id, "body": body}]})
    };
    for (id, body, sqlstate, told) in [
        ("theirs", &red, "PT409", hidden),
        ("theirs", &blue, "42501", forbidden),
        ("mine", &blue, "42501", forbidden),
        ("new", &blue, "42501", forbidden),
    ] {
        let refusal = expect_sqlstate(clinic::upsert(&mut clerk, OFFICE, id, body), sqlstate);
        assert_eq!(refusal.message(), told, "upsert {id}");
        assert!(refusal.hint().is_some());
        assert_eq!(refusal.table(), Some(OFFICE));
        for (sql, given, part) in [
            (load, one(id, body), "body 1: "),
            (apply, bundle(id, body), "operation 0: "),
        ] {
            let Err(error) = clerk.execute(sql, &[&given]) else {
                panic!("{id} was written");
            };
            let refusal = error.as_db_error().unwrap();
            let message = refusal.message();
            let is_told = [forbidden, hidden].map(|told| format!("{part}{told}"));
            assert!(
                is_told.iter().any(|told| told == message),
                "{part}{id}: {message}"
            );
            assert!(!format!("{refusal:?}").contains("blue"));
        }
    }
    let refusal = expect_sqlstate(clinic::create(&mut clerk, OFFICE, &blue), "42501");
    assert_eq!(refusal.message(), forbidden);
    clinic::upsert(&mut clerk, OFFICE, "mine", &red).unwrap();
}
