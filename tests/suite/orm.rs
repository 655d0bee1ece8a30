//! What object-relational mappers and generators of clients do with a table whose columns the guard
//! keeps.

use ingest_tests::{PostgRest, expect_sqlstate, server::user};
use serde_json::json;

use crate::clinic::{self, value};

/// An optimistic lock of SQLAlchemy, Hibernate or Rails: the version that was read stands in WHERE,
/// and the next one is written. The first is written with a new row.
#[test]
fn version_counted_by_the_writer_is_taken() {
    let database = clinic::database("orm");
    let mut client = database.connect();
    client
        .batch_execute("INSERT INTO clinic.office (id, version, data) VALUES ('o', 1, '{}')")
        .unwrap();
    let update = "UPDATE clinic.office SET data = jsonb_build_object('note', $1::int4::text), version = $1 WHERE id = 'o' AND version = $2";
    for version in 1..4 {
        let next = version + 1;
        assert_eq!(client.execute(update, &[&next, &version]).unwrap(), 1);
        // Another, who has read the same, is too late, and hears it as its mapper expects.
        assert_eq!(client.execute(update, &[&next, &version]).unwrap(), 0);
    }
    assert_eq!(
        clinic::story(&mut client, "office", "o"),
        "created 1, updated 2, updated 3, updated 4"
    );
    for version in [-1, 1, 2, 3, 6, i32::MAX] {
        let update = format!("UPDATE clinic.office SET version = {version}, data = '{{}}'");
        expect_sqlstate(client.batch_execute(&update), "PT412");
    }
    for version in [2, -1] {
        let insert =
            format!("INSERT INTO clinic.office (version, data) VALUES ({version}, '{{}}')");
        expect_sqlstate(client.batch_execute(&insert), "PT412");
    }
    client.batch_execute("DELETE FROM clinic.office").unwrap();
    // It was there: its first version is over.
    let insert = "INSERT INTO clinic.office (id, version, data) VALUES ('o', 1, '{}')";
    expect_sqlstate(client.batch_execute(insert), "PT412");
    client
        .batch_execute(
            "INSERT INTO clinic.office (id, data) VALUES ('p', '{}');
             INSERT INTO clinic.provider (id, data) VALUES ('p', '{\"name\": \"p\"}');
             INSERT INTO clinic.\"worksAt\" (from_id, to_id, version) VALUES ('p', 'p', 1)",
        )
        .unwrap();
}

/// What stands for a value that is left out changes nothing that was there.
#[test]
fn kept_columns_left_out_stay_as_they_are() {
    let database = clinic::database("orm");
    let mut client = database.connect();
    let put = "INSERT INTO clinic.office (id, data) VALUES ('o', '{\"note\": \"a\"}')
        ON CONFLICT (id) DO UPDATE SET data = excluded.data, version = excluded.version,
            created_at = excluded.created_at, updated_at = excluded.updated_at, profile_version = excluded.profile_version";
    for _ in 0..2 {
        client.batch_execute(put).unwrap();
    }
    client
        .batch_execute(&put.replace("\"a\"", "\"b\""))
        .unwrap();
    client
        .batch_execute("UPDATE clinic.office SET data = '{}', created_at = DEFAULT, updated_at = DEFAULT, profile_version = DEFAULT")
        .unwrap();
    assert_eq!(
        clinic::story(&mut client, "office", "o"),
        "created 1, updated 2, updated 3"
    );
    let finite: bool = value(
        &mut client,
        "SELECT isfinite(created_at) AND isfinite(updated_at) AND profile_version = 1 FROM clinic.office",
    );
    assert!(finite);
}

/// Generators of clients find a default for what the guard keeps, and need not ask for it. (PostgREST
/// calls every column required that cannot be null.)
#[test]
fn kept_columns_have_defaults_in_the_description() {
    let database = clinic::database("orm");
    let rest = PostgRest::start(&database, "clinic", &user());
    let described = rest.get("/").body;
    for table in ["office", "worksAt"] {
        let properties = &described["definitions"][table]["properties"];
        for column in [
            "version",
            "created_at",
            "updated_at",
            "profile_version",
            "updated_by",
        ] {
            let default = &properties[column]["default"];
            assert!(!default.is_null(), "{table}.{column}: {properties}");
        }
    }
    let posted = rest.post("/office", &json!({"id": "o", "version": 1, "data": {}}));
    assert_eq!(posted.status, 201, "{posted:?}");
}

/// A table that was made without the defaults gets them.
#[test]
fn defaults_that_are_missing_are_made() {
    let database = clinic::database("orm");
    let mut client = database.connect();
    client
        .batch_execute(
            "ALTER TABLE clinic.office ALTER version DROP DEFAULT, ALTER created_at DROP DEFAULT",
        )
        .unwrap();
    let problems =
        "SELECT count(*) FROM ingest.doctor('clinic') WHERE problem LIKE '%has no default'";
    assert_eq!(value::<i64>(&mut client, problems), 2);
    client
        .batch_execute("INSERT INTO clinic.office (data) VALUES ('{}')")
        .unwrap();
    let outcome: String = value(
        &mut client,
        "SELECT ingest.profile_define('clinic', 'office', definition) ->> 'outcome' FROM ingest.profile WHERE profile = 'office'",
    );
    assert_eq!(outcome, "repaired");
    assert_eq!(value::<i64>(&mut client, problems), 0);
}
