//! Identities that one row gives up and another takes in the same call, and those that two rows of
//! a call both want.

use ingest_tests::refusal::issues;
use ingest_tests::{Database, expect_sqlstate};
use postgres::{Client, Error};
use serde_json::{Value, json};

use crate::clinic::value;
use crate::invariant::assert_sound;

fn database(rows: i64) -> (Database, Client) {
    let database = Database::new("handed");
    let mut client = database.connect();
    client
        .batch_execute(&format!(
            r#"SELECT ingest.source_create('clinic');
               SELECT ingest.profile_define('clinic', 'shop', '{{"type": "ROOT", "identities": [["number"]],
                   "properties": {{"number": {{"type": "integer"}}, "name": {{"type": "symbol"}}}}}}');
               INSERT INTO clinic.shop (id, data)
               SELECT 's' || lpad(n::text, 5, '0'), jsonb_build_object('number', n) FROM generate_series(1, {rows}) AS n"#
        ))
        .unwrap();
    (database, client)
}

fn shop(number: i64) -> String {
    format!("s{number:05}")
}

/// A body that has a row take a number; of no row, a new one.
fn body(row: Option<i64>, number: i64) -> Value {
    match row {
        Some(row) => json!({"id": shop(row), "data": {"number": number}}),
        None => json!({"data": {"number": number}}),
    }
}

fn load(client: &mut Client, bodies: &[Value], on_error: &str) -> Result<Vec<String>, Error> {
    let sql = "SELECT coalesce(outcome::text, issue #>> '{0,diagnostics}') \
         FROM ingest.resource_load('clinic', 'shop', $1, 'upsert', $2) ORDER BY ordinal";
    let rows = client.query(sql, &[&Value::from(bodies), &on_error])?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn bundle(client: &mut Client, bodies: &[Value]) -> Result<u64, Error> {
    let operations: Vec<Value> = bodies
        .iter()
        .map(|body| match body["id"].as_str() {
            Some(id) => json!({"operation": "upsert", "profile": "shop", "id": id, "body": {"data": body["data"]}}),
            None => json!({"operation": "create", "profile": "shop", "body": body}),
        })
        .collect();
    let bundle = json!({"operations": operations});
    client.execute("SELECT ingest.bundle_apply('clinic', $1)", &[&bundle])
}

/// The numbers of the rows, by id, those of new rows last.
fn numbers(client: &mut Client) -> Vec<i64> {
    value(
        client,
        "SELECT array_agg((data ->> 'number')::bigint ORDER BY length(id), id) FROM clinic.shop",
    )
}

/// What one row gives up another takes in the same call, whichever comes first, and be it one after
/// the other: in a load, in one that reports, and in a bundle.
#[test]
fn identity_that_is_given_up_is_taken_in_the_same_call() {
    for (bodies, left) in [
        (vec![body(Some(1), 9), body(Some(2), 1)], vec![9, 1, 3]),
        (vec![body(Some(2), 9), body(Some(1), 2)], vec![2, 9, 3]),
        (vec![body(None, 1), body(Some(1), 9)], vec![9, 2, 3, 1]),
        (
            vec![body(Some(1), 2), body(Some(2), 3), body(Some(3), 4)],
            vec![2, 3, 4],
        ),
        (
            vec![body(Some(3), 2), body(Some(2), 1), body(Some(1), 0)],
            vec![0, 1, 2],
        ),
        (
            vec![
                body(Some(1), 3),
                body(Some(3), 2),
                body(Some(2), 9),
                body(None, 1),
            ],
            vec![3, 9, 2, 1],
        ),
    ] {
        for way in ["abort", "report", "bundle"] {
            let (_database, mut client) = database(3);
            match way {
                "bundle" => drop(bundle(&mut client, &bodies).unwrap()),
                way => {
                    let outcomes = load(&mut client, &bodies, way).unwrap();
                    let written = |one: &String| one == "updated" || one == "created";
                    assert!(outcomes.iter().all(written), "{way}: {outcomes:?}");
                }
            }
            assert_eq!(numbers(&mut client), left, "{way}: {bodies:?}");
            assert_sound(&mut client, "clinic");
        }
    }
}

/// A chain of thousands through all chunks of a load, in no order, is written, and each row once.
#[test]
fn identities_are_handed_on_through_a_long_load() {
    const ROWS: i64 = 2_500;
    let (_database, mut client) = database(ROWS);
    // A walk through all rows: each takes the number of the next, and the last a new one.
    let walk: Vec<i64> = (0..ROWS).map(|step| step * 1_009 % ROWS + 1).collect();
    let bodies: Vec<Value> = walk
        .iter()
        .enumerate()
        .map(|(step, row)| body(Some(*row), walk.get(step + 1).copied().unwrap_or(0)))
        .collect();
    let outcomes = load(&mut client, &bodies, "abort").unwrap();
    assert!(outcomes.iter().all(|one| one == "updated"));
    let versions: i64 = value(&mut client, "SELECT count(*) FROM clinic.shop_history");
    assert_eq!(versions, ROWS);
    assert_sound(&mut client, "clinic");
}

/// Rows that exchange what they have take two calls, and the error says so; nothing is written by a
/// call that aborts, and all the others by one that reports.
#[test]
fn identities_that_are_exchanged_take_two_calls() {
    let (_database, mut client) = database(4);
    let exchange = [
        body(Some(1), 2),
        body(Some(2), 3),
        body(Some(3), 1),
        body(Some(4), 5),
    ];
    let taken = "the identity (number) of shop is taken by";
    let refused = load(&mut client, &exchange, "abort");
    let refusal = expect_sqlstate(refused, "PT409");
    assert_eq!(
        refusal.message(),
        format!("body 1: {taken} body 2, which waits for another in turn")
    );
    let hint = "Rows that exchange identities need two calls: first give one of them an identity that nobody has.";
    assert_eq!(refusal.hint(), Some(hint));
    assert_eq!(refusal.table(), Some("shop"));
    let refusal = expect_sqlstate(bundle(&mut client, &exchange), "PT409");
    let told = "the identity (number) of shop is taken by operation";
    assert!(refusal.message().contains(told), "{refusal:?}");
    assert!(
        refusal
            .message()
            .ends_with(", which waits for another in turn")
    );
    assert_eq!(refusal.hint(), Some(hint));
    assert_eq!(numbers(&mut client), [1, 2, 3, 4]);
    let outcomes = load(&mut client, &exchange, "report").unwrap();
    for (outcome, holder) in outcomes.iter().zip([2, 3, 1].map(shop)) {
        let told = format!("{taken} {holder}, which waits for another in turn");
        assert_eq!(*outcome, told);
    }
    assert_eq!(outcomes[3], "updated");
    load(&mut client, &[body(Some(1), 9)], "abort").unwrap();
    load(&mut client, &exchange[1..], "abort").unwrap();
    load(&mut client, &exchange[..1], "abort").unwrap();
    assert_eq!(numbers(&mut client), [2, 3, 1, 5]);
    assert_sound(&mut client, "clinic");
}

/// Two rows of a call that want one identity: the error names the other by what the call knows of
/// it, and never by an id that is gone with the call.
#[test]
fn rows_of_one_call_that_clash_are_named_as_the_call_names_them() {
    let (_database, mut client) = database(1);
    let taken = "the identity (number) of shop is taken by";
    let new = json!({"operation": "create", "profile": "shop", "body": {"data": {"number": 7}}});
    let upsert = json!({"operation": "upsert", "profile": "shop", "id": "u", "body": {"data": {"number": 7}}});
    let change = json!({"operation": "upsert", "profile": "shop", "id": "s00001", "body": {"data": {"number": 7}}});
    let found = json!({"operation": "create_if", "profile": "shop", "criteria": {"name": "x"}, "body": {"data": {"number": 7}}});
    for (operations, told) in [
        (vec![&new, &new], "operation 1: X operation 0"),
        (
            vec![&new, &upsert],
            "operation 1: X another row of this call",
        ),
        (
            vec![&new, &change],
            "operation 1: X another row of this call",
        ),
        (
            vec![&new, &found],
            "operation 1: X another row of this call",
        ),
    ] {
        let bundle = json!({"operations": operations});
        let refused = client.execute("SELECT ingest.bundle_apply('clinic', $1)", &[&bundle]);
        let refusal = expect_sqlstate(refused, "PT409");
        assert_eq!(refusal.message(), told.replace('X', taken));
        assert_eq!(issues(&refusal).len(), 1);
        assert_eq!(refusal.hint(), Some("Nothing was written."));
    }
    for mode in ["create", "upsert"] {
        for bodies in [
            vec![body(None, 7), body(None, 7)],
            vec![body(Some(7), 7), body(Some(8), 7)],
        ] {
            let sql = "SELECT ingest.resource_load('clinic', 'shop', $1, $2)";
            let refused = client.execute(sql, &[&Value::from(bodies), &mode]);
            let refusal = expect_sqlstate(refused, "PT409");
            assert_eq!(refusal.message(), format!("body 2: {taken} body 1"));
        }
    }
    // One that reports has written the other, and tells its id.
    let sql = "SELECT id, issue #>> '{0,diagnostics}' FROM ingest.resource_load('clinic', 'shop', $1, on_error => 'report') ORDER BY ordinal";
    let bodies = json!([body(None, 7), body(None, 7)]);
    let rows = client.query(sql, &[&bodies]).unwrap();
    let id: String = rows[0].get(0);
    assert_eq!(rows[1].get::<_, String>(1), format!("{taken} {id}"));
}
