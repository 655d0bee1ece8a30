//! Ids: which are accepted, which are generated, and what a generated one need not ask.

use ingest_tests::expect_sqlstate;
use serde_json::json;

use crate::clinic::{self, OFFICE, value};

/// What is not an id is refused by the gate and by every verb that would store it; a verb that only
/// looks for it refuses too.
#[test]
fn hostile_ids_are_refused_everywhere() {
    let database = clinic::database("id");
    let mut client = database.connect();
    let long = "x".repeat(65);
    let body = json!({"data": {}});
    for id in [
        "",
        long.as_str(),
        " ",
        "a b",
        " a",
        "a\n",
        "a\t",
        "'",
        "\"",
        "a'; DROP TABLE x; --",
        "a/b",
        "../a",
        "é",
        "ａ",
        "日本",
        "a\u{0301}",
        "\u{200b}",
        "a,b",
        "a|b",
        "a\\b",
        "%",
        "$1",
        "{}",
        "a:b",
    ] {
        for refused in [
            client.execute(
                "INSERT INTO clinic.office (id, data) VALUES ($1, '{}')",
                &[&id],
            ),
            clinic::create_as(&mut client, OFFICE, id, &body).map(|_| 1),
            clinic::create(&mut client, OFFICE, &json!({"data": {}, "id": id})).map(|_| 1),
            clinic::upsert(&mut client, OFFICE, id, &body).map(|_| 1),
            client.execute(
                "SELECT ingest.resource_is_valid('clinic', $1, $2)",
                &[&OFFICE, &json!({"data": {}, "id": id})],
            ),
        ] {
            let refusal = expect_sqlstate(refused, "PT400");
            assert_eq!(refusal.message(), "not an id", "{id:?}");
        }
        for (what, looked) in [
            ("read", clinic::read(&mut client, OFFICE, id).map(|_| ())),
            (
                "history",
                clinic::history(&mut client, OFFICE, id).map(|_| ()),
            ),
            (
                "delete",
                clinic::delete(&mut client, OFFICE, id, None, true).map(|_| ()),
            ),
            (
                "read_link",
                clinic::read_link(&mut client, &format!("provider.{id},office.{id}")).map(|_| ()),
            ),
            (
                "unlink",
                clinic::unlink(&mut client, &format!("provider.{id},office.{id}"), None)
                    .map(|_| ()),
            ),
        ] {
            let error = looked.expect_err(what);
            let code = error.code().unwrap().code().to_owned();
            assert!(
                ["PT400", "PT404"].contains(&code.as_str()),
                "{what} {id:?}: {error:?}"
            );
        }
    }
    assert_eq!(
        value::<i64>(&mut client, "SELECT count(*) FROM clinic.office"),
        0
    );
}

/// Every character that an id may have is stored, and found again.
#[test]
fn ids_at_the_edge_are_accepted() {
    let database = clinic::database("id");
    let mut client = database.connect();
    let long = "x".repeat(64);
    for id in [
        "a",
        "0",
        "-",
        ".",
        "_",
        "..",
        "-A.b_9",
        long.as_str(),
        "null",
        "NULL",
        "true",
    ] {
        clinic::create_as(&mut client, OFFICE, id, &json!({"data": {}})).unwrap();
        clinic::upsert(&mut client, OFFICE, id, &json!({"data": {"name": "b"}})).unwrap();
        assert_eq!(
            clinic::read(&mut client, OFFICE, id).unwrap()["id"],
            json!(id)
        );
        clinic::delete(&mut client, OFFICE, id, None, false).unwrap();
        assert_eq!(
            clinic::story(&mut client, OFFICE, id),
            "created 1, updated 2, deleted 3"
        );
    }
    // Ids are compared byte by byte.
    for id in ["case", "CASE", "Case"] {
        clinic::create_as(&mut client, OFFICE, id, &json!({"data": {}})).unwrap();
    }
}

/// The id of the call and that of the body must not disagree.
#[test]
fn ids_that_disagree_are_refused() {
    let database = clinic::database("id");
    let mut client = database.connect();
    let body = json!({"data": {}, "id": "a"});
    expect_sqlstate(clinic::create_as(&mut client, OFFICE, "b", &body), "PT400");
    expect_sqlstate(clinic::upsert(&mut client, OFFICE, "b", &body), "PT400");
    assert_eq!(
        clinic::create_as(&mut client, OFFICE, "a", &body)
            .unwrap()
            .id,
        "a"
    );
    assert_eq!(
        clinic::upsert(&mut client, OFFICE, "a", &body)
            .unwrap()
            .did(),
        ("unchanged", 1)
    );
    for wrong in [json!(1), json!({}), json!(["a"]), json!(true)] {
        let body = json!({"data": {}, "id": wrong});
        expect_sqlstate(clinic::create(&mut client, OFFICE, &body), "PT400");
    }
}

/// Generated ids grow: in one statement, in one session, over sessions.
#[test]
fn generated_ids_are_unique_and_grow() {
    let database = clinic::database("id");
    let mut client = database.connect();
    client
        .batch_execute("INSERT INTO clinic.office (data) SELECT '{}' FROM generate_series(1, 2000)")
        .unwrap();
    let grown: bool = value(
        &mut client,
        "SELECT bool_and(id > before) FROM (SELECT id, lag(id) OVER (ORDER BY ctid) AS before \
         FROM clinic.office) AS o WHERE before IS NOT NULL",
    );
    assert!(grown);
    let last: String = value(&mut client, "SELECT max(id) FROM clinic.office");
    let next = clinic::create(&mut database.connect(), OFFICE, &json!({"data": {}})).unwrap();
    assert!(next.id > last, "{} after {last}", next.id);
    let null: String = value(
        &mut client,
        "INSERT INTO clinic.office (id, data) VALUES (NULL, '{}') RETURNING id",
    );
    assert!(null > next.id);
}

/// A row whose id is generated has no history, and its insert does not look for one; a row with a
/// caller's own id does.
#[test]
fn generated_id_asks_no_history() {
    let database = clinic::database("id");
    let mut client = database.connect();
    let rows = "{}\n".repeat(100);
    let body = json!({"data": {}});
    // The plans of a first write are not counted.
    clinic::create_as(&mut client, OFFICE, "o", &body).unwrap();
    let before = history_scans(&mut client);

    for _ in 0..50 {
        clinic::create(&mut client, OFFICE, &body).unwrap();
        clinic::create_if(&mut client, OFFICE, &json!({"name": "nobody"}), &body).unwrap();
    }
    let by_verbs = history_scans(&mut client);
    for _ in 0..50 {
        client
            .batch_execute("INSERT INTO clinic.office (data) VALUES ('{}')")
            .unwrap();
    }
    clinic::copy(&mut client, "COPY clinic.office (data) FROM STDIN", &rows).unwrap();
    client
        .batch_execute("INSERT INTO clinic.office (data) SELECT '{}' FROM generate_series(1, 100)")
        .unwrap();
    // Of 250, few: between a default and its row another test may commit.
    let by_default = history_scans(&mut client) - by_verbs;
    assert!(by_default < 100, "{by_default} by default");
    assert_eq!(by_verbs, before, "generated by the verbs");

    let before = history_scans(&mut client);
    clinic::create_as(&mut client, OFFICE, "p", &body).unwrap();
    assert!(history_scans(&mut client) > before, "a caller's own id");
}

/// A generated id that is kept and used later is a caller's own.
#[test]
fn generated_id_used_again_after_delete_continues_its_versions() {
    let database = clinic::database("id");
    let mut client = database.connect();
    client
        .batch_execute(
            "DO $$ DECLARE made text; BEGIN
                 INSERT INTO clinic.office (data) VALUES ('{}') RETURNING id INTO made;
                 DELETE FROM clinic.office WHERE id = made;
                 INSERT INTO clinic.office (id, data) VALUES (made, '{}');
                 DELETE FROM clinic.office WHERE id = made;
                 made := ingest.new_id();
                 INSERT INTO clinic.office (id, data) VALUES (made, '{\"name\": \"second\"}');
                 DELETE FROM clinic.office WHERE id = made;
                 INSERT INTO clinic.office (id, data) VALUES (made, '{\"name\": \"second\"}');
             END $$",
        )
        .unwrap();
    for id in client
        .query("SELECT DISTINCT id FROM clinic.office_history", &[])
        .unwrap()
    {
        let id: String = id.get(0);
        let story = clinic::story(&mut client, OFFICE, &id);
        assert!(
            story.starts_with("created 1, deleted 2, created 3"),
            "{story}"
        );
    }
}

fn history_scans(client: &mut postgres::Client) -> i64 {
    client
        .batch_execute("SELECT pg_stat_force_next_flush()")
        .unwrap();
    value(
        client,
        "SELECT seq_scan + idx_scan FROM pg_stat_user_tables WHERE relname = 'office_history'",
    )
}
