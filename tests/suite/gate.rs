//! The gate under plain SQL: every statement that writes passes it, and nothing goes round it.

use ingest_tests::refusal::issues;
use ingest_tests::{expect_sqlstate, psql};
use serde_json::{Value, json};

use crate::clinic::{self, OFFICE, value};

/// Who writes back the row that was read, with one change, gets the next version once, and then
/// hears that the version is stale.
#[test]
fn row_written_back_as_read_is_accepted_once() {
    let database = clinic::database("gate");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "a"}})).unwrap();
    client
        .batch_execute("CREATE TEMP TABLE read AS TABLE clinic.office")
        .unwrap();
    let update = "UPDATE clinic.office AS o SET id = r.id, version = r.version, \
         created_at = r.created_at, updated_at = r.updated_at, \
         profile_version = r.profile_version, data = r.data || $1, contained = r.contained \
         FROM read AS r WHERE o.id = r.id";
    assert_eq!(client.execute(update, &[&json!({"name": "b"})]).unwrap(), 1);
    let stale = expect_sqlstate(client.execute(update, &[&json!({"name": "c"})]), "PT412");
    assert_eq!(
        stale.message(),
        "version 1 of office is expected, but it is 2"
    );
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2"
    );
}

/// The same by INSERT … ON CONFLICT DO UPDATE, which PostgREST's PUT is.
#[test]
fn row_inserted_over_itself_as_read_is_accepted_once() {
    let database = clinic::database("gate");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "a"}})).unwrap();
    client
        .batch_execute("CREATE TEMP TABLE read AS TABLE clinic.office")
        .unwrap();
    let upsert = "INSERT INTO clinic.office \
         (id, version, created_at, updated_at, profile_version, data, contained) \
         SELECT id, version, created_at, updated_at, profile_version, data || $1, contained FROM read \
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, \
         created_at = excluded.created_at, updated_at = excluded.updated_at, \
         profile_version = excluded.profile_version, data = excluded.data, \
         contained = excluded.contained";
    assert_eq!(client.execute(upsert, &[&json!({"name": "b"})]).unwrap(), 1);
    expect_sqlstate(client.execute(upsert, &[&json!({"name": "c"})]), "PT412");
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2"
    );

    // Without the columns that the gate owns, the last writer wins.
    let blind = "INSERT INTO clinic.office (id, data) VALUES ('o', $1) \
         ON CONFLICT (id) DO UPDATE SET data = excluded.data";
    client.execute(blind, &[&json!({"name": "d"})]).unwrap();
    client.execute(blind, &[&json!({"name": "e"})]).unwrap();
    client.execute(blind, &[&json!({"name": "e"})]).unwrap();
    // All of excluded, as an ORM writes it.
    let all = "INSERT INTO clinic.office (id, data) VALUES ('o', $1) \
         ON CONFLICT (id) DO UPDATE SET (version, created_at, updated_at, data) = \
         (excluded.version, excluded.created_at, excluded.updated_at, excluded.data)";
    client.execute(all, &[&json!({"name": "f"})]).unwrap();
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2, updated 3, updated 4, updated 5"
    );
    let data: Value = value(&mut client, "SELECT data FROM clinic.office");
    assert_eq!(data, json!({"name": "f"}));
}

/// INSERT … ON CONFLICT DO NOTHING leaves a row that is there alone.
#[test]
fn row_inserted_unless_there_stays_as_it_is() {
    let database = clinic::database("gate");
    let mut client = database.connect();
    let insert = "INSERT INTO clinic.office (id, data) VALUES ('o', $1) ON CONFLICT DO NOTHING";
    assert_eq!(client.execute(insert, &[&json!({"name": "a"})]).unwrap(), 1);
    assert_eq!(client.execute(insert, &[&json!({"name": "b"})]).unwrap(), 0);
    assert_eq!(clinic::story(&mut client, OFFICE, "o"), "created 1");
}

/// A version given to a row that is not there is a version that its writer expects in vain.
#[test]
fn row_inserted_with_a_version_is_stale() {
    let database = clinic::database("gate");
    let mut client = database.connect();
    for version in [2, 7, -1] {
        let refusal = expect_sqlstate(
            client.execute(
                "INSERT INTO clinic.office (id, version, data) VALUES ('o', $1, '{}')",
                &[&version],
            ),
            "PT412",
        );
        assert_eq!(
            refusal.message(),
            format!("version {version} of office is expected, but there is none")
        );
    }
    // 0: only if there is none.
    let only_if_absent = "INSERT INTO clinic.office (id, version, data) VALUES ('o', 0, '{}')";
    client.execute(only_if_absent, &[]).unwrap();
    expect_sqlstate(client.execute(only_if_absent, &[]), "23505");
    assert_eq!(clinic::story(&mut client, OFFICE, "o"), "created 1");
}

/// Each branch of MERGE passes the gate.
#[test]
fn merge_inserting_updating_and_deleting_makes_versions() {
    let database = clinic::database("gate");
    let mut client = database.connect();
    for id in ["changed", "deleted", "kept"] {
        clinic::upsert(&mut client, OFFICE, id, &json!({"data": {"name": "a"}})).unwrap();
    }
    let merged = client
        .execute(
            "MERGE INTO clinic.office AS o USING (VALUES ('changed', '{\"name\": \"b\"}'::jsonb), \
                 ('deleted', NULL), ('kept', '{\"name\": \"a\"}'), ('made', '{\"name\": \"b\"}')) \
                 AS v (id, data) ON o.id = v.id \
             WHEN MATCHED AND v.data IS NULL THEN DELETE \
             WHEN MATCHED THEN UPDATE SET data = v.data \
             WHEN NOT MATCHED THEN INSERT (id, data) VALUES (v.id, v.data)",
            &[],
        )
        .unwrap();
    assert_eq!(merged, 4);
    for (id, story) in [
        ("changed", "created 1, updated 2"),
        ("deleted", "created 1, deleted 2"),
        ("kept", "created 1"),
        ("made", "created 1"),
    ] {
        assert_eq!(clinic::story(&mut client, OFFICE, id), story, "{id}");
    }
}

/// The id of a row and the instant of its creation are for ever.
#[test]
fn update_of_id_or_created_at_is_refused() {
    let database = clinic::database("gate");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    for (set, message) in [
        ("id = 'p'", "the id of office cannot change"),
        (
            "id = 'p', data = '{\"name\": \"x\"}'",
            "the id of office cannot change",
        ),
        ("id = NULL", "the id of office cannot change"),
        ("created_at = now()", "created_at of office cannot change"),
        (
            "created_at = 'infinity'",
            "created_at of office cannot change",
        ),
    ] {
        let refusal = expect_sqlstate(
            client.batch_execute(&format!("UPDATE clinic.office SET {set}")),
            "PT400",
        );
        assert_eq!(refusal.message(), message);
    }
    assert_eq!(clinic::story(&mut client, OFFICE, "o"), "created 1");
}

/// The gate owns its columns: what a writer puts into them is not stored.
#[test]
fn bookkeeping_written_by_hand_is_overwritten() {
    let database = clinic::database("gate");
    let mut client = database.connect();
    client
        .batch_execute(
            "INSERT INTO clinic.office (id, created_at, updated_at, profile_version, data) \
                 VALUES ('o', '1999-01-01', '2999-01-01', 77, '{}');
             UPDATE clinic.office SET updated_at = '1999-01-01', profile_version = 99, \
                 data = '{\"name\": \"b\"}'",
        )
        .unwrap();
    assert!(value::<bool>(
        &mut client,
        "SELECT version = 2 AND profile_version = 1 AND created_at < updated_at \
         AND created_at > now() - interval '1 minute' AND updated_at < now() + interval '1 minute' \
         FROM clinic.office"
    ));
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2"
    );
}

/// An UPDATE that changes neither data nor contained makes no version, however it is written.
#[test]
fn update_without_change_makes_no_version() {
    let database = clinic::database("gate");
    let mut client = database.connect();
    let body = json!({"data": {"name": "a"}, "contained": {
        "primaryPaymentMethod": [{"id": "p", "data": {"value": "Visa"}}]}});
    clinic::upsert(&mut client, OFFICE, "o", &body).unwrap();
    let before: Value = value(&mut client, "SELECT to_jsonb(o) FROM clinic.office AS o");
    for set in [
        "data = data",
        "data = '{\"name\": \"a\"}'",
        "version = version",
        "version = NULL",
        "created_at = NULL",
        "updated_at = now(), profile_version = 9",
        "updated_by = NULL",
        "updated_by = 'somebody', updated_by_login = 'else', context = '{}'",
        "id = id, data = data, contained = contained",
        "contained = '{\"primaryPaymentMethod\": [{\"id\": \"p\", \"data\": {\"value\": \"Visa\"}}]}'",
        "contained = '{\"primaryPaymentMethod\": [{\"data\": {\"value\": \"Visa\"}}]}'",
    ] {
        client
            .batch_execute(&format!("UPDATE clinic.office SET {set}"))
            .unwrap();
        let after: Value = value(&mut client, "SELECT to_jsonb(o) FROM clinic.office AS o");
        assert_eq!(after, before, "{set}");
    }
    assert_eq!(clinic::story(&mut client, OFFICE, "o"), "created 1");
}

/// Two spellings of a number are two contents: 1.0 is not 1.00, in what is stored and in what a
/// change is.
#[test]
fn number_respelled_is_a_change() {
    let database = clinic::database("gate");
    let mut client = database.connect();
    let shop = json!({"type": "ROOT", "properties": {"price": {"type": "decimal"}}});
    clinic::define(&mut client, "clinic", "shop", &shop).unwrap();
    for (price, version) in [("1.0", 1), ("1.00", 2), ("1.00", 2), ("1", 3), ("1.0", 4)] {
        let sql = format!(
            "SELECT version FROM ingest.resource_upsert('clinic', 'shop', 's', \
             '{{\"data\": {{\"price\": {price}}}}}')"
        );
        assert_eq!(value::<i32>(&mut client, &sql), version, "{price}");
        let stored = "SELECT data ->> 'price' FROM clinic.shop";
        assert_eq!(value::<String>(&mut client, stored), price);
    }
    client
        .batch_execute("UPDATE clinic.shop SET data = '{\"price\": 1.000}'")
        .unwrap();
    assert_eq!(
        value::<i32>(&mut client, "SELECT version FROM clinic.shop"),
        5
    );
}

/// Rows with a history cannot be truncated away.
#[test]
fn truncate_of_guarded_tables_is_refused() {
    let database = clinic::database("gate");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    for tables in [
        "clinic.\"Patient\"",
        "clinic.office CASCADE",
        "clinic.\"worksAt\"",
        "clinic.\"Patient\", clinic.\"Patient_history\"",
    ] {
        let refusal = expect_sqlstate(client.batch_execute(&format!("TRUNCATE {tables}")), "PT400");
        assert!(
            refusal.message().contains("cannot be truncated"),
            "{refusal:?}"
        );
        assert!(refusal.hint().is_some());
    }
    assert_eq!(clinic::story(&mut client, OFFICE, "o"), "created 1");
}

/// History is a record: nobody writes it, not even its owner or a superuser.
#[test]
fn history_written_by_hand_is_refused() {
    let database = clinic::database("gate");
    let mut client = database.connect();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {}})).unwrap();
    clinic::upsert(&mut client, OFFICE, "o", &json!({"data": {"name": "b"}})).unwrap();
    for sql in [
        "INSERT INTO clinic.office_history SELECT * FROM clinic.office_history",
        "INSERT INTO clinic.office_history SELECT * FROM clinic.office_history WHERE false",
        "UPDATE clinic.office_history SET data = '{}'",
        "DELETE FROM clinic.office_history",
        "TRUNCATE clinic.office_history",
        "MERGE INTO clinic.office_history USING (VALUES (1)) AS v ON true WHEN MATCHED THEN DELETE",
        "WITH d AS (DELETE FROM clinic.office_history RETURNING *) \
             INSERT INTO clinic.office (id, data) SELECT 'p', data FROM d",
    ] {
        expect_sqlstate(client.batch_execute(sql), "42501");
    }
    // By psql, because the server refuses before it has taken what the client sends.
    let copied = psql::run(&database, "COPY clinic.office_history FROM STDIN;\n\\.\n");
    assert!(
        copied
            .output
            .contains("office_history is written by the archive only"),
        "{}",
        copied.output
    );
    assert_eq!(
        clinic::story(&mut client, OFFICE, "o"),
        "created 1, updated 2"
    );
}

/// Contained ids are completed, kept and refused under plain SQL as under a verb.
#[test]
fn contained_ids_by_hand_are_completed_kept_and_refused() {
    let database = clinic::database("gate");
    let mut client = database.connect();
    let key = "alternativePaymentMethods";
    let insert =
        "INSERT INTO clinic.office (id, data, contained) VALUES ($1, '{}', $2) RETURNING contained";
    let item = |id: Value, value: &str| json!({"id": id, "data": {"value": value}});

    let given = json!({key: [item(json!("a"), "Visa"), item(Value::Null, "Amex")]});
    let stored: Value = client.query_one(insert, &[&"o", &given]).unwrap().get(0);
    let items = stored[key].as_array().unwrap().clone();
    assert_eq!(
        items[0]["id"],
        json!("office/o/alternativePaymentMethods/a")
    );
    assert_eq!(items[0]["type"], json!("paymentMethod"));
    let generated = items[1]["id"].as_str().unwrap();
    assert!(generated.starts_with("office/o/alternativePaymentMethods/"));
    assert_eq!(
        generated.len(),
        "office/o/alternativePaymentMethods/".len() + 36
    );

    // An item whose id is left out keeps the one it has.
    let update = "UPDATE clinic.office SET contained = $1 WHERE id = 'o' RETURNING contained";
    let given = json!({key: [{"data": {"value": "Amex"}}, {"data": {"value": "Visa"}},
                             {"data": {"value": "Maestro"}}]});
    let stored: Value = client.query_one(update, &[&given]).unwrap().get(0);
    assert_eq!(stored[key][0]["id"], items[1]["id"]);
    assert_eq!(stored[key][1]["id"], items[0]["id"]);
    assert_ne!(stored[key][2]["id"], items[1]["id"]);

    // A row whose id is generated names its contained resources by it.
    let id_and_contained = client
        .query_one(
            "INSERT INTO clinic.office (data, contained) VALUES ('{}', $1) RETURNING id, contained",
            &[&json!({key: [item(json!("a"), "Visa")]})],
        )
        .unwrap();
    let (id, contained): (String, Value) = (id_and_contained.get(0), id_and_contained.get(1));
    assert_eq!(
        contained[key][0]["id"],
        json!(format!("office/{id}/alternativePaymentMethods/a"))
    );

    for foreign in ["office/p/alternativePaymentMethods/a", "a/b", "", " ", "é"] {
        let given = json!({key: [item(json!(foreign), "Visa")]});
        for refused in [
            client.query_one(insert, &[&"new", &given]),
            client.query_one(update, &[&given]),
        ] {
            let refusal = expect_sqlstate(refused, "PT422");
            assert_eq!(
                issues(&refusal)[0].without_row("office"),
                "office.contained.alternativePaymentMethods[0].id",
                "{foreign:?}"
            );
        }
    }
    // The same short id twice.
    let twice = json!({key: [item(json!("a"), "Visa"), item(json!("a"), "Amex")]});
    let refusal = expect_sqlstate(client.query_one(insert, &[&"new", &twice]), "PT422");
    assert_eq!(issues(&refusal)[0].code, "duplicate");
}

/// Nothing contained is stored as null, in whatever way it is said.
#[test]
fn contained_null_is_stored_as_null() {
    let database = clinic::database("gate");
    let mut client = database.connect();
    for contained in ["NULL", "'null'"] {
        let sql = format!(
            "INSERT INTO clinic.office (data, contained) VALUES ('{{}}', {contained}) \
             RETURNING contained IS NULL"
        );
        assert!(value::<bool>(&mut client, &sql), "{contained}");
    }
    for wrong in ["[]", "1", "\"x\"", "true"] {
        let sql = format!("INSERT INTO clinic.office (data, contained) VALUES ('{{}}', '{wrong}')");
        let refusal = expect_sqlstate(client.batch_execute(&sql), "PT422");
        assert_eq!(
            issues(&refusal)[0].expression,
            ["office.contained"],
            "{wrong}"
        );
    }
}

/// Data is an object: nothing else that JSON can be is stored, and not SQL's null.
#[test]
fn data_other_than_an_object_is_refused() {
    let database = clinic::database("gate");
    let mut client = database.connect();
    for wrong in ["[]", "[{}]", "1", "\"x\"", "true", "null"] {
        let sql = format!("INSERT INTO clinic.office (data) VALUES ('{wrong}')");
        let refusal = expect_sqlstate(client.batch_execute(&sql), "PT422");
        let issues = issues(&refusal);
        assert_eq!(issues[0].expression, ["office"], "{wrong}");
        let body = json!({"data": serde_json::from_str::<Value>(wrong).unwrap()});
        let by_verb = expect_sqlstate(clinic::create(&mut client, OFFICE, &body), "PT422");
        assert_eq!(by_verb.detail(), refusal.detail());
    }
    let refused = client.batch_execute("INSERT INTO clinic.office (data) VALUES (NULL)");
    let sqlstate = refused.unwrap_err().code().unwrap().code().to_owned();
    assert!(
        ["23502", "PT422"].contains(&sqlstate.as_str()),
        "{sqlstate}"
    );
}

/// A load of many rows is one statement: all of it or nothing.
#[test]
fn copy_of_1_000_rows_with_one_wrong_stores_nothing() {
    let database = clinic::database("gate");
    let mut client = database.connect();
    let mut rows: Vec<String> = (0..1000)
        .map(|number| format!("id-{number}\t{{\"name\": \"office {number}\"}}\n"))
        .collect();
    let copy = "COPY clinic.office (id, data) FROM STDIN";
    rows[999] = "id-999\t{\"name\": 7}\n".to_owned();
    expect_sqlstate(clinic::copy(&mut client, copy, &rows.concat()), "PT422");
    let count = "SELECT count(*) FROM clinic.office";
    assert_eq!(value::<i64>(&mut client, count), 0);
    rows[999] = "id-999\t{\"name\": \"seven\"}\n".to_owned();
    assert_eq!(
        clinic::copy(&mut client, copy, &rows.concat()).unwrap(),
        1000
    );
    assert_eq!(value::<i64>(&mut client, count), 1000);
    assert_eq!(
        client
            .execute(
                "UPDATE clinic.office SET data = data || '{\"note\": \"n\"}'",
                &[]
            )
            .unwrap(),
        1000
    );
    assert_eq!(
        client.execute("DELETE FROM clinic.office", &[]).unwrap(),
        1000
    );
    let history = "SELECT count(*) FROM clinic.office_history";
    assert_eq!(value::<i64>(&mut client, history), 3000);
    assert_eq!(
        clinic::story(&mut client, OFFICE, "id-500"),
        "created 1, updated 2, deleted 3"
    );
}
