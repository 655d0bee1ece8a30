//! `resource_read_at`: at every instant a resource was what history says, or was not there.

use ingest_tests::expect_sqlstate;
use postgres::{Client, Error};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

use crate::clinic::{self, OFFICE};

fn read_at(client: &mut Client, id: &str, instant: SystemTime) -> Result<Value, Error> {
    client
        .query_one(
            "SELECT ingest.resource_read_at('clinic', 'office', $1, $2)",
            &[&id, &instant],
        )
        .map(|row| row.get(0))
}

/// Before the first version there is nothing; from the instant of each version to that of the next
/// there is that version, and from a tombstone to a re-creation it is gone.
#[test]
fn instant_names_the_version_in_force() {
    let database = clinic::database("read_at");
    let mut client = database.connect();
    for name in ["a", "b", "", "c", "", "d", "e"] {
        match name {
            "" => clinic::delete(&mut client, OFFICE, "o", None, false).unwrap(),
            name => {
                let body = json!({"data": {"name": name}});
                clinic::upsert(&mut client, OFFICE, "o", &body).unwrap()
            }
        };
    }
    let mut revisions = clinic::history(&mut client, OFFICE, "o").unwrap();
    assert_eq!(revisions.len(), 7);
    let newest: Vec<i32> = revisions.iter().map(|revision| revision.version).collect();
    assert_eq!(newest, [7, 6, 5, 4, 3, 2, 1]);
    revisions.reverse();

    let microsecond = Duration::from_micros(1);
    expect_sqlstate(
        read_at(&mut client, "o", revisions[0].updated_at - microsecond),
        "PT404",
    );
    for (place, revision) in revisions.iter().enumerate() {
        let from = revision.updated_at;
        let until = revisions
            .get(place + 1)
            .map_or(from + Duration::from_secs(3600), |next| next.updated_at);
        assert_eq!(
            revision.ended_at,
            revisions.get(place + 1).map(|next| next.updated_at),
            "version {}",
            revision.version
        );
        let between = from + until.duration_since(from).unwrap() / 2;
        for instant in [from, between, until - microsecond] {
            let read = read_at(&mut client, "o", instant);
            match &revision.resource {
                Some(resource) => assert_eq!(&read.unwrap(), resource),
                None => drop(expect_sqlstate(read, "PT410")),
            }
        }
    }
}

/// The ends of time, and ids that never were.
#[test]
fn instant_at_the_ends_of_time_is_answered() {
    let database = clinic::database("read_at");
    let mut client = database.connect();
    clinic::create_as(&mut client, OFFICE, "o", &json!({"data": {"name": "a"}})).unwrap();
    let mut at = |id: &str, instant: &str| {
        let sql = format!(
            "SELECT ingest.resource_read_at('clinic', 'office', '{id}', {instant}) #>> '{{data,name}}'"
        );
        client
            .query_one(&sql, &[])
            .map(|row| row.get::<_, String>(0))
    };
    assert_eq!(at("o", "'infinity'").unwrap(), "a");
    assert_eq!(at("o", "clock_timestamp()").unwrap(), "a");
    expect_sqlstate(at("o", "'-infinity'"), "PT404");
    expect_sqlstate(at("o", "'2001-01-01'"), "PT404");
    expect_sqlstate(at("never", "clock_timestamp()"), "PT404");
    expect_sqlstate(at("o", "NULL::timestamptz"), "PT400");
}

/// All of a transaction's versions are told apart, though one transaction made them.
#[test]
fn instant_within_a_transaction_names_one_version() {
    let database = clinic::database("read_at");
    let mut client = database.connect();
    let mut transaction = client.transaction().unwrap();
    let instants: Vec<SystemTime> = (0..20)
        .map(|number| {
            let body = json!({"data": {"name": number.to_string()}});
            clinic::upsert(&mut transaction, OFFICE, "o", &body)
                .unwrap()
                .updated_at
        })
        .collect();
    transaction.commit().unwrap();
    for (number, instant) in instants.into_iter().enumerate() {
        let read = read_at(&mut client, "o", instant).unwrap();
        assert_eq!(read["data"]["name"], json!(number.to_string()));
    }
}
