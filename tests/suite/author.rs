//! Who made each version: the role of the statement, and what the client claimed.

use ingest_tests::{Database, expect_sqlstate};
use postgres::{Client, GenericClient};
use serde_json::{Value, json};

use crate::clinic::{self, copy, value};
use crate::fhir_data::{import_package, package};
use crate::invariant::assert_sound;

const READ: &str = "SELECT jsonb_agg(jsonb_build_array(id, version, updated_by, updated_by_login, context) ORDER BY id, version)
    FROM (SELECT id, version, updated_by, updated_by_login, context FROM clinic.office
          UNION ALL SELECT id, version, updated_by, updated_by_login, context FROM clinic.office_history) AS v";

/// `[id, version, role, login, context]` of every version of every office.
fn versions(client: &mut Client) -> Value {
    value(client, READ)
}

fn claim(client: &mut impl GenericClient, context: &str) {
    client
        .execute("SELECT set_config('ingest.context', $1, true)", &[&context])
        .unwrap();
}

/// Runs a script in a transaction that claims something.
fn claiming(client: &mut Client, context: &str, script: &str) -> Result<(), postgres::Error> {
    let mut transaction = client.transaction().unwrap();
    claim(&mut transaction, context);
    transaction.batch_execute(script)?;
    transaction.commit()
}

/// Every way of writing names the role of its statement, and the login where it is another; what a
/// client writes into the columns is replaced.
#[test]
fn version_made_in_any_way_names_its_role() {
    let mut database = clinic::database("author");
    let nurse = database.create_role("nurse", "");
    database.run(&format!(
        "SELECT ingest.source_grant('clinic', '{nurse}', 'write')"
    ));
    let mut client = database.connect_as(&nurse);
    client
        .batch_execute(
            "INSERT INTO clinic.office (id, data, updated_by, updated_by_login, context)
                 VALUES ('a', '{}', 'somebody', 'else', '{\"actor\": \"forged\"}');
             UPDATE clinic.office SET data = '{\"name\": \"a\"}', updated_by = 'x', updated_by_login = 'x', context = '{\"x\": 1}';
             MERGE INTO clinic.office AS o USING (VALUES ('a'), ('b')) AS n (id) ON o.id = n.id
                 WHEN MATCHED THEN UPDATE SET data = '{\"name\": \"b\"}'
                 WHEN NOT MATCHED THEN INSERT (id, data) VALUES (n.id, '{}');
             INSERT INTO clinic.office (id, data, updated_by) VALUES ('b', '{\"name\": \"c\"}', 'x')
                 ON CONFLICT (id) DO UPDATE SET data = excluded.data, updated_by = excluded.updated_by;
             SELECT ingest.resource_create('clinic', 'office', '{\"data\": {}}', 'c');
             SELECT ingest.resource_upsert('clinic', 'office', 'c', '{\"data\": {\"name\": \"c\"}}');
             SELECT ingest.resource_patch('clinic', 'office', 'c', '{\"data\": {\"name\": \"d\"}}');
             SELECT ingest.resource_load('clinic', 'office', '[{\"id\": \"d\", \"data\": {}}]');
             SELECT ingest.resource_load('clinic', 'office', '[{\"id\": \"d\", \"data\": {\"name\": \"e\"}}]', 'upsert');
             SELECT ingest.resource_delete('clinic', 'office', 'c');
             SELECT ingest.resource_restore('clinic', 'office', 'c', 1);
             DELETE FROM clinic.office WHERE id = 'd'",
        )
        .unwrap();
    copy(
        &mut client,
        "COPY clinic.office (id, data, updated_by) FROM STDIN",
        "e\t{}\tsomebody\n",
    )
    .unwrap();
    for version in versions(&mut client).as_array().unwrap() {
        assert_eq!(
            (&version[2], &version[3], &version[4]),
            (&json!(nurse), &Value::Null, &Value::Null),
            "{version}"
        );
    }
    let mut superuser = database.connect();
    let all: i64 = value(
        &mut superuser,
        "SELECT count(*) FROM (SELECT FROM clinic.office UNION ALL SELECT FROM clinic.office_history) AS v",
    );
    assert_eq!(all, 14);
    superuser
        .batch_execute(&format!(
            "SET ROLE \"{nurse}\"; UPDATE clinic.office SET data = '{{\"note\": \"n\"}}' WHERE id = 'e'; RESET ROLE"
        ))
        .unwrap();
    let of_e: String = value(
        &mut superuser,
        "SELECT concat_ws('|', updated_by, (updated_by_login = session_user)::text) FROM clinic.office WHERE id = 'e'",
    );
    assert_eq!(of_e, format!("{nurse}|true"));
    // In a function with its owner's rights it is the owner who writes.
    superuser
        .batch_execute(
            "CREATE FUNCTION public.note() RETURNS void LANGUAGE sql SECURITY DEFINER
                 AS $$ UPDATE clinic.office SET data = '{\"note\": \"o\"}' WHERE id = 'e' $$",
        )
        .unwrap();
    client.batch_execute("SELECT public.note()").unwrap();
    let owner: bool = value(
        &mut superuser,
        &format!(
            "SELECT updated_by = session_user AND updated_by_login = '{nurse}' FROM clinic.office WHERE id = 'e'"
        ),
    );
    assert!(owner);
    assert_sound(&mut superuser, "clinic");
}

/// Links have authors too, and a deletion with links has them for each.
#[test]
fn link_and_its_end_name_who_made_them() {
    let database = clinic::database("author");
    let mut client = database.connect();
    let context = json!({"actor": "Practitioner/7"});
    claiming(
        &mut client,
        &context.to_string(),
        "INSERT INTO clinic.provider (id, data) VALUES ('p', '{\"name\": \"P\"}');
         INSERT INTO clinic.office (id, data) VALUES ('o', '{}');
         SELECT ingest.relationship_link('clinic', 'worksAt',
             '{\"from\": {\"id\": \"p\", \"type\": \"provider\"}, \"to\": {\"id\": \"o\", \"type\": \"office\"}}')",
    )
    .unwrap();
    let of_link: bool = value(
        &mut client,
        "SELECT updated_by = current_user AND context = '{\"actor\": \"Practitioner/7\"}' FROM clinic.\"worksAt\"",
    );
    assert!(of_link);
    claiming(
        &mut client,
        "{\"actor\": \"Practitioner/8\"}",
        "SELECT ingest.resource_delete('clinic', 'office', 'o', cascade => true)",
    )
    .unwrap();
    let told: Value = value(
        &mut client,
        "SELECT jsonb_agg(jsonb_build_array(version, outcome, updated_by = current_user, context ->> 'actor') ORDER BY version)
         FROM ingest.relationship_history('clinic', 'worksAt', 'provider.p,office.o')",
    );
    assert_eq!(
        told,
        json!([
            [1, "created", true, "Practitioner/7"],
            [2, "deleted", true, "Practitioner/8"]
        ])
    );
    assert_sound(&mut client, "clinic");
}

/// Each version keeps the context that it was made with, a tombstone its own; a write that changes
/// nothing but the context makes no version, and leaves the one that is there as it is.
#[test]
fn context_goes_with_the_version_that_was_made_with_it() {
    let database = clinic::database("author");
    let mut client = database.connect();
    let mut go = |actor: &str, script: &str| {
        let context = json!({"actor": actor, "reason": "HL7 feed", "request": "r-1"}).to_string();
        claiming(&mut client, &context, script).unwrap();
    };
    go(
        "one",
        "INSERT INTO clinic.office (id, data) VALUES ('a', '{}')",
    );
    go("two", "UPDATE clinic.office SET data = '{}'");
    go(
        "two",
        "SELECT ingest.resource_upsert('clinic', 'office', 'a', '{\"data\": {}}')",
    );
    go(
        "three",
        "UPDATE clinic.office SET data = '{\"name\": \"n\"}'",
    );
    go("four", "DELETE FROM clinic.office");
    client
        .batch_execute("INSERT INTO clinic.office (id, data) VALUES ('a', '{}')")
        .unwrap();
    let actors: Value = value(
        &mut client,
        "SELECT jsonb_agg(jsonb_build_array(version, outcome, context ->> 'actor', resource #>> '{meta,context,actor}', resource #>> '{meta,updatedBy}' = updated_by) ORDER BY version)
         FROM ingest.resource_history('clinic', 'office', 'a')",
    );
    assert_eq!(
        actors,
        json!([
            [1, "created", "one", "one", true],
            [2, "updated", "three", "three", true],
            [3, "deleted", "four", null, null],
            [4, "created", null, null, true]
        ])
    );
    let kept: Value = value(
        &mut client,
        "SELECT context FROM clinic.office_history WHERE version = 2",
    );
    assert_eq!(
        kept,
        json!({"actor": "three", "reason": "HL7 feed", "request": "r-1"})
    );
    // What was read can be written back, and is the same.
    let again: String = value(
        &mut client,
        "SELECT w.outcome::text FROM ingest.resource_read('clinic', 'office', 'a') AS r,
             ingest.resource_upsert('clinic', 'office', 'a', r) AS w",
    );
    assert_eq!(again, "unchanged");
    assert_sound(&mut client, "clinic");
}

/// A row that is checked against a new definition, and not changed, stays who made it.
#[test]
fn row_that_is_revalidated_keeps_its_author() {
    let mut database = clinic::database("author");
    let nurse = database.create_role("nurse", "");
    database.run(&format!(
        "SELECT ingest.source_grant('clinic', '{nurse}', 'write')"
    ));
    database
        .connect_as(&nurse)
        .batch_execute("INSERT INTO clinic.office (id, data) VALUES ('a', '{}')")
        .unwrap();
    let mut client = database.connect();
    let definition = json!({"type": "ROOT", "properties": {"name": {"type": "symbol"}}});
    clinic::define(&mut client, "clinic", "office", &definition).unwrap();
    claiming(
        &mut client,
        "{\"actor\": \"admin\"}",
        "UPDATE clinic.office SET data = data",
    )
    .unwrap();
    let kept: (i32, i32, String, Option<Value>) = {
        let row = client
            .query_one(
                "SELECT version, profile_version, updated_by, context FROM clinic.office",
                &[],
            )
            .unwrap();
        (row.get(0), row.get(1), row.get(2), row.get(3))
    };
    assert_eq!(kept, (1, 2, nurse, None));
}

/// A context that is no JSON object is refused where a version is made, and so is one that is too
/// large; an empty one is none.
#[test]
fn context_that_is_none_is_refused_at_the_write() {
    let database = clinic::database("author");
    let mut client = database.connect();
    let insert = "INSERT INTO clinic.office (data) VALUES ('{}')";
    for bad in [
        "secret",
        "{",
        "[\"secret\"]",
        "\"secret\"",
        "1",
        "null",
        "{\"a\": \"\\u0000\"}",
    ] {
        let refusal = expect_sqlstate(claiming(&mut client, bad, insert), "PT400");
        assert!(!format!("{refusal:?}").contains("secret"), "{refusal:?}");
        assert!(refusal.hint().unwrap().contains("SET LOCAL"), "{refusal:?}");
    }
    let nested = format!("{{\"a\": {}1{}}}", "[".repeat(3000), "]".repeat(3000));
    expect_sqlstate(claiming(&mut client, &nested, insert), "PT400");
    for size in [8 << 10, 70 << 10] {
        let large = json!({ "reason": "x".repeat(size) }).to_string();
        let refusal = expect_sqlstate(claiming(&mut client, &large, insert), "PT413");
        assert!(!format!("{refusal:?}").contains("xxx"), "{refusal:?}");
    }
    for none in ["", "{}", " {} "] {
        claiming(&mut client, none, insert).unwrap();
    }
    let large = json!({ "reason": "x".repeat(8000) }).to_string();
    claiming(&mut client, &large, insert).unwrap();
    let stored: Vec<Option<i32>> = client
        .query(
            "SELECT length(context ->> 'reason') FROM clinic.office ORDER BY id",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(stored, [None, None, None, Some(8000)]);
}

/// What a session keeps is not believed, however it got it: the next client of a pooled session
/// would inherit it.
#[test]
fn context_of_a_session_is_refused() {
    let mut database = clinic::database("author");
    let insert = "INSERT INTO clinic.office (data) VALUES ('{}')";
    let mut client = database.connect();
    client.batch_execute(insert).unwrap();
    for set in [
        "SET ingest.context = '{\"actor\": \"a\"}'",
        "SET SESSION Ingest.Context TO '{\"actor\": \"a\"}'",
        "DO $$ BEGIN SET ingest.context = '{\"actor\": \"a\"}'; END $$",
    ] {
        let refusal = expect_sqlstate(client.batch_execute(set), "PT400");
        assert!(
            refusal.hint().unwrap().starts_with("SET LOCAL"),
            "{refusal:?}"
        );
    }
    client
        .batch_execute("SELECT set_config('ingest.context', '{\"actor\": \"a\"}', false)")
        .unwrap();
    let refusal = expect_sqlstate(client.batch_execute(insert), "PT400");
    assert!(refusal.message().contains("session"), "{refusal:?}");
    // What the transaction says goes before it, and does not stay.
    claiming(&mut client, "{\"actor\": \"b\"}", insert).unwrap();
    expect_sqlstate(client.batch_execute(insert), "PT400");
    // Nor is it believed once something was undone, or a function is over.
    let undone =
        "BEGIN; SAVEPOINT s; SET LOCAL ingest.context = '{\"actor\": \"c\"}'; ROLLBACK TO s";
    client.batch_execute(undone).unwrap();
    expect_sqlstate(client.batch_execute(insert), "PT400");
    client.batch_execute("ROLLBACK").unwrap();
    client.batch_execute("RESET ingest.context").unwrap();
    client.batch_execute(insert).unwrap();
    // Before the library is loaded, PostgreSQL takes any setting.
    let mut fresh = database.connect();
    fresh
        .batch_execute("SET ingest.context = '{\"actor\": \"d\"}'")
        .unwrap();
    expect_sqlstate(fresh.batch_execute(insert), "PT400");
    let mut fresh = database.connect();
    fresh
        .batch_execute(&format!(
            "BEGIN; SET LOCAL ingest.context = '{{\"actor\": \"e\"}}'; {insert}; COMMIT; {insert}"
        ))
        .unwrap();
    let nurse = database.create_role("nurse", "");
    database.run(&format!(
        "SELECT ingest.source_grant('clinic', '{nurse}', 'write');
         ALTER ROLE \"{nurse}\" SET ingest.context = '{{\"actor\": \"f\"}}'"
    ));
    let mut of_role = database.connect_as(&nurse);
    expect_sqlstate(of_role.batch_execute(insert), "PT400");
    let actors: Value = value(
        &mut client,
        "SELECT jsonb_agg(context ->> 'actor' ORDER BY id) FROM clinic.office",
    );
    assert_eq!(actors, json!([null, "b", null, "e", null]));
}

/// A context holds for what comes after it, also within one statement of the client: set again, for
/// each row by a trigger, by a function, undone with a savepoint, over with the transaction.
#[test]
fn context_holds_from_where_it_is_set() {
    let database = clinic::database("author");
    let mut client = database.connect();
    client
        .batch_execute(
            "CREATE FUNCTION public.said(actor text) RETURNS text LANGUAGE sql AS
                 $$ SELECT set_config('ingest.context', jsonb_build_object('actor', actor)::text, true) $$;
             CREATE FUNCTION public.put(id text) RETURNS void LANGUAGE sql AS
                 $$ INSERT INTO clinic.office (id, data) VALUES (id, '{}') $$;
             CREATE FUNCTION public.put_as_batch(id text) RETURNS void LANGUAGE sql
                 SET ingest.context = '{\"actor\": \"batch\"}' AS $$ SELECT public.put(id) $$;
             CREATE FUNCTION public.by_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF NEW.data ? 'note' THEN PERFORM public.said(NEW.data ->> 'note'); END IF;
                 RETURN NEW; END $$;
             CREATE TRIGGER by_row BEFORE INSERT ON clinic.office FOR EACH ROW EXECUTE FUNCTION public.by_row();
             CREATE PROCEDURE public.two() LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM public.said('first'); PERFORM public.put('h1'); COMMIT;
                 PERFORM public.put('h2'); PERFORM public.said('second'); PERFORM public.put('h3'); END $$;",
        )
        .unwrap();
    client
        .batch_execute(
            "DO $$ BEGIN
                 PERFORM public.put('a'); PERFORM public.said('b'); PERFORM public.put('b');
                 PERFORM public.put_as_batch('c'); PERFORM public.put('d');
                 BEGIN PERFORM public.said('x'); PERFORM public.put('a');
                 EXCEPTION WHEN unique_violation THEN PERFORM public.put('e'); END;
             END $$;
             INSERT INTO clinic.office (id, data) VALUES
                 ('f1', '{\"note\": \"one\"}'), ('f2', '{\"note\": \"two\"}'), ('f3', '{}');
             BEGIN; SELECT public.said('out'); SAVEPOINT s; SELECT public.said('in'); SELECT public.put('g1');
             RELEASE s; SELECT public.put('g2'); SAVEPOINT s; SELECT public.said('no'); ROLLBACK TO s;
             SELECT public.put('g3'); COMMIT",
        )
        .unwrap();
    client.batch_execute("CALL public.two()").unwrap();
    client.batch_execute("SELECT public.put('i')").unwrap();
    let said: Value = value(
        &mut client,
        "SELECT jsonb_object_agg(id, context ->> 'actor') FROM clinic.office",
    );
    assert_eq!(
        said,
        json!({"a": null, "b": "b", "c": "batch", "d": "b", "e": "b",
            "f1": "one", "f2": "two", "f3": "two", "g1": "in", "g2": "in", "g3": "in",
            "h1": "first", "h2": null, "h3": "second", "i": null})
    );
}

/// A source can demand a context of each version: of tombstones too, and of nothing that makes none.
#[test]
fn source_that_demands_a_context_takes_no_version_without() {
    let database = Database::new("author");
    let mut client = database.connect();
    client
        .batch_execute(
            "SELECT ingest.source_create('s', '{\"context\": \"required\"}');
             SELECT ingest.profile_define('s', 'p', '{\"type\": \"ROOT\", \"properties\": {\"n\": {\"type\": \"integer\"}}}')",
        )
        .unwrap();
    let insert = "INSERT INTO s.p (id, data) VALUES ('a', '{\"n\": 1}')";
    let refusal = expect_sqlstate(client.batch_execute(insert), "PT400");
    assert_eq!(refusal.message(), "p takes no version without a context");
    assert_eq!((refusal.schema(), refusal.table()), (Some("s"), Some("p")));
    expect_sqlstate(claiming(&mut client, "{}", insert), "PT400");
    expect_sqlstate(
        client.batch_execute("SELECT ingest.resource_create('s', 'p', '{\"data\": {}}')"),
        "PT400",
    );
    // What is wrong with the document is told first.
    expect_sqlstate(
        client.batch_execute("INSERT INTO s.p (data) VALUES ('{\"n\": \"x\"}')"),
        "PT422",
    );
    let because = "{\"reason\": \"because\"}";
    claiming(&mut client, because, insert).unwrap();
    for makes_none in [
        "UPDATE s.p SET data = data",
        "INSERT INTO s.p (id, data) VALUES ('a', '{}') ON CONFLICT DO NOTHING",
        "SELECT ingest.resource_upsert('s', 'p', 'a', '{\"data\": {\"n\": 1}}')",
    ] {
        client.batch_execute(makes_none).unwrap();
    }
    for makes_one in ["UPDATE s.p SET data = '{\"n\": 2}'", "DELETE FROM s.p"] {
        expect_sqlstate(client.batch_execute(makes_one), "PT400");
        claiming(&mut client, because, makes_one).unwrap();
    }
    let all: i64 = value(
        &mut client,
        "SELECT count(*) FROM s.p_history WHERE context ->> 'reason' = 'because'",
    );
    assert_eq!(all, 3);
}

/// An option that is none is refused, by name.
#[test]
fn options_of_context_that_are_none_are_refused() {
    let database = Database::new("author");
    let mut client = database.connect();
    let many: Value = (0..17).map(|at| (at.to_string(), json!("sub"))).collect();
    for (option, bad) in [
        ("context", json!("needed")),
        ("context", json!(true)),
        ("claims", json!(["sub"])),
        ("claims", json!({"actor": 1})),
        ("claims", json!({"actor": ""})),
        ("claims", json!({"": "sub"})),
        ("claims", json!({"actor": "x".repeat(257)})),
        ("claims", many),
    ] {
        let options = json!({ option: bad });
        let refusal = expect_sqlstate(
            client.execute("SELECT ingest.source_create('s', $1)", &[&options]),
            "PT400",
        );
        let message = format!("the option {option} has a value that is not known");
        assert_eq!(refusal.message(), message);
    }
    let options = json!({"context": "optional", "claims": {}});
    client
        .execute("SELECT ingest.source_create('s', $1)", &[&options])
        .unwrap();
}

/// A table without the columns is told by verify, and takes no writes.
#[test]
fn table_without_the_columns_is_told() {
    let database = clinic::database("author");
    let mut client = database.connect();
    client
        .batch_execute(
            "ALTER TABLE clinic.office DROP COLUMN updated_by, DROP COLUMN context;
             ALTER TABLE clinic.office_history DROP COLUMN updated_by_login",
        )
        .unwrap();
    let told: Value = value(
        &mut client,
        "SELECT jsonb_agg(jsonb_build_array(object, problem) ORDER BY object, problem) FROM ingest.doctor('clinic')",
    );
    assert_eq!(
        told,
        json!([
            ["clinic.office", "the column context is missing"],
            ["clinic.office", "the column updated_by is missing"],
            [
                "clinic.office_history",
                "the column updated_by_login is missing"
            ]
        ])
    );
    let insert = "INSERT INTO clinic.office (data) VALUES ('{}')";
    let refusal = expect_sqlstate(client.batch_execute(insert), "PT400");
    assert!(refusal.message().contains("updated_by"), "{refusal:?}");
}

/// What names the author and the context is read with the resource, and who may not read one may
/// read neither.
#[test]
fn context_is_seen_by_who_sees_the_version() {
    let mut database = clinic::database("author");
    let reader = database.create_role("reader", "");
    let stranger = database.create_role("stranger", "");
    database.run(&format!(
        "SELECT ingest.source_grant('clinic', '{reader}', 'read');
         GRANT USAGE ON SCHEMA clinic TO \"{stranger}\""
    ));
    let mut client = database.connect();
    claiming(
        &mut client,
        "{\"actor\": \"a\"}",
        "INSERT INTO clinic.office (id, data) VALUES ('a', '{}'); DELETE FROM clinic.office",
    )
    .unwrap();
    let mut reading = database.connect_as(&reader);
    let read = "SELECT count(*) FROM clinic.office_history WHERE context ->> 'actor' = 'a'";
    assert_eq!(value::<i64>(&mut reading, read), 2);
    let mut strange = database.connect_as(&stranger);
    expect_sqlstate(strange.query(read, &[]), "42501");
    let history = "SELECT FROM ingest.resource_history('clinic', 'office', 'a')";
    expect_sqlstate(strange.query(history, &[]), "42501");
    // Policies hide a version, and its context with it.
    database.run(&format!(
        "ALTER TABLE clinic.office ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON clinic.office TO \"{reader}\" USING (context ->> 'actor' = 'b');
         SELECT ingest.source_secure('clinic')"
    ));
    assert_eq!(value::<i64>(&mut reading, read), 0);
}

fn provenance(client: &mut Client, id: &str) -> Vec<(i32, Value)> {
    client
        .query(
            "SELECT version, resource FROM ingest.resource_provenance('fhir', 'Patient', $1)",
            &[&id],
        )
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect()
}

/// The versions of a FHIR resource are told as Provenances, which HL7's definition of one accepts,
/// whatever was claimed. Where the package is missing, there is nothing to do.
#[test]
fn provenance_of_each_version_conforms_to_fhir() {
    let Some(package) = package() else {
        return;
    };
    let database = Database::new("author");
    let mut client = database.connect();
    client
        .batch_execute("CREATE EXTENSION IF NOT EXISTS ingest_ext; SELECT ingest.source_create('fhir', '{\"format\": \"fhir\"}')")
        .unwrap();
    import_package(&database, &package);
    let insert =
        r#"INSERT INTO fhir."Patient" (id, data) VALUES ('p', '{"resourceType": "Patient"}')"#;
    client.batch_execute(insert).unwrap();
    let context = json!({"actor": "Practitioner/7", "reason": "HL7 feed", "request": "r-1"});
    let change = r#"UPDATE fhir."Patient" SET data = data || '{"active": true}'"#;
    claiming(&mut client, &context.to_string(), change).unwrap();
    let odd = json!({"actor": ["a"], "reason": " ", "request": ""}).to_string();
    claiming(&mut client, &odd, r#"DELETE FROM fhir."Patient""#).unwrap();
    let told = provenance(&mut client, "p");
    let versions: Vec<i32> = told.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, [3, 2, 1]);
    for (version, resource) in &told {
        let wrong: Value = value(
            &mut client,
            &format!(
                "SELECT ingest.resource_validate('fhir', 'Provenance', $json${resource}$json$)"
            ),
        );
        let severities = wrong["issue"].as_array().into_iter().flatten();
        let errors: Vec<&Value> = severities
            .filter(|issue| issue["severity"] == "error" || issue["severity"] == "fatal")
            .collect();
        assert!(errors.is_empty(), "{version}: {errors:?} {resource}");
    }
    let of = |place: usize, pointer: &str| told[place].1.pointer(pointer).cloned();
    assert_eq!(
        [
            "/target/0/reference",
            "/activity/coding/0/code",
            "/reason/0/text",
            "/agent/0/who/reference",
            "/entity/0/what/identifier/value"
        ]
        .map(|pointer| of(1, pointer)),
        [
            "Patient/p/_history/2",
            "UPDATE",
            "HL7 feed",
            "Practitioner/7",
            "r-1"
        ]
        .map(|text| Some(json!(text)))
    );
    assert_eq!(of(0, "/agent/0/who/display"), Some(json!("[\"a\"]")));
    assert_eq!(of(0, "/activity/coding/0/code"), Some(json!("DELETE")));
    assert_eq!((of(0, "/reason"), of(0, "/entity")), (None, None));
    let role: String = value(&mut client, "SELECT current_user::text");
    assert_eq!(of(2, "/agent/0/who/display"), Some(json!(role)));
    assert_eq!(of(2, "/agent/1"), None);
    let never = client.query(
        "SELECT FROM ingest.resource_provenance('fhir', 'Patient', 'never')",
        &[],
    );
    expect_sqlstate(never, "PT404");
}
